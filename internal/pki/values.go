package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"
)

// maxListed is how many values of an attribute of a certificate policies see.
// Source: AWS IoT, X.509 certificate policy variables.
const maxListed = 5

// keyPrefix begins the keys of policies that stand for attributes of a
// certificate.
const keyPrefix = "iot:Certificate."

// nameKeys are the parts of a distinguished name that policies see, by their
// types in X.520.
var nameKeys = []struct {
	oid asn1.ObjectIdentifier
	key string
}{
	{asn1.ObjectIdentifier{2, 5, 4, 3}, "CommonName"},
	{asn1.ObjectIdentifier{2, 5, 4, 4}, "Surname"},
	{asn1.ObjectIdentifier{2, 5, 4, 5}, "SerialNumber"},
	{asn1.ObjectIdentifier{2, 5, 4, 6}, "Country"},
	{asn1.ObjectIdentifier{2, 5, 4, 8}, "State"},
	{asn1.ObjectIdentifier{2, 5, 4, 10}, "Organization"},
	{asn1.ObjectIdentifier{2, 5, 4, 11}, "OrganizationalUnit"},
	{asn1.ObjectIdentifier{2, 5, 4, 12}, "Title"},
	{asn1.ObjectIdentifier{2, 5, 4, 42}, "GivenName"},
	{asn1.ObjectIdentifier{2, 5, 4, 43}, "Initials"},
	{asn1.ObjectIdentifier{2, 5, 4, 44}, "GenerationQualifier"},
	{asn1.ObjectIdentifier{2, 5, 4, 46}, "DistinguishedNameQualifier"},
	{asn1.ObjectIdentifier{2, 5, 4, 65}, "Pseudonym"},
}

// Extensions that hold further names. Source: RFC 5280, section 4.2.1.
var (
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	issuerAltName  = asn1.ObjectIdentifier{2, 5, 29, 18}
)

// PolicyValues returns what a policy can know of a certificate, by key, such as
// "iot:Certificate.Subject.CommonName": at most five values each, in their
// order in the certificate. The serial number is decimal; special characters in
// parts of names have a backslash before them. An extension with further names
// that cannot be read has none. Source: AWS IoT, X.509 certificate policy
// variables.
func (c *Certificate) PolicyValues() map[string][]string {
	v := policyValues{}
	v.add("SerialNumber", c.parsed.SerialNumber.String())
	v.addName("Subject.", c.parsed.Subject)
	v.addName("Issuer.", c.parsed.Issuer)
	for _, e := range c.parsed.Extensions {
		switch {
		case e.Id.Equal(subjectAltName):
			v.addAlternatives("Subject.", e.Value)
		case e.Id.Equal(issuerAltName):
			v.addAlternatives("Issuer.", e.Value)
		}
	}
	var keys []string
	for key := range v {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	v[keyPrefix+"AvailableKeys"] = keys
	return v
}

type policyValues map[string][]string

func (v policyValues) add(key, value string) {
	key = keyPrefix + key
	if len(v[key]) < maxListed {
		v[key] = append(v[key], printable(value))
	}
}

func (v policyValues) addName(whose string, name pkix.Name) {
	for _, part := range name.Names {
		for _, k := range nameKeys {
			if text, ok := part.Value.(string); ok && part.Type.Equal(k.oid) {
				v.add(whose+k.key, escapeName(text))
			}
		}
	}
}

// escapeName puts a backslash before the characters that have a meaning in the
// text of a distinguished name.
func escapeName(text string) string {
	const special = `,"\+=<>;`
	if !strings.ContainsAny(text, special) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Tags of the kinds of names. Source: RFC 5280, section 4.2.1.6.
const (
	tagEmail     = 1
	tagDNS       = 2
	tagDirectory = 4
	tagURI       = 6
	tagIP        = 7
)

// addAlternatives adds the names of an extension. It reads them itself:
// crypto/x509 leaves out directory names and those of the issuer.
func (v policyValues) addAlternatives(whose string, der []byte) {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return
	}
	whose += "AlternativeName."
	for _, n := range names {
		if n.Class != asn1.ClassContextSpecific {
			continue
		}
		switch n.Tag {
		case tagEmail:
			v.add(whose+"RFC822Name", string(n.Bytes))
		case tagDNS:
			v.add(whose+"DNSName", string(n.Bytes))
		case tagURI:
			v.add(whose+"UniformResourceIdentifier", string(n.Bytes))
		case tagIP:
			if a, ok := netip.AddrFromSlice(n.Bytes); ok {
				v.add(whose+"IPAddress", a.String())
			}
		case tagDirectory:
			var parts pkix.RDNSequence
			if rest, err := asn1.Unmarshal(n.Bytes, &parts); err == nil && len(rest) == 0 {
				v.add(whose+"DirectoryName", directoryName(parts))
			}
		}
	}
}

// directoryTypes are the short names of the common parts of a name.
var directoryTypes = map[string]string{
	"2.5.4.3": "cn", "2.5.4.5": "serialnumber", "2.5.4.6": "c", "2.5.4.7": "l", "2.5.4.8": "st", "2.5.4.9": "street",
	"2.5.4.10": "o", "2.5.4.11": "ou", "2.5.4.17": "postalcode",
}

// directoryName writes a name as policies see one inside an extension: the
// last part first, types in lower case.
func directoryName(name pkix.RDNSequence) string {
	var rdns []string
	for _, rdn := range slices.Backward(name) {
		var parts []string
		for _, part := range rdn {
			text, ok := part.Value.(string)
			kind := directoryTypes[part.Type.String()]
			if kind == "" {
				kind = part.Type.String()
			}
			if ok {
				parts = append(parts, kind+"="+escapeName(text))
			}
		}
		rdns = append(rdns, strings.Join(parts, "+"))
	}
	return strings.Join(rdns, ",")
}
