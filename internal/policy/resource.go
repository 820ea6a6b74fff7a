package policy

import (
	"errors"
	"slices"
	"strings"
)

// Resource is the compiled resource of a statement: "*", or the pattern of an
// ARN. A pattern with all its five colons is matched in two parts, so that a
// wildcard among partition, service, region and account never reaches into
// the name; a shorter one, such as "arn:aws:iot:*", as a whole.
type Resource struct {
	whole Pattern
	split bool
	head  Pattern // before the fifth colon, when split
	// tail is what may stand after the fifth colon, "type/name". Of a pattern
	// that is not split it begins at the first wildcard.
	tail Pattern
}

// arnColons is the number of colons before the type and name of an ARN.
const arnColons = 5

// compileResource compiles what a statement is about.
func (l language) compileResource(text string) (Resource, error) {
	r, err := l.compileARN(text)
	switch {
	case err != nil:
		return Resource{}, err
	case text != "*" && !strings.HasPrefix(text, "arn:"):
		return Resource{}, errors.New(`a resource must be "*" or an ARN`)
	case r.split && r.tail.text == "":
		return Resource{}, errors.New("the ARN names no resource")
	case !r.split && len(r.tail.atoms) == 0:
		return Resource{}, errors.New("an ARN has six parts, or a * in place of the last ones")
	}
	return r, nil
}

// compileARN compiles the pattern of an ARN, or of anything.
func (l language) compileARN(written string) (Resource, error) {
	text := l.complete(written)
	whole, err := l.compile(text)
	if err != nil {
		return Resource{}, err
	}
	whole.text = written
	r := Resource{whole: whole}
	cut := l.fifthColon(text)
	if cut < 0 {
		r.tail = whole.fromFirstRun()
		return r, nil
	}
	r.split = true
	if r.head, err = l.compile(text[:cut]); err != nil {
		return Resource{}, err
	}
	r.tail, err = l.compile(text[cut+1:])
	return r, err
}

// complete returns the pattern of an ARN with "*" for each of its six parts that
// is not there, as IAM has it; IoT takes a shorter one as a whole. Source: IAM
// JSON policy elements, Resource, incomplete ARNs.
func (l language) complete(text string) string {
	if l == ofIoT || !strings.HasPrefix(text, "arn:") {
		return text
	}
	for l.fifthColon(text) < 0 {
		text += ":*"
	}
	return text
}

// fifthColon returns where the fifth colon of a pattern is, or -1. Colons in
// the names of variables do not count.
func (l language) fifthColon(text string) int {
	colons, inside := 0, false
	for i := range len(text) {
		switch {
		case l != ofIAM2008 && strings.HasPrefix(text[i:], "${"):
			inside = true
		case inside:
			inside = text[i] != '}'
		case text[i] == ':':
			if colons++; colons == arnColons {
				return i
			}
		}
	}
	return -1
}

// fromFirstRun returns the pattern from its first "*" on, or the zero Pattern.
func (p *Pattern) fromFirstRun() Pattern {
	for i, a := range p.atoms {
		if a.kind == run {
			return Pattern{text: p.text, atoms: p.atoms[i:]}
		}
	}
	return Pattern{}
}

// String returns the resource as it was written.
func (r *Resource) String() string { return r.whole.text }

// Match reports whether the resource matches an ARN. See Pattern.Match for
// values and cost.
func (r *Resource) Match(arn string, values Values) bool { return r.match(splitARN(arn), values) }

func (r *Resource) match(arn cutARN, values Values) bool {
	if !r.split {
		return r.whole.Match(arn.whole, values)
	}
	return arn.split && r.tail.Match(arn.tail, values) && r.head.Match(arn.head, values)
}

// cutARN is an ARN cut at its fifth colon; a text with fewer is not split.
type cutARN struct {
	whole      string
	split      bool
	head, tail string
}

func splitARN(arn string) cutARN {
	cut := -1
	for range arnColons {
		next := strings.IndexByte(arn[cut+1:], ':')
		if next < 0 {
			return cutARN{whole: arn}
		}
		cut += 1 + next
	}
	return cutARN{whole: arn, split: true, head: arn[:cut], tail: arn[cut+1:]}
}

// scope is a Resource spread out for comparing.
type scope struct {
	split             bool
	whole, head, tail word
}

func (r *Resource) spread() scope {
	return scope{r.split, r.whole.spread(), r.head.spread(), r.tail.spread()}
}

// covers reports whether every ARN of b is one of s; false when not sure.
func (s scope) covers(b scope) bool {
	if !s.split {
		return covers(s.whole, b.whole)
	}
	return b.split && covers(s.head, b.head) && covers(s.tail, b.tail)
}

// everything is the scope of "*".
var everything = mustScope("*")

// mustScope spreads a resource of this package's own, which is well formed.
func mustScope(text string) scope {
	r, _ := ofIoT.compileResource(text)
	return r.spread()
}

// iotScopes are the ARNs of AWS IoT in each partition of AWS.
var iotScopes = []scope{
	mustScope("arn:aws:iot:*:*:*"),
	mustScope("arn:aws-cn:iot:*:*:*"),
	mustScope("arn:aws-us-gov:iot:*:*:*"),
}

// ofIoT reports whether some ARN of AWS IoT may be within s, whatever its
// region and account.
func (s scope) ofIoT() bool {
	return slices.ContainsFunc(iotScopes, func(iot scope) bool {
		if !s.split {
			return overlaps(s.whole, iot.whole)
		}
		parts, others := s.head.parts(), iot.head.parts()
		for i := range parts {
			if !overlaps(parts[i], others[i]) {
				return false
			}
		}
		return true
	})
}

// parts returns what stands between the colons of the first part of an ARN: as
// many parts for all, for each of their colons matches one.
func (w word) parts() (list []word) {
	from := 0
	for i, s := range w.symbols {
		if s == ':' {
			list = append(list, word{w.symbols[from:i], w.names})
			from = i + 1
		}
	}
	return append(list, word{w.symbols[from:], w.names})
}

// within returns the pattern of the names that s holds of one type, given
// with its slash, such as "topic/", and false when it holds none. A "*" that
// stands where the type is stands for the whole type, and goes on into the
// name.
func (s scope) within(prefix string) (word, bool) {
	rest := s.tail.symbols
	for _, c := range prefix {
		if len(rest) == 0 {
			return word{}, false
		}
		if rest[0] == anyRun {
			break
		}
		if !meet(rest[0], c) {
			return word{}, false
		}
		rest = rest[1:]
	}
	return word{rest, s.tail.names}, true
}
