package iotapi_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordonapi"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/iotapi"
)

// baseAction is a mitigation action that there is.
const baseAction = "deactivate"

// loadFacts reads the facts of the AWS IoT API, with the unions that its
// reference names.
func loadFacts(t testing.TB) *conform.Facts {
	t.Helper()
	f := must[*conform.Facts](t)(conform.Load("wire/facts", iotapi.New(iotapi.Config{})))
	f.Unions = []string{"MitigationActionParams", "AuditMitigationActionsTaskTarget", "ResourceIdentifier"}
	f.Bases = map[string]map[string]any{
		"ListAuditFindings":        {"taskId": "a"},
		"UpdateMitigationAction":   {"actionName": baseAction},
		"CreateAuditSuppression":   {"checkName": checkExpiring, "suppressIndefinitely": true},
		"DescribeAuditSuppression": {"checkName": checkExpiring},
		"UpdateAuditSuppression":   {"checkName": checkExpiring},
		"DeleteAuditSuppression":   {"checkName": checkExpiring},
	}
	f.Sound = map[string]any{
		"deviceCertificateArn":    certARN(strings.Repeat("f", 64)),
		"policyVersionIdentifier": map[string]any{"policyName": "p", "policyVersionId": "1"},
	}
	return f
}

// loadCordonFacts reads the facts of Cordon's own service.
func loadCordonFacts(t testing.TB) *conform.Facts {
	t.Helper()
	return must[*conform.Facts](t)(conform.Load("../cordonapi/wire/facts", cordonapi.New(cordonapi.Config{})))
}

// endpoint is where calls of the root key go that no SDK would make.
func endpoint(cordon *cordontest.Cordon) conform.Endpoint {
	return conform.Endpoint{URL: cordon.URL(), Region: cordontest.Region, Key: aws.Credentials{
		AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken,
	}}
}

func TestConstraintsOfTheInterfaceHold(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	action(t, cordon.IoT(), baseAction, deactivate())
	for _, service := range []struct {
		name  string
		facts *conform.Facts
	}{{"AWS IoT", loadFacts(t)}, {"Cordon", loadCordonFacts(t)}} {
		t.Run(service.name, func(t *testing.T) { service.facts.Hold(t, endpoint(cordon)) })
	}
}
