// Package identity owns the accounts of a Cordon, the access keys that calls
// are signed with, and the secrets it keeps for them.
//
// A secret lies in the database sealed and is opened here alone. Accounts and
// keys belong to no region. The package knows neither SQL nor the wire.
package identity

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/seal"
)

// Status is the state of an account, equal to the wire value.
type Status string

// The states of an account. Calls with the keys of a disabled one are refused.
const (
	Active   Status = "ACTIVE"
	Disabled Status = "DISABLED"
)

// Account owns everything that is registered under it.
type Account struct {
	ID       string // twelve digits
	Name     string
	Status   Status
	Operator bool // the first account, whose root key may reach the others
	Created  time.Time
}

// AccessKey is a key of an account's root or of one of its users.
type AccessKey struct {
	ID      string
	Account Account
	Secret  string
	User    *User     // nil is root
	Status  KeyStatus // "" is KeyActive
	// State is the version of the account's identities and policies when the
	// key was read.
	State int64
}

// SealedKey is an access key as it is stored. The rest is as in [AccessKey].
type SealedKey struct {
	ID      string
	Account Account
	Sealed  []byte
	User    *User
	Status  KeyStatus
	State   int64
	Created time.Time

	opened *atomic.Pointer[string] // the secret, once it was asked for; nil where nobody keeps the key
}

// Kept returns the key for somebody who keeps it, and with it its secret once
// that was asked for.
func (k SealedKey) Kept() *SealedKey {
	k.opened = &atomic.Pointer[string]{}
	return &k
}

// SecretID names a secret that Cordon keeps.
type SecretID struct {
	Account, Region, Purpose string
}

// Store is what the service needs of the database.
type Store interface {
	// CreateAccount stores an account with its root key. A taken id is an
	// Exists fault; so is a second operator account.
	CreateAccount(ctx context.Context, k SealedKey) error
	// ReplaceRootKey makes a key the only root key of its account. Those of
	// users stay.
	ReplaceRootKey(ctx context.Context, k SealedKey) error
	// Operator is the first account, or nil before there is one.
	Operator(ctx context.Context) (*Account, error)
	// Accounts lists accounts by id, behind the one named.
	Accounts(ctx context.Context, after string, limit int) ([]Account, error)
	// DisableAccount refuses the operator's account as Invalid and an unknown
	// one as NotFound.
	DisableAccount(ctx context.Context, id string) error
	// AccessKey is a key with its account, or a NotFound fault.
	AccessKey(ctx context.Context, id string) (*SealedKey, error)
	// SessionRole is the role with an id, AROA…, of an account as it is now, or a
	// NotFound fault.
	SessionRole(ctx context.Context, account, roleID string) (*SessionRole, error)
	// Role is a role by its exact name, or a NotFound fault.
	Role(ctx context.Context, account, name string) (*Role, error)
	// ManagedPolicy is a policy of an account, or one of AWS, or a NotFound
	// fault.
	ManagedPolicy(ctx context.Context, account, arn string) (*ManagedPolicy, error)
	// AddUserKey stores a key of the user whose name it has. It is NotFound where
	// there is no such user, and Limit where that user has too many.
	AddUserKey(ctx context.Context, k SealedKey) error
	// Secret returns the sealed value of a secret. When there is none it stores
	// the one offered; the first one stored is the one that everybody gets. An
	// offer of nil stores nothing and may return nil.
	Secret(ctx context.Context, id SecretID, offer []byte) ([]byte, error)
	// KeepAuthority stores a CA and sets its Seq. One that is known stays as it
	// is.
	KeepAuthority(ctx context.Context, ca *IssuingCA) error
}

// Service is what may be done about accounts, keys and secrets.
type Service struct {
	Store  Store
	Sealer *seal.Sealer
	// URL is where others reach what is published of CAs: scheme, host and port.
	// It stands in what is issued; "" is nowhere.
	URL string
	Now func() time.Time
	// Policies is what [Service.Authorize] and [Service.Role] decide by.
	Policies PolicyStore

	cache     rightsCache
	documents documentCache
	kept      sync.Map               // of IssuingCA by id: those that are stored
	signers   sync.Map               // of MessageSigner by year
	sessions  atomic.Pointer[[]byte] // the secret behind session tokens, once read
}

const purposeAccessKey = "access-key"

// Bootstrap makes sure that the first account exists. A key that is given
// becomes its root key. Without one, and without an account, it takes the key
// that fresh returns. It reports whether it did.
func (s *Service) Bootstrap(ctx context.Context, account string, given *AccessKey, fresh func() (AccessKey, error)) (
	made bool, err error,
) {
	have, err := s.Store.Operator(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case have != nil && have.ID != account:
		return false, fmt.Errorf("the first account of this database is %s, not %s", have.ID, account)
	case have != nil && given == nil:
		return false, nil
	case have != nil:
		return false, s.replace(ctx, *have, *given)
	}
	key := given
	if key == nil {
		k, err := fresh()
		if err != nil {
			return false, err
		}
		key = &k
	}
	key.Account = Account{ID: account, Name: "operator", Status: Active, Operator: true, Created: s.Now()}
	err = s.Store.CreateAccount(ctx, s.sealed(*key))
	if fault.Is(err, fault.Exists) { // another node was faster
		return false, nil
	}
	return given == nil && err == nil, err
}

// replace makes a key the root key of an account, if it is not already.
func (s *Service) replace(ctx context.Context, a Account, key AccessKey) error {
	old, err := s.AccessKey(ctx, key.ID)
	if err == nil && old.Account.ID != a.ID {
		return fmt.Errorf("the root access key id %s belongs to account %s", key.ID, old.Account.ID)
	}
	if err == nil && old.Secret == key.Secret || err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	key.Account = a
	return s.Store.ReplaceRootKey(ctx, s.sealed(key))
}

func (s *Service) sealed(k AccessKey) SealedKey {
	return SealedKey{
		ID: k.ID, Account: k.Account, Sealed: s.Sealer.Seal(keyBinding(k.Account.ID), []byte(k.Secret)),
		User: k.User, Status: KeyActive, Created: s.Now(),
	}
}

func keyBinding(account string) seal.Binding {
	return seal.Binding{Account: account, Purpose: purposeAccessKey}
}

// CreateAccount makes an account and its root key, whose secret is never shown
// again.
func (s *Service) CreateAccount(ctx context.Context, id, name string) (AccessKey, error) {
	key := NewAccessKey()
	key.Account = Account{ID: id, Name: name, Status: Active, Created: s.Now()}
	return key, s.Store.CreateAccount(ctx, s.sealed(key))
}

// CreateUserKey makes a key for a user, whose secret is never shown again. A user
// who is not there is NotFound, one who has too many keys Limit.
func (s *Service) CreateUserKey(ctx context.Context, account, user string) (*AccessKey, error) {
	key := NewAccessKey()
	key.Account, key.User, key.Status = Account{ID: account}, &User{Account: account, Name: user}, KeyActive
	return &key, s.Store.AddUserKey(ctx, s.sealed(key))
}

// AccessKey returns a key with its secret, or a NotFound fault.
func (s *Service) AccessKey(ctx context.Context, id string) (AccessKey, error) {
	k, err := s.Store.AccessKey(ctx, id)
	if err != nil {
		return AccessKey{}, err
	}
	secret, err := s.open(k)
	if err != nil {
		return AccessKey{}, fmt.Errorf("access key %s: %w", id, err)
	}
	return AccessKey{
		ID: k.ID, Account: k.Account, Secret: secret, User: k.User, Status: k.Status, State: k.State,
	}, nil
}

// open returns the secret of a key.
func (s *Service) open(k *SealedKey) (string, error) {
	if k.opened != nil {
		if secret := k.opened.Load(); secret != nil {
			return *secret, nil
		}
	}
	b, err := s.Sealer.Open(keyBinding(k.Account.ID), k.Sealed)
	if err != nil {
		return "", err
	}
	secret := string(b)
	if k.opened != nil {
		k.opened.Store(&secret)
	}
	return secret, nil
}

// Secret returns a secret of Cordon's own, made on first use. Callers that are
// first at once, on any node, end with the same.
func (s *Service) Secret(ctx context.Context, id SecretID, fresh func() ([]byte, error)) ([]byte, error) {
	b := seal.Binding{Account: id.Account, Region: id.Region, Purpose: id.Purpose}
	sealed, err := s.Store.Secret(ctx, id, nil)
	if err == nil && sealed == nil {
		var value []byte
		if value, err = fresh(); err == nil {
			sealed, err = s.Store.Secret(ctx, id, s.Sealer.Seal(b, value))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q of account %q: %w", id.Purpose, id.Account, err)
	}
	value, err := s.Sealer.Open(b, sealed)
	if err != nil {
		return nil, fmt.Errorf("secret %q of account %q: %w", id.Purpose, id.Account, err)
	}
	return value, nil
}

// NewAccessKey makes a random key in the form of AWS.
func NewAccessKey() AccessKey {
	b := make([]byte, 40)
	rand.Read(b) // never fails
	return AccessKey{
		ID:     "AKIA" + base32.StdEncoding.EncodeToString(b[:10]),
		Secret: base64.StdEncoding.EncodeToString(b[10:]),
	}
}
