package identity

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/policy"
)

// Grantee names a user or role whose policies are asked for.
type Grantee struct {
	Kind    OwnerKind // OwnerUser or OwnerRole
	Account string
	ID      string // AIDA… or AROA…; "" is whoever has the ARN
	ARN     string // asked about when ID is ""
	// Session are ARNs of policies that bound a session.
	Session []string
}

// Grants is what the policies of a user or role say, as they were at one moment.
type Grants struct {
	User *User // nil for a role
	Role *Role // nil for a user
	// Policies are the inline and attached ones, and for a user those of its
	// groups.
	Policies []GrantedPolicy
	// Boundary is the document of the permissions boundary, nil when there is
	// none.
	Boundary *string
	// Session are the documents of the policies that were asked for by
	// Grantee.Session. One that does not exist any more is missing.
	Session []string
}

// GrantedPolicy is a policy that a user or role holds.
type GrantedPolicy struct {
	Owner    OwnerKind // of the user or role itself, or of one of the user's groups
	Name     string
	ARN      string // of a managed policy; "" for one that is inline
	Document string
}

// Documents returns the documents of the policies.
func (g *Grants) Documents() []string {
	list := make([]string, len(g.Policies))
	for i, p := range g.Policies {
		list[i] = p.Document
	}
	return list
}

// Layer is a kind of policies that is judged by itself.
type Layer string

// The layers, as refusals name them.
const (
	IdentityBased Layer = "identity-based policy"
	Boundary      Layer = "permissions boundary"
	SessionPolicy Layer = "session policy"
	ResourceBased Layer = "resource-based policy"
)

// Verdict is a decision and the layer it was taken in.
type Verdict struct {
	policy.Decision
	By Layer // the one that denies, or that does not allow; "" when allowed
}

// Rights is grants made ready for deciding. It is immutable.
type Rights struct {
	identity, boundary, session *policy.Permissions // nil allows everything
}

// NewRights compiles grants, and for a session the policies that bound it. An
// error is a document that cannot be read: then nothing can be decided.
func NewRights(g *Grants, s *Session) (*Rights, error) {
	r := &Rights{}
	var err error
	if r.identity, err = permissions("policy", g.Documents()); err != nil {
		return nil, err
	}
	if g.Boundary != nil {
		if r.boundary, err = permissions("permissions boundary", []string{*g.Boundary}); err != nil {
			return nil, err
		}
	}
	if s != nil && (s.Policy != "" || len(s.PolicyARNs) > 0) {
		documents := g.Session
		if s.Policy != "" {
			documents = append(documents[:len(documents):len(documents)], s.Policy)
		}
		r.session, err = permissions("session policy", documents)
	}
	return r, err
}

func permissions(kind string, documents []string) (*policy.Permissions, error) {
	var list []*policy.Document
	for _, text := range documents {
		doc, err := policy.ParseIdentity(text)
		if err != nil {
			return nil, fmt.Errorf("read stored %s: %s", kind, err)
		}
		list = append(list, doc)
	}
	return policy.NewPermissions(list...), nil
}

// resourceSide is what a resource adds to a decision.
type resourceSide struct {
	policy  *policy.Permissions // nil when it has none
	subject policy.Subject
	// foreign says that the resource is of another account than the subject, and
	// required that its policy must allow, as the trust policy of a role must.
	foreign, required bool
}

// decide decides a request. A Deny of any layer comes first. Then, within an
// account, the identity's policies or the resource's must allow, across
// accounts both; the permissions boundary and session policies bound what they
// allow, but not what the resource's policy grants to exactly this user or
// session. Source: IAM policy evaluation logic; for policies that name roles
// and sessions, "Interaction with resource-based policies" there.
func (r *Rights) decide(q policy.Request, on resourceSide) Verdict {
	layers := [...]struct {
		by          Layer
		permissions *policy.Permissions
	}{{IdentityBased, r.identity}, {Boundary, r.boundary}, {SessionPolicy, r.session}}
	var decided [len(layers)]policy.Decision
	for i, layer := range layers {
		decided[i] = policy.Allowed
		if layer.permissions == nil {
			continue
		}
		if decided[i] = layer.permissions.Decide(q); decided[i] == policy.ExplicitDeny {
			return Verdict{policy.ExplicitDeny, layer.by}
		}
	}
	identity, boundary, session := decided[0], decided[1], decided[2]
	naming := policy.Unnamed
	if on.policy != nil {
		var d policy.Decision
		if d, naming = on.policy.DecideFor(q, on.subject); d == policy.ExplicitDeny {
			return Verdict{d, ResourceBased}
		}
	}
	switch {
	case !on.foreign && naming == policy.ByName:
		return Verdict{Decision: policy.Allowed}
	case identity != policy.Allowed && (on.foreign || naming != policy.ByRole):
		return Verdict{policy.ImplicitDeny, IdentityBased}
	case boundary != policy.Allowed:
		return Verdict{policy.ImplicitDeny, Boundary}
	case session != policy.Allowed:
		return Verdict{policy.ImplicitDeny, SessionPolicy}
	case naming == policy.Unnamed && (on.foreign || on.required):
		return Verdict{policy.ImplicitDeny, ResourceBased}
	}
	return Verdict{Decision: policy.Allowed}
}
