package identity

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Use is that an access key, or a role by one of its sessions, signed a call.
type Use struct {
	Account string
	KeyID   string // "" for a session
	RoleID  string // "" for a key
	At      time.Time
	Service string
	Region  string
}

// UseStore keeps when keys and roles were used last.
type UseStore interface {
	// NoteUses stores uses, in one transaction and in their order. One that is older than what is
	// stored, or of what is gone, is passed over.
	NoteUses(ctx context.Context, uses []Use) error
}

const (
	// usesEvery is how often uses are written.
	usesEvery = 5 * time.Second
	// maxUses bounds how many keys and roles are kept until then. Uses of
	// others are not noted.
	maxUses = 100_000
	// usesPerWrite bounds a transaction.
	usesPerWrite = 1000
)

// Uses notes which access keys and roles are used. Calls never wait for it:
// what it heard is written every five seconds, and at the end; a crash loses
// what was not.
type Uses struct {
	Store UseStore
	Log   *slog.Logger

	mu      sync.Mutex
	pending map[useKey]Use
}

type useKey struct{ account, key, role string }

// Note keeps the use of a principal that has signed a call.
func (u *Uses) Note(p *Principal, use Use) {
	use.Account, use.KeyID = p.Account.ID, p.KeyID
	if p.Session != nil {
		use.KeyID, use.RoleID = "", p.Session.RoleID
	}
	key := useKey{use.Account, use.KeyID, use.RoleID}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		u.pending = map[useKey]Use{}
	}
	if known, ok := u.pending[key]; ok && known.At.After(use.At) || !ok && len(u.pending) >= maxUses {
		return
	}
	u.pending[key] = use
}

// Run writes what was noted until ctx ends, and then once more.
func (u *Uses) Run(ctx context.Context) error {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), usesEvery)
			defer cancel()
			u.flush(last)
			return nil
		}
	}
}

// flush writes what was noted. What cannot be written is lost: it is told
// again by the next use.
func (u *Uses) flush(ctx context.Context) {
	u.mu.Lock()
	pending := u.pending
	u.pending = nil
	u.mu.Unlock()
	uses := slices.SortedFunc(maps.Values(pending), func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.RoleID, b.RoleID))
	})
	for batch := range slices.Chunk(uses, usesPerWrite) {
		if err := u.Store.NoteUses(ctx, batch); err != nil && ctx.Err() == nil {
			u.Log.Warn("the last use of access keys was not stored", "err", err)
			return
		}
	}
}
