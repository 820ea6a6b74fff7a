package awswire

import (
	"context"
	"fmt"
)

// Need is one permission that a call needs.
type Need struct {
	Action   string // such as "iam:PassRole"
	Resource string // an ARN; "" means "*": the action has no type of resource
	// Keys are values of condition keys for this need alone, such as
	// aws:RequestTag/x, aws:TagKeys or iam:PassedToService.
	Keys map[string][]string
	// Err says why it is not known what the call needs: the call fails with it.
	Err error
}

// AddTag adds a tag that a request gives to the condition keys of a need. Source:
// IAM, global condition keys aws:RequestTag and aws:TagKeys.
func AddTag(keys map[string][]string, key, value string) {
	keys["aws:RequestTag/"+key] = []string{value}
	keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
}

// Access says what a call of an operation needs. Its input is a pointer to the
// request type, decoded and not yet validated: members that must be there may
// be nil.
type Access func(ctx context.Context, in any) []Need

// On makes the access to an operation of what it needs by its typed input.
func On[In any](fn func(ctx context.Context, in *In) []Need) Access {
	return func(ctx context.Context, in any) []Need { return fn(ctx, in.(*In)) }
}

type needsKey struct{}

// NeedsFrom returns the permissions that the call under ctx needed. It is nil
// outside of a call, and for one that needs none.
func NeedsFrom(ctx context.Context) []Need {
	needs, _ := ctx.Value(needsKey{}).([]Need)
	return needs
}

// accesses returns the access to each operation that a service serves. One that
// its table does not name needs the action of its own name on every resource,
// so that none can be forgotten.
func accesses(s Service) (map[string]Access, error) {
	prefix := s.Actions
	if prefix == "" {
		prefix = s.SigningName
	}
	list := map[string]Access{}
	for _, op := range s.Operations {
		name := op.fact.Name
		switch access := s.Access[name]; {
		case access != nil:
			list[name] = access
		case op.open:
			list[name] = func(context.Context, any) []Need { return nil }
		default:
			list[name] = func(context.Context, any) []Need { return []Need{{Action: prefix + ":" + name}} }
		}
	}
	for name := range s.Access {
		if list[name] == nil {
			return nil, fmt.Errorf("the table of access names %s, which is not served", name)
		}
	}
	return list, nil
}

// authorize keeps what a call needs, and refuses it unless its caller has that.
func (c *call) authorize(ctx context.Context, route *route, in any) (context.Context, error) {
	needs := route.access(ctx, in)
	for _, need := range needs {
		if need.Err != nil {
			return ctx, need.Err
		}
	}
	c.needs = needs
	ctx = context.WithValue(ctx, needsKey{}, needs)
	if c.Authorize == nil || route.served.open || c.caller.AccessKeyID == "" {
		return ctx, nil
	}
	return ctx, c.Authorize(ctx, c.target, needs)
}
