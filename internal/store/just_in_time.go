package store

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
)

// RegisterJustInTime registers the certificate of a device that connected and is
// not known, by the rule of [fleet.JustInTime], and returns the id of its CA. A
// device that no CA registers is a NotFound fault, as is every one of an account
// that is not enabled; a certificate that is registered is Exists.
func (s *Store) RegisterJustInTime(ctx context.Context, sc fleet.Scope, shown []*x509.Certificate) (
	caID string, err error,
) {
	chain, err := chainOf(shown)
	if err != nil {
		return "", err
	}
	// Anybody can show a certificate: what nobody signed costs one short read.
	cas, err := s.CACertificatesOfSubject(ctx, sc, chain[0].IssuerMatch)
	if err != nil {
		return "", err
	}
	c, err := fleet.JustInTime(chain, cas, s.now())
	if err != nil {
		return "", err
	}
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := s.stillRegisters(ctx, q, scope, sc.Account, c.CAID); err != nil {
			return err
		}
		return registerCertificate(ctx, q, scope, c)
	})
	return c.CAID, err
}

// stillRegisters returns a NotFound fault unless a CA registers devices, which
// it does until the transaction ends, and the account is enabled.
func (s *Store) stillRegisters(ctx context.Context, q querier, scope int64, account, id string) error {
	status, ok, err := one(ctx, q, `SELECT status FROM accounts WHERE id = @account`, args{"account": account},
		scalar[string])
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	if !ok || identity.Status(status) != identity.Active {
		return fault.New(fault.NotFound, "account %s is not enabled", account)
	}
	ca, err := lockCA(ctx, q, scope, id)
	if err != nil {
		return err
	}
	if !ca.RegistersDevices(s.now()) {
		return fault.New(fault.NotFound, "CA certificate %s does not register devices", id)
	}
	return nil
}

// chainOf reads what a device showed, as far as a chain may go.
func chainOf(shown []*x509.Certificate) ([]*pki.Certificate, error) {
	if len(shown) == 0 {
		return nil, fault.New(fault.NotFound, "no certificate was shown")
	}
	var text strings.Builder
	for _, c := range shown[:min(len(shown), pki.MaxChain)] {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
	}
	return pki.ParseChain(text.String())
}
