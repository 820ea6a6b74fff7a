package main

import (
	"strings"
	"unicode"
)

// initialisms are the words that Go writes in capitals, and their plurals.
var initialisms = map[string]string{
	"arn": "ARN", "ca": "CA", "csr": "CSR", "http": "HTTP", "iam": "IAM", "id": "ID", "json": "JSON",
	"mqtt": "MQTT", "mqtt5": "MQTT5", "pem": "PEM", "sns": "SNS", "sql": "SQL", "tls": "TLS", "uri": "URI",
	"url": "URL", "v2": "V2", "arns": "ARNs", "ids": "IDs", "uris": "URIs", "urls": "URLs",
}

// fieldName is the Go name of a member: certificateId is CertificateID.
func fieldName(wire string) string {
	var b strings.Builder
	for _, w := range words(wire) {
		if known, ok := initialisms[strings.ToLower(w)]; ok {
			b.WriteString(known)
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// words splits camel case: caCertificateId is ca, Certificate, Id, and
// updateCACertificate is update, CA, Certificate.
func words(name string) []string {
	var list []string
	start := 0
	for i := 1; i < len(name); i++ {
		upper := unicode.IsUpper(rune(name[i]))
		afterLower := !unicode.IsUpper(rune(name[i-1]))
		beforeLower := i+1 < len(name) && unicode.IsLower(rune(name[i+1]))
		if upper && (afterLower || beforeLower) {
			list = append(list, name[start:i])
			start = i
		}
	}
	return append(list, name[start:])
}
