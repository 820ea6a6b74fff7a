package iotapi_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func describe(t *testing.T, c *iot.Client, id string) *types.CertificateDescription {
	t.Helper()
	out, err := c.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &id})
	if err != nil {
		t.Fatalf("describe certificate: %v", err)
	}
	return out.CertificateDescription
}

func TestRegisterCertificateWithoutCA(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		pem := issue(t, fixture.Template{CommonName: "d"})
		in := &iot.RegisterCertificateWithoutCAInput{CertificatePem: aws.String("\r\n" + pem + "\n")}
		out, err := c.RegisterCertificateWithoutCA(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		d := describe(t, c, *out.CertificateId)
		if *d.CertificateArn != *out.CertificateArn || *d.CertificateArn != certARN(*d.CertificateId) ||
			*d.CertificatePem != pem || d.Status != types.CertificateStatusInactive || *d.OwnedBy != cordontest.Account ||
			d.CertificateMode != types.CertificateModeSniOnly || d.CaCertificateId != nil || *d.CustomerVersion != 1 ||
			*d.GenerationId == "" || !d.Validity.NotAfter.After(*d.CreationDate) {
			t.Errorf("got %+v, want what was registered", d)
		}
		_, err = c.RegisterCertificateWithoutCA(t.Context(), in)
		expect(t, err, exists)
		for _, tt := range []struct {
			name   string
			pem    string
			status types.CertificateStatus
			want   want
		}{
			{"no certificate", "hello", "", certificateWrong},
			{"two certificates", pem + pem, "", certificateWrong},
			{"a broken key", issue(t, fixture.Template{Key: fixture.CloseKey(1)}), "", certificateWrong},
			{"a state that is no state", pem, "LOST", invalid},
			{"a state that transfers lead to", pem, types.CertificateStatusPendingTransfer, invalid},
		} {
			_, err := c.RegisterCertificateWithoutCA(t.Context(), &iot.RegisterCertificateWithoutCAInput{
				CertificatePem: &tt.pem, Status: tt.status,
			})
			if got := outcome(err); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "MII") {
				t.Errorf("%s: the answer repeats the certificate", tt.name)
			}
		}
	})
}

func TestCertificatesOfTheOwnCA(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		made, err := c.CreateKeysAndCertificate(t.Context(), &iot.CreateKeysAndCertificateInput{SetAsActive: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tls.X509KeyPair([]byte(*made.CertificatePem), []byte(*made.KeyPair.PrivateKey)); err != nil {
			t.Errorf("the private key is not that of the certificate: %v", err)
		}
		d := describe(t, c, *made.CertificateId)
		if d.Status != types.CertificateStatusActive || d.CertificateMode != types.CertificateModeDefault {
			t.Errorf("got %s, %s, want ACTIVE, DEFAULT", d.Status, d.CertificateMode)
		}
		key, err := fixture.ECKey()
		if err != nil {
			t.Fatal(err)
		}
		request, err := fixture.Request(pkix.Name{CommonName: "sensor 7"}, key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := c.CreateCertificateFromCsr(t.Context(), &iot.CreateCertificateFromCsrInput{
			CertificateSigningRequest: &request,
		})
		if err != nil {
			t.Fatal(err)
		}
		a, b := must[*pki.Certificate](t)(pki.ParseCertificate(*made.CertificatePem)),
			must[*pki.Certificate](t)(pki.ParseCertificate(*signed.CertificatePem))
		if b.CommonName != "sensor 7" || a.IssuerMatch != b.IssuerMatch {
			t.Errorf("got %s of %s, want the subject asked for, of %s", b.Subject, b.Issuer, a.Issuer)
		}
		if got := status(t, c, *signed.CertificateId); got != types.CertificateStatusInactive {
			t.Errorf("got %s, want INACTIVE", got)
		}
		_, err = c.CreateCertificateFromCsr(t.Context(), &iot.CreateCertificateFromCsrInput{
			CertificateSigningRequest: aws.String("hello"),
		})
		expect(t, err, invalid)
		list, err := c.ListCACertificates(t.Context(), &iot.ListCACertificatesInput{})
		if err != nil || len(list.Certificates) != 0 {
			t.Errorf("got %v, %v, want the own CA not to be listed", list, err)
		}
	})
}

func TestRegisterCertificateUnderACA(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		pem := issue(t, fixture.Template{CommonName: "d"})
		in := &iot.RegisterCertificateInput{CertificatePem: &pem, Status: types.CertificateStatusActive}
		_, err := c.RegisterCertificate(t.Context(), in)
		expect(t, err, certificateWrong)
		ca := registerCA(t, c, devices, false)
		_, err = c.RegisterCertificate(t.Context(), in)
		expect(t, err, certificateState)
		if _, err := c.UpdateCACertificate(t.Context(), &iot.UpdateCACertificateInput{
			CertificateId: &ca, NewStatus: types.CACertificateStatusActive,
		}); err != nil {
			t.Fatal(err)
		}
		out, err := c.RegisterCertificate(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		d := describe(t, c, *out.CertificateId)
		if d.CaCertificateId == nil || *d.CaCertificateId != ca || d.Status != types.CertificateStatusActive ||
			d.CertificateMode != types.CertificateModeDefault {
			t.Errorf("got %+v, want it active under its CA", d)
		}
		_, err = c.RegisterCertificate(t.Context(), &iot.RegisterCertificateInput{
			CertificatePem: &pem, Status: types.CertificateStatusInactive,
			SetAsActive: aws.Bool(true), //lint:ignore SA1019 older clients still send it
		})
		expect(t, err, invalid)
		list, err := c.ListCertificatesByCA(t.Context(), &iot.ListCertificatesByCAInput{CaCertificateId: &ca})
		if err != nil || len(list.Certificates) != 1 || *list.Certificates[0].CertificateId != *out.CertificateId {
			t.Errorf("got %v, %v, want the certificate", list, err)
		}
	})
}

func TestUpdateAndDeleteCertificate(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		id := register(t, c, fixture.Template{CommonName: "d"})
		remove := func(id string, w want) {
			t.Helper()
			_, err := c.DeleteCertificate(t.Context(), &iot.DeleteCertificateInput{CertificateId: &id})
			expect(t, err, w)
		}
		remove(id, certificateState)
		setStatus(t, c, id, types.CertificateStatusRevoked)
		_, err := c.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{
			CertificateId: &id, NewStatus: types.CertificateStatusActive,
		})
		expect(t, err, certificateState)
		policy(t, c, "p", narrowPolicy)
		if _, err := c.AttachPolicy(t.Context(), &iot.AttachPolicyInput{
			PolicyName: aws.String("p"), Target: aws.String(certARN(id)),
		}); err != nil {
			t.Fatal(err)
		}
		remove(id, deleteConflict)
		_, err = c.DeleteCertificate(t.Context(), &iot.DeleteCertificateInput{CertificateId: &id, ForceDelete: true})
		expect(t, err, fine)
		remove(id, notFound)
	})
}

func TestCertificatesAreListedInPages(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		var ids []string
		for range 5 {
			ids = append(ids, register(t, c, fixture.Template{}))
		}
		var got []string
		in := &iot.ListCertificatesInput{PageSize: aws.Int32(2), AscendingOrder: true}
		pages := 0
		for {
			out, err := c.ListCertificates(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, found := range out.Certificates {
				got = append(got, *found.CertificateId)
			}
			if in.Marker = out.NextMarker; in.Marker == nil {
				break
			}
		}
		if pages != 3 || strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("got %v in %d pages, want %v in 3", got, pages, ids)
		}
		_, err := c.ListCertificates(t.Context(), &iot.ListCertificatesInput{Marker: aws.String("abcd")})
		expect(t, err, invalid)
	})
}
