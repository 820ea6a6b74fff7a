package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/webstream"
)

// The protocols of ALPN. Source: AWS IoT Core, protocols and port mappings.
const (
	protocolMQTT = "x-amzn-mqtt-ca"
	protocolHTTP = "http/1.1"
)

// webPath is where WebSocket is spoken. Source: AWS IoT Core, MQTT over
// WebSocket.
const webPath = "/mqtt"

// The protocols as events name them.
const (
	overTLS       = "MQTT"
	overWebSocket = "MQTT-WSS"
)

// acceptAgain is how long is waited after a connection could not be accepted,
// as when there are no more file descriptors.
const acceptAgain = 50 * time.Millisecond

// newTLS asks for any certificate, of which the device proves that it has the
// key. Chains are not built: who may connect is in the registry.
func (g *Gateway) newTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: g.Certificate, NextProtos: []string{protocolMQTT, protocolHTTP},
		ClientAuth: tls.RequireAnyClientCert, VerifyConnection: g.verify,
	}
}

// peer is a device whose handshake is done.
type peer struct {
	net.Conn             // TLS, or what is spoken within
	socket      net.Conn // TCP
	scope       fleet.Scope
	certificate string
	leaf        *x509.Certificate
	address     netip.AddrPort
	protocol    string
	greeting    time.Time // when it must be authorised
	release     func()    // gives its place among the pending back
}

// NetConn is the socket, below TLS and WebSocket.
func (p *peer) NetConn() net.Conn { return p.socket }

// socket is the TCP connection of a device.
type socket struct{ net.Conn }

// CloseWrite tells the device that nothing more comes, and leaves who reads the
// socket alone.
func (s socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close tells the device first. Closing alone does that only once the goroutine
// that reads has let go of the socket, and where thousands are closed at once
// that one waits for its turn.
func (s socket) Close() error {
	_ = s.CloseWrite() // it may have been done already
	return s.Conn.Close()
}

// CloseWrite says farewell in TLS. In WebSocket both sides do that.
func (p *peer) CloseWrite() error {
	if conn, ok := p.Conn.(*tls.Conn); ok {
		return conn.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Serve lets devices in that come to a listener, until ctx ends or the listener
// is closed. Errors of accepting are waited out.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	if !g.begin() {
		return l.Close()
	}
	defer g.connections.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.stopping, cancel)()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		select {
		case g.arrivals.places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		switch {
		case err == nil:
			g.arrived(socket{conn})
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		}
		<-g.arrivals.places
		g.Log.Warn("a connection could not be accepted", "err", err)
		select {
		case <-time.After(acceptAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// begin counts somebody who serves among what the end waits for. It reports
// false once that has begun.
func (g *Gateway) begin() bool {
	g.ending.Lock()
	defer g.ending.Unlock()
	if g.stopping.Err() != nil {
		return false
	}
	g.connections.Add(1)
	return true
}

// arrived begins the handshake with who has a place, in a goroutine that has
// done its work when the device was let in: that needs a large stack, which the
// next device finds there; waiting for packets does not.
func (g *Gateway) arrived(conn socket) {
	address, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	address = netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	refused := "address_unknown"
	var release func()
	if err == nil && g.stopping.Err() == nil {
		release, refused = g.arrivals.admit(address.Addr())
	}
	if release == nil {
		<-g.arrivals.places
		g.Metrics.Connect(refused)
		closeQuietly(conn)
		return
	}
	p := &peer{socket: conn, address: address, release: release, greeting: time.Now().Add(g.Limits.Greeting)}
	select {
	case g.greeters <- p:
	default:
		g.connections.Go(func() { g.greeter(p) })
	}
}

// greeterRest is how long a goroutine that let a device in waits for the next one.
const greeterRest = time.Second

// greeter lets devices in, one after the other, until none comes for a while.
func (g *Gateway) greeter(p *peer) {
	idle := time.NewTimer(greeterRest)
	defer idle.Stop()
	for {
		g.guard(p, g.greet)
		p = nil
		idle.Reset(greeterRest)
		select {
		case p = <-g.greeters:
		case <-idle.C:
			return
		case <-g.stopping.Done():
			return
		}
	}
}

// guard does something with a device: what panics costs this connection alone.
func (g *Gateway) guard(p *peer, do func(*peer)) {
	defer func() {
		if v := recover(); v != nil {
			g.Log.Error("a connection ended by a defect", "address", p.address, "panic", v, "stack", string(debug.Stack()))
			p.leave()
		}
	}()
	do(p)
}

// leave ends the connection.
func (p *peer) leave() {
	p.release()
	if p.Conn != nil {
		// A farewell must not wait for who does not read.
		_ = p.socket.SetWriteDeadline(time.Now().Add(farewell))
		closeQuietly(p.Conn)
	}
	closeQuietly(p.socket)
}

// handedOver leaves the end of the connection to who enforces rights on it: a
// last packet may still be on its way.
func (p *peer) handedOver() {
	if w, ok := p.Conn.(*webstream.Stream); ok {
		w.Unread()
	}
}

// farewell is how long a last packet may take.
const farewell = 250 * time.Millisecond

// greet makes the handshake and goes on with the protocol that was agreed on.
func (g *Gateway) greet(p *peer) {
	_ = p.socket.SetDeadline(p.greeting)
	conn := tls.Server(p.socket, g.tls)
	p.Conn = conn
	// A context given to the handshake would cost a goroutine.
	defer context.AfterFunc(g.root, func() { closeQuietly(p.socket) })()
	if err := conn.HandshakeContext(context.Background()); err != nil {
		var r *refusal
		if !errors.As(err, &r) { // otherwise it was counted
			g.Metrics.Connect("handshake")
			g.Log.Debug("a handshake failed", "address", p.address, "err", err)
		} else {
			g.refused(r, &Event{Scope: r.scope, Certificate: r.certificate, Address: p.address, Protocol: overTLS})
		}
		p.leave()
		return
	}
	state := conn.ConnectionState()
	p.leaf = state.PeerCertificates[0]
	p.scope, p.certificate = g.scopeOf(state.ServerName), fingerprint(p.leaf)
	if state.NegotiatedProtocol == protocolHTTP {
		stream, err := g.web.Upgrade(p.Conn, p.socket)
		if err != nil {
			g.Metrics.Connect("no_websocket")
			p.leave()
			return
		}
		p.protocol, p.Conn = overWebSocket, stream
		g.connections.Go(stream.Pump)
	} else {
		p.protocol = overTLS
	}
	g.converse(p)
}

// fingerprint is the id of a certificate. Source: AWS IoT, X.509 client
// certificates: the SHA-256 of its DER form.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// refusal is why a device is not let in.
type refusal struct {
	ending
	result      string // for metrics
	text        string // for events
	scope       fleet.Scope
	certificate string
}

// Error is the reason.
func (r *refusal) Error() string { return r.text }

// verify refuses certificates that nobody may connect with. It is called for
// resumed sessions of TLS too. Where the registry cannot be read it refuses
// nobody: what is refused then, with a code that says why, is the CONNECT.
func (g *Gateway) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("no certificate was shown")
	}
	scope, id := g.scopeOf(state.ServerName), fingerprint(state.PeerCertificates[0])
	ctx, cancel := context.WithTimeout(g.root, g.Limits.Greeting)
	defer cancel()
	d, err := g.bars.read(ctx, scope, fleet.DeviceRef{Certificate: id})
	if err != nil {
		g.Log.Warn("a certificate could not be looked up", "certificate", id, "err", err)
		return nil
	}
	e := barred[d.Bar(g.Now())]
	if e == endUnknown {
		g.registerJustInTime(ctx, scope, id, state.PeerCertificates)
	}
	if e == nil {
		return nil
	}
	return &refusal{ending: *e, result: e.why, text: e.why, scope: scope, certificate: id}
}
