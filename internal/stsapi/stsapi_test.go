package stsapi_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/server"
)

// key is what somebody signs with.
type key struct{ id, secret, token string }

// house is a Cordon of two accounts.
type house struct {
	*testing.T
	*cordontest.Cordon
	root, other key // of the accounts home and foreign
}

const (
	home    = cordontest.Account
	foreign = "222222222222"
)

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, root: key{cordontest.RootID, cordontest.RootToken, ""}}
	h.Cordon = cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	made, err := h.Identity().CreateAccount(t.Context(), foreign, "")
	h.must(err)
	h.other = key{made.ID, made.Secret, ""}
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (k key) provider() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.id, k.secret, k.token)
}

func (h *house) sts(k key) *sts.Client {
	return sts.New(sts.Options{
		BaseEndpoint: aws.String(h.URL()), Region: cordontest.Region, RetryMaxAttempts: 1, Credentials: k.provider(),
	})
}

func (h *house) iam(k key) *iam.Client {
	return iam.New(iam.Options{
		BaseEndpoint: aws.String(h.URL()), Region: cordontest.Region, RetryMaxAttempts: 1, Credentials: k.provider(),
	})
}

// things lists things: what every session of these tests tries.
func (h *house) things(k key) error {
	client := iot.New(iot.Options{
		BaseEndpoint: aws.String(h.URL()), Region: cordontest.Region, RetryMaxAttempts: 1, Credentials: k.provider(),
	})
	_, err := client.ListThings(h.Context(), nil)
	return err
}

// allow is a policy that allows actions on everything.
func allow(actions ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["` +
		strings.Join(actions, `","`) + `"]}]}`)
}

// trust is a trust policy of somebody, with a condition that may be "".
func trust(somebody, condition string) *string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + somebody +
		`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]` + condition + `}]}`)
}

// user makes a user with a key who may do something, or nothing.
func (h *house) user(owner key, name string, may ...string) key {
	h.Helper()
	client := h.iam(owner)
	_, err := client.CreateUser(h.Context(), &iam.CreateUserInput{UserName: &name})
	h.must(err)
	if len(may) > 0 {
		_, err = client.PutUserPolicy(h.Context(), &iam.PutUserPolicyInput{
			UserName: &name, PolicyName: aws.String("may"), PolicyDocument: allow(may...),
		})
		h.must(err)
	}
	made, err := client.CreateAccessKey(h.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	h.must(err)
	return key{*made.AccessKey.AccessKeyId, *made.AccessKey.SecretAccessKey, ""}
}

// role makes a role of the account home and returns its ARN and id.
func (h *house) role(name string, trusts *string, may ...string) (arn, id string) {
	h.Helper()
	client := h.iam(h.root)
	made, err := client.CreateRole(h.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: trusts, MaxSessionDuration: aws.Int32(7200),
	})
	h.must(err)
	_, err = client.PutRolePolicy(h.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("may"), PolicyDocument: allow(may...),
	})
	h.must(err)
	return *made.Role.Arn, *made.Role.RoleId
}

func (h *house) unmake(role string) {
	h.Helper()
	client := h.iam(h.root)
	_, err := client.DeleteRolePolicy(h.Context(), &iam.DeleteRolePolicyInput{
		RoleName: &role, PolicyName: aws.String("may"),
	})
	h.must(err)
	_, err = client.DeleteRole(h.Context(), &iam.DeleteRoleInput{RoleName: &role})
	h.must(err)
}

func (h *house) assume(k key, in sts.AssumeRoleInput) (key, *sts.AssumeRoleOutput, error) {
	in.RoleSessionName = aws.String("night")
	out, err := h.sts(k).AssumeRole(h.Context(), &in)
	if err != nil {
		return key{}, nil, err
	}
	return key{*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken}, out, nil
}

// session is assume where it must succeed.
func (h *house) session(k key, in sts.AssumeRoleInput) key {
	h.Helper()
	s, _, err := h.assume(k, in)
	h.must(err)
	return s
}

// want checks what a call came to: "" for an answer, or an exception and behind
// a space a part of its text.
func want(t *testing.T, what string, err error, outcome string) {
	t.Helper()
	code, text, _ := strings.Cut(outcome, " ")
	var e smithy.APIError
	switch {
	case outcome == "" && err == nil:
	case outcome == "", !errors.As(err, &e), e.ErrorCode() != code, !strings.Contains(e.ErrorMessage(), text):
		t.Errorf("%s: got %v, want %q", what, err, outcome)
	}
}

// is checks who a caller is.
func (h *house) is(t *testing.T, k key, arn, id string) {
	t.Helper()
	got, err := h.sts(k).GetCallerIdentity(h.Context(), nil)
	if err != nil {
		t.Error(err)
		return
	}
	if *got.Account != home || *got.Arn != arn || *got.UserId != id {
		t.Errorf("got %s, %s, %s, want %s, %s", *got.Account, *got.Arn, *got.UserId, arn, id)
	}
}

func TestSessions(t *testing.T) {
	h := newHouse(t)
	alice := h.user(h.root, "alice", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
	bob := h.user(h.root, "bob")
	carol := h.user(h.other, "carol", "sts:*")
	dave := h.user(h.other, "dave")
	account, accountID := h.role("Account", trust(home, ""), "iot:ListThings", "sts:*")
	named, _ := h.role("Named", trust("arn:aws:iam::"+home+":user/bob", `{"StringEquals":{"sts:ExternalId":"pager"}}`),
		"iot:ListThings")
	abroad, _ := h.role("Abroad", trust("arn:aws:iam::"+foreign+":root", ""), "iot:ListThings")
	nobodys, _ := h.role("Nobodys", aws.String(strings.Replace(*trust(home, ""), "Allow", "Deny", 1)), "iot:ListThings")
	session := h.session(alice, sts.AssumeRoleInput{RoleArn: &account})

	t.Run("who a caller is", func(t *testing.T) {
		h.is(t, h.root, "arn:aws:iam::"+home+":root", home)
		h.is(t, session, "arn:aws:sts::"+home+":assumed-role/Account/night", accountID+":night")
		got, err := h.iam(h.root).GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("bob")})
		h.must(err)
		h.is(t, bob, "arn:aws:iam::"+home+":user/bob", *got.User.UserId)
		want(t, "a session with its permission", h.things(session), "")
		want(t, "a user without", h.things(bob),
			"AccessDeniedException user/bob is not authorized to perform: iot:ListThings")
	})
	t.Run("who assumes which role", func(t *testing.T) {
		pager := aws.String("pager")
		for _, tt := range []struct {
			name string
			by   key
			in   sts.AssumeRoleInput
			want string
		}{
			{"root assumes none", h.root, sts.AssumeRoleInput{RoleArn: &account}, "AccessDenied root"},
			{"an account that is trusted permits its users", bob, sts.AssumeRoleInput{RoleArn: &account},
				"AccessDenied user/bob is not authorized to perform: sts:AssumeRole on resource: " + account},
			{"a user who is named needs no more", bob, sts.AssumeRoleInput{RoleArn: &named, ExternalId: pager}, ""},
			{"but what the trust asks for", bob, sts.AssumeRoleInput{RoleArn: &named}, "AccessDenied"},
			{"exactly", bob, sts.AssumeRoleInput{RoleArn: &named, ExternalId: aws.String("Pager")}, "AccessDenied"},
			{"who is not named is not trusted", alice, sts.AssumeRoleInput{RoleArn: &named, ExternalId: pager}, "AccessDenied"},
			{"another account needs both", carol, sts.AssumeRoleInput{RoleArn: &abroad}, ""},
			{"not trust alone", dave, sts.AssumeRoleInput{RoleArn: &abroad}, "AccessDenied"},
			{"not permission alone", carol, sts.AssumeRoleInput{RoleArn: &account}, "AccessDenied"},
			{"a role trusts nobody", alice, sts.AssumeRoleInput{RoleArn: &nobodys}, "AccessDenied explicit deny"},
			{"no role", alice, sts.AssumeRoleInput{RoleArn: aws.String(account + "x")}, "AccessDenied"},
			{"as long as the role lets", alice, sts.AssumeRoleInput{RoleArn: &account, DurationSeconds: aws.Int32(7200)}, ""},
			{"no longer", alice, sts.AssumeRoleInput{RoleArn: &account, DurationSeconds: aws.Int32(7201)},
				"ValidationError MaxSessionDuration"},
			{"a session from a session", session, sts.AssumeRoleInput{RoleArn: &account, DurationSeconds: aws.Int32(3600)}, ""},
			{"lasts an hour", session, sts.AssumeRoleInput{RoleArn: &account, DurationSeconds: aws.Int32(3601)},
				"ValidationError role chaining"},
			{"there is no second factor here", alice, sts.AssumeRoleInput{
				RoleArn: &account, SerialNumber: aws.String("arn:aws:iam::1:mfa/x"), TokenCode: aws.String("123456"),
			}, "ValidationError SerialNumber"},
			{"a session policy that is none", alice, sts.AssumeRoleInput{RoleArn: &account, Policy: aws.String("{}")},
				"MalformedPolicyDocument"},
			{"one that is too long", alice, sts.AssumeRoleInput{
				RoleArn: &account, Policy: aws.String(*allow("iot:*") + strings.Repeat(" ", identity.MaxPacked)),
			}, "PackedPolicyTooLarge"},
		} {
			_, _, err := h.assume(tt.by, tt.in)
			want(t, tt.name, err, tt.want)
		}
	})
	t.Run("what a session carries", func(t *testing.T) {
		small, out, err := h.assume(alice, sts.AssumeRoleInput{
			RoleArn: &account, Policy: allow("iot:DescribeThing"), SourceIdentity: aws.String("alice@example.com"),
			Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("blue")}}, TransitiveTagKeys: []string{"Team"},
		})
		h.must(err)
		//lint:ignore SA1019 it is the member that the interface facts have
		if aws.ToInt32(out.PackedPolicySize) < 1 || aws.ToString(out.SourceIdentity) != "alice@example.com" ||
			*out.AssumedRoleUser.AssumedRoleId != accountID+":night" || time.Until(*out.Credentials.Expiration) > time.Hour {
			t.Errorf("got %+v", out)
		}
		want(t, "a session policy bounds the role", h.things(small), "AccessDeniedException session policy")
		first := h.session(alice, sts.AssumeRoleInput{
			RoleArn: &account, SourceIdentity: aws.String("alice"), TransitiveTagKeys: []string{"Team"},
			Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("blue")}},
		})
		blue, _ := h.role("Blue",
			trust("*", `{"StringEquals":{"aws:SourceIdentity":"alice","aws:PrincipalTag/Team":"blue"}}`), "iot:ListThings")
		second, out, err := h.assume(first, sts.AssumeRoleInput{RoleArn: &blue})
		h.must(err)
		if aws.ToString(out.SourceIdentity) != "alice" {
			t.Errorf("got source identity %v", out.SourceIdentity)
		}
		third, _, err := h.assume(second, sts.AssumeRoleInput{RoleArn: &blue})
		want(t, "a transitive tag and the source identity go on", err, "")
		want(t, "and so does what the role may", h.things(third), "")
		_, _, err = h.assume(session, sts.AssumeRoleInput{RoleArn: &blue})
		want(t, "a session without them", err, "AccessDenied")
	})
	t.Run("tokens", func(t *testing.T) { h.tokens(t, alice, session, accountID) })
	t.Run("what is taken away is gone with the next call", func(t *testing.T) { h.taken(t, carol, abroad, account) })
}

// tokens tries tokens that are not the key's.
func (h *house) tokens(t *testing.T, user, session key, roleID string) {
	over, err := h.Identity().IssueSession(t.Context(), home, identity.Session{
		RoleARN: "arn:aws:iam::" + home + ":role/Account", RoleID: roleID, RoleName: "Account", Name: "night",
		Issued: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Second),
	})
	h.must(err)
	half := len(session.token) / 2
	altered := session.token[:half] + string(session.token[half]^1) + session.token[half+1:]
	const invalid, unknown = "UnrecognizedClientException", "InvalidClientTokenId"
	for _, tt := range []struct {
		name     string
		key      key
		iot, sts string
	}{
		{"the session's own", session, "", ""},
		{"one that is altered", key{session.id, session.secret, altered}, invalid, unknown},
		{"none", key{session.id, session.secret, ""}, invalid, unknown},
		{"one with a permanent key", key{user.id, user.secret, session.token}, invalid, unknown},
		{"one that is over", key{over.ID, over.Secret, over.Token}, "ExpiredTokenException", "ExpiredToken"},
		{"another secret", key{session.id, user.secret, session.token}, "InvalidSignatureException", "SignatureDoesNotMatch"},
	} {
		want(t, tt.name, h.things(tt.key), tt.iot)
		_, err := h.sts(tt.key).GetCallerIdentity(t.Context(), nil)
		want(t, tt.name, err, tt.sts)
	}
	h.presigned(t, session)
}

// presigned asks who a session is by a URL that anybody may fetch.
func (h *house) presigned(t *testing.T, session key) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		h.URL()+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	h.must(err)
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	credentials, err := session.provider().Retrieve(t.Context())
	h.must(err)
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, empty, "sts", cordontest.Region, time.Now())
	h.must(err)
	const token = "X-Amz-Security-Token="
	if !strings.Contains(signed, token) {
		t.Fatalf("got %s, want a token in it", signed)
	}
	for _, tt := range []struct{ name, url, status, says string }{
		{"the token", signed, "200", "assumed-role/Account/night"},
		{"another token", strings.Replace(signed, token, token+"A", 1), "403", "InvalidClientTokenId"},
		{"two tokens", signed + "&" + token + "A", "400", "IncompleteSignature"},
	} {
		if status, body := fetch(t, tt.url); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: got %s, %s, want %s with %s", tt.name, status, body, tt.status, tt.says)
		}
	}
}

// fetch returns the status of an answer, and its body.
func fetch(t *testing.T, url string) (status, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status[:3], string(text)
}

// taken takes keys, users, roles and accounts away from under their sessions.
func (h *house) taken(t *testing.T, carol key, abroad, account string) {
	client := h.iam(h.root)
	erin := h.user(h.root, "erin", "sts:*", "iot:*")
	name := aws.String("erin")
	own := h.session(erin, sts.AssumeRoleInput{RoleArn: &account})
	want(t, "before", h.things(erin), "")
	for _, status := range []iamtypes.StatusType{iamtypes.StatusTypeInactive, iamtypes.StatusTypeActive} {
		_, err := client.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{
			UserName: name, AccessKeyId: &erin.id, Status: status,
		})
		h.must(err)
		outcome := ""
		if status == iamtypes.StatusTypeInactive {
			outcome = "UnrecognizedClientException"
		}
		want(t, "a key that is "+string(status), h.things(erin), outcome)
		want(t, "the session of a key that is "+string(status), h.things(own), "")
	}
	_, err := client.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &erin.id})
	h.must(err)
	want(t, "a deleted key", h.things(erin), "UnrecognizedClientException")

	fleeting, _ := h.role("Fleeting", trust(home, ""), "iot:ListThings")
	frank := h.user(h.root, "frank", "sts:*")
	lost := h.session(frank, sts.AssumeRoleInput{RoleArn: &fleeting})
	want(t, "the session of a role", h.things(lost), "")
	h.unmake("Fleeting")
	want(t, "of a deleted role", h.things(lost), "UnrecognizedClientException")
	h.role("Fleeting", trust(home, ""), "iot:ListThings")
	want(t, "of a role that was made anew", h.things(lost), "UnrecognizedClientException")

	there := h.session(carol, sts.AssumeRoleInput{RoleArn: &abroad})
	h.must(h.Store().DisableAccount(t.Context(), foreign))
	_, err = h.sts(carol).GetCallerIdentity(t.Context(), nil)
	want(t, "a user of a disabled account", err, "InvalidClientTokenId")
	want(t, "the session that he has of another", h.things(there), "")
}
