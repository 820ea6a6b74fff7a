package store

import (
	"sync"

	"github.com/cordon-iot/cordon/internal/identity"
)

// keyCache keeps access keys and the roles of sessions that were read, where no
// other process can change them: on SQLite. A change to an account, its keys or
// its identities ends all that was read before it was committed.
type keyCache struct {
	mu      sync.RWMutex
	changes int // that began or ended
	keys    map[string]*identity.SealedKey
	roles   map[string]*identity.SessionRole // by id
}

// maxCachedKeys bounds the keys and the roles in the cache. Each begins anew
// when it is full.
const maxCachedKeys = 10_000

// find returns a key, or nil, and the state to hand to put when it was read.
func (c *keyCache) find(id string) (k *identity.SealedKey, state int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keys[id], c.changes
}

// put keeps a key that was read, unless something has changed since find.
func (c *keyCache) put(k *identity.SealedKey, state int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != c.changes {
		return
	}
	if c.keys == nil || len(c.keys) >= maxCachedKeys {
		c.keys = map[string]*identity.SealedKey{}
	}
	c.keys[k.ID] = k.Kept()
}

// findRole and putRole are find and put for the role of a session.
func (c *keyCache) findRole(id string) (r *identity.SessionRole, state int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.roles[id], c.changes
}

func (c *keyCache) putRole(id string, r *identity.SessionRole, state int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != c.changes {
		return
	}
	if c.roles == nil || len(c.roles) >= maxCachedKeys {
		c.roles = map[string]*identity.SessionRole{}
	}
	c.roles[id] = r
}

// changing forgets everything and, once the change is committed or undone,
// again what was read meanwhile.
func (c *keyCache) changing(change func() error) error {
	c.forget()
	defer c.forget()
	return change()
}

func (c *keyCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.keys, c.roles = nil, nil
}
