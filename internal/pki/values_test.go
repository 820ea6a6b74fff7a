package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func attribute(last int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
}

// alternatives is the DER form of an extension with one name of each kind. The
// directory is that of AWS's example.
func alternatives(t *testing.T) []byte {
	t.Helper()
	directory, err := asn1.Marshal(pkix.Name{
		Country: []string{"US"}, Organization: []string{"IoT"}, OrganizationalUnit: []string{"SmartHome"},
		CommonName: "LightBulbCert",
	}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	name := func(tag int, value string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value), IsCompound: tag == 4}
	}
	der, err := asn1.Marshal([]asn1.RawValue{
		name(2, "issuer.com"), name(7, "\x05\x06\x07\x08"), name(6, "PrimarySignerCA"), name(1, "primary@issuer.com"),
		name(4, string(directory)), name(8, "*"), name(7, "abc"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestPolicyValues(t *testing.T) {
	subject := pkix.Name{
		ExtraNames: []pkix.AttributeTypeAndValue{
			attribute(6, "US"), attribute(10, "IoT Devices"), attribute(10, "Example, Inc."), attribute(8, "NY"),
			attribute(3, "LightBulb Device Cert"), attribute(42, "Bulb"), attribute(43, "ZZ"), attribute(46, "Bulb001"),
			attribute(4, "Multi Color"), attribute(12, "RGB"), attribute(65, "RGB Device"), attribute(44, "4"),
			attribute(5, "123"), attribute(11, "1"), attribute(11, "2"), attribute(11, "3"), attribute(11, "4"),
			attribute(11, "5"), attribute(11, "6"), attribute(7, "Seattle"),
		},
	}
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Primary CA"})
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := new(big.Int).SetString("921285cbb7a5e086", 16)
	leaf, err := ca.Issue(fixture.Template{Subject: &subject, Serial: serial, Edit: func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses = []string{"example.com"}, []string{"device1@example.com"}
		c.IPAddresses = []net.IP{net.ParseIP("1.2.3.4"), net.ParseIP("2001:db8::1")}
		c.URIs = []*url.URL{{Scheme: "urn", Opaque: "a"}}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: issuerAltName, Value: alternatives(t)})
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCertificate(leaf.PEM)
	if err != nil {
		t.Fatal(err)
	}
	got := c.PolicyValues()
	var keys []string
	for key, want := range map[string][]string{
		"SerialNumber":                                      {"10525622389124227206"},
		"Subject.Country":                                   {"US"},
		"Subject.Organization":                              {"IoT Devices", `Example\, Inc.`},
		"Subject.OrganizationalUnit":                        {"1", "2", "3", "4", "5"},
		"Subject.State":                                     {"NY"},
		"Subject.CommonName":                                {"LightBulb Device Cert"},
		"Subject.GivenName":                                 {"Bulb"},
		"Subject.Initials":                                  {"ZZ"},
		"Subject.DistinguishedNameQualifier":                {"Bulb001"},
		"Subject.Surname":                                   {"Multi Color"},
		"Subject.Title":                                     {"RGB"},
		"Subject.Pseudonym":                                 {"RGB Device"},
		"Subject.GenerationQualifier":                       {"4"},
		"Subject.SerialNumber":                              {"123"},
		"Subject.AlternativeName.DNSName":                   {"example.com"},
		"Subject.AlternativeName.RFC822Name":                {"device1@example.com"},
		"Subject.AlternativeName.IPAddress":                 {"1.2.3.4", "2001:db8::1"},
		"Subject.AlternativeName.UniformResourceIdentifier": {"urn:a"},
		"Issuer.CommonName":                                 {"Primary CA"},
		"Issuer.AlternativeName.DNSName":                    {"issuer.com"},
		"Issuer.AlternativeName.RFC822Name":                 {"primary@issuer.com"},
		"Issuer.AlternativeName.IPAddress":                  {"5.6.7.8"},
		"Issuer.AlternativeName.UniformResourceIdentifier":  {"PrimarySignerCA"},
		"Issuer.AlternativeName.DirectoryName":              {"cn=LightBulbCert,ou=SmartHome,o=IoT,c=US"},
	} {
		key = keyPrefix + key
		keys = append(keys, key)
		if !slices.Equal(got[key], want) {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	slices.Sort(keys)
	if !slices.Equal(got[keyPrefix+"AvailableKeys"], keys) || len(got) != len(keys)+1 {
		t.Errorf("got %q, want %q and no more", got[keyPrefix+"AvailableKeys"], keys)
	}
}

// What cannot be read of the further names gives none, and no panic.
func TestPolicyValuesOfBrokenNames(t *testing.T) {
	for _, der := range []string{"", "\x30\x80", "\x04\x00", "\x30\x02\xa4\x00", "\x30\x00\x00"} {
		v := policyValues{}
		v.addAlternatives("Subject.", []byte(der))
		if len(v) > 0 {
			t.Errorf("%x: got %q, want nothing", der, v)
		}
	}
}
