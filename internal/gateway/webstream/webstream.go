// Package webstream makes a stream of bytes of MQTT over WebSocket (MQTT 5,
// section 6; RFC 6455), on a connection that something else has made.
package webstream

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// subprotocol is what clients must offer [MQTT-6.0.0-3].
	subprotocol = "mqtt"
	// maxHeader is how long the header of a request may be, buffer how much of a
	// message is read or written at once.
	maxHeader = 8 << 10
	buffer    = 1 << 10
)

// errNotUpgraded is the error of a connection that asked for something else.
var errNotUpgraded = errors.New("no MQTT over WebSocket was asked for")

// Upgrader reads the requests of clients.
type Upgrader struct {
	max    int64
	server *http.Server
	coming chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// New returns what upgrades requests for a path, which must come within a time,
// to streams of messages of at most so many bytes. Run must be called.
func New(path string, within time.Duration, maxMessage int) *Upgrader {
	u := &Upgrader{max: int64(maxMessage), coming: make(chan net.Conn), closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, u.upgrade)
	u.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: within, ReadTimeout: within, WriteTimeout: within, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, requestKey{}, c)
		},
	}
	u.server.SetKeepAlivesEnabled(false)
	return u
}

// Run reads requests until Close.
func (u *Upgrader) Run() { _ = u.server.Serve((*incoming)(u)) }

// Close ends the connections that were not upgraded yet.
func (u *Upgrader) Close() {
	u.once.Do(func() { close(u.closed) })
	_ = u.server.Close()
}

// requestKey is where the connection of a request is in its context.
type requestKey struct{}

// request is a connection whose request is being read.
type request struct {
	net.Conn
	socket   net.Conn
	once     sync.Once
	done     chan struct{} // closed when it was upgraded or closed
	upgraded *Stream
}

// Close ends the connection.
func (r *request) Close() error {
	err := r.Conn.Close()
	r.finish(nil)
	return err
}

func (r *request) finish(s *Stream) {
	r.once.Do(func() {
		r.upgraded = s
		close(r.done)
	})
}

// Upgrade reads the request of a client on a connection, answers it, and returns
// the stream, of which Pump must be called. Socket is what lies below the
// connection. After an error the connection is closed.
func (u *Upgrader) Upgrade(conn, socket net.Conn) (*Stream, error) {
	r := &request{Conn: conn, socket: socket, done: make(chan struct{})}
	select {
	case u.coming <- r:
		<-r.done
	case <-u.closed:
		_ = r.Close()
	}
	if r.upgraded == nil {
		return nil, errNotUpgraded
	}
	return r.upgraded, nil
}

// incoming is the connections as a listener of HTTP.
type incoming Upgrader

// Accept implements [net.Listener].
func (i *incoming) Accept() (net.Conn, error) {
	select {
	case c := <-i.coming:
		return c, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (i *incoming) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

// Addr implements [net.Listener].
func (i *incoming) Addr() net.Addr { return &net.TCPAddr{} }

// upgrade goes on with a request as MQTT over WebSocket. The origin of a page is
// of no concern: who connects has shown a certificate.
func (u *Upgrader) upgrade(w http.ResponseWriter, asked *http.Request) {
	r, ok := asked.Context().Value(requestKey{}).(*request)
	if !ok || !slices.Contains(websocket.Subprotocols(asked), subprotocol) {
		http.Error(w, "the subprotocol mqtt is needed", http.StatusBadRequest)
		return
	}
	upgrader := websocket.Upgrader{
		Subprotocols: []string{subprotocol}, ReadBufferSize: buffer, WriteBufferSize: buffer,
		CheckOrigin: func(*http.Request) bool { return true },
	}
	conn, err := upgrader.Upgrade(w, asked, nil)
	if err != nil {
		return // the answer says why
	}
	conn.SetReadLimit(u.max)
	r.finish(newStream(conn, r.socket))
}

// Stream is MQTT over WebSocket as a stream of bytes: packets and messages have
// nothing to do with each other (MQTT 5, section 6). A goroutine of its own
// reads, because a connection of WebSocket cannot be read after a deadline, and
// who enforces rights uses deadlines to be woken.
type Stream struct {
	net.Conn // what was read, for who reads
	in       net.Conn
	web      *websocket.Conn
	socket   net.Conn // TCP
	writing  sync.Mutex
	deadline atomic.Pointer[time.Time] // of writing
}

func newStream(c *websocket.Conn, socket net.Conn) *Stream {
	out, in := net.Pipe()
	s := &Stream{Conn: out, in: in, web: c, socket: socket}
	s.deadline.Store(&time.Time{})
	return s
}

// Pump passes on what arrives, to who reads, until the stream ends.
func (s *Stream) Pump() {
	defer func() { _ = s.in.Close() }()
	part := make([]byte, buffer)
	for {
		kind, r, err := s.web.NextReader()
		if err != nil {
			return
		}
		if kind != websocket.BinaryMessage { // [MQTT-6.0.0-1]
			return
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{s.in}, struct{ io.Reader }{r}, part); err != nil {
			return
		}
	}
}

// Write sends bytes as one message.
func (s *Stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.web.SetWriteDeadline(*s.deadline.Load())
	if err := s.web.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline holds for what is written to the device, also at this moment.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.deadline.Store(&t)
	return s.socket.SetWriteDeadline(t)
}

// Close ends both sides.
func (s *Stream) Close() error {
	_ = s.Conn.Close()
	return s.web.Close()
}

// Unread ends the reading side: nobody reads any more.
func (s *Stream) Unread() { _ = s.Conn.Close() }

// LocalAddr is that of the socket.
func (s *Stream) LocalAddr() net.Addr { return s.web.LocalAddr() }

// RemoteAddr is that of the socket.
func (s *Stream) RemoteAddr() net.Addr { return s.web.RemoteAddr() }
