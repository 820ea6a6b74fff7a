package fleet

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/policy"
)

// StandsFor returns the name of the thing that a certificate stands for in a
// connection with a client id, or "": the one that it is attached to
// exclusively, else the attached one whose name is the client id. Attached is
// the attachments of the certificate, or an exclusive one and the one to the
// thing of that name where there are such.
//
// A thing that the certificate is not attached to is never meant, though it is
// named like the client: its groups and values are another device's.
func StandsFor(attached []Attachment, clientID string) (thing string) {
	for _, a := range attached {
		if a.Type == Exclusive {
			return a.Thing
		}
		if a.Thing == clientID {
			thing = a.Thing
		}
	}
	return thing
}

// Holders are what the policies that decide together over a device are attached
// to. An empty name is none of its kind.
type Holders struct {
	Certificate string // an id
	// Thing has the policies of its groups and of their ancestors.
	Thing string
	Group string // with its ancestors
}

// Connection is what policies can know of a connection over MQTT.
type Connection struct {
	ClientID string // "" when it is not known
	SourceIP string // "" when it is not known
	Time     time.Time
	// Thing is what the certificate stands for, or nil.
	Thing       *Thing
	Certificate *pki.Certificate // or nil
}

// Values returns the values of the keys that policies may ask about. What is
// not known has none. Source: AWS IoT Core policy variables.
func (c *Connection) Values() policy.Table {
	v := policy.Table{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	set("iot:ClientId", c.ClientID)
	set("aws:SourceIp", c.SourceIP)
	if !c.Time.IsZero() {
		set("aws:CurrentTime", c.Time.UTC().Format(time.RFC3339))
		set("aws:EpochTime", strconv.FormatInt(c.Time.Unix(), 10))
	}
	if c.Thing != nil || c.ClientID != "" {
		set("iot:Connection.Thing.IsAttached", strconv.FormatBool(c.Thing != nil))
	}
	if c.Thing != nil {
		set("iot:Connection.Thing.ThingName", c.Thing.Name)
		set("iot:Connection.Thing.ThingTypeName", c.Thing.Type)
		for name, value := range c.Thing.Attributes {
			set("iot:Connection.Thing.Attributes["+name+"]", value)
		}
	}
	if c.Certificate != nil {
		for key, values := range c.Certificate.PolicyValues() {
			v.Set(key, values...)
		}
	}
	return v
}

// PolicySet is policies that decide together.
type PolicySet struct {
	names    []string
	compiled []*policy.Compiled
}

// NewPolicySet makes versions of policies, which have their documents, ready
// for deciding.
func NewPolicySet(list []PolicyVersion) (*PolicySet, error) {
	s := &PolicySet{}
	for _, v := range list {
		doc, err := policy.Parse(v.Document)
		if err != nil {
			return nil, fmt.Errorf("read version %d of policy %q: %w", v.Version, v.Policy, err)
		}
		s.names = append(s.names, v.Policy)
		s.compiled = append(s.compiled, policy.NewCompiled(doc))
	}
	return s, nil
}

// Authorization is what policies say about an action on some resources, with
// the names of the policies by what they say. A policy that allows some of the
// resources and denies others is in both lists; those in Silent say nothing
// about any.
type Authorization struct {
	Decision            policy.Decision
	Allow, Deny, Silent []string
	// Missing names the keys that were asked for and have no value.
	Missing []string
}

// Authorize decides an action on some resources: they must all be allowed, and
// one that is denied explicitly makes that the decision. It ends early, with
// the context's error, when nobody waits for it any more.
func (s *PolicySet) Authorize(ctx context.Context, action string, resources []string, values policy.Values) (
	*Authorization, error,
) {
	a := &Authorization{Decision: policy.Allowed}
	allows, denies := make([]bool, len(s.names)), make([]bool, len(s.names))
	for _, arn := range resources {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := policy.Explain(policy.Request{Action: action, Resource: arn, Values: values}, s.compiled...)
		if e.Decision == policy.ExplicitDeny || e.Decision == policy.ImplicitDeny && a.Decision == policy.Allowed {
			a.Decision = e.Decision
		}
		for i, d := range e.Each {
			allows[i] = allows[i] || d == policy.Allowed
			denies[i] = denies[i] || d == policy.ExplicitDeny
		}
		for _, key := range e.Missing {
			if !slices.Contains(a.Missing, key) {
				a.Missing = append(a.Missing, key)
			}
		}
	}
	for i, name := range s.names {
		if allows[i] {
			a.Allow = append(a.Allow, name)
		}
		if denies[i] {
			a.Deny = append(a.Deny, name)
		}
		if !allows[i] && !denies[i] {
			a.Silent = append(a.Silent, name)
		}
	}
	return a, nil
}
