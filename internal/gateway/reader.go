package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// readers is how many readings for connections that are being made there are at
// the same time.
const readers = 4

const (
	// manyPending is from how many connections on their way on a reading waits for
	// more to share it, and gatherTime how long. They wait for the processor anyway,
	// and a reading of ten takes little more of it than one of one.
	manyPending = 16
	gatherTime  = 5 * time.Millisecond
)

// reader reads the registry for connections that are being made. Those that come
// while it reads wait for the next reading and share it, so that many at once
// cost little more than a few.
type reader struct {
	lookup lookup
	root   context.Context
	busy   func() bool // whether many connections are on their way
	pause  func()      // waits for more to share a reading

	mu        sync.Mutex
	waiting   queue[*question]
	working   int
	gathering bool // somebody will read what waits shortly
}

// lookup reads some devices of a scope, in the order of refs.
type lookup func(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error)

// question is what is asked about one connection.
type question struct {
	ref    fleet.DeviceRef
	answer chan answer // has place for one
}

type answer struct {
	device fleet.Device
	err    error
}

func newReader(root context.Context, by lookup, busy func() bool) *reader {
	return &reader{lookup: by, root: root, busy: busy, pause: func() { time.Sleep(gatherTime) }}
}

// read reads what decides about a connection. The reading begins after the call.
func (r *reader) read(ctx context.Context, scope fleet.Scope, ref fleet.DeviceRef) (fleet.Device, error) {
	q := &question{ref, make(chan answer, 1)}
	r.mu.Lock()
	r.waiting.add(scope, q)
	if r.working < readers && !r.gathering {
		r.working++
		r.gathering = r.busy()
		go r.work(r.gathering)
	}
	r.mu.Unlock()
	select {
	case a := <-q.answer:
		return a.device, a.err
	case <-ctx.Done():
		return fleet.Device{}, ctx.Err()
	}
}

// work answers until nobody waits.
func (r *reader) work(gather bool) {
	if gather {
		r.pause()
		r.mu.Lock()
		r.gathering = false
		r.mu.Unlock()
	}
	for {
		r.mu.Lock()
		scope, list := r.waiting.take(sliceSize)
		if list == nil {
			r.working--
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.answer(scope, list)
	}
}

func (r *reader) answer(scope fleet.Scope, list []*question) {
	ctx, cancel := context.WithTimeout(r.root, readTime)
	defer cancel()
	refs := make([]fleet.DeviceRef, len(list))
	for i, q := range list {
		refs[i] = q.ref
	}
	devices, err := r.lookup(ctx, scope, refs)
	if err == nil && len(devices) != len(refs) {
		err = fmt.Errorf("got %d of %d devices", len(devices), len(refs))
	}
	for i, q := range list {
		if err != nil {
			q.answer <- answer{err: err}
		} else {
			q.answer <- answer{device: devices[i]}
		}
	}
}
