package server_test

import (
	"crypto/tls"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// survivors is how many devices are connected to a process that is killed.
const survivors = throngSize / 5

// watched makes devices whose connections are indexed and looked at by both
// checks, and returns how each connects.
func watched(t *testing.T, cfg config.Config) []*tls.Config {
	t.Helper()
	list := make([]*tls.Config, survivors)
	within(t, cfg, server.Options{}, func(c *cordontest.Cordon) {
		indexed(t, c.IoT())
		cordontest.Enable(t, c.IoT(), checkShared, checkConflicting)
		cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
		base := c.DeviceTLS(t, cordontest.NewDevice(t, c.IoT()), cordontest.Home)
		for i, cert := range imported(t, c, survivors, "all", alone) {
			list[i] = base.Clone()
			list[i].Certificates = []tls.Certificate{cert}
		}
	})
	return list
}

// comeBack connects devices with names, and has each talk with itself.
func comeBack(t *testing.T, address string, settings []*tls.Config, name func(i int) string) []*mqtttest.Client {
	t.Helper()
	devices := make([]*mqtttest.Client, len(settings))
	all(t, len(settings), func(i int) (err error) {
		d, err := enters(t, address, settings[i], quiet(mqtt.V5, name(i)))
		if err != nil {
			return err
		}
		devices[i] = d
		if codes, err := d.Subscribe(1, "to/"+name(i)); err != nil || codes[0] != 1 {
			return fmt.Errorf("got %v, %w, want a granted subscription", codes, err)
		}
		if err := d.Publish("to/"+name(i), name(i), 1); err != nil {
			return err
		}
		if m, err := d.Message(); err != nil || string(m.Payload) != name(i) {
			return fmt.Errorf("got the message %q, %w", m.Payload, err)
		}
		return nil
	})
	return devices
}

// wantNothingFound audits what devices did some seconds later.
func wantNothingFound(t *testing.T, c *cordontest.Cordon, clock *forward) {
	t.Helper()
	clock.by.Store(int64(30 * time.Second))
	_, audit := cordontest.Audit(t, c.IoT(), checkShared, checkConflicting)
	wantCheck(t, audit, checkShared, 0)
	wantCheck(t, audit, checkConflicting, 0)
}

// TestConnectionsOfAKilledProcessEnd kills a process under its devices. They come
// back, with other client ids even: nothing was side by side.
func TestConnectionsOfAKilledProcessEnd(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			var clock forward
			cfg := cordontest.Settings(t, database)
			settings := watched(t, cfg)
			p := start(t, cfg)
			comeBack(t, p.mqtt, settings, alone)
			awaitThings(t, p.iot(), "connectivity.connected:true", survivors)
			p.signal(t, syscall.SIGKILL)
			p.wantKilled(t)
			c := cordontest.Start(t, cfg, server.Options{Now: clock.now})
			again := func(i int) string { return fmt.Sprint("again-", i) }
			comeBack(t, c.MQTTAddr(), settings, again)
			awaitThings(t, c.IoT(), "connectivity.disconnectReason:SERVER_ERROR", survivors)
			wantNothingFound(t, c, &clock)
		})
	}
}

// TestDevicesOfAKilledNodeComeBackToAnother kills one of two nodes. Its devices
// come to the other one at once, before it is known that they lost the first.
func TestDevicesOfAKilledNodeComeBackToAnother(t *testing.T) {
	t.Parallel()
	var clock forward
	cfg := cordontest.Settings(t, "postgres")
	settings := watched(t, cfg)
	p := start(t, cfg)
	c := cordontest.Start(t, cfg, server.Options{Now: clock.now})
	half := survivors / 2
	lost := comeBack(t, p.mqtt, settings[:half], alone)
	other := func(i int) string { return alone(half + i) }
	kept := comeBack(t, c.MQTTAddr(), settings[half:], other)
	awaitThings(t, c.IoT(), "connectivity.connected:true", survivors)

	p.signal(t, syscall.SIGKILL)
	p.wantKilled(t)
	all(t, half, func(i int) error {
		_, err := lost[i].Ended()
		return err
	})
	back := comeBack(t, c.MQTTAddr(), settings[:half], alone)
	if codes, err := kept[0].Subscribe(1, "from/+"); err != nil || codes[0] != 1 {
		t.Fatalf("got %v, %v, want a granted subscription", codes, err)
	}
	if err := back[0].Publish("from/"+alone(0), "hello", 1); err != nil {
		t.Fatal(err)
	}
	if m, err := kept[0].Message(); err != nil || string(m.Payload) != "hello" {
		t.Errorf("got %q, %v, want the message", m.Payload, err)
	}
	all(t, len(kept), func(i int) error { return kept[i].Ping() })
	awaitEnded(t, cfg, half)
	wantNothingFound(t, c, &clock)
}

// awaitEnded waits until so many intervals have an end, each with a reason.
func awaitEnded(t *testing.T, cfg config.Config, n int) {
	t.Helper()
	r := &rig{cfg: cfg}
	e := r.inspect(t)
	deadline := time.Now().Add(cordontest.Deadline)
	for e.number(`SELECT count(*) FROM connections WHERE until_at IS NOT NULL`) != n {
		if time.Now().After(deadline) {
			t.Fatalf("got intervals that ended: %s; want %d",
				e.groups(`SELECT reason, count(*) FROM connections WHERE until_at IS NOT NULL GROUP BY reason`), n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	e.want(0, "intervals that ended for no reason or another one", `SELECT count(*) FROM connections
		WHERE until_at IS NOT NULL AND reason NOT IN ('SERVER_ERROR', 'DUPLICATE_CLIENTID')`)
}

// TestTheOlderOfTwoOnTwoNodesEndsAsADuplicate connects a client id to one
// process and then to another.
func TestTheOlderOfTwoOnTwoNodesEndsAsADuplicate(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "postgres")
	c := cordontest.Start(t, cfg, server.Options{})
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	device := cordontest.NewDevice(t, c.IoT(), "all")
	settings := c.DeviceTLS(t, device, cordontest.Home)
	p := start(t, cfg)
	for range 3 {
		older := c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "d"))
		newer, err := enters(t, p.mqtt, settings, cordontest.Hello(mqtt.V5, "d"))
		if err != nil {
			t.Fatal(err)
		}
		loses(t, older, mqtt.SessionTakenOver)
		keeps(t, newer)
		if err := newer.Disconnect(); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{cfg: cfg}
	e := r.inspect(t)
	deadline := time.Now().Add(cordontest.Deadline)
	for e.number(`SELECT count(*) FROM connections WHERE until_at IS NOT NULL`) < 6 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	e.want(3, "intervals of the older ones", `SELECT count(*) FROM connections
		WHERE client_id = 'd' AND reason = 'DUPLICATE_CLIENTID'`)
	e.want(3, "intervals of the newer ones", `SELECT count(*) FROM connections
		WHERE client_id = 'd' AND reason = 'CLIENT_INITIATED_DISCONNECT'`)
}
