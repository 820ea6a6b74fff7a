package gateway

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

// closed fails unless the other side closes a connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	buffer := make([]byte, 1024)
	for {
		_, err := conn.Read(buffer)
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Fatal("the connection was not closed")
		default:
			return
		}
	}
}

func TestWhoStallsOrSendsGarbageCostsOnlyItself(t *testing.T) {
	g := start(t, func(o *Options) { o.Limits.Greeting = 500 * time.Millisecond })
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	bystander := g.must(t, c, hello(mqtt.V5, "bystander"))
	plain := func(first string) func(t *testing.T) net.Conn {
		return func(t *testing.T) net.Conn {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(first))
			return conn
		}
	}
	secure := func(first string, protocols ...string) func(t *testing.T) net.Conn {
		return func(t *testing.T) net.Conn {
			cfg := g.config(c, home)
			cfg.NextProtos = protocols
			conn, err := mqtttest.Dial(g.address, cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(first))
			return conn
		}
	}
	for name, begin := range map[string]func(t *testing.T) net.Conn{
		"says nothing":                     plain(""),
		"begins a handshake":               plain("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		"speaks HTTP":                      plain("GET / HTTP/1.1\r\n\r\n"),
		"speaks MQTT without TLS":          plain("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"),
		"sends no CONNECT":                 secure(""),
		"sends half a CONNECT":             secure("\x10\x0c\x00\x04MQ"),
		"announces much and sends nothing": secure("\x10\xff\xff\x07"),
		"announces too much":               secure("\x10\xff\xff\xff\x7f"),
		"sends another packet first":       secure("\xc0\x00"),
		"sends garbage":                    secure("\xff\xff\xff\xff\xff\xff\xff"),
		"sends a CONNECT of another time":  secure("\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00"),
		"sends half a request":             secure("GET /mqtt HTTP/1.1\r\nHost: x", protocolHTTP),
		"sends no request":                 secure("", protocolHTTP),
		"sends a request without end":      secure("GET /mqtt HTTP/1.1\r\nX: "+string(make([]byte, 64<<10)), protocolHTTP),
	} {
		t.Run("who "+name, func(t *testing.T) {
			t.Parallel()
			conn := begin(t)
			defer conn.Close()
			closed(t, conn)
		})
	}
	t.Cleanup(func() {
		lives(t, bystander)
		await(t, "no places are taken", func() bool { return len(g.arrivals.places) <= 1 })
		g.arrivals.mu.Lock()
		defer g.arrivals.mu.Unlock()
		if n := len(g.arrivals.pending); n != 0 {
			t.Errorf("got %d addresses with pending connections, want none", n)
		}
	})
}

func TestAnAddressHasOnlySoManyPendingConnections(t *testing.T) {
	g := start(t, func(o *Options) { o.Limits.PendingPerAddress = 4 })
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	var silent []net.Conn
	for range 4 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	await(t, "they have arrived", func() bool {
		g.arrivals.mu.Lock()
		defer g.arrivals.mu.Unlock()
		return g.arrivals.pending[netip.MustParseAddr("127.0.0.1")] == 4
	})
	if _, err := g.connect(c, hello(mqtt.V5, "d")); err == nil {
		t.Error("a fifth connection was let in")
	}
	_ = silent[0].Close()
	await(t, "one place is free", func() bool {
		d, err := g.connect(c, hello(mqtt.V5, "d"))
		return err == nil && d.Connack.Code == mqtt.Success
	})
}

func TestConnectionsArePaced(t *testing.T) {
	t.Run("of an address", func(t *testing.T) {
		g := start(t, func(o *Options) { o.Limits.AddressRate, o.Limits.AddressBurst = 0.001, 3 })
		g.registry.policy(home, "all", allowAll)
		c, _ := g.device(t, "all")
		for i := range 3 {
			g.must(t, c, hello(mqtt.V5, name(i)))
		}
		if _, err := g.connect(c, hello(mqtt.V5, "d")); err == nil {
			t.Error("a fourth connection was let in")
		}
	})
	t.Run("of a client id", func(t *testing.T) {
		g := start(t, func(o *Options) { o.Limits.ClientRate, o.Limits.ClientBurst = 0.001, 2 })
		g.registry.policy(home, "all", allowAll)
		g.registry.policy(home, "none", `{"Version":"2012-10-17","Statement":[]}`)
		c, _ := g.device(t, "all")
		stranger, _ := g.device(t, "none")
		for range 5 { // Who may not connect at all uses nothing up.
			if _, err := g.connect(stranger, hello(mqtt.V5, "d")); err != nil {
				t.Fatal(err)
			}
		}
		g.must(t, c, hello(mqtt.V5, "d"))
		last := g.must(t, c, hello(mqtt.V5, "d"))
		for v, want := range map[mqtt.Version]mqtt.ReasonCode{
			mqtt.V5: mqtt.ConnectionRateExceeded, mqtt.V311: mqtt.RefusedUnavailable,
		} {
			d, err := g.connect(c, hello(v, "d"))
			if err != nil {
				t.Fatal(err)
			}
			if d.Connack.Code != want {
				t.Errorf("got %s, want %s", d.Connack.Code, want)
			}
		}
		lives(t, last)
		g.must(t, c, hello(mqtt.V5, "other"))
	})
}

func TestARateIsARate(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRate[int](2, 3, func() time.Time { return now })
	allowed := func(key int) (n int) {
		for r.allow(key) {
			n++
		}
		return n
	}
	if got := allowed(1); got != 3 {
		t.Errorf("got a burst of %d, want 3", got)
	}
	now = now.Add(time.Second)
	if got := allowed(1); got != 2 {
		t.Errorf("got %d after a second, want 2", got)
	}
	now = now.Add(time.Hour)
	if got := allowed(1); got != 3 {
		t.Errorf("got %d after an hour, want 3", got)
	}
	now = now.Add(-2 * time.Hour) // a clock that is set back gives nothing
	if got := allowed(1); got != 0 {
		t.Errorf("got %d before, want 0", got)
	}
	for key := range 3 * maxBuckets {
		r.allow(key)
	}
	if len(r.buckets) > maxBuckets {
		t.Errorf("got %d keys, want %d at most", len(r.buckets), maxBuckets)
	}
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1:2:3:4": "2001:db8::",
		"fe80::1%eth0": "fe80::",
	} {
		if got := network(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// failing is a listener whose first connections cannot be accepted.
type failing struct {
	net.Listener
	left atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func TestErrorsOfAcceptingAreWaitedOut(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: l}
	f.left.Store(3)
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context(), f) }()
	g.address = l.Addr().String()
	g.must(t, c, hello(mqtt.V5, "d"))
	_ = l.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAStrangeProtocolIsRefusedInTheHandshake(t *testing.T) {
	g := start(t, nil)
	c, _ := g.device(t, "all")
	cfg := g.config(c, home)
	cfg.NextProtos = []string{"h2"}
	if _, err := mqtttest.Dial(g.address, cfg); err == nil {
		t.Error("it was accepted")
	}
	cfg.NextProtos, cfg.MaxVersion = nil, tls.VersionTLS11
	if _, err := mqtttest.Dial(g.address, cfg); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	cfg.MaxVersion, cfg.Certificates = 0, nil
	if conn, err := mqtttest.Dial(g.address, cfg); err == nil {
		if _, err := mqtttest.Connect(conn, hello(mqtt.V5, "d")); err == nil {
			t.Error("a device without a certificate was let in")
		}
	}
}
