package policy

import (
	"fmt"
	"strings"
	"testing"
)

// worstDocuments are documents of MaxSize characters that make comparing
// patterns as costly as it gets.
func worstDocuments(t testing.TB) map[string]*Document {
	const allow = `{"Effect":"Allow","Action":"*","Resource":[%s]}`
	const refuse = `{"Effect":"Deny","Action":"*","Resource":[%s]}`
	one := func(arn string) string { return `"` + arn + `"` }
	many := func(arn string, n int) string { return strings.TrimSuffix(strings.Repeat(one(arn)+",", n), ",") }
	texts := map[string][2]string{
		"runs of one letter": {
			one("arn:*" + strings.Repeat("a", 900) + "c"), one("arn:*" + strings.Repeat("*a", 430) + "b*c")},
		"two long patterns that never meet": {
			one("arn:*" + strings.Repeat("*a", 430) + "b"), one("arn:*" + strings.Repeat("*a", 430) + "c")},
		"many short resources": {many("arn:*b", 100), many("arn:*ba", 90)},
		"long groups of one character": {
			one("arn:*" + strings.Repeat("?a", 430) + "b"), one("arn:*" + strings.Repeat("?", 900) + "a")},
	}
	documents := make(map[string]*Document)
	for name, r := range texts {
		documents[name] = mustParse(t, fmt.Sprintf(`{"Statement":[`+allow+","+refuse+`]}`, r[0], r[1]))
	}
	actions := strings.TrimSuffix(strings.Repeat(`"a:b",`, 150), ",")
	documents["many actions"] = mustParse(t, fmt.Sprintf(
		`{"Statement":[{"Effect":"Allow","Action":"*","Resource":[%s]},{"Effect":"Deny","NotAction":[%s],"Resource":[%s]}]}`,
		many("arn:*a", 50), actions, many("arn:*b", 40)))
	documents["all but a pattern of many runs"] = mustParse(t, fmt.Sprintf(
		`{"Statement":[`+allow+`,{"Effect":"Deny","Action":"*","NotResource":%s}]}`,
		one("arn:*"+strings.Repeat("*a", 430)+"*"), one("arn:*"+strings.Repeat("*b", 430)+"*")))
	documents["subscribing denied where receiving is not allowed"] = mustParse(t, fmt.Sprintf(
		`{"Statement":[{"Effect":"Allow","NotAction":"iot:Receive","Resource":"*"},
			{"Effect":"Allow","Action":"iot:Receive","Resource":[%s]},`+refuse+`]}`,
		many("arn:*b", 90), many("arn:*?a", 80)))
	pair := fmt.Sprintf(allow+","+refuse, one("arn:*"), one("arn:*a"))
	documents["many statements"] = mustParse(t, `{"Statement":[`+strings.Repeat(pair+",", 15)+pair+`]}`)
	return documents
}

// Hostile documents are analysed like any other: exponential work would not
// end here.
func TestAnalyzeHostile(t *testing.T) {
	for name, doc := range worstDocuments(t) {
		t.Run(name, func(t *testing.T) {
			if got := Analyze(doc); len(got.Broad) != len(dataPlane) {
				t.Errorf("got %v, want every action: a leading wildcard is allowed and nothing covers it", got.Broad)
			}
		})
	}
}

func BenchmarkAnalyzeWorst(b *testing.B) {
	for name, doc := range worstDocuments(b) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				Analyze(doc)
			}
		})
	}
}

func typical(t testing.TB) string {
	return `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"` + base + `client/` + thingName + `",
		 "Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}},
		{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"` + base + `topic/factory/` + thingName + `/*"},
		{"Effect":"Allow","Action":"iot:Subscribe","Resource":"` + base + `topicfilter/factory/` + thingName + `/*"},
		{"Effect":"Deny","Action":"iot:*","Resource":["` + base + `topic/factory/+/secret"]}]}`
}

func BenchmarkParse(b *testing.B) {
	document := typical(b)
	for b.Loop() {
		if _, err := Parse(document); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnalyzeTypical(b *testing.B) {
	doc := mustParse(b, typical(b))
	for b.Loop() {
		Analyze(doc)
	}
}

func BenchmarkMatchResource(b *testing.B) {
	doc := mustParse(b, typical(b))
	lookup := Table{"iot:connection.thing.thingname": {"press-17"}}
	s, arn := &doc.Statements[1], base+"topic/factory/press-17/temperature/left"
	b.ReportAllocs()
	for b.Loop() {
		if !s.MatchAction("iot:Publish") || !s.MatchResource(arn, lookup) {
			b.Fatal("the statement does not match")
		}
	}
}
