package cli

import (
	_ "embed" // for coveragePage
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cognitoapi"
	"github.com/cordon-iot/cordon/internal/cordonapi"
	"github.com/cordon-iot/cordon/internal/iamapi"
	"github.com/cordon-iot/cordon/internal/iotapi"
	"github.com/cordon-iot/cordon/internal/iotdata"
	"github.com/cordon-iot/cordon/internal/snsapi"
	"github.com/cordon-iot/cordon/internal/stsapi"
)

// coveragePage is docs/coverage.md but for its tables.
//
//go:embed coverage.md
var coveragePage string

// coverageReference returns the content of docs/coverage.md.
func coverageReference() string {
	var b strings.Builder
	b.WriteString(coveragePage)
	coverage(&b, "AWS IoT: audit, mitigation and registry", iotapi.New(iotapi.Config{}))
	coverage(&b, "AWS IoT: data plane", iotdata.New(iotdata.Config{}))
	coverage(&b, "AWS STS", stsapi.New(stsapi.Config{}))
	coverage(&b, "AWS IAM", iamapi.New(iamapi.Config{}))
	coverage(&b, "Amazon SNS: topics", snsapi.New(snsapi.Config{}))
	coverage(&b, "Amazon Cognito: identity pools", cognitoapi.New(cognitoapi.Config{}))
	coverage(&b, "Cordon's own service", cordonapi.New(cordonapi.Config{}))
	return b.String()
}

// coverage writes the table of a service, in the order of its interface.
func coverage(b *strings.Builder, title string, s awswire.Service) {
	served := map[string]awswire.Served{}
	for _, op := range s.Operations {
		served[op.Fact().Name] = op
	}
	fmt.Fprintf(b, "\n## %s\n\nSigned for `%s`. %d of %d operations are served.\n\n", title, s.SigningName, len(served),
		len(s.Known))
	b.WriteString("| operation | route | served | members refused | notes |\n| --- | --- | --- | --- | --- |\n")
	for _, fact := range s.Known {
		op, ok := served[fact.Name]
		yes, refused := "no", ""
		if ok {
			yes = "yes"
		}
		if members := op.Refused(); len(members) > 0 {
			refused = "`" + strings.Join(members, "`, `") + "`"
		}
		path, _, _ := strings.Cut(fact.Path, "?")
		fmt.Fprintf(b, "| `%s` | `%s %s` | %s | %s | %s |\n", fact.Name, fact.Method, path, yes, refused, op.Note())
	}
}
