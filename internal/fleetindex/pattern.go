package fleetindex

import "strings"

// Pattern is what a value looks like: characters in lower case, and wildcards
// among them. The zero value fits nothing.
type Pattern struct {
	marks []rune // characters, one and many
}

// Wildcards in a pattern.
const (
	one  rune = -1 // any one character
	many rune = -2 // any number of characters, also none
)

// All reports whether every value fits.
func (p Pattern) All() bool { return len(p.marks) == 1 && p.marks[0] == many }

// Exact returns the one text that fits, unless there are wildcards.
func (p Pattern) Exact() (text string, ok bool) {
	text = p.Prefix()
	return text, len(text) > 0 && len([]rune(text)) == len(p.marks)
}

// Prefix returns what every text that fits begins with.
func (p Pattern) Prefix() string {
	for i, r := range p.marks {
		if r < 0 {
			return string(p.marks[:i])
		}
	}
	return string(p.marks)
}

// Like returns the pattern as the operator LIKE of SQL reads it, with a
// backslash for escapes.
func (p Pattern) Like() string {
	var b strings.Builder
	for _, r := range p.marks {
		switch r {
		case one:
			b.WriteByte('_')
		case many:
			b.WriteByte('%')
		case '_', '%', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// leads reports whether the pattern begins with a wildcard and does not fit
// everything.
func (p Pattern) leads() bool { return len(p.marks) > 0 && p.marks[0] < 0 && !p.All() }

// fits reports whether a value in lower case, or one of its words, looks like
// the pattern. A pattern of several words fits where they stand in a row.
func (p Pattern) fits(value string) bool {
	words := strings.Fields(value)
	if len(words) == 1 && words[0] == value {
		return p.fitsWord(value)
	}
	if text, ok := p.Exact(); ok {
		phrase := strings.Join(strings.Fields(text), " ")
		return phrase != "" && strings.Contains(" "+strings.Join(words, " ")+" ", " "+phrase+" ")
	}
	for _, w := range words {
		if p.fitsWord(w) {
			return true
		}
	}
	return false
}

// fitsWord compares the whole of a word. It goes back to the last * only, so
// that it takes no more than the product of both lengths.
func (p Pattern) fitsWord(word string) bool {
	if p.All() {
		return true
	}
	text, at, back, tried := []rune(word), 0, -1, 0
	for i := 0; i < len(text); {
		switch {
		case at < len(p.marks) && p.marks[at] == many:
			back, tried = at, i
			at++
		case at < len(p.marks) && (p.marks[at] == one || p.marks[at] == text[i]):
			at++
			i++
		case back >= 0:
			tried++
			at, i = back+1, tried
		default:
			return false
		}
	}
	for at < len(p.marks) && p.marks[at] == many {
		at++
	}
	return at == len(p.marks) && len(p.marks) > 0
}

// Fold is the form in which values are compared: letters of ASCII in lower
// case. No other letters stand in the registry.
func Fold(text string) string {
	for i := range len(text) {
		if 'A' <= text[i] && text[i] <= 'Z' {
			return strings.Map(foldRune, text)
		}
	}
	return text
}

func foldRune(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
