package identity

import (
	"context"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Authenticate finds the credential of an access key id, and of the session
// token that came with it, "" for none. An unknown key, a token that is not the
// key's, a permanent key with a token and a temporary one without are one
// NotFound fault: the caller learns nothing from which it was.
//
// The state of the key, of its account and of its user or role is read here,
// once for a call: what changes later is seen by the next call.
func (s *Service) Authenticate(ctx context.Context, accessKeyID, token string) (Credential, error) {
	if token != "" {
		return s.authenticateSession(ctx, accessKeyID, token)
	}
	key, err := s.AccessKey(ctx, accessKeyID)
	if err != nil {
		return Credential{}, err
	}
	p := Principal{
		Account: key.Account, Kind: KindRoot, ARN: RootARN(key.Account.ID), ID: key.Account.ID, KeyID: key.ID,
		State: key.State,
	}
	if u := key.User; u != nil {
		p.Kind, p.ARN, p.ID, p.Name, p.Tags = KindUser, u.ARN(), u.ID, u.Name, u.Tags
	}
	return Credential{
		Principal: p, Secret: key.Secret,
		Disabled: key.Account.Status != Active || key.Status == KeyInactive,
	}, nil
}

func unknownKey(id string) error { return fault.New(fault.NotFound, "there is no access key %q", id) }

// RootARN is the ARN of an account's root.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }
