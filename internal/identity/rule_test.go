package identity

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestTagsOfIdentities(t *testing.T) {
	many := make([]Tag, maxTags+1)
	for i := range many {
		many[i] = Tag{Key: fmt.Sprint("k", i)}
	}
	for _, tt := range []struct {
		name string
		tags []Tag
		want fault.Code // "" for none
	}{
		{"no tags are fine", nil, ""},
		{"as many as may be", many[1:], ""},
		{"one more", many, fault.Limit},
		{"a key twice", []Tag{{"k", "a"}, {"k", "b"}}, fault.Invalid},
		{"a key twice but for its case", []Tag{{"Team", "a"}, {"team", "a"}}, fault.Invalid},
		{"a reserved key", []Tag{{"AWS:x", ""}}, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Tags(tt.tags)
			if tt.want == "" && (err != nil || len(got) != len(tt.tags)) || tt.want != "" && !fault.Is(err, tt.want) {
				t.Errorf("got %d tags, %v, want %q", len(got), err, tt.want)
			}
		})
	}
}

func TestTagsOfWhatIsThereChange(t *testing.T) {
	full := map[string]string{}
	for i := range maxTags {
		full[fmt.Sprint("k", i)] = ""
	}
	one := map[string]string{"Team": "a"}
	for _, tt := range []struct {
		name string
		old  map[string]string
		add  []Tag
		want fault.Code // "" for none
		size int
	}{
		{"the first", nil, []Tag{{"k", "v"}}, "", 1},
		{"one beside another", one, []Tag{{"k", "v"}}, "", 2},
		{"a key that is there, in other case, gives way", one, []Tag{{"team", "v"}}, "", 1},
		{"a new value for one of as many as may be", full, []Tag{{"K7", "v"}}, "", maxTags},
		{"one more than may be", full, []Tag{{"more", "v"}}, fault.Limit, 0},
		{"a reserved key", one, []Tag{{"aws:x", "v"}}, fault.Invalid, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Retag(tt.old, tt.add)
			if tt.want != "" {
				if !fault.Is(err, tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || len(got) != tt.size || got[tt.add[0].Key] != "v" {
				t.Errorf("got %v, %v, want %d with %v", got, err, tt.size, tt.add)
			}
		})
	}
	left := Untag(one, []string{"TEAM", "none"})
	if len(left) != 0 || len(one) != 1 {
		t.Errorf("got %v left of %v, want none, and the old ones as they were", left, one)
	}
}

func TestDocumentsOfPolicies(t *testing.T) {
	long := func(n int) string {
		const about = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:x%s","Resource":"*"}}`
		return fmt.Sprintf(about, strings.Repeat("x", n-len(about)+2))
	}
	for _, tt := range []struct {
		name  string
		check func(string) error
		doc   string
		want  fault.Code // "" for none
	}{
		{"a managed policy may be this long", CheckManagedDocument, long(MaxManagedSize), ""},
		{"white space does not count", CheckManagedDocument, long(MaxManagedSize) + "\n\t ", ""},
		{"one more character does", CheckManagedDocument, long(MaxManagedSize + 1), fault.Limit},
		{"the length of others depends on their owner", CheckDocument, long(MaxManagedSize + 1), ""},
		{"no JSON", CheckDocument, "{", fault.MalformedPolicy},
		{"an operator that nobody knows", CheckDocument, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
			"Action":"*","Resource":"*","Condition":{"StringAbout":{"aws:username":"x"}}}}`, fault.MalformedPolicy},
		{"a principal in the policy of an identity", CheckDocument, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
			"Action":"*","Resource":"*","Principal":"*"}}`, fault.MalformedPolicy},
		{"a trust policy", CheckTrust, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
			"Principal":{"Service":"iot.amazonaws.com"},"Action":"sts:AssumeRole"}}`, ""},
		{"a trust policy that trusts nobody", CheckTrust, `{"Version":"2012-10-17","Statement":[]}`, fault.MalformedPolicy},
		{"a trust policy with a resource", CheckTrust, `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
			"Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}}`, fault.MalformedPolicy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.check(tt.doc); tt.want == "" && err != nil || tt.want != "" && !fault.Is(err, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestARNsOfIAM(t *testing.T) {
	now := time.Now()
	u := NewUser("111111111111", "/a/b/", "ada", now)
	for arn, want := range map[string]EntityARN{
		u.ARN():                            {"111111111111", "user", "/a/b/", "ada"},
		NewRole("1", "/", "r", now).ARN():  {"1", "role", "/", "r"},
		NewGroup("1", "/", "g", now).ARN(): {"1", "group", "/", "g"},
		"arn:aws:iam::1:root":              {},
		"arn:aws:iam::1:role/":             {},
		"arn:aws:iam::1:role/a/":           {},
		"arn:aws:iam:eu:1:role/a":          {},
		"arn:aws:iam::role/a":              {},
		"role/a":                           {},
	} {
		if got, ok := ParseARN(arn); ok && got != want || ok != (want != EntityARN{}) {
			t.Errorf("%s: got %+v, %t, want %+v", arn, got, ok, want)
		}
	}
	for prefix, id := range map[string]string{
		"AIDA": u.ID, "AROA": NewRole("1", "/", "r", now).ID, "AGPA": NewGroup("1", "/", "g", now).ID,
		"ANPA": NewManagedPolicy("1", "/", "p", now).ID,
	} {
		if !regexp.MustCompile(`^` + prefix + `[A-Z2-7]{17}$`).MatchString(id) {
			t.Errorf("got id %s, want %s and 17 more", id, prefix)
		}
	}
	if a, b := NewUser("1", "/", "a", now), NewUser("1", "/", "a", now); a.ID == b.ID {
		t.Error("got one id twice")
	}
}
