// Package swarm is many MQTT devices in one process, as cheap as they can be made:
// what is to be measured is at the other end.
//
// Devices speak MQTT 3.1.1 or 5 over TLS 1.3 with a certificate each, and P-256 for
// certificates and key exchange. The package measures; what a figure means is for
// the caller to say.
package swarm

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

const (
	// patience bounds a handshake, and the wait for an answer.
	patience = 30 * time.Second
	// keepAlive is longer than a measurement takes, in seconds.
	keepAlive = 1200
	// maxPacket is the longest packet that is read.
	maxPacket = 256 << 10
	// readAhead is what a device reads at once that is sent much.
	readAhead = 16 << 10
)

// Target is where devices connect.
type Target struct {
	Address string
	// Roots are what the certificate of ServerName is held against.
	Roots      *x509.CertPool
	ServerName string
}

// Identity is a device that is not connected.
type Identity struct {
	ClientID    string
	Certificate tls.Certificate
	Version     mqtt.Version // 0 is 3.1.1
	// Sessions keeps TLS sessions for the next time; nil is none.
	Sessions tls.ClientSessionCache
	// Message hears each message before it is acknowledged, and Acked each
	// acknowledgement. Both may be nil.
	Message func(payload []byte)
	Acked   func()
}

// Device is a connected device.
type Device struct {
	Identity
	// Took is how long connecting took, from the dial to the CONNACK.
	Took time.Duration
	// Resumed reports whether a TLS session was resumed.
	Resumed bool

	conn   *tls.Conn
	ahead  *bufio.Reader // what reader reads from, where much is sent
	reader *mqtt.Reader
	suback chan mqtt.ReasonCode

	done    chan struct{} // closed at the end
	endedAt time.Time     // valid once done is closed
	told    bool          // likewise
}

// Connect connects a device. That it is refused is an error.
func Connect(ctx context.Context, t Target, id Identity) (_ *Device, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{
		RootCAs: t.Roots, ServerName: t.ServerName, Certificates: []tls.Certificate{id.Certificate},
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP256}, ClientSessionCache: id.Sessions,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", id.ClientID, err)
	}
	if id.Version == 0 {
		id.Version = mqtt.V311
	}
	d := &Device{Identity: id, suback: make(chan mqtt.ReasonCode, 1), done: make(chan struct{})}
	d.conn, _ = conn.(*tls.Conn) // a tls.Dialer makes nothing else
	if err := d.greet(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect %s: %w", id.ClientID, err), conn.Close())
	}
	d.Took, d.Resumed = time.Since(began), d.conn.ConnectionState().DidResume
	go d.watch()
	return d, nil
}

// greet sends CONNECT and waits for the answer.
func (d *Device) greet() error {
	if d.Message != nil || d.Acked != nil {
		d.ahead = bufio.NewReaderSize(d.conn, readAhead)
		d.reader = mqtt.NewReader(d.ahead, maxPacket)
	} else {
		d.reader = mqtt.NewReader(d.conn, maxPacket)
	}
	if err := d.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	hello := &mqtt.Connect{Version: d.Version, CleanStart: true, KeepAlive: keepAlive, ClientID: d.ClientID}
	if err := d.send(hello); err != nil {
		return err
	}
	f, err := d.reader.ReadFrame()
	if err != nil {
		return err
	}
	p, err := mqtt.Decode(f, d.Version)
	if err != nil {
		return err
	}
	if ack, ok := p.(*mqtt.Connack); !ok || ack.Code != mqtt.Success {
		return fmt.Errorf("was refused: %+v", p)
	}
	return d.conn.SetDeadline(time.Time{})
}

func (d *Device) send(p mqtt.Packet) error {
	raw, err := p.AppendTo(nil, d.Version)
	if err != nil {
		return err
	}
	if err := d.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = d.conn.Write(raw)
	return err
}

// watch reads until the connection ends, however it does.
func (d *Device) watch() {
	var acks []byte
	for {
		f, err := d.reader.ReadFrame()
		if err == nil {
			acks, err = d.take(f, acks)
		}
		if err == nil && len(acks) > 0 && d.idle() {
			_, err = d.conn.Write(acks)
			acks = acks[:0]
		}
		if err != nil {
			// The socket stays until Close: what that costs here is not to delay the next.
			d.endedAt = time.Now()
			close(d.done)
			return
		}
	}
}

// idle reports whether the next read may wait: what is to be sent goes out then.
func (d *Device) idle() bool {
	return d.reader.Buffered() == 0 && (d.ahead == nil || d.ahead.Buffered() == 0)
}

// take does what a packet asks for and appends acknowledgements to acks.
func (d *Device) take(f mqtt.Frame, acks []byte) ([]byte, error) {
	switch f.Type {
	case mqtt.TypePublish:
		var m mqtt.Publish
		if err := mqtt.DecodePublish(f, d.Version, &m); err != nil {
			return acks, err
		}
		if d.Message != nil {
			d.Message(m.Payload)
		}
		if m.QoS == 1 {
			return (&mqtt.Ack{Kind: mqtt.TypePuback, ID: m.ID}).AppendTo(acks, d.Version)
		}
	case mqtt.TypePuback:
		if d.Acked != nil {
			d.Acked()
		}
	case mqtt.TypeDisconnect:
		d.told = true
	case mqtt.TypeSuback:
		p, err := mqtt.Decode(f, d.Version)
		if s, ok := p.(*mqtt.Suback); ok {
			d.suback <- s.Codes[0]
		}
		return acks, err
	}
	return acks, nil
}

// Subscribe subscribes to a filter. That it is refused is an error.
func (d *Device) Subscribe(filter string, qos byte) error {
	s := &mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: qos}}}
	if err := d.send(s); err != nil {
		return err
	}
	select {
	case code := <-d.suback:
		if code > 2 {
			return fmt.Errorf("subscribe %s to %s: %s", d.ClientID, filter, code)
		}
		return nil
	case <-d.done:
		return fmt.Errorf("subscribe %s to %s: the connection has ended", d.ClientID, filter)
	case <-time.After(patience):
		return fmt.Errorf("subscribe %s to %s: no answer", d.ClientID, filter)
	}
}

// Publish sends a message and waits for nothing. It is called by one goroutine at
// a time.
func (d *Device) Publish(m *mqtt.Publish) error { return d.send(m) }

// Ended is closed when the connection has ended.
func (d *Device) Ended() <-chan struct{} { return d.done }

// EndedAt is when the connection ended, which it must have.
func (d *Device) EndedAt() time.Time { return d.endedAt }

// Told reports whether a DISCONNECT came before the end, which must have been.
func (d *Device) Told() bool { return d.told }

// Up reports whether the connection lives.
func (d *Device) Up() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// Close ends the connection and waits until it has. It is to be called of one that
// has ended too.
func (d *Device) Close() {
	if d.Up() {
		_ = d.send(&mqtt.Disconnect{}) // it may have ended by now
	}
	_ = d.conn.NetConn().Close()
	<-d.done
}

// ConnectAll connects devices, some at a time, and returns them in the order of
// list, with the time that all took. With an error all are closed.
func ConnectAll(ctx context.Context, t Target, list []Identity, parallel int) ([]*Device, time.Duration, error) {
	devices := make([]*Device, len(list))
	var next atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range min(parallel, len(list)) {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return nil
				}
				d, err := Connect(ctx, t, list[i])
				if err != nil {
					return err
				}
				devices[i] = d
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	took := time.Since(began)
	if err != nil {
		CloseAll(devices)
		return nil, took, err
	}
	return devices, took, nil
}

// closers is how many connections are closed at a time.
const closers = 64

// CloseAll closes devices; those that are nil are none.
func CloseAll(devices []*Device) {
	var work sync.WaitGroup
	places := make(chan struct{}, closers)
	for _, d := range devices {
		if d == nil {
			continue
		}
		places <- struct{}{}
		work.Go(func() {
			d.Close()
			<-places
		})
	}
	work.Wait()
}
