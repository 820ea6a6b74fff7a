package iotapi_test

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// textForm is a pattern of the facts, from which texts are made that match it
// and texts that just do not.
type textForm struct {
	tree  *syntax.Regexp
	whole *regexp.Regexp
}

// newTextForm reads a pattern, which is written in the syntax of Java: it has
// \p{Graph}, which Go has not. The empty pattern is matched by every text.
func newTextForm(t testing.TB, pattern string) *textForm {
	t.Helper()
	if pattern == "" {
		pattern = `[\s\S]*`
	}
	pattern = strings.ReplaceAll(pattern, `\p{Graph}`, `!-~`)
	return &textForm{
		tree:  must[*syntax.Regexp](t)(syntax.Parse(pattern, syntax.Perl)).Simplify(),
		whole: must[*regexp.Regexp](t)(regexp.Compile(`\A(?:` + pattern + `)\z`)),
	}
}

// inside is a text of n characters that matches; ok is false when there is
// none. Its characters are those at the ends of the ranges that are allowed.
func (f *textForm) inside(n int) (text string, ok bool) {
	var b strings.Builder
	write(&b, f.tree, n)
	text = b.String()
	return text, utf8.RuneCountInString(text) == n && f.whole.MatchString(text)
}

// outside are texts of n characters that do not match but for one character,
// at either end.
func (f *textForm) outside(n int) (list []string) {
	inside, ok := f.inside(n)
	if !ok || n == 0 {
		return nil
	}
	for _, wrong := range []rune{'!', ' ', '/', '~', '"', '%', 'é', '\n'} {
		for _, i := range []int{0, n - 1} {
			text := []rune(inside)
			text[i] = wrong
			if s := string(text); !f.whole.MatchString(s) && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// write makes a text of n characters from an expression, as well as it can: a
// longer one, if the expression has no match so short.
func write(b *strings.Builder, re *syntax.Regexp, n int) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		some := ends(re.Rune)
		b.WriteRune(some[(b.Len()+1)%len(some)])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte("pem"[b.Len()%3])
	case syntax.OpCapture:
		write(b, re.Sub[0], n)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		writeTimes(b, re, n)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			rest := 0
			for _, other := range re.Sub {
				if other != sub {
					rest += shortest(other)
				}
			}
			before := b.Len()
			write(b, sub, max(n-rest, shortest(sub)))
			n -= utf8.RuneCountInString(b.String()[before:]) - shortest(sub)
		}
	case syntax.OpAlternate:
		best := re.Sub[0]
		for _, sub := range re.Sub {
			if shortest(sub) <= n && shortest(sub) > shortest(best) || shortest(best) > n {
				best = sub
			}
		}
		write(b, best, n)
	}
}

func writeTimes(b *strings.Builder, re *syntax.Regexp, n int) {
	each := max(1, shortest(re.Sub[0]))
	times := n / each
	switch re.Op {
	case syntax.OpQuest:
		times = min(times, 1)
	case syntax.OpPlus:
		times = max(times, 1)
	case syntax.OpRepeat:
		if times = max(times, re.Min); re.Max >= 0 {
			times = min(times, re.Max)
		}
	}
	for range times {
		write(b, re.Sub[0], each)
	}
}

// shortest is the length of the shortest match of an expression.
func shortest(re *syntax.Regexp) (n int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return shortest(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * shortest(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			n += shortest(sub)
		}
	case syntax.OpAlternate:
		n = shortest(re.Sub[0])
		for _, sub := range re.Sub {
			n = min(n, shortest(sub))
		}
	}
	return n
}

// ends are the characters at both ends of the first ranges of a class, without
// those that cannot be seen. A class of everything is one of letters.
func ends(ranges []rune) (list []rune) {
	if ranges[0] == 0 && ranges[len(ranges)-1] == unicode.MaxRune {
		return []rune("pem")
	}
	for _, r := range ranges[:min(len(ranges), 24)] {
		if unicode.IsPrint(r) && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

func TestTextsAreMadeFromPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern string
		n             int
		possible      bool
		outside       bool
	}{
		{"a class repeated", `[a-zA-Z0-9:_-]+`, 128, true, true},
		{"an optional beginning", `(0x)?[a-fA-F0-9]+`, 64, true, true},
		{"an optional end", `[A-Za-z0-9+/]+={0,2}`, 1024, true, true},
		{"alternatives", `^([1-9]|[12][0-9]|3[01])$|^LAST$`, 2, true, true},
		{"alternatives without one of this length", `^([1-9]|[12][0-9]|3[01])$|^LAST$`, 3, false, false},
		{"a class of everything", `[\s\S]*`, 10, true, false},
		{"a class of Java", `[\p{Graph}\x20]*`, 1000, true, true},
		{"letters of all languages", `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, 128, true, true},
		{"nothing", `[a-z]+`, 0, false, false},
	} {
		f := newTextForm(t, tt.pattern)
		if text, ok := f.inside(tt.n); ok != tt.possible {
			t.Errorf("%s: got %q, %v, want a text: %v", tt.name, text, ok, tt.possible)
		}
		list := f.outside(tt.n)
		if (len(list) > 0) != tt.outside {
			t.Errorf("%s: got %q outside, want some: %v", tt.name, list, tt.outside)
		}
		for _, text := range list {
			if f.whole.MatchString(text) || utf8.RuneCountInString(text) != tt.n {
				t.Errorf("%s: got %q, want %d characters that do not match", tt.name, text, tt.n)
			}
		}
	}
}
