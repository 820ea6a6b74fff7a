package cognitoapi_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

const (
	invalid  = "InvalidParameterException"
	notFound = "ResourceNotFoundException"
)

// wantCode holds how a call ended: with an exception, "" for none.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if code == "" && err != nil || code != "" && (!errors.As(err, &e) || e.ErrorCode() != code) {
		t.Errorf("%s: got %v, want %q", what, err, code)
	}
}

func client(c *cordontest.Cordon, id, secret, region string) *cognitoidentity.Client {
	return cognitoidentity.New(cognitoidentity.Options{
		BaseEndpoint: aws.String(c.URL()), Region: region, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

func rulesFor(arn string) *types.RulesConfigurationType {
	return &types.RulesConfigurationType{Rules: []types.MappingRule{{
		Claim: aws.String("c"), MatchType: types.MappingRuleMatchTypeContains, Value: aws.String("v"), RoleARN: &arn,
	}}}
}

func TestIdentityPools(t *testing.T) {
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	c, ctx := client(cordon, cordontest.RootID, cordontest.RootToken, cordontest.Region), t.Context()
	elsewhere := client(cordon, cordontest.RootID, cordontest.RootToken, "eu-west-1")
	made, err := c.CreateIdentityPool(ctx, &cognitoidentity.CreateIdentityPoolInput{
		IdentityPoolName: aws.String("my pool"), AllowUnauthenticatedIdentities: true, AllowClassicFlow: aws.Bool(true),
		SupportedLoginProviders:   map[string]string{"graph.facebook.com": "123"},
		DeveloperProviderName:     aws.String("login.mine"),
		OpenIdConnectProviderARNs: []string{"arn:aws:iam::000000000000:oidc-provider/x"},
		SamlProviderARNs:          []string{"arn:aws:iam::000000000000:saml-provider/x"},
		CognitoIdentityProviders: []types.CognitoIdentityProvider{{
			ProviderName: aws.String("cognito-idp.us-east-1.amazonaws.com/p"), ClientId: aws.String("client"),
			ServerSideTokenCheck: aws.Bool(false),
		}},
		IdentityPoolTags: map[string]string{"team": "pumps"},
	})
	if err != nil || !strings.HasPrefix(*made.IdentityPoolId, cordontest.Region+":") {
		t.Fatalf("got %+v, %v, want a pool of the region", made, err)
	}
	id := made.IdentityPoolId
	got, err := c.DescribeIdentityPool(ctx, &cognitoidentity.DescribeIdentityPoolInput{IdentityPoolId: id})
	if err != nil {
		t.Fatal(err)
	}
	want := cognitoidentity.DescribeIdentityPoolOutput(*made)
	want.ResultMetadata = got.ResultMetadata
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want the pool as made: %+v", got, want)
	}
	_, err = elsewhere.DescribeIdentityPool(ctx, &cognitoidentity.DescribeIdentityPoolInput{IdentityPoolId: id})
	wantCode(t, "a pool of another region", err, notFound)

	t.Run("an update replaces all but tags that it does not name", func(t *testing.T) {
		out, err := c.UpdateIdentityPool(ctx, &cognitoidentity.UpdateIdentityPoolInput{
			IdentityPoolId: id, IdentityPoolName: aws.String("renamed"), DeveloperProviderName: aws.String("login.mine"),
		})
		if err != nil || *out.IdentityPoolName != "renamed" || out.AllowUnauthenticatedIdentities ||
			out.SupportedLoginProviders != nil || out.IdentityPoolTags["team"] != "pumps" {
			t.Errorf("got %+v, %v", out, err)
		}
		_, err = c.UpdateIdentityPool(ctx, &cognitoidentity.UpdateIdentityPoolInput{
			IdentityPoolId: id, IdentityPoolName: aws.String("renamed"), DeveloperProviderName: aws.String("login.other"),
		})
		wantCode(t, "another developer provider", err, invalid)
	})
	t.Run("roles", func(t *testing.T) { testRoles(t, c, id) })
	t.Run("lists", func(t *testing.T) { testLists(t, c, elsewhere) })
	t.Run("another account sees nothing", func(t *testing.T) {
		key, err := cordon.Identity().CreateAccount(ctx, "111111111111", "")
		if err != nil {
			t.Fatal(err)
		}
		stranger := client(cordon, key.ID, key.Secret, cordontest.Region)
		_, err = stranger.DeleteIdentityPool(ctx, &cognitoidentity.DeleteIdentityPoolInput{IdentityPoolId: id})
		wantCode(t, "delete", err, notFound)
		_, err = stranger.GetIdentityPoolRoles(ctx, &cognitoidentity.GetIdentityPoolRolesInput{IdentityPoolId: id})
		wantCode(t, "roles", err, notFound)
	})
	for _, code := range []string{"", notFound} {
		_, err = c.DeleteIdentityPool(ctx, &cognitoidentity.DeleteIdentityPoolInput{IdentityPoolId: id})
		wantCode(t, "delete", err, code)
	}
}

// testRoles sets roles and mappings of a pool, and what is refused of them.
func testRoles(t *testing.T, c *cognitoidentity.Client, id *string) {
	const role = "arn:aws:iam::000000000000:role/a"
	deny, rules := types.AmbiguousRoleResolutionTypeDeny, types.RoleMappingTypeRules
	for _, tt := range []struct {
		name     string
		roles    map[string]string
		mappings map[string]types.RoleMapping
		code     string
	}{
		{"both kinds", map[string]string{"authenticated": role, "unauthenticated": role}, nil, ""},
		{"none", map[string]string{}, nil, ""},
		{"rules", map[string]string{"authenticated": role}, map[string]types.RoleMapping{
			"p": {Type: rules, AmbiguousRoleResolution: deny, RulesConfiguration: rulesFor(role)},
		}, ""},
		{"a token", map[string]string{}, map[string]types.RoleMapping{
			"p": {Type: types.RoleMappingTypeToken, AmbiguousRoleResolution: deny},
		}, ""},
		{"a kind that is none", map[string]string{"trusted": role}, nil, invalid},
		{"a user as a role", map[string]string{"authenticated": "arn:aws:iam::000000000000:user/a"}, nil, invalid},
		{"a mapping that does not say what to do", map[string]string{}, map[string]types.RoleMapping{
			"p": {Type: rules, RulesConfiguration: rulesFor(role)},
		}, invalid},
		{"rules without rules", map[string]string{}, map[string]types.RoleMapping{
			"p": {Type: rules, AmbiguousRoleResolution: deny},
		}, invalid},
		{"a token with rules", map[string]string{}, map[string]types.RoleMapping{
			"p": {Type: types.RoleMappingTypeToken, AmbiguousRoleResolution: deny, RulesConfiguration: rulesFor(role)},
		}, invalid},
		{"a rule for a user", map[string]string{}, map[string]types.RoleMapping{
			"p": {Type: rules, AmbiguousRoleResolution: deny, RulesConfiguration: rulesFor("arn:aws:iam::000000000000:user/a")},
		}, invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.SetIdentityPoolRoles(t.Context(), &cognitoidentity.SetIdentityPoolRolesInput{
				IdentityPoolId: id, Roles: tt.roles, RoleMappings: tt.mappings,
			})
			wantCode(t, "set", err, tt.code)
			if tt.code != "" {
				return
			}
			got, err := c.GetIdentityPoolRoles(t.Context(), &cognitoidentity.GetIdentityPoolRolesInput{IdentityPoolId: id})
			if err != nil || len(got.Roles) != len(tt.roles) || !reflect.DeepEqual(got.RoleMappings, tt.mappings) {
				t.Errorf("got %+v, %v, want %v and %v", got, err, tt.roles, tt.mappings)
			}
		})
	}
	_, err := c.SetIdentityPoolRoles(t.Context(), &cognitoidentity.SetIdentityPoolRolesInput{
		IdentityPoolId: aws.String(cordontest.Region + ":00000000-0000-4000-8000-000000000000"), Roles: map[string]string{},
	})
	wantCode(t, "a pool that is not there", err, notFound)
}

// testLists makes pools and lists them page by page.
func testLists(t *testing.T, c, elsewhere *cognitoidentity.Client) {
	for i := range 4 {
		_, err := c.CreateIdentityPool(t.Context(), &cognitoidentity.CreateIdentityPoolInput{
			IdentityPoolName: aws.String(fmt.Sprint("p", i)),
		})
		wantCode(t, "create", err, "")
	}
	seen, pages := map[string]bool{}, 0
	in := &cognitoidentity.ListIdentityPoolsInput{MaxResults: aws.Int32(2)}
	for {
		out, err := c.ListIdentityPools(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.IdentityPools {
			seen[*p.IdentityPoolId+*p.IdentityPoolName] = true
		}
		if pages++; out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("got %d pools on %d pages, want 5 on 3", len(seen), pages)
	}
	if out, err := elsewhere.ListIdentityPools(t.Context(), &cognitoidentity.ListIdentityPoolsInput{
		MaxResults: aws.Int32(60),
	}); err != nil || len(out.IdentityPools) != 0 {
		t.Errorf("got %+v, %v in another region, want nothing", out, err)
	}
	_, err := elsewhere.ListIdentityPools(t.Context(), in)
	wantCode(t, "the token of another region", err, invalid)
	for _, n := range []int32{0, 61} {
		_, err := c.ListIdentityPools(t.Context(), &cognitoidentity.ListIdentityPoolsInput{MaxResults: &n})
		wantCode(t, fmt.Sprint("pages of ", n), err, invalid)
	}
	providers := make([]string, 51)
	for i := range providers {
		providers[i] = "arn:aws:iam::000000000000:saml-provider/x"
	}
	for name, tt := range map[string]struct {
		in   cognitoidentity.CreateIdentityPoolInput
		code string
	}{
		"a name with a colon": {cognitoidentity.CreateIdentityPoolInput{IdentityPoolName: aws.String("a:b")}, invalid},
		"too many providers": {
			cognitoidentity.CreateIdentityPoolInput{SamlProviderARNs: providers}, "LimitExceededException",
		},
		"a tag that is AWS's": {
			cognitoidentity.CreateIdentityPoolInput{IdentityPoolTags: map[string]string{"aws:x": ""}}, invalid,
		},
		"an ARN that is short": {cognitoidentity.CreateIdentityPoolInput{SamlProviderARNs: []string{"arn"}}, invalid},
	} {
		if tt.in.IdentityPoolName == nil {
			tt.in.IdentityPoolName = aws.String("p")
		}
		_, err := c.CreateIdentityPool(t.Context(), &tt.in)
		wantCode(t, name, err, tt.code)
	}
}
