// Package deliver brings the messages of topics to their endpoints: http and
// https as SNS does, signed, e-mail by a relay, or all of them to another SNS.
//
// The database says what is to be done; workers of any number of nodes share it.
// A message that is pending gets its deliveries (fan-out); deliveries of a
// subscription are claimed a few at a time, tried, and settled. A claim that its
// node does not settle lapses, and others try again: an endpoint gets a message
// at least once, and the same identifiers with each try. The package knows no
// SQL, and keeps nothing.
//
// A receiver that is slow or dead costs itself only: one lane at a time is open
// to a host, and a lane that brings nothing rests.
package deliver

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
)

// Signer gives the key that messages are signed with.
type Signer interface {
	MessageSigner(ctx context.Context) (*identity.MessageSigner, error)
}

// Publisher publishes messages to another service.
type Publisher interface {
	// Publish hands a message over. An error made by [Final] is one after which it
	// is not tried again; its text has no secrets.
	Publish(ctx context.Context, topicARN string, m *notify.Message) error
}

// Observer counts what happens.
type Observer interface {
	// Delivery counts tries that ended in a state, by protocol: WAITING for one
	// that is to be tried again.
	Delivery(protocol string, state notify.DeliveryState)
	// Refused counts messages that got no deliveries.
	Refused(n int)
}

// Point is a moment in the life of a message, for tests.
type Point string

// The points at which the hook is called.
const (
	BeforeFanOut Point = "before fan-out"
	AfterFanOut  Point = "after fan-out"
	BeforeSend   Point = "before send"
	AfterSend    Point = "after send"   // the endpoint has it, and nothing is stored
	AfterSettle  Point = "after settle" // what became of it is stored
)

// Timing is how long things take. The zero value of a member means its default.
type Timing struct {
	// Poll is how often the database is asked for work.
	Poll time.Duration
	// Timeout is how long an endpoint may take for one message.
	Timeout time.Duration
	// Lease is how long a claim holds. It is longer than Timeout.
	Lease time.Duration
	// Retries says when a failed try is repeated.
	Retries Retries
	// Rest is how long a lane rests first that brought nothing.
	Rest time.Duration
}

// timing are the defaults. An endpoint of SNS has 15 seconds for its answer.
var timing = Timing{
	Poll: 250 * time.Millisecond, Timeout: 15 * time.Second, Lease: 25 * time.Second,
	Retries: Retries{First: time.Second, Most: 5 * time.Minute, Total: time.Hour}, Rest: time.Second,
}

// Config is what workers are made of. Members without a note must be given.
type Config struct {
	Queue  notify.Queue
	Judge  notify.Judge // nil: every role may publish
	Signer Signer
	Client *guard.Client
	Mail   *Relay    // nil: mail cannot be sent
	Other  Publisher // nil: endpoints are our own; else it gets every message
	// APIURL is where endpoints reach the API, to confirm and to unsubscribe;
	// SigningCertURL where they find the certificate with an id.
	APIURL         func() string
	SigningCertURL func(id string) string
	// Rate is how many messages a second each topic sends, 0 for no bound.
	Rate     int
	Observer Observer
	Now      func() time.Time
	Log      *slog.Logger
	Timing   Timing      // for tests
	Hook     func(Point) // for tests, or nil
}

// Workers are those of one node.
type Workers struct {
	Config
	senders map[notify.Protocol]sender
	lanes   *lanes
	woken   chan struct{} // there may be deliveries
}

// sender brings one delivery to its endpoint.
type sender interface {
	send(ctx context.Context, d *notify.Delivery) error
}

// New returns workers, which do nothing before Run.
func New(cfg Config) *Workers {
	cfg.Timing = cfg.Timing.orDefault()
	if cfg.Hook == nil {
		cfg.Hook = func(Point) {}
	}
	w := &Workers{Config: cfg, lanes: newLanes(cfg.Timing.Rest), woken: make(chan struct{}, 1)}
	c := confirmer{w.Queue, w.APIURL, w.Now}
	hook := &webhook{client: w.Client, signer: w.Signer, confirmer: c, certURL: w.SigningCertURL,
		answerTime: answerTime}
	w.senders = map[notify.Protocol]sender{
		notify.HTTP: hook, notify.HTTPS: hook, notify.Email: &mailer{relay: w.Mail, confirmer: c, now: w.Now},
	}
	return w
}

func (t Timing) orDefault() Timing {
	for _, m := range []struct{ to, from *time.Duration }{
		{&t.Poll, &timing.Poll}, {&t.Timeout, &timing.Timeout}, {&t.Lease, &timing.Lease}, {&t.Rest, &timing.Rest},
		{&t.Retries.First, &timing.Retries.First}, {&t.Retries.Most, &timing.Retries.Most},
		{&t.Retries.Total, &timing.Retries.Total},
	} {
		if *m.to == 0 {
			*m.to = *m.from
		}
	}
	return t
}

// Run works until ctx ends, and ends what is being sent.
func (w *Workers) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { w.fanOutLoop(ctx); return nil })
	g.Go(func() error { w.laneLoop(ctx); return nil })
	return g.Wait()
}

// wake has the lanes looked at now.
func (w *Workers) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// idle waits for the next look at the database, and reports whether there is to
// be one.
func (w *Workers) idle(ctx context.Context, woken <-chan struct{}) bool {
	timer := time.NewTimer(w.Timing.Poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-woken:
	case <-timer.C:
	}
	return ctx.Err() == nil
}
