package fleet

import (
	"strings"
	"testing"
)

func TestEndpointNames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		region string
		want   string // "" for none
	}{
		{"a region of AWS has one", "us-east-1", "a123456789012-us-east-1"},
		{"a region of one letter has one", "x", "a123456789012-x"},
		{"the longest region fills a label", strings.Repeat("x", 45), "a123456789012-" + strings.Repeat("x", 45)},
		{"a longer region has none", strings.Repeat("x", 46), ""},
		{"upper case has none, for names know no case", "US", ""},
		{"a dot would begin another label", "us.east", ""},
		{"a hyphen cannot end a label", "us-", ""},
		{"a hyphen cannot begin a region", "-us", ""},
		{"a region in the form of ATS would be another's", "us-ats", ""},
		{"ATS is the form of a region, not one", "ats", ""},
		{"a wildcard has none", "*", ""},
		{"no region has none", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scope{Account: "123456789012", Region: tt.region}
			if got := s.EndpointName(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				if got := s.EndpointNameATS(); got != "" {
					t.Errorf("got %q, want none", got)
				}
				return
			}
			for _, name := range []string{s.EndpointName(), s.EndpointNameATS()} {
				if len(name) > maxLabel {
					t.Errorf("%s has %d characters, want at most %d", name, len(name), maxLabel)
				}
				for _, server := range []string{name + ".iot.localhost", strings.ToUpper(name) + ".IOT.localhost."} {
					if got, ok := ParseEndpointName("iot.Localhost", server); !ok || got != s {
						t.Errorf("%s: got %v %v, want %v", server, got, ok, s)
					}
				}
			}
		})
	}
}

func TestOtherServerNamesNameNoScope(t *testing.T) {
	const us = "a123456789012-us-east-1"
	for _, tt := range []struct{ name, server string }{
		{"none", ""},
		{"the domain alone", "iot.localhost"},
		{"another domain", us + ".iot.example"},
		{"a label between", us + ".x.iot.localhost"},
		{"a label in front", "x." + us + ".iot.localhost"},
		{"a domain that ends alike", us + ".notiot.localhost"},
		{"no domain", us},
		{"an account of eleven digits", "a12345678901-us-east-1.iot.localhost"},
		{"an account of thirteen digits", "a1234567890123-us-east-1.iot.localhost"},
		{"no region", "a123456789012.iot.localhost"},
		{"an empty region", "a123456789012-.iot.localhost"},
		{"ATS alone", "a123456789012-ats.iot.localhost"},
		{"ATS twice", us + "-ats-ats.iot.localhost"},
		{"two dots at the end", us + ".iot.localhost.."},
		{"an address", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseEndpointName("iot.localhost", tt.server)
			if ok {
				t.Errorf("%s: got %v, want none", tt.server, got)
			}
		})
	}
}
