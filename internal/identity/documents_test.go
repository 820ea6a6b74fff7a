package identity

import (
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/policy"
)

func TestDocumentsAreReadOnceForEachText(t *testing.T) {
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"%s"%s}}`
	write := func(action, resource string) string {
		return strings.Replace(strings.Replace(document, "%s", action, 1), "%s", resource, 1)
	}
	topic, trust := write("sns:Publish", `,"Resource":"*"`), write("sts:AssumeRole", "")
	c := &documentCache{}
	get := func(key documentKey) *policy.Permissions {
		t.Helper()
		made, err := c.get(key, "arn")
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := get(documentKey{text: topic})
	if get(documentKey{text: topic}) != first {
		t.Error("got a document read again, want the one that is kept")
	}
	if get(documentKey{text: topic + " "}) == first || get(documentKey{trust: true, text: trust}) == first {
		t.Error("got one document for two texts")
	}
	for _, key := range []documentKey{{text: trust}, {trust: true, text: topic}, {text: "{"}} {
		for range 2 { // what was refused once is not kept
			if _, err := c.get(key, "arn:of:it"); err == nil || !strings.Contains(err.Error(), "arn:of:it") {
				t.Errorf("%+v: got %v, want a refusal that names whose it is", key, err)
			}
		}
	}
	// The texts that are kept stay below the bound, and new ones find room.
	for n := range 2 * maxDocuments / (1 << 16) {
		get(documentKey{text: topic + strings.Repeat(" ", 1<<16+n)})
		if c.size > maxDocuments {
			t.Fatalf("got %d bytes of texts kept, want %d at most", c.size, maxDocuments)
		}
	}
	if get(documentKey{text: topic}) == first {
		t.Error("got the first document again, want it gone with the others")
	}
}

func BenchmarkAPolicyOfATopic(b *testing.B) {
	text := `{"Version":"2012-10-17","Statement":[{"Sid":"owner","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["sns:Publish","sns:Subscribe"],"Resource":"arn:aws:sns:us-east-1:111111111111:t",` +
		`"Condition":{"StringEquals":{"aws:SourceOwner":"111111111111"}}}]}`
	c := &documentCache{}
	for name, warm := range map[string]bool{"read": false, "kept": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !warm {
					c.kept, c.size = nil, 0
				}
				if _, err := c.get(documentKey{text: text}, "arn"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
