package identity

import (
	"context"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/seal"
)

// keyRing is a store of access keys and secrets in memory.
type keyRing struct {
	Store
	keys    map[string]SealedKey
	secrets map[SecretID][]byte
	roles   map[string]SessionRole
}

func (r *keyRing) SessionRole(_ context.Context, account, id string) (*SessionRole, error) {
	if role, ok := r.roles[id]; ok && role.Account.ID == account {
		return &role, nil
	}
	return nil, fault.New(fault.NotFound, "there is no role %q", id)
}

func (r *keyRing) AccessKey(_ context.Context, id string) (*SealedKey, error) {
	if k, ok := r.keys[id]; ok {
		return &k, nil
	}
	return nil, fault.New(fault.NotFound, "there is no access key %q", id)
}

func (*keyRing) Role(_ context.Context, account, name string) (*Role, error) {
	if account == theRole.Account && name == theRole.Name {
		return &theRole, nil
	}
	return nil, fault.New(fault.NotFound, "there is no role %q", name)
}

func (*keyRing) ManagedPolicy(_ context.Context, account, arn string) (*ManagedPolicy, error) {
	if p := (&ManagedPolicy{Account: account, Path: "/", Name: "Bound"}); p.ARN() == arn {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "there is no policy %q", arn)
}

func (r *keyRing) Secret(_ context.Context, id SecretID, offer []byte) ([]byte, error) {
	if r.secrets[id] == nil && offer != nil {
		r.secrets[id] = offer
	}
	return r.secrets[id], nil
}

const (
	testAccount = "123456789012"
	rootKeyID   = "AKIAROOT"
)

var testNow = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// newTestService is a service of one account with a root key.
func newTestService(t *testing.T) (*Service, *keyRing) {
	t.Helper()
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	ring := &keyRing{keys: map[string]SealedKey{}, secrets: map[SecretID][]byte{}}
	s := &Service{Store: ring, Sealer: sealer, Now: func() time.Time { return testNow }}
	ring.keys[rootKeyID] = s.sealed(AccessKey{
		ID: rootKeyID, Account: Account{ID: testAccount, Status: Active}, Secret: "root secret",
	})
	return s, ring
}

func TestAuthenticateRoot(t *testing.T) {
	s, ring := newTestService(t)
	got, err := s.Authenticate(t.Context(), rootKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Principal; p.Kind != KindRoot || p.ARN != "arn:aws:iam::123456789012:root" || p.ID != testAccount ||
		p.KeyID != rootKeyID || got.Secret != "root secret" || got.Disabled {
		t.Errorf("got %+v", got)
	}
	for name, call := range map[string][2]string{
		"an unknown key":               {"AKIAOTHER", ""},
		"a permanent key with a token": {rootKeyID, "token"},
	} {
		if _, err := s.Authenticate(t.Context(), call[0], call[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: got %v, want a NotFound fault", name, err)
		}
	}
	k := ring.keys[rootKeyID]
	k.Account.Status = Disabled
	ring.keys[rootKeyID] = k
	if got, err := s.Authenticate(t.Context(), rootKeyID, ""); err != nil || !got.Disabled {
		t.Errorf("a disabled account: got %+v, %v", got, err)
	}
}
