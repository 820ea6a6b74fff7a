package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// memory is a queue in memory.
type memory struct {
	notify.Queue
	mu            sync.Mutex
	topics        map[string]*notify.Topic
	subscriptions []notify.Subscription
	pending       []notify.Message
	refused       map[string]string // reasons, by id
	deliveries    []*notify.Delivery
	fail          error // of settling
}

func (m *memory) PendingMessages(_ context.Context, after int64, limit int) (list []notify.Message, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pending {
		if p.Seq > after && len(list) < limit {
			list = append(list, p)
		}
	}
	return list, nil
}

func (m *memory) TopicByARN(_ context.Context, arn notify.TopicARN) (*notify.Topic, error) {
	if t := m.topics[arn.String()]; t != nil {
		return t, nil
	}
	return nil, fault.New(fault.NotFound, "none")
}

func (m *memory) ConfirmedSubscriptions(_ context.Context, topic, after int64, _ int) (
	list []notify.Subscription, err error,
) {
	for _, s := range m.subscriptions {
		if s.TopicSeq == topic && s.Seq > after {
			list = append(list, s)
		}
	}
	return list, nil
}

func (m *memory) FanOut(_ context.Context, list []notify.FanOut) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range list {
		m.pending = slices.DeleteFunc(m.pending, func(p notify.Message) bool { return p.Seq == f.Message.Seq })
		if f.Refused != "" {
			m.refused[f.Message.ID] = f.Refused
		}
		for _, s := range f.Subscriptions {
			d := &notify.Delivery{
				Seq: int64(len(m.deliveries) + 1), Kind: notify.DeliverMessage, State: notify.Waiting, Message: &f.Message,
				Next: time.Now(),
			}
			for i := range m.subscriptions {
				if m.subscriptions[i].Seq == s {
					d.Receiver = &m.subscriptions[i]
				}
			}
			m.deliveries = append(m.deliveries, d)
		}
	}
	return len(list), nil
}

// lane is the subscription of a delivery.
func lane(d *notify.Delivery) int64 {
	if d.Receiver == nil {
		return notify.Forwarded
	}
	return d.Receiver.Seq
}

func due(d *notify.Delivery, now time.Time) bool {
	return d.State == notify.Waiting && !d.Next.After(now)
}

func (m *memory) DueSubscriptions(_ context.Context, now time.Time, after int64, limit int) (list []int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if due(d, now) && lane(d) > after {
			list = append(list, lane(d))
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(limit, len(list))], nil
}

func (m *memory) ClaimDeliveries(_ context.Context, c notify.Claim) (list []notify.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if due(d, c.Now) && lane(d) == c.Subscription && len(list) < c.Limit {
			d.Attempt++
			d.Next = c.Until
			if d.First.IsZero() {
				d.First = c.Now
			}
			list = append(list, *d)
		}
	}
	return list, nil
}

func (m *memory) SettleDeliveries(_ context.Context, list []notify.Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range list {
		d := m.deliveries[o.Delivery.Seq-1]
		if m.fail == nil && d.Attempt == o.Delivery.Attempt {
			d.State, d.Error = o.State, o.Error
			if o.State == notify.Waiting {
				d.Next = o.Next
			}
		}
	}
	return m.fail
}

// add makes a topic with subscriptions of some endpoints, and n messages for it.
func (m *memory) add(name string, n int, endpoints ...string) {
	arn := notify.TopicARN{Scope: fleet.Scope{Account: "111111111111", Region: "eu-west-1"}, Name: name}
	topic := &notify.Topic{Seq: int64(len(m.topics) + 1), ARN: arn}
	m.topics[arn.String()] = topic
	for _, e := range endpoints {
		m.subscriptions = append(m.subscriptions, notify.Subscription{
			Seq: int64(len(m.subscriptions) + 1), TopicSeq: topic.Seq, Protocol: notify.HTTP, Endpoint: e,
			ARN: notify.SubscriptionARN{Topic: arn, ID: e},
		})
	}
	for i := range n {
		m.pending = append(m.pending, notify.Message{
			Seq: int64(len(m.pending) + 1), ID: fmt.Sprintf("%s-%d", name, i), TopicARN: arn.String(), Body: "{}",
		})
	}
}

// states counts deliveries by their state.
func (m *memory) states() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := map[notify.DeliveryState]int{}
	for _, d := range m.deliveries {
		count[d.State]++
	}
	return fmt.Sprintf("%d delivered, %d waiting, %d dead", count[notify.Delivered], count[notify.Waiting],
		count[notify.Dead])
}

// script is a sender that does what the test says.
type script func(ctx context.Context, d *notify.Delivery) error

func (s script) send(ctx context.Context, d *notify.Delivery) error { return s(ctx, d) }

// Publish makes a script another service.
func (s script) Publish(ctx context.Context, arn string, m *notify.Message) error {
	return s(ctx, &notify.Delivery{Message: m})
}

type nobody struct{}

func (nobody) Delivery(string, notify.DeliveryState) {}
func (nobody) Refused(int)                           {}

// work runs workers over a queue in a bubble until the test is done with them.
func work(t *testing.T, m *memory, s script, change func(*Config), test func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Queue: m, Observer: nobody{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		if change != nil {
			change(&cfg)
		}
		w := New(cfg)
		w.senders[notify.HTTP] = s
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		test()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func newMemory() *memory {
	return &memory{topics: map[string]*notify.Topic{}, refused: map[string]string{}}
}

func wantStates(t *testing.T, m *memory, want string) {
	t.Helper()
	synctest.Wait()
	if got := m.states(); got != want {
		t.Errorf("after %s: got %s, want %s", time.Since(start), got, want)
	}
}

// start is when every bubble begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestEveryMessageGoesToEverybody(t *testing.T) {
	m := newMemory()
	m.add("a", 250, "http://one.example/", "http://two.example/")
	m.add("b", 1, "http://three.example/")
	m.pending = append(m.pending, notify.Message{ID: "lost", TopicARN: "arn:aws:sns:eu-west-1:111111111111:none"})
	for i := range m.pending {
		m.pending[i].Seq = int64(i + 1)
	}
	work(t, m, func(context.Context, *notify.Delivery) error { return nil }, nil, func() {
		time.Sleep(time.Second)
		wantStates(t, m, "501 delivered, 0 waiting, 0 dead")
		if got := m.refused["lost"]; got != "there is no such topic" {
			t.Errorf("got %q for a message without a topic", got)
		}
	})
}

func TestASlowReceiverCostsOnlyItself(t *testing.T) {
	m := newMemory()
	var slow []string
	for i := range 2 * maxLanes { // many endpoints of one host
		slow = append(slow, fmt.Sprintf("http://slow.example/%d", i))
	}
	m.add("slow", 5, slow...)
	m.add("fast", 100, "http://fast.example/")
	most, now := 0, 0
	var mu sync.Mutex
	work(t, m, func(ctx context.Context, d *notify.Delivery) error {
		if d.Receiver.ARN.Topic.Name == "fast" {
			return nil
		}
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		now--
		mu.Unlock()
		return ctx.Err()
	}, nil, func() {
		time.Sleep(5 * time.Second)
		wantStates(t, m, fmt.Sprintf("100 delivered, %d waiting, 0 dead", 5*2*maxLanes))
		if most != perLane {
			t.Errorf("got %d calls to one host at a time, want %d", most, perLane)
		}
	})
}

func TestThoseOfOneHostHaveTheirTurns(t *testing.T) {
	m := newMemory()
	m.add("a", 1000, "http://busy.example/1", "http://busy.example/2", "http://busy.example/3")
	got := map[string]int{}
	var mu sync.Mutex
	work(t, m, func(_ context.Context, d *notify.Delivery) error {
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		got[d.Receiver.Endpoint]++
		return nil
	}, nil, func() {
		served := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(got)
		}
		for served() < 3 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 3 || slices.Max(slices.Collect(maps.Values(got))) == 1000 {
			t.Errorf("got %v after %s, want all to have had their turn before one is done", got, time.Since(start))
		}
	})
}

func TestADeadReceiverGetsAnHour(t *testing.T) {
	m := newMemory()
	m.add("a", 3, "http://dead.example/")
	tries := map[string]int{}
	var mu sync.Mutex
	work(t, m, func(_ context.Context, d *notify.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		tries[d.Message.ID]++
		return errors.New("refused")
	}, nil, func() {
		time.Sleep(59 * time.Minute)
		wantStates(t, m, "0 delivered, 3 waiting, 0 dead")
		time.Sleep(4 * time.Minute)
		wantStates(t, m, "0 delivered, 0 waiting, 3 dead")
		for id, n := range tries {
			if n < 15 || n > 40 {
				t.Errorf("%s: got %d tries in an hour, want some 25", id, n)
			}
		}
	})
}

func TestAReceiverThatComesBackGetsEverything(t *testing.T) {
	m := newMemory()
	m.add("a", 50, "http://back.example/")
	work(t, m, func(context.Context, *notify.Delivery) error {
		if time.Since(start) < 10*time.Minute {
			return errors.New("refused")
		}
		return nil
	}, nil, func() {
		time.Sleep(25 * time.Minute)
		wantStates(t, m, "50 delivered, 0 waiting, 0 dead")
	})
}

func TestWhatIsFinalIsNotTriedAgain(t *testing.T) {
	m := newMemory()
	m.add("a", 10, "http://gone.example/")
	work(t, m, func(context.Context, *notify.Delivery) error { return Final(errors.New("status 404\n")) }, nil, func() {
		time.Sleep(time.Second)
		wantStates(t, m, "0 delivered, 0 waiting, 10 dead")
		if d := m.deliveries[0]; d.Attempt != 1 || d.Error != "status 404" {
			t.Errorf("got %d tries and the error %q", d.Attempt, d.Error)
		}
	})
}

func TestAClaimThatIsNotSettledLapses(t *testing.T) {
	m := newMemory()
	m.add("a", 1, "http://one.example/")
	m.fail = errors.New("the database is gone")
	sent := 0
	work(t, m, func(context.Context, *notify.Delivery) error { sent++; return nil }, nil, func() {
		time.Sleep(timing.Lease - time.Second)
		wantStates(t, m, "0 delivered, 1 waiting, 0 dead")
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		time.Sleep(2 * time.Second)
		wantStates(t, m, "1 delivered, 0 waiting, 0 dead")
		if sent != 2 {
			t.Errorf("got it sent %d times, want twice", sent)
		}
	})
}

func TestAPanicIsTheErrorOfOneDelivery(t *testing.T) {
	m := newMemory()
	m.add("a", 2, "http://one.example/")
	work(t, m, func(_ context.Context, d *notify.Delivery) error {
		if d.Message.ID == "a-0" && d.Attempt == 1 {
			panic("told to")
		}
		return nil
	}, nil, func() {
		time.Sleep(10 * time.Second)
		wantStates(t, m, "2 delivered, 0 waiting, 0 dead")
	})
}

func TestAnEndLeavesWhatWasNotSent(t *testing.T) {
	m := newMemory()
	m.add("a", 4, "http://one.example/")
	work(t, m, func(ctx context.Context, _ *notify.Delivery) error { <-ctx.Done(); return ctx.Err() }, nil, func() {
		time.Sleep(time.Second)
	})
	for _, d := range m.deliveries {
		if d.State != notify.Waiting || d.Error != "" || d.Next.Sub(start) > 10*time.Second {
			t.Errorf("got %s, %q, next after %s; want it left for whoever comes next", d.State, d.Error, d.Next.Sub(start))
		}
	}
}

// judge refuses one role, and cannot say of another.
type judge struct{}

func (judge) MayPublish(_ context.Context, m *notify.Message) (string, error) {
	switch m.RoleARN {
	case "bad":
		return "the role may not", nil
	case "unknown":
		return "", errors.New("no answer")
	}
	return "", nil
}

func TestARoleThatMayNotPublishDoesNot(t *testing.T) {
	m := newMemory()
	m.add("a", 4, "http://one.example/")
	m.pending[0].RoleARN, m.pending[1].RoleARN, m.pending[2].RoleARN = "bad", "unknown", "good"
	work(t, m, func(context.Context, *notify.Delivery) error { return nil },
		func(cfg *Config) { cfg.Judge = judge{} }, func() {
			time.Sleep(time.Second)
			wantStates(t, m, "2 delivered, 0 waiting, 0 dead")
			if len(m.pending) != 1 || m.refused["a-0"] != "the role may not" {
				t.Errorf("got %d pending and refused %v, want one that waits for an answer", len(m.pending), m.refused)
			}
		})
}

func TestAnotherServiceGetsEverything(t *testing.T) {
	m := newMemory()
	m.add("a", 10, "http://one.example/")
	m.pending = append(m.pending, notify.Message{Seq: 11, ID: "b", TopicARN: "arn:aws:sns:eu-west-1:111111111111:other"})
	var got []string
	var mu sync.Mutex
	other := script(func(_ context.Context, d *notify.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, d.Message.TopicARN)
		return nil
	})
	own := script(func(context.Context, *notify.Delivery) error {
		t.Error("got an endpoint of our own called")
		return nil
	})
	work(t, m, own, func(cfg *Config) { cfg.Other = other }, func() {
		time.Sleep(time.Second)
		wantStates(t, m, "11 delivered, 0 waiting, 0 dead")
		if !slices.Contains(got, "arn:aws:sns:eu-west-1:111111111111:other") {
			t.Errorf("got %v, want a topic that is not ours too", got)
		}
	})
}
