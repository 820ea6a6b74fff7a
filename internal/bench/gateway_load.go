package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/bench/rival"
	"github.com/cordon-iot/cordon/internal/bench/swarm"
)

const (
	// parallel is how many devices connect at a time.
	parallel = 64
	// maxConnects is how many connect in a round.
	maxConnects = 2000
	// publishers send messages of size bytes.
	publishers = 50
	size       = 128
	// window and openRate are those of the two ways to send.
	window   = 32
	openRate = 10_000
)

// sample is one contender in one round. Fewer figures mean that there are none.
type sample struct {
	perSecond, delivered, cpu, share float64
	latencies                        latencies
}

// samples gathers those of all rounds.
type samples []sample

func (s samples) outcome() *Outcome {
	if len(s) == 0 {
		return nil
	}
	of := func(value func(sample) float64) Spread {
		list := make([]float64, len(s))
		for i := range s {
			list[i] = value(s[i])
		}
		return spreadOf(list)
	}
	var all latencies
	for i := range s {
		all = append(all, s[i].latencies...)
	}
	o := &Outcome{
		PerSecond: of(func(s sample) float64 { return s.perSecond }),
		Delivered: of(func(s sample) float64 { return s.delivered }),
		CPUMicros: of(func(s sample) float64 { return s.cpu }),
		Share:     of(func(s sample) float64 { return s.share }),
	}
	if len(all) > 0 {
		o.Latency = all.quantiles()
	}
	return o
}

// inTurns has contenders take turns, each with a function that measures several
// things at once, and returns what they are beside each other.
func (g *gatewayRig) inTurns(names []string, measure func(c *contender) ([]sample, error)) ([]Beside, error) {
	got := make([][]samples, len(g.contenders))
	for i := range got {
		got[i] = make([]samples, len(names))
	}
	for round := range g.spec.Rounds {
		for turn := range g.contenders {
			i := (round + turn) % len(g.contenders)
			list, err := measure(g.contenders[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.contenders[i].name, err)
			}
			for k := range names {
				got[i][k] = append(got[i][k], list[k])
			}
		}
	}
	out := make([]Beside, len(names))
	for k, name := range names {
		out[k] = Beside{Name: name, Cordon: got[0][k].outcome()}
		if len(got) > 1 {
			out[k].Peer = got[1][k].outcome()
		}
	}
	return out, nil
}

// spent runs something and returns the CPU time that a contender spent on each of
// n, in microseconds.
func (c *contender) spent(n int, do func() error) (float64, error) {
	before, err := rival.UsageOf(c.pid)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := rival.UsageOf(c.pid)
	return float64((after.CPU - before.CPU).Microseconds()) / float64(n), err
}

// connects measures connecting, first with a full handshake and then with the TLS
// session of the last time.
func (g *gatewayRig) connects(ctx context.Context) (err error) {
	n := min(maxConnects, len(g.ids))
	g.seen.Connects, err = g.inTurns([]string{"full handshake", "TLS session kept"}, func(c *contender) ([]sample, error) {
		list := identities(g.ids[:n])
		for i := range list {
			list[i].Sessions = tls.NewLRUClientSessionCache(1)
		}
		var out []sample
		for range 2 {
			s, err := c.connectOnce(ctx, list)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	})
	return err
}

func (c *contender) connectOnce(ctx context.Context, list []swarm.Identity) (s sample, err error) {
	var devices []*swarm.Device
	var took time.Duration
	s.cpu, err = c.spent(len(list), func() (err error) {
		devices, took, err = swarm.ConnectAll(ctx, c.target, list, parallel)
		return err
	})
	if err != nil {
		return s, err
	}
	defer swarm.CloseAll(devices)
	resumed := 0
	for _, d := range devices {
		s.latencies = append(s.latencies, d.Took)
		if d.Resumed {
			resumed++
		}
	}
	s.perSecond, s.share = float64(len(list))/took.Seconds(), float64(resumed)/float64(len(list))
	return s, nil
}

// messages measures messages from many devices to one that subscribes to all.
func (g *gatewayRig) messages(ctx context.Context) error {
	for _, t := range []struct {
		name    string
		traffic swarm.Traffic
	}{
		{"QoS 0, 32 on their way", swarm.Traffic{Window: window}},
		{"QoS 1, 32 on their way", swarm.Traffic{Window: window, QoS: 1}},
		{"QoS 0, 10,000/s", swarm.Traffic{Rate: openRate}},
		{"QoS 1, 10,000/s", swarm.Traffic{Rate: openRate, QoS: 1}},
	} {
		t.traffic.Messages, t.traffic.Size = g.spec.Messages, size
		seen, err := g.inTurns([]string{t.name}, func(c *contender) ([]sample, error) {
			s, err := g.flow(ctx, c, t.traffic)
			return []sample{s}, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		g.seen.Messages = append(g.seen.Messages, seen...)
	}
	return nil
}

// flow sends messages through a contender once.
func (g *gatewayRig) flow(ctx context.Context, c *contender, t swarm.Traffic) (s sample, err error) {
	n := min(publishers, len(g.ids)-1)
	t.Around = func(measured func() error) (err error) {
		s.cpu, err = c.spent(t.Messages, measured)
		return err
	}
	f, err := swarm.Run(ctx, c.target, g.ids[n].Identity, identities(g.ids[:n]), t)
	if err != nil {
		return s, err
	}
	if f.Delivered == 0 {
		return s, fmt.Errorf("wrong result: none of %d messages was delivered", f.Sent)
	}
	s.perSecond = float64(f.Sent) / f.Took.Seconds()
	if t.QoS > 0 {
		s.perSecond = float64(f.Acked) / f.Took.Seconds()
	}
	s.delivered, s.share = float64(f.Delivered)/f.Took.Seconds(), float64(f.Delivered)/float64(t.Messages)
	s.latencies = f.Latencies
	return s, nil
}

// memory measures what idle connections hold, without a subscription and with
// one.
func (g *gatewayRig) memory(ctx context.Context) error {
	for i, c := range g.contenders {
		held, err := c.hold(ctx, identities(g.ids))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if i == 0 {
			g.seen.Memory.Cordon = held
		} else {
			g.seen.Memory.Peer = &held
		}
	}
	return nil
}

func (c *contender) resident() (int64, error) {
	if err := c.collect(); err != nil {
		return 0, err
	}
	u, err := rival.UsageOf(c.pid)
	return u.Resident, err
}

func (c *contender) hold(ctx context.Context, list []swarm.Identity) (h Held, err error) {
	before, err := c.resident()
	if err != nil {
		return h, err
	}
	devices, _, err := swarm.ConnectAll(ctx, c.target, list, parallel)
	if err != nil {
		return h, err
	}
	defer swarm.CloseAll(devices)
	idle, err := c.resident()
	if err != nil {
		return h, err
	}
	if err := subscribeAll(devices); err != nil {
		return h, err
	}
	subscribed, err := c.resident()
	n := int64(len(list))
	return Held{Idle: (idle - before) / n, Subscribed: (subscribed - before) / n}, err
}

// ownTopic is what a device subscribes to and publishes on.
func ownTopic(d *swarm.Device) string { return "own/" + d.ClientID }

// subscribeAll has each device subscribe to its own topic.
func subscribeAll(devices []*swarm.Device) error {
	for _, d := range devices {
		if err := d.Subscribe(ownTopic(d), 1); err != nil {
			return err
		}
	}
	return nil
}
