package tree

import (
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestADocumentIsReadAsItIsWritten(t *testing.T) {
	n, err := Read(`{"b": ["x", 1.50, true, null], "a": {}, "b": "y"}`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range n.Members {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, ""); got != "bab" {
		t.Errorf("got members %s, want b, a and b again", got)
	}
	var items []string
	for _, item := range n.Members[0].Value.Items {
		items = append(items, string(item.Kind)+" "+item.Text)
	}
	if got, want := strings.Join(items, ", "), "a string x, a number 1.50, a boolean true, null "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !n.Holds("y") || n.Holds("b") {
		t.Error("got texts and names mixed up, want texts alone held")
	}
}

func TestWhatIsAmbiguousIsRefused(t *testing.T) {
	elements := func(document string) error {
		n, err := Read(document)
		if err == nil {
			_, err = n.Elements("here", "Sid", "Effect")
		}
		return err
	}
	list := func(document string) error {
		n, err := Read(document)
		if err == nil {
			_, err = n.List("here", Text)
		}
		return err
	}
	for _, tt := range []struct {
		name, document string
		read           func(string) error
		want           string // "" for none
	}{
		{"known members", `{"Effect":"", "Sid":""}`, elements, ""},
		{"a member twice", `{"Sid":"", "Sid":""}`, elements, "more than once"},
		{"one in another case", `{"sid":""}`, elements, `must be spelt "Sid"`},
		{"one that is not known", `{"Other":""}`, elements, "is not allowed here"},
		{"a list for an object", `[]`, elements, "must be an object, got a list"},
		{"something behind it", `{} {}`, elements, "not valid JSON"},
		{"half a surrogate pair", `{"Sid":"\ud800"}`, elements, "replacement character"},
		{"too deep", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), list, "nested deeper"},
		{"one for a list of one", `"x"`, list, ""},
		{"an empty list", `[]`, list, "the list is empty"},
		{"another kind in a list", `["x", 1]`, list, "must be a string, got a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.read(tt.document)
			if tt.want == "" && err != nil || tt.want != "" && (!fault.Is(err, fault.MalformedPolicy) ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
