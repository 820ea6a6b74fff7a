package swarm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// stall is how long nothing may arrive until the rest counts as lost.
const stall = 3 * time.Second

// Traffic is messages from many devices to one.
type Traffic struct {
	// Messages is how many are sent, by all publishers together, and Size the
	// length of their payloads, 16 bytes at least.
	Messages, Size int
	QoS            byte
	// Window is how many messages of a publisher may be on their way: sent, and not
	// delivered or, with QoS 1, not acknowledged. Rate, where it is not 0, is how
	// many messages a second all send together instead, whatever becomes of them.
	Window, Rate int
	// Around is called when all are connected and has to call measured, which sends
	// and returns when the last message has come.
	Around func(measured func() error) error
}

// Flow is what became of messages.
type Flow struct {
	Sent, Acked, Delivered int
	// Took is the time from the first message to the last delivery.
	Took time.Duration
	// Latencies are from when a message was to be sent to its delivery.
	Latencies []time.Duration
}

// Topic is where the publisher of a number publishes, below [Root].
func Topic(i int) string { return Root + strconv.Itoa(i) }

// Root begins the topics of all traffic.
const Root = "bench/"

// flow is traffic on its way.
type flow struct {
	Traffic
	made       time.Time     // times are since then
	began      time.Duration // the first message
	publishers []*Device
	unacked    []chan struct{} // of each publisher, what is on its way
	unseen     []chan struct{}

	acked, delivered atomic.Int64
	last             atomic.Int64 // when something arrived
	latencies        []time.Duration
}

// Run connects a subscriber to all topics and the publishers, sends messages and
// waits until all are delivered, or nothing has come for three seconds.
func Run(ctx context.Context, to Target, subscriber Identity, publishers []Identity, t Traffic) (Flow, error) {
	f := &flow{Traffic: t, made: time.Now(), latencies: make([]time.Duration, 0, t.Messages)}
	subscriber.Message = f.message
	s, err := Connect(ctx, to, subscriber)
	if err != nil {
		return Flow{}, err
	}
	defer s.Close()
	if err := s.Subscribe(Root+"#", t.QoS); err != nil {
		return Flow{}, err
	}
	list := make([]Identity, len(publishers))
	for i, p := range publishers {
		f.unacked = append(f.unacked, make(chan struct{}, max(t.Window, 1)))
		f.unseen = append(f.unseen, make(chan struct{}, max(t.Window, 1)))
		p.Acked = func() {
			f.acked.Add(1)
			f.arrived()
			release(f.unacked[i])
		}
		list[i] = p
	}
	if f.publishers, _, err = ConnectAll(ctx, to, list, len(list)); err != nil {
		return Flow{}, err
	}
	defer CloseAll(f.publishers)
	sent := 0
	err = t.Around(func() (err error) {
		sent, err = f.run(ctx)
		return err
	})
	// Nothing writes latencies once the subscriber has ended.
	s.Close()
	out := Flow{Sent: sent, Acked: int(f.acked.Load()), Delivered: int(f.delivered.Load()), Latencies: f.latencies}
	out.Took = time.Duration(f.last.Load()) - f.began
	return out, err
}

func release(c chan struct{}) {
	select {
	case <-c:
	default: // a rate has no window
	}
}

func (f *flow) now() time.Duration { return time.Since(f.made) }

func (f *flow) arrived() { f.last.Store(int64(f.now())) }

// message is called by the goroutine of the subscriber alone.
func (f *flow) message(payload []byte) {
	if len(payload) < 16 {
		return // no message of this flow
	}
	due := time.Duration(binary.BigEndian.Uint64(payload))
	f.latencies = append(f.latencies, f.now()-due)
	f.delivered.Add(1)
	f.arrived()
	release(f.unseen[binary.BigEndian.Uint64(payload[8:])])
}

// run sends, waits for what is on its way, and returns how many were sent.
func (f *flow) run(ctx context.Context) (int, error) {
	f.began = f.now()
	f.last.Store(int64(f.began))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.watch(ctx, all)
		cancel()
	}()
	var sent atomic.Int64
	errs := make([]error, len(f.publishers))
	var work sync.WaitGroup
	for i := range f.publishers {
		work.Go(func() {
			n, err := f.publish(ctx, i)
			sent.Add(int64(n))
			errs[i] = err
		})
	}
	work.Wait()
	close(all)
	<-watched
	return int(sent.Load()), errors.Join(errs...)
}

// watch returns when all was sent and has arrived, or nothing arrives any more.
func (f *flow) watch(ctx context.Context, all <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	sending := true
	for {
		select {
		case <-all:
			sending, all = false, nil
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		want := int64(f.Messages)
		if !sending && f.delivered.Load() >= want && (f.QoS == 0 || f.acked.Load() >= want) {
			return
		}
		if f.now()-time.Duration(f.last.Load()) > stall {
			return
		}
	}
}

// share is how many messages a publisher sends.
func (f *flow) share(i int) int {
	n := f.Messages / len(f.publishers)
	if i < f.Messages%len(f.publishers) {
		n++
	}
	return n
}

// publish sends the messages of a publisher and returns how many it did.
func (f *flow) publish(ctx context.Context, i int) (int, error) {
	m := &mqtt.Publish{Topic: Topic(i), QoS: f.QoS, Payload: make([]byte, f.Size)}
	binary.BigEndian.PutUint64(m.Payload[8:], uint64(i))
	for n := range f.share(i) {
		due, ok := f.await(ctx, i, n)
		if !ok {
			return n, nil
		}
		if f.QoS > 0 {
			m.ID = uint16(n%65535) + 1
		}
		binary.BigEndian.PutUint64(m.Payload, uint64(due))
		if err := f.publishers[i].Publish(m); err != nil {
			return n, fmt.Errorf("publisher %d: %w", i, err)
		}
	}
	return f.share(i), nil
}

// await waits until the n-th message of a publisher may be sent and returns when
// it was to be.
func (f *flow) await(ctx context.Context, i, n int) (time.Duration, bool) {
	if f.Rate == 0 {
		for _, window := range []chan struct{}{f.unacked[i], f.unseen[i]} {
			if f.QoS == 0 && window == f.unacked[i] {
				continue
			}
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
				return 0, false
			}
		}
		return f.now(), true
	}
	// Publishers take turns.
	due := f.began + time.Duration(n*len(f.publishers)+i)*time.Second/time.Duration(f.Rate)
	if wait := due - f.now(); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, false
		}
	}
	return due, true
}
