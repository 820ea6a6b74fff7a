package policy

import (
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"a pattern covers itself", "a*b?c", "a*b?c", true},
		{"a run covers everything", "*", "a/${v}/?*", true},
		{"a run covers nothing", "*", "", true},
		{"a longer beginning is covered", "a/*", "a/b/*", true},
		{"a shorter beginning is not", "a/b/*", "a/*", false},
		{"a run in the middle covers a longer middle", "a*z", "a/b*c/z", true},
		{"an end that may be missing is not covered", "*z", "*z*", false},
		{"one covers a character", "a?", "ab", true},
		{"one covers one", "a?", "a?", true},
		{"one does not cover a run", "a?", "a*", false},
		{"a character does not cover one", "ab", "a?", false},
		{"the order within a group of wildcards does not matter", "?*", "*?", true},
		{"a group of wildcards is as long as its ones", "*?*?*", "??*", true},
		{"a longer group does not cover a shorter", "???*", "??*", false},
		{"a run does not turn into a literal", "*ab*", "*a*b*", false},
		{"two runs are covered by fewer literals", "*a*", "*a*b*a*", true},
		{"a variable covers itself", "c/${v}", "c/${v}", true},
		// Without a value each is its own text.
		{"a variable does not cover another spelling", "c/${iot:ClientId}", "c/${iot:clientid}", false},
		{"a variable does not cover another", "c/${v}", "c/${w}", false},
		{"a variable does not cover a literal", "c/${v}", "c/a", false},
		{"a literal does not cover a variable", "c/a", "c/${v}", false},
		// The value may be empty, or longer than a character.
		{"one does not cover a variable", "c/?", "c/${v}", false},
		{"the second variable is told from the first", "${v}${w}", "${v}${v}", false},
		{"an escaped star is covered by a run", "a*", "a${*}", true},
		{"an escaped star covers no run", "a${*}", "a*", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Covers(mustCompile(t, tt.a), mustCompile(t, tt.b)); got != tt.want {
				t.Errorf("%q covers %q: got %v, want %v", tt.a, tt.b, got, tt.want)
			}
		})
	}
}

func TestOverlaps(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"the same literal", "a/b", "a/b", true},
		{"different literals", "a/b", "a/c", false},
		{"a literal and its beginning", "a/b", "a/", false},
		{"a run and a literal", "a/*", "a/b/c", true},
		{"different beginnings", "a/*", "b/*", false},
		{"different ends", "*a", "*b", false},
		{"a beginning and an end", "a*", "*b", true},
		{"a beginning and an end that may be one character", "a*", "*a", true},
		{"the sides of a run do not share a character", "ab*ba", "aba", false},
		{"one and a literal", "a?c", "abc", true},
		{"one and nothing", "a?", "a", false},
		{"runs on both sides that need each other", "*a*b*", "b*a", true},
		{"runs on both sides that have one order only", "a*b", "b*a", false},
		{"a variable may have any value", "a/${v}/c", "a/b/x/c", true},
		{"a variable may be empty", "a${v}", "a", true},
		{"a variable does not change what is around it", "a/${v}/c", "b/*", false},
		{"nothing and a run", "", "*", true},
		{"nothing and one", "", "?", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := mustCompile(t, tt.a), mustCompile(t, tt.b)
			if got := Overlaps(a, b); got != tt.want {
				t.Errorf("%q overlaps %q: got %v, want %v", tt.a, tt.b, got, tt.want)
			}
			if got := Overlaps(b, a); got != tt.want {
				t.Errorf("%q overlaps %q: got %v, want %v", tt.b, tt.a, got, tt.want)
			}
		})
	}
}

// Both comparisons are checked against all short words over an alphabet of
// three characters, for all pairs of short patterns.
func TestComparisonsAgreeWithMatching(t *testing.T) {
	var patterns []Pattern
	for _, text := range words("ab*?", 4) {
		patterns = append(patterns, mustCompile(t, text))
	}
	inputs := words("abc", 6)
	matched := make([]map[string]bool, len(patterns))
	for i := range patterns {
		matched[i] = make(map[string]bool)
		for _, s := range inputs {
			if patterns[i].Match(s, nil) {
				matched[i][s] = true
			}
		}
	}
	for i, a := range patterns {
		for j, b := range patterns {
			subset, common := true, false
			for s := range matched[j] {
				subset = subset && matched[i][s]
				common = common || matched[i][s]
			}
			if got := Covers(a, b); got != subset {
				t.Fatalf("%q covers %q: got %v, want %v", a.text, b.text, got, subset)
			}
			if got := Overlaps(a, b); got != common {
				t.Fatalf("%q overlaps %q: got %v, want %v", a.text, b.text, got, common)
			}
		}
	}
}

// words returns all words over an alphabet up to a length.
func words(alphabet string, longest int) []string {
	all, last := []string{""}, []string{""}
	for range longest {
		var next []string
		for _, w := range last {
			for _, c := range alphabet {
				next = append(next, w+string(c))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// Comparing patterns of many runs must stay quadratic: this test would not end.
func TestCompareManyRuns(t *testing.T) {
	a := mustCompile(t, strings.Repeat("*a", 450)+"*b")
	b := mustCompile(t, strings.Repeat("a*", 450)+"c")
	if Covers(a, b) {
		t.Error("got covered, want not: the last characters differ")
	}
	if Overlaps(a, b) {
		t.Error("got an overlap, want none: the last characters differ")
	}
}
