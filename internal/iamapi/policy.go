package iamapi

import (
	"context"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// policyStore is what the operations on managed policies need. What is not there
// is NotFound, another account's included.
type policyStore interface {
	// CreateManagedPolicy is Exists when the name is taken, whatever its case, and
	// Limit when there are too many.
	CreateManagedPolicy(ctx context.Context, p *identity.ManagedPolicy, document string) error
	// ManagedPolicy finds those of AWS too.
	ManagedPolicy(ctx context.Context, account, arn string) (*identity.ManagedPolicy, error)
	// ManagedPolicies lists the account's own.
	ManagedPolicies(ctx context.Context, account string, p identity.EntityPage) ([]*identity.ManagedPolicy, error)
	// DeleteManagedPolicy is DeleteConflict while the policy is in use or has more
	// than one version.
	DeleteManagedPolicy(ctx context.Context, account, arn string) error
}

func (a *API) policyOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreatePolicy, a.createPolicy),
		awswire.Op(wire.GetPolicy, a.getPolicy),
		awswire.Op(wire.ListPolicies, a.listPolicies),
		awswire.Op(wire.DeletePolicy, a.deletePolicy),
	}
}

// needPolicyARN refuses what is no ARN of a policy.
func needPolicyARN(arn string) error {
	if e, ok := identity.ParseARN(arn); !ok || e.Kind != "policy" {
		return invalidInput("ARN %s is not valid.", arn)
	}
	return nil
}

// needOwnPolicy refuses ARNs of policies that the account cannot change.
func needOwnPolicy(arn string) error {
	if e, _ := identity.ParseARN(arn); e.Account == identity.AWSAccount {
		return fault.New(fault.Denied, "Policy %s is managed by AWS and cannot be changed.", arn)
	}
	return needPolicyARN(arn)
}

func (a *API) createPolicy(ctx context.Context, in *wire.CreatePolicyRequest) (*wire.CreatePolicyResponse, error) {
	tags, err := tagged(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := identity.CheckManagedDocument(*in.PolicyDocument); err != nil {
		return nil, err
	}
	p := identity.NewManagedPolicy(account(ctx), pathOf(in.Path), *in.PolicyName, a.Now())
	p.Description, p.Tags = opt.Value(in.Description), tags
	if err := a.Store.CreateManagedPolicy(ctx, p, *in.PolicyDocument); err != nil {
		return nil, err
	}
	return &wire.CreatePolicyResponse{Policy: policyOf(p)}, nil
}

// policyOf is the wire form of a managed policy as one is told of.
func policyOf(p *identity.ManagedPolicy) *wire.Policy {
	out := listedPolicy(p)
	out.Description, out.Tags = opt.Text(p.Description), tagsOf(p.Tags)
	return out
}

// listedPolicy leaves out what lists of IAM do not tell.
func listedPolicy(p *identity.ManagedPolicy) *wire.Policy {
	return &wire.Policy{
		PolicyName: &p.Name, PolicyID: &p.ID, ARN: new(p.ARN()), Path: &p.Path, DefaultVersionID: versionID(p.Default),
		AttachmentCount: &p.Attached, PermissionsBoundaryUsageCount: &p.Bounds, IsAttachable: new(true),
		CreateDate: &p.Created, UpdateDate: &p.Updated,
	}
}

func (a *API) getPolicy(ctx context.Context, in *wire.GetPolicyRequest) (*wire.GetPolicyResponse, error) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	p, err := a.Store.ManagedPolicy(ctx, account(ctx), *in.PolicyARN)
	if err != nil {
		return nil, err
	}
	return &wire.GetPolicyResponse{Policy: policyOf(p)}, nil
}

func (a *API) deletePolicy(ctx context.Context, in *wire.DeletePolicyRequest) (*wire.DeletePolicyResponse, error) {
	if err := needOwnPolicy(*in.PolicyARN); err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteManagedPolicy(ctx, account(ctx), *in.PolicyARN)
}

// policyPlace is where a list of policies goes on: behind one of AWS or, when
// those are through, behind one of the account.
type policyPlace struct {
	AWS string               `json:"a,omitempty"` // ARN
	Own identity.EntityPlace `json:"o,omitzero"`
}

func (p policyPlace) own() bool { return p.Own != identity.EntityPlace{} }

// listPolicies lists those of AWS by ARN, then those of the account by path and
// name.
func (a *API) listPolicies(ctx context.Context, in *wire.ListPoliciesRequest) (*wire.ListPoliciesResponse, error) {
	p, at := paging{"ListPolicies", in.Marker, in.MaxItems}, policyPlace{}
	if err := a.Pages.Open(ctx, p.operation, p.marker, &at); err != nil {
		return nil, err
	}
	page := identity.EntityPage{Prefix: pathOf(in.PathPrefix), Usage: usageOf(in), Limit: p.size() + 1, After: at.Own}
	var list []*identity.ManagedPolicy
	var err error
	if opt.Value(in.Scope) != "Local" && !at.own() {
		if list, err = a.awsPolicies(ctx, page, at.AWS); err != nil {
			return nil, err
		}
	}
	if page.Limit -= len(list); opt.Value(in.Scope) != "AWS" && page.Limit > 0 {
		own, err := a.Store.ManagedPolicies(ctx, account(ctx), page)
		if err != nil {
			return nil, err
		}
		list = append(list, own...)
	}
	list, more := awswire.CutPage(list, p.size())
	out := &wire.ListPoliciesResponse{Policies: []wire.Policy{}}
	for _, policy := range list {
		out.Policies = append(out.Policies, *listedPolicy(policy))
		if at = (policyPlace{Own: policy.Place()}); policy.Account == identity.AWSAccount {
			at = policyPlace{AWS: policy.ARN()}
		}
	}
	end, err := a.end(ctx, p, more, at)
	out.IsTruncated, out.Marker = end.more, end.marker
	return out, err
}

func usageOf(in *wire.ListPoliciesRequest) identity.PolicyUsage {
	switch {
	case in.PolicyUsageFilter != nil:
		return identity.PolicyUsage(*in.PolicyUsageFilter)
	case opt.Value(in.OnlyAttached):
		return identity.UsageAttached
	}
	return ""
}

// awsPolicies lists the policies of AWS as the account uses them, behind an ARN.
func (a *API) awsPolicies(ctx context.Context, page identity.EntityPage, after string) (
	list []*identity.ManagedPolicy, err error,
) {
	for _, arn := range identity.AWSPolicies() {
		if arn <= after || len(list) == page.Limit || !strings.HasPrefix(identity.AWSPolicy(arn).Path, page.Prefix) {
			continue
		}
		p, err := a.Store.ManagedPolicy(ctx, account(ctx), arn)
		if err != nil {
			return nil, err
		}
		if page.Usage == identity.UsageAttached && p.Attached == 0 || page.Usage == identity.UsageBoundary && p.Bounds == 0 {
			continue
		}
		list = append(list, p)
	}
	return list, nil
}
