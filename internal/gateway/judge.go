package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	// judges is how many slices are judged at the same time.
	judges = 4
	// sliceSize is how many connections are read of at once.
	sliceSize = 500
	// readTime is how long a reading of the registry may take.
	readTime = 10 * time.Second
	// retryAfter is how long a reading that did not work is waited for.
	retryAfter = 100 * time.Millisecond
	// readAgain is how often a reading is tried again in the course of which a
	// policy was changed.
	readAgain = 5
)

// judge looks again at sessions whose rights may have changed: certificates
// first, for one that is not active ends all its sessions without more reading.
type judge struct {
	gateway *Gateway

	mu sync.Mutex
	// certificates and sessions are what waits, by scope, the oldest scope first.
	certificates queue[string]
	sessions     queue[*session]
	working      int
	// failing is since when something that waits could not be read.
	failing time.Time
	err     error
	wake    chan struct{}
}

func newJudge(g *Gateway) *judge { return &judge{gateway: g, wake: make(chan struct{}, judges)} }

// queue is what waits, by scope.
type queue[T comparable] struct {
	order []fleet.Scope
	items map[fleet.Scope][]T
}

func (q *queue[T]) add(scope fleet.Scope, items ...T) {
	if len(items) == 0 {
		return
	}
	if q.items == nil {
		q.items = map[fleet.Scope][]T{}
	}
	if len(q.items[scope]) == 0 {
		q.order = append(q.order, scope)
	}
	q.items[scope] = append(q.items[scope], items...)
}

// take returns some items of the scope that waited longest, which then waits
// behind the others.
func (q *queue[T]) take(most int) (scope fleet.Scope, items []T) {
	if len(q.order) == 0 {
		return fleet.Scope{}, nil
	}
	scope, q.order = q.order[0], q.order[1:]
	list := q.items[scope]
	n := min(most, len(list))
	items = list[:n:n]
	if list = list[n:]; len(list) == 0 {
		delete(q.items, scope)
	} else {
		q.items[scope] = list
		q.order = append(q.order, scope)
	}
	return scope, items
}

func (q *queue[T]) empty() bool { return len(q.order) == 0 }

// run judges what waits until ctx ends.
func (j *judge) run(ctx context.Context) {
	var workers sync.WaitGroup
	for range judges {
		workers.Go(func() { j.work(ctx) })
	}
	workers.Wait()
}

// work judges slice by slice. From a large one on there is a rush, until nothing
// waits any more.
func (j *judge) work(ctx context.Context) {
	rushing := false
	rest := func() {
		if rushing {
			j.gateway.rush.end()
		}
		rushing = false
	}
	defer rest()
	for ctx.Err() == nil {
		slice := j.next()
		if slice == nil {
			rest()
			select {
			case <-j.wake:
			case <-ctx.Done():
			}
			continue
		}
		if !rushing && len(slice.sessions) > enders {
			j.gateway.rush.begin()
			rushing = true
		}
		j.step(ctx, slice)
	}
}

func (j *judge) woken() {
	for range judges {
		select {
		case j.wake <- struct{}{}:
		default:
			return
		}
	}
}

// certificatesChanged has the sessions of certificates judged.
func (j *judge) certificatesChanged(scope fleet.Scope, ids []string) {
	j.mu.Lock()
	j.certificates.add(scope, ids...)
	j.mu.Unlock()
	j.woken()
}

// add has sessions judged.
func (j *judge) add(list ...*session) {
	j.mu.Lock()
	for _, s := range list {
		if s.waiting.CompareAndSwap(false, true) {
			j.sessions.add(s.scope, s)
		}
	}
	j.mu.Unlock()
	j.woken()
}

// slice is certificates or sessions of a scope.
type slice struct {
	scope        fleet.Scope
	certificates []string
	sessions     []*session
}

// next takes what is to be judged next, or nil.
func (j *judge) next() *slice {
	j.mu.Lock()
	defer j.mu.Unlock()
	var next slice
	next.scope, next.certificates = j.certificates.take(sliceSize)
	if next.certificates == nil {
		next.scope, next.sessions = j.sessions.take(sliceSize)
	}
	if next.certificates == nil && next.sessions == nil {
		return nil
	}
	j.working++
	return &next
}

// step judges a slice.
func (j *judge) step(ctx context.Context, one *slice) {
	var err error
	if one.certificates != nil {
		err = j.judgeCertificates(ctx, one.scope, one.certificates)
	} else {
		for _, s := range one.sessions {
			s.waiting.Store(false)
		}
		err = j.judgeSessions(ctx, one.scope, one.sessions)
	}
	j.done(ctx, err, func() {
		j.certificates.add(one.scope, one.certificates...)
		for _, s := range one.sessions {
			if s.waiting.CompareAndSwap(false, true) {
				j.sessions.add(one.scope, s)
			}
		}
	})
}

// done ends a step. What did not work waits again.
func (j *judge) done(ctx context.Context, err error, again func()) {
	j.mu.Lock()
	j.working--
	if err != nil {
		again()
		if j.err = err; j.failing.IsZero() {
			j.failing = time.Now()
			j.gateway.Log.Error("rights cannot be read", "err", err)
		}
	} else if j.certificates.empty() && j.sessions.empty() && j.working == 0 {
		j.failing, j.err = time.Time{}, nil
	}
	j.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		return
	}
	select {
	case <-time.After(retryAfter):
	case <-ctx.Done():
	}
}

// trouble is since when something could not be read, and why; zero and nil when
// all can.
func (j *judge) trouble() (time.Time, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failing, j.err
}

// judgeCertificates looks at one session of each certificate, which says of all
// of them whether the certificate is good, and leaves the others for later.
func (j *judge) judgeCertificates(ctx context.Context, scope fleet.Scope, ids []string) error {
	first := make([]*session, 0, len(ids))
	for _, id := range ids {
		if list := j.gateway.index.at(place{scope, fleet.RightCertificate, id}); len(list) > 0 {
			first = append(first, list[0])
		}
	}
	return j.judgeWith(ctx, scope, first, func(s *session, e *ending) {
		all := j.gateway.index.at(place{scope, fleet.RightCertificate, s.certificate})
		switch e {
		case endUnknown, endStatus, endAccount, endInvalid:
			endAll(all, e)
		default:
			if e != nil {
				s.end(e)
			}
			if len(all) > 1 {
				j.add(all...)
			}
		}
	})
}

func (j *judge) judgeSessions(ctx context.Context, scope fleet.Scope, list []*session) error {
	return j.judgeWith(ctx, scope, list, func(s *session, e *ending) {
		if e != nil {
			s.end(e)
		}
	})
}

// judgeWith reads what decides about some sessions of a scope, gives it to them,
// and tells for each why it must end, or nil.
func (j *judge) judgeWith(ctx context.Context, scope fleet.Scope, list []*session, tell func(*session, *ending)) error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	endings, err := j.gateway.read(ctx, scope, list)
	if err != nil {
		return err
	}
	for i, s := range list {
		tell(s, endings[i])
	}
	return nil
}

// enders is how many sessions are ended at the same time: each end is a call of
// the operating system, and what it wakes competes with it for the processor.
const enders = 16

// endAll ends sessions.
func endAll(list []*session, e *ending) {
	if len(list) <= enders {
		for _, s := range list {
			s.end(e)
		}
		return
	}
	list[0].gateway.rush.begin()
	defer list[0].gateway.rush.end()
	var working sync.WaitGroup
	for part := range slices.Chunk(list, (len(list)+enders-1)/enders) {
		working.Go(func() {
			for _, s := range part {
				s.end(e)
			}
		})
	}
	working.Wait()
}

// read reads what decides about some sessions of a scope, gives it to them, and
// returns for each why it must end, or nil.
func (g *Gateway) read(ctx context.Context, scope fleet.Scope, list []*session) ([]*ending, error) {
	readings := make([]int64, len(list))
	for i, s := range list {
		readings[i] = s.readings.Add(1)
	}
	devices, found, err := g.devices(ctx, scope, list)
	if err != nil {
		return nil, err
	}
	endings := make([]*ending, len(list))
	for i, s := range list {
		endings[i] = s.apply(readings[i], &devices[i], found)
	}
	return endings, nil
}

// devices reads what decides about some sessions of a scope, with the policies.
func (g *Gateway) devices(ctx context.Context, scope fleet.Scope, list []*session) (
	[]fleet.Device, map[fleet.PolicyRef]*policy.Compiled, error,
) {
	refs := make([]fleet.DeviceRef, len(list))
	for i, s := range list {
		refs[i] = s.ref()
	}
	for range readAgain {
		devices, err := g.lookUp(ctx, scope, refs)
		if err != nil {
			return nil, nil, fmt.Errorf("read devices: %w", err)
		}
		found, complete, err := g.documents(ctx, scope, devices)
		if err != nil {
			return nil, nil, err
		}
		if complete {
			return devices, found, nil
		}
		// A policy was changed meanwhile.
	}
	return nil, nil, fmt.Errorf("read devices: policies changed %d times meanwhile", readAgain)
}

// lookUp reads what decides about some connections of a scope; about a single
// one together with others that are asked about at the same time.
func (g *Gateway) lookUp(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	if len(refs) == 1 {
		d, err := g.reader.read(ctx, scope, refs[0])
		return []fleet.Device{d}, err
	}
	first, rest, places := oneOfEach(refs)
	shared, err := g.readAll(ctx, scope, first)
	if err != nil || len(rest) == 0 {
		return shared, err
	}
	of := make(map[string]*fleet.Device, len(first))
	for i := range first {
		of[first[i].Certificate] = &shared[i]
	}
	out := make([]fleet.Device, len(refs))
	for i, ref := range refs {
		out[i] = *of[ref.Certificate]
	}
	differ := func(i int) bool { return !of[rest[i].Certificate].AnyClient }
	var others []fleet.DeviceRef
	for i := range rest {
		if differ(i) {
			others = append(others, rest[i])
		}
	}
	devices, err := g.readAll(ctx, scope, others)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		if differ(i) {
			out[place], devices = devices[0], devices[1:]
		}
	}
	return out, nil
}

// oneOfEach divides connections into the first of each certificate, and the rest
// with their places.
func oneOfEach(refs []fleet.DeviceRef) (first, rest []fleet.DeviceRef, places []int) {
	seen := make(map[string]bool, len(refs))
	for i, ref := range refs {
		if seen[ref.Certificate] {
			rest, places = append(rest, ref), append(places, i)
			continue
		}
		seen[ref.Certificate] = true
		first = append(first, ref)
	}
	return first, rest, places
}

// readAll reads what decides about some connections of a scope by one reading.
func (g *Gateway) readAll(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	devices, err := g.Registry.Devices(ctx, scope, refs)
	if err == nil && len(devices) != len(refs) {
		err = fmt.Errorf("got %d of %d devices", len(devices), len(refs))
	}
	return devices, err
}

// documents are the policies of some devices, and whether none of them is gone.
func (g *Gateway) documents(ctx context.Context, scope fleet.Scope, devices []fleet.Device) (
	found map[fleet.PolicyRef]*policy.Compiled, complete bool, err error,
) {
	var refs []fleet.PolicyRef
	seen := map[fleet.PolicyRef]bool{}
	for i := range devices {
		for _, ref := range devices[i].Policies {
			if !seen[ref] {
				seen[ref] = true
				refs = append(refs, ref)
			}
		}
	}
	found, err = g.policies.find(ctx, scope, refs)
	return found, len(found) == len(refs), err
}
