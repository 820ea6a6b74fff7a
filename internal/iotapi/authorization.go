package iotapi

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/pki"
)

// authorizationStore is what the operations on effective policies need.
type authorizationStore interface {
	// StandsFor returns the thing that a certificate stands for under a client
	// id by fleet's rule, or nil. It is NotFound without the certificate.
	StandsFor(ctx context.Context, scope fleet.Scope, certificate, clientID string) (*fleet.Thing, error)
	// EffectivePolicies lists the versions in force of the policies of some
	// holders, with documents, by name. It is NotFound without a holder.
	EffectivePolicies(ctx context.Context, scope fleet.Scope, h fleet.Holders) ([]fleet.PolicyVersion, error)
}

// Bounds on one call of TestAuthorization, for which AWS names none: each
// resource is judged by each policy.
const (
	maxTestedResources = 100
	maxTestedPolicies  = 50
)

func (a *API) authorizationOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.GetEffectivePolicies, a.getEffectivePolicies).Refusing("cognitoIdentityPoolId"),
		awswire.Op(wire.TestAuthorization, a.testAuthorization).Refusing("cognitoIdentityPoolId").
			Noting("judges by policies alone, whatever the status of the certificate"),
	}
}

// device is what a principal is when it connects.
type device struct {
	holders fleet.Holders
	thing   *fleet.Thing // what its certificate stands for, or nil
}

// device finds what decides over a principal that connects with a client id.
func (a *API) device(ctx context.Context, principal, clientID string) (d device, err error) {
	t, err := fleet.ParseTarget(scope(ctx), principal)
	if err != nil {
		return d, err
	}
	if t.Kind == fleet.TargetGroup {
		d.holders.Group = t.Name
		return d, nil
	}
	d.holders.Certificate = t.Name
	d.thing, err = a.Store.StandsFor(ctx, scope(ctx), t.Name, clientID)
	if d.thing != nil {
		d.holders.Thing = d.thing.Name
	}
	return d, err
}

func (a *API) getEffectivePolicies(ctx context.Context, in *wire.GetEffectivePoliciesRequest) (
	*wire.GetEffectivePoliciesResponse, error,
) {
	h, err := a.effectiveHolders(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.EffectivePolicies(ctx, scope(ctx), h)
	if err != nil {
		return nil, err
	}
	out := &wire.GetEffectivePoliciesResponse{EffectivePolicies: make([]wire.EffectivePolicy, len(list))}
	for i, v := range list {
		out.EffectivePolicies[i] = wire.EffectivePolicy{
			PolicyName: &v.Policy, PolicyARN: new(scope(ctx).ARN("policy", v.Policy)), PolicyDocument: &v.Document,
		}
	}
	return out, nil
}

// effectiveHolders reads whose policies are asked for. With a certificate, the
// name of a thing is the client id that the device connects with; alone, the
// thing's groups are meant.
func (a *API) effectiveHolders(ctx context.Context, in *wire.GetEffectivePoliciesRequest) (h fleet.Holders, err error) {
	if in.Principal == nil && in.ThingName == nil {
		return h, fault.New(fault.Invalid, "principal or thingName must be given")
	}
	if in.Principal == nil {
		h.Thing = *in.ThingName
		return h, nil
	}
	d, err := a.device(ctx, *in.Principal, opt.Value(in.ThingName))
	if err != nil || in.ThingName == nil {
		return d.holders, err
	}
	if d.holders.Group != "" {
		return h, fault.New(fault.Invalid, "thingName goes with a principal that is a certificate")
	}
	_, err = a.Store.Thing(ctx, scope(ctx), *in.ThingName)
	return d.holders, err
}

// actionsOfTypes are the actions that can be tested.
var actionsOfTypes = map[string]string{
	"CONNECT": "iot:Connect", "PUBLISH": "iot:Publish", "SUBSCRIBE": "iot:Subscribe", "RECEIVE": "iot:Receive",
}

func (a *API) testAuthorization(ctx context.Context, in *wire.TestAuthorizationRequest) (
	*wire.TestAuthorizationResponse, error,
) {
	if in.Principal == nil {
		return nil, fault.New(fault.Invalid, "principal must be given")
	}
	if err := checkAuthInfos(in.AuthInfos); err != nil {
		return nil, err
	}
	d, err := a.device(ctx, *in.Principal, opt.Value(in.ClientID))
	if err != nil {
		return nil, err
	}
	list, err := a.testedPolicies(ctx, d, in)
	if err != nil {
		return nil, err
	}
	set, err := fleet.NewPolicySet(list)
	if err != nil {
		return nil, err
	}
	c := fleet.Connection{ClientID: opt.Value(in.ClientID), Time: a.Now(), Thing: d.thing}
	if c.Certificate, err = a.presented(ctx, d); err != nil {
		return nil, err
	}
	values := c.Values()
	out := &wire.TestAuthorizationResponse{AuthResults: make([]wire.AuthResult, len(in.AuthInfos))}
	for i, info := range in.AuthInfos {
		found, err := set.Authorize(ctx, actionsOfTypes[*info.ActionType], info.Resources, values)
		if err != nil {
			return nil, err
		}
		out.AuthResults[i] = authResult(scope(ctx), info, found)
	}
	return out, nil
}

// checkAuthInfos refuses what could not be decided.
func checkAuthInfos(list []wire.AuthInfo) error {
	resources := 0
	for i, info := range list {
		resources += len(info.Resources)
		switch {
		case info.ActionType == nil:
			return fault.New(fault.Invalid, "authInfos.%d.actionType must be given", i+1)
		case len(info.Resources) == 0:
			return fault.New(fault.Invalid, "authInfos.%d.resources must name a resource", i+1)
		}
		for k, arn := range info.Resources {
			if parts := strings.SplitN(arn, ":", 6); len(parts) < 6 || parts[0] != "arn" {
				return fault.New(fault.Invalid, "authInfos.%d.resources.%d must be an ARN", i+1, k+1)
			}
		}
	}
	if resources > maxTestedResources {
		return fault.New(fault.Invalid, "authInfos name %d resources; at most %d are tested at once", resources,
			maxTestedResources)
	}
	return nil
}

// testedPolicies returns the effective policies of a device, without those to
// skip and with those to add. One to add or skip that is not there is NotFound.
func (a *API) testedPolicies(ctx context.Context, d device, in *wire.TestAuthorizationRequest) (
	[]fleet.PolicyVersion, error,
) {
	if n := len(in.PolicyNamesToAdd) + len(in.PolicyNamesToSkip); n > maxTestedPolicies {
		return nil, fault.New(fault.Invalid, "policyNamesToAdd and policyNamesToSkip name %d policies; at most %d are taken",
			n, maxTestedPolicies)
	}
	list, err := a.Store.EffectivePolicies(ctx, scope(ctx), d.holders)
	if err != nil {
		return nil, err
	}
	named := func(name string) func(fleet.PolicyVersion) bool {
		return func(v fleet.PolicyVersion) bool { return v.Policy == name }
	}
	for _, name := range in.PolicyNamesToAdd {
		_, v, err := a.Store.PolicyVersion(ctx, scope(ctx), name, 0)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, named(name)) {
			list = append(list, *v)
		}
	}
	for _, name := range in.PolicyNamesToSkip {
		if _, _, err := a.Store.PolicyVersion(ctx, scope(ctx), name, 0); err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, named(name))
	}
	slices.SortFunc(list, func(v, w fleet.PolicyVersion) int { return cmp.Compare(v.Policy, w.Policy) })
	return list, nil
}

// presented reads the certificate of a device, or nil when it has none.
func (a *API) presented(ctx context.Context, d device) (*pki.Certificate, error) {
	if d.holders.Certificate == "" {
		return nil, nil
	}
	c, err := a.Store.Certificate(ctx, scope(ctx), d.holders.Certificate)
	if err != nil {
		return nil, err
	}
	return pki.ParseCertificate(c.PEM)
}

func authResult(s fleet.Scope, info wire.AuthInfo, found *fleet.Authorization) wire.AuthResult {
	summaries := func(names []string) []wire.Policy {
		list := make([]wire.Policy, len(names))
		for i, name := range names {
			list[i] = policySummary(s, name)
		}
		return list
	}
	missing := found.Missing
	if missing == nil {
		missing = []string{}
	}
	return wire.AuthResult{
		AuthInfo: &info, Allowed: &wire.Allowed{Policies: summaries(found.Allow)},
		Denied: &wire.Denied{
			ImplicitDeny: &wire.ImplicitDeny{Policies: summaries(found.Silent)},
			ExplicitDeny: &wire.ExplicitDeny{Policies: summaries(found.Deny)},
		},
		AuthDecision: opt.Text(found.Decision), MissingContextValues: missing,
	}
}
