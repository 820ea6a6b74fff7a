package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/policy"
)

// Ask is one permission that a call needs.
type Ask struct {
	Action   string // such as "iam:PassRole"
	Resource string // an ARN; "" is "*": the action has no type of resource
	// Values are keys of this permission alone, beside those that every call has.
	// Nil is none.
	Values policy.Values
}

// Call is what is known of the call that asks.
type Call struct {
	Region    string
	SourceIP  string
	UserAgent string
	Secure    bool // it came by TLS
}

// PolicyStore is what deciding needs of the database.
type PolicyStore interface {
	// Grants returns the policies of a user or role, or nil when there is none
	// of that id or ARN in the account. It reads on tx unless that is nil.
	Grants(ctx context.Context, tx durable.Tx, of Grantee) (*Grants, error)
	// ResourcePolicy returns the policy of a resource that may have one, a
	// topic; "" when there is none. It reads on tx unless that is nil.
	ResourcePolicy(ctx context.Context, tx durable.Tx, arn string) (string, error)
	// ResourceTags returns the tags of a resource; nil when there is none.
	ResourceTags(ctx context.Context, tx durable.Tx, arn string) (map[string]string, error)
}

// maxAsks bounds the permissions that one call may need. They are counted
// before a request is validated, and its lists with it.
const maxAsks = 1000

// Authorize refuses, with a Denied fault that says which permission is missing,
// a call whose principal does not have every permission that the call needs.
// Every other error is internal, and the call must not go on.
//
// The root of an account may do everything in its account. A resource of another
// one it reaches only through that resource's policy, and a role of another one
// it never hands over; elsewhere the operation itself finds nothing. What it costs others is a lookup in
// memory: policies are read once for each principal and State, so that a call
// that comes after a change is decided by what it left.
func (s *Service) Authorize(ctx context.Context, p Principal, call Call, asks []Ask) error {
	if len(asks) > maxAsks {
		return fault.New(fault.Invalid, "the request names more than %d resources", maxAsks)
	}
	var rights *Rights
	now := s.Now()
	for _, ask := range asks {
		if p.Kind == KindRoot && (!ask.reaches() || ownResource(p.Account.ID, ask.Resource)) {
			continue
		}
		if rights == nil {
			var err error
			if rights, err = s.rights(ctx, p); err != nil {
				return err
			}
		}
		v, err := s.judge(ctx, rights, question{Ask: ask, principal: &p, call: call, now: now})
		if err != nil {
			return err
		}
		if v.Decision != policy.Allowed {
			return denial(p.ARN, ask, v)
		}
	}
	return nil
}

// question is an ask with who asks and from where.
type question struct {
	Ask
	principal *Principal
	call      Call
	now       time.Time
}

// judge decides one question.
func (s *Service) judge(ctx context.Context, rights *Rights, of question) (Verdict, error) {
	if of.Resource == "" {
		of.Resource = "*"
	}
	account := of.principal.Account.ID
	side := resourceSide{subject: of.principal.subject(), foreign: !ownResource(account, of.Resource)}
	if err := s.addResourcePolicy(ctx, &side, of.Ask); err != nil {
		return Verdict{}, err
	}
	values := requestValues{question: &of, tags: func() (map[string]string, error) {
		return s.Policies.ResourceTags(ctx, nil, of.Resource)
	}}
	v := rights.decide(policy.Request{Action: of.Action, Resource: of.Resource, Values: &values}, side)
	return v, values.err
}

// underPolicy reports whether the resource may have a policy of its own: a role
// that is to be assumed, or a topic.
func (a Ask) underPolicy() bool {
	return strings.HasPrefix(a.Action, "sts:") || strings.HasPrefix(a.Resource, "arn:aws:sns:")
}

// reaches reports whether the operation would go on with a resource of another
// account: with one that has a policy, or with a role that need not be there.
func (a Ask) reaches() bool { return a.underPolicy() || a.Action == passRole }

// addResourcePolicy adds the policy of the resource, if it may have one.
func (s *Service) addResourcePolicy(ctx context.Context, side *resourceSide, ask Ask) error {
	if !ask.underPolicy() {
		return nil
	}
	var key documentKey
	var err error
	if strings.HasPrefix(ask.Action, "sts:") {
		side.required = ask.Resource != "*"
		arn, _ := ParseARN(ask.Resource)
		grants, err := s.Policies.Grants(ctx, nil, Grantee{Kind: OwnerRole, Account: arn.Account, ARN: ask.Resource})
		if err != nil || grants == nil {
			return err
		}
		key = documentKey{trust: true, text: grants.Role.Trust}
	} else if key.text, err = s.Policies.ResourcePolicy(ctx, nil, ask.Resource); err != nil || key.text == "" {
		return err
	}
	side.policy, err = s.documents.get(key, ask.Resource)
	return err
}

// subject is the principal as the policies of resources name it.
func (p *Principal) subject() policy.Subject {
	s := policy.Subject{Account: p.Account.ID, ARN: p.ARN, ID: p.ID}
	if p.Session != nil {
		s.RoleARN, s.RoleID = p.Session.RoleARN, p.Session.RoleID
	}
	return s
}

// ownResource reports whether an ARN is of an account. Those without an account,
// "*", and what AWS manages for everybody are of each.
func ownResource(account, arn string) bool {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return true
	}
	for range 3 { // partition, service, region
		if _, rest, ok = strings.Cut(rest, ":"); !ok {
			return true
		}
	}
	owner, _, _ := strings.Cut(rest, ":")
	return owner == "" || owner == account || owner == AWSAccount
}

// denial is AWS's sentence about a call that is refused.
func denial(arn string, ask Ask, v Verdict) error {
	return fault.New(fault.Denied, "%s", v.sentence("User: "+arn, ask))
}

// sentence says that somebody may not do what is asked, and why.
func (v Verdict) sentence(who string, ask Ask) string {
	resource := ask.Resource
	if resource == "" {
		resource = "*"
	}
	text := fmt.Sprintf("%s is not authorized to perform: %s on resource: %s", who, ask.Action, resource)
	if v.Decision == policy.ExplicitDeny {
		article := "a"
		if v.By == IdentityBased {
			article = "an"
		}
		return fmt.Sprintf("%s with an explicit deny in %s %s", text, article, v.By)
	}
	return fmt.Sprintf("%s because no %s allows the %s action", text, v.By, ask.Action)
}
