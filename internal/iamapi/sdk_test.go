package iamapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

const (
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"iot.amazonaws.com"},` +
		`"Action":"sts:AssumeRole"}]}`
	allow = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", ` +
		`"Resource": "arn:aws:iot:*:*:thing/a b+c~d*é"}}`
	auditARN  = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
	accountID = cordontest.Account
	foreign   = "222222222222"
)

// client is one of IAM with an access key.
func client(url, id, secret string) *iam.Client {
	return iam.New(iam.Options{
		BaseEndpoint: aws.String(url), Region: cordontest.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// wantCode checks the code of an error and a part of its text; "" is no error.
func wantCode(t *testing.T, err error, code, part string) {
	t.Helper()
	var e smithy.APIError
	switch {
	case code == "" && err == nil:
	case !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), part):
		t.Errorf("got %v, want %s that says %q", err, code, part)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// decoded reads a document as IAM answers with it.
func decoded(t *testing.T, document *string) string {
	t.Helper()
	if strings.ContainsAny(*document, "+ *{\"") {
		t.Errorf("got %s, want it encoded", *document)
	}
	text, err := url.PathUnescape(*document)
	ok(t, err)
	return text
}

func TestIAM(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	root := client(cordon.URL(), cordontest.RootID, cordontest.RootToken)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *cordontest.Cordon, *iam.Client)
	}{
		{"roles", testRoles}, {"tags of roles", testRoleTags}, {"policies", testPolicies}, {"users and keys", testUsers},
		{"what is refused", testRefused}, {"pages", testPages}, {"other accounts", testForeign},
		{"permissions", testPermissions}, {"boto3", testBoto3},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, cordon, root) })
	}
}

func testRoles(t *testing.T, _ *cordontest.Cordon, c *iam.Client) {
	ctx := t.Context()
	create := &iam.CreateRoleInput{
		RoleName: new("Auditor"), Path: new("/service-role/"), AssumeRolePolicyDocument: new(trust), Description: new("d"),
		MaxSessionDuration: aws.Int32(7200), PermissionsBoundary: new(auditARN),
		Tags: []types.Tag{{Key: new("k"), Value: new("v")}},
	}
	made, err := c.CreateRole(ctx, create)
	ok(t, err)
	if *made.Role.Arn != "arn:aws:iam::"+accountID+":role/service-role/Auditor" || len(*made.Role.RoleId) != 21 {
		t.Errorf("got %s, %s", *made.Role.Arn, *made.Role.RoleId)
	}
	create.RoleName = new("AUDITOR")
	_, err = c.CreateRole(ctx, create)
	wantCode(t, err, "EntityAlreadyExists", "Role with name AUDITOR already exists.")

	name := made.Role.RoleName
	_, err = c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: new("e")})
	ok(t, err)
	other := strings.Replace(trust, "iot.", "other.", 1)
	_, err = c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &other})
	ok(t, err)
	got, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	ok(t, err)
	r := got.Role
	if decoded(t, r.AssumeRolePolicyDocument) != other || *r.Description != "e" || *r.MaxSessionDuration != 7200 ||
		*r.PermissionsBoundary.PermissionsBoundaryArn != auditARN || *r.Tags[0].Value != "v" || r.RoleLastUsed == nil {
		t.Errorf("got %+v", r)
	}

	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: name, PolicyName: new("p"), PolicyDocument: new(allow),
	})
	ok(t, err)
	inline, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: new("p")})
	ok(t, err)
	if got := decoded(t, inline.PolicyDocument); got != allow {
		t.Errorf("got %s, want %s", got, allow)
	}
	attach := &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: new(auditARN)}
	for range 2 {
		_, err = c.AttachRolePolicy(ctx, attach)
		ok(t, err)
	}
	list, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{
		RoleName: name, PathPrefix: new("/service-role/"),
	})
	ok(t, err)
	if len(list.AttachedPolicies) != 1 || *list.AttachedPolicies[0].PolicyName != "AWSIoTDeviceDefenderAudit" {
		t.Errorf("got %+v", list.AttachedPolicies)
	}
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	wantCode(t, err, "DeleteConflict", "must detach all policies first")
	_, err = c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: new(auditARN)})
	ok(t, err)
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	wantCode(t, err, "DeleteConflict", "must delete policies first")
	_, err = c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: new("p")})
	ok(t, err)
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	ok(t, err)
	_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	var missing *types.NoSuchEntityException
	if !errors.As(err, &missing) || missing.ErrorMessage() != "The role with name Auditor cannot be found." {
		t.Errorf("got %v, want that it is not there", err)
	}
}

// Tags of roles are told as they are, and by pages; who may take a role by its
// tags is decided anew at the next call.
func testRoleTags(t *testing.T, cordon *cordontest.Cordon, c *iam.Client) {
	ctx, name := t.Context(), new("tagged-later")
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: new(trust)})
	ok(t, err)
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	ok(t, err)
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: new("p"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetRole","Resource":"*",
			"Condition":{"StringEquals":{"iam:ResourceTag/team":"dev"}}}]}`)})
	ok(t, err)
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	ok(t, err)
	dev := client(cordon.URL(), *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	get := func() error {
		_, err := dev.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
		return err
	}
	tag := func(tags ...types.Tag) error {
		_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags})
		return err
	}

	wantCode(t, get(), "AccessDenied", "iam:GetRole on resource: "+*made.Role.Arn)
	ok(t, tag(types.Tag{Key: new("Team"), Value: new("x")}, types.Tag{Key: new("a"), Value: new("")}))
	ok(t, tag(types.Tag{Key: new("team"), Value: new("dev")}))
	ok(t, get())
	first, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name, MaxItems: aws.Int32(1)})
	ok(t, err)
	if len(first.Tags) != 1 || *first.Tags[0].Key != "a" || *first.Tags[0].Value != "" || !first.IsTruncated {
		t.Fatalf("got %+v, want the tag a, and that there is more", first)
	}
	rest, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name, Marker: first.Marker})
	ok(t, err)
	if len(rest.Tags) != 1 || *rest.Tags[0].Key != "team" || *rest.Tags[0].Value != "dev" || rest.IsTruncated {
		t.Errorf("got %+v, want the tag team, and no more", rest)
	}
	wantCode(t, tag(types.Tag{Key: new("b"), Value: new("")}, types.Tag{Key: new("B"), Value: new("")}),
		"InvalidInput", "Duplicate tag keys")
	_, err = c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"TEAM", "none"}})
	ok(t, err)
	wantCode(t, get(), "AccessDenied", "iam:GetRole")
	_, err = c.TagRole(ctx, &iam.TagRoleInput{RoleName: new("none"), Tags: []types.Tag{{Key: new("a"), Value: new("")}}})
	wantCode(t, err, "NoSuchEntity", "The role with name none cannot be found.")

	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	ok(t, err)
}

func testPolicies(t *testing.T, _ *cordontest.Cordon, c *iam.Client) {
	ctx := t.Context()
	made, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: new("p"), Path: new("/x/"), PolicyDocument: new(allow), Description: new("d"),
	})
	ok(t, err)
	arn := made.Policy.Arn
	v2, err := c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
		PolicyArn: arn, PolicyDocument: new(allow), SetAsDefault: true,
	})
	ok(t, err)
	if *v2.PolicyVersion.VersionId != "v2" || !v2.PolicyVersion.IsDefaultVersion {
		t.Errorf("got %+v", v2.PolicyVersion)
	}
	version, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: new("v1")})
	ok(t, err)
	if decoded(t, version.PolicyVersion.Document) != allow || version.PolicyVersion.IsDefaultVersion {
		t.Errorf("got %+v", version.PolicyVersion)
	}
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("uses-p"), PermissionsBoundary: arn})
	ok(t, err)
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: new("uses-p"), PolicyArn: arn})
	ok(t, err)
	got, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	ok(t, err)
	p := got.Policy
	if *p.DefaultVersionId != "v2" || *p.AttachmentCount != 1 || *p.PermissionsBoundaryUsageCount != 1 ||
		*p.Arn != "arn:aws:iam::"+accountID+":policy/x/p" || *p.Description != "d" {
		t.Errorf("got %+v", p)
	}
	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	wantCode(t, err, "DeleteConflict", "attached to entities")
	_, err = c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: new("uses-p"), PolicyArn: arn})
	ok(t, err)
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: new("uses-p")})
	ok(t, err)
	_, err = c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: new("v2")})
	wantCode(t, err, "DeleteConflict", "default version")
	_, err = c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: new("v1")})
	ok(t, err)
	_, err = c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: new("v2")})
	ok(t, err)
	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	ok(t, err)

	// What AWS manages can be read, and not changed by anybody.
	aws, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: new(auditARN), VersionId: new("v1")})
	ok(t, err)
	if doc := decoded(t, aws.PolicyVersion.Document); !json.Valid([]byte(doc)) || !strings.Contains(doc, "iot:GetPolicy") {
		t.Errorf("got %s", doc)
	}
	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: new(auditARN)})
	wantCode(t, err, "AccessDenied", "")
	_, err = c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
		PolicyArn: new(auditARN), PolicyDocument: new(allow),
	})
	wantCode(t, err, "AccessDenied", "")
}

func testUsers(t *testing.T, cordon *cordontest.Cordon, c *iam.Client) {
	ctx, name := t.Context(), new("ada")
	made, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: new("/team/")})
	ok(t, err)
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{
		UserName: name, PolicyArn: new("arn:aws:iam::aws:policy/IAMFullAccess"),
	})
	ok(t, err)
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	ok(t, err)
	k := key.AccessKey
	if k.Status != types.StatusTypeActive || *k.UserName != "ada" || len(*k.SecretAccessKey) != 40 {
		t.Errorf("got a key %s of %s, %s", *k.AccessKeyId, *k.UserName, k.Status)
	}

	ada := client(cordon.URL(), *k.AccessKeyId, *k.SecretAccessKey)
	self, err := ada.GetUser(ctx, nil)
	ok(t, err)
	if *self.User.Arn != *made.User.Arn || *self.User.UserId != *made.User.UserId {
		t.Errorf("got %s, want %s", *self.User.Arn, *made.User.Arn)
	}
	second, err := ada.CreateAccessKey(ctx, nil) // for herself
	ok(t, err)
	_, err = ada.CreateAccessKey(ctx, nil)
	wantCode(t, err, "LimitExceeded", "AccessKeysPerUser: 2")

	// The next call hears that a key was deactivated, deleted, or made good again.
	update := func(status types.StatusType) {
		t.Helper()
		_, err := c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
			UserName: name, AccessKeyId: k.AccessKeyId, Status: status,
		})
		ok(t, err)
	}
	update(types.StatusTypeInactive)
	_, err = ada.GetUser(ctx, nil)
	wantCode(t, err, "InvalidClientTokenId", "")
	update(types.StatusTypeActive)
	_, err = ada.GetUser(ctx, nil)
	ok(t, err)
	_, err = c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
		UserName: name, AccessKeyId: k.AccessKeyId, Status: "Expired",
	})
	wantCode(t, err, "InvalidInput", "Active or Inactive")
	list, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: name})
	ok(t, err)
	if len(list.AccessKeyMetadata) != 2 {
		t.Errorf("got %+v, want two keys", list.AccessKeyMetadata)
	}
	last, err := c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: second.AccessKey.AccessKeyId})
	ok(t, err)
	if use := last.AccessKeyLastUsed; *last.UserName != "ada" || *use.ServiceName != "N/A" || use.LastUsedDate != nil {
		t.Errorf("got %+v of a key that was not used", use)
	}
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	wantCode(t, err, "DeleteConflict", "access keys")
	for _, id := range []*string{second.AccessKey.AccessKeyId, k.AccessKeyId} {
		_, err = c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: id})
		ok(t, err)
	}
	_, err = ada.GetUser(ctx, nil)
	wantCode(t, err, "InvalidClientTokenId", "")

	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: name, PolicyName: new("p"), PolicyDocument: new(allow),
	})
	ok(t, err)
	inline, err := c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: new("p")})
	ok(t, err)
	if got := decoded(t, inline.PolicyDocument); got != allow {
		t.Errorf("got %s, want %s", got, allow)
	}
	_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: new("p")})
	ok(t, err)
	_, err = c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{
		UserName: name, PolicyArn: new("arn:aws:iam::aws:policy/IAMFullAccess"),
	})
	ok(t, err)
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	ok(t, err)
	self, err = c.GetUser(ctx, nil)
	ok(t, err)
	if *self.User.Arn != "arn:aws:iam::"+accountID+":root" {
		t.Errorf("got %s, want root", *self.User.Arn)
	}
	_, err = c.CreateAccessKey(ctx, nil)
	wantCode(t, err, "ValidationError", "Must specify userName")
}

func testRefused(t *testing.T, _ *cordontest.Cordon, c *iam.Client) {
	ctx := t.Context()
	role := func(change func(*iam.CreateRoleInput)) func() error {
		in := &iam.CreateRoleInput{RoleName: new("refused"), AssumeRolePolicyDocument: new(trust)}
		change(in)
		return func() error { _, err := c.CreateRole(ctx, in); return err }
	}
	policy := func(document string) func() error {
		return func() error {
			_, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("refused"), PolicyDocument: &document})
			return err
		}
	}
	attach := func(arn string) func() error {
		return func() error {
			_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: new("none"), PolicyArn: &arn})
			return err
		}
	}
	operator := strings.Replace(allow, `"Resource"`, `"Condition": {"StringAbout": {"a": "b"}}, "Resource"`, 1)
	for _, tt := range []struct {
		name       string
		call       func() error
		code, part string
	}{
		{"a role that trusts nobody", role(func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = new(`{"Version":"2012-10-17","Statement":[]}`)
		}), "MalformedPolicyDocument", "trusts nobody"},
		{"a trust policy that is none", role(func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = new(allow) }),
			"MalformedPolicyDocument", "not allowed here"},
		{"a trust policy that is too long", role(func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = new(strings.Replace(trust, "iot.", strings.Repeat("i", 4096)+".", 1))
		}), "LimitExceeded", "ACLSizePerRole"},
		{"a path that does not end", role(func(in *iam.CreateRoleInput) { in.Path = new("/x") }), "ValidationError", "path"},
		{"a name with a slash", role(func(in *iam.CreateRoleInput) { in.RoleName = new("a/b") }), "ValidationError",
			"roleName"},
		{"a session of a minute", role(func(in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(60) }),
			"ValidationError", "maxSessionDuration"},
		{"a boundary that is not there", role(func(in *iam.CreateRoleInput) { in.PermissionsBoundary = new(auditARN + "x") }),
			"NoSuchEntity", "does not exist or is not attachable"},
		{"a tag twice", role(func(in *iam.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: new("a"), Value: new("")}, {Key: new("A"), Value: new("")}}
		}), "InvalidInput", "Duplicate tag keys"},
		{"a reserved tag", role(func(in *iam.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: new("aws:a"), Value: new("")}}
		}), "InvalidInput", "reserved"},
		{"a policy that is no JSON", policy("{"), "MalformedPolicyDocument", ""},
		{"a policy with an unknown operator", policy(operator), "MalformedPolicyDocument", "StringAbout"},
		{"a policy with a principal", policy(trust), "MalformedPolicyDocument", "Principal"},
		{"a policy that is too long", policy(strings.Replace(allow, "a b", strings.Repeat("a", 6200), 1)), "LimitExceeded",
			"PolicySize: 6144"},
		{"a policy by a name", attach("just-a-name-of-a-policy"), "InvalidInput", "is not valid"},
		{"a role in place of a policy", attach("arn:aws:iam::" + accountID + ":role/r"), "InvalidInput", "is not valid"},
		{"a policy of another account", attach("arn:aws:iam::" + foreign + ":policy/p"), "NoSuchEntity", ""},
		{"a version that is no number", func() error {
			_, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{
				PolicyArn: new(auditARN), VersionId: new("v99999999999999999999"),
			})
			return err
		}, "NoSuchEntity", "version v9"},
		{"a marker of another list", func() error {
			_, err := c.ListRoles(ctx, &iam.ListRolesInput{Marker: new("AAAA")})
			return err
		}, "ValidationError", "page token"},
		{"more than a page has", func() error {
			_, err := c.ListRoles(ctx, &iam.ListRolesInput{MaxItems: aws.Int32(1001)})
			return err
		}, "ValidationError", "maxItems"},
	} {
		wantCode(t, tt.call(), tt.code, tt.part)
		if t.Failed() {
			t.Fatalf("of %s", tt.name)
		}
	}
}

// aPage lists one page, and says whether there is more and behind which marker.
type aPage func(ctx context.Context, marker *string, items *int32) (names []string, more bool, next *string)

// paged reads a list in pages of two and holds that every page but the last is
// full.
func paged(t *testing.T, page aPage) string {
	t.Helper()
	var all []string
	var marker *string
	for {
		items, more, next := page(t.Context(), marker, aws.Int32(2))
		all = append(all, items...)
		if more != (next != nil) || more && len(items) != 2 {
			t.Fatalf("got %v, more %t, marker %v", items, more, next)
		}
		if marker = next; !more {
			return strings.Join(all, " ")
		}
	}
}

func namesOf[T any](list []T, name func(T) *string) (names []string) {
	for _, item := range list {
		names = append(names, *name(item))
	}
	return names
}

func testPages(t *testing.T, _ *cordontest.Cordon, c *iam.Client) {
	ctx, path := t.Context(), "/pages/"+strings.Repeat("<", 400)+"/"
	for i := range 5 {
		name := fmt.Sprint("pages-", i)
		_, err := c.CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: &name, Path: &path, AssumeRolePolicyDocument: new(trust),
		})
		ok(t, err)
		_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: new("pages-0"), PolicyName: &name, PolicyDocument: new(allow),
		})
		ok(t, err)
		made, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: new(allow)})
		ok(t, err)
		if i > 0 {
			_, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
				RoleName: new("pages-0"), PolicyArn: made.Policy.Arn,
			})
			ok(t, err)
			_, err = c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
				PolicyArn: new("arn:aws:iam::" + accountID + ":policy/pages-0"), PolicyDocument: new(allow),
			})
			ok(t, err)
		}
	}
	const five, four = "pages-0 pages-1 pages-2 pages-3 pages-4", "pages-1 pages-2 pages-3 pages-4"
	got := map[string]string{
		"roles": paged(t, func(ctx context.Context, marker *string, n *int32) ([]string, bool, *string) {
			out, err := c.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/pages/"), Marker: marker, MaxItems: n})
			ok(t, err)
			return namesOf(out.Roles, func(r types.Role) *string { return r.RoleName }), out.IsTruncated, out.Marker
		}),
		"inline": paged(t, func(ctx context.Context, marker *string, n *int32) ([]string, bool, *string) {
			out, err := c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{
				RoleName: new("pages-0"), Marker: marker, MaxItems: n,
			})
			ok(t, err)
			return out.PolicyNames, out.IsTruncated, out.Marker
		}),
		"attached": paged(t, func(ctx context.Context, marker *string, n *int32) ([]string, bool, *string) {
			out, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{
				RoleName: new("pages-0"), Marker: marker, MaxItems: n,
			})
			ok(t, err)
			return namesOf(out.AttachedPolicies, func(p types.AttachedPolicy) *string { return p.PolicyName }), out.IsTruncated,
				out.Marker
		}),
		"versions": paged(t, func(ctx context.Context, marker *string, n *int32) ([]string, bool, *string) {
			out, err := c.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{
				PolicyArn: new("arn:aws:iam::" + accountID + ":policy/pages-0"), Marker: marker, MaxItems: n,
			})
			ok(t, err)
			return namesOf(out.Versions, func(v types.PolicyVersion) *string { return v.VersionId }), out.IsTruncated,
				out.Marker
		}),
	}
	listed := func(scope types.PolicyScopeType, attached bool) string {
		return paged(t, func(ctx context.Context, marker *string, n *int32) ([]string, bool, *string) {
			out, err := c.ListPolicies(ctx, &iam.ListPoliciesInput{
				Scope: scope, OnlyAttached: attached, Marker: marker, MaxItems: n,
			})
			ok(t, err)
			return namesOf(out.Policies, func(p types.Policy) *string { return p.PolicyName }), out.IsTruncated, out.Marker
		})
	}
	got["own policies"], got["policies in use"] = listed("Local", false), listed("All", true)
	for list, want := range map[string]string{
		"roles": five, "inline": five, "attached": four, "versions": "v5 v4 v3 v2 v1", "own policies": five,
		"policies in use": four,
	} {
		if got[list] != want {
			t.Errorf("%s: got %q, want %q", list, got[list], want)
		}
	}
	ofAWS, all := listed("AWS", false), listed("All", false)
	if n := len(strings.Fields(ofAWS)); n != 18 || all != ofAWS+" "+five {
		t.Errorf("got %d policies of AWS, and %q of all", n, all)
	}
}

// Whatever an account has, to another account it is not there.
func testForeign(t *testing.T, cordon *cordontest.Cordon, c *iam.Client) {
	ctx := t.Context()
	_, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: new("mine"), AssumeRolePolicyDocument: new(trust)})
	ok(t, err)
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("mine")})
	ok(t, err)
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: new("mine")})
	ok(t, err)
	made, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("mine"), PolicyDocument: new(allow)})
	ok(t, err)

	other, err := cordon.Identity().CreateAccount(ctx, foreign, "")
	ok(t, err)
	o, name, arn := client(cordon.URL(), other.ID, other.Secret), new("mine"), made.Policy.Arn
	for call, run := range map[string]func() error{
		"GetRole":    func() error { _, err := o.GetRole(ctx, &iam.GetRoleInput{RoleName: name}); return err },
		"DeleteRole": func() error { _, err := o.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err },
		"PutRolePolicy": func() error {
			_, err := o.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
				RoleName: name, PolicyName: name, PolicyDocument: new(allow),
			})
			return err
		},
		"GetUser": func() error { _, err := o.GetUser(ctx, &iam.GetUserInput{UserName: name}); return err },
		"CreateAccessKey": func() error {
			_, err := o.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
			return err
		},
		"ListAccessKeys": func() error {
			_, err := o.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: name})
			return err
		},
		"GetAccessKeyLastUsed": func() error {
			_, err := o.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKey.AccessKeyId})
			return err
		},
		"GetPolicy":    func() error { _, err := o.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn}); return err },
		"DeletePolicy": func() error { _, err := o.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}); return err },
		"CreatePolicyVersion": func() error {
			_, err := o.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: new(allow)})
			return err
		},
	} {
		var e smithy.APIError
		if err := run(); !errors.As(err, &e) || !slices.Contains([]string{"NoSuchEntity", "AccessDenied"}, e.ErrorCode()) {
			t.Errorf("%s: got %v, want that it is not there", call, err)
		}
	}
	roles, err := o.ListRoles(ctx, nil)
	ok(t, err)
	users, err := o.ListUsers(ctx, nil)
	ok(t, err)
	policies, err := o.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal})
	ok(t, err)
	if n := len(roles.Roles) + len(users.Users) + len(policies.Policies); n != 0 {
		t.Errorf("got %d of another account's", n)
	}
	_, err = o.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: new(trust)}) // its own
	ok(t, err)
}

// ownRoles lets somebody make roles below a path, and no more than a boundary
// allows.
const ownRoles = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "iam:CreateRole", "Resource": "arn:aws:iam::*:role/dev/*",
		"Condition": {"StringEquals": {"iam:PermissionsBoundary": "` + auditARN + `"}}},
	{"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "arn:aws:iam::*:role/dev/*",
		"Condition": {"ArnEquals": {"iam:PolicyARN": "` + auditARN + `"}}},
	{"Effect": "Allow", "Action": "iam:GetRole", "Resource": "arn:aws:iam::*:role/dev/*"},
	{"Effect": "Allow", "Action": ["iam:PutRolePolicy", "iam:TagRole"], "Resource": "*",
		"Condition": {"StringEquals": {"aws:ResourceTag/team": "dev"}}}]}`

// What is not allowed is refused, by path, boundary, policy and tags.
func testPermissions(t *testing.T, cordon *cordontest.Cordon, c *iam.Client) {
	ctx, name := t.Context(), new("dev")
	_, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	ok(t, err)
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	ok(t, err)
	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: new("prod"), AssumeRolePolicyDocument: new(trust)})
	ok(t, err)
	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: new("tagged"), AssumeRolePolicyDocument: new(trust),
		Tags: []types.Tag{{Key: new("team"), Value: new("dev")}},
	})
	ok(t, err)
	dev := client(cordon.URL(), *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	get := func(role string) error {
		_, err := dev.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		return err
	}
	const may = "User: arn:aws:iam::" + accountID + ":user/dev is not authorized to perform: "
	wantCode(t, get("prod"), "AccessDenied", may+"iam:GetRole on resource: arn:aws:iam::"+accountID+":role/prod")
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: name, PolicyName: new("own"), PolicyDocument: new(ownRoles),
	})
	ok(t, err)

	create := func(path, boundary string, tags ...types.Tag) error {
		in := &iam.CreateRoleInput{
			RoleName: new("own"), Path: &path, AssumeRolePolicyDocument: new(trust), Tags: tags,
		}
		if boundary != "" {
			in.PermissionsBoundary = &boundary
		}
		_, err := dev.CreateRole(ctx, in)
		return err
	}
	put := func(role string) error {
		_, err := dev.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: &role, PolicyName: new("p"), PolicyDocument: new(allow),
		})
		return err
	}
	attach := func(role, policy string) error {
		_, err := dev.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &policy})
		return err
	}
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	for i, tt := range []struct {
		err  error
		want string // what is missing, "" for nothing
	}{
		{create("/", auditARN), "iam:CreateRole on resource: arn:aws:iam::" + accountID + ":role/own"},
		{create("/dev/", ""), "iam:CreateRole"},
		{create("/dev/", admin), "iam:CreateRole"},
		{create("/dev/", auditARN, types.Tag{Key: new("team"), Value: new("dev")}), "iam:TagRole"},
		{create("/dev/", auditARN), ""},
		{get("own"), ""},
		{get("prod"), "iam:GetRole"},
		{attach("own", admin), "iam:AttachRolePolicy"},
		{attach("prod", auditARN), "iam:AttachRolePolicy"},
		{attach("own", auditARN), ""},
		{put("prod"), "iam:PutRolePolicy"},
		{put("tagged"), ""},
		{get("none"), "iam:GetRole on resource: arn:aws:iam::" + accountID + ":role/none"},
	} {
		code := ""
		if tt.want != "" {
			code, tt.want = "AccessDenied", may+tt.want
		}
		if wantCode(t, tt.err, code, tt.want); t.Failed() {
			t.Fatalf("at call %d", i)
		}
	}
	_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: new("own")})
	ok(t, err)
	wantCode(t, get("own"), "AccessDenied", "iam:GetRole")
}

func testBoto3(t *testing.T, cordon *cordontest.Cordon, _ *iam.Client) {
	cmd := exec.CommandContext(t.Context(), cordontest.Python(t), "testdata/iam.py")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+cordontest.RootID, "AWS_SECRET_ACCESS_KEY="+cordontest.RootToken,
		"AWS_DEFAULT_REGION="+cordontest.Region, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "ENDPOINT="+cordon.URL())
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	ok(t, cmd.Run())
}
