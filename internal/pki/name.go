package pki

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/cordon-iot/cordon/internal/fault"
)

// names returns a distinguished name as RFC 2253 writes it and what stands for
// it in comparisons. The raw form keeps the order and the
// multi-valued parts that pkix.Name loses; the name stands in for a raw form
// that encoding/asn1 cannot read although crypto/x509 could.
func names(raw []byte, name pkix.Name) (text, match string) {
	var parts pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &parts); err != nil || len(rest) > 0 {
		parts = name.ToRDNSequence()
	}
	text = printable(parts.String())
	return text, matchForm(text)
}

// matchForm folds case and runs of white space, as RFC 5280, section 7.1, asks
// of those who compare names; the text already leaves out which string type a
// value has. It hashes the result because a name may be longer than a database
// takes into an index.
func matchForm(text string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(strings.Fields(text), " "))))
	return hex.EncodeToString(sum[:])
}

// printable replaces what is no UTF-8 and, but for NUL, what is a control
// character, so that a text can be stored, logged and printed anywhere. NUL is
// left for the caller to refuse: a name that hides what follows it is an attack.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != 0 && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// ReadName returns a distinguished name in DER form as RFC 2253 writes it, and
// what stands for it in comparisons, as in [Certificate]. The fault is Invalid.
func ReadName(der []byte) (text, match string, err error) {
	var parts pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &parts); err != nil || len(rest) > 0 {
		return "", "", fault.New(fault.Invalid, "a distinguished name cannot be read")
	}
	text = printable(parts.String())
	if strings.ContainsRune(text, 0) {
		return "", "", fault.New(fault.Invalid, "a distinguished name holds a NUL character")
	}
	return text, matchForm(text), nil
}
