package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// policyStore is what the operations on policies and their versions need.
// What is not there is NotFound.
type policyStore interface {
	// CreatePolicy stores the draft as version 1 of a new policy, in force. It
	// is Exists when the name is taken.
	CreatePolicy(ctx context.Context, scope fleet.Scope, d *fleet.PolicyDraft, tags []fleet.Tag) error
	// CreatePolicyVersion stores the draft as the policy's next version, in
	// force if asked. It is VersionsLimit when the policy has all its versions.
	CreatePolicyVersion(ctx context.Context, scope fleet.Scope, d *fleet.PolicyDraft, inForce bool) (int64, error)
	// PolicyVersion returns a version with its document, and its policy; 0 is
	// the version in force.
	PolicyVersion(ctx context.Context, scope fleet.Scope, name string, version int64) (
		*fleet.Policy, *fleet.PolicyVersion, error)
	// PolicyVersions lists the versions of a policy without their documents.
	PolicyVersions(ctx context.Context, scope fleet.Scope, name string) ([]fleet.PolicyVersion, error)
	// Policies lists policies.
	Policies(ctx context.Context, scope fleet.Scope, p fleet.PolicyPage) ([]fleet.Policy, error)
	// SetDefaultPolicyVersion puts a version in force.
	SetDefaultPolicyVersion(ctx context.Context, scope fleet.Scope, name string, version int64) error
	// DeletePolicyVersion removes a version that is not in force.
	DeletePolicyVersion(ctx context.Context, scope fleet.Scope, name string, version int64) error
	// DeletePolicy applies fleet's rule.
	DeletePolicy(ctx context.Context, scope fleet.Scope, name string) error
}

func (a *API) policyOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreatePolicy, a.createPolicy),
		awswire.Op(wire.GetPolicy, a.getPolicy),
		awswire.Op(wire.DeletePolicy, a.deletePolicy),
		awswire.Op(wire.ListPolicies, a.listPolicies),
		awswire.Op(wire.CreatePolicyVersion, a.createPolicyVersion),
		awswire.Op(wire.GetPolicyVersion, a.getPolicyVersion),
		awswire.Op(wire.DeletePolicyVersion, a.deletePolicyVersion),
		awswire.Op(wire.ListPolicyVersions, a.listPolicyVersions),
		awswire.Op(wire.SetDefaultPolicyVersion, a.setDefaultPolicyVersion),
	}
}

func (a *API) createPolicy(ctx context.Context, in *wire.CreatePolicyRequest) (*wire.CreatePolicyResponse, error) {
	d, err := fleet.NewPolicyDraft(opt.Value(in.PolicyName), opt.Value(in.PolicyDocument), a.Now())
	if err != nil {
		return nil, err
	}
	given, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := a.Store.CreatePolicy(ctx, scope(ctx), d, given); err != nil {
		return nil, err
	}
	return &wire.CreatePolicyResponse{
		PolicyName: &d.Policy, PolicyARN: new(scope(ctx).ARN("policy", d.Policy)), PolicyDocument: &d.Text,
		PolicyVersionID: new(fleet.VersionID(1)),
	}, nil
}

func (a *API) createPolicyVersion(ctx context.Context, in *wire.CreatePolicyVersionRequest) (
	*wire.CreatePolicyVersionResponse, error,
) {
	d, err := fleet.NewPolicyDraft(opt.Value(in.PolicyName), opt.Value(in.PolicyDocument), a.Now())
	if err != nil {
		return nil, err
	}
	inForce := opt.Value(in.SetAsDefault)
	version, err := a.Store.CreatePolicyVersion(ctx, scope(ctx), d, inForce)
	if err != nil {
		return nil, err
	}
	return &wire.CreatePolicyVersionResponse{
		PolicyARN: new(scope(ctx).ARN("policy", d.Policy)), PolicyDocument: &d.Text,
		PolicyVersionID: new(fleet.VersionID(version)), IsDefaultVersion: &inForce,
	}, nil
}

func (a *API) getPolicy(ctx context.Context, in *wire.GetPolicyRequest) (*wire.GetPolicyResponse, error) {
	p, v, err := a.Store.PolicyVersion(ctx, scope(ctx), opt.Value(in.PolicyName), 0)
	if err != nil {
		return nil, err
	}
	return &wire.GetPolicyResponse{
		PolicyName: &p.Name, PolicyARN: new(scope(ctx).ARN("policy", p.Name)), PolicyDocument: &v.Document,
		DefaultVersionID: new(fleet.VersionID(p.Default)), CreationDate: &p.Created, LastModifiedDate: &p.Modified,
		GenerationID: &p.Generation,
	}, nil
}

func (a *API) getPolicyVersion(ctx context.Context, in *wire.GetPolicyVersionRequest) (
	*wire.GetPolicyVersionResponse, error,
) {
	n, err := fleet.ParseVersionID(opt.Value(in.PolicyName), opt.Value(in.PolicyVersionID))
	if err != nil {
		return nil, err
	}
	p, v, err := a.Store.PolicyVersion(ctx, scope(ctx), opt.Value(in.PolicyName), n)
	if err != nil {
		return nil, err
	}
	return &wire.GetPolicyVersionResponse{
		PolicyARN: new(scope(ctx).ARN("policy", p.Name)), PolicyName: &p.Name, PolicyDocument: &v.Document,
		PolicyVersionID: new(fleet.VersionID(v.Version)), IsDefaultVersion: &v.Default, CreationDate: &v.Created,
		LastModifiedDate: &v.Created, GenerationID: &p.Generation,
	}, nil
}

func (a *API) listPolicyVersions(ctx context.Context, in *wire.ListPolicyVersionsRequest) (
	*wire.ListPolicyVersionsResponse, error,
) {
	list, err := a.Store.PolicyVersions(ctx, scope(ctx), opt.Value(in.PolicyName))
	if err != nil {
		return nil, err
	}
	out := &wire.ListPolicyVersionsResponse{PolicyVersions: make([]wire.PolicyVersion, len(list))}
	for i, v := range list {
		out.PolicyVersions[i] = wire.PolicyVersion{
			VersionID: new(fleet.VersionID(v.Version)), IsDefaultVersion: &v.Default, CreateDate: &v.Created,
		}
	}
	return out, nil
}

func (a *API) listPolicies(ctx context.Context, in *wire.ListPoliciesRequest) (*wire.ListPoliciesResponse, error) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.PolicyPage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListPolicies", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Policies(ctx, scope(ctx), p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListPoliciesResponse{Policies: make([]wire.Policy, len(list))}
	for i, found := range list {
		out.Policies[i] = policySummary(scope(ctx), found.Name)
		p.After = found.Seq
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListPolicies", more, p.After)
	return out, err
}

func policySummary(s fleet.Scope, name string) wire.Policy {
	return wire.Policy{PolicyName: &name, PolicyARN: new(s.ARN("policy", name))}
}

func (a *API) setDefaultPolicyVersion(ctx context.Context, in *wire.SetDefaultPolicyVersionRequest) (
	*wire.SetDefaultPolicyVersionResponse, error,
) {
	n, err := fleet.ParseVersionID(opt.Value(in.PolicyName), opt.Value(in.PolicyVersionID))
	if err != nil {
		return nil, err
	}
	return nil, a.Store.SetDefaultPolicyVersion(ctx, scope(ctx), opt.Value(in.PolicyName), n)
}

func (a *API) deletePolicyVersion(ctx context.Context, in *wire.DeletePolicyVersionRequest) (
	*wire.DeletePolicyVersionResponse, error,
) {
	n, err := fleet.ParseVersionID(opt.Value(in.PolicyName), opt.Value(in.PolicyVersionID))
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeletePolicyVersion(ctx, scope(ctx), opt.Value(in.PolicyName), n)
}

func (a *API) deletePolicy(ctx context.Context, in *wire.DeletePolicyRequest) (*wire.DeletePolicyResponse, error) {
	return nil, a.Store.DeletePolicy(ctx, scope(ctx), opt.Value(in.PolicyName))
}
