package fleetindex

import (
	"slices"
	"strings"
	"unicode"
)

// word is a text without quotes: its characters as they are, and wildcards.
type word []rune

func (w word) wild() bool { return slices.ContainsFunc(w, func(r rune) bool { return r < 0 }) }

// pattern is the form in which values are compared with the word. Wildcards in
// a row that fit the same are one.
func (w word) pattern() Pattern {
	marks := make([]rune, 0, len(w))
	for _, r := range w {
		if r == many && len(marks) > 0 && marks[len(marks)-1] == many {
			continue
		}
		marks = append(marks, foldRune(r))
	}
	return Pattern{marks}
}

// endsWord says whether a character cannot stand in a word as it is.
func endsWord(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`()[]{}":<>`, r) }

// unknown are characters that mean something in languages like this one, and
// nothing here.
var unknown = map[rune]string{
	'~': "fuzzy and proximity searches are not supported",
	'^': "boosting is not supported",
	'&': "AND is the word for it",
	'|': "OR is the word for it",
	'!': "NOT is the word for it",
}

// unknownFirst are those that mean it at the beginning of a word.
var unknownFirst = map[rune]string{
	'+': "all terms are required unless OR stands between them",
	'/': "regular expressions are not supported",
}

// word reads a word. What names what is expected where none is.
func (p *parser) word(what string) (word, error) {
	for _, name := range []string{"AND", "OR", "NOT"} {
		if p.operator(name) {
			return nil, p.wrong(p.pos, "expected %s, found %s", what, name)
		}
	}
	var w word
	start := p.pos
	for p.pos < len(p.text) && !endsWord(p.text[p.pos]) {
		r := p.text[p.pos]
		why := unknown[r]
		if why == "" && p.pos == start {
			why = unknownFirst[r]
		}
		if why != "" {
			return nil, p.wrong(p.pos, `found %q: %s; as a part of a value it is written \%c`, r, why, r)
		}
		p.pos++
		switch r {
		case '*':
			r = many
		case '?':
			r = one
		case '\\':
			if p.pos == len(p.text) {
				return nil, p.wrong(p.pos-1, "there is nothing behind the backslash")
			}
			r = p.text[p.pos]
			p.pos++
		}
		w = append(w, r)
	}
	if len(w) == 0 {
		return nil, p.expected(what)
	}
	return w, nil
}
