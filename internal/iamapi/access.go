package iamapi

import (
	"context"
	"maps"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// access is what each operation needs. Requests name users and roles without
// their paths, which are looked up; one that is not there is asked about at "/".
// Lists of an account are asked about on every resource. Source: Service
// Authorization Reference, AWS Identity and Access Management.
func (a *API) access() map[string]awswire.Access {
	all := map[string]awswire.Access{
		"CreatePolicy": awswire.On(func(ctx context.Context, in *wire.CreatePolicyRequest) []awswire.Need {
			p := identity.ManagedPolicy{Account: account(ctx), Path: pathOf(in.Path), Name: opt.Value(in.PolicyName)}
			return creation("Policy", p.ARN(), nil, in.Tags)
		}),
		"CreateRole": awswire.On(func(ctx context.Context, in *wire.CreateRoleRequest) []awswire.Need {
			role := identity.Role{Account: account(ctx), Path: pathOf(in.Path), Name: opt.Value(in.RoleName)}
			return creation("Role", role.ARN(), in.PermissionsBoundary, in.Tags)
		}),
		"CreateUser": awswire.On(func(ctx context.Context, in *wire.CreateUserRequest) []awswire.Need {
			u := identity.User{Account: account(ctx), Path: pathOf(in.Path), Name: opt.Value(in.UserName)}
			return creation("User", u.ARN(), in.PermissionsBoundary, in.Tags)
		}),
		"GetAccessKeyLastUsed": awswire.On(func(ctx context.Context, in *wire.GetAccessKeyLastUsedRequest) []awswire.Need {
			return []awswire.Need{a.keyNeed(ctx, opt.Value(in.AccessKeyID))}
		}),
	}
	for _, some := range []map[string]awswire.Access{
		a.roleAccess(), a.userAccess(), a.policyAccess(), lastAccessedAccess(), simulateAccess(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// creation is what it takes to make something new of a kind: with tags also the
// permission to tag it.
func creation(kind, arn string, boundary *string, tags []wire.Tag) []awswire.Need {
	keys := map[string][]string{}
	if boundary != nil {
		keys["iam:PermissionsBoundary"] = []string{*boundary}
	}
	tagging(keys, tags)
	needs := []awswire.Need{{Action: "iam:Create" + kind, Resource: arn, Keys: keys}}
	if len(tags) > 0 {
		needs = append(needs, awswire.Need{Action: "iam:Tag" + kind, Resource: arn, Keys: keys})
	}
	return needs
}

// on is what an operation is about: a user or role by its name, and a policy or
// tags that are given to it or taken away.
type on struct {
	name, policy *string
	tags         []wire.Tag
	untagged     []string
}

// existing is what it takes to do something to what is there.
func existing(action, arn, boundary string, tags map[string]string) awswire.Need {
	keys := map[string][]string{}
	if boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{boundary}
	}
	for key, value := range tags {
		keys["aws:ResourceTag/"+key], keys["iam:ResourceTag/"+key] = []string{value}, []string{value}
	}
	return awswire.Need{Action: "iam:" + action, Resource: arn, Keys: keys}
}

// tagging adds the tags that a request gives to what a need knows.
func tagging(keys map[string][]string, tags []wire.Tag) {
	for _, t := range tags {
		awswire.AddTag(keys, opt.Value(t.Key), opt.Value(t.Value))
	}
}

// giving adds what is given or taken away.
func giving(need awswire.Need, about on) []awswire.Need {
	if about.policy != nil {
		need.Keys["iam:PolicyARN"] = []string{*about.policy}
	}
	tagging(need.Keys, about.tags)
	if len(about.untagged) > 0 {
		need.Keys["aws:TagKeys"] = about.untagged
	}
	return []awswire.Need{need}
}

func ofRole[In any](a *API, action string, of func(*In) on) awswire.Access {
	return awswire.On(func(ctx context.Context, in *In) []awswire.Need {
		about := of(in)
		role, err := a.Store.Role(ctx, account(ctx), opt.Value(about.name))
		switch {
		case fault.Is(err, fault.NotFound):
			role = &identity.Role{Account: account(ctx), Path: "/", Name: opt.Value(about.name)}
		case err != nil:
			return []awswire.Need{{Err: err}}
		}
		return giving(existing(action, role.ARN(), role.Boundary, role.Tags), about)
	})
}

// ofUser is about the caller where the request names nobody.
func ofUser[In any](a *API, action string, of func(*In) on) awswire.Access {
	return awswire.On(func(ctx context.Context, in *In) []awswire.Need {
		about := of(in)
		return giving(a.userNeed(ctx, action, userName(ctx, about.name)), about)
	})
}

func (a *API) userNeed(ctx context.Context, action, name string) awswire.Need {
	if name == "" {
		return existing(action, "", "", nil)
	}
	u, err := a.Store.User(ctx, account(ctx), name)
	switch {
	case fault.Is(err, fault.NotFound):
		u = &identity.User{Account: account(ctx), Path: "/", Name: name}
	case err != nil:
		return awswire.Need{Err: err, Keys: map[string][]string{}}
	}
	return existing(action, u.ARN(), u.Boundary, u.Tags)
}

// keyNeed is about the user whom a key belongs to; the key of root, and one that
// there is not, is nobody's.
func (a *API) keyNeed(ctx context.Context, id string) awswire.Need {
	use, err := a.Store.KeyUse(ctx, account(ctx), id)
	switch {
	case err == nil && use.User != "":
		return a.userNeed(ctx, "GetAccessKeyLastUsed", use.User)
	case err != nil && !fault.Is(err, fault.NotFound):
		return awswire.Need{Err: err}
	}
	return existing("GetAccessKeyLastUsed", "", "", nil)
}

// ofPolicy is about a managed policy, which requests name by its ARN.
func ofPolicy[In any](a *API, action string, of func(*In) *string) awswire.Access {
	return awswire.On(func(ctx context.Context, in *In) []awswire.Need {
		arn := opt.Value(of(in))
		p, err := a.Store.ManagedPolicy(ctx, account(ctx), arn)
		switch {
		case fault.Is(err, fault.NotFound):
			p = &identity.ManagedPolicy{}
		case err != nil:
			return []awswire.Need{{Err: err}}
		}
		return []awswire.Need{existing(action, arn, "", p.Tags)}
	})
}

func (a *API) roleAccess() map[string]awswire.Access {
	return map[string]awswire.Access{
		"GetRole": ofRole(a, "GetRole", func(in *wire.GetRoleRequest) on {
			return on{name: in.RoleName}
		}),
		"UpdateRole": ofRole(a, "UpdateRole", func(in *wire.UpdateRoleRequest) on {
			return on{name: in.RoleName}
		}),
		"UpdateAssumeRolePolicy": ofRole(a, "UpdateAssumeRolePolicy", func(in *wire.UpdateAssumeRolePolicyRequest) on {
			return on{name: in.RoleName}
		}),
		"DeleteRole": ofRole(a, "DeleteRole", func(in *wire.DeleteRoleRequest) on {
			return on{name: in.RoleName}
		}),
		"TagRole": ofRole(a, "TagRole", func(in *wire.TagRoleRequest) on {
			return on{name: in.RoleName, tags: in.Tags}
		}),
		"UntagRole": ofRole(a, "UntagRole", func(in *wire.UntagRoleRequest) on {
			return on{name: in.RoleName, untagged: in.TagKeys}
		}),
		"ListRoleTags": ofRole(a, "ListRoleTags", func(in *wire.ListRoleTagsRequest) on {
			return on{name: in.RoleName}
		}),
		"PutRolePolicy": ofRole(a, "PutRolePolicy", func(in *wire.PutRolePolicyRequest) on {
			return on{name: in.RoleName}
		}),
		"GetRolePolicy": ofRole(a, "GetRolePolicy", func(in *wire.GetRolePolicyRequest) on {
			return on{name: in.RoleName}
		}),
		"ListRolePolicies": ofRole(a, "ListRolePolicies", func(in *wire.ListRolePoliciesRequest) on {
			return on{name: in.RoleName}
		}),
		"DeleteRolePolicy": ofRole(a, "DeleteRolePolicy", func(in *wire.DeleteRolePolicyRequest) on {
			return on{name: in.RoleName}
		}),
		"AttachRolePolicy": ofRole(a, "AttachRolePolicy", func(in *wire.AttachRolePolicyRequest) on {
			return on{name: in.RoleName, policy: in.PolicyARN}
		}),
		"DetachRolePolicy": ofRole(a, "DetachRolePolicy", func(in *wire.DetachRolePolicyRequest) on {
			return on{name: in.RoleName, policy: in.PolicyARN}
		}),
		"ListAttachedRolePolicies": ofRole(a, "ListAttachedRolePolicies", func(in *wire.ListAttachedRolePoliciesRequest) on {
			return on{name: in.RoleName}
		}),
	}
}

func (a *API) userAccess() map[string]awswire.Access {
	return map[string]awswire.Access{
		"GetUser": ofUser(a, "GetUser", func(in *wire.GetUserRequest) on {
			return on{name: in.UserName}
		}),
		"DeleteUser": ofUser(a, "DeleteUser", func(in *wire.DeleteUserRequest) on {
			return on{name: in.UserName}
		}),
		"PutUserPolicy": ofUser(a, "PutUserPolicy", func(in *wire.PutUserPolicyRequest) on {
			return on{name: in.UserName}
		}),
		"GetUserPolicy": ofUser(a, "GetUserPolicy", func(in *wire.GetUserPolicyRequest) on {
			return on{name: in.UserName}
		}),
		"ListUserPolicies": ofUser(a, "ListUserPolicies", func(in *wire.ListUserPoliciesRequest) on {
			return on{name: in.UserName}
		}),
		"DeleteUserPolicy": ofUser(a, "DeleteUserPolicy", func(in *wire.DeleteUserPolicyRequest) on {
			return on{name: in.UserName}
		}),
		"AttachUserPolicy": ofUser(a, "AttachUserPolicy", func(in *wire.AttachUserPolicyRequest) on {
			return on{name: in.UserName, policy: in.PolicyARN}
		}),
		"DetachUserPolicy": ofUser(a, "DetachUserPolicy", func(in *wire.DetachUserPolicyRequest) on {
			return on{name: in.UserName, policy: in.PolicyARN}
		}),
		"ListAttachedUserPolicies": ofUser(a, "ListAttachedUserPolicies", func(in *wire.ListAttachedUserPoliciesRequest) on {
			return on{name: in.UserName}
		}),
		"CreateAccessKey": ofUser(a, "CreateAccessKey", func(in *wire.CreateAccessKeyRequest) on {
			return on{name: in.UserName}
		}),
		"ListAccessKeys": ofUser(a, "ListAccessKeys", func(in *wire.ListAccessKeysRequest) on {
			return on{name: in.UserName}
		}),
		"UpdateAccessKey": ofUser(a, "UpdateAccessKey", func(in *wire.UpdateAccessKeyRequest) on {
			return on{name: in.UserName}
		}),
		"DeleteAccessKey": ofUser(a, "DeleteAccessKey", func(in *wire.DeleteAccessKeyRequest) on {
			return on{name: in.UserName}
		}),
	}
}

func (a *API) policyAccess() map[string]awswire.Access {
	return map[string]awswire.Access{
		"GetPolicy": ofPolicy(a, "GetPolicy", func(in *wire.GetPolicyRequest) *string {
			return in.PolicyARN
		}),
		"DeletePolicy": ofPolicy(a, "DeletePolicy", func(in *wire.DeletePolicyRequest) *string {
			return in.PolicyARN
		}),
		"CreatePolicyVersion": ofPolicy(a, "CreatePolicyVersion", func(in *wire.CreatePolicyVersionRequest) *string {
			return in.PolicyARN
		}),
		"GetPolicyVersion": ofPolicy(a, "GetPolicyVersion", func(in *wire.GetPolicyVersionRequest) *string {
			return in.PolicyARN
		}),
		"ListPolicyVersions": ofPolicy(a, "ListPolicyVersions", func(in *wire.ListPolicyVersionsRequest) *string {
			return in.PolicyARN
		}),
		"SetDefaultPolicyVersion": ofPolicy(a, "SetDefaultPolicyVersion",
			func(in *wire.SetDefaultPolicyVersionRequest) *string { return in.PolicyARN }),
		"DeletePolicyVersion": ofPolicy(a, "DeletePolicyVersion", func(in *wire.DeletePolicyVersionRequest) *string {
			return in.PolicyARN
		}),
	}
}
