package policy

import (
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

// kinds read the documents of each kind.
var kinds = map[string]func(string) (*Document, error){
	"identity": ParseIdentity, "trust": ParseTrust, "resource": ParseResource,
}

func TestDocumentsOfIAM(t *testing.T) {
	const (
		plain   = `"Effect":"Allow","Action":"sns:Publish","Resource":"*"`
		trusted = `"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"iot.amazonaws.com"}`
		topic   = plain + `,"Principal":{"AWS":"111111111111"}`
	)
	who := func(principal string) string { return plain + `,"Principal":` + principal }
	for _, tt := range []struct {
		name, kind, members string
		want                string // part of the refusal, "" when it is accepted
	}{
		{"an identity policy", "identity", plain, ""},
		{"an identity policy names nobody", "identity", topic, `"Principal" is not allowed here`},
		{"a Sid of letters and digits", "identity", `"Sid":"A1",` + plain, ""},
		{"a Sid with a blank", "identity", `"Sid":"A 1",` + plain, "letters and digits"},
		{"a Sid with a blank, of a topic", "resource", `"Sid":"A 1",` + topic, ""},
		{"an ARN that is not complete", "identity", `"Effect":"Deny","Action":"*","Resource":"arn:aws:sns"`, ""},
		{"a resource that is no ARN", "identity", `"Effect":"Allow","Action":"*","Resource":"topic"`, "or an ARN"},
		{"an operator that IAM does not have", "identity", plain + `,"Condition":{"StringIs":{"aws:userid":"x"}}`,
			"not known"},
		{"a key without a prefix", "identity", plain + `,"Condition":{"StringEquals":{"userid":"x"}}`, "prefix:name"},
		{"an element that IAM does not have", "identity", plain + `,"Comment":"x"`, "not allowed here"},
		{"a default value", "identity", `"Effect":"Allow","Action":"*","Resource":"arn:aws:sns:*:*:${aws:username, 'x'}"`,
			""},
		{"a default value without quotes", "identity",
			`"Effect":"Allow","Action":"*","Resource":"arn:aws:sns:*:*:${aws:username, x}"`, "variable"},
		{"a wildcard for all of service and action", "identity", `"Effect":"Allow","Action":"*:*","Resource":"*"`, ""},
		{"a wildcard for a service", "identity", `"Effect":"Allow","Action":"s*:Get","Resource":"*"`, "service:name"},

		{"a trust policy", "trust", trusted, ""},
		{"a trust policy with a condition", "trust", trusted + `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`, ""},
		{"a trust policy with a provider", "trust", `"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",` +
			`"Principal":{"Federated":"cognito-identity.amazonaws.com"}`, ""},
		{"a trust policy with the ARN of a provider", "trust", `"Effect":"Allow","Action":"sts:AssumeRoleWithSAML",` +
			`"Principal":{"Federated":"arn:aws:iam::111111111111:saml-provider/x"}`, ""},
		{"a trust policy is about its role", "trust", trusted + `,"Resource":"*"`, `"Resource" is not allowed here`},
		{"a trust policy names somebody", "trust", `"Effect":"Allow","Action":"sts:AssumeRole"`, `"Principal" is missing`},
		{"a trust policy is about assuming", "trust",
			`"Effect":"Allow","Action":"sns:Publish","Principal":{"AWS":"*"}`, "actions of STS"},
		{"a trust policy leaves nobody out", "trust",
			`"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"111111111111"}`, "not allowed here"},
		{"a trust policy leaves no action out", "trust",
			`"Effect":"Allow","NotAction":"sts:AssumeRole","Principal":{"AWS":"*"}`, "not allowed here"},

		{"a topic for everybody", "resource", who(`"*"`), ""},
		{"a topic for nobody", "resource", plain, `"Principal" is missing`},
		{"a text that is no principal", "resource", who(`"111111111111"`), `must be "*"`},
		{"root of an account", "resource", who(`{"AWS":"arn:aws:iam::111111111111:root"}`), ""},
		{"a user with a path", "resource", who(`{"AWS":["arn:aws:iam::111111111111:user/a/b"]}`), ""},
		{"a session", "resource", who(`{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}`), ""},
		{"the id of somebody", "resource", who(`{"AWS":"AIDAABCDEFGHIJKLMNOP"}`), ""},
		{"the id of nobody", "resource", who(`{"AWS":"AGPAABCDEFGHIJKLMNOP"}`), "can be evaluated"},
		{"a wildcard among users", "resource", who(`{"AWS":"arn:aws:iam::111111111111:user/*"}`), "can be evaluated"},
		{"a group", "resource", who(`{"AWS":"arn:aws:iam::111111111111:group/g"}`), "can be evaluated"},
		{"a federated user", "resource", who(`{"AWS":"arn:aws:sts::111111111111:federated-user/u"}`), "can be evaluated"},
		{"eleven digits", "resource", who(`{"AWS":"11111111111"}`), "can be evaluated"},
		{"every service", "resource", who(`{"Service":"*"}`), "can be evaluated"},
		{"a canonical user", "resource", who(`{"CanonicalUser":"x"}`), "not allowed here"},
		{"no kind of principal", "resource", who(`{}`), "names nobody"},
		{"no principal of a kind", "resource", who(`{"AWS":[]}`), "empty"},
		{"both principals", "resource", topic + `,"NotPrincipal":{"AWS":"111111111111"}`, "exclude each other"},
		{"an Allow of all others", "resource", plain + `,"NotPrincipal":{"AWS":"111111111111"}`, `"Deny" only`},
		{"a Deny of all others", "resource",
			`"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":{"AWS":"111111111111"}`, ""},
		{"a Deny of nobody", "resource",
			`"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":{"AWS":"*"}`, "nobody to deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := kinds[tt.kind](`{"Version":"2012-10-17","Statement":[{` + tt.members + `}]}`)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want it accepted", err)
			case tt.want != "" && (!fault.Is(err, fault.MalformedPolicy) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want a refusal that says %q", err, tt.want)
			}
		})
	}
}

func TestDocumentsWithoutStatements(t *testing.T) {
	for kind, parse := range kinds {
		if _, err := parse(`{"Statement":[]}`); (err == nil) != (kind == "identity") {
			t.Errorf("got %v for %s", err, kind)
		}
		if _, err := parse(`{"Statement":[]}` + strings.Repeat(" ", MaxIAMSize)); err == nil {
			t.Errorf("got no refusal of a %s policy that is too long", kind)
		}
	}
	twice := `{"Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},
		{"Sid":"A","Effect":"Deny","Action":"*","Resource":"*"}]}`
	if _, err := ParseIdentity(twice); err == nil {
		t.Error("got no refusal of a Sid that is there twice")
	}
}

// What was asked about is kept up to a bound, and decided the same beyond it.
func TestPermissionsDecideAboutAnyNumberOfActions(t *testing.T) {
	doc, err := ParseIdentity(`{"Statement":{"Effect":"Allow","Action":"iot:a*","Resource":"*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPermissions(doc)
	for range 2 {
		for i := range maxKnown + 10 {
			q := Request{Action: "iot:a" + strings.Repeat("x", i), Resource: "*"}
			if got := p.Decide(q); got != Allowed {
				t.Fatalf("got %s for action %d", got, i)
			}
		}
	}
	if n := len(*p.known.Load()); n != maxKnown {
		t.Errorf("got %d actions that are kept, want %d", n, maxKnown)
	}
}
