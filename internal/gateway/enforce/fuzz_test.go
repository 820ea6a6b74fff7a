package enforce

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/broker"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// script is a device of which a test has all bytes at once. What it is written
// is read as packets by check.
type script struct {
	net.Conn
	mu     sync.Mutex
	unread []byte
	check  func([]byte)
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.unread[:min(len(s.unread), 7)])
	s.unread = s.unread[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.check(p)
	return len(p), nil
}
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// wellFormed returns a function that takes bytes in pieces and fails the test on
// what is no packet.
func wellFormed(t *testing.T, who string, v mqtt.Version) func([]byte) {
	var cut mqtt.Splitter
	var mu sync.Mutex
	return func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		err := cut.Write(p, func(f mqtt.Frame) error {
			_, err := mqtt.Decode(f, v)
			return err
		})
		if err != nil {
			t.Errorf("%s got %x: %v", who, p, err)
		}
	}
}

// FuzzConn gives an enforcing connection any bytes from both sides. Neither side
// may get anything but packets, nothing may hang, and nothing may fail.
func FuzzConn(f *testing.F) {
	connack5 := encoded(f, mqtt.V5, &mqtt.Connack{})
	connack3 := encoded(f, mqtt.V311, &mqtt.Connack{SessionPresent: true})
	some := []mqtt.Packet{publish("a", 0), publish("denied", 7), &mqtt.Subscribe{ID: 1, Filters: filters("a", "denied")},
		&mqtt.Unsubscribe{ID: 2, Filters: []string{"a"}}, &mqtt.Ping{Kind: mqtt.TypePingreq}, &mqtt.Disconnect{}}
	answers := []mqtt.Packet{publish("p/a", 9), publish("p/denied", 3),
		&mqtt.Suback{Kind: mqtt.TypeSuback, ID: 1, Codes: []mqtt.ReasonCode{1}}, &mqtt.Ack{Kind: mqtt.TypePuback, ID: 7}}
	f.Add(true, []byte{0x82, 5, 0x30, 0x30, 0, 0, 0}, connack5)
	f.Add(false, []byte{0x82, 5, 0x30, 0x30, 0, 0, 0}, connack3)
	f.Add(true, encoded(f, mqtt.V5, some...), append(connack5, encoded(f, mqtt.V5, answers...)...))
	f.Add(false, encoded(f, mqtt.V311, some...), append(connack3, encoded(f, mqtt.V311, answers...)...))
	f.Fuzz(func(t *testing.T, five bool, device, fromBroker []byte) {
		v := mqtt.V311
		if five {
			v = mqtt.V5
		}
		conn := &script{unread: device, check: wellFormed(t, "the device", v)}
		denied := &rights{publish: []string{"denied"}, subscribe: []string{"denied"}, receive: []string{"denied"}}
		c := New(Options{Conn: conn, Connect: &mqtt.Connect{Version: v, ClientID: "c"}, Prefix: "p/", Judge: denied,
			Limits: DefaultLimits(), Stored: []string{"a", "denied"}})
		read := make(chan struct{})
		go func() {
			defer close(read)
			check := wellFormed(t, "the broker", v)
			buf := make([]byte, 64)
			for {
				n, err := c.Read(buf)
				check(buf[:n])
				if err != nil {
					return
				}
			}
		}()
		for rest := fromBroker; len(rest) > 0; {
			n := min(len(rest), 5)
			if _, err := c.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
		_ = c.Close()
		select {
		case <-read:
		case <-time.After(patience):
			t.Fatal("the broker still waits")
		}
	})
}

// FuzzMochi gives mochi what the enforcing connection makes of any bytes of a
// device: mochi may end the connection, but not fail, and serves others on.
func FuzzMochi(f *testing.F) {
	f.Add(true, []byte{0x82, 5, 0x30, 0x30, 0, 0, 0})
	f.Add(true, encoded(f, mqtt.V5, publish("a", 3), &mqtt.Subscribe{ID: 1, Filters: filters("a", "$share/g/#")},
		publish("a", 3), &mqtt.Unsubscribe{ID: 2, Filters: []string{"a"}}))
	f.Add(false, encoded(f, mqtt.V311, &mqtt.Publish{Topic: "a", Retain: true},
		&mqtt.Subscribe{ID: 1, Filters: filters("#")}))
	e, err := broker.NewEmbedded(broker.EmbeddedOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, five bool, device []byte) {
		v := mqtt.V311
		if five {
			v = mqtt.V5
		}
		conn := &script{unread: device, check: wellFormed(t, "the device", v)}
		c := New(Options{Conn: conn, Connect: &mqtt.Connect{Version: v, ClientID: "c", CleanStart: true}, Judge: &rights{},
			Limits: DefaultLimits()})
		done := make(chan error, 1)
		go func() { done <- e.Serve(fleet.Scope{Account: "111111111111", Region: "fuzz"}, c) }()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("it is still served")
		}
		if end := c.Ended(); end.Cause == BrokerViolation {
			t.Errorf("mochi sent what it must not: %+v", end)
		}
	})
}
