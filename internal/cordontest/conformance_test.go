package cordontest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// interfaces is where the facts of each service lie.
var interfaces = map[string]string{
	"iot": "iotapi", "iotdata": "iotdata", "cordon": "cordonapi", "sts": "stsapi", "iam": "iamapi", "sns": "snsapi",
	"cognito-identity": "cognitoapi",
}

// factsOf reads the facts of a service.
func factsOf(t testing.TB, s awswire.Service) *conform.Facts {
	t.Helper()
	folder, known := interfaces[s.SigningName]
	if !known {
		t.Fatalf("got the service %s, want to know where its facts lie", s.SigningName)
	}
	f, err := conform.Load("../"+folder+"/wire/facts", s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// root is where the operator's calls go.
func root(c *cordontest.Cordon) conform.Endpoint {
	return conform.Endpoint{URL: c.URL(), Region: cordontest.Region, Key: aws.Credentials{
		AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken,
	}}
}

// TestConstraintsOfIdentityAndTopicsHold is for the services whose own packages
// have no such test.
func TestConstraintsOfIdentityAndTopicsHold(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	for _, s := range c.Services() {
		f := factsOf(t, s)
		switch s.SigningName {
		case "iot", "cordon", "iotdata":
			continue
		case "sts":
			f.Invalid, f.Unsupported, f.Common = "ValidationError", "ValidationError", []string{"AccessDenied"}
		case "iam":
			f.Invalid, f.Unsupported, f.Common = "ValidationError", "InvalidInput", []string{"ValidationError"}
			// The interface declares no error for a key that there is not.
			last := f.Operations["GetAccessKeyLastUsed"]
			last.Errors = append(last.Errors, "NoSuchEntityException")
		case "sns":
			f.Invalid, f.Unsupported = "InvalidParameter", "InvalidParameter"
		case "cognito-identity":
			f.Invalid, f.Unsupported = "InvalidParameterException", "InvalidParameterException"
		}
		t.Run(s.SigningName, func(t *testing.T) { f.Hold(t, root(c)) })
	}
}

// TestTheCoveragePageHasEveryService compares docs/coverage.md with what is
// served.
func TestTheCoveragePageHasEveryService(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	for _, s := range c.Services() {
		if want := "Signed for `" + s.SigningName + "`."; !strings.Contains(string(page), want) {
			t.Errorf("got no table for %s, want one: add it to coverageReference in internal/cli", s.SigningName)
		}
	}
}
