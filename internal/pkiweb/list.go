package pkiweb

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

const (
	// validity is how long a revocation list is valid. Whoever cannot fetch another
	// one for so long has to refuse everybody.
	validity = 24 * time.Hour
	// signedFor is how long a list is given out before it is signed again, so that
	// it is valid for most of its time still.
	signedFor = time.Hour
	// restFactor is how much longer than making a list took no other one of its CA
	// is made, within bounds: who asks again and again costs little, and a change
	// shows after mostRest at the latest.
	restFactor = 10
	leastRest  = time.Second
	mostRest   = 15 * time.Second
	// page is how many certificates are looked at in one statement.
	page = 10_000
	// maxLists and maxListBytes bound the lists that are kept.
	maxLists     = 1024
	maxListBytes = 256 << 20
	// askTimeout is how long the database may take for an answer, makeTimeout for
	// a whole list.
	askTimeout  = 5 * time.Second
	makeTimeout = 2 * time.Minute
)

// madeList is a revocation list as it is given out.
type madeList struct {
	der     []byte
	number  int64
	at      time.Time
	revoked *crl.Revoked
	// first is when the first of its certificates ends, after which it leaves the
	// list; zero for none.
	first time.Time
	// change is the count of changes that the list has seen, and rest until when
	// no other one is read.
	change uint64
	rest   time.Time
}

func (l *madeList) reader() io.ReadSeeker { return bytes.NewReader(l.der) }

// list is the place of the list of one CA.
type list struct {
	making  sync.Mutex // held by who makes one
	current atomic.Pointer[madeList]
	changes atomic.Uint64
	used    atomic.Int64
}

// lists are those that were asked for.
type lists struct {
	mu sync.Mutex
	of map[int64]*list
}

// place returns that of a CA.
func (ls *lists) place(ca int64, now time.Time) *list {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.of[ca]
	if l == nil {
		l = &list{}
		ls.of[ca] = l
	}
	l.used.Store(now.UnixNano())
	return l
}

// trim forgets the lists that were not used for the longest time, until there is
// room.
func (ls *lists) trim() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for len(ls.of) > 1 {
		size, oldest := 0, int64(0)
		var least int64
		for ca, l := range ls.of {
			if made := l.current.Load(); made != nil {
				size += len(made.der)
			}
			if used := l.used.Load(); oldest == 0 || used < least {
				oldest, least = ca, used
			}
		}
		if size <= maxListBytes && len(ls.of) <= maxLists {
			return
		}
		delete(ls.of, oldest)
	}
}

// changed notes that certificates of a CA changed.
func (ls *lists) changed(ca int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.of[ca]; l != nil {
		l.changes.Add(1)
	}
}

// allChanged notes that any certificates may have changed.
func (ls *lists) allChanged() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.of {
		l.changes.Add(1)
	}
}

func (ls *lists) none() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.of) == 0
}

// list returns the revocation list of a CA, which is made anew when something
// has changed, and signed anew when it becomes old. Where the database cannot be
// read the last one is given out as long as it is valid.
func (s *Server) list(ctx context.Context, c *ca) (*madeList, error) {
	now := s.Now()
	l := s.lists.place(c.seq, now)
	have := l.current.Load()
	if have != nil && !l.old(have, now) {
		return have, nil
	}
	if have == nil {
		l.making.Lock()
	} else if !l.making.TryLock() {
		return have, nil // somebody makes the next one
	}
	defer l.making.Unlock()
	if have = l.current.Load(); have != nil && !l.old(have, s.Now()) {
		return have, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTimeout)
	defer cancel()
	made, err := s.makeList(ctx, c, l, have)
	if err != nil {
		if have != nil && s.Now().Before(have.at.Add(validity)) {
			s.Log.Warn("a revocation list cannot be made, the last one is given out", "ca", c.authority.Certificate().ID,
				"err", err)
			return have, nil
		}
		return nil, err
	}
	l.current.Store(made)
	s.lists.trim()
	return made, nil
}

// old reports whether another list is due.
func (l *list) old(have *madeList, now time.Time) bool {
	return !now.Before(have.at.Add(signedFor)) || l.outdated(have, now) && !now.Before(have.rest)
}

// outdated reports whether another list would have other entries.
func (l *list) outdated(have *madeList, now time.Time) bool {
	return have.change != l.changes.Load() || !have.first.IsZero() && now.After(have.first)
}

// makeList reads what is to be listed, where that may have changed, and signs
// it. The number comes first: a list with a greater one knows no less.
func (s *Server) makeList(ctx context.Context, c *ca, l *list, have *madeList) (*madeList, error) {
	begun, now := time.Now(), s.Now()
	made := &madeList{at: now, change: l.changes.Load()}
	number, err := s.Store.NextListNumber(ctx, c.seq)
	if err != nil {
		return nil, err
	}
	made.number = number
	if have != nil && !l.outdated(have, now) {
		entries := *have.revoked // the old list is still being given out
		made.revoked, made.first = &entries, have.first
	} else if err := s.read(ctx, c, made); err != nil {
		return nil, err
	}
	made.der, err = crl.Sign(c.authority, crl.Head{Number: number, ThisUpdate: now, NextUpdate: now.Add(validity)},
		made.revoked)
	if err != nil {
		return nil, err
	}
	made.rest = s.Now().Add(min(max(leastRest, restFactor*time.Since(begun)), mostRest))
	return made, nil
}

// read encodes what is to be listed.
func (s *Server) read(ctx context.Context, c *ca, made *madeList) error {
	made.revoked = &crl.Revoked{}
	for after := ""; ; {
		part, next, err := s.Store.Withdrawn(ctx, c.seq, after, page)
		if err != nil {
			return err
		}
		if err := made.add(part); err != nil {
			return err
		}
		if next == "" {
			break
		}
		after = next
	}
	for after := ""; ; {
		part, err := s.Store.Ended(ctx, c.seq, after, page)
		if err != nil {
			return err
		}
		if err := made.add(part); err != nil {
			return err
		}
		if len(part) < page {
			return nil
		}
		after = part[len(part)-1].Serial
	}
}

func (l *madeList) add(part []fleet.Issued) error {
	for i := range part {
		if part[i].NotAfter.Before(l.at) {
			continue
		}
		if err := l.revoked.Add(part[i].Serial, part[i].Changed, byte(reason(part[i].Status))); err != nil {
			return err
		}
		if l.first.IsZero() || part[i].NotAfter.Before(l.first) {
			l.first = part[i].NotAfter
		}
	}
	return nil
}

// reason is why a certificate that is not ACTIVE is listed: one that was revoked
// stays so, any other may become valid again.
func reason(s fleet.Status) int {
	if s == fleet.Revoked {
		return 0
	}
	return crl.OnHold
}
