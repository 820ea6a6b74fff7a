package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	purposeAuthority = "device-ca"
	purposeGateway   = "gateway-ca"
)

// storedAuthority is the secret that an account's own CA is kept as.
type storedAuthority struct {
	Certificate string `json:"certificate"`
	Key         []byte `json:"key"` // PKCS #8
}

// errNoAuthority says that an account has no CA of its own.
var errNoAuthority = errors.New("no CA was made yet")

// IssuingCA is the CA of an account that signs what is created for it.
type IssuingCA struct {
	Seq     int64
	ID      string // as in pki.Certificate
	Account string
	// Keys are hashes of the public key by which OCSP names it, in hex. They and
	// Certificate are set where one is stored.
	Keys        []string
	Certificate *pki.Certificate
}

// KnownAuthority returns the certificate of the CA of an account that
// [Service.Authority] made, or nil where it was never asked for.
func (s *Service) KnownAuthority(ctx context.Context, account string) (*pki.Certificate, error) {
	value, err := s.Secret(ctx, SecretID{Account: account, Purpose: purposeAuthority}, func() ([]byte, error) {
		return nil, errNoAuthority
	})
	if errors.Is(err, errNoAuthority) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stored storedAuthority
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, fmt.Errorf("read device CA of account %s: %w", account, err)
	}
	return pki.ParseCertificate(stored.Certificate)
}

// Authority returns the CA of an account that signs what
// CreateKeysAndCertificate and CreateCertificateFromCsr issue. It is made on
// first use, is the same on every node, and is neither listed nor audited. What
// it issues names where it publishes, by the service's URL.
func (s *Service) Authority(ctx context.Context, account string) (*pki.Authority, error) {
	id := SecretID{Account: account, Purpose: purposeAuthority}
	a, err := s.authority(ctx, id, "Cordon device CA of account "+account)
	if err == nil {
		_, err = s.keep(ctx, account, a.Certificate())
	}
	if err != nil {
		return nil, err
	}
	return a.Publishing(s.URL), nil
}

// IssuingCA returns the CA of an account as it is stored, or nil where there is
// none.
func (s *Service) IssuingCA(ctx context.Context, account string) (*IssuingCA, error) {
	c, err := s.KnownAuthority(ctx, account)
	if err != nil || c == nil {
		return nil, err
	}
	return s.keep(ctx, account, c)
}

// keep makes sure that a CA is stored: it is made before, and by versions that
// stored none.
func (s *Service) keep(ctx context.Context, account string, c *pki.Certificate) (*IssuingCA, error) {
	if known, ok := s.kept.Load(c.ID); ok {
		return known.(*IssuingCA), nil
	}
	ca := &IssuingCA{ID: c.ID, Account: account, Certificate: c}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		_, key := c.Hashes(h)
		ca.Keys = append(ca.Keys, hex.EncodeToString(key))
	}
	if err := s.Store.KeepAuthority(ctx, ca); err != nil {
		return nil, err
	}
	s.kept.Store(c.ID, ca)
	return ca, nil
}

// GatewayAuthority returns the CA that signs the certificates which the gateway
// shows to devices. It is made on first use and is the same on every node.
func (s *Service) GatewayAuthority(ctx context.Context) (*pki.Authority, error) {
	// A part of the name is random, for roots of several Cordons may lie in one
	// store of trusted certificates.
	return s.authority(ctx, SecretID{Purpose: purposeGateway}, "Cordon gateway CA "+rand.Text()[:8])
}

// authority returns a CA that is kept as a secret.
func (s *Service) authority(ctx context.Context, id SecretID, name string) (*pki.Authority, error) {
	value, err := s.Secret(ctx, id, func() ([]byte, error) {
		made, err := pki.NewAuthority(pkix.Name{Organization: []string{"Cordon"}, CommonName: name}, s.Now())
		if err != nil {
			return nil, err
		}
		key, err := made.MarshalKey()
		if err != nil {
			return nil, err
		}
		return json.Marshal(storedAuthority{Certificate: made.Certificate().PEM, Key: key})
	})
	if err != nil {
		return nil, err
	}
	var stored storedAuthority
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, fmt.Errorf("read %s of account %q: %w", id.Purpose, id.Account, err)
	}
	return pki.LoadAuthority(stored.Certificate, stored.Key)
}
