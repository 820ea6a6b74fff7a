package identity_test

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/identity"
)

// BenchmarkAuthorize is what a decision costs once the policies are read: the
// aim is two microseconds, and no query.
func BenchmarkAuthorize(b *testing.B) {
	ask := []identity.Ask{{Action: "iot:DescribeThing", Resource: thingARN}}
	aws := func(name string) string {
		return identity.AWSPolicyVersion("arn:aws:iam::aws:policy/" + name).Document
	}
	for _, bb := range []struct {
		name string
		situation
	}{
		{"root", situation{who: root}},
		{"administrator", situation{who: alice, policies: []string{aws("AdministratorAccess")}}},
		{"three policies of AWS", situation{who: alice, policies: []string{
			aws("AWSIoTConfigReadOnlyAccess"), aws("IAMReadOnlyAccess"), aws("AmazonSNSReadOnlyAccess"),
		}}},
		{"by name, tag and address, in bounds", situation{
			who: bounded(nightly, document(allow("iot:*", "*"))),
			policies: []string{
				document(allow("iot:*", "arn:aws:iot:*:*:thing/pump-*").when("StringEquals", "aws:PrincipalTag/team", "audit").
					when("IpAddress", "aws:SourceIp", "198.51.100.0/24")),
				document(deny("iot:*", "*").when("Bool", "aws:SecureTransport", "false")),
			},
			boundary: document(allow("iot:* sns:*", "*")),
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := &shelf{situation: bb.situation}
			service := s.service()
			b.ReportAllocs()
			for b.Loop() {
				if err := service.Authorize(b.Context(), bb.who, fromOffice, ask); err != nil {
					b.Fatal(err)
				}
			}
			if s.reads.Load() > 1 {
				b.Errorf("got %d reads, want 1", s.reads.Load())
			}
		})
	}
}
