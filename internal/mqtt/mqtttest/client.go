// Package mqtttest is a small device for tests: it speaks MQTT 3.1.1 and 5 over
// a connection that the test makes, one packet at a time, and hides nothing.
package mqtttest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// Patience is how long a packet is waited for that must come: much longer than
// it takes, also on a busy machine.
const Patience = time.Minute

// maxPacket is the longest packet that is read.
const maxPacket = 1 << 20

// Client is a device. It is used by one goroutine.
type Client struct {
	// Conn is what it speaks over.
	Conn net.Conn
	// Version is that of its CONNECT.
	Version mqtt.Version
	// Connack is how it was answered.
	Connack *mqtt.Connack
	// Inbox has the messages that came while something else was waited for.
	Inbox []mqtt.Publish

	reader *mqtt.Reader
	id     uint16
}

// Dial connects by TLS and makes the handshake. With TLS 1.3 a certificate that
// is refused is found out by the first packet that is read.
func Dial(address string, cfg *tls.Config) (net.Conn, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: Patience}, Config: cfg}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect a device: %w", err)
	}
	return conn, nil
}

// Connect sends a CONNECT and waits for the answer. A refusal is no error: see
// Connack.
func Connect(conn net.Conn, c *mqtt.Connect) (*Client, error) {
	d := &Client{Conn: conn, Version: c.Version, reader: mqtt.NewReader(conn, maxPacket)}
	if err := d.Send(c); err != nil {
		return nil, err
	}
	p, err := d.Next()
	if err != nil {
		return nil, err
	}
	ack, ok := p.(*mqtt.Connack)
	if !ok {
		return nil, fmt.Errorf("a CONNECT was answered by %s", p.Type())
	}
	copied := *ack
	copied.Properties = bytes.Clone(ack.Properties)
	d.Connack = &copied
	return d, nil
}

// Send writes a packet.
func (d *Client) Send(p mqtt.Packet) error {
	raw, err := p.AppendTo(nil, d.Version)
	if err != nil {
		return fmt.Errorf("make %s: %w", p.Type(), err)
	}
	_ = d.Conn.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := d.Conn.Write(raw); err != nil {
		return fmt.Errorf("send %s: %w", p.Type(), err)
	}
	return nil
}

// Next is the next packet, valid until the next call. At the end of the
// connection the error is [io.EOF], however it ended.
func (d *Client) Next() (mqtt.Packet, error) { return d.next(Patience) }

func (d *Client) next(patience time.Duration) (mqtt.Packet, error) {
	_ = d.Conn.SetReadDeadline(time.Now().Add(patience))
	f, err := d.reader.ReadFrame()
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return nil, err
		}
		return nil, fmt.Errorf("%w (%w)", io.EOF, err)
	}
	return mqtt.Decode(f, d.Version)
}

// await reads until a packet of a type comes, and keeps messages.
func (d *Client) await(t mqtt.Type) (mqtt.Packet, error) {
	for {
		p, err := d.Next()
		if err != nil {
			return nil, fmt.Errorf("wait for %s: %w", t, err)
		}
		switch p := p.(type) {
		case *mqtt.Publish:
			if err := d.take(p); err != nil {
				return nil, err
			}
		case *mqtt.Disconnect:
			return nil, fmt.Errorf("wait for %s: DISCONNECT %s: %w", t, p.Code, io.EOF)
		default:
			if p.Type() == t {
				return p, nil
			}
		}
	}
}

// take keeps a message and acknowledges it.
func (d *Client) take(p *mqtt.Publish) error {
	m := *p
	m.Payload, m.Properties = bytes.Clone(p.Payload), bytes.Clone(p.Properties)
	d.Inbox = append(d.Inbox, m)
	if p.QoS == 1 {
		return d.Send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID})
	}
	return nil
}

func (d *Client) nextID() uint16 {
	d.id++
	return d.id
}

// Subscribe subscribes to filters with a QoS and returns how each was answered.
func (d *Client) Subscribe(qos byte, filters ...string) ([]mqtt.ReasonCode, error) {
	s := &mqtt.Subscribe{ID: d.nextID()}
	for _, f := range filters {
		s.Filters = append(s.Filters, mqtt.Subscription{Filter: f, QoS: qos})
	}
	if err := d.Send(s); err != nil {
		return nil, err
	}
	p, err := d.await(mqtt.TypeSuback)
	if err != nil {
		return nil, err
	}
	ack, _ := p.(*mqtt.Suback)
	return append([]mqtt.ReasonCode(nil), ack.Codes...), nil
}

// Publish sends a message, and with QoS 1 waits until it is acknowledged.
func (d *Client) Publish(topic, payload string, qos byte) error {
	m := &mqtt.Publish{Topic: topic, Payload: []byte(payload), QoS: qos}
	if qos > 0 {
		m.ID = d.nextID()
	}
	if err := d.Send(m); err != nil || qos == 0 {
		return err
	}
	_, err := d.await(mqtt.TypePuback)
	return err
}

// Message is the next message.
func (d *Client) Message() (mqtt.Publish, error) {
	for len(d.Inbox) == 0 {
		p, err := d.Next()
		if err != nil {
			return mqtt.Publish{}, fmt.Errorf("wait for a message: %w", err)
		}
		if m, ok := p.(*mqtt.Publish); ok {
			if err := d.take(m); err != nil {
				return mqtt.Publish{}, err
			}
		}
	}
	m := d.Inbox[0]
	d.Inbox = d.Inbox[1:]
	return m, nil
}

// Ping asks for an answer, by which all that was sent before has been looked at.
func (d *Client) Ping() error {
	if err := d.Send(&mqtt.Ping{Kind: mqtt.TypePingreq}); err != nil {
		return err
	}
	_, err := d.await(mqtt.TypePingresp)
	return err
}

// Ended waits for the end of the connection, and returns the reason that a
// DISCONNECT gave for it, or 0. The error is that it did not end.
func (d *Client) Ended() (mqtt.ReasonCode, error) {
	code := mqtt.ReasonCode(0)
	for {
		p, err := d.Next()
		switch {
		case errors.Is(err, io.EOF):
			return code, nil
		case err != nil:
			return code, err
		}
		if end, ok := p.(*mqtt.Disconnect); ok {
			code = end.Code
		}
	}
}

// Disconnect ends the connection in order.
func (d *Client) Disconnect() error {
	err := d.Send(&mqtt.Disconnect{})
	return errors.Join(err, d.Conn.Close())
}
