package gateway

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// pair is both ends of a TCP connection.
func pair(t *testing.T) (device net.Conn, here socket) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if device, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = device.Close(), conn.Close() })
	_ = device.SetDeadline(time.Now().Add(patience))
	return device, socket{conn}
}

// closed reports whether this side closed a socket.
func (s socket) closed() bool { return errors.Is(s.SetDeadline(time.Time{}), net.ErrClosed) }

func TestARushTellsDevicesFirst(t *testing.T) {
	var r rush
	wantEnd := func(device net.Conn) {
		t.Helper()
		if n, err := device.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %d bytes and %v, want the end", n, err)
		}
	}
	device, alone := pair(t)
	r.HangUp(alone)
	wantEnd(device)
	if !alone.closed() {
		t.Error("got a socket that is open, want it closed where there is no rush")
	}
	r.begin()
	r.begin()
	device, first := pair(t)
	r.HangUp(first)
	wantEnd(device)
	r.end()
	if first.closed() {
		t.Error("got a socket that is closed while somebody ends sessions, want it to wait")
	}
	waited := make(chan struct{})
	go func() {
		r.Wait()
		close(waited)
	}()
	r.end()
	<-waited
	if !first.closed() {
		t.Error("got a socket that is open after the rush, want it closed")
	}
}

// A rush lasts as long as a registry takes to answer.
func TestARushThatLastsKeepsNobody(t *testing.T) {
	var r rush
	r.begin()
	defer r.end()
	_, here := pair(t)
	r.HangUp(here)
	r.Wait() // returns
	await(t, "the socket is closed", here.closed)
}
