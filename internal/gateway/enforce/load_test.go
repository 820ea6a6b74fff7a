package enforce

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// publishers send count messages each with QoS 1, with window of them not yet
// acknowledged, to topic; the payloads are their number and that of the message.
// It returns when all are acknowledged.
func (s *site) publishers(number, count, window int, topic string) {
	s.t.Helper()
	var all sync.WaitGroup
	for n := range number {
		d, _ := s.connect(scopeA, fresh(mqtt.V311, fmt.Sprint("publisher ", n)))
		all.Go(func() {
			sent, acknowledged := 0, 0
			for acknowledged < count {
				var batch []byte
				for ; sent < count && sent-acknowledged < window; sent++ {
					var payload [8]byte
					binary.BigEndian.PutUint32(payload[:], uint32(n))
					binary.BigEndian.PutUint32(payload[4:], uint32(sent))
					p := &mqtt.Publish{Topic: topic, QoS: 1, ID: uint16(sent%60000 + 1), Payload: payload[:]}
					batch, _ = p.AppendTo(batch, mqtt.V311)
				}
				if len(batch) > 0 {
					if _, err := d.conn.Write(batch); err != nil {
						s.t.Errorf("publisher %d: %v", n, err)
						return
					}
				}
				if _, ok := d.next().(*mqtt.Ack); !ok {
					s.t.Errorf("publisher %d lost its connection: %+v", n, d.enforced.Ended())
					return
				}
				acknowledged++
			}
		})
	}
	all.Wait()
}

// tally counts messages of publishers.
type tally struct {
	seen map[uint64]int
	last map[uint32]int64
	// disorder is how many came, for the first time, behind a later one.
	disorder int
}

func newTally() *tally { return &tally{seen: map[uint64]int{}, last: map[uint32]int64{}} }

func (c *tally) add(p *mqtt.Publish) {
	key := binary.BigEndian.Uint64(p.Payload)
	c.seen[key]++
	n, i := uint32(key>>32), int64(uint32(key))
	if last, ok := c.last[n]; ok && c.seen[key] == 1 && i < last {
		c.disorder++
	}
	c.last[n] = max(c.last[n], i)
}

// scaled is a number for tests that the race detector slows down much.
func scaled(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

func TestNoAcknowledgedMessageIsLostBelowTheLimit(t *testing.T) {
	s := embedded(t)
	d, _ := s.connect(scopeA, fresh(mqtt.V311, "subscriber"))
	d.subscribe("load/#")
	const number = 40
	count := scaled(200)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.publishers(number, count, 50, "load/x")
	}()
	got := newTally()
	for i := range number * count {
		got.add(d.received())
		if i%100 == 0 {
			time.Sleep(2 * time.Millisecond) // Slower than the publishers: the queue is what is tested.
		}
	}
	<-done
	if len(got.seen) != number*count || got.disorder > 0 {
		t.Errorf("%d of %d messages came, %d out of order", len(got.seen), number*count, got.disorder)
	}
}

func TestNoAcknowledgedMessageIsLostWhileASessionComesAndGoes(t *testing.T) {
	s := embedded(t)
	number, count := 10, scaled(200)
	d, _ := s.connect(scopeA, staying(mqtt.V311, "subscriber"))
	d.subscribe("load/#")
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.publishers(number, count, 20, "load/x")
	}()
	got, reconnects := newTally(), 0
	for len(got.seen) < number*count {
		for range rand.IntN(150) {
			if len(got.seen) == number*count {
				break
			}
			p := d.received()
			got.add(p)
		}
		reconnects++
		if reconnects%2 == 0 {
			d.send(&mqtt.Disconnect{})
		} else {
			_ = d.conn.Close()
		}
		d.gone()
		d, _ = s.connect(scopeA, staying(mqtt.V311, "subscriber"), func(o *Options) { o.Stored = []string{"load/#"} })
	}
	<-done
	if got.disorder > 0 {
		t.Errorf("%d messages came out of order, in %d connections", got.disorder, reconnects)
	}
	t.Logf("%d connections", reconnects)
}

func TestManyRetainedMessagesAllCome(t *testing.T) {
	s := embedded(t)
	count := scaled(3000)
	p, _ := s.connect(scopeA, fresh(mqtt.V311, "p"))
	for i := range count {
		p.send(&mqtt.Publish{Topic: fmt.Sprint("kept/", i), Retain: true, Payload: []byte("x")})
	}
	p.silent()
	d, _ := s.connect(scopeA, fresh(mqtt.V311, "d"))
	d.subscribe("kept/+")
	seen := map[string]bool{}
	for range count {
		m := d.received()
		seen[m.Topic] = true
	}
	if len(seen) != count {
		t.Errorf("%d of %d came", len(seen), count)
	}
	d.silent()
}

func TestADeviceThatIsTooSlowLosesItsConnectionAndNothingElse(t *testing.T) {
	s := embedded(t)
	slow, _ := s.connect(scopeA, staying(mqtt.V5, "slow"), func(o *Options) { o.Limits.QueueMessages = 300 })
	fast, _ := s.connect(scopeA, fresh(mqtt.V5, "fast"))
	slow.subscribe("load/#")
	fast.subscribe("load/#")
	s.publishers(2, 300, 10, "load/x") // 600 messages, none of which the slow one acknowledges.
	got := newTally()
	for range 600 {
		got.add(fast.received())
	}
	if len(got.seen) != 600 {
		t.Errorf("the fast one got %d", len(got.seen))
	}
	for {
		p := slow.next()
		if m, ok := p.(*mqtt.Publish); ok && m.QoS == 1 {
			continue
		}
		if d, ok := p.(*mqtt.Disconnect); !ok || d.Code != mqtt.QuotaExceeded {
			t.Fatalf("got %+v, want DISCONNECT for the queue", p)
		}
		break
	}
	slow.gone()
	if e := slow.enforced.Ended(); e.Cause != QueueFull {
		t.Errorf("got %+v", e)
	}
	back, ack := s.connect(scopeA, staying(mqtt.V5, "slow"), func(o *Options) { o.Stored = []string{"load/#"} })
	if !ack.SessionPresent {
		t.Fatal("its session is gone")
	}
	all := newTally()
	for range 600 {
		all.add(back.received())
	}
	if len(all.seen) != 600 || all.disorder > 0 {
		t.Errorf("its session has %d of 600 messages, %d out of order", len(all.seen), all.disorder)
	}
}

func TestWhoMisbehavesCostsItself(t *testing.T) {
	onEveryBroker(t, func(t *testing.T, s *site) {
		good, _ := s.connect(scopeA, fresh(mqtt.V5, "good"))
		good.subscribe("good/#")
		attacks := []func(*live){
			func(d *live) { d.sendRaw([]byte{0x82, 5, 0x30, 0x30, 0, 0, 0}) },
			func(d *live) { d.sendRaw([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}) },
			func(d *live) { d.sendRaw([]byte{0x30, 0x7f, 0}) }, // and nothing more
			func(d *live) {
				garbage := make([]byte, 4096)
				for i := range garbage {
					garbage[i] = byte(rand.IntN(256))
				}
				_, _ = d.conn.Write(garbage)
			},
			func(d *live) { // It never reads.
				flood := encoded(t, mqtt.V5, &mqtt.Ping{Kind: mqtt.TypePingreq}, &mqtt.Publish{Topic: "flood", QoS: 1, ID: 1})
				for range 5_000 {
					_ = d.conn.SetWriteDeadline(time.Now().Add(time.Second))
					if _, err := d.conn.Write(flood); err != nil {
						return
					}
				}
			},
			func(d *live) { _ = d.conn.Close() },
		}
		var all sync.WaitGroup
		var bad []*live
		for round := range 3 {
			for i, attack := range attacks {
				d, _ := s.connect(scopeA, fresh(mqtt.V5, fmt.Sprint("bad ", round, i)))
				bad = append(bad, d)
				all.Go(func() { attack(d) })
			}
		}
		for i := range 200 {
			good.published("good/x", fmt.Sprint(i))
			if got := good.received(); string(got.Payload) != fmt.Sprint(i) {
				t.Fatalf("got %q", got.Payload)
			}
		}
		all.Wait()
		for _, d := range bad {
			d.enforced.Kill(0)
			d.gone()
		}
		good.leave()
	})
}

func TestACrowdThatConnectsAtOnceIsServed(t *testing.T) {
	s := embedded(t)
	var all sync.WaitGroup
	for n := range scaled(300) {
		d := s.dial(scopeA, staying(mqtt.V5, fmt.Sprint("d", n)))
		all.Go(func() {
			if p, ok := d.next().(*mqtt.Connack); !ok || p.Code != 0 {
				t.Errorf("got %+v", p)
				return
			}
			_, _ = io.WriteString(d.conn, "\x82\x07\x00\x01\x00\x00\x01a\x01")
			for {
				p := d.next()
				if _, ok := p.(*mqtt.Suback); ok {
					break
				}
				if _, ok := p.(*mqtt.Publish); !ok {
					t.Errorf("got %+v", p)
					return
				}
			}
			raw, _ := publish("a", 0).AppendTo(nil, mqtt.V5)
			_, _ = d.conn.Write(raw)
			d.enforced.Kill(mqtt.AdministrativeAction)
			<-d.served
		})
	}
	all.Wait()
}

func TestADeviceThatDoesNotReadLosesItsConnectionAndNobodyWaits(t *testing.T) {
	onEveryBroker(t, func(t *testing.T, s *site) {
		stuck, _ := s.connect(scopeA, fresh(mqtt.V5, "stuck"), func(o *Options) { o.Limits.QueueBytes = 256 << 10 })
		fine, _ := s.connect(scopeA, fresh(mqtt.V5, "fine"))
		stuck.subscribe("flood")
		fine.subscribe("flood")
		payload := make([]byte, 100<<10)
		for sent := 0; stuck.enforced.Ended().Cause == None; sent++ { // More than sockets take, at some time.
			if sent > 2000 {
				t.Fatal("it is still connected")
			}
			// With QoS 0: of QoS 1, Mosquitto holds back what is not acknowledged.
			fine.send(&mqtt.Publish{Topic: "flood", Payload: payload})
			fine.received()
		}
		if e := stuck.enforced.Ended(); e.Cause != QueueFull || e.Code != mqtt.QuotaExceeded {
			t.Errorf("got %+v", e)
		}
		stuck.gone()
		fine.silent()
	})
}
