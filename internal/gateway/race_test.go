package gateway

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

// bursts is how many times devices come at once.
const bursts = 300

func TestOfManyWithOneClientIDExactlyOneSurvives(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	second, _ := g.device(t, "all")
	for round := range bursts {
		id := name(round)
		const many = 8
		devices := make([]*mqtttest.Client, many)
		var coming sync.WaitGroup
		for i := range many {
			cert := c
			if i%2 == 1 {
				cert = second
			}
			v := mqtt.V311
			if i%4 < 2 {
				v = mqtt.V5
			}
			coming.Go(func() {
				d, err := g.connect(cert, hello(v, id))
				if err == nil && d.Connack.Code == mqtt.Success {
					devices[i] = d
				}
			})
		}
		coming.Wait()
		await(t, "one of them is left", func() bool {
			return len(g.index.at(place{home, fleet.RightClient, id})) == 1
		})
		living := 0
		for _, d := range devices {
			if d == nil {
				continue
			}
			if d.Ping() == nil {
				living++
			}
			_ = d.Conn.Close()
		}
		if living != 1 {
			t.Fatalf("round %d: got %d devices that live, want 1", round, living)
		}
		await(t, "all are gone", func() bool { return len(g.index.at(place{home, fleet.RightClient, id})) == 0 })
		if round == 0 {
			displaced := 0
			for _, e := range g.log.of(EventDisconnect, id) {
				if e.Disconnect == fleet.DisconnectDuplicateClient && e.DisplacedBy != "" {
					displaced++
				}
			}
			if began := len(g.log.of(EventConnect, id)); displaced != began-1 {
				t.Errorf("got %d that were displaced of %d, want all but one", displaced, began)
			}
		}
	}
}

// TestADeactivationFindsConnectionsInEveryPhase deactivates a certificate at a
// point in the readings of a connection that is being made: the first is that of
// the handshake, the second that of CONNECT. Nobody may be connected after it.
func TestADeactivationFindsConnectionsInEveryPhase(t *testing.T) {
	for _, reading := range []int{1, 2} {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprintf("reading %d, twice %t", reading, twice), func(t *testing.T) {
				g := start(t, nil)
				g.registry.policy(home, "all", allowAll)
				c, id := g.device(t, "all")
				n := 0
				g.registry.mu.Lock()
				g.registry.reading = func([]fleet.DeviceRef) {
					g.registry.mu.Lock()
					n++
					now := n == reading
					g.registry.mu.Unlock()
					if !now {
						return
					}
					// The state was looked at before: what is read is not true any more.
					g.followed(t, func() {
						g.registry.setStatus(home, id, fleet.Inactive)
						if twice {
							g.registry.setStatus(home, id, fleet.Inactive)
						}
					})
				}
				g.registry.mu.Unlock()
				d, err := g.connect(c, hello(mqtt.V5, "a"))
				if err == nil && d.Connack.Code == mqtt.Success {
					if _, err := d.Ended(); err != nil {
						t.Error(err)
					}
				}
				await(t, "nobody is connected", func() bool { return len(g.index.everyone()) == 0 })
				if d, err := g.connect(c, hello(mqtt.V5, "a")); err == nil {
					t.Errorf("it was let in again: %s", d.Connack.Code)
				}
			})
		}
	}
}

func TestDeactivationsAgainstReactivationsEndAsTheLastSays(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	c, id := g.device(t, "all")
	for round := range 40 {
		var busy sync.WaitGroup
		for i := range 4 {
			busy.Go(func() {
				if d, err := g.connect(c, hello(mqtt.V5, name(i))); err == nil {
					defer d.Conn.Close()
					_ = d.Ping()
				}
			})
		}
		last := fleet.Active
		for i := range 6 {
			last = fleet.Inactive
			if i%2 == round%2 {
				last = fleet.Active
			}
			busy.Go(func() { g.registry.setStatus(home, id, fleet.Inactive) })
			g.registry.setStatus(home, id, last)
		}
		busy.Wait()
		g.registry.setStatus(home, id, last)
		if last == fleet.Inactive {
			await(t, "nobody is connected", func() bool { return len(g.index.everyone()) == 0 })
			if _, err := g.connect(c, hello(mqtt.V5, "late")); err == nil {
				t.Fatal("a device with an inactive certificate was let in")
			}
		} else {
			d := g.must(t, c, hello(mqtt.V5, "late"))
			lives(t, d)
			_ = d.Disconnect()
		}
		await(t, "all are gone", func() bool { return len(g.index.everyone()) == 0 })
	}
}

func TestAChangeOfPolicyBetweenReadingAndBeingFoundIsFound(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "mine", allowAll)
	c, _ := g.device(t, "mine")
	n := 0
	g.registry.mu.Lock()
	g.registry.reading = func(refs []fleet.DeviceRef) {
		if n++; n != 2 {
			return
		}
		// The connection is not found by the policy yet, for it does not know it.
		g.followed(t, func() { g.registry.policy(home, "mine", `{"Version":"2012-10-17","Statement":[]}`) })
	}
	g.registry.mu.Unlock()
	d, err := g.connect(c, hello(mqtt.V5, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Connack.Code == mqtt.Success {
		ends(t, d, mqtt.NotAuthorized)
	} else if d.Connack.Code != mqtt.NotAuthorized {
		t.Errorf("got %s, want %s", d.Connack.Code, mqtt.NotAuthorized)
	}
	await(t, "nobody is connected", func() bool { return len(g.index.everyone()) == 0 })
}

func TestFiveThousandSessionsOfACertificateAreReadOnce(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	c, id := g.device(t, "all")
	const many = 200
	devices := make([]*mqtttest.Client, many)
	for i := range many {
		v := mqtt.V311
		if i%2 > 0 {
			v = mqtt.V5
		}
		devices[i] = g.must(t, c, hello(v, name(i)))
	}
	g.registry.mu.Lock()
	reads, compiled := g.registry.reads, g.registry.compiled
	g.registry.mu.Unlock()
	if compiled > 2 {
		t.Errorf("got %d readings of one document for %d sessions, want one, and one more after a collection", compiled, many)
	}
	g.registry.setStatus(home, id, fleet.Inactive)
	for _, d := range devices {
		ends(t, d, mqtt.AdministrativeAction)
	}
	await(t, "nobody is connected", func() bool { return g.Connections() == 0 })
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	if got := g.registry.reads - reads; got > 1 {
		t.Errorf("got %d readings to drop %d sessions of a certificate, want 1", got, many)
	}
}
