package identity

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/cordon-iot/cordon/internal/seal"
)

const purposeSessions = "session-tokens"

// sessionKeyPrefix begins the access key ids of sessions. Those of permanent
// keys begin with AKIA.
const sessionKeyPrefix = "ASIA"

// MaxPacked is how many bytes the policies and tags of a session may take in
// its token, as JSON. AWS has such a limit and does not say which.
const MaxPacked = 4096

// maxToken bounds a token before it is opened: MaxPacked, the other members at
// their longest, and what base64 adds.
const maxToken = 16 << 10

// sessionToken is what a token holds, sealed.
type sessionToken struct {
	Account string  `json:"account"`
	Secret  string  `json:"secret"`
	Session Session `json:"session"`
}

// SessionKey is what the holder of a session signs calls with.
type SessionKey struct {
	ID, Secret, Token string
}

// SessionRole is the role of a session as it is now.
type SessionRole struct {
	Account Account
	Tags    map[string]string
	State   int64 // as in Principal
}

// IssueSession makes the key and the token of a session of a role of an
// account. Nothing is stored: the token is the session, and is good with this
// key alone.
func (s *Service) IssueSession(ctx context.Context, account string, session Session) (SessionKey, error) {
	b := make([]byte, 40)
	rand.Read(b) // never fails
	key := SessionKey{
		ID:     sessionKeyPrefix + base32.StdEncoding.EncodeToString(b[:10]),
		Secret: base64.StdEncoding.EncodeToString(b[10:]),
	}
	sealer, err := s.sessionSealer(ctx, key.ID)
	if err != nil {
		return SessionKey{}, err
	}
	text, err := json.Marshal(sessionToken{Account: account, Secret: key.Secret, Session: session})
	if err != nil {
		return SessionKey{}, fmt.Errorf("encode session: %w", err)
	}
	key.Token = base64.StdEncoding.EncodeToString(sealer.Seal(sessionBinding(key.ID), text))
	if len(key.Token) > maxToken {
		return SessionKey{}, fmt.Errorf("a session of %d bytes is too long", len(text))
	}
	return key, nil
}

// Packed returns how much of [MaxPacked] a session takes, in per cent, rounded
// up.
func (s *Session) Packed() (percent int) {
	size := 0
	for _, part := range []any{s.Policy, s.PolicyARNs, s.Tags, s.TransitiveTagKeys} {
		text, _ := json.Marshal(part) // strings alone: never fails
		size += len(text)
	}
	if s.Policy == "" && len(s.PolicyARNs) == 0 && len(s.Tags) == 0 {
		return 0
	}
	return (size*100 + MaxPacked - 1) / MaxPacked
}

// authenticateSession finds the credential of a session: NotFound for a token
// that is not whole, or that was issued with another key, or whose role is gone.
func (s *Service) authenticateSession(ctx context.Context, keyID, text string) (Credential, error) {
	token, err := s.openSession(ctx, keyID, text)
	if err != nil {
		return Credential{}, err
	}
	session := &token.Session
	role, err := s.Store.SessionRole(ctx, token.Account, session.RoleID)
	if err != nil {
		return Credential{}, err
	}
	return Credential{
		Principal: Principal{
			Account: role.Account, Kind: KindAssumedRole, ARN: session.ARN(token.Account),
			ID: session.RoleID + ":" + session.Name, Name: session.RoleName, KeyID: keyID,
			Tags: overlay(role.Tags, session.Tags), Session: session, State: role.State,
		},
		Secret:   token.Secret,
		Disabled: role.Account.Status != Active,
		Expired:  !s.Now().Before(session.Expires),
	}, nil
}

func (s *Service) openSession(ctx context.Context, keyID, text string) (*sessionToken, error) {
	if len(text) > maxToken || strings.ContainsAny(text, "\r\n") {
		return nil, unknownKey(keyID)
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, unknownKey(keyID)
	}
	sealer, err := s.sessionSealer(ctx, keyID)
	if err != nil {
		return nil, err
	}
	opened, err := sealer.Open(sessionBinding(keyID), sealed)
	if err != nil {
		return nil, unknownKey(keyID)
	}
	token := &sessionToken{}
	if err := json.Unmarshal(opened, token); err != nil {
		return nil, fmt.Errorf("read session of %s: %w", keyID, err)
	}
	return token, nil
}

// sessionSealer returns what seals the token of one key: each has a key of its
// own, so that no number of sessions wears one out.
func (s *Service) sessionSealer(ctx context.Context, keyID string) (*seal.Sealer, error) {
	root, err := s.sessionRoot(ctx)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, root, nil, keyID, seal.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a session: %w", err)
	}
	return seal.New(key)
}

// sessionRoot returns the secret behind all session tokens, which all nodes
// share. It never changes, so it is read once.
func (s *Service) sessionRoot(ctx context.Context) ([]byte, error) {
	if root := s.sessions.Load(); root != nil {
		return *root, nil
	}
	root, err := s.Secret(ctx, SecretID{Purpose: purposeSessions}, func() ([]byte, error) {
		key := make([]byte, seal.KeySize)
		rand.Read(key) // never fails
		return key, nil
	})
	if err != nil {
		return nil, err
	}
	s.sessions.Store(&root)
	return root, nil
}

func sessionBinding(keyID string) seal.Binding {
	return seal.Binding{Purpose: purposeSessions + " " + keyID}
}

// ARN returns the ARN of a session of a role of an account.
func (s *Session) ARN(account string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + s.RoleName + "/" + s.Name
}

// overlay returns tags with others over them. Keys of tags differ by more than
// case.
func overlay(under, over map[string]string) map[string]string {
	if len(over) == 0 {
		return under
	}
	all := maps.Clone(over)
	taken := make(map[string]bool, len(over))
	for key := range over {
		taken[strings.ToLower(key)] = true
	}
	for key, value := range under {
		if !taken[strings.ToLower(key)] {
			all[key] = value
		}
	}
	return all
}
