package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// ExternalOptions say where an external broker is, and how it is spoken to.
type ExternalOptions struct {
	// URL is tcp://host:port or tls://host:port; mqtt and mqtts are the same. It
	// has no user and no password, so that it can be logged.
	URL string
	// CAFile has the certificates, PEM, that the broker's must come from; "" for
	// those of the system. CertFile and KeyFile are a client certificate for the
	// broker, or "".
	CAFile, CertFile, KeyFile string
	// Username and Password are Cordon's own. Devices that are handed on with a
	// name of their own have that, and this password.
	Username, Password string
	// Node is a part of the client ids of Cordon's own connections.
	Node string
	Log  *slog.Logger
}

const (
	dialPatience = 10 * time.Second
	// writePatience is how long a broker may not take what a device sent.
	writePatience = 30 * time.Second
	// toDevice and toBroker are the sizes of buffers that every connection has.
	toDevice, toBroker = 4 << 10, 1 << 10
)

// External is a broker outside of the process. Every device has a connection of
// its own to it, whose packets have the [SharedPrefix] of their scope.
type External struct {
	o       ExternalOptions
	address string
	tls     *tls.Config // nil for plain TCP
	link    *link

	mu     sync.Mutex
	live   map[string]int // devices by prefixed client id
	conns  map[net.Conn]struct{}
	closed bool

	serving sync.WaitGroup
}

// SharedPrefix is what keeps a scope apart from others in a broker they share.
func SharedPrefix(scope fleet.Scope) string { return scope.Account + "/" + scope.Region + "/" }

// NewExternal returns a broker outside of the process. It is not dialled before
// it is needed. It must be closed.
func NewExternal(o ExternalOptions) (*External, error) {
	e := &External{o: o, live: map[string]int{}, conns: map[net.Conn]struct{}{}}
	if e.o.Log == nil {
		e.o.Log = slog.New(slog.DiscardHandler)
	}
	if err := e.parse(o.URL); err != nil {
		return nil, err
	}
	if e.tls != nil {
		if err := e.trust(); err != nil {
			return nil, err
		}
	} else if o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" {
		return nil, errors.New("certificates for a broker that is not reached by tls://")
	}
	e.link = newLink(e)
	return e, nil
}

func (e *External) parse(raw string) error {
	u, err := url.Parse(raw)
	if err != nil { // Not with its text: there may be a password in it.
		return errors.New("the URL of the broker is none")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" || u.Hostname() == "" {
		return errors.New("the URL of the broker is not tcp://host:port or tls://host:port and nothing else")
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "tls", "mqtts", "ssl":
		port, e.tls = "8883", &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	default:
		return fmt.Errorf("the broker's URL begins with %q, not tcp:// or tls://", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	return nil
}

func (e *External) trust() error {
	if e.o.CAFile != "" {
		pem, err := os.ReadFile(e.o.CAFile)
		if err != nil {
			return fmt.Errorf("read the CA of the broker: %w", err)
		}
		e.tls.RootCAs = x509.NewCertPool()
		if !e.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("the CA of the broker: %s has no certificate in PEM", e.o.CAFile)
		}
	}
	if e.o.CertFile == "" && e.o.KeyFile == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(e.o.CertFile, e.o.KeyFile)
	if err != nil {
		return fmt.Errorf("read the certificate for the broker: %w", err)
	}
	e.tls.Certificates = []tls.Certificate{pair}
	return nil
}

// dial opens a connection that Close ends. It must be given to hangUp.
func (e *External) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	var conn net.Conn
	var err error
	if e.tls != nil {
		conn, err = (&tls.Dialer{Config: e.tls}).DialContext(ctx, "tcp", e.address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", e.address)
	}
	if err != nil {
		return nil, fmt.Errorf("reach the broker: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	e.conns[conn] = struct{}{}
	return conn, nil
}

func (e *External) hangUp(conn net.Conn) {
	_ = conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, conn)
}

// Serve implements [Broker]. A device is told that the server is unavailable
// when the broker is.
func (e *External) Serve(_ fleet.Scope, device net.Conn) error {
	defer device.Close()
	if !e.begin() {
		refuse(device, mqtt.ServerUnavailable)
		return errClosed
	}
	defer e.serving.Done()
	connect, err := readConnect(device)
	if err != nil {
		return err
	}
	defer e.present(connect.ClientID)()
	conn, err := e.dial(context.Background())
	if err != nil {
		e.o.Log.Warn("a device was refused for want of the broker", "err", err)
		answer(device, connect.Version)
		return err
	}
	defer e.hangUp(conn)
	raw, err := e.withCredentials(connect).AppendTo(nil, connect.Version)
	if err != nil {
		return err
	}
	if _, err := conn.Write(raw); err != nil {
		answer(device, connect.Version)
		return fmt.Errorf("write to the broker: %w", err)
	}
	return join(device, conn)
}

// begin counts a Serve, unless the broker was closed.
func (e *External) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.serving.Add(1)
	}
	return !e.closed
}

// answer tells a device that has no broker.
func answer(device net.Conn, v mqtt.Version) {
	code := mqtt.ServerUnavailable
	if v != mqtt.V5 {
		code = code.Connack311()
	}
	if raw, err := (&mqtt.Connack{Code: code}).AppendTo(nil, v); err == nil {
		_, _ = device.Write(raw)
	}
}

// present counts a device as connected until the function it returns is called.
func (e *External) present(clientID string) func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live[clientID]++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.live[clientID]--; e.live[clientID] == 0 {
			delete(e.live, clientID)
		}
	}
}

// withCredentials is a CONNECT as the broker asks for it.
func (e *External) withCredentials(c *mqtt.Connect) *mqtt.Connect {
	if c.Username == nil && e.o.Username != "" {
		c.Username = &e.o.Username
	}
	if c.Username != nil && e.o.Password != "" {
		c.Password = []byte(e.o.Password)
	}
	return c
}

// join copies in both directions until one ends, and then ends both.
func join(device, conn net.Conn) error {
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(device, onlyReader{conn}, make([]byte, toDevice))
		_ = device.Close()
		_ = conn.Close()
		done <- err
	}()
	_, err := io.CopyBuffer(patient{conn}, device, make([]byte, toBroker))
	_ = conn.Close()
	return errors.Join(err, ignoreClosed(<-done))
}

// ignoreClosed is nil for the error of a connection that was closed here.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// onlyReader hides a method that would have io.Copy use a buffer of its own.
type onlyReader struct{ io.Reader }

// patient writes to a broker that has so much time only.
type patient struct{ conn net.Conn }

// Write implements [io.Writer].
func (p patient) Write(b []byte) (int, error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(writePatience))
	return p.conn.Write(b)
}

// Publish implements [Broker]. It returns when the broker has acknowledged the
// message, and tries again until ctx ends.
func (e *External) Publish(ctx context.Context, scope fleet.Scope, message *mqtt.Publish) error {
	own := *message
	own.Topic = SharedPrefix(scope) + own.Topic
	if topic, ok := own.Properties.Text(mqtt.ResponseTopic); ok {
		own.Properties = own.Properties.SetText(mqtt.ResponseTopic, SharedPrefix(scope)+topic)
	}
	return e.link.publish(ctx, &own)
}

// Forget implements [Broker]: it connects in place of the device with a clean
// session. A device that is connected at another node loses its connection; that
// node's gateway has been told to end it by who asks for this.
func (e *External) Forget(ctx context.Context, scope fleet.Scope, clientID string) error {
	clientID = SharedPrefix(scope) + clientID
	e.mu.Lock()
	live := e.live[clientID] > 0
	e.mu.Unlock()
	if live {
		return nil
	}
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer e.hangUp(conn)
	// In 3.1.1 such a session ends with its connection, whatever the broker's
	// settings are.
	connect := e.withCredentials(&mqtt.Connect{Version: mqtt.V311, CleanStart: true, KeepAlive: 60, ClientID: clientID})
	if _, err := greet(conn, connect); err != nil {
		return fmt.Errorf("end a stored session: %w", err)
	}
	raw, err := (&mqtt.Disconnect{}).AppendTo(nil, mqtt.V311)
	if err == nil {
		_, err = conn.Write(raw)
	}
	return err
}

// Close implements [Broker].
func (e *External) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	for c := range e.conns {
		_ = c.Close()
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.link.close()
		e.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the broker: %w", ctx.Err())
	}
}
