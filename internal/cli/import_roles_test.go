package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"

	"github.com/cordon-iot/cordon/internal/cordontest"
	cordon "github.com/cordon-iot/cordon/internal/server"
)

const importedPool = "us-east-1:1a2b3c4d-0000-4000-8000-000000000001"

// poolDocument is what get-identity-pool-roles prints for a pool.
func poolDocument(id, rest string) string {
	const form = `{"IdentityPoolId": %q, "Roles": {"authenticated": "arn:aws:iam::000000000000:role/a"}%s}`
	return fmt.Sprintf(form, id, rest)
}

const mappingRules = `, "RoleMappings": {"idp.example": {"Type": "Rules", "AmbiguousRoleResolution": "Deny",
	"RulesConfiguration": {"Rules": [{"Claim": "c", "MatchType": "Equals", "Value": "v",
		"RoleARN": "arn:aws:iam::000000000000:role/b"}]}}}`

// reportDocument is what get-service-last-accessed-details prints for a job.
func reportDocument(services, rest string) string {
	return `{"JobStatus": "COMPLETED", "JobType": "SERVICE_LEVEL", "JobCreationDate": "2026-01-02T03:04:05+00:00",
		"JobCompletionDate": "2026-01-02T03:04:06.500000+00:00", "IsTruncated": false,
		"ServicesLastAccessed": [` + services + `]` + rest + `}`
}

const (
	usedIoT = `{"ServiceName": "AWS IoT", "ServiceNamespace": "iot", "LastAuthenticated": "2026-01-01T00:00:00+00:00",
		"LastAuthenticatedEntity": "arn:aws:iam::000000000000:role/a", "LastAuthenticatedRegion": "us-east-1",
		"TotalAuthenticatedEntities": 1}`
	unusedS3 = `{"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "TotalAuthenticatedEntities": 0}`
)

func TestWhoGivesRolesAndWhatTheyUsedIsImported(t *testing.T) {
	s := cordontest.Start(t, cordontest.Settings(t, "sqlite"), cordon.Options{})
	pools := cognitoidentity.New(cognitoidentity.Options{
		BaseEndpoint: aws.String(s.URL()), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(cordontest.RootID, cordontest.RootToken, ""),
	})
	const role = "arn:aws:iam::000000000000:role/a"
	for _, tt := range []struct {
		name    string
		command string
		files   []string
		args    []string
		code    int
		output  string // part of either stream
	}{
		{"two pools", "identity-pool-roles", []string{poolDocument(importedPool, mappingRules) + "\n" +
			poolDocument("us-east-1:1a2b3c4d-0000-4000-8000-000000000002", "")}, nil, ok, "2 identity pools made, 0 updated"},
		{"a pool again", "identity-pool-roles", []string{poolDocument(importedPool, mappingRules)}, []string{"--json"}, ok,
			`"updated": 1`},
		{"a member that nobody knows", "identity-pool-roles", []string{poolDocument(importedPool, `, "Fun": 1`)}, nil, misuse,
			`unknown field "Fun"`},
		{"a member of a mapping that nobody knows", "identity-pool-roles", []string{poolDocument(importedPool,
			strings.Replace(mappingRules, `"Type"`, `"Kind": 1, "Type"`, 1))}, nil, misuse, `unknown field "Kind"`},
		{"a good pool before a bad one", "identity-pool-roles", []string{
			poolDocument("us-east-1:1a2b3c4d-0000-4000-8000-000000000003", "") + poolDocument("eu-west-1:1a", "")}, nil,
			failed,
			"not the id of an identity pool of the region us-east-1"},
		{"a pool twice", "identity-pool-roles",
			[]string{poolDocument(importedPool, "") + poolDocument(importedPool, "")}, nil, failed, "stands twice"},
		{"a role that is none", "identity-pool-roles",
			[]string{strings.Replace(poolDocument(importedPool, ""), "role/a", "user/a", 1)}, nil, failed,
			"not the ARN of a role"},
		{"a kind that is none", "identity-pool-roles",
			[]string{strings.Replace(poolDocument(importedPool, ""), "authenticated", "trusted", 1)}, nil, failed,
			"1 validation error"},
		{"rules without rules", "identity-pool-roles", []string{poolDocument(importedPool,
			`, "RoleMappings": {"p": {"Type": "Rules", "AmbiguousRoleResolution": "Deny"}}`)}, nil, failed,
			"lacks RulesConfiguration"},
		{"a type of mapping that is none", "identity-pool-roles", []string{poolDocument(importedPool,
			`, "RoleMappings": {"p": {"Type": "Lottery", "AmbiguousRoleResolution": "Deny"}}`)}, nil, failed,
			"[Token, Rules]"},
		{"half a document", "identity-pool-roles", []string{`{"IdentityPoolId": `}, nil, misuse, "document 1: unexpected"},
		{"nothing", "identity-pool-roles", []string{""}, nil, misuse, "document 1: EOF"},

		{"a report", "last-accessed", []string{reportDocument(usedIoT+","+unusedS3, "")}, nil, ok, "2 services of " + role},
		{"a report of two pages", "last-accessed", []string{
			strings.Replace(reportDocument(usedIoT, `, "Marker": "m"`), `"IsTruncated": false`, `"IsTruncated": true`, 1),
			reportDocument(unusedS3, "")}, nil, ok, "2 services"},
		{"a page without the next", "last-accessed", []string{
			strings.Replace(reportDocument(usedIoT, ""), `"IsTruncated": false`, `"IsTruncated": true`, 1)}, nil, misuse,
			"another follows"},
		{"a page behind the last", "last-accessed", []string{reportDocument(usedIoT, ""), reportDocument(unusedS3, "")}, nil,
			misuse, "last one"},
		{"pages of two jobs", "last-accessed", []string{
			strings.Replace(reportDocument(usedIoT, ""), `"IsTruncated": false`, `"IsTruncated": true`, 1),
			strings.Replace(reportDocument(unusedS3, ""), "06.500000", "07", 1)}, nil, misuse, "different jobs"},
		{"a job that is under way", "last-accessed",
			[]string{strings.Replace(reportDocument("", ""), "COMPLETED", "IN_PROGRESS", 1)}, nil, misuse, `"IN_PROGRESS"`},
		{"a job that failed", "last-accessed", []string{reportDocument("", `, "Error": {"Message": "m", "Code": "c"}`)}, nil,
			misuse, "has failed: c: m"},
		{"a report of actions", "last-accessed", []string{strings.Replace(reportDocument(usedIoT, ""), "SERVICE_LEVEL",
			"ACTION_LEVEL", 1)}, nil, misuse, "only SERVICE_LEVEL"},
		{"actions in a report", "last-accessed", []string{reportDocument(strings.Replace(usedIoT, `"ServiceName"`,
			`"TrackedActionsLastAccessed": [], "ServiceName"`, 1), "")}, nil, misuse, "TrackedActionsLastAccessed"},
		{"an older report", "last-accessed", []string{strings.Replace(reportDocument(unusedS3, ""),
			"06.500000", "05.999000", 1)}, nil, failed, "ConflictException"},
		{"a service twice", "last-accessed", []string{reportDocument(usedIoT+","+usedIoT, "")}, nil, failed, `"iot" twice`},
		{"use after the report", "last-accessed", []string{reportDocument(strings.Replace(usedIoT, "2026-01-01", "2026-01-03",
			1), "")}, nil, failed, "after it was made"},
		{"a report of the future", "last-accessed",
			[]string{strings.ReplaceAll(reportDocument(unusedS3, ""), "2026-", "2999-")}, nil, failed, "has not come"},
		{"no services", "last-accessed", []string{reportDocument("", "")}, nil, failed, "1 validation error"},
		{"a role of another account", "last-accessed", []string{reportDocument(usedIoT, "")},
			[]string{"--role-arn", "arn:aws:iam::111111111111:role/a"}, failed, "another account"},
		{"a user", "last-accessed", []string{reportDocument(usedIoT, "")},
			[]string{"--role-arn", "arn:aws:iam::000000000000:user/a"}, failed, "not the ARN of a role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args, dir := []string{"import", tt.command, "--endpoint", s.URL()}, t.TempDir()
			if tt.command == "last-accessed" {
				args = append(args, "--role-arn", role)
			}
			args = append(args, tt.args...)
			for i, content := range tt.files {
				file := filepath.Join(dir, fmt.Sprint(i, ".json"))
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, file)
			}
			code, stdout, stderr := run(t, Process{Env: environment(
				"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
			)}, args...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.output) {
				t.Errorf("got exit code %d, %q, %q; want %d and %q", code, stdout, stderr, tt.code, tt.output)
			}
		})
	}
	list, err := pools.ListIdentityPools(t.Context(), &cognitoidentity.ListIdentityPoolsInput{MaxResults: aws.Int32(60)})
	if err != nil || len(list.IdentityPools) != 2 {
		t.Fatalf("got %+v, %v, want the pools of the imports that succeeded", list, err)
	}
	roles, err := pools.GetIdentityPoolRoles(t.Context(),
		&cognitoidentity.GetIdentityPoolRolesInput{IdentityPoolId: aws.String(importedPool)})
	if err != nil || roles.Roles["authenticated"] != role ||
		*roles.RoleMappings["idp.example"].RulesConfiguration.Rules[0].RoleARN != "arn:aws:iam::000000000000:role/b" {
		t.Errorf("got %+v, %v, want the roles as imported", roles, err)
	}
}
