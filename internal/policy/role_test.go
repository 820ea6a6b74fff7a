package policy

import (
	"slices"
	"strings"
	"testing"
)

// Every action is in one class, or exempt.
func TestEveryActionHasAClass(t *testing.T) {
	classes := [][]string{thingWriteActions, thingReadActions, exemptActions, adminActions}
	var plane []string
	for _, d := range dataPlane {
		plane = append(plane, d.action)
	}
	for _, action := range Actions() {
		n := 0
		for _, class := range append(classes, plane) {
			if slices.Contains(class, action) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: got %d classes, want 1", action, n)
		}
	}
	for _, action := range slices.Concat(thingWriteActions, thingReadActions, exemptActions, plane, connectionActions) {
		if !slices.Contains(Actions(), action) {
			t.Errorf("%s is not an action of AWS IoT", action)
		}
	}
}

func TestAccessToServices(t *testing.T) {
	doc, err := ParseIdentity(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["S3:Get*","dynamodb:*","sqs:SendMessage"],"Resource":"*"},
		{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	r := AnalyzeRole([]*Document{doc}, nil)
	for service, want := range map[string]Access{
		"s3": SomeAccess, "dynamodb": WideAccess, "DynamoDB": WideAccess, "sqs": NoAccess, "iam": NoAccess,
	} {
		if got := r.Access(service); got != want {
			t.Errorf("%s: got %d, want %d", service, got, want)
		}
	}
	if named, others := r.Services(); others || strings.Join(named, " ") != "dynamodb s3" {
		t.Errorf("got %v, others %t; want dynamodb and s3 alone", named, others)
	}
}

func TestAllActionsByNameAreWide(t *testing.T) {
	text := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":["` +
		strings.Join(Actions(), `","`) + `"]}}`
	doc, err := ParseIdentity(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := AnalyzeRole([]*Document{doc}, nil).Access("iot"); got != WideAccess {
		t.Errorf("got %d, want %d", got, WideAccess)
	}
}

func BenchmarkAnalyzeRole(b *testing.B) {
	for name, text := range map[string]string{
		"small": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iot:Publish","s3:Get*"],"Resource":"*"}}`,
		"admin": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		"names": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"arn:aws:iot:*:*:thing/*","Action":["` +
			strings.Join(Actions(), `","`) + `"]}}`,
	} {
		b.Run(name, func(b *testing.B) {
			doc, err := ParseIdentity(text)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				AnalyzeRole([]*Document{doc}, nil)
			}
		})
	}
}
