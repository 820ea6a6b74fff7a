package hostcert

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
)

const domain = "iot.localhost"

// made is certificates whose clock the test moves.
func made(t *testing.T, now *time.Time, hosts ...string) (*Certificates, *x509.CertPool) {
	t.Helper()
	authority, err := pki.NewAuthority(pkix.Name{CommonName: "gateway"}, *now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{
		Authority: authority, Domain: domain, Hosts: hosts, Now: func() time.Time { return *now },
	})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate().X509())
	return c, roots
}

func (c *Certificates) shown(t *testing.T, server string) *tls.Certificate {
	t.Helper()
	out, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: server})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryNameOfTheGatewayIsCertified(t *testing.T) {
	now := time.Now()
	c, roots := made(t, &now, "192.0.2.1", "gateway.example", "0.0.0.0", "")
	for _, tt := range []struct {
		name, server string // "" in the handshake where the name is an address
		verified     string
	}{
		{"an endpoint", "a123456789012-us-east-1." + domain, ""},
		{"an endpoint in the form of ATS", "a123456789012-us-east-1-ats." + domain, ""},
		{"an endpoint in capitals", "A123456789012-US-EAST-1." + domain, "a123456789012-us-east-1." + domain},
		{"another name of the domain", "x." + domain, ""},
		{"the domain", domain, ""},
		{"this machine", "localhost", ""},
		{"a loopback address", "", "127.0.0.1"},
		{"the address of the listener", "", "192.0.2.1"},
		{"the host of the listener", "gateway.example", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shown := c.shown(t, tt.server)
			verified := tt.verified
			if verified == "" {
				verified = tt.server
			}
			_, err := shown.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: verified, CurrentTime: now})
			if err != nil {
				t.Error(err)
			}
		})
	}
	if got := c.shown(t, "").Leaf.IPAddresses; slices.ContainsFunc(got, net.IP.IsUnspecified) {
		t.Errorf("got %v, want no address that stands for all", got)
	}
}

func TestTheCertificateOfAnEndpointNamesNoOther(t *testing.T) {
	now := time.Now()
	c, _ := made(t, &now)
	leaf := c.shown(t, "a123456789012-us-east-1."+domain).Leaf
	for _, other := range []string{"a123456789012-us-west-2." + domain, "localhost", "127.0.0.1"} {
		if leaf.VerifyHostname(other) == nil {
			t.Errorf("the certificate is good for %s", other)
		}
	}
}

func TestACertificateIsKeptUntilItNearsItsEnd(t *testing.T) {
	for _, server := range []string{"", "a123456789012-us-east-1." + domain} {
		now := time.Now()
		c, roots := made(t, &now)
		first := c.shown(t, server)
		now = now.Add(validity - renewal - time.Minute)
		if c.shown(t, server) != first {
			t.Errorf("%q: got another certificate while the first was good", server)
		}
		now = now.Add(2 * time.Minute)
		second := c.shown(t, server)
		if second == first {
			t.Fatalf("%q: got the first certificate near its end", server)
		}
		if _, err := second.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
			t.Error(err)
		}
	}
}

func TestNamesThatStrangersChooseCostLittle(t *testing.T) {
	now := time.Now()
	c, roots := made(t, &now)
	for i := range 3 * maxPerSecond {
		server := fmt.Sprintf("a%012d-us-east-1.%s", i, domain)
		shown := c.shown(t, server)
		if _, err := shown.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: server, CurrentTime: now}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.kept); got != maxPerSecond {
		t.Errorf("got %d certificates made in a second, want %d", got, maxPerSecond)
	}
	for i := range maxKept + 1 {
		if i%maxPerSecond == 0 {
			now = now.Add(time.Second)
		}
		c.shown(t, fmt.Sprintf("a%012d-us-west-2.%s", i, domain))
	}
	if got := len(c.kept); got != maxKept {
		t.Errorf("got %d certificates kept, want %d", got, maxKept)
	}
}

func TestTheRootIsHadFromEveryEndpoint(t *testing.T) {
	now := time.Now()
	c, _ := made(t, &now)
	chain := c.shown(t, "a123456789012-us-east-1."+domain).Certificate
	root, err := x509.ParseCertificate(chain[len(chain)-1])
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) != 2 || !root.IsCA || root.Subject.CommonName != "gateway" {
		t.Errorf("got a chain of %d up to %q, want the root behind the certificate", len(chain), root.Subject)
	}
}
