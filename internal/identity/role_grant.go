package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/policy"
)

// RoleGrant decides what a role may do that Cordon acts as, as it stood when it
// was read.
type RoleGrant struct {
	Role Role

	principal Principal
	trust     *policy.Permissions
	rights    *Rights
	now       time.Time
	region    string
	// tags and policyOf are of resources; what they read once they do not read
	// again.
	tags     func(arn string) (map[string]string, error)
	policyOf func(arn string) (*policy.Permissions, error)
}

// roleSession is the name of the sessions in which Cordon acts as a role.
const roleSession = "cordon"

// Role reads a role and its policies, on tx unless that is nil. It is nil when
// the ARN is of no role of the account. A policy that cannot be read is an
// error: nothing can be decided then.
func (s *Service) Role(ctx context.Context, tx durable.Tx, of RoleFor) (*RoleGrant, error) {
	account, roleARN := of.Account, of.ARN
	arn, ok := ParseARN(roleARN)
	if !ok || arn.Kind != string(OwnerRole) || arn.Account != account {
		return nil, nil
	}
	g, err := s.Policies.Grants(ctx, tx, Grantee{Kind: OwnerRole, Account: account, ARN: roleARN})
	if err != nil || g == nil {
		return nil, err
	}
	trust, err := s.documents.get(documentKey{trust: true, text: g.Role.Trust}, roleARN)
	if err != nil {
		return nil, err
	}
	rights, err := NewRights(g, nil)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", roleARN, err)
	}
	now := s.Now()
	return &RoleGrant{
		Role: *g.Role, trust: trust, rights: rights, now: now,
		region: of.Region,
		principal: Principal{
			Account: Account{ID: account}, Kind: KindAssumedRole, Name: g.Role.Name, ID: g.Role.ID + ":" + roleSession,
			ARN:  "arn:aws:sts::" + account + ":assumed-role/" + g.Role.Name + "/" + roleSession,
			Tags: g.Role.Tags,
			Session: &Session{
				RoleARN: roleARN, RoleID: g.Role.ID, RoleName: g.Role.Name, Name: roleSession, Issued: now,
			},
		},
		tags: remember(func(arn string) (map[string]string, error) {
			return s.Policies.ResourceTags(ctx, tx, arn)
		}),
		policyOf: remember(func(arn string) (*policy.Permissions, error) {
			text, err := s.Policies.ResourcePolicy(ctx, tx, arn)
			if err != nil || text == "" {
				return nil, err
			}
			return s.documents.get(documentKey{text: text}, arn)
		}),
	}, nil
}

// remember returns a function that asks another one once for each name.
func remember[T any](read func(name string) (T, error)) func(name string) (T, error) {
	known := map[string]T{}
	return func(name string) (T, error) {
		if v, ok := known[name]; ok {
			return v, nil
		}
		v, err := read(name)
		if err == nil {
			known[name] = v
		}
		return v, err
	}
}

// Trusts reports whether the role may be assumed by a service, such as
// iot.amazonaws.com, in a request with some values: aws:SourceArn and
// aws:SourceAccount. To name everybody does not name a service.
func (g *RoleGrant) Trusts(service string, values policy.Values) bool {
	d, naming := g.trust.DecideFor(
		policy.Request{
			Action: "sts:AssumeRole", Resource: g.Role.ARN(),
			Values: &trustValues{given: values, service: service, role: &g.Role, now: g.now},
		},
		policy.Subject{Service: service})
	return d == policy.Allowed && naming == policy.ByName
}

// Decide decides what the role may do: by its policies, and by that of the
// resource if it may have one. A resource of another account needs a policy of
// its own that allows it. An error is that nothing was decided.
func (g *RoleGrant) Decide(ask Ask) (Verdict, error) {
	if ask.Resource == "" {
		ask.Resource = "*"
	}
	side := resourceSide{
		subject: g.principal.subject(), foreign: !ownResource(g.principal.Account.ID, ask.Resource),
	}
	if ask.underPolicy() {
		var err error
		if side.policy, err = g.policyOf(ask.Resource); err != nil {
			return Verdict{}, err
		}
	}
	values := requestValues{
		question: &question{Ask: ask, principal: &g.principal, call: Call{Region: g.regionOf(ask.Resource)}, now: g.now},
		tags:     func() (map[string]string, error) { return g.tags(ask.Resource) },
	}
	v := g.rights.decide(policy.Request{Action: ask.Action, Resource: ask.Resource, Values: &values}, side)
	return v, values.err
}

// regionOf is the region that is asked: the resource's, if it has one.
func (g *RoleGrant) regionOf(arn string) string {
	rest, ok := arn, true
	for range 3 { // arn, partition, service
		if _, rest, ok = strings.Cut(rest, ":"); !ok {
			return g.region
		}
	}
	if region, _, ok := strings.Cut(rest, ":"); ok && region != "" {
		return region
	}
	return g.region
}

// trustValues are the values of condition keys when a service assumes a role.
type trustValues struct {
	given   policy.Values
	service string
	role    *Role
	now     time.Time
}

// Lookup returns the values of a folded key.
func (v *trustValues) Lookup(key string) []string {
	if v.given != nil {
		if list := v.given.Lookup(key); len(list) > 0 {
			return list
		}
	}
	for _, prefix := range []string{resourceTag, iamResourceTag} {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			return tagValue(v.role.Tags, name)
		}
	}
	switch key {
	case "aws:principalisawsservice":
		return []string{"true"}
	case "aws:principalservicename":
		return []string{v.service}
	case "aws:resourceaccount":
		return []string{v.role.Account}
	}
	if value, ok := timeValue(key, v.now); ok {
		return []string{value}
	}
	return nil
}
