package fleetindex

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// parser reads a query from left to right.
type parser struct {
	text    []rune
	pos     int
	fields  catalog
	terms   int
	depth   int
	leading int // where a term begins with a wildcard, counted from 1
}

func parse(text string, fields catalog) (*Query, error) {
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.InvalidQuery, "queryString is not UTF-8")
	}
	p := &parser{text: []rune(text), fields: fields}
	if n := len(p.text); n > MaxLength {
		return nil, fault.New(fault.InvalidQuery, "queryString has %d characters, and may have %d", n, MaxLength)
	}
	for i, r := range p.text {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return nil, p.wrong(i, "there is a control character")
		}
	}
	root, err := p.or(Any)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.text) { // or ends before ) only
		return nil, p.wrong(p.pos, "there is a ) without a (")
	}
	if p.leading > 0 && len(p.text) > MaxLeadingLength {
		return nil, p.wrong(p.leading-1, "a term begins with a wildcard, and such a query may have %d characters; it has %d",
			MaxLeadingLength, len(p.text))
	}
	return &Query{Root: root}, nil
}

// wrong returns the fault for what is wrong at a position, counted from 0.
func (p *parser) wrong(at int, format string, args ...any) error {
	return fault.New(fault.InvalidQuery, "queryString is wrong at character %d: %s", at+1, fmt.Sprintf(format, args...))
}

// expected returns the fault for what is missing where the parser stands.
func (p *parser) expected(what string) error {
	if p.pos >= len(p.text) {
		return p.wrong(p.pos, "expected %s, and the query ends", what)
	}
	found := string(p.text[p.pos])
	if strings.ContainsRune(":<>[]{}", p.text[p.pos]) {
		return p.wrong(p.pos, `expected %s, found %q; as a part of a value it is written \%s`, what, found, found)
	}
	return p.wrong(p.pos, "expected %s, found %q", what, found)
}

// peek returns the character where the parser stands, or 0 at the end.
func (p *parser) peek() rune {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// take steps over a character, if it is there.
func (p *parser) take(r rune) bool {
	if p.peek() != r {
		return false
	}
	p.pos++
	return true
}

func (p *parser) space() {
	for p.pos < len(p.text) && unicode.IsSpace(p.text[p.pos]) {
		p.pos++
	}
}

// operator reports whether the next word is this one.
func (p *parser) operator(name string) bool {
	p.space()
	end := p.pos + len(name)
	if end > len(p.text) || string(p.text[p.pos:end]) != name {
		return false
	}
	return end == len(p.text) || endsWord(p.text[end])
}

// takeOperator steps over a word, if it is the next.
func (p *parser) takeOperator(name string) bool {
	if !p.operator(name) {
		return false
	}
	p.pos += len(name)
	return true
}

// or reads conditions up to the end or a closing parenthesis. Conditions that
// name no field look at f.
func (p *parser) or(f Field) (Node, error) {
	var list Or
	for {
		n, err := p.and(f)
		if err != nil {
			return nil, err
		}
		if list = append(list, n); !p.takeOperator("OR") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) and(f Field) (Node, error) {
	var list And
	for {
		n, err := p.not(f)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if p.takeOperator("AND") {
			continue
		}
		if p.space(); p.pos == len(p.text) || p.peek() == ')' || p.operator("OR") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) not(f Field) (Node, error) {
	negated := false
	for p.takeOperator("NOT") || p.take('-') {
		negated = !negated
	}
	n, err := p.condition(f)
	if err == nil && negated {
		n = Not{n}
	}
	return n, err
}

// condition reads a group, a condition that names its field, or one on f.
func (p *parser) condition(f Field) (Node, error) {
	switch p.space(); p.peek() {
	case '(':
		return p.group(f)
	case '[', '{', '<', '>':
		if f == Any {
			return nil, p.expected("a field before a range, as in field:[a TO b]")
		}
		return p.value(f)
	case '"':
		return p.value(f)
	}
	start := p.pos
	w, err := p.word("a term")
	if err != nil {
		return nil, err
	}
	switch p.space(); p.peek() {
	case ':':
		p.pos++
		if f, err = p.field(w, start); err != nil {
			return nil, err
		}
		return p.value(f)
	case '<', '>':
		if f, err = p.field(w, start); err != nil {
			return nil, err
		}
		return p.comparison(f)
	}
	return p.pattern(f, w.pattern(), start)
}

// field returns the field that a word names.
func (p *parser) field(w word, start int) (Field, error) {
	if w.wild() {
		return "", p.wrong(start, "the name of a field has no wildcards")
	}
	name := string(w)
	f, wrong := p.fields(name)
	if wrong != "" {
		return "", p.wrong(start, "%.140q: %s", name, wrong)
	}
	return f, nil
}

// value reads what stands behind a field and its colon.
func (p *parser) value(f Field) (Node, error) {
	p.space()
	start := p.pos
	switch p.peek() {
	case '(':
		return p.group(f)
	case '[', '{':
		return p.between(f)
	case '<', '>':
		return p.comparison(f)
	case '"':
		text, err := p.phrase()
		if err != nil {
			return nil, err
		}
		return p.pattern(f, Pattern{[]rune(Fold(text))}, start)
	}
	w, err := p.word("a value")
	if err != nil {
		return nil, err
	}
	return p.pattern(f, w.pattern(), start)
}

// group reads conditions in parentheses.
func (p *parser) group(f Field) (Node, error) {
	open := p.pos
	if p.depth == MaxDepth {
		return nil, p.wrong(open, "parentheses nest deeper than %d", MaxDepth)
	}
	p.depth++
	p.pos++
	n, err := p.or(f)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take(')') {
		return nil, p.wrong(p.pos, "expected ) for the ( at character %d", open+1)
	}
	p.depth--
	return n, nil
}

// pattern makes a condition of what a value looks like.
func (p *parser) pattern(f Field, pattern Pattern, start int) (Node, error) {
	exact, isExact := pattern.Exact()
	switch {
	case f == Connected && !pattern.All() && exact != "true" && exact != "false":
		return nil, p.wrong(start, "expected true or false for %s", f)
	case f == Timestamp && !pattern.All():
		n, ok := Number(exact)
		if !isExact || !ok {
			return nil, p.wrong(start, "expected milliseconds since 1970 for %s", f)
		}
		at := &Bound{Text: exact, Number: n, Inclusive: true}
		return p.term(start, &Term{Field: f, Range: &Range{Low: at, High: at, Numeric: true}})
	}
	if pattern.leads() {
		if p.leading > 0 {
			return nil, p.wrong(start, "two terms begin with a wildcard, and one may; the other is at character %d", p.leading)
		}
		p.leading = start + 1
	}
	return p.term(start, &Term{Field: f, Pattern: pattern})
}

// term counts a condition.
func (p *parser) term(start int, t *Term) (Node, error) {
	if p.terms++; p.terms > MaxTerms {
		return nil, p.wrong(start, "a query may have %d terms, and here begins the next", MaxTerms)
	}
	return t, nil
}
