package iamapi

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// Simulator decides as calls are authorised.
type Simulator interface {
	// Simulate is NotFound without the user or role, Unsupported for a group, and
	// MalformedPolicy for a document that cannot be read.
	Simulate(ctx context.Context, in identity.Simulation) ([]identity.Simulated, error)
}

func (a *API) simulateOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.SimulatePrincipalPolicy, a.simulatePrincipalPolicy).
			Refusing("CallerArn", "ResourceOwner", "ResourceHandlingOption").
			Noting("of users and roles; matched statements without positions"),
	}
}

// simulateAccess is asked about the user or role that is simulated.
func simulateAccess() map[string]awswire.Access {
	return map[string]awswire.Access{
		"SimulatePrincipalPolicy": awswire.On(
			func(_ context.Context, in *wire.SimulatePrincipalPolicyRequest) []awswire.Need {
				return []awswire.Need{{Action: "iam:SimulatePrincipalPolicy", Resource: opt.Value(in.PolicySourceARN)}}
			}),
	}
}

func (a *API) simulatePrincipalPolicy(ctx context.Context, in *wire.SimulatePrincipalPolicyRequest) (
	*wire.SimulatePolicyResponse, error,
) {
	sim, err := simulation(in)
	if err != nil {
		return nil, err
	}
	sim.Account = account(ctx)
	list, err := a.Simulator.Simulate(ctx, sim)
	if fault.Is(err, fault.MalformedPolicy) {
		return nil, invalidInput("%s", err)
	}
	if err != nil {
		return nil, err
	}
	// The pairs are told apart by their numbers, which are in the order of texts.
	numbers := map[*identity.Simulated]string{}
	pairs := make([]*identity.Simulated, len(list))
	for i := range list {
		pairs[i], numbers[&list[i]] = &list[i], fmt.Sprintf("%06d", i+1)
	}
	p := paging{"SimulatePrincipalPolicy", in.Marker, in.MaxItems}
	page, end, err := few(ctx, a, p, pairs, func(s *identity.Simulated) string { return numbers[s] })
	if err != nil {
		return nil, err
	}
	out := &wire.SimulatePolicyResponse{IsTruncated: end.more, Marker: end.marker}
	for _, s := range page {
		out.EvaluationResults = append(out.EvaluationResults, evaluation(s))
	}
	return out, nil
}

// simulation reads a request.
func simulation(in *wire.SimulatePrincipalPolicyRequest) (identity.Simulation, error) {
	sim := identity.Simulation{
		ARN: opt.Value(in.PolicySourceARN), Policies: in.PolicyInputList, ResourcePolicy: opt.Value(in.ResourcePolicy),
		Actions: in.ActionNames, Resources: in.ResourceARNs, Values: policy.Table{},
	}
	switch n := len(in.PermissionsBoundaryPolicyInputList); {
	case n > 1:
		return sim, invalidInput("a user or role has one permissions boundary")
	case n == 1:
		sim.Boundary = in.PermissionsBoundaryPolicyInputList[0]
	}
	for _, e := range in.ContextEntries {
		sim.Values.Set(opt.Value(e.ContextKeyName), e.ContextKeyValues...)
	}
	return sim, nil
}

var evalDecisions = map[policy.Decision]string{
	policy.Allowed: "allowed", policy.ExplicitDeny: "explicitDeny", policy.ImplicitDeny: "implicitDeny",
}

func evaluation(s *identity.Simulated) wire.EvaluationResult {
	r := wire.EvaluationResult{
		EvalActionName: &s.Action, EvalResourceName: &s.Resource, EvalDecision: new(evalDecisions[s.Verdict.Decision]),
		MatchedStatements: []wire.Statement{}, MissingContextValues: s.Missing,
	}
	for _, p := range s.Matched {
		r.MatchedStatements = append(r.MatchedStatements, wire.Statement{
			SourcePolicyID: &p.Name, SourcePolicyType: new(sourceType(p)),
		})
	}
	if s.Bounded {
		r.PermissionsBoundaryDecisionDetail = &wire.PermissionsBoundaryDecisionDetail{
			AllowedByPermissionsBoundary: &s.WithinBounds,
		}
	}
	return r
}

// sourceType is where a policy comes from, in the words of the API.
func sourceType(p identity.GrantedPolicy) string {
	e, managed := identity.ParseARN(p.ARN)
	switch {
	case managed && e.Account == identity.AWSAccount:
		return "aws-managed"
	case managed:
		return "user-managed"
	case p.Owner == "":
		return "none"
	}
	return string(p.Owner)
}
