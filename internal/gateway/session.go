package gateway

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/enforce"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/policy"
)

// ending is why a connection ends by the gateway's decision.
type ending struct {
	code   mqtt.ReasonCode // told to a device that speaks MQTT 5
	reason fleet.DisconnectReason
	why    string // for events and metrics
	by     string // the session that took the client id over
}

// The endings that rights lead to. Sources: MQTT 5, section 2.4; AWS IoT,
// lifecycle events.
var (
	endUnknown = &ending{mqtt.AdministrativeAction, fleet.DisconnectAuthError, "certificate_unknown", ""}
	endStatus  = &ending{mqtt.AdministrativeAction, fleet.DisconnectAuthError, "certificate_not_active", ""}
	endInvalid = &ending{mqtt.NotAuthorized, fleet.DisconnectAuthError, "certificate_not_valid_now", ""}
	endAccount = &ending{mqtt.AdministrativeAction, fleet.DisconnectForbidden, "account_disabled", ""}
	endConnect = &ending{mqtt.NotAuthorized, fleet.DisconnectAuthError, "connect_not_allowed", ""}
	endFilter  = &ending{mqtt.NotAuthorized, fleet.DisconnectAuthError, "subscription_not_allowed", ""}
	endStale   = &ending{mqtt.ServerBusy, fleet.DisconnectServerError, "rights_unreadable", ""}
	endOrder   = &ending{mqtt.AdministrativeAction, fleet.DisconnectByServer, "ordered", ""}
	endClosing = &ending{mqtt.ServerShuttingDown, fleet.DisconnectByServer, "shutting_down", ""}
)

// endTakenOver is the ending of a session whose client id another one has now.
func endTakenOver(by string) *ending {
	return &ending{mqtt.SessionTakenOver, fleet.DisconnectDuplicateClient, "taken_over", by}
}

// resources are the beginnings of ARNs of a scope.
type resources struct {
	client, topic, filter string
}

func newResources(scope fleet.Scope) *resources {
	return &resources{client: scope.ARN("client", ""), topic: scope.ARN("topic", ""), filter: scope.ARN("topicfilter", "")}
}

// session is a device with its CONNECT, from when it is looked at on.
type session struct {
	gateway     *Gateway
	id          string
	scope       fleet.Scope
	certificate string
	clientID    string
	address     netip.AddrPort
	protocol    string
	version     mqtt.Version
	notAfter    time.Time
	began       time.Time
	resources   *resources
	identity    policy.Table  // the values of the certificate
	attributes  []string      // how it connects
	assigned    bool          // the client id was made here
	socket      net.Conn      // TCP
	gone        chan struct{} // closed when nothing of it is left

	current  atomic.Pointer[rights]
	readings atomic.Int64 // of the registry that were begun for it
	waiting  atomic.Bool  // to be judged

	mu      sync.Mutex
	applied int64 // the reading that current is from
	places  []place
	left    bool
	conn    *enforce.Conn // nil until the CONNECT was accepted
	ending  *ending
	noWill  bool
	forget  bool  // the stored session ends with it
	claim   int64 // of the client id, among all nodes; 0 while it is not known
	rival   fleet.ClientOrder
	heap    int // where it is in expiry
}

// Publish implements [enforce.Judge].
func (s *session) Publish(topic string, retain bool) bool {
	r, resource := s.current.Load(), s.resources.topic+topic
	return r != nil && r.allows(actionPublish, resource) && (!retain || r.allows(actionRetainPublish, resource))
}

// Subscribe implements [enforce.Judge]. A shared subscription needs the right
// to the whole filter and to what it shares.
func (s *session) Subscribe(filter string) bool {
	r := s.current.Load()
	return r != nil && r.subscribes(s.resources, filter)
}

func (r *rights) subscribes(names *resources, filter string) bool {
	if !r.allows(actionSubscribe, names.filter+filter) {
		return false
	}
	_, inner, shared := mqtt.ParseShared(filter)
	return !shared || r.allows(actionSubscribe, names.filter+inner)
}

// Receive implements [enforce.Judge].
func (s *session) Receive(topic string) bool {
	r := s.current.Load()
	return r != nil && r.allows(actionReceive, s.resources.topic+topic)
}

// ref is what the registry is asked for.
func (s *session) ref() fleet.DeviceRef {
	return fleet.DeviceRef{Certificate: s.certificate, ClientID: s.clientID}
}

// own are the places that follow from who the session is.
func (s *session) own() []place {
	return []place{
		{s.scope, fleet.RightCertificate, s.certificate}, {s.scope, fleet.RightClient, s.clientID}, accountOf(s.scope),
	}
}

// enter makes the session be found by who it is.
func (s *session) enter() {
	for _, p := range s.own() {
		s.gateway.index.add(p, s)
	}
	s.gateway.expiry.add(s)
}

// leave makes the session be found no more.
func (s *session) leave() {
	s.gateway.expiry.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	for _, p := range append(s.own(), s.places...) {
		s.gateway.index.remove(p, s)
	}
	s.places = nil
}

// reached makes the session be found by what its rights come from. It is to be
// called with mu held.
func (s *session) reached(r *rights) {
	places := r.places(s.scope)
	for _, p := range places {
		if !slices.Contains(s.places, p) {
			s.gateway.index.add(p, s)
		}
	}
	for _, p := range s.places {
		if !slices.Contains(places, p) {
			s.gateway.index.remove(p, s)
		}
	}
	s.places = places
}

// apply gives the session the rights that a reading of the registry, which began
// as the one of this number, came to, and says why it must end, or nil. A
// reading that began before the one that is in force says nothing.
func (s *session) apply(reading int64, d *fleet.Device, found map[fleet.PolicyRef]*policy.Compiled) *ending {
	if e := barred[d.Bar(s.gateway.Now())]; e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if reading < s.applied || s.left {
		return nil
	}
	s.applied = reading
	old := s.current.Load()
	if old.same(d) {
		return nil
	}
	r := s.newRights(d, found)
	// From here on nothing is allowed that is not allowed any more; subscriptions
	// that were are looked for behind it.
	s.current.Store(r)
	s.reached(r)
	if !r.allowsConnect(s.resources.client+s.clientID, s.attributes) {
		return endConnect
	}
	if s.conn == nil {
		return nil
	}
	for _, filter := range s.conn.Subscriptions() {
		if !r.subscribes(s.resources, filter) {
			return endFilter
		}
	}
	return nil
}

func (s *session) newRights(d *fleet.Device, found map[fleet.PolicyRef]*policy.Compiled) *rights {
	r := &rights{now: s.gateway.Now, thing: d.Thing, groups: d.Groups, refs: d.Policies}
	for _, ref := range d.Policies {
		r.policies = append(r.policies, found[ref])
	}
	c := fleet.Connection{ClientID: s.clientID, SourceIP: s.address.Addr().String(), Thing: d.Thing}
	r.values = c.Values()
	maps.Copy(r.values, s.identity)
	return r
}

// barred is how a connection ends that is barred.
var barred = map[fleet.Bar]*ending{
	fleet.BarAccount: endAccount, fleet.BarUnknown: endUnknown, fleet.BarStatus: endStatus, fleet.BarOutOfTime: endInvalid,
}

// end ends the session; the first reason counts. It does not wait for it.
func (s *session) end(e *ending) {
	s.mu.Lock()
	first := s.ending == nil && !s.left
	if first {
		s.ending = e
	}
	conn := s.conn
	s.mu.Unlock()
	if !first {
		return
	}
	s.gateway.Metrics.Kicked(e.why)
	if conn == nil {
		closeQuietly(s.socket)
		return
	}
	conn.Kill(e.code)
}

// adopt gives the session what enforces its rights from now on, and reports
// whether it may go on.
func (s *session) adopt(conn *enforce.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	return s.ending == nil
}

// ended is why the session was ended, or nil.
func (s *session) ended() *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// event is an event about the session.
func (s *session) event(t EventType, ok bool) *Event {
	e := &Event{
		Type: t, Time: s.gateway.Now(), OK: ok, Session: s.id, Scope: s.scope, ClientID: s.clientID,
		Certificate: s.certificate, Address: s.address, Protocol: s.protocol,
	}
	if r := s.current.Load(); r != nil {
		e.Groups = r.groups
		if r.thing != nil {
			e.Thing = r.thing.Name
		}
	}
	return e
}
