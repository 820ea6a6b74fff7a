package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	cordon "github.com/cordon-iot/cordon/internal/server"
)

// identityFile writes a file for an import of identities.
func identityFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportIdentities(t *testing.T) {
	s := cordontest.Start(t, cordontest.Settings(t, "sqlite"), cordon.Options{})
	file, err := os.ReadFile("../identity/iamfile/testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	foreign := string(file)
	whole := strings.ReplaceAll(foreign, "123456789012", cordontest.Account)
	client := iam.New(iam.Options{
		BaseEndpoint: aws.String(s.URL()), Region: cordontest.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(cordontest.RootID, cordontest.RootToken, ""),
	})
	for _, tt := range []struct {
		name, content string
		want          string // in what is printed, behind "!" in the complaint
	}{
		{"the file of another account", foreign, "!belongs to account 123456789012"},
		{"an operator that is not known", strings.Replace(whole, "StringEquals", "StringResembles", 1), "!StringResembles"},
		{"a group that is missing", strings.Replace(whole, `"everybody"
            ]`, `"somebody"
            ]`, 1), "!group somebody is not in the file"},
		{"nothing of it is there, so all is imported", whole, "9 users, groups, roles and policies imported, 0 were there"},
		{"once more", whole, "0 users, groups, roles and policies imported, 9 were there"},
		{"what differs", strings.Replace(whole, `"iot:Delete*"`, `"iot:DeleteThing"`, 1),
			"!group fleet-operators: its inline policy no-deleting"},
	} {
		code, stdout, stderr := run(t, Process{Env: environment(
			"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
		)}, "import", "iam", "--endpoint", s.URL(), identityFile(t, tt.content))
		complaint, refused := strings.CutPrefix(tt.want, "!")
		if refused && (code == ok || !strings.Contains(stderr, complaint)) ||
			!refused && (code != ok || !strings.Contains(stdout, tt.want)) {
			t.Errorf("%s: got exit code %d, %q, %q; want %q", tt.name, code, stdout, stderr, tt.want)
		}
		list, err := client.ListUsers(t.Context(), nil)
		if err != nil || refused != (len(list.Users) == 0) && tt.name != "what differs" {
			t.Errorf("%s: got users %v, %v", tt.name, list, err)
		}
	}
	areTold(t, client)
}

// areTold checks that the API tells what was imported.
func areTold(t *testing.T, client *iam.Client) {
	t.Helper()
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(client, &iam.GetAccountAuthorizationDetailsInput{
		MaxItems: aws.Int32(2),
	})
	var got iam.GetAccountAuthorizationDetailsOutput
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got.UserDetailList = append(got.UserDetailList, page.UserDetailList...)
		got.GroupDetailList = append(got.GroupDetailList, page.GroupDetailList...)
		got.RoleDetailList = append(got.RoleDetailList, page.RoleDetailList...)
		got.Policies = append(got.Policies, page.Policies...)
	}
	// Three users and groups and roles of two, five policies: two are AWS's own.
	if n != 6 || len(got.UserDetailList) != 2 || len(got.GroupDetailList) != 2 || len(got.RoleDetailList) != 2 ||
		len(got.Policies) != 5 {
		t.Errorf("got %d pages, %d users, %d groups, %d roles, %d policies", n, len(got.UserDetailList),
			len(got.GroupDetailList), len(got.RoleDetailList), len(got.Policies))
	}
	for _, p := range got.Policies {
		if aws.ToString(p.PolicyName) == "AmazonS3ReadOnlyAccess" &&
			(aws.ToInt32(p.AttachmentCount) != 1 || aws.ToString(p.Arn) != "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess") {
			t.Errorf("got %s of %d", aws.ToString(p.Arn), aws.ToInt32(p.AttachmentCount))
		}
	}
	one, err := client.GetAccountAuthorizationDetails(t.Context(), &iam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeRole},
	})
	if err != nil || len(one.RoleDetailList) != 2 || len(one.UserDetailList)+len(one.Policies) != 0 || one.IsTruncated {
		t.Errorf("roles alone: got %+v, %v", one, err)
	}
	_, err = client.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{
		PolicyArn:      aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`),
	})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "AccessDenied" {
		t.Errorf("a new version of a policy of AWS: got %v", err)
	}
}
