// Package hostcert makes the certificates that the gateway shows to devices
// which name, in their TLS handshake, the endpoint they mean.
//
// It keeps nothing: key and certificates are made anew by every process, signed
// by the gateway's own CA, whose root is what devices are to trust.
package hostcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	// validity is how long a certificate is valid, and renewal how long before
	// its end it is replaced: most of a connection's life is shorter.
	validity = 90 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour
	// maxKept bounds the certificates that are kept for endpoints, of about 2 kB
	// each, and maxPerSecond how many are made: who connects chooses the name.
	maxKept      = 1024
	maxPerSecond = 100
)

// Config is what certificates are made of.
type Config struct {
	// Authority is the gateway's own CA.
	Authority *pki.Authority
	// Domain is what stands behind the name of an endpoint.
	Domain string
	// Hosts are further names and addresses of this server. One that stands for
	// every address, such as 0.0.0.0, is left out.
	Hosts []string
	Now   func() time.Time
}

// Certificates are those of one process. They are safe for concurrent use.
type Certificates struct {
	cfg  Config
	host pki.Host // of the certificate for every name
	key  *ecdsa.PrivateKey

	mu      sync.Mutex
	general *tls.Certificate
	kept    map[fleet.Scope]*tls.Certificate
	second  time.Time // in which made were made
	made    int
}

// New makes the key.
func New(cfg Config) (*Certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of the gateway: %w", err)
	}
	c := &Certificates{cfg: cfg, key: key, kept: map[fleet.Scope]*tls.Certificate{}}
	c.host.Names = []string{"*." + cfg.Domain}
	for _, host := range append([]string{cfg.Domain, "localhost", "127.0.0.1", "::1"}, cfg.Hosts...) {
		addHost(&c.host, host)
	}
	if _, err := c.generalCertificate(); err != nil {
		return nil, err
	}
	return c, nil
}

// GetCertificate is that of [tls.Config]: the certificate of the endpoint that
// is named, else one of the whole domain and of this machine. While more
// endpoints are named in a second than certificates are made for, that one is
// shown for them too.
func (c *Certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	scope, ok := fleet.ParseEndpointName(c.cfg.Domain, hello.ServerName)
	if !ok {
		return c.generalCertificate()
	}
	if kept := c.kept[scope]; c.fresh(kept) {
		return kept, nil
	}
	if !c.mayMake() {
		return c.generalCertificate()
	}
	host := pki.Host{Names: []string{
		scope.EndpointName() + "." + c.cfg.Domain, scope.EndpointNameATS() + "." + c.cfg.Domain,
	}}
	made, err := c.issue(host)
	if err != nil {
		return nil, err
	}
	for other := range c.kept {
		if len(c.kept) < maxKept {
			break
		}
		delete(c.kept, other)
	}
	c.kept[scope] = made
	return made, nil
}

func (c *Certificates) generalCertificate() (_ *tls.Certificate, err error) {
	if !c.fresh(c.general) {
		c.general, err = c.issue(c.host)
	}
	return c.general, err
}

func (c *Certificates) fresh(kept *tls.Certificate) bool {
	return kept != nil && c.cfg.Now().Before(kept.Leaf.NotAfter.Add(-renewal))
}

// mayMake counts what is made in a second.
func (c *Certificates) mayMake() bool {
	if now := c.cfg.Now().Truncate(time.Second); !now.Equal(c.second) {
		c.second, c.made = now, 0
	}
	c.made++
	return c.made <= maxPerSecond
}

// issue makes a certificate. The root stands behind it, so that it can be had
// from every endpoint.
func (c *Certificates) issue(host pki.Host) (*tls.Certificate, error) {
	now := c.cfg.Now()
	root := c.cfg.Authority.Certificate()
	leaf, err := c.cfg.Authority.IssueHost(host, &c.key.PublicKey, now, now.Add(validity))
	if err != nil {
		return nil, fmt.Errorf("make certificate of the gateway: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.DER, root.DER}, PrivateKey: c.key, Leaf: leaf.X509()}, nil
}

// addHost adds a name or an address, once.
func addHost(h *pki.Host, host string) {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	switch {
	case ip == nil && host != "" && !slices.Contains(h.Names, host):
		h.Names = append(h.Names, host)
	case ip != nil && !ip.IsUnspecified() && !slices.ContainsFunc(h.Addresses, ip.Equal):
		h.Addresses = append(h.Addresses, ip)
	}
}
