package enforce

import (
	"net"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// allow is a Judge that costs nothing.
type allow struct{}

func (allow) Publish(string, bool) bool { return true }
func (allow) Subscribe(string) bool     { return true }
func (allow) Receive(string) bool       { return true }

// tap is a device that sends the same bytes on and on, and reads everything.
type tap struct {
	net.Conn
	bytes []byte
	at    int
}

func (d *tap) Read(p []byte) (int, error) {
	n := copy(p, d.bytes[d.at:])
	if d.at += n; d.at == len(d.bytes) {
		d.at = 0
	}
	return n, nil
}
func (d *tap) Write(p []byte) (int, error)      { return len(p), nil }
func (d *tap) Close() error                     { return nil }
func (d *tap) SetReadDeadline(time.Time) error  { return nil }
func (d *tap) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkPublish is what a message costs that passes the connection, with the
// decision left out.
func BenchmarkPublish(b *testing.B) {
	for _, bb := range []struct {
		name, prefix string
		message      *mqtt.Publish
	}{
		{"qos 0", "", &mqtt.Publish{Topic: "fleet/device/state", Payload: make([]byte, 128)}},
		{"qos 1", "", &mqtt.Publish{Topic: "fleet/device/state", QoS: 1, ID: 5, Payload: make([]byte, 128)}},
		{"qos 0 with a prefix", "111111111111/us-east-1/",
			&mqtt.Publish{Topic: "fleet/device/state", Payload: make([]byte, 128)}},
	} {
		start := func(b *testing.B, device []byte) *Conn {
			connect := &mqtt.Connect{Version: mqtt.V5, ClientID: "c", CleanStart: true}
			c := New(Options{Conn: &tap{bytes: device}, Connect: connect, Prefix: bb.prefix, Judge: allow{},
				Limits: DefaultLimits()})
			if _, err := c.Read(make([]byte, 1000)); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Write(encoded(b, mqtt.V5, &mqtt.Connack{})); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			return c
		}
		b.Run("in, "+bb.name, func(b *testing.B) {
			c := start(b, encoded(b, mqtt.V5, bb.message))
			buf := make([]byte, 1000)
			for b.Loop() {
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("out, "+bb.name, func(b *testing.B) {
			c := start(b, nil)
			c.limits.QueueMessages, c.limits.QueueBytes = 1<<40, 1<<40
			m := *bb.message
			m.Topic = bb.prefix + m.Topic
			raw := encoded(b, mqtt.V5, &m)
			for b.Loop() {
				if _, err := c.Write(raw); err != nil {
					b.Fatal(err)
				}
				c.acknowledged(m.ID)
			}
		})
	}
}
