package identity_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/seal"
)

// secrets is a database of secrets alone.
type secrets struct {
	identity.Store
	mu   sync.Mutex
	held map[identity.SecretID][]byte
}

func (s *secrets) Secret(_ context.Context, id identity.SecretID, offer []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] == nil && offer != nil {
		s.held[id] = offer
	}
	return s.held[id], nil
}

// node is a service over a database that others may use too.
func node(t *testing.T, store *secrets, key []byte, now *time.Time) *identity.Service {
	t.Helper()
	sealer, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return &identity.Service{Store: store, Sealer: sealer, Now: func() time.Time { return *now }}
}

func TestEachYearHasAKeyForMessages(t *testing.T) {
	now := time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC)
	store, key := &secrets{held: map[identity.SecretID][]byte{}}, make([]byte, seal.KeySize)
	rand.Read(key)
	first, second := node(t, store, key, &now), node(t, store, key, &now)
	old, err := first.MessageSigner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same, err := second.MessageSigner(t.Context())
	if err != nil || same.ID != old.ID {
		t.Fatalf("got %v, %v on another node, want the id %s", same, err, old.ID)
	}
	now = now.Add(2 * time.Minute)
	next, err := second.MessageSigner(t.Context())
	if err != nil || next.ID == old.ID {
		t.Fatalf("got %v, %v in the next year, want another key", next, err)
	}
	root, err := first.MessageAuthority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{old.ID, next.ID} {
		c, err := first.MessageCertificate(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.X509().CheckSignatureFrom(root.Certificate().X509()); err != nil {
			t.Errorf("certificate %s: %v", id, err)
		}
		if left := c.X509().NotAfter.Sub(now); left < 364*24*time.Hour {
			t.Errorf("certificate %s: got %s until its end, want a year", id, left)
		}
	}
	signature, err := old.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Certificate().X509().CheckSignature(x509.SHA256WithRSA, []byte("text"), signature); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
}

func TestAskingForACertificateMakesNone(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	store, key := &secrets{held: map[identity.SecretID][]byte{}}, make([]byte, seal.KeySize)
	s := node(t, store, key, &now)
	for _, id := range []string{
		"2027-00000000000000000000000000000000", "2026-00000000000000000000000000000000", "root", "../x", "",
		"9999-00000000000000000000000000000000",
	} {
		if _, err := s.MessageCertificate(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: got %v, want not found", id, err)
		}
	}
	if len(store.held) != 0 {
		t.Errorf("got %d secrets made", len(store.held))
	}
}
