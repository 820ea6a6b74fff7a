package notify

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// MaxEndpoint is how long an endpoint may be, in bytes.
const MaxEndpoint = 2048

// protocols are those of SNS that Cordon has not.
var protocols = []string{"application", "email-json", "firehose", "lambda", "sms", "sqs"}

// Targets judges where endpoints are, as far as that can be seen of a URL.
type Targets interface {
	// Literal refuses a URL whose host is an address that must not be called. The
	// text may be read by whoever named it.
	Literal(u *url.URL) error
}

// checkEndpoint refuses, by an Invalid fault, what is no endpoint of a protocol.
func checkEndpoint(p Protocol, endpoint string, targets Targets) error {
	switch {
	case slices.Contains(protocols, string(p)):
		return invalid("Protocol Reason: %s is not supported by this Cordon", p)
	case p != HTTP && p != HTTPS && p != Email:
		return invalid("Does not support this protocol string: %.32s", p)
	case endpoint == "":
		return invalid("Endpoint")
	case len(endpoint) > MaxEndpoint:
		return invalid("Endpoint Reason: it is longer than %d bytes", MaxEndpoint)
	case p == Email:
		a, err := mail.ParseAddress(endpoint)
		if err != nil || a.Address != endpoint || len(endpoint) > 254 || !isPlain(endpoint) {
			return invalid("Email address")
		}
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || !isPlain(endpoint):
		return invalid("Endpoint Reason: it is no URL")
	case u.Scheme != string(p):
		return invalid("Endpoint must match the specified protocol")
	case u.Hostname() == "" || u.Opaque != "":
		return invalid("Endpoint Reason: it names no host")
	case u.User != nil:
		return invalid("Endpoint Reason: a user name in the URL is not supported by this Cordon")
	case u.Fragment != "":
		return invalid("Endpoint Reason: it has a fragment")
	}
	if targets != nil {
		if err := targets.Literal(u); err != nil {
			return invalid("Endpoint Reason: %v", err)
		}
	}
	return nil
}

// isPlain reports whether a text is of visible ASCII characters.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
