package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNetworksThatMayBeCalled(t *testing.T) {
	got, err := Parse([]string{"--outgoing-allow", "10.1.0.0/16", "--outgoing-allow", "::1",
		"--outgoing-proxy", "http://proxy:3128"}, environment())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")}
	if list := got.OutgoingNetworks(); !slices.Equal(list, want) || got.OutgoingProxyURL().Host != "proxy:3128" {
		t.Errorf("got %v and %v", list, got.OutgoingProxyURL())
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"--outgoing-allow", "10.1.0.0", ""},
		{"--outgoing-allow", "example.org", "no network"},
		{"--outgoing-allow", "10.1.0.1/16", "write 10.1.0.0/16"},
		{"--outgoing-allow", "::ffff:10.0.0.0/104", "form of IPv4"},
		{"--outgoing-proxy", "proxy:3128", "not the URL of a proxy"},
		{"--outgoing-proxy", "http://u:secret@proxy", "holds a password"},
	} {
		_, err := Parse([]string{tt.flag, tt.value}, environment())
		if (err == nil) != (tt.want == "") || err != nil &&
			(!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret@")) {
			t.Errorf("%s %s: got %v, want %q", tt.flag, tt.value, err, tt.want)
		}
	}
}
