package cordonapi_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// The checks over roles.
const (
	checkAuth   = "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
	checkUnauth = "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
	checkAlias  = "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK"
	checkUnused = "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK"
)

// identities are the clients of a test about roles.
type identities struct {
	*cordontest.Cordon
	iot   *iot.Client
	iam   *iam.Client
	pools *cognitoidentity.Client
}

func newIdentities(c *cordontest.Cordon) *identities {
	key := credentials.NewStaticCredentialsProvider(cordontest.RootID, cordontest.RootToken, "")
	return &identities{
		c, c.IoT(),
		iam.New(iam.Options{BaseEndpoint: new(c.URL()), Region: cordontest.Region, Credentials: key}),
		cognitoidentity.New(cognitoidentity.Options{
			BaseEndpoint: new(c.URL()), Region: cordontest.Region, Credentials: key, Retryer: aws.NopRetryer{},
		}),
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func arnOf(role string) string { return "arn:aws:iam::000000000000:role/" + role }

// role makes a role with one policy, given by its actions and resource.
func (i *identities) role(t *testing.T, name, actions, resource string) {
	t.Helper()
	must[*iam.CreateRoleOutput](t)(i.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
			"Principal":{"Service":"credentials.iot.amazonaws.com"},"Action":"sts:AssumeRole"}}`),
	}))
	must[*iam.PutRolePolicyOutput](t)(i.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: new("p"), PolicyDocument: new(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Resource":"%s"}}`,
			strings.ReplaceAll(actions, " ", `","`), resource)),
	}))
}

// pool makes a pool with roles and returns its id.
func (i *identities) pool(t *testing.T, roles map[string]string, mappings map[string]cognitotypes.RoleMapping) string {
	t.Helper()
	p := must[*cognitoidentity.CreateIdentityPoolOutput](t)(i.pools.CreateIdentityPool(t.Context(),
		&cognitoidentity.CreateIdentityPoolInput{IdentityPoolName: new("p")}))
	for kind, role := range roles {
		roles[kind] = arnOf(role)
	}
	must[*cognitoidentity.SetIdentityPoolRolesOutput](t)(i.pools.SetIdentityPoolRoles(t.Context(),
		&cognitoidentity.SetIdentityPoolRolesInput{IdentityPoolId: p.IdentityPoolId, Roles: roles, RoleMappings: mappings}))
	return *p.IdentityPoolId
}

// alias makes a role alias for a role and returns its ARN.
func (i *identities) alias(t *testing.T, name, role string) string {
	t.Helper()
	return *must[*iot.CreateRoleAliasOutput](t)(i.iot.CreateRoleAlias(t.Context(),
		&iot.CreateRoleAliasInput{RoleAlias: &name, RoleArn: new(arnOf(role))})).RoleAliasArn
}

// used imports a report of the services that a role has used.
func (i *identities) used(t *testing.T, role string, services ...string) {
	t.Helper()
	at := float64(time.Now().Add(-time.Hour).UnixMilli()) / 1000
	list := []map[string]any{}
	for _, s := range services {
		list = append(list, map[string]any{"serviceNamespace": s, "serviceName": "Service " + s, "lastAuthenticated": at,
			"lastAuthenticatedEntity": arnOf(role), "totalAuthenticatedEntities": 1})
	}
	list = append(list, map[string]any{"serviceNamespace": "zzz"})
	status, out := call(t, root, http.MethodPost, i.URL()+"/last-accessed-imports",
		map[string]any{"roleArn": arnOf(role), "reportedAt": at, "services": list})
	if status != http.StatusOK || out["services"] != float64(len(list)) {
		t.Fatalf("got %d %v, want %d services imported", status, out, len(list))
	}
}

// audit runs the four checks and returns how they ended.
func (i *identities) audit(t *testing.T) (string, map[string]types.AuditCheckDetails) {
	t.Helper()
	id, task := cordontest.Audit(t, i.iot, checkAuth, checkUnauth, checkAlias, checkUnused)
	return id, task.AuditDetails
}

// findings are the findings of an audit as "resource code", with their roles.
func (i *identities) findings(t *testing.T, in *iot.ListAuditFindingsInput) map[string]types.AuditFinding {
	t.Helper()
	in.MaxResults = new(int32(250))
	found := map[string]types.AuditFinding{}
	for _, f := range must[*iot.ListAuditFindingsOutput](t)(i.iot.ListAuditFindings(t.Context(), in)).Findings {
		id := f.NonCompliantResource.ResourceIdentifier
		name := aws.ToString(id.CognitoIdentityPoolId) + aws.ToString(id.RoleAliasArn)
		found[name+" "+*f.ReasonForNonComplianceCode] = f
	}
	return found
}

func TestTheRolesOfPoolsAndRoleAliasesAreAudited(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		i := newIdentities(c)
		cordontest.Enable(t, i.iot, checkAuth, checkUnauth, checkAlias, checkUnused)
		if _, details := i.audit(t); len(details) != 4 {
			t.Errorf("got %v of an account with nothing, want four checks", details)
		} else {
			wantEnds(t, details, map[string]string{
				checkAuth: "COMPLETED_COMPLIANT 0 0", checkUnauth: "COMPLETED_COMPLIANT 0 0",
				checkAlias: "COMPLETED_COMPLIANT 0 0", checkUnused: "COMPLETED_COMPLIANT 0 0",
			})
		}
		i.role(t, "Fine", "iot:Publish", "arn:aws:iot:*:*:topic/mine")
		i.role(t, "Broad", "iot:*", "*")
		i.role(t, "Reader", "iot:DescribeThing", "arn:aws:iot:*:*:thing/one")
		i.role(t, "Admin", "dynamodb:* iam:GetRole s3:GetObject", "*")
		mapped := i.pool(t, map[string]string{"authenticated": "Fine"}, map[string]cognitotypes.RoleMapping{
			"idp.example": {
				Type: cognitotypes.RoleMappingTypeRules, AmbiguousRoleResolution: cognitotypes.AmbiguousRoleResolutionTypeDeny,
				RulesConfiguration: &cognitotypes.RulesConfigurationType{Rules: []cognitotypes.MappingRule{{
					Claim: new("c"), MatchType: cognitotypes.MappingRuleMatchTypeEquals, Value: new("v"),
					RoleARN: new(arnOf("Broad")),
				}}},
			},
		})
		strangers := i.pool(t, map[string]string{"authenticated": "Reader", "unauthenticated": "Reader"}, nil)
		i.pool(t, map[string]string{}, nil)
		fine := i.alias(t, "fine", "Fine")
		i.alias(t, "admin", "Admin")
		i.used(t, "Fine", "iot")
		i.used(t, "Admin", "dynamodb", "iam")

		id, details := i.audit(t)
		wantEnds(t, details, map[string]string{
			checkAuth: "COMPLETED_NON_COMPLIANT 2 1", checkUnauth: "COMPLETED_NON_COMPLIANT 1 1",
			checkAlias: "COMPLETED_NON_COMPLIANT 2 1", checkUnused: "COMPLETED_NON_COMPLIANT 2 1",
		})
		admin := strings.Replace(fine, "/fine", "/admin", 1)
		found := i.findings(t, &iot.ListAuditFindingsInput{TaskId: &id})
		for name, w := range map[string]struct{ role, severity, text string }{
			mapped + " ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS": {"Broad", "CRITICAL", "[iot:DescribeThing, "},
			mapped + " ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS":        {"Broad", "CRITICAL", "more]."},
			mapped + " ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS":      {"Broad", "CRITICAL", "iot:CreateThing, "},
			mapped + " ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS":       {"Broad", "CRITICAL", "[iot:Connect, "},
			strangers + " ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS":               {"Reader", "CRITICAL", "[iot:DescribeThing]."},
			admin + " ALLOWS_BROAD_ACCESS_TO_USED_SERVICES":                 {"Admin", "CRITICAL", "[dynamodb]."},
			admin + " ALLOWS_ACCESS_TO_SECURITY_AUDITING_SERVICES":          {"Admin", "CRITICAL", "[iam]."},
			admin + " ALLOWS_ACCESS_TO_UNUSED_SERVICES":                     {"Admin", "MEDIUM", "[s3]."},
		} {
			f, ok := found[name]
			delete(found, name)
			if !ok || string(f.Severity) != w.severity || !strings.Contains(*f.ReasonForNonCompliance, w.text) {
				t.Errorf("%s: got %+v, want it with %+v", name, f, w)
				continue
			}
			related := must[*iot.ListRelatedResourcesForAuditFindingOutput](t)(i.iot.ListRelatedResourcesForAuditFinding(
				t.Context(), &iot.ListRelatedResourcesForAuditFindingInput{FindingId: f.FindingId})).RelatedResources
			if len(related) != 1 || related[0].ResourceType != types.ResourceTypeIamRole ||
				aws.ToString(related[0].ResourceIdentifier.IamRoleArn) != arnOf(w.role) {
				t.Errorf("%s: got related %+v, want the role %s", name, related, w.role)
			}
		}
		if len(found) > 0 {
			t.Errorf("got findings %v besides", slices.Collect(maps.Keys(found)))
		}
		for kind, r := range map[string]*types.ResourceIdentifier{
			"pool": {CognitoIdentityPoolId: &mapped}, "alias": {RoleAliasArn: &admin},
		} {
			if n := len(i.findings(t, &iot.ListAuditFindingsInput{TaskId: &id, ResourceIdentifier: r})); n < 3 {
				t.Errorf("got %d findings about the %s, want those of it", n, kind)
			}
		}
		i.suppressAndLoseSight(t, mapped, admin)
		i.askWhatWasUsed(t)
	})
}

// askWhatWasUsed asks IAM for the reports of roles.
func (i *identities) askWhatWasUsed(t *testing.T) {
	t.Helper()
	generate := func(arn string, granularity iamtypes.AccessAdvisorUsageGranularityType) (*string, error) {
		job, err := i.iam.GenerateServiceLastAccessedDetails(t.Context(),
			&iam.GenerateServiceLastAccessedDetailsInput{Arn: &arn, Granularity: granularity})
		if err != nil {
			return nil, err
		}
		return job.JobId, nil
	}
	get := func(in *iam.GetServiceLastAccessedDetailsInput) *iam.GetServiceLastAccessedDetailsOutput {
		t.Helper()
		return must[*iam.GetServiceLastAccessedDetailsOutput](t)(i.iam.GetServiceLastAccessedDetails(t.Context(), in))
	}
	job := must[*string](t)(generate(arnOf("Admin"), iamtypes.AccessAdvisorUsageGranularityTypeServiceLevel))
	first := get(&iam.GetServiceLastAccessedDetailsInput{JobId: job, MaxItems: new(int32(2))})
	if first.JobStatus != iamtypes.JobStatusTypeCompleted || !first.IsTruncated || len(first.ServicesLastAccessed) != 2 ||
		*first.ServicesLastAccessed[0].ServiceNamespace != "dynamodb" ||
		first.ServicesLastAccessed[0].LastAuthenticated == nil ||
		*first.ServicesLastAccessed[0].LastAuthenticatedEntity != arnOf("Admin") {
		t.Errorf("got %+v, want the first two services with their use", first)
	}
	rest := get(&iam.GetServiceLastAccessedDetailsInput{JobId: job, Marker: first.Marker})
	if rest.IsTruncated || len(rest.ServicesLastAccessed) != 1 || rest.ServicesLastAccessed[0].LastAuthenticated != nil {
		t.Errorf("got %+v, want one service that was not used", rest)
	}
	job = must[*string](t)(generate(arnOf("Reader"), ""))
	if none := get(&iam.GetServiceLastAccessedDetailsInput{JobId: job}); none.JobStatus != iamtypes.JobStatusTypeFailed ||
		!strings.Contains(aws.ToString(none.Error.Message), "Nothing is known") || len(none.ServicesLastAccessed) != 0 {
		t.Errorf("got %+v of a role without a report, want that the job has failed", none)
	}
	for _, tt := range []struct {
		name, arn   string
		granularity iamtypes.AccessAdvisorUsageGranularityType
		code        string
	}{
		{"actions", arnOf("Admin"), iamtypes.AccessAdvisorUsageGranularityTypeActionLevel, "InvalidInput"},
		{"a user", "arn:aws:iam::000000000000:user/u", "", "InvalidInput"},
		{"a role that is not there", arnOf("Nobody"), "", "NoSuchEntity"},
		{"a role at another path", arnOf("path/Admin"), "", "NoSuchEntity"},
		{"no ARN", "twenty characters and more", "", "InvalidInput"},
	} {
		if _, err := generate(tt.arn, tt.granularity); !hasCode(err, tt.code) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
	_, err := i.iam.GetServiceLastAccessedDetails(t.Context(), &iam.GetServiceLastAccessedDetailsInput{
		JobId: new("00000000-0000-4000-8000-000000000000"),
	})
	if !hasCode(err, "NoSuchEntity") {
		t.Errorf("got %v for an unknown job, want NoSuchEntity", err)
	}
}

func hasCode(err error, code string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == code
}

// suppressAndLoseSight has the findings about a pool and a role alias accepted,
// adds what cannot be tested, and audits again.
func (i *identities) suppressAndLoseSight(t *testing.T, pool, alias string) {
	t.Helper()
	for check, r := range map[string]types.ResourceIdentifier{
		checkAuth: {CognitoIdentityPoolId: &pool}, checkAlias: {RoleAliasArn: &alias}, checkUnused: {RoleAliasArn: &alias},
	} {
		_, err := i.iot.CreateAuditSuppression(t.Context(), &iot.CreateAuditSuppressionInput{
			CheckName: &check, ResourceIdentifier: &r, SuppressIndefinitely: new(true),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]types.ResourceIdentifier{
		"another region": {CognitoIdentityPoolId: new("eu-west-1:1a2b3c4d-0000-4000-8000-000000000001")},
		"a role":         {IamRoleArn: new(arnOf("Broad"))},
	} {
		_, err := i.iot.CreateAuditSuppression(t.Context(), &iot.CreateAuditSuppressionInput{
			CheckName: new(checkUnauth), ResourceIdentifier: &r, SuppressIndefinitely: new(true),
		})
		if !hasCode(err, "InvalidRequestException") {
			t.Errorf("a suppression by %s: got %v, want it refused", name, err)
		}
	}
	i.pool(t, map[string]string{"authenticated": "Gone"}, nil)
	i.alias(t, "gone", "Gone")
	i.alias(t, "unknown", "Reader") // its role has no report
	_, details := i.audit(t)
	wantEnds(t, details, map[string]string{
		checkAuth: "FAILED 2 1", checkUnauth: "COMPLETED_NON_COMPLIANT 1 1",
		checkAlias: "FAILED 2 1", checkUnused: "FAILED 2 1",
	})
	for check, text := range map[string]string{
		checkAuth: "1 of 3 resources", checkAlias: "2 of 4 resources", checkUnused: arnOf("Gone") + " does not exist",
	} {
		if got := aws.ToString(details[check].Message); !strings.Contains(got, text) {
			t.Errorf("%s: got message %q, want that it says %q", check, got, text)
		}
	}
}

// wantEnds holds how checks ended: status, resources, and those that do not
// comply.
func wantEnds(t *testing.T, got map[string]types.AuditCheckDetails, want map[string]string) {
	t.Helper()
	for check, w := range want {
		d := got[check]
		end := fmt.Sprint(d.CheckRunStatus, " ", aws.ToInt64(d.TotalResourcesCount), " ",
			aws.ToInt64(d.NonCompliantResourcesCount))
		if end != w {
			t.Errorf("%s: got %q (%s), want %q", check, end, aws.ToString(d.Message), w)
		}
	}
}
