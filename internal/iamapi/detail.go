package iamapi

import (
	"context"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// detailStore is what the details of an account need.
type detailStore interface {
	// AccountDetails returns a page, and where the next one begins, or nil behind
	// the last.
	AccountDetails(ctx context.Context, account string, p identity.DetailPage) (
		*identity.Details, *identity.DetailPlace, error)
}

func (a *API) detailOperations() []awswire.Served {
	return []awswire.Served{awswire.Op(wire.GetAccountAuthorizationDetails, a.getAccountAuthorizationDetails)}
}

// detailFilters are the kinds that a filter names.
var detailFilters = map[string]identity.DetailKind{
	"User":               identity.DetailUser,
	"Group":              identity.DetailGroup,
	"Role":               identity.DetailRole,
	"LocalManagedPolicy": identity.DetailPolicy,
	"AWSManagedPolicy":   identity.DetailAWSPolicy,
}

func (a *API) getAccountAuthorizationDetails(ctx context.Context, in *wire.GetAccountAuthorizationDetailsRequest) (
	*wire.GetAccountAuthorizationDetailsResponse, error,
) {
	p := paging{"GetAccountAuthorizationDetails", in.Marker, in.MaxItems}
	page := identity.DetailPage{Kinds: identity.DetailKinds, Limit: p.size()}
	if len(in.Filter) > 0 {
		page.Kinds = nil
		for _, name := range in.Filter {
			page.Kinds = append(page.Kinds, detailFilters[name])
		}
	}
	if err := a.Pages.Open(ctx, p.operation, p.marker, &page.After); err != nil {
		return nil, err
	}
	if page.After.Kind != "" && !slices.Contains(page.Kinds, page.After.Kind) {
		return nil, invalidInput("The marker is of another filter.")
	}
	d, next, err := a.Store.AccountDetails(ctx, account(ctx), page)
	if err != nil {
		return nil, err
	}
	out := detailsOf(d)
	var end ending
	if next == nil {
		end, err = a.end(ctx, p, false, nil)
	} else {
		end, err = a.end(ctx, p, true, *next)
	}
	out.IsTruncated, out.Marker = end.more, end.marker
	return out, err
}

func detailsOf(d *identity.Details) *wire.GetAccountAuthorizationDetailsResponse {
	out := &wire.GetAccountAuthorizationDetailsResponse{
		UserDetailList: []wire.UserDetail{}, GroupDetailList: []wire.GroupDetail{}, RoleDetailList: []wire.RoleDetail{},
		Policies: []wire.ManagedPolicyDetail{},
	}
	for i := range d.Users {
		u := &d.Users[i]
		out.UserDetailList = append(out.UserDetailList, wire.UserDetail{
			Path: &u.Path, UserName: &u.Name, UserID: &u.ID, ARN: new(u.ARN()), CreateDate: &u.Created,
			UserPolicyList: inlineDetails(u.Inline), GroupList: slices.Concat([]string{}, u.Groups),
			AttachedManagedPolicies: attachedDetails(u.Attached), PermissionsBoundary: boundaryOf(u.Boundary),
			Tags: tagsOf(u.Tags),
		})
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		out.GroupDetailList = append(out.GroupDetailList, wire.GroupDetail{
			Path: &g.Path, GroupName: &g.Name, GroupID: &g.ID, ARN: new(g.ARN()), CreateDate: &g.Created,
			GroupPolicyList: inlineDetails(g.Inline), AttachedManagedPolicies: attachedDetails(g.Attached),
		})
	}
	for i := range d.Roles {
		r := &d.Roles[i]
		out.RoleDetailList = append(out.RoleDetailList, wire.RoleDetail{
			Path: &r.Path, RoleName: &r.Name, RoleID: &r.ID, ARN: new(r.ARN()), CreateDate: &r.Created,
			AssumeRolePolicyDocument: encoded(r.Trust), InstanceProfileList: []wire.InstanceProfile{},
			RolePolicyList: inlineDetails(r.Inline), AttachedManagedPolicies: attachedDetails(r.Attached),
			PermissionsBoundary: boundaryOf(r.Boundary), Tags: tagsOf(r.Tags),
			RoleLastUsed: &wire.RoleLastUsed{LastUsedDate: opt.Time(r.LastUsed), Region: opt.Text(r.LastUsedRegion)},
		})
	}
	for i := range d.Policies {
		out.Policies = append(out.Policies, policyDetail(&d.Policies[i]))
	}
	return out
}

func policyDetail(p *identity.PolicyDetail) wire.ManagedPolicyDetail {
	whole := policyOf(&p.ManagedPolicy)
	out := wire.ManagedPolicyDetail{
		PolicyName: whole.PolicyName, PolicyID: whole.PolicyID, ARN: whole.ARN, Path: whole.Path,
		DefaultVersionID: whole.DefaultVersionID, AttachmentCount: whole.AttachmentCount,
		PermissionsBoundaryUsageCount: whole.PermissionsBoundaryUsageCount, IsAttachable: whole.IsAttachable,
		Description: whole.Description, CreateDate: whole.CreateDate, UpdateDate: whole.UpdateDate,
	}
	for i := range p.Versions {
		out.PolicyVersionList = append(out.PolicyVersionList, *versionOf(&p.Versions[i]))
	}
	return out
}

func inlineDetails(list []identity.InlinePolicy) []wire.PolicyDetail {
	out := make([]wire.PolicyDetail, len(list))
	for i := range list {
		out[i] = wire.PolicyDetail{PolicyName: &list[i].Name, PolicyDocument: encoded(list[i].Document)}
	}
	return out
}

func attachedDetails(arns []string) []wire.AttachedPolicy {
	out := make([]wire.AttachedPolicy, len(arns))
	for i, arn := range arns {
		e, _ := identity.ParseARN(arn)
		out[i] = wire.AttachedPolicy{PolicyName: &e.Name, PolicyARN: &arns[i]}
	}
	return out
}
