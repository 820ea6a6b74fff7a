package fleetindex

import "strings"

// bound is an end of a range as it is written.
type bound struct {
	at     int
	text   string // in lower case
	quoted bool
	open   bool // a * on its own
}

// bound reads an end of a range.
func (p *parser) bound() (bound, error) {
	p.space()
	b := bound{at: p.pos}
	if p.peek() == '"' {
		text, err := p.phrase()
		b.text, b.quoted = Fold(text), true
		return b, err
	}
	w, err := p.word("a bound")
	if err != nil {
		return b, err
	}
	pattern := w.pattern()
	if b.open = pattern.All(); b.open {
		return b, nil
	}
	var exact bool
	if b.text, exact = pattern.Exact(); !exact {
		return b, p.wrong(b.at, "a bound has no wildcards, except for a * on its own")
	}
	return b, nil
}

// between reads [low TO high], with braces for bounds that are left out.
func (p *parser) between(f Field) (Node, error) {
	start := p.pos
	lowIn := p.peek() == '['
	p.pos++
	low, err := p.bound()
	if err != nil {
		return nil, err
	}
	if !p.takeOperator("TO") {
		return nil, p.expected("TO between the bounds of a range")
	}
	high, err := p.bound()
	if err != nil {
		return nil, err
	}
	p.space()
	highIn := p.peek() == ']'
	if !highIn && p.peek() != '}' {
		return nil, p.expected("] or } behind a range")
	}
	p.pos++
	return p.rangeTerm(f, start, low.as(lowIn), high.as(highIn))
}

// comparison reads an operator and the value it compares with.
func (p *parser) comparison(f Field) (Node, error) {
	start, less := p.pos, p.peek() == '<'
	p.pos++
	inclusive := p.take('=')
	b, err := p.bound()
	if err != nil {
		return nil, err
	}
	if b.open {
		return nil, p.wrong(b.at, "expected a value to compare with, found *")
	}
	if less {
		return p.rangeTerm(f, start, nil, b.as(inclusive))
	}
	return p.rangeTerm(f, start, b.as(inclusive), nil)
}

// end is a bound together with whether it belongs to the range.
type end struct {
	bound
	inclusive bool
}

func (b bound) as(inclusive bool) *end {
	if b.open {
		return nil
	}
	return &end{b, inclusive}
}

// number returns the bound as a number, unless it is none or stands in quotes.
// An open end is no hindrance.
func (e *end) number() (n float64, ok bool) {
	if e == nil {
		return 0, true
	}
	n, ok = Number(e.text)
	return n, ok && !e.quoted
}

func (e *end) toBound(n float64) *Bound {
	if e == nil {
		return nil
	}
	return &Bound{Text: e.text, Number: n, Inclusive: e.inclusive}
}

// rangeTerm makes a condition of two ends. Attributes are compared as numbers
// when both ends are some, connection times always, and everything else as
// text. Open ends compare with nothing: the field has any value.
func (p *parser) rangeTerm(f Field, start int, low, high *end) (Node, error) {
	if f == Connected {
		return nil, p.wrong(start, "expected true or false for %s", f)
	}
	if low == nil && high == nil {
		return p.term(start, &Term{Field: f, Pattern: Pattern{[]rune{many}}})
	}
	from, fromOK := low.number()
	to, toOK := high.number()
	_, attribute := f.Attribute()
	numeric := fromOK && toOK
	switch {
	case f == Timestamp && !numeric:
		return nil, p.wrong(start, "expected milliseconds since 1970 for %s", f)
	case f != Timestamp && !attribute:
		numeric = false
	}
	return p.term(start, &Term{Field: f, Range: &Range{Low: low.toBound(from), High: high.toBound(to), Numeric: numeric}})
}

// phrase reads a text in quotes.
func (p *parser) phrase() (string, error) {
	open := p.pos
	p.pos++
	var b strings.Builder
	for p.pos < len(p.text) {
		r := p.text[p.pos]
		p.pos++
		switch {
		case r == '"' && strings.TrimSpace(b.String()) == "":
			return "", p.wrong(open, "there is nothing between the quotes")
		case r == '"':
			return b.String(), nil
		case r == '\\' && p.pos < len(p.text):
			r = p.text[p.pos]
			p.pos++
		}
		b.WriteRune(r)
	}
	return "", p.wrong(p.pos, `expected " for the one at character %d`, open+1)
}
