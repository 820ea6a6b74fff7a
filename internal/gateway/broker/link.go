package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

const (
	// linkKeepAlive is that of the connection for messages of Cordon's own, in
	// seconds.
	linkKeepAlive = 60
	// maxUnacknowledged is how many of them may wait for the broker.
	maxUnacknowledged = 100
	// retryAfter is the time between attempts.
	retryAfter = 200 * time.Millisecond
)

// refusedError is the answer of a broker that does not let one in.
type refusedError struct {
	version mqtt.Version
	code    mqtt.ReasonCode
}

// Error says the code.
func (e *refusedError) Error() string { return "the broker refused CONNECT with " + e.code.String() }

// greet sends CONNECT and reads CONNACK.
func greet(conn net.Conn, connect *mqtt.Connect) (*mqtt.Reader, error) {
	raw, err := connect.AppendTo(nil, connect.Version)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(dialPatience))
	if _, err := conn.Write(raw); err != nil {
		return nil, fmt.Errorf("write to the broker: %w", err)
	}
	reader := mqtt.NewReader(conn, maxConnect)
	f, err := reader.ReadFrame()
	if err != nil {
		return nil, fmt.Errorf("read from the broker: %w", err)
	}
	p, err := mqtt.Decode(f, connect.Version)
	if err != nil {
		// A broker that does not know MQTT 5 answers in 3.1.1.
		if p, err = mqtt.Decode(f, mqtt.V311); err != nil {
			return nil, fmt.Errorf("read from the broker: %w", err)
		}
	}
	answer, ok := p.(*mqtt.Connack)
	if !ok {
		return nil, errors.New("the broker did not answer CONNECT with CONNACK")
	}
	if answer.Code != mqtt.Success {
		return nil, &refusedError{connect.Version, answer.Code}
	}
	_ = conn.SetDeadline(time.Time{})
	return reader, nil
}

// link is the connection for messages of nobody: made when there is one, made
// anew when it was lost. Its methods may be called at the same time.
type link struct {
	owner *External
	slots chan struct{} // one for each message that waits

	mu      sync.Mutex
	conn    net.Conn
	version mqtt.Version
	next    uint16
	waiting map[uint16]chan error
	reading sync.WaitGroup
}

func newLink(e *External) *link {
	return &link{owner: e, slots: make(chan struct{}, maxUnacknowledged), version: mqtt.V5}
}

// publish sends a message with QoS 1 until it is acknowledged or ctx ends.
func (l *link) publish(ctx context.Context, message *mqtt.Publish) error {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return fmt.Errorf("publish to the broker: %w", ctx.Err())
	}
	for {
		err := l.attempt(ctx, message)
		if err == nil || errors.Is(err, errClosed) || errors.As(err, new(*mqtt.Error)) {
			return err
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return fmt.Errorf("publish to the broker: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// attempt sends a message once.
func (l *link) attempt(ctx context.Context, message *mqtt.Publish) error {
	acknowledged, err := l.send(ctx, message)
	if err != nil {
		return err
	}
	select {
	case err := <-acknowledged:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) send(ctx context.Context, message *mqtt.Publish) (chan error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	own := *message
	own.QoS, own.Dup, own.ID = 1, false, l.freeID()
	raw, err := own.AppendTo(nil, l.version)
	if err != nil {
		return nil, err
	}
	acknowledged := make(chan error, 1)
	l.waiting[own.ID] = acknowledged
	if _, err := (patient{l.conn}).Write(raw); err != nil {
		l.lose(l.conn, err)
	}
	return acknowledged, nil
}

// freeID is a packet id that nothing waits for: there are more than there are
// slots.
func (l *link) freeID() uint16 {
	for {
		if l.next++; l.next == 0 {
			continue
		}
		if _, taken := l.waiting[l.next]; !taken {
			return l.next
		}
	}
}

// connect makes the connection if there is none: in MQTT 5, which carries all
// that a message has, or in 3.1.1 where the broker knows no other. Some say so,
// and RabbitMQ before 3.13 hangs up. l.mu is held.
func (l *link) connect(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	for l.version = mqtt.V5; ; l.version = mqtt.V311 {
		conn, err := l.owner.dial(ctx)
		if err != nil {
			return err
		}
		connect := l.owner.withCredentials(&mqtt.Connect{
			Version: l.version, CleanStart: true, KeepAlive: linkKeepAlive,
			ClientID: "cordon-" + l.owner.o.Node + "-" + rand.Text()[:8],
		})
		reader, err := greet(conn, connect)
		if err == nil {
			l.conn, l.waiting = conn, map[uint16]chan error{}
			l.reading.Add(1)
			go l.read(conn, reader, l.version)
			return nil
		}
		l.owner.hangUp(conn)
		if l.version == mqtt.V311 || !unknownVersion(err) {
			return err
		}
	}
}

// unknownVersion reports whether a broker may not have known the version of a
// CONNECT.
func unknownVersion(err error) bool {
	var refused *refusedError
	if errors.As(err, &refused) {
		return refused.code == mqtt.UnsupportedVersion || refused.code == mqtt.RefusedVersion
	}
	return errors.Is(err, io.EOF)
}

// read takes acknowledgements, and sends PINGREQ, until the connection ends.
func (l *link) read(conn net.Conn, reader *mqtt.Reader, v mqtt.Version) {
	defer l.reading.Done()
	defer l.owner.hangUp(conn)
	ping := mqtt.Frame{Type: mqtt.TypePingreq}.AppendTo(nil)
	silent := false
	for {
		_ = conn.SetReadDeadline(time.Now().Add(linkKeepAlive / 2 * time.Second))
		f, err := reader.ReadFrame()
		var slow net.Error
		switch {
		case err == nil:
			silent = false
			err = l.take(f, v)
		case errors.As(err, &slow) && slow.Timeout() && !silent:
			silent = true
			_, err = (patient{conn}).Write(ping)
		}
		if err != nil {
			l.mu.Lock()
			l.lose(conn, fmt.Errorf("the broker closed the connection: %w", err))
			l.mu.Unlock()
			return
		}
	}
}

func (l *link) take(f mqtt.Frame, v mqtt.Version) error {
	p, err := mqtt.Decode(f, v)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *mqtt.Ack:
		l.mu.Lock()
		defer l.mu.Unlock()
		acknowledged, ok := l.waiting[p.ID]
		if !ok {
			return nil
		}
		delete(l.waiting, p.ID)
		if p.Code >= mqtt.UnspecifiedError {
			acknowledged <- &mqtt.Error{Code: p.Code, Reason: "the broker refused a message with " + p.Code.String()}
		} else {
			acknowledged <- nil
		}
		return nil
	case *mqtt.Ping:
		return nil
	}
	return fmt.Errorf("%s of the broker", f.Type)
}

// lose gives a connection up and tells who waits. l.mu is held.
func (l *link) lose(conn net.Conn, err error) {
	if l.conn != conn {
		return
	}
	l.conn = nil
	_ = conn.Close()
	for id, acknowledged := range l.waiting {
		delete(l.waiting, id)
		acknowledged <- err
	}
}

// close waits for the reader, whose connection was closed.
func (l *link) close() {
	l.mu.Lock()
	if l.conn != nil {
		l.lose(l.conn, errClosed)
	}
	l.mu.Unlock()
	l.reading.Wait()
}
