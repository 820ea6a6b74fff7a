package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

var (
	home  = fleet.Scope{Account: "000000000000", Region: "us-east-1"}
	other = fleet.Scope{Account: "111111111111", Region: "us-east-1"}
)

// domain is what stands behind the names of endpoints in tests.
const domain = "iot.test"

// patience is how long a test waits for what takes milliseconds.
const patience = time.Minute

// allowAll is a policy that allows everything.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// registry is a registry in memory, with a feed of its changes.
type registry struct {
	mu        sync.Mutex
	certs     map[fleet.Scope]map[string]*fleet.Certificate
	policies  map[fleet.Scope]map[string][]string // of a certificate: names of policies
	documents map[fleet.Scope]map[string][]string // versions of a policy, from 1
	things    map[fleet.Scope]map[string]*fleet.Thing
	disabled  map[string]bool
	failing   error
	reads     int // of devices
	compiled  int // documents that were asked for
	// reading is called, if it is set, in a reading of devices, after the state was
	// looked at.
	reading func(refs []fleet.DeviceRef)

	feed chan []fleet.RightChange
	seq  int64
}

func newRegistry() *registry {
	return &registry{
		certs: map[fleet.Scope]map[string]*fleet.Certificate{}, policies: map[fleet.Scope]map[string][]string{},
		documents: map[fleet.Scope]map[string][]string{}, things: map[fleet.Scope]map[string]*fleet.Thing{},
		disabled: map[string]bool{}, feed: make(chan []fleet.RightChange, 10_000),
	}
}

// change changes the registry and tells of it.
func (r *registry) change(scope fleet.Scope, kind fleet.RightKind, names []string, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if do != nil {
		do()
	}
	r.seq++
	r.feed <- []fleet.RightChange{{Seq: r.seq, Scope: scope, Kind: kind, Names: names}}
}

func (r *registry) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

func (r *registry) register(scope fleet.Scope, leaf *x509.Certificate, status fleet.Status, policies ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := sha256.Sum256(leaf.Raw)
	id := hex.EncodeToString(sum[:])
	put(r.certs, scope, id, &fleet.Certificate{ID: id, Status: status, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter})
	put(r.policies, scope, id, policies)
	return id
}

func put[V any](m map[fleet.Scope]map[string]V, scope fleet.Scope, name string, v V) {
	if m[scope] == nil {
		m[scope] = map[string]V{}
	}
	m[scope][name] = v
}

// policy gives a policy another version, which is in force.
func (r *registry) policy(scope fleet.Scope, name, document string) {
	r.change(scope, fleet.RightPolicy, []string{name}, func() {
		put(r.documents, scope, name, append(r.documents[scope][name], document))
	})
}

func (r *registry) setStatus(scope fleet.Scope, id string, status fleet.Status) {
	r.change(scope, fleet.RightCertificate, []string{id}, func() {
		c := *r.certs[scope][id]
		c.Status = status
		r.certs[scope][id] = &c
	})
}

func (r *registry) Devices(_ context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	r.mu.Lock()
	if r.failing != nil {
		defer r.mu.Unlock()
		return nil, r.failing
	}
	r.reads += len(refs)
	list := make([]fleet.Device, len(refs))
	for i, ref := range refs {
		d := &list[i]
		d.Certificate, d.AccountDisabled = r.certs[scope][ref.Certificate], r.disabled[scope.Account]
		d.Thing = r.things[scope][ref.ClientID]
		for _, name := range r.policies[scope][ref.Certificate] {
			d.Policies = append(d.Policies, fleet.PolicyRef{Name: name, Seq: 1, Version: int64(len(r.documents[scope][name]))})
		}
	}
	reading := r.reading
	r.mu.Unlock()
	if reading != nil {
		reading(refs)
	}
	return list, nil
}

func (r *registry) Bars(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	list, err := r.Devices(ctx, scope, refs)
	for i, d := range list {
		list[i] = fleet.Device{Certificate: d.Certificate, AccountDisabled: d.AccountDisabled}
	}
	return list, err
}

func (r *registry) PolicyDocuments(_ context.Context, scope fleet.Scope, refs []fleet.PolicyRef) (
	list []fleet.PolicyVersion, err error,
) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		if v := r.documents[scope][ref.Name]; ref.Version >= 1 && int(ref.Version) <= len(v) {
			r.compiled++
			list = append(list, fleet.PolicyVersion{
				Seq: ref.Seq, Policy: ref.Name, Version: ref.Version, Document: v[ref.Version-1],
			})
		}
	}
	return list, nil
}

// Next implements [Feed].
func (r *registry) Next(ctx context.Context) ([]fleet.RightChange, bool, error) {
	r.mu.Lock()
	err := r.failing
	r.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	select {
	case changes := <-r.feed:
		return changes, false, nil
	case <-time.After(20 * time.Millisecond):
		return nil, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// hub is a broker that knows QoS 0 and 1, subscriptions, and nothing else.
type hub struct {
	mu        sync.Mutex
	devices   map[net.Conn]*hubDevice
	forgotten []string
}

type hubDevice struct {
	scope   fleet.Scope
	filters []string
	version mqtt.Version
}

func newHub() *hub { return &hub{devices: map[net.Conn]*hubDevice{}} }

func (h *hub) Serve(scope fleet.Scope, conn net.Conn) error {
	defer conn.Close()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.devices, conn)
	}()
	reader := mqtt.NewReader(conn, 1<<20)
	version := mqtt.V311
	for {
		f, err := reader.ReadFrame()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		p, err := mqtt.Decode(f, version)
		if err != nil {
			return err
		}
		var answer mqtt.Packet
		switch p := p.(type) {
		case *mqtt.Connect:
			version = p.Version
			h.mu.Lock()
			h.devices[conn] = &hubDevice{scope: scope, version: version}
			h.mu.Unlock()
			answer = &mqtt.Connack{}
		case *mqtt.Subscribe:
			h.mu.Lock()
			ack := &mqtt.Suback{Kind: mqtt.TypeSuback, ID: p.ID}
			for _, s := range p.Filters {
				h.devices[conn].filters = append(h.devices[conn].filters, s.Filter)
				ack.Codes = append(ack.Codes, 0)
			}
			h.mu.Unlock()
			answer = ack
		case *mqtt.Publish:
			if p.QoS == 1 {
				answer = &mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID}
			}
			_ = h.Publish(context.Background(), scope, p)
		case *mqtt.Ping:
			answer = &mqtt.Ping{Kind: mqtt.TypePingresp}
		case *mqtt.Disconnect:
			return nil
		}
		if answer != nil {
			raw, _ := answer.AppendTo(nil, version)
			if _, err := conn.Write(raw); err != nil {
				return err
			}
		}
	}
}

func (h *hub) Publish(_ context.Context, scope fleet.Scope, m *mqtt.Publish) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn, d := range h.devices {
		if d.scope != scope || !slices.ContainsFunc(d.filters, func(f string) bool { return mqtt.Match(f, m.Topic) }) {
			continue
		}
		raw, err := (&mqtt.Publish{Topic: m.Topic, Payload: m.Payload}).AppendTo(nil, d.version)
		if err != nil {
			return err
		}
		_, _ = conn.Write(raw)
	}
	return nil
}

func (h *hub) Forget(_ context.Context, _ fleet.Scope, clientID string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgotten = append(h.forgotten, clientID)
	return nil
}

func (h *hub) Close(context.Context) error { return nil }

// log keeps events.
type eventLog struct {
	mu     sync.Mutex
	events []*Event
}

func (l *eventLog) Wants(fleet.Scope, EventType) bool { return true }

func (l *eventLog) Observe(e *Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// of returns the events of a type about a client.
func (l *eventLog) of(t EventType, clientID string) (list []*Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Type == t && e.ClientID == clientID {
			list = append(list, e)
		}
	}
	return list
}

// bench is a gateway under test.
type testGateway struct {
	*Gateway
	registry *registry
	hub      *hub
	log      *eventLog
	address  string
	roots    *x509.CertPool
	ca       *fixture.CA
	stop     func()
}

// start runs a gateway until the test ends.
func start(t testing.TB, edit func(*Options)) *testGateway {
	t.Helper()
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Test CA"})
	if err != nil {
		t.Fatal(err)
	}
	g := &testGateway{registry: newRegistry(), hub: newHub(), log: &eventLog{}, roots: x509.NewCertPool(), ca: ca}
	g.roots.AppendCertsFromPEM([]byte(ca.PEM))
	server := g.issue(t, fixture.Template{CommonName: "gateway", Edit: func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"*." + domain}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}})
	limits := DefaultLimits()
	limits.AddressRate, limits.ClientRate = 0, 0
	o := Options{
		Registry: g.registry, Feed: g.registry, Broker: g.hub, Observers: []Observer{g.log},
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &server, nil },
		Default:     home, Domain: domain, Node: "node-1", StaleLimit: time.Minute, Limits: limits, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if edit != nil {
		edit(&o)
	}
	if g.Gateway, err = New(o); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = g.Run(ctx) })
	running.Go(func() { _ = g.Serve(ctx, listener) })
	g.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(g.stop)
	return g
}

func (g *testGateway) issue(t testing.TB, template fixture.Template) tls.Certificate {
	t.Helper()
	leaf, err := g.ca.Issue(template)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(leaf.DER)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.DER}, PrivateKey: leaf.Key, Leaf: parsed}
}

// device is a certificate that is registered and ACTIVE in the default scope and
// has the policies named.
func (g *testGateway) device(t testing.TB, policies ...string) (tls.Certificate, string) {
	t.Helper()
	c := g.issue(t, fixture.Template{CommonName: "device"})
	return c, g.registry.register(home, c.Leaf, fleet.Active, policies...)
}

// tls is how a device with a certificate connects to a scope.
func (g *testGateway) config(c tls.Certificate, scope fleet.Scope) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c}, RootCAs: g.roots, ServerName: scope.EndpointName() + "." + domain,
	}
}

// connect connects a device to the default scope.
func (g *testGateway) connect(c tls.Certificate, connect *mqtt.Connect) (*mqtttest.Client, error) {
	return g.connectTo(g.config(c, home), connect)
}

func (g *testGateway) connectTo(cfg *tls.Config, connect *mqtt.Connect) (*mqtttest.Client, error) {
	conn, err := mqtttest.Dial(g.address, cfg)
	if err != nil {
		return nil, err
	}
	d, err := mqtttest.Connect(conn, connect)
	if err != nil {
		_ = conn.Close()
	}
	return d, err
}

// hello is a CONNECT of a version.
func hello(v mqtt.Version, clientID string) *mqtt.Connect {
	return &mqtt.Connect{Version: v, CleanStart: true, KeepAlive: 60, ClientID: clientID}
}

// must connects a device that must be let in.
func (g *testGateway) must(t testing.TB, c tls.Certificate, connect *mqtt.Connect) *mqtttest.Client {
	t.Helper()
	d, err := g.connect(c, connect)
	if err != nil {
		t.Fatal(err)
	}
	if d.Connack.Code != mqtt.Success {
		t.Fatalf("got a CONNACK with %s, want success", d.Connack.Code)
	}
	t.Cleanup(func() { _ = d.Conn.Close() })
	return d
}

// await waits until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to be that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// ends fails unless a device loses its connection, with a reason in MQTT 5.
func ends(t testing.TB, d *mqtttest.Client, want mqtt.ReasonCode) {
	t.Helper()
	got, err := d.Ended()
	if err != nil {
		t.Fatalf("the connection did not end: %v", err)
	}
	if d.Version == mqtt.V311 {
		want = 0
	}
	if got != want {
		t.Errorf("got a DISCONNECT with %s, want %s", got, want)
	}
}

// lives fails unless a device is still connected.
func lives(t testing.TB, d *mqtttest.Client) {
	t.Helper()
	if err := d.Ping(); err != nil {
		t.Errorf("the connection of another device ended: %v", err)
	}
}

func name(i int) string { return "client-" + strconv.Itoa(i) }

// followed makes changes and waits until the gateway has heard of them.
func (g *testGateway) followed(t testing.TB, change func()) {
	t.Helper()
	change()
	g.registry.mu.Lock()
	last := g.registry.seq
	g.registry.mu.Unlock()
	await(t, "the gateway has heard of the changes", func() bool {
		g.recent.mu.Lock()
		defer g.recent.mu.Unlock()
		return g.recent.next > 0 && g.recent.ring[(g.recent.next-1)%remembered].Seq >= last
	})
}

func templateOf(cn string) fixture.Template { return fixture.Template{CommonName: cn} }

// order is an order about a client id.
func (r *registry) order(scope fleet.Scope, clientID string, o fleet.ClientOrder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	if o.Session != "" && o.Claim == 0 {
		o.Claim = r.seq
	}
	r.feed <- []fleet.RightChange{{
		Seq: r.seq, Scope: scope, Kind: fleet.RightClient, Names: []string{clientID}, Order: &o,
	}}
}
