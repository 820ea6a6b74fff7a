package identity

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/cordon-iot/cordon/internal/policy"
)

// rightsCache keeps the compiled rights of principals, each for one State. It
// begins anew when it is full: what it forgets is read again.
type rightsCache struct {
	mu   sync.RWMutex
	kept map[rightsKey]*rightsEntry
}

// maxRights bounds the rights that are kept. Those of a session with policies of
// its own are its own, and some tens of kilobytes.
const maxRights = 2_000

// rightsKey says whose rights, and as of when.
type rightsKey struct {
	account, id string
	state       int64
	session     string // what bounds the session
}

// rightsEntry is rights that are read once for all who ask at a time.
type rightsEntry struct {
	once   sync.Once
	rights *Rights
	err    error
}

// get returns the rights of a key, and reads them when they are not there. An
// error is not kept.
func (c *rightsCache) get(key rightsKey, read func() (*Rights, error)) (*Rights, error) {
	c.mu.RLock()
	e := c.kept[key]
	c.mu.RUnlock()
	if e == nil {
		e = c.add(key)
	}
	e.once.Do(func() {
		e.err = errors.New("reading the rights of a principal ended early")
		e.rights, e.err = read()
	})
	if e.err != nil {
		c.forget(key, e)
	}
	return e.rights, e.err
}

func (c *rightsCache) add(key rightsKey) *rightsEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.kept[key]; e != nil {
		return e
	}
	if c.kept == nil || len(c.kept) >= maxRights {
		c.kept = map[rightsKey]*rightsEntry{}
	}
	e := &rightsEntry{}
	c.kept[key] = e
	return e
}

func (c *rightsCache) forget(key rightsKey, e *rightsEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[key] == e {
		delete(c.kept, key)
	}
}

// all are the rights of root, which only resources of other accounts limit.
var all = &Rights{}

// none are the rights of whoever is there no more.
var none = &Rights{identity: policy.NewPermissions()}

// rights returns what a principal may do by its policies.
func (s *Service) rights(ctx context.Context, p Principal) (*Rights, error) {
	key := rightsKey{account: p.Account.ID, id: p.ID, state: p.State}
	of := Grantee{Kind: OwnerUser, Account: p.Account.ID, ID: p.ID}
	switch {
	case p.Kind == KindRoot:
		return all, nil
	case p.Kind == KindAssumedRole && p.Session != nil:
		of.Kind, of.ID, of.Session = OwnerRole, p.Session.RoleID, p.Session.PolicyARNs
		key.id = of.ID
		if p.Session.Policy != "" || len(of.Session) > 0 {
			key.session = strings.Join(of.Session, " ") + "\n" + p.Session.Policy
		}
	case p.Kind != KindUser:
		return none, nil
	}
	return s.cache.get(key, func() (*Rights, error) {
		// Others wait for what this caller reads: it must not end when he leaves.
		g, err := s.Policies.Grants(context.WithoutCancel(ctx), nil, of)
		if err != nil {
			return nil, err
		}
		if g == nil {
			return none, nil
		}
		return NewRights(g, p.Session)
	})
}
