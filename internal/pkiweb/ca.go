package pkiweb

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
)

// maxCAs bounds the CAs that are kept with their keys, of some kilobytes each.
const maxCAs = 4096

// caID is the form of an id.
var caID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ca is a CA of an account with its key.
type ca struct {
	seq       int64
	authority *pki.Authority
}

// cas are those that were asked for, by their ids and by the hashes of their
// keys. A CA never changes.
type cas struct {
	asking singleflight.Group

	mu    sync.Mutex
	byID  map[string]*ca
	byKey map[string]*ca
}

func (c *cas) find(m map[string]*ca, key string) *ca {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m[key]
}

func (c *cas) keep(m map[string]*ca, key string, known *ca) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range m {
		if len(m) < maxCAs {
			break
		}
		delete(m, other)
	}
	m[key] = known
}

// ca returns the CA with an id, or a NotFound fault.
func (s *Server) ca(ctx context.Context, id string) (*ca, error) {
	if !caID.MatchString(id) {
		return nil, fault.New(fault.NotFound, "there is no such CA")
	}
	return s.load(ctx, s.cas.byID, id, s.Store.Authority)
}

// caOfKey returns the CA of which a hash of the public key is known, or a
// NotFound fault.
func (s *Server) caOfKey(ctx context.Context, hash []byte) (*ca, error) {
	return s.load(ctx, s.cas.byKey, hex.EncodeToString(hash), s.Store.AuthorityOfKey)
}

func (s *Server) load(ctx context.Context, m map[string]*ca, key string,
	find func(context.Context, string) (*identity.IssuingCA, error),
) (*ca, error) {
	if known := s.cas.find(m, key); known != nil {
		return known, nil
	}
	found, err, _ := s.cas.asking.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		stored, err := find(ctx, key)
		if err != nil {
			return nil, err
		}
		authority, err := s.Authorities.Authority(ctx, stored.Account)
		if err != nil {
			return nil, err
		}
		if authority.Certificate().ID != stored.ID {
			return nil, fmt.Errorf("the CA %s is not that of account %s", stored.ID, stored.Account)
		}
		known := &ca{stored.Seq, authority}
		s.cas.keep(m, key, known)
		return known, nil
	})
	if err != nil {
		return nil, err
	}
	return found.(*ca), nil
}
