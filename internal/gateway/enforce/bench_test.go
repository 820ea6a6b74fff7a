package enforce

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/broker"
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

// BenchmarkIdle is what a connection without traffic takes in memory, with
// mochi's part of it and one subscription, without TLS.
func BenchmarkIdle(b *testing.B) {
	e, err := broker.NewEmbedded(broker.EmbeddedOptions{})
	if err != nil {
		b.Fatal(err)
	}
	const number = 2000
	subscribe := encoded(b, mqtt.V311, &mqtt.Subscribe{ID: 1, Filters: filters("fleet/d/+")})
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var served sync.WaitGroup
		var all []*Conn
		for i := range number {
			device := &quiet{first: subscribe, ended: make(chan struct{}), answered: make(chan struct{})}
			connect := &mqtt.Connect{Version: mqtt.V311, ClientID: fmt.Sprint("d", i), CleanStart: true}
			c := New(Options{Conn: device, Connect: connect, Judge: allow{}, Limits: DefaultLimits()})
			served.Go(func() { _ = e.Serve(fleet.Scope{Account: "111111111111", Region: "idle"}, c) })
			<-device.answered
			all = append(all, c)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/number, "heap-B/conn")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/number, "stack-B/conn")
		for _, c := range all {
			c.Kill(0)
		}
		served.Wait()
	}
}

// quiet is a device that sends something and then nothing more.
type quiet struct {
	net.Conn
	first    []byte
	written  int
	answered chan struct{} // CONNACK and SUBACK came
	ended    chan struct{}
	once     sync.Once
}

func (d *quiet) Read(p []byte) (int, error) {
	if len(d.first) > 0 {
		n := copy(p, d.first)
		d.first = d.first[n:]
		return n, nil
	}
	<-d.ended
	return 0, io.EOF
}

func (d *quiet) Write(p []byte) (int, error) {
	if d.written += len(p); d.written == 4+5 {
		close(d.answered)
	}
	return len(p), nil
}

func (d *quiet) Close() error {
	d.once.Do(func() { close(d.ended) })
	return nil
}
func (d *quiet) SetReadDeadline(time.Time) error  { return nil }
func (d *quiet) SetWriteDeadline(time.Time) error { return nil }
