package iotapi_test

import (
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestACAIsNamedWhereSeveralFit(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		key := must[*ecdsa.PrivateKey](t)(fixture.ECKey())
		var pems, ids []string
		for range 2 { // two certificates of one key and name
			ca := must[*fixture.CA](t)(fixture.NewCAWithKey(fixture.Template{CommonName: "Renewed CA"}, key))
			pems, ids = append(pems, ca.PEM), append(ids, registerCA(t, c, ca, true))
		}
		signer := must[*fixture.CA](t)(fixture.NewCAWithKey(fixture.Template{CommonName: "Renewed CA"}, key))
		pem := must[*fixture.Leaf](t)(signer.Issue(fixture.Template{})).PEM
		_, err := c.RegisterCertificate(ctx, &iot.RegisterCertificateInput{CertificatePem: &pem})
		expect(t, err, want{"CertificateConflictException", 409})
		out := must[*iot.RegisterCertificateOutput](t)(c.RegisterCertificate(ctx, &iot.RegisterCertificateInput{
			CertificatePem: &pem, CaCertificatePem: &pems[1],
		}))
		if d := describe(t, c, *out.CertificateId); *d.CaCertificateId != ids[1] {
			t.Errorf("got the CA %s, want %s, which was named", *d.CaCertificateId, ids[1])
		}
		other := must[*fixture.Leaf](t)(signer.Issue(fixture.Template{})).PEM
		_, err = c.RegisterCertificate(ctx, &iot.RegisterCertificateInput{CertificatePem: &other,
			CaCertificatePem: &devices.PEM})
		expect(t, err, certificateWrong) // it did not sign it
	})
}

func TestListsAreAscendingOrDescending(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		ca := registerCA(t, c, devices, true)
		var certs, names []string
		for i := range 3 {
			out := must[*iot.RegisterCertificateOutput](t)(c.RegisterCertificate(ctx, &iot.RegisterCertificateInput{
				CertificatePem: new(issue(t, fixture.Template{})),
			}))
			certs = append(certs, *out.CertificateId)
			names = append(names, fmt.Sprint("p", i))
			policy(t, c, names[i], narrowPolicy)
		}
		for _, ascending := range []bool{true, false} {
			byCA := must[*iot.ListCertificatesByCAOutput](t)(c.ListCertificatesByCA(ctx, &iot.ListCertificatesByCAInput{
				CaCertificateId: &ca, AscendingOrder: ascending,
			}))
			policies := must[*iot.ListPoliciesOutput](t)(c.ListPolicies(ctx, &iot.ListPoliciesInput{AscendingOrder: ascending}))
			var gotCerts, gotNames []string
			for _, cert := range byCA.Certificates {
				gotCerts = append(gotCerts, *cert.CertificateId)
			}
			for _, p := range policies.Policies {
				gotNames = append(gotNames, *p.PolicyName)
			}
			if !ascending {
				slices.Reverse(gotCerts)
				slices.Reverse(gotNames)
			}
			inOrder(t, fmt.Sprint("certificates, ascending ", ascending), gotCerts, certs...)
			inOrder(t, fmt.Sprint("policies, ascending ", ascending), gotNames, names...)
		}
	})
}

func TestACertificateOfARequestIsActiveWhenAsked(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	key := must[*ecdsa.PrivateKey](t)(fixture.ECKey())
	csr := must[string](t)(fixture.Request(pkix.Name{CommonName: "pump"}, key))
	for active, want := range map[bool]types.CertificateStatus{
		true: types.CertificateStatusActive, false: types.CertificateStatusInactive,
	} {
		out := must[*iot.CreateCertificateFromCsrOutput](t)(c.CreateCertificateFromCsr(ctx,
			&iot.CreateCertificateFromCsrInput{
				CertificateSigningRequest: &csr, SetAsActive: active,
			}))
		if got := status(t, c, *out.CertificateId); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTagsAreTakenAtCreation(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		many := make([]types.Tag, 51)
		for i := range many {
			many[i] = types.Tag{Key: new(fmt.Sprint("k", i)), Value: new("v")}
		}
		twice := []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("a"), Value: new("2")}}
		for _, tt := range []struct {
			name string
			tags []types.Tag
			want want
		}{
			{"a key twice", twice, invalid},
			{"fifty-one", many, invalid},
			{"fifty", many[:50], fine},
		} {
			ca := newCA(t, fixture.Template{CommonName: "Tagged CA"})
			for _, in := range []any{
				&iot.CreateThingGroupInput{ThingGroupName: new("tagged"), Tags: tt.tags},
				&iot.CreatePolicyInput{PolicyName: new("tagged"), PolicyDocument: new(narrowPolicy), Tags: tt.tags},
				&iot.CreateMitigationActionInput{
					ActionName: new("tagged"), RoleArn: new(cordontest.RoleARN), ActionParams: new(deactivate()), Tags: tt.tags,
				},
				&iot.RegisterCACertificateInput{
					CaCertificate: &ca.PEM, CertificateMode: types.CertificateModeSniOnly, Tags: tt.tags,
				},
			} {
				_, err := call(t, c, in)
				if got := outcome(err); got != tt.want {
					t.Errorf("%s with %s: got %v (%v), want %v", operation(in), tt.name, got, err, tt.want)
				}
			}
		}
	})
}

func TestVerboseLoggingOptionsAreTheSame(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	_, err := c.SetV2LoggingOptions(ctx, &iot.SetV2LoggingOptionsInput{
		RoleArn: new(cordontest.RoleARN), DefaultLogLevel: types.LogLevelInfo,
		EventConfigurations: []types.LogEventConfiguration{{EventType: new("Connect"), LogLevel: types.LogLevelError}},
	})
	expect(t, err, fine)
	for _, verbose := range []bool{true, false} {
		out := must[*iot.GetV2LoggingOptionsOutput](t)(c.GetV2LoggingOptions(ctx,
			&iot.GetV2LoggingOptionsInput{Verbose: verbose}))
		if len(out.EventConfigurations) != 1 || *out.EventConfigurations[0].EventType != "Connect" {
			t.Errorf("verbose %t: got %+v, want the events that were set", verbose, out.EventConfigurations)
		}
	}
}
