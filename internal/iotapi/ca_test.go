package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// registrationCode is the code of the caller's account.
func registrationCode(t *testing.T, c *iot.Client) string {
	t.Helper()
	out, err := c.GetRegistrationCode(t.Context(), &iot.GetRegistrationCodeInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.RegistrationCode
}

func TestRegisterCACertificate(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		other := newCA(t, fixture.Template{CommonName: "Other CA"})
		stale := must[string](t)(devices.Verification("no code was made yet"))
		leaf := issue(t, fixture.Template{})
		code := registrationCode(t, c)
		if again := registrationCode(t, c); again != code {
			t.Errorf("got code %s, then %s, want the same", code, again)
		}
		proof := must[string](t)(devices.Verification(code))
		stranger := must[string](t)(other.Verification(code))
		for _, tt := range []struct {
			name string
			in   iot.RegisterCACertificateInput
			want want
		}{
			{"no verification", iot.RegisterCACertificateInput{CaCertificate: &devices.PEM}, invalid},
			{"another code", iot.RegisterCACertificateInput{
				CaCertificate: &devices.PEM, VerificationCertificate: &stale}, registrationWrong},
			{"another CA's verification", iot.RegisterCACertificateInput{
				CaCertificate: &devices.PEM, VerificationCertificate: &stranger}, certificateWrong},
			{"a device certificate", iot.RegisterCACertificateInput{
				CaCertificate: &leaf, VerificationCertificate: &proof}, certificateWrong},
			{"a verification in mode SNI_ONLY", iot.RegisterCACertificateInput{CaCertificate: &devices.PEM,
				VerificationCertificate: &proof, CertificateMode: types.CertificateModeSniOnly}, invalid},
			{"a provisioning template, which is not honoured", iot.RegisterCACertificateInput{
				CaCertificate: &devices.PEM, VerificationCertificate: &proof,
				RegistrationConfig: &types.RegistrationConfig{TemplateBody: aws.String("{}")}}, invalid},
			{"by its verification", iot.RegisterCACertificateInput{CaCertificate: &devices.PEM,
				VerificationCertificate: &proof, SetAsActive: true, AllowAutoRegistration: true}, fine},
			{"again", iot.RegisterCACertificateInput{
				CaCertificate: &devices.PEM, VerificationCertificate: &proof}, exists},
			{"in mode SNI_ONLY", iot.RegisterCACertificateInput{
				CaCertificate: &other.PEM, CertificateMode: types.CertificateModeSniOnly}, fine},
		} {
			_, err := c.RegisterCACertificate(t.Context(), &tt.in)
			if got := outcome(err); got != tt.want {
				t.Errorf("%s: got %v (%v), want %v", tt.name, got, err, tt.want)
			}
		}
		list, err := c.ListCACertificates(t.Context(), &iot.ListCACertificatesInput{
			PageSize: aws.Int32(1), AscendingOrder: true,
		})
		if err != nil || len(list.Certificates) != 1 || list.NextMarker == nil {
			t.Fatalf("got %v, %v, want a page of one and the next", list, err)
		}
		first := list.Certificates[0]
		if first.Status != types.CACertificateStatusActive {
			t.Errorf("got %s, want ACTIVE", first.Status)
		}
		out, err := c.DescribeCACertificate(t.Context(), &iot.DescribeCACertificateInput{CertificateId: first.CertificateId})
		if err != nil {
			t.Fatal(err)
		}
		d := out.CertificateDescription
		if d.AutoRegistrationStatus != types.AutoRegistrationStatusEnable || *d.CertificatePem != devices.PEM ||
			d.CertificateMode != types.CertificateModeDefault || *d.CertificateArn != *first.CertificateArn {
			t.Errorf("got %+v, want what was registered", d)
		}
	})
}

func TestUpdateAndDeleteCACertificate(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{}).IoT()
	id := registerCA(t, c, devices, false)
	for _, tt := range []struct {
		name string
		in   iot.UpdateCACertificateInput
		want want
	}{
		{"activate", iot.UpdateCACertificateInput{NewStatus: types.CACertificateStatusActive}, fine},
		{"both on and off", iot.UpdateCACertificateInput{RemoveAutoRegistration: true,
			NewAutoRegistrationStatus: types.AutoRegistrationStatusEnable}, invalid},
		{"automatic registration", iot.UpdateCACertificateInput{
			NewAutoRegistrationStatus: types.AutoRegistrationStatusEnable}, fine},
		{"no status of a CA", iot.UpdateCACertificateInput{NewStatus: "REVOKED"}, invalid},
	} {
		tt.in.CertificateId = &id
		if _, err := c.UpdateCACertificate(t.Context(), &tt.in); outcome(err) != tt.want {
			t.Errorf("%s: got %v (%v), want %v", tt.name, outcome(err), err, tt.want)
		}
	}
	remove := func(w want) {
		t.Helper()
		_, err := c.DeleteCACertificate(t.Context(), &iot.DeleteCACertificateInput{CertificateId: &id})
		expect(t, err, w)
	}
	remove(certificateState)
	_, err := c.UpdateCACertificate(t.Context(), &iot.UpdateCACertificateInput{
		CertificateId: &id, NewStatus: types.CACertificateStatusInactive, RemoveAutoRegistration: true,
	})
	expect(t, err, fine)
	remove(fine)
	remove(notFound)
	_, err = c.DeleteRegistrationCode(t.Context(), &iot.DeleteRegistrationCodeInput{})
	expect(t, err, fine)
	_, err = c.DeleteRegistrationCode(t.Context(), &iot.DeleteRegistrationCodeInput{})
	expect(t, err, notFound)
}
