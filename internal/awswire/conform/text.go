package conform

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
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
// \p{Graph} and \u0020, which Go has not. The empty pattern is matched by every
// text. Each is read once: reading one takes longer than a call.
func newTextForm(pattern string) *textForm {
	if known, ok := textForms.Load(pattern); ok {
		return known.(*textForm)
	}
	form := readTextForm(pattern)
	textForms.Store(pattern, form)
	return form
}

var textForms sync.Map // of textForm by pattern

func readTextForm(pattern string) *textForm {
	if pattern == "" {
		pattern = `[\s\S]*`
	}
	pattern = strings.ReplaceAll(pattern, `\p{Graph}`, `!-~`)
	pattern = inJava.ReplaceAllString(pattern, `\x{$1}`)
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err)
	}
	return &textForm{tree: tree.Simplify(), whole: regexp.MustCompile(`\A(?:` + pattern + `)\z`)}
}

// inJava is a character as Java writes it.
var inJava = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// inside is a text of n characters that matches; ok is false when there is
// none. Its characters are those at the ends of the ranges that are allowed.
func (f *textForm) inside(n int) (text string, ok bool) {
	var b strings.Builder
	write(&b, f.tree, n)
	text = b.String()
	return text, utf8.RuneCountInString(text) == n && f.whole.MatchString(text)
}

// different is text i of those that match, as far as some are found by their
// lengths.
func (f *textForm) different(i int) (text string) {
	var list []string
	for n := 1; n <= 64 && len(list) <= i; n++ {
		if one, ok := f.inside(n); ok {
			list = append(list, one)
		}
	}
	return list[i%len(list)]
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
