package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/broker"
	"github.com/cordon-iot/cordon/internal/gateway/enforce"
	"github.com/cordon-iot/cordon/internal/gateway/webstream"
)

// Options are what a gateway is made of. Members that may be left out say so.
type Options struct {
	Registry Registry
	Feed     Feed
	Broker   broker.Broker
	// Registrar is nil where certificates are never registered just in time.
	Registrar Registrar
	// Orders is nil where no other node shares the registry.
	Orders    Orders
	Observers []Observer
	// Metrics may be nil.
	Metrics Metrics
	// Certificate is that of the server for who says hello, as in [tls.Config].
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Default is the scope of devices that name no known endpoint below Domain.
	Default fleet.Scope
	Domain  string
	// Prefix and Username are what a broker that scopes share is given of them;
	// either may be nil.
	Prefix   func(fleet.Scope) string
	Username func(scope fleet.Scope, certificate, clientID string) string
	// Node is the id of this process among those that share the registry.
	Node string
	// StaleLimit is how long connections live on while their rights cannot be
	// read. After it they are dropped, spread over as long again.
	StaleLimit time.Duration
	Limits     Limits
	Now        func() time.Time
	Log        *slog.Logger
}

// Limits bound what devices may cost. A number that is 0 or less is no limit
// where its comment says so.
type Limits struct {
	// Pending is how many connections may be on their way to being authorised:
	// more wait in the queue of the operating system. PendingPerAddress is how many
	// of them one address may have: more are closed. 0 is no limit.
	Pending, PendingPerAddress int
	// Greeting is the time from the first byte of the handshake to an authorised
	// CONNECT.
	Greeting time.Duration
	// AddressRate is how many connections a second an address may begin (of IPv6,
	// a network of 64 bits), ClientRate how many an authorised client id. Bursts may
	// have AddressBurst and ClientBurst. A rate of 0 is no limit.
	AddressRate, ClientRate   float64
	AddressBurst, ClientBurst int
	// HeldWills is how many wills may wait for their delay; more are sent at once.
	HeldWills int
	// Device are the limits of each connection.
	Device enforce.Limits
}

// DefaultLimits are those of AWS IoT Core where it has such, and otherwise far
// above what a device needs.
func DefaultLimits() Limits {
	return Limits{
		Pending: 1024, PendingPerAddress: 512, Greeting: 10 * time.Second,
		AddressRate: 200, AddressBurst: 2000, ClientRate: 5, ClientBurst: 20,
		HeldWills: 100_000,
		Device:    enforce.DefaultLimits(),
	}
}

// Registrar registers certificates just in time.
type Registrar interface {
	// RegisterJustInTime registers the first certificate of a chain that a device
	// showed, if a CA of the scope that is ACTIVE and registers automatically has
	// signed it, as PENDING_ACTIVATION, and says which CA that was. Otherwise it is
	// a NotFound fault. A certificate that is registered already is an Exists fault.
	RegisterJustInTime(ctx context.Context, scope fleet.Scope, chain []*x509.Certificate) (caID string, err error)
}

// Orders reaches the gateways of all nodes.
type Orders interface {
	// WriteClientOrder writes an entry about client ids to the feed, and returns
	// the claim of the session that it names: a later one is higher, on whatever
	// node.
	WriteClientOrder(ctx context.Context, scope fleet.Scope, clientIDs []string, order fleet.ClientOrder) (
		claim int64, err error)
}

// Metrics counts what the gateway does. Its methods must not wait.
type Metrics interface {
	// Connect counts an attempt, by how it ended: "accepted", or why it was not.
	Connect(result string)
	// Disconnect counts the end of a connection.
	Disconnect(reason string)
	// Kicked counts a connection that the gateway ended, by why.
	Kicked(why string)
	// Packet counts a message from a device (in) or to one.
	Packet(in bool)
	// Overflow counts a connection that took messages too slowly.
	Overflow()
}

// Gateway lets devices in and keeps watch over them. Its methods may be called
// at the same time.
type Gateway struct {
	Options
	tls      *tls.Config
	reader   *reader // of what decides about a CONNECT
	bars     *reader // of what decides about a handshake
	policies *policies
	index    *index
	clients  *clients
	recent   recent
	judge    *judge
	rush     rush
	trouble  trouble
	expiry   expiry
	wills    *wills
	stored   *stored
	events   chan outgoing
	dropped  atomic.Int64 // events
	claims   chan *session
	arrivals *arrivals
	greeters chan *peer // to a goroutine that has nothing to do
	web      *webstream.Upgrader
	// connections are all goroutines of connections, however far they came, and
	// errands what they leave to be done.
	connections, errands sync.WaitGroup
	ending               sync.Mutex // held to begin serving, and to stop
	sessions             atomic.Int64
	// stopping ends when no more connections are let in, root when the last one is
	// to be gone.
	stopping, root context.Context
	stop, kill     context.CancelFunc
}

// New returns a gateway without a listener. Run must be called for it to follow
// the feed.
func New(o Options) (*Gateway, error) {
	switch {
	case o.Registry == nil || o.Feed == nil || o.Broker == nil || o.Certificate == nil:
		return nil, errors.New("a gateway needs a registry, a feed, a broker and a server certificate")
	case o.StaleLimit <= 0 || o.Limits.Greeting <= 0:
		return nil, errors.New("a gateway needs a stale limit and a time for greetings")
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	g := &Gateway{
		Options: o, policies: newPolicies(o.Registry, o.Log), index: newIndex(), clients: newClients(),
		events: make(chan outgoing, maxOutgoing), claims: make(chan *session, maxClaims),
		arrivals: newArrivals(o.Limits, o.Now), greeters: make(chan *peer), stored: newStored(o.Now),
	}
	g.root, g.kill = context.WithCancel(context.Background())
	g.stopping, g.stop = context.WithCancel(g.root)
	busy := func() bool { return len(g.arrivals.places) >= manyPending }
	g.reader, g.bars = newReader(g.root, o.Registry.Devices, busy), newReader(g.root, o.Registry.Bars, busy)
	g.judge = newJudge(g)
	g.wills = newWills(g)
	g.trouble.init()
	g.tls = g.newTLS()
	g.web = webstream.New(webPath, o.Limits.Greeting, o.Limits.Device.Packet)
	return g, nil
}

// noMetrics counts nothing.
type noMetrics struct{}

func (noMetrics) Connect(string)    {}
func (noMetrics) Disconnect(string) {}
func (noMetrics) Kicked(string)     {}
func (noMetrics) Packet(bool)       {}
func (noMetrics) Overflow()         {}

// Connections is how many sessions there are.
func (g *Gateway) Connections() int { return int(g.sessions.Load()) }

// Connected reports whether a client id is connected to this node.
func (g *Gateway) Connected(scope fleet.Scope, clientID string) bool {
	return len(g.index.at(place{scope, fleet.RightClient, clientID})) > 0
}

// scopeOf is the account and region that a server name stands for: the default
// ones where it is unknown, an address, or none.
func (g *Gateway) scopeOf(serverName string) fleet.Scope {
	if scope, ok := fleet.ParseEndpointName(g.Domain, serverName); ok {
		return scope
	}
	return g.Default
}

// closeQuietly closes what nothing more is expected of.
func closeQuietly(c net.Conn) { _ = c.Close() }
