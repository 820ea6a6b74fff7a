package policy

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/policy/tree"
)

// atomKind says what one part of a pattern matches.
type atomKind uint8

const (
	literal  atomKind = iota // exactly its text
	run                      // any run of characters, also an empty one
	one                      // exactly one character
	variable                 // the value of a variable, as literal text
)

type atom struct {
	kind atomKind
	text string // of a literal, or of a variable as written, "${...}"
	ref  *ref   // of a variable
}

// Pattern is a compiled pattern of the policy language: "*" stands for any
// run of characters, "/" and ":" included, "?" for exactly one, "${name}" for
// the value of a variable; "${*}", "${?}" and "${$}" are the characters
// themselves. "+" and "#" are ordinary characters. The zero Pattern matches
// the empty string. Sources: AWS IoT policy variables; IAM policy elements.
type Pattern struct {
	text  string
	atoms []atom
	fold  bool // ASCII letters match in either case; literals are in lower case
}

var (
	errOpenVariable = errors.New("a variable has no closing brace")
	errNotUTF8      = errors.New("it is not valid UTF-8")
	errVariableName = errors.New("a variable must be ${name}, or one of ${*} ${?} ${$}")
)

// Compile compiles a pattern that matches with regard to case, such as the
// value of a StringLike condition. It refuses text that is not UTF-8, and
// variables that are not closed or have no plain name, with a MalformedPolicy
// fault; default values ("${name, 'text'}") are IAM's.
func Compile(pattern string) (Pattern, error) {
	p, err := ofIoT.compile(pattern)
	if err != nil {
		return Pattern{}, tree.Malformed("", "%s: %s", tree.Quote(pattern), err)
	}
	return p, nil
}

func (l language) compile(text string) (Pattern, error) {
	return l.compileWith(text, (*Pattern).addPlain)
}

// compileExact compiles a text that has variables and no wildcards: "*" and
// "?" are characters, with or without an escape.
func (l language) compileExact(text string) (Pattern, error) {
	return l.compileWith(text, (*Pattern).addLiteral)
}

// compileWith compiles a text; plain adds the first atom of what does not begin
// with a variable, and returns what is left.
func (l language) compileWith(text string, plain func(p *Pattern, text string) string) (Pattern, error) {
	if !utf8.ValidString(text) {
		return Pattern{}, errNotUTF8
	}
	p := Pattern{text: text}
	for rest := text; rest != ""; {
		if l == ofIAM2008 || !strings.HasPrefix(rest, "${") {
			rest = plain(&p, rest)
			continue
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return Pattern{}, errOpenVariable
		}
		a, err := l.variable(rest[:end+1])
		if err != nil {
			return Pattern{}, err
		}
		p.add(a)
		rest = rest[end+1:]
	}
	return p, nil
}

// variable returns the atom of "${...}".
func (l language) variable(text string) (atom, error) {
	name := text[2 : len(text)-1]
	if name == "*" || name == "?" || name == "$" {
		return atom{kind: literal, text: name}, nil
	}
	name, fallback, hasFallback := l.cutDefault(name)
	if name == "" || strings.ContainsAny(name, "*?${\"' \t\r\n") {
		return atom{}, errVariableName
	}
	r := l.ref(name)
	r.fallback, r.hasFallback = fallback, hasFallback
	return atom{kind: variable, text: text, ref: &r}, nil
}

// addPlain adds the first atom of text, which does not begin with a variable,
// and returns what is left.
func (p *Pattern) addPlain(text string) string {
	switch text[0] {
	case '*':
		p.add(atom{kind: run})
		return text[1:]
	case '?':
		p.add(atom{kind: one})
		return text[1:]
	}
	end := 1
	for end < len(text) && text[end] != '*' && text[end] != '?' && !strings.HasPrefix(text[end:], "${") {
		end++
	}
	p.add(atom{kind: literal, text: text[:end]})
	return text[end:]
}

// addLiteral adds text up to the first variable as it stands, and returns what
// is left.
func (p *Pattern) addLiteral(text string) string {
	end := strings.Index(text[1:], "${") + 1
	if end == 0 {
		end = len(text)
	}
	p.add(atom{kind: literal, text: text[:end]})
	return text[end:]
}

// add appends an atom in normal form: neighbouring literals are one, and a
// group of wildcards is its "?" followed by at most one "*". Comparing
// patterns relies on it.
func (p *Pattern) add(a atom) {
	last := len(p.atoms) - 1
	switch {
	case last < 0:
	case a.kind == literal && p.atoms[last].kind == literal:
		p.atoms[last].text += a.text
		return
	case a.kind == run && p.atoms[last].kind == run:
		return
	case a.kind == one && p.atoms[last].kind == run:
		p.atoms[last].kind = one
		a.kind = run
	}
	p.atoms = append(p.atoms, a)
}

// compileAction compiles the pattern of an action: "*", or a service prefix,
// a colon, and a name in which wildcards may stand.
func (l language) compileAction(text string) (Pattern, error) {
	if text == "*:*" && l != ofIoT {
		text = "*"
	}
	if text != "*" {
		service, name, ok := strings.Cut(text, ":")
		if !ok || !consistsOf(service, "-") || !consistsOf(name, "-_*?") {
			return Pattern{}, errors.New(`an action must be "*" or service:name, with wildcards in the name only`)
		}
	}
	p, err := l.compile(strings.ToLower(text))
	p.text, p.fold = text, true
	return p, err
}

// consistsOf reports whether s is not empty and holds only ASCII letters,
// digits and the extra characters.
func consistsOf(s, extra string) bool {
	for _, r := range s {
		alnum := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !alnum && !strings.ContainsRune(extra, r) {
			return false
		}
	}
	return s != ""
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Match reports whether the pattern matches the whole of s. Values of
// variables are compared as literal text, whatever wildcards they hold; a
// variable without a value stands for its own text as written. A nil values
// has none. Match does not allocate, and its cost is at most the product of
// the two lengths.
func (p *Pattern) Match(s string, values Values) bool {
	i, pos := 0, 0 // the atom to match next, and where in s
	if len(p.atoms) > 0 && p.atoms[0].kind == literal && !p.fold {
		// Most patterns begin so, and most requests are none of theirs.
		if !strings.HasPrefix(s, p.atoms[0].text) {
			return false
		}
		i, pos = 1, len(p.atoms[0].text)
	}
	star, from := -1, 0 // the atom after the last run, and where it was tried
	last := len(p.atoms) - 1
	for {
		switch {
		case i > last:
			if pos == len(s) {
				return true
			}
		case p.atoms[i].kind == run:
			if i == last {
				return true
			}
			if i == last-1 && p.atoms[last].kind == literal && !p.fold {
				return strings.HasSuffix(s[pos:], p.atoms[last].text)
			}
			i++
			star, from = i, pos
			continue
		default:
			if n := p.take(&p.atoms[i], s[pos:], values); n >= 0 {
				pos += n
				i++
				continue
			}
		}
		if star < 0 || from == len(s) {
			return false
		}
		// The last run takes one character more.
		_, width := utf8.DecodeRuneInString(s[from:])
		from += width
		if next := &p.atoms[star]; next.kind == literal && !p.fold {
			skip := strings.Index(s[from:], next.text)
			if skip < 0 {
				return false
			}
			from += skip
		}
		i, pos = star, from
	}
}

// take returns how many bytes at the start of s an atom that is no run
// matches, or -1.
func (p *Pattern) take(a *atom, s string, values Values) int {
	want := a.text
	switch a.kind {
	case one:
		if s == "" {
			return -1
		}
		_, width := utf8.DecodeRuneInString(s)
		return width
	case variable:
		value, ok := a.ref.inserted(values)
		if ok {
			want = value
		} else if a.ref.null {
			return -1
		}
	}
	if p.fold && hasFoldedPrefix(s, want) || strings.HasPrefix(s, want) {
		return len(want)
	}
	return -1
}

// hasFoldedPrefix reports whether s begins with lower, once its ASCII letters
// are in lower case.
func hasFoldedPrefix(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
