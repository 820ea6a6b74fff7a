package gateway

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// expireEvery is how often sessions are looked for whose certificate has ended.
const expireEvery = time.Second

// expiry knows which certificates end next.
type expiry struct {
	mu   sync.Mutex
	heap byEnd
}

func (x *expiry) add(s *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	heap.Push(&x.heap, s)
}

func (x *expiry) remove(s *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := s.heap; i >= 0 && i < len(x.heap) && x.heap[i] == s {
		heap.Remove(&x.heap, i)
	}
}

// due takes out the sessions whose certificate has ended.
func (x *expiry) due(now time.Time) (list []*session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.heap) > 0 && !now.Before(x.heap[0].notAfter) {
		s, _ := heap.Pop(&x.heap).(*session)
		list = append(list, s)
	}
	return list
}

// expire ends sessions when their certificate does, until ctx ends.
func (g *Gateway) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, s := range g.expiry.due(g.Now()) {
			s.end(endInvalid)
		}
	}
}

// byEnd is a heap of sessions by the end of their certificates.
type byEnd []*session

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].notAfter.Before(h[j].notAfter) }

func (h byEnd) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

// Push implements [heap.Interface].
func (h *byEnd) Push(x any) {
	s, _ := x.(*session)
	s.heap = len(*h)
	*h = append(*h, s)
}

// Pop implements [heap.Interface].
func (h *byEnd) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.heap = -1
	return s
}
