package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// webPath is where WebSocket is spoken. Source: AWS IoT Core, MQTT over
	// WebSocket.
	webPath = "/mqtt"
	// webHeader is how long the header of the request may be, webBuffer how much
	// of a message is read or written at once.
	webHeader = 8 << 10
	webBuffer = 1 << 10
)

// web lets devices in that speak MQTT over WebSocket: they come from the
// handshake of TLS and go on as any other.
type web struct {
	gateway *Gateway
	server  *http.Server
	coming  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// peerKey is where the peer of a request is in its context.
type peerKey struct{}

func newWeb(g *Gateway) *web {
	w := &web{gateway: g, coming: make(chan net.Conn), closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+webPath, w.upgrade)
	w.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: g.Limits.Greeting, MaxHeaderBytes: webHeader, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if p, ok := c.(*webConn); ok {
				return context.WithValue(ctx, peerKey{}, p)
			}
			return ctx
		},
	}
	w.server.SetKeepAlivesEnabled(false)
	return w
}

// webConn is a peer as a connection of HTTP.
type webConn struct {
	*peer
	once sync.Once
	done chan struct{} // closed when HTTP has done with it
}

// Close ends the connection.
func (c *webConn) Close() error {
	c.leave()
	c.finish()
	return nil
}

func (c *webConn) finish() { c.once.Do(func() { close(c.done) }) }

// serve has HTTP speak with a peer, and returns when it goes on as MQTT or has
// ended.
func (w *web) serve(p *peer) {
	c := &webConn{peer: p, done: make(chan struct{})}
	select {
	case w.coming <- c:
		<-c.done
	case <-w.closed:
		p.leave()
	}
}

// run answers requests until close.
func (w *web) run() { _ = w.server.Serve(w) }

// close ends the connections that were not upgraded yet.
func (w *web) close() {
	w.once.Do(func() { close(w.closed) })
	_ = w.server.Close()
}

// Accept implements [net.Listener].
func (w *web) Accept() (net.Conn, error) {
	select {
	case c := <-w.coming:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (w *web) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// Addr implements [net.Listener].
func (w *web) Addr() net.Addr { return &net.TCPAddr{} }

// upgrade goes on with a request as MQTT over WebSocket. The origin of a page is
// of no concern: who connects has shown a certificate.
func (w *web) upgrade(response http.ResponseWriter, request *http.Request) {
	c, ok := request.Context().Value(peerKey{}).(*webConn)
	if !ok {
		http.Error(response, "no device", http.StatusInternalServerError)
		return
	}
	upgrader := websocket.Upgrader{
		Subprotocols: []string{"mqtt"}, ReadBufferSize: webBuffer, WriteBufferSize: webBuffer,
		HandshakeTimeout: time.Until(c.greeting), CheckOrigin: func(*http.Request) bool { return true },
	}
	// [MQTT-6.0.0-3]: the client must offer the subprotocol.
	if !offers(request, "mqtt") {
		http.Error(response, "the subprotocol mqtt is needed", http.StatusBadRequest)
		return
	}
	conn, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return // the answer says why
	}
	conn.SetReadLimit(int64(w.gateway.Limits.Device.Packet) + webBuffer)
	p := *c.peer
	stream := newWebStream(conn, p.socket)
	p.Conn = stream
	g := w.gateway
	g.connections.Go(stream.pump)
	g.connections.Go(func() { g.guard(&p, g.converse) })
	c.finish()
}

func offers(r *http.Request, protocol string) bool {
	for _, p := range websocket.Subprotocols(r) {
		if p == protocol {
			return true
		}
	}
	return false
}

// webStream is MQTT over WebSocket as a stream of bytes: packets and messages
// have nothing to do with each other (MQTT 5, section 6). A goroutine of its own
// reads, because a connection of WebSocket cannot be read after a deadline, and
// who enforces rights uses deadlines to be woken.
type webStream struct {
	net.Conn // what was read, for who reads
	in       net.Conn
	web      *websocket.Conn
	socket   net.Conn // TCP
	writing  sync.Mutex
	deadline atomic.Pointer[time.Time] // of writing
}

func newWebStream(c *websocket.Conn, socket net.Conn) *webStream {
	out, in := net.Pipe()
	s := &webStream{Conn: out, in: in, web: c, socket: socket}
	s.deadline.Store(&time.Time{})
	return s
}

// pump passes on what arrives until it ends.
func (s *webStream) pump() {
	defer closeQuietly(s.in)
	buffer := make([]byte, webBuffer)
	for {
		kind, r, err := s.web.NextReader()
		if err != nil {
			return
		}
		if kind != websocket.BinaryMessage { // [MQTT-6.0.0-1]
			return
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{s.in}, struct{ io.Reader }{r}, buffer); err != nil {
			return
		}
	}
}

// Write sends bytes as one message.
func (s *webStream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.web.SetWriteDeadline(*s.deadline.Load())
	if err := s.web.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline sets both deadlines.
func (s *webStream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline holds for what is written to the device, also at this moment.
func (s *webStream) SetWriteDeadline(t time.Time) error {
	s.deadline.Store(&t)
	return s.socket.SetWriteDeadline(t)
}

// Close ends both sides.
func (s *webStream) Close() error {
	_ = s.Conn.Close()
	return s.web.Close()
}

// unread ends the reading side: nobody reads any more.
func (s *webStream) unread() { _ = s.Conn.Close() }

// LocalAddr is that of the socket.
func (s *webStream) LocalAddr() net.Addr { return s.web.LocalAddr() }

// RemoteAddr is that of the socket.
func (s *webStream) RemoteAddr() net.Addr { return s.web.RemoteAddr() }
