package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/identity"
)

// naive decides as IAM's rules read, statement by statement, from the JSON of
// the policies. It shares no code with what it judges, and is in no hurry.
type naive struct {
	keys map[string][]string // by key in lower case
	// who asks, as principals name it
	account, arn, id, role string
}

// decide returns "allow", "deny" for an explicit Deny, or "no".
func (n naive) decide(s situation) string {
	isRoot := s.who.Kind == identity.KindRoot
	far := strings.Count(s.ask.Resource, ":") >= 5 && !strings.Contains(s.ask.Resource, ":"+home+":")
	if isRoot && !(far && strings.HasPrefix(s.ask.Resource, "arn:aws:sns:")) {
		return "allow"
	}
	session := append([]string{}, s.session...)
	inSession := s.who.Session != nil && (s.who.Session.Policy != "" || len(s.who.Session.PolicyARNs) > 0)
	if inSession && s.who.Session.Policy != "" {
		session = append(session, s.who.Session.Policy)
	}
	idAllows, idDenies := n.any(s.policies, s.ask)
	boundAllows, boundDenies := true, false
	if s.boundary != "" {
		boundAllows, boundDenies = n.any([]string{s.boundary}, s.ask)
	}
	sessionAllows, sessionDenies := true, false
	if inSession {
		sessionAllows, sessionDenies = n.any(session, s.ask)
	}
	if isRoot {
		idAllows, idDenies, boundAllows, boundDenies = true, false, true, false
	}
	grade, resourceDenies := 0, false // 1: to the account, 2: to the role or everybody, 3: to exactly this one
	if s.resource != "" && strings.HasPrefix(s.ask.Resource, "arn:aws:sns:") {
		grade, resourceDenies = n.resourcePolicy(s.resource, s.ask)
	}
	if idDenies || boundDenies || sessionDenies || resourceDenies {
		return "deny"
	}
	if far {
		return word(idAllows && boundAllows && sessionAllows && grade > 0)
	}
	return word(grade == 3 || (idAllows || grade == 2) && boundAllows && sessionAllows)
}

func word(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "no"
}

// any reports whether a statement of some policies allows, and whether one denies.
func (n naive) any(documents []string, ask identity.Ask) (allows, denies bool) {
	for _, text := range documents {
		version, list := read(text)
		for _, s := range list {
			if n.about(s, ask, version) {
				allows = allows || s["Effect"] == "Allow"
				denies = denies || s["Effect"] == "Deny"
			}
		}
	}
	return allows, denies
}

func (n naive) resourcePolicy(text string, ask identity.Ask) (grade int, denies bool) {
	version, list := read(text)
	for _, s := range list {
		if !n.about(s, ask, version) {
			continue
		}
		g := n.grade(s["Principal"])
		if not, ok := s["NotPrincipal"]; ok {
			names := texts(not.(map[string]any)["AWS"])
			account := has(names, n.account)
			role := n.role == "" || has(names, n.role)
			if !(account && role && (has(names, n.arn) || strings.HasSuffix(n.arn, ":root"))) {
				denies = true
			}
			continue
		}
		if s["Effect"] == "Deny" {
			denies = denies || g > 0
		} else {
			grade = max(grade, g)
		}
	}
	return grade, denies
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (n naive) grade(principal any) int {
	best := 0
	m, _ := principal.(map[string]any)
	for _, name := range texts(m["AWS"]) {
		switch name {
		case n.account, "arn:aws:iam::" + n.account + ":root":
			best = max(best, 1)
		case "*", n.role:
			best = max(best, 2)
		case n.arn, n.id:
			best = max(best, 3)
		}
	}
	return best
}

func read(text string) (version string, list []map[string]any) {
	var doc struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	return doc.Version, doc.Statement
}

// texts is a list of texts, or one.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			list = append(list, item.(string))
		}
	}
	return list
}

// about reports whether a statement is about a request.
func (n naive) about(s map[string]any, ask identity.Ask, version string) bool {
	variables := version == "2012-10-17"
	match := func(element string, matches func(pattern string) bool) bool {
		list, not := s[element], false
		if other, ok := s["Not"+element]; ok {
			list, not = other, true
		}
		for _, pattern := range texts(list) {
			if matches(pattern) {
				return !not
			}
		}
		return not
	}
	if !match("Action", func(p string) bool {
		return p == "*:*" || n.glob(strings.ToLower(p), strings.ToLower(ask.Action), false, true)
	}) {
		return false
	}
	if !match("Resource", func(p string) bool { return n.arnMatches(p, ask.Resource, variables) }) {
		return false
	}
	conditions, _ := s["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, values := range keys.(map[string]any) {
			if !n.condition(operator, key, texts(values), variables) {
				return false
			}
		}
	}
	return true
}

// arnMatches compares an ARN in its six parts, of which those that are missing
// in the pattern are "*".
func (n naive) arnMatches(pattern, arn string, variables bool) bool {
	if !strings.HasPrefix(pattern, "arn:") {
		return n.glob(pattern, arn, variables, true)
	}
	var parts []string
	part, depth := "", 0
	for _, r := range pattern {
		switch {
		case variables && r == '{' && strings.HasSuffix(part, "$"):
			depth = 1
		case r == '}':
			depth = 0
		case r == ':' && depth == 0 && len(parts) < 5:
			parts, part = append(parts, part), ""
			continue
		}
		part += string(r)
	}
	for parts = append(parts, part); len(parts) < 6; {
		parts = append(parts, "*")
	}
	given := strings.SplitN(arn, ":", 6)
	if len(given) < 6 {
		return false
	}
	for i := range parts {
		if !n.glob(parts[i], given[i], variables, true) {
			return false
		}
	}
	return true
}

// The marks of wildcards among the runes of a pattern.
const anything, anyone = -1, -2

// glob matches a text with a pattern, by every way there is.
func (n naive) glob(pattern, s string, variables, wild bool) bool {
	runes, ok := n.expand(pattern, variables, wild)
	return ok && matches(runes, []rune(s))
}

func matches(p, s []rune) bool {
	reach := map[int]bool{0: true} // how much of s what was seen of p may have matched
	for _, r := range p {
		next := map[int]bool{}
		for at := range reach {
			switch {
			case r == anything:
				for to := at; to <= len(s); to++ {
					next[to] = true
				}
			case at < len(s) && (r == anyone || r == s[at]):
				next[at+1] = true
			}
		}
		reach = next
	}
	return reach[len(s)]
}

// expand writes the values of variables into a pattern. It is false when one has
// none.
func (n naive) expand(pattern string, variables, wild bool) (out []rune, ok bool) {
	for i := 0; i < len(pattern); {
		if variables && strings.HasPrefix(pattern[i:], "${") {
			end := i + strings.IndexByte(pattern[i:], '}')
			name, fallback, hasFallback := strings.Cut(pattern[i+2:end], ",")
			values := n.keys[strings.ToLower(name)]
			switch {
			case name == "*" || name == "?" || name == "$":
				out = append(out, rune(name[0]))
			case len(values) == 1:
				out = append(out, []rune(values[0])...)
			case hasFallback:
				out = append(out, []rune(strings.Trim(fallback, " '"))...)
			default:
				return nil, false
			}
			i = end + 1
			continue
		}
		r := rune(pattern[i]) // these tests have ASCII alone
		if wild && r == '*' {
			r = anything
		}
		if wild && r == '?' {
			r = anyone
		}
		out = append(out, r)
		i++
	}
	return out, true
}

// condition reports whether a condition holds.
func (n naive) condition(operator, key string, wants []string, variables bool) bool {
	given := n.keys[strings.ToLower(key)]
	if operator == "Null" {
		return has(wants, strconv.FormatBool(len(given) == 0))
	}
	quantifier, rest, ok := strings.Cut(operator, ":")
	if !ok {
		quantifier, rest = "", operator
	}
	operator, ifExists := strings.CutSuffix(rest, "IfExists")
	positive := strings.Replace(operator, "Not", "", 1)
	negated := positive != operator
	if len(given) == 0 {
		return ifExists || quantifier == "ForAllValues" || quantifier == "" && negated
	}
	passed := 0
	for _, value := range given {
		some := false
		for _, want := range wants {
			some = some || n.compare(positive, value, want, variables)
		}
		if some != negated {
			passed++
		}
	}
	if quantifier == "ForAllValues" || quantifier == "" && negated {
		return passed == len(given)
	}
	return passed > 0
}

func (n naive) compare(operator, value, want string, variables bool) bool {
	switch operator {
	case "StringEquals":
		return n.glob(want, value, variables, false)
	case "StringEqualsIgnoreCase":
		runes, ok := n.expand(want, variables, false)
		return ok && strings.EqualFold(string(runes), value)
	case "StringLike":
		return n.glob(want, value, variables, true)
	case "ArnEquals", "ArnLike":
		return n.arnMatches(want, value, variables)
	case "Bool":
		return strings.EqualFold(value, want)
	case "BinaryEquals":
		a, err1 := base64.StdEncoding.DecodeString(value)
		b, err2 := base64.StdEncoding.DecodeString(want)
		return err1 == nil && err2 == nil && string(a) == string(b)
	case "IpAddress":
		_, network, err := net.ParseCIDR(want)
		ip := net.ParseIP(value)
		return err == nil && ip != nil && network.Contains(ip)
	}
	if kind, ok := strings.CutPrefix(operator, "Numeric"); ok {
		a, err1 := strconv.ParseFloat(value, 64)
		b, err2 := strconv.ParseFloat(want, 64)
		return err1 == nil && err2 == nil && ordered(kind, a-b)
	}
	kind := strings.TrimPrefix(operator, "Date")
	a, err1 := time.Parse(time.RFC3339, value)
	b, err2 := time.Parse(time.RFC3339, want)
	return err1 == nil && err2 == nil && ordered(kind, float64(a.Sub(b)))
}

func ordered(kind string, difference float64) bool {
	switch kind {
	case "Equals":
		return difference == 0
	case "LessThan":
		return difference < 0
	case "LessThanEquals":
		return difference <= 0
	case "GreaterThan":
		return difference > 0
	}
	return difference >= 0
}
