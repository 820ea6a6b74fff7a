package iamapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

const home = "111111111111"

// directory knows the role and the user "ada" and her key, and fails for "dark".
type directory struct{ Store }

func about[T any](name string, known *T) (*T, error) {
	switch name {
	case "ada":
		return known, nil
	case "dark":
		return nil, errors.New("disk on fire")
	}
	return nil, fault.New(fault.NotFound, "there is no %s", name)
}

func (directory) Role(_ context.Context, account, name string) (*identity.Role, error) {
	return about(name, &identity.Role{
		Account: account, Path: "/service-role/", Name: "ada", Boundary: "arn:b", Tags: map[string]string{"k": "v"},
	})
}

func (directory) User(_ context.Context, account, name string) (*identity.User, error) {
	return about(name, &identity.User{Account: account, Path: "/team/", Name: "ada"})
}

func (directory) ManagedPolicy(_ context.Context, account, arn string) (*identity.ManagedPolicy, error) {
	e, _ := identity.ParseARN(arn)
	return about(e.Name, &identity.ManagedPolicy{Account: account, Name: "ada", Tags: map[string]string{"k": "v"}})
}

func (directory) KeyUse(_ context.Context, _, id string) (*identity.KeyUse, error) {
	return about(strings.ToLower(id), &identity.KeyUse{User: "ada"})
}

// spell writes needs as "action resource key=value …", apart by "; ".
func spell(needs []awswire.Need) string {
	var all []string
	for _, n := range needs {
		if n.Err != nil {
			return "an error"
		}
		words := []string{n.Action, n.Resource}
		for _, key := range slices.Sorted(maps.Keys(n.Keys)) {
			words = append(words, key+"="+strings.Join(n.Keys[key], ","))
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, "; ")
}

func TestWhatOperationsNeed(t *testing.T) {
	access := (&API{Config{Store: directory{}}}).access()
	const tagged = "aws:ResourceTag/k=v iam:PermissionsBoundary=arn:b "
	for _, tt := range []struct {
		in   any
		want string
	}{
		{&wire.GetRoleRequest{RoleName: new("ada")},
			"iam:GetRole arn:aws:iam::111111111111:role/service-role/ada " + tagged + "iam:ResourceTag/k=v"},
		{&wire.GetRoleRequest{RoleName: new("bob")}, "iam:GetRole arn:aws:iam::111111111111:role/bob"},
		{&wire.GetRoleRequest{}, "iam:GetRole arn:aws:iam::111111111111:role/"},
		{&wire.DeleteRoleRequest{RoleName: new("dark")}, "an error"},
		{&wire.AttachRolePolicyRequest{RoleName: new("ada"), PolicyARN: new("arn:p")},
			"iam:AttachRolePolicy arn:aws:iam::111111111111:role/service-role/ada " +
				"aws:ResourceTag/k=v iam:PermissionsBoundary=arn:b iam:PolicyARN=arn:p iam:ResourceTag/k=v"},
		{&wire.DetachUserPolicyRequest{UserName: new("ada"), PolicyARN: new("arn:p")},
			"iam:DetachUserPolicy arn:aws:iam::111111111111:user/team/ada iam:PolicyARN=arn:p"},
		{&wire.AttachUserPolicyRequest{UserName: new("dark"), PolicyARN: new("arn:p")}, "an error"},
		{&wire.CreateRoleRequest{RoleName: new("r"), Path: new("/x/"), PermissionsBoundary: new("arn:b")},
			"iam:CreateRole arn:aws:iam::111111111111:role/x/r iam:PermissionsBoundary=arn:b"},
		{&wire.CreateUserRequest{UserName: new("u"), Tags: []wire.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b")}}},
			"iam:CreateUser arn:aws:iam::111111111111:user/u aws:RequestTag/a=1 aws:RequestTag/b= aws:TagKeys=a,b; " +
				"iam:TagUser arn:aws:iam::111111111111:user/u aws:RequestTag/a=1 aws:RequestTag/b= aws:TagKeys=a,b"},
		{&wire.TagRoleRequest{RoleName: new("bob"), Tags: []wire.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b")}}},
			"iam:TagRole arn:aws:iam::111111111111:role/bob aws:RequestTag/a=1 aws:RequestTag/b= aws:TagKeys=a,b"},
		{&wire.UntagRoleRequest{RoleName: new("ada"), TagKeys: []string{"k", "l"}},
			"iam:UntagRole arn:aws:iam::111111111111:role/service-role/ada aws:ResourceTag/k=v aws:TagKeys=k,l " +
				"iam:PermissionsBoundary=arn:b iam:ResourceTag/k=v"},
		{&wire.CreatePolicyRequest{}, "iam:CreatePolicy arn:aws:iam::111111111111:policy/"},
		{&wire.CreateAccessKeyRequest{}, "iam:CreateAccessKey arn:aws:iam::111111111111:user/team/ada"},
		{&wire.CreateAccessKeyRequest{UserName: new("bob")}, "iam:CreateAccessKey arn:aws:iam::111111111111:user/bob"},
		{&wire.GetAccessKeyLastUsedRequest{AccessKeyID: new("ADA")},
			"iam:GetAccessKeyLastUsed arn:aws:iam::111111111111:user/team/ada"},
		{&wire.GetAccessKeyLastUsedRequest{AccessKeyID: new("NOBODY")}, "iam:GetAccessKeyLastUsed "},
		{&wire.GetAccessKeyLastUsedRequest{AccessKeyID: new("DARK")}, "an error"},
		{&wire.DeletePolicyRequest{PolicyARN: new("arn:aws:iam::1:policy/ada")},
			"iam:DeletePolicy arn:aws:iam::1:policy/ada aws:ResourceTag/k=v iam:ResourceTag/k=v"},
		{&wire.GetPolicyVersionRequest{PolicyARN: new("arn:aws:iam::1:policy/none")},
			"iam:GetPolicyVersion arn:aws:iam::1:policy/none"},
		{&wire.GetPolicyRequest{PolicyARN: new("arn:aws:iam::1:policy/dark")}, "an error"},
	} {
		name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", tt.in), "*wire."), "Request")
		ctx := awswire.WithCaller(t.Context(), awswire.Caller{
			Account: home, Principal: identity.Principal{Kind: identity.KindUser, Name: "ada"},
		})
		if got := spell(access[name](ctx, tt.in)); got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, tt.want)
		}
	}
}

// lists are the operations that are about no resource.
var lists = []string{
	"GetAccountAuthorizationDetails", "GetServiceLastAccessedDetails", "ListPolicies", "ListRoles", "ListUsers",
}

func TestOnlyListsOfTheAccountHaveNoResource(t *testing.T) {
	a := &API{}
	access := a.access()
	for _, op := range a.operations() {
		if name := op.Fact().Name; access[name] == nil && !slices.Contains(lists, name) {
			t.Errorf("got nothing that %s is about", name)
		}
	}
}
