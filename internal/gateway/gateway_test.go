package gateway

import (
	"errors"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// versions are those of MQTT.
var versions = map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5}

func TestDevicesTalk(t *testing.T) {
	for name, v := range versions {
		t.Run(name, func(t *testing.T) {
			g := start(t, nil)
			g.registry.policy(home, "all", allowAll)
			c, _ := g.device(t, "all")
			a, b := g.must(t, c, hello(v, "a")), g.must(t, c, hello(v, "b"))
			if codes, err := a.Subscribe(1, "x/#"); err != nil || codes[0] >= 0x80 {
				t.Fatalf("got %v, %v, want a granted subscription", codes, err)
			}
			if err := b.Publish("x/y", "hello", 1); err != nil {
				t.Fatal(err)
			}
			m, err := a.Message()
			if err != nil || m.Topic != "x/y" || string(m.Payload) != "hello" {
				t.Fatalf("got %q %q, %v, want the message", m.Topic, m.Payload, err)
			}
		})
	}
}

func TestWhoIsLetIn(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	g.registry.policy(home, "none", `{"Version":"2012-10-17","Statement":[]}`)
	good, _ := g.device(t, "all")
	for _, tt := range []struct {
		name     string
		status   fleet.Status
		policies []string
		connect  *mqtt.Connect
		want     mqtt.ReasonCode // 0xFF: refused in the handshake
	}{
		{"an active certificate with a policy is", fleet.Active, []string{"all"}, hello(mqtt.V5, "a"), 0},
		{"one without a policy is not", fleet.Active, nil, hello(mqtt.V5, "a"), mqtt.NotAuthorized},
		{"one with an empty policy is not", fleet.Active, []string{"none"}, hello(mqtt.V5, "a"), mqtt.NotAuthorized},
		{"one in 3.1.1 is told so with its code", fleet.Active, nil, hello(mqtt.V311, "a"), mqtt.RefusedNotAuthorized},
		{"an inactive certificate is not", fleet.Inactive, []string{"all"}, hello(mqtt.V5, "a"), 0xFF},
		{"a revoked certificate is not", fleet.Revoked, []string{"all"}, hello(mqtt.V5, "a"), 0xFF},
		{"one that waits for activation is not", fleet.PendingActivation, []string{"all"}, hello(mqtt.V5, "a"), 0xFF},
		{"one in transfer is not", fleet.PendingTransfer, []string{"all"}, hello(mqtt.V5, "a"), 0xFF},
		{"no client id for a clean session is given one", fleet.Active, []string{"all"}, hello(mqtt.V5, ""), 0},
		{"no client id for a session to be kept is refused", fleet.Active, []string{"all"},
			&mqtt.Connect{Version: mqtt.V5}, mqtt.ClientIDNotValid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			c = g.issue(t, templateOf("device"))
			g.registry.register(home, c.Leaf, tt.status, tt.policies...)
			d, err := g.connect(c, tt.connect)
			switch {
			case tt.want == 0xFF:
				if err == nil {
					t.Errorf("got a CONNACK with %s, want a failed handshake", d.Connack.Code)
				}
			case err != nil:
				t.Fatal(err)
			case d.Connack.Code != tt.want:
				t.Errorf("got a CONNACK with %s, want %s", d.Connack.Code, tt.want)
			}
		})
	}
	t.Run("a certificate that nobody registered is not", func(t *testing.T) {
		if _, err := g.connect(g.issue(t, templateOf("stranger")), hello(mqtt.V5, "a")); err == nil {
			t.Error("it was let in")
		}
	})
	t.Run("one registered in another account is not", func(t *testing.T) {
		c := g.issue(t, templateOf("device"))
		g.registry.register(other, c.Leaf, fleet.Active, "all")
		if _, err := g.connect(c, hello(mqtt.V5, "a")); err == nil {
			t.Error("it was let in")
		}
	})
}

func TestAChangeDropsWhomItMust(t *testing.T) {
	const connectOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`
	for _, tt := range []struct {
		name   string
		change func(g *testGateway, id string)
		want   mqtt.ReasonCode
	}{
		{"deactivation", func(g *testGateway, id string) { g.registry.setStatus(home, id, fleet.Inactive) },
			mqtt.AdministrativeAction},
		{"revocation", func(g *testGateway, id string) { g.registry.setStatus(home, id, fleet.Revoked) },
			mqtt.AdministrativeAction},
		{"deletion", func(g *testGateway, id string) {
			g.registry.change(home, fleet.RightCertificate, []string{id}, func() { delete(g.registry.certs[home], id) })
		}, mqtt.AdministrativeAction},
		{"a policy that allows nothing", func(g *testGateway, _ string) {
			g.registry.policy(home, "mine", `{"Version":"2012-10-17","Statement":[]}`)
		}, mqtt.NotAuthorized},
		{"a policy that takes a live subscription", func(g *testGateway, _ string) {
			g.registry.policy(home, "mine", connectOnly)
		}, mqtt.NotAuthorized},
		{"a policy that cannot be read", func(g *testGateway, _ string) { g.registry.policy(home, "mine", "{") },
			mqtt.NotAuthorized},
		{"detaching the policy", func(g *testGateway, id string) {
			g.registry.change(home, fleet.RightCertificate, []string{id}, func() { g.registry.policies[home][id] = nil })
		}, mqtt.NotAuthorized},
	} {
		for name, v := range versions {
			t.Run(tt.name+" in "+name, func(t *testing.T) {
				g := start(t, nil)
				g.registry.policy(home, "mine", allowAll)
				g.registry.policy(home, "all", allowAll)
				c, id := g.device(t, "mine")
				bystander, _ := g.device(t, "all")
				a, b := g.must(t, c, hello(v, "a")), g.must(t, c, hello(v, "b"))
				x := g.must(t, bystander, hello(v, "x"))
				for _, d := range []interface {
					Subscribe(byte, ...string) ([]mqtt.ReasonCode, error)
				}{a, b, x} {
					if _, err := d.Subscribe(0, "x/y"); err != nil {
						t.Fatal(err)
					}
				}
				tt.change(g, id)
				ends(t, a, tt.want)
				ends(t, b, tt.want)
				lives(t, x)
				if g.Connections() != 1 {
					await(t, "one connection is left", func() bool { return g.Connections() == 1 })
				}
			})
		}
	}
}

func TestNobodyIsLetInWhileRightsCannotBeRead(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	old := g.must(t, c, hello(mqtt.V5, "old"))
	g.registry.fail(errors.New("the database is gone"))
	await(t, "the gateway is not ready", func() bool { return g.Ready(t.Context()) != nil })
	d, err := g.connect(c, hello(mqtt.V5, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Connack.Code != mqtt.ServerUnavailable {
		t.Errorf("got %s, want %s", d.Connack.Code, mqtt.ServerUnavailable)
	}
	d, err = g.connect(c, hello(mqtt.V311, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Connack.Code != mqtt.RefusedUnavailable {
		t.Errorf("got %s, want %s", d.Connack.Code, mqtt.RefusedUnavailable)
	}
	lives(t, old)
	g.registry.fail(nil)
	await(t, "the gateway is ready", func() bool { return g.Ready(t.Context()) == nil })
	g.must(t, c, hello(mqtt.V5, "new"))
}

func TestConnectionsThatComeTogetherAreReadTogether(t *testing.T) {
	r := newRegistry()
	var mu sync.Mutex
	var sizes []int
	release := make(chan struct{})
	r.reading = func(refs []fleet.DeviceRef) {
		mu.Lock()
		sizes = append(sizes, len(refs))
		mu.Unlock()
		<-release
	}
	reads := newReader(t.Context(), r.Devices, func() bool { return false })
	const many = 600
	var asking sync.WaitGroup
	for i := range many {
		asking.Go(func() {
			id := name(i)
			if _, err := reads.read(t.Context(), home, fleet.DeviceRef{Certificate: id, ClientID: id}); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all have asked", func() bool {
		reads.mu.Lock()
		defer reads.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		asked := len(reads.waiting.items[home])
		for _, n := range sizes {
			asked += n
		}
		return asked == many
	})
	close(release)
	asking.Wait()
	if len(sizes) > readers+2 {
		t.Errorf("got %d readings for %d connections that came together, want %d at most", len(sizes), many, readers+2)
	}
	for _, n := range sizes {
		if n > sliceSize {
			t.Errorf("got a reading of %d connections, want %d at most", n, sliceSize)
		}
	}
}

func TestWhoComesInACrowdWaitsForOthersToShareAReading(t *testing.T) {
	r := newRegistry()
	readings := 0
	r.reading = func([]fleet.DeviceRef) { readings++ }
	reads := newReader(t.Context(), r.Devices, func() bool { return true })
	full := make(chan struct{})
	reads.pause = func() { <-full }
	const many = 50
	var asking sync.WaitGroup
	for i := range many {
		asking.Go(func() {
			if _, err := reads.read(t.Context(), home, fleet.DeviceRef{ClientID: name(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all have asked", func() bool {
		reads.mu.Lock()
		defer reads.mu.Unlock()
		return len(reads.waiting.items[home]) == many
	})
	close(full)
	asking.Wait()
	if readings != 1 {
		t.Errorf("got %d readings for %d connections, want 1", readings, many)
	}
}
