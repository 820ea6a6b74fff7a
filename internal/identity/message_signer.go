package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	purposeMessageCA     = "message-ca"
	purposeMessageSigner = "message-signer-"
	// firstSigner is the first year that a key for messages can be of.
	firstSigner = 2026
	// signerLife is how long after the beginning of its year a certificate for
	// messages is valid. Each year has a key of its own, so that what was signed in
	// the last minute of one can be verified for a year still.
	signerLife = 2
)

// MessageSigner is the key of a year that messages to endpoints are signed with.
type MessageSigner struct {
	*pki.MessageSigner
	// ID names the certificate where it is published.
	ID string
}

// errNoSigner says that a year has no key.
var errNoSigner = errors.New("no key for messages was made for that year")

// MessageAuthority returns the CA of the certificates by which messages are
// verified. It is made on first use and is the same on every node.
func (s *Service) MessageAuthority(ctx context.Context) (*pki.Authority, error) {
	return s.authority(ctx, SecretID{Purpose: purposeMessageCA}, "Cordon message CA")
}

// MessageSigner returns the key of this year, made on first use and the same on
// every node.
func (s *Service) MessageSigner(ctx context.Context) (*MessageSigner, error) {
	year := max(firstSigner, s.Now().UTC().Year())
	return s.messageSigner(ctx, year, func() ([]byte, error) {
		ca, err := s.MessageAuthority(ctx)
		if err != nil {
			return nil, err
		}
		until := time.Date(year+signerLife, 1, 1, 0, 0, 0, 0, time.UTC)
		made, err := ca.NewMessageSigner(fmt.Sprintf("Cordon messages %d", year), s.Now(), until)
		if err != nil {
			return nil, err
		}
		key, err := made.MarshalKey()
		if err != nil {
			return nil, err
		}
		return json.Marshal(storedAuthority{Certificate: made.Certificate().PEM, Key: key})
	})
}

// signerID is the form of an id: the year and the beginning of the SHA-256 of the
// certificate.
var signerID = regexp.MustCompile(`^([0-9]{4})-[0-9a-f]{32}$`)

// MessageCertificate returns the certificate with an id, of this year or an
// earlier one, or a NotFound fault. It makes none.
func (s *Service) MessageCertificate(ctx context.Context, id string) (*pki.Certificate, error) {
	unknown := fault.New(fault.NotFound, "there is no such certificate")
	parts := signerID.FindStringSubmatch(id)
	if parts == nil {
		return nil, unknown
	}
	year, err := strconv.Atoi(parts[1])
	if err != nil || year < firstSigner || year > s.Now().UTC().Year()+1 {
		return nil, unknown
	}
	signer, err := s.messageSigner(ctx, year, func() ([]byte, error) { return nil, errNoSigner })
	if errors.Is(err, errNoSigner) || err == nil && signer.ID != id {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	return signer.Certificate(), nil
}

func (s *Service) messageSigner(ctx context.Context, year int, fresh func() ([]byte, error)) (*MessageSigner, error) {
	if known, ok := s.signers.Load(year); ok {
		return known.(*MessageSigner), nil
	}
	value, err := s.Secret(ctx, SecretID{Purpose: purposeMessageSigner + strconv.Itoa(year)}, fresh)
	if err != nil {
		return nil, err
	}
	var stored storedAuthority
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, fmt.Errorf("read key for messages of %d: %w", year, err)
	}
	loaded, err := pki.LoadMessageSigner(stored.Certificate, stored.Key)
	if err != nil {
		return nil, err
	}
	signer := &MessageSigner{loaded, fmt.Sprintf("%d-%s", year, loaded.Certificate().ID[:32])}
	s.signers.Store(year, signer)
	return signer, nil
}
