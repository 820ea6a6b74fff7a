package gateway

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// place is something that sessions hang on: a certificate, a policy, a thing, a
// group, a client id, or an account, whose region and name are empty.
type place struct {
	scope fleet.Scope
	kind  fleet.RightKind
	name  string
}

// accountOf is the place of everybody in an account.
func accountOf(scope fleet.Scope) place {
	return place{scope: fleet.Scope{Account: scope.Account}, kind: fleet.RightAccount}
}

// indexShards are locked each on its own.
const indexShards = 64

// index finds sessions by what they hang on. Its methods may be called at the
// same time.
type index struct {
	seed   maphash.Seed
	shards [indexShards]indexShard
}

type indexShard struct {
	mu     sync.RWMutex
	places map[place]*crowd
}

func newIndex() *index {
	x := &index{seed: maphash.MakeSeed()}
	for i := range x.shards {
		x.shards[i].places = map[place]*crowd{}
	}
	return x
}

func (x *index) shard(p place) *indexShard {
	return &x.shards[maphash.Comparable(x.seed, p)%indexShards]
}

// add makes a session be found at a place.
func (x *index) add(p place, s *session) {
	shard := x.shard(p)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	c := shard.places[p]
	if c == nil {
		c = &crowd{}
		shard.places[p] = c
	}
	c.add(s)
}

// remove undoes add.
func (x *index) remove(p place, s *session) {
	shard := x.shard(p)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	c := shard.places[p]
	if c == nil {
		return
	}
	if c.remove(s); c.empty() {
		delete(shard.places, p)
	}
}

// at returns the sessions at a place, in no order.
func (x *index) at(p place) []*session {
	shard := x.shard(p)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	if c := shard.places[p]; c != nil {
		return c.list()
	}
	return nil
}

// everyone returns all sessions.
func (x *index) everyone() (list []*session) {
	for i := range x.shards {
		shard := &x.shards[i]
		shard.mu.RLock()
		for p, c := range shard.places {
			if p.kind == fleet.RightAccount {
				list = append(list, c.list()...)
			}
		}
		shard.mu.RUnlock()
	}
	return list
}

// fewSessions is up to how many sessions of a place are a list: most places,
// such as certificates, have one.
const fewSessions = 8

// crowd is a set of sessions, small where there are few.
type crowd struct {
	few  []*session
	many map[*session]struct{}
}

func (c *crowd) add(s *session) {
	switch {
	case c.many != nil:
		c.many[s] = struct{}{}
	case slices.Contains(c.few, s):
	case len(c.few) < fewSessions:
		c.few = append(c.few, s)
	default:
		c.many = make(map[*session]struct{}, 2*fewSessions)
		for _, one := range c.few {
			c.many[one] = struct{}{}
		}
		c.few, c.many[s] = nil, struct{}{}
	}
}

func (c *crowd) remove(s *session) {
	delete(c.many, s)
	if i := slices.Index(c.few, s); i >= 0 {
		c.few = slices.Delete(c.few, i, i+1)
	}
}

func (c *crowd) empty() bool { return len(c.few) == 0 && len(c.many) == 0 }

func (c *crowd) list() []*session {
	list := slices.Clone(c.few)
	for s := range c.many {
		list = append(list, s)
	}
	return list
}
