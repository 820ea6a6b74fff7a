package iotapi_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestStartAuditMitigationActionsTaskRefuses(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := register(t, c, in(-1))
		audit, found := audited(t, c, checkExpiring, checkLogging)
		for name, p := range map[string]types.MitigationActionParams{
			"deactivate": deactivate(), "deactivate-ca": deactivateCA(), "join": joining("g"), "blank": blanking(),
			"log": logging(types.LogLevelInfo),
		} {
			action(t, c, name, p)
		}
		id := found[cert]
		type target = types.AuditMitigationActionsTaskTarget
		good := mapping{checkExpiring: {"deactivate"}}
		filter := func(check string, codes ...string) map[string][]string { return map[string][]string{check: codes} }
		for _, tt := range []struct {
			name   string
			task   string
			token  string
			target *target
			m      mapping
			text   string
		}{
			{"an unknown action", "t", "", aim(audit), mapping{checkExpiring: {"nothing"}}, `"nothing"`},
			{"an action of another name in case", "t", "", aim(audit), mapping{checkExpiring: {"Deactivate"}}, `"Deactivate"`},
			{"an unknown check", "t", "", aim(audit), mapping{"MOON_CHECK": {"deactivate"}}, `"MOON_CHECK"`},
			{"an unknown check beside a good one", "t", "", aim(audit),
				mapping{checkExpiring: {"deactivate"}, "MOON_CHECK": {"deactivate"}}, `"MOON_CHECK"`},
			{"an unknown audit", "t", "", aim("0123456789abcdef0123456789abcdef"), good, "0123456789abcdef0123456789abcdef"},
			{"a finding for an audit", "t", "", aim(id), good, id},
			{"an unknown finding", "t", "", aimAtFinding("ffffffffffffffffffff000000000001"), good,
				"ffffffffffffffffffff000000000001"},
			{"a known finding beside an unknown one", "t", "", aimAtFinding(id, "nothing-of-ours"), good, "nothing-of-ours"},
			{"an audit for a finding", "t", "", aimAtFinding(audit), good, audit},

			{"a device action on the account", "t", "", aim(audit), mapping{checkLogging: {"deactivate"}},
				"UPDATE_DEVICE_CERTIFICATE"},
			{"a CA action on a device", "t", "", aim(audit), mapping{checkExpiring: {"deactivate-ca"}}, "UPDATE_CA_CERTIFICATE"},
			{"a policy action on a device", "t", "", aim(audit), mapping{checkExpiring: {"blank"}},
				"REPLACE_DEFAULT_POLICY_VERSION"},
			{"a logging action on a device", "t", "", aim(audit), mapping{checkExpiring: {"log"}}, "ENABLE_IOT_LOGGING"},
			{"a group action on a policy", "t", "", aim(audit), mapping{checkBroad: {"join"}}, "ADD_THINGS_TO_THING_GROUP"},
			{"a device action on a CA", "t", "", aim(audit), mapping{checkCAKey: {"deactivate"}}, "UPDATE_DEVICE_CERTIFICATE"},
			{"one bad action in a list", "t", "", aim(audit), mapping{checkExpiring: {"deactivate", "log"}},
				"ENABLE_IOT_LOGGING"},
			{"an action twice", "t", "", aim(audit), mapping{checkExpiring: {"deactivate", "join", "deactivate"}}, "twice"},

			{"no target", "t", "", &target{}, good, "auditTaskId or findingIds"},
			{"both targets", "t", "", &target{AuditTaskId: &audit, FindingIds: []string{id}}, good, "not both"},
			{"a filter without audit", "t", "", &target{AuditCheckToReasonCodeFilter: filter(checkExpiring, codePast)}, good,
				""},
			{"a filter on chosen findings", "t", "", &target{
				FindingIds: []string{id}, AuditCheckToReasonCodeFilter: filter(checkExpiring, codePast),
			}, good, "auditCheckToReasonCodeFilter"},
			{"a filter on an unknown check", "t", "", &target{
				AuditTaskId: &audit, AuditCheckToReasonCodeFilter: filter("MOON_CHECK", codePast),
			}, good, `"MOON_CHECK"`},
			{"a filter of no codes", "t", "", &target{
				AuditTaskId: &audit, AuditCheckToReasonCodeFilter: map[string][]string{checkExpiring: {}},
			}, good, "auditCheckToReasonCodeFilter"},
			{"a filter of too many codes", "t", "", &target{
				AuditTaskId: &audit, AuditCheckToReasonCodeFilter: filter(checkExpiring,
					strings.Split(strings.Repeat("x,", 25)+"x", ",")...),
			}, good, "auditCheckToReasonCodeFilter"},
			{"too many findings", "t", "", aimAtFinding(strings.Split(strings.Repeat(id+",", 25)+id, ",")...), good,
				"findingIds"},
			{"no finding", "t", "", &target{FindingIds: []string{}}, good, "findingIds"},
			{"no mapping", "t", "", aim(audit), mapping{}, "auditCheckToActionsMapping"},
			{"no action", "t", "", aim(audit), mapping{checkExpiring: {}}, "auditCheckToActionsMapping"},
			{"too many actions", "t", "", aim(audit), mapping{checkExpiring: {"a", "b", "c", "d", "e", "f"}},
				"auditCheckToActionsMapping"},
			{"a task id with a dot", "t.1", "", aim(audit), good, "taskId"},
			{"a task id too long", strings.Repeat("t", 129), "", aim(audit), good, "taskId"},
			{"a token with a dot", "t", "a.b", aim(audit), good, "clientRequestToken"},
			{"a token too long", "t", strings.Repeat("t", 65), aim(audit), good, "clientRequestToken"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				in := &iot.StartAuditMitigationActionsTaskInput{
					TaskId: &tt.task, Target: tt.target, AuditCheckToActionsMapping: tt.m,
				}
				if tt.token != "" {
					in.ClientRequestToken = &tt.token
				}
				_, err := c.StartAuditMitigationActionsTask(t.Context(), in)
				expect(t, err, invalid)
				saying(t, err, tt.text)
			})
		}
		if got := tasks(t, c, nil); len(got) != 0 {
			t.Errorf("got tasks %v after refusals, want none", got)
		}
		if got := status(t, c, cert); got != types.CertificateStatusActive {
			t.Errorf("got %s after refusals, want ACTIVE", got)
		}
	})
}

func TestCertificatesThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	good := issue(t, fixture.Template{})
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	withKey := func(key crypto.PublicKey) string { return issue(t, fixture.Template{Key: key}) }
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	small := &rsa.PublicKey{N: fixture.CloseKey(1).N, E: 65537}
	small.N = small.N.Rsh(small.N, 1025).SetBit(small.N, 0, 1)
	csr := must[string](t)(fixture.Request(pkix.Name{CommonName: "x"}, must[*ecdsa.PrivateKey](t)(fixture.ECKey())))
	for _, tt := range []struct{ name, pem string }{
		{"a word", "certificate"},
		{"base64 that is no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		{"no base64", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"},
		{"the first half", good[:len(good)/2]},
		{"a signing request", csr},
		{"two certificates", good + good},
		{"a private key beside it", good + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		{"an Ed25519 key", withKey(ed.Public())},
		{"a P-224 key", withKey(&p224.PublicKey)},
		{"a short RSA key", withKey(small)},
		{"an RSA key of close primes", withKey(fixture.CloseKey(1))},
		{"an RSA key with a small factor", withKey(fixture.SmallFactorKey(1))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.RegisterCertificateWithoutCA(ctx, &iot.RegisterCertificateWithoutCAInput{CertificatePem: &tt.pem})
			if got := outcome(err); got != certificateWrong && got != invalid {
				t.Errorf("got %v (%v), want CertificateValidationException or InvalidRequestException", got, err)
			}
			if err != nil && (strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), good[40:80])) {
				t.Errorf("got %v, want no PEM repeated", err)
			}
			_, err = c.RegisterCACertificate(ctx, &iot.RegisterCACertificateInput{
				CaCertificate: &tt.pem, CertificateMode: types.CertificateModeSniOnly,
			})
			if got := outcome(err); got != certificateWrong && got != invalid {
				t.Errorf("as CA: got %v (%v), want CertificateValidationException or InvalidRequestException", got, err)
			}
		})
	}
	list := must[*iot.ListCertificatesOutput](t)(c.ListCertificates(ctx, &iot.ListCertificatesInput{}))
	cas := must[*iot.ListCACertificatesOutput](t)(c.ListCACertificates(ctx, &iot.ListCACertificatesInput{}))
	if len(list.Certificates)+len(cas.Certificates) != 0 {
		t.Errorf("got %v and %v after refusals, want none", list.Certificates, cas.Certificates)
	}
	for _, csr := range []string{"request", good, strings.Replace(csr, "REQUEST", "CERTIFICATE", 2)} {
		_, err := c.CreateCertificateFromCsr(ctx, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: &csr})
		if got := outcome(err); got != certificateWrong && got != invalid {
			t.Errorf("got %v (%v) for a bad signing request", got, err)
		}
	}
}

func TestPoliciesThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	policy(t, c, "mine", narrowPolicy)
	// With n, the document has so many characters that are not white space.
	sized := func(n int) string {
		const form = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect",` +
			`"Resource":"arn:aws:iot:us-east-1:000000000000:client/%s"}]}`
		return fmt.Sprintf(form, strings.Repeat("a", n-len(fmt.Sprintf(form, ""))))
	}
	for _, tt := range []struct {
		name, document string
		want           want
	}{
		{"the greatest document", sized(2048), fine},
		{"white space, which does not count", strings.ReplaceAll(sized(2048), ",", ",\n\t    "), fine},
		{"a character too many", sized(2049), malformedPolicy},
		{"no JSON", `allow everything`, malformedPolicy},
		{"an open object", `{"Version":"2012-10-17"`, malformedPolicy},
		{"a list", `[]`, malformedPolicy},
		{"an unknown element", strings.Replace(narrowPolicy, `"Effect"`, `"Effekt"`, 1), malformedPolicy},
		{"an element in another case", strings.Replace(narrowPolicy, `"Effect"`, `"effect"`, 1), malformedPolicy},
		{"an element twice", strings.Replace(narrowPolicy, `"Effect":"Allow"`, `"Effect":"Deny","Effect":"Allow"`, 1),
			malformedPolicy},
		{"another effect", strings.Replace(narrowPolicy, `"Allow"`, `"Permit"`, 1), malformedPolicy},
		{"another version", strings.Replace(narrowPolicy, `2012-10-17`, `2026-01-01`, 1), malformedPolicy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.CreatePolicy(ctx, &iot.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: &tt.document})
			expect(t, err, tt.want)
			if tt.want == fine {
				_, err = c.DeletePolicy(ctx, &iot.DeletePolicyInput{PolicyName: new("p")})
				expect(t, err, fine)
				return
			}
			_, err = c.CreatePolicyVersion(ctx, &iot.CreatePolicyVersionInput{
				PolicyName: new("mine"), PolicyDocument: &tt.document,
			})
			expect(t, err, tt.want)
		})
	}
	out := must[*iot.ListPoliciesOutput](t)(c.ListPolicies(ctx, &iot.ListPoliciesInput{}))
	versions := must[*iot.ListPolicyVersionsOutput](t)(c.ListPolicyVersions(ctx,
		&iot.ListPolicyVersionsInput{PolicyName: new("mine")}))
	if len(out.Policies) != 1 || len(versions.PolicyVersions) != 1 {
		t.Errorf("got %v and %v after refusals, want the one of before", out.Policies, versions.PolicyVersions)
	}
}

func TestMembersThatAreNotHonouredAreRefusedByName(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	registration := &types.RegistrationConfig{TemplateName: new("t")}
	for _, tt := range []struct {
		member string
		in     any
	}{
		{"billingGroupName", &iot.CreateThingInput{ThingName: new("a"), BillingGroupName: new("b")}},
		{"registrationConfig", &iot.RegisterCACertificateInput{CaCertificate: new("c"), RegistrationConfig: registration}},
		{"registrationConfig", &iot.UpdateCACertificateInput{
			CertificateId: new(strings.Repeat("a", 64)), RegistrationConfig: registration,
		}},
		{"templateName", &iot.ListCACertificatesInput{TemplateName: new("t")}},
	} {
		t.Run(operation(tt.in)+" "+tt.member, func(t *testing.T) {
			_, err := call(t, c, tt.in)
			expect(t, err, invalid)
			saying(t, err, "Member '"+tt.member+"' of "+operation(tt.in)+" is not supported")
		})
	}
	if on, role := configured(t, c); len(on) != 0 || role != "" {
		t.Errorf("got %v and %q after a refusal, want no configuration", on, role)
	}
}
