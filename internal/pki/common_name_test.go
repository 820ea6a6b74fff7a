package pki_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestBrokerName(t *testing.T) {
	ca, err := fixture.NewCA(fixture.Template{CommonName: "CA"})
	if err != nil {
		t.Fatal(err)
	}
	cn := func(values ...any) (name pkix.Name) {
		for _, v := range values {
			name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{
				Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: v,
			})
		}
		return name
	}
	for _, tt := range []struct {
		name    string
		subject pkix.Name
		want    string
	}{
		{"one common name is the name", cn("pump-7"), "pump-7"},
		{"several have commas between them, in their order", cn("a", "b"), "a,b"},
		{"other characters are as they are", cn(`Pümp "7"=+`), `Pümp "7"=+`},
		{"without one there is no name", pkix.Name{Organization: []string{"o"}}, ""},
		{"a control character means nobody", cn("pump\n7"), ""},
		{"a long one means nobody", cn(strings.Repeat("a", 257)), ""},
		{"256 bytes are a name", cn(strings.Repeat("a", 256)), strings.Repeat("a", 256)},
		{"what Cordon puts into every certificate means nobody", cn(pki.DeviceCommonName), ""},
		{"what AWS IoT puts into every certificate means nobody", cn("AWS IoT Certificate"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf, err := ca.Issue(fixture.Template{Subject: &tt.subject})
			if err != nil {
				t.Fatal(err)
			}
			c, err := pki.ParseCertificate(leaf.PEM)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.BrokerName(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
