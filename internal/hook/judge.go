package hook

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	// policyMemory is how many versions of policies are kept compiled, and
	// identityMemory the values of how many certificates.
	policyMemory, identityMemory = 4096, 4096
	// readAgain is how often the registry is read again when a policy was changed
	// meanwhile.
	readAgain = 3
)

// judge finds out what devices may do.
type judge struct {
	registry   gateway.Registry
	store      Store
	now        func() time.Time
	policies   memory[policyKey, *policy.Compiled]
	identities memory[string, policy.Table]
}

// policyKey names a version of a policy in all scopes.
type policyKey struct {
	scope fleet.Scope
	ref   fleet.PolicyRef
}

func newJudge(cfg Config) *judge {
	return &judge{
		registry: cfg.Registry, store: cfg.Store, now: cfg.Now,
		policies:   memory[policyKey, *policy.Compiled]{most: policyMemory},
		identities: memory[string, policy.Table]{most: identityMemory},
	}
}

// memory keeps what never changes: any one goes when there are too many.
type memory[K comparable, V any] struct {
	most int
	mu   sync.Mutex
	has  map[K]V
}

func (m *memory[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.has[key]
	return v, ok
}

func (m *memory[K, V]) put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.has == nil {
		m.has = map[K]V{}
	}
	if _, known := m.has[key]; !known && len(m.has) >= m.most {
		for other := range m.has {
			delete(m.has, other)
			break
		}
	}
	m.has[key] = v
}

// device is what a broker says of a device.
type device struct {
	certificate string     // its id
	clientID    string     // "" when the broker does not say it
	address     netip.Addr // not valid when the broker does not say it
}

// rights is what a device may do now.
type rights struct {
	scope       fleet.Scope
	device      device
	certificate *fleet.Certificate
	policies    []*policy.Compiled
	values      policy.Table
}

// rights reads what a device may do. It is denied with a certificate that may
// not connect at all.
func (j *judge) rights(ctx context.Context, scope fleet.Scope, d device) (*rights, error) {
	ref := fleet.DeviceRef{Certificate: d.certificate, ClientID: d.clientID}
	for range readAgain {
		list, err := j.registry.Devices(ctx, scope, []fleet.DeviceRef{ref})
		if err != nil {
			return nil, fmt.Errorf("read device: %w", err)
		}
		if len(list) != 1 {
			return nil, fmt.Errorf("read device: got %d of 1", len(list))
		}
		found := &list[0]
		if bar := found.Bar(j.now()); bar != fleet.Unbarred {
			return nil, errDenied(string(bar))
		}
		r := &rights{scope: scope, device: d, certificate: found.Certificate}
		complete, err := j.compile(ctx, r, found.Policies)
		if err != nil {
			return nil, err
		}
		if complete {
			r.values, err = j.values(ctx, scope, d, found.Thing)
			return r, err
		}
	}
	return nil, errDenied("its policies keep changing")
}

// compile gives rights their policies. It is not complete when one of them is
// gone, which was in force when the device was read.
func (j *judge) compile(ctx context.Context, r *rights, refs []fleet.PolicyRef) (complete bool, err error) {
	var missing []fleet.PolicyRef
	for _, ref := range refs {
		if c, ok := j.policies.get(policyKey{r.scope, ref}); ok {
			r.policies = append(r.policies, c)
		} else {
			missing = append(missing, ref)
		}
	}
	if len(missing) == 0 {
		return true, nil
	}
	list, err := j.registry.PolicyDocuments(ctx, r.scope, missing)
	if err != nil {
		return false, fmt.Errorf("read policies: %w", err)
	}
	for _, v := range list {
		doc, err := policy.Parse(v.Document)
		if err != nil {
			return false, fmt.Errorf("read version %d of policy %q: %w", v.Version, v.Policy, err)
		}
		c := policy.NewCompiled(doc)
		r.policies = append(r.policies, c)
		j.policies.put(policyKey{r.scope, fleet.PolicyRef{Name: v.Policy, Seq: v.Seq, Version: v.Version}}, c)
	}
	return len(list) == len(missing), nil
}

// values are what policies can know of a connection.
func (j *judge) values(ctx context.Context, scope fleet.Scope, d device, thing *fleet.Thing) (policy.Table, error) {
	identity, ok := j.identities.get(d.certificate)
	if !ok {
		c, err := j.store.Certificate(ctx, scope, d.certificate)
		if fault.Is(err, fault.NotFound) {
			return nil, errDenied(string(fleet.BarUnknown))
		}
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		parsed, err := pki.ParseCertificate(c.PEM)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", d.certificate, err)
		}
		identity = policy.Table{}
		for key, values := range parsed.PolicyValues() {
			identity.Set(key, values...)
		}
		j.identities.put(d.certificate, identity)
	}
	c := fleet.Connection{ClientID: d.clientID, Time: j.now(), Thing: thing}
	if d.address.IsValid() {
		c.SourceIP = d.address.Unmap().String()
	}
	values := c.Values()
	for key, list := range identity {
		values[key] = list
	}
	return values, nil
}

// asking are the values of one decision. It notes that a policy asked for what
// the broker did not say, so that nobody knows what it would have decided.
type asking struct {
	policy.Table
	attributes []string // of an iot:Connect
	unknown    bool
}

var (
	keyAttributes = policy.FoldKey("iot:ConnectAttributes")
	keyAddress    = policy.FoldKey("aws:SourceIp")
)

// Lookup implements [policy.Values].
func (a *asking) Lookup(key string) []string {
	if key == keyAttributes {
		return a.attributes
	}
	list := a.Table.Lookup(key)
	a.unknown = a.unknown || key == keyAddress && len(list) == 0
	return list
}

// decide returns what the policies say, an explicit denial where that depends on
// what the broker did not say.
func (r *rights) decide(action, resource string, attributes ...string) policy.Decision {
	a := &asking{Table: r.values, attributes: attributes}
	d := policy.Decide(policy.Request{Action: action, Resource: resource, Values: a}, r.policies...)
	if a.unknown {
		return policy.ExplicitDeny
	}
	return d
}

func (r *rights) allows(action, kind, name string) bool {
	return r.decide(action, r.scope.ARN(kind, name)) == policy.Allowed
}

// The values of iot:ConnectAttributes that a connection may have together.
var connectAttributes = [][]string{nil, {"LastWill"}, {"PersistentConnect"}, {"LastWill", "PersistentConnect"}}

// connect denies a client id that may not connect. Brokers do not say whether
// there is a will and whether the session is kept, so that it must be allowed
// whatever it has.
func (r *rights) connect() error {
	if r.device.clientID == "" {
		return errDenied("there is no client id")
	}
	for _, attributes := range connectAttributes {
		if r.decide("iot:Connect", r.scope.ARN("client", r.device.clientID), attributes...) != policy.Allowed {
			return errDenied("iot:Connect is not allowed")
		}
	}
	return nil
}

// receive reports whether all messages that a filter may bring are allowed, since
// brokers do not ask when they deliver them.
func (r *rights) receive(filter string) bool {
	for _, pattern := range topicsOf(filter) {
		p, err := policy.Compile(policy.Escape(r.scope.ARN("topic", "")) + pattern)
		a := &asking{Table: r.values}
		if err != nil || !policy.AllowsAll("iot:Receive", p, a, r.policies...) || a.unknown {
			return false
		}
	}
	return true
}

// topicsOf returns patterns of the policy language that match every topic which
// a filter covers.
func topicsOf(filter string) []string {
	if filter == "#" {
		return []string{"*"}
	}
	above, below := strings.CutSuffix(filter, "/#")
	levels := strings.Split(above, "/")
	for i, level := range levels {
		if levels[i] = policy.Escape(level); level == "+" {
			levels[i] = "*"
		}
	}
	pattern := strings.Join(levels, "/")
	if below {
		return []string{pattern, pattern + "/*"}
	}
	return []string{pattern}
}
