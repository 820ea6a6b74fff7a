package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/policy"
)

func TestStandsFor(t *testing.T) {
	loose := func(thing string) Attachment { return Attachment{Thing: thing, Type: NonExclusive} }
	for _, tt := range []struct {
		name     string
		attached []Attachment
		client   string
		want     string
	}{
		{"nothing is attached", nil, "a", ""},
		{"an exclusive thing, whatever the client is called", []Attachment{{Thing: "b", Type: Exclusive}}, "a", "b"},
		{"the thing that is called like the client", []Attachment{loose("a"), loose("b")}, "b", "b"},
		{"no thing is called like the client", []Attachment{loose("a"), loose("b")}, "c", ""},
		{"names have a case", []Attachment{loose("a")}, "A", ""},
		{"a client without name", []Attachment{loose("a")}, "", ""},
	} {
		if got := StandsFor(tt.attached, tt.client); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestConnectionValues(t *testing.T) {
	lamp := &Thing{Name: "lamp", Type: "light", Attributes: map[string]string{"Room": "kitchen"}}
	for _, tt := range []struct {
		name string
		c    Connection
		key  string
		want string
	}{
		{"the client", Connection{ClientID: "x"}, "iot:ClientId", "x"},
		{"no client", Connection{}, "iot:ClientId", ""},
		{"the address", Connection{SourceIP: "::1"}, "aws:SourceIp", "::1"},
		{"the thing", Connection{Thing: lamp}, "iot:Connection.Thing.ThingName", "lamp"},
		{"the thing's type", Connection{Thing: lamp}, "iot:Connection.Thing.ThingTypeName", "light"},
		{"a thing without type", Connection{Thing: &Thing{Name: "a"}}, "iot:Connection.Thing.ThingTypeName", ""},
		{"an attribute", Connection{Thing: lamp}, "iot:Connection.Thing.Attributes[Room]", "kitchen"},
		{"a thing that stands for it", Connection{Thing: lamp}, "iot:Connection.Thing.IsAttached", "true"},
		{"a client that stands for nothing", Connection{ClientID: "x"}, "iot:Connection.Thing.IsAttached", "false"},
		{"nothing is known", Connection{}, "iot:Connection.Thing.IsAttached", ""},
		{"the time", Connection{Time: time.Unix(1767225600, 0)}, "aws:CurrentTime", "2026-01-01T00:00:00Z"},
		{"the time in seconds", Connection{Time: time.Unix(1767225600, 0)}, "aws:EpochTime", "1767225600"},
	} {
		if got := strings.Join(tt.c.Values().Lookup(policy.FoldKey(tt.key)), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func testSet(t *testing.T, documents map[string]string) *PolicySet {
	t.Helper()
	var list []PolicyVersion
	for name, statements := range documents {
		list = append(list, PolicyVersion{
			Policy: name, Document: `{"Version":"2012-10-17","Statement":[` + statements + `]}`,
		})
	}
	slices.SortFunc(list, func(v, w PolicyVersion) int { return strings.Compare(v.Policy, w.Policy) })
	s, err := NewPolicySet(list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthorize(t *testing.T) {
	const topics = "arn:aws:iot:eu-central-1:111111111111:topic/"
	s := testSet(t, map[string]string{
		"all": `{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}`,
		"both": `{"Effect":"Allow","Action":"iot:Publish","Resource":"` + topics + `a"},` +
			`{"Effect":"Deny","Action":"iot:Publish","Resource":"` + topics + `secret/*"}`,
		"silent": `{"Effect":"Allow","Action":"iot:Publish","Resource":"` + topics + `${iot:ClientId}/${iot:ClientId}"}`,
		"other":  `{"Effect":"Allow","Action":"iot:Receive","Resource":"` + topics + `b"}`,
	})
	for _, tt := range []struct {
		name      string
		action    string
		resources []string
		decision  policy.Decision
		lists     string // allow, deny, silent
		missing   string
	}{
		{"allowed by some", "iot:Publish", []string{"a"}, policy.Allowed, "all both||other silent", "iot:ClientId"},
		{"denied by one", "iot:Publish", []string{"secret/x"}, policy.ExplicitDeny, "all|both|other silent", "iot:ClientId"},
		{"one resource is denied, before an allowed one", "iot:Publish", []string{"secret/x", "a"}, policy.ExplicitDeny,
			"all both|both|other silent", "iot:ClientId"},
		{"one resource is not allowed", "iot:Receive", []string{"b", "c"}, policy.ImplicitDeny, "other||all both silent", ""},
		{"nothing is said", "iot:Receive", []string{"c", "d"}, policy.ImplicitDeny, "||all both other silent", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var arns []string
			for _, r := range tt.resources {
				arns = append(arns, topics+r)
			}
			got, err := s.Authorize(t.Context(), tt.action, arns, policy.Table{})
			if err != nil {
				t.Fatal(err)
			}
			lists := strings.Join([]string{strings.Join(got.Allow, " "), strings.Join(got.Deny, " "),
				strings.Join(got.Silent, " ")}, "|")
			if got.Decision != tt.decision || lists != tt.lists {
				t.Errorf("got %s by %s, want %s by %s", got.Decision, lists, tt.decision, tt.lists)
			}
			if missing := strings.Join(got.Missing, " "); missing != tt.missing {
				t.Errorf("got %q missing, want %q", missing, tt.missing)
			}
		})
	}
}

func TestAuthorizeStopsWhenNobodyWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := testSet(t, nil).Authorize(ctx, "iot:Publish", []string{"arn:aws:iot:r:1:topic/a"}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestAPolicyThatCannotBeReadDecidesNothing(t *testing.T) {
	if _, err := NewPolicySet([]PolicyVersion{{Policy: "p", Version: 3, Document: "{"}}); err == nil ||
		!strings.Contains(err.Error(), `version 3 of policy "p"`) {
		t.Errorf("got %v, want an error that names the version", err)
	}
}
