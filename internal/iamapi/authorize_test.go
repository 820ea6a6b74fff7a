package iamapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	iottypes "github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// grant is a policy of one statement.
func grant(effect, action, resource string, condition any) *string {
	s := map[string]any{"Effect": effect, "Action": strings.Fields(action), "Resource": resource}
	if condition != nil {
		s["Condition"] = condition
	}
	b, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{s}})
	return aws.String(string(b))
}

// ops is a user with a key, and what root does to it.
type ops struct {
	*testing.T
	root *iam.Client
	iot  *iot.Client
	name string
}

func newOps(t *testing.T, c *cordontest.Cordon, name string) ops {
	root := client(c.URL(), cordontest.RootID, cordontest.RootToken)
	_, err := root.CreateUser(t.Context(), &iam.CreateUserInput{
		UserName: &name, Path: aws.String("/staff/"), Tags: []types.Tag{{Key: aws.String("team"),
			Value: aws.String("pumps")}},
	})
	ok(t, err)
	key, err := root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	ok(t, err)
	return ops{t, root, cordontest.Client(c.URL(), *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey), name}
}

// gets replaces the policy of the user.
func (o ops) gets(document *string) {
	o.Helper()
	_, err := o.root.PutUserPolicy(o.Context(), &iam.PutUserPolicyInput{
		UserName: &o.name, PolicyName: aws.String("own"), PolicyDocument: document,
	})
	ok(o.T, err)
}

func (o ops) listing() error {
	_, err := o.iot.ListThings(o.Context(), &iot.ListThingsInput{})
	return err
}

const denied = "AccessDeniedException"

// Each change counts for the next call.
func TestUsersMayDoWhatTheirPoliciesAllow(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		o := newOps(t, c, "ops")
		user := "arn:aws:iam::" + accountID + ":user/staff/ops"
		wantCode(t, o.listing(), denied, "User: "+user+" is not authorized to perform: iot:ListThings on resource: * "+
			"because no identity-based policy allows the iot:ListThings action")
		o.gets(grant("Allow", "iot:*", "*", nil))
		wantCode(t, o.listing(), "", "")
		o.gets(grant("Deny", "iot:List*", "*", nil))
		wantCode(t, o.listing(), denied, "with an explicit deny in an identity-based policy")
		_, err := o.root.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: &o.name,
			PolicyName: aws.String("own")})
		ok(t, err)
		_, err = o.root.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{
			UserName: &o.name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess"),
		})
		ok(t, err)
		wantCode(t, o.listing(), "", "")
		t.Run("roles are passed", func(t *testing.T) { testPassing(t, o) })
		t.Run("tags decide", func(t *testing.T) { testTags(t, c) })
		t.Run("a simulation says the same", func(t *testing.T) { testSimulation(t, o, user) })
	})
}

func testPassing(t *testing.T, o ops) {
	role := "arn:aws:iam::" + accountID + ":role/r"
	alias := func(name, role string) error {
		_, err := o.iot.CreateRoleAlias(t.Context(), &iot.CreateRoleAliasInput{RoleAlias: &name, RoleArn: &role})
		return err
	}
	_, err := o.root.DetachUserPolicy(t.Context(), &iam.DetachUserPolicyInput{
		UserName: &o.name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess"),
	})
	ok(t, err)
	o.gets(grant("Allow", "iot:*", "*", nil))
	wantCode(t, alias("one", role), denied, "is not authorized to perform: iam:PassRole on resource: "+role)
	for service, code := range map[string]string{"lambda.amazonaws.com": denied, "iot.amazonaws.com": ""} {
		_, err := o.root.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{
			UserName: &o.name, PolicyName: aws.String("passing"), PolicyDocument: grant("Allow", "iam:PassRole", role,
				map[string]any{"StringEquals": map[string]string{"iam:PassedToService": service}}),
		})
		ok(t, err)
		wantCode(t, alias("one", role), code, "")
	}
	_, err = o.root.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{
		UserName: &o.name, PolicyName: aws.String("passing"),
	})
	ok(t, err)
}

func testTags(t *testing.T, c *cordontest.Cordon) {
	o := newOps(t, c, "tagged")
	own := map[string]any{"StringEquals": map[string]string{"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
	for team, group := range map[string]string{"pumps": "ours", "valves": "theirs"} {
		_, err := c.IoT().CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{
			ThingGroupName: &group, Tags: []iottypes.Tag{{Key: aws.String("team"), Value: &team}},
		})
		ok(t, err)
	}
	o.gets(grant("Allow", "iot:DescribeThingGroup", "*", own))
	for group, code := range map[string]string{"ours": "", "theirs": denied, "nobody's": denied} {
		_, err := o.iot.DescribeThingGroup(t.Context(), &iot.DescribeThingGroupInput{ThingGroupName: &group})
		wantCode(t, err, code, "")
	}
}

func testSimulation(t *testing.T, o ops, user string) {
	o.gets(grant("Allow", "iot:List*", "*", map[string]any{"StringEquals": map[string]string{"iot:x": "y"}}))
	in := &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &user, ActionNames: []string{"iot:ListThings", "iot:CreateThing"},
		PolicyInputList: []string{*grant("Deny", "iot:Create*", "*", nil)},
	}
	out, err := o.root.SimulatePrincipalPolicy(t.Context(), in)
	ok(t, err)
	decided := func(i int) types.EvaluationResult { return out.EvaluationResults[i] }
	if len(out.EvaluationResults) != 2 || decided(0).EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny ||
		len(decided(0).MissingContextValues) != 1 || decided(0).MissingContextValues[0] != "iot:x" {
		t.Errorf("got %+v, want an implicit deny that lacks iot:x", out.EvaluationResults)
	}
	if decided(1).EvalDecision != types.PolicyEvaluationDecisionTypeExplicitDeny ||
		*decided(1).MatchedStatements[0].SourcePolicyId != "PolicyInputList.1" {
		t.Errorf("got %+v, want a deny by PolicyInputList.1", decided(1))
	}
	in.ContextEntries = []types.ContextEntry{{
		ContextKeyName: aws.String("iot:x"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"y"},
	}}
	in.PermissionsBoundaryPolicyInputList = []string{*grant("Allow", "sns:*", "*", nil)}
	out, err = o.root.SimulatePrincipalPolicy(t.Context(), in)
	ok(t, err)
	if first := decided(0); first.EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny ||
		first.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary ||
		*first.MatchedStatements[0].SourcePolicyId != "own" {
		t.Errorf("got %+v, want an Allow of own beyond the boundary", first)
	}
	in.PermissionsBoundaryPolicyInputList = nil
	out, err = o.root.SimulatePrincipalPolicy(t.Context(), in)
	ok(t, err)
	if decided(0).EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
		t.Errorf("got %+v, want it allowed", decided(0))
	}
	for _, bad := range []struct {
		change func(*iam.SimulatePrincipalPolicyInput)
		code   string
	}{
		{func(in *iam.SimulatePrincipalPolicyInput) { in.PolicySourceArn = aws.String(user + "2") }, "NoSuchEntity"},
		{func(in *iam.SimulatePrincipalPolicyInput) { in.PolicyInputList = []string{"{}"} }, "InvalidInput"},
		{func(in *iam.SimulatePrincipalPolicyInput) { in.CallerArn = &user }, ""},
	} {
		other := *in
		bad.change(&other)
		_, err := o.root.SimulatePrincipalPolicy(t.Context(), &other)
		if err == nil {
			t.Errorf("got no error for %+v", other)
		} else if bad.code != "" {
			wantCode(t, err, bad.code, "")
		}
	}
}
