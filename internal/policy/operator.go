package policy

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// matcher reports whether a value of a request passes for one value of a
// condition.
type matcher func(given string, values Values) bool

// operator is what a condition operator does with one of its values. A negated
// one holds when the matcher of none of its values does.
type operator struct {
	compile func(l language, value string) (matcher, error)
	negated bool
}

// operators are the condition operators of IAM, without quantifier and
// IfExists. Null is decided by whether there is a value: its matcher is not
// asked. Source: IAM condition operators.
var operators = map[string]operator{
	"StringEquals":              {exactly, false},
	"StringNotEquals":           {exactly, true},
	"StringEqualsIgnoreCase":    {ignoringCase, false},
	"StringNotEqualsIgnoreCase": {ignoringCase, true},
	"StringLike":                {like, false},
	"StringNotLike":             {like, true},
	"ArnEquals":                 {arnLike, false},
	"ArnNotEquals":              {arnLike, true},
	"ArnLike":                   {arnLike, false},
	"ArnNotLike":                {arnLike, true},
	"NumericEquals":             {numeric(equal), false},
	"NumericNotEquals":          {numeric(equal), true},
	"NumericLessThan":           {numeric(less), false},
	"NumericLessThanEquals":     {numeric(lessOrEqual), false},
	"NumericGreaterThan":        {numeric(greater), false},
	"NumericGreaterThanEquals":  {numeric(greaterOrEqual), false},
	"DateEquals":                {date(equal), false},
	"DateNotEquals":             {date(equal), true},
	"DateLessThan":              {date(less), false},
	"DateLessThanEquals":        {date(lessOrEqual), false},
	"DateGreaterThan":           {date(greater), false},
	"DateGreaterThanEquals":     {date(greaterOrEqual), false},
	"IpAddress":                 {address, false},
	"NotIpAddress":              {address, true},
	"Bool":                      {truth, false},
	"Null":                      {truth, false},
	"BinaryEquals":              {binary, false},
}

func exactly(l language, value string) (matcher, error) {
	p, err := l.compileExact(value)
	return p.Match, err
}

func like(l language, value string) (matcher, error) {
	p, err := l.compile(value)
	return p.Match, err
}

func ignoringCase(l language, value string) (matcher, error) {
	p, err := l.compileExact(value)
	if err != nil {
		return nil, err
	}
	return func(given string, values Values) bool {
		want, ok := p.expand(values)
		return ok && strings.EqualFold(want, given)
	}, nil
}

// expand returns the text that a pattern without wildcards matches, and false
// when it matches none.
func (p *Pattern) expand(values Values) (string, bool) {
	if len(p.atoms) == 1 && p.atoms[0].kind == literal {
		return p.atoms[0].text, true
	}
	var b strings.Builder
	for _, a := range p.atoms {
		text := a.text
		if a.kind == variable {
			v, ok := a.ref.inserted(values)
			if !ok && a.ref.null {
				return "", false
			}
			if ok {
				text = v
			}
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// arnLike compares ARNs part by part, so that no wildcard reaches beyond the
// part that it stands in.
func arnLike(l language, value string) (matcher, error) {
	r, err := l.compileARN(value)
	return r.Match, err
}

// The outcomes of a comparison, as cmp.Compare gives them, that an operator
// takes.
func equal(c int) bool          { return c == 0 }
func less(c int) bool           { return c < 0 }
func lessOrEqual(c int) bool    { return c <= 0 }
func greater(c int) bool        { return c > 0 }
func greaterOrEqual(c int) bool { return c >= 0 }

// numeric compares numbers. What is no number passes for none.
func numeric(passes func(int) bool) func(language, string) (matcher, error) {
	return func(_ language, value string) (matcher, error) {
		want, ok := parseNumber(value)
		if !ok {
			return nil, errors.New("the value must be a number")
		}
		return func(given string, _ Values) bool {
			n, ok := parseNumber(given)
			return ok && passes(n.compare(want))
		}, nil
	}
}

// quantity is a number; whole ones are compared exactly.
type quantity struct {
	whole bool
	n     int64
	f     float64
}

func parseNumber(s string) (quantity, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return quantity{}, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return quantity{err == nil, n, f}, true
}

func (q quantity) compare(with quantity) int {
	if q.whole && with.whole {
		return cmp.Compare(q.n, with.n)
	}
	return cmp.Compare(q.f, with.f)
}

// date compares moments. What is no date passes for none.
func date(passes func(int) bool) func(language, string) (matcher, error) {
	return func(_ language, value string) (matcher, error) {
		want, ok := parseDate(value)
		if !ok {
			return nil, errors.New("the value must be an ISO 8601 date or seconds since 1970")
		}
		return func(given string, _ Values) bool {
			at, ok := parseDate(given)
			return ok && passes(at.Compare(want))
		}, nil
	}
}

// dateLayouts are the forms of a date: those of the W3C profile of ISO 8601.
var dateLayouts = []string{"2006", "2006-01", time.DateOnly, "2006-01-02T15:04Z07:00", time.RFC3339}

// parseDate reads a date, or a number of seconds since 1970. Four digits are a
// year.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

func address(_ language, value string) (matcher, error) {
	want, ok := parseRange(value)
	if !ok {
		return nil, errors.New("the value must be an IP address or a CIDR range")
	}
	return func(given string, _ Values) bool {
		a, err := netip.ParseAddr(given)
		return err == nil && want.Contains(a.Unmap())
	}, nil
}

// parseRange reads an address or a CIDR range; one of IPv4 addresses that is
// mapped into IPv6 is the range of IPv4.
func parseRange(s string) (netip.Prefix, bool) {
	const mapped = 96 // bits before the IPv4 address
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return p, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p, true
}

func truth(_ language, value string) (matcher, error) {
	if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		return nil, errors.New("the value must be true or false")
	}
	return func(given string, _ Values) bool { return strings.EqualFold(given, value) }, nil
}

func binary(_ language, value string) (matcher, error) {
	want, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, errors.New("the value must be base64")
	}
	return func(given string, _ Values) bool {
		b, err := base64.StdEncoding.DecodeString(given)
		return err == nil && bytes.Equal(b, want)
	}, nil
}
