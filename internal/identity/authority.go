package identity

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
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
// first use, is the same on every node, and is neither listed nor audited.
func (s *Service) Authority(ctx context.Context, account string) (*pki.Authority, error) {
	return s.authority(ctx, SecretID{Account: account, Purpose: purposeAuthority}, "Cordon device CA of account "+account)
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
