package policy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// oracle decides a request by the text of a document, slowly and in the most
// direct way. It shares no code with what it is compared to.
type oracle struct {
	values map[string][]string // by the folded key
	deny   bool                // the statement being judged is a Deny
}

func (o *oracle) decide(document, action, arn string) Decision {
	var doc struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		panic(err)
	}
	got := ImplicitDeny
	for _, s := range doc.Statement {
		o.deny = s["Effect"] == "Deny"
		if !o.statement(s, action, arn) {
			continue
		}
		if o.deny {
			return ExplicitDeny
		}
		got = Allowed
	}
	return got
}

func (o *oracle) statement(s map[string]any, action, arn string) bool {
	if list, ok := s["Action"]; ok && !o.anyAction(list, action) {
		return false
	}
	if list, ok := s["NotAction"]; ok && o.anyAction(list, action) {
		return false
	}
	if list, ok := s["Resource"]; ok && !o.anyARN(list, arn, o.deny) {
		return false
	}
	if list, ok := s["NotResource"]; ok && o.anyARN(list, arn, !o.deny) {
		return false
	}
	conditions, _ := s["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, want := range keys.(map[string]any) {
			if !o.condition(operator, key, texts(want)) {
				return false
			}
		}
	}
	return true
}

func texts(v any) (list []string) {
	if items, ok := v.([]any); ok {
		for _, item := range items {
			list = append(list, fmt.Sprint(item))
		}
		return list
	}
	return []string{fmt.Sprint(v)}
}

func (o *oracle) anyAction(list any, action string) bool {
	return slices.ContainsFunc(texts(list), func(p string) bool {
		return matchTokens(o.tokens(strings.ToLower(p), true), []rune(strings.ToLower(action)))
	})
}

// anyARN matches a list of resources. In wild patterns an index that is not
// there matches anything, in others nothing.
func (o *oracle) anyARN(list any, arn string, wild bool) bool {
	return slices.ContainsFunc(texts(list), func(p string) bool {
		missing := o.hasMissing(p)
		if missing && !wild {
			return false
		}
		return o.matchARN(p, arn)
	})
}

func (o *oracle) matchARN(pattern, arn string) bool {
	head, tail, ok := o.split(pattern)
	if !ok {
		return matchTokens(o.tokens(pattern, true), []rune(arn))
	}
	parts := strings.SplitN(arn, ":", 6)
	return len(parts) == 6 && matchTokens(o.tokens(head, true), []rune(strings.Join(parts[:5], ":"))) &&
		matchTokens(o.tokens(tail, true), []rune(parts[5]))
}

// split cuts a pattern at its fifth colon outside of variables.
func (o *oracle) split(p string) (head, tail string, ok bool) {
	var blank strings.Builder
	for i := 0; i < len(p); {
		if v := variableAt(p[i:]); v != "" {
			blank.WriteString(strings.Repeat("_", len(v)))
			i += len(v)
			continue
		}
		blank.WriteByte(p[i])
		i++
	}
	parts := strings.SplitN(blank.String(), ":", 6)
	if len(parts) < 6 {
		return "", "", false
	}
	cut := len(p) - len(parts[5])
	return p[:cut-1], p[cut:], true
}

func variableAt(s string) string {
	if !strings.HasPrefix(s, "${") {
		return ""
	}
	return s[:strings.IndexByte(s, '}')+1]
}

// token is a character, or anything when it is -1, or any one when it is -2.
type token = rune

func (o *oracle) tokens(p string, wildcards bool) (list []token) {
	for p != "" {
		if v := variableAt(p); v != "" {
			list = append(list, o.inserted(v)...)
			p = p[len(v):]
			continue
		}
		for _, r := range p {
			switch {
			case r == '*' && wildcards:
				list = append(list, -1)
			case r == '?' && wildcards:
				list = append(list, -2)
			default:
				list = append(list, r)
			}
			p = p[len(string(r)):]
			break
		}
	}
	return list
}

func (o *oracle) inserted(v string) []token {
	name := v[2 : len(v)-1]
	if name == "*" || name == "?" || name == "$" {
		return []token(name)
	}
	if o.hasMissing(v) {
		return []token{-1}
	}
	value, ok := "", false
	key, index := cutIndex(name)
	switch list := o.values[key]; {
	case index == "list":
	case index == "":
		if ok = len(list) > 0; ok {
			value = list[0]
		}
	default:
		n, _ := strconv.Atoi(index)
		value, ok = list[n], true
	}
	if strings.HasPrefix(key, "iot:certificate.") && strings.ContainsAny(value, "*$+?#") {
		ok = false
	}
	if ok {
		return []token(value)
	}
	return []token(v)
}

// cutIndex takes an index off the name of a certificate's attribute.
func cutIndex(name string) (key, index string) {
	key = strings.ToLower(name)
	at := strings.LastIndexByte(key, '.')
	if !strings.HasPrefix(key, "iot:certificate.") {
		return key, ""
	}
	_, err := strconv.Atoi(key[at+1:])
	if err != nil && key[at+1:] != "list" {
		return key, ""
	}
	return key[:at], key[at+1:]
}

// hasMissing reports whether a text asks for a value by an index that is not
// there.
func (o *oracle) hasMissing(p string) bool {
	for i := range p {
		v := variableAt(p[i:])
		if v == "" {
			continue
		}
		key, index := cutIndex(v[2 : len(v)-1])
		if n, err := strconv.Atoi(index); err == nil && n >= len(o.values[key]) {
			return true
		}
	}
	return false
}

func matchTokens(p []token, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	if p[0] == -1 {
		return matchTokens(p[1:], s) || len(s) > 0 && matchTokens(p, s[1:])
	}
	return len(s) > 0 && (p[0] == -2 || p[0] == s[0]) && matchTokens(p[1:], s[1:])
}

func (o *oracle) condition(operator, key string, want []string) bool {
	if slices.ContainsFunc(want, o.hasMissing) {
		return o.deny
	}
	key, index := cutIndex(key)
	given := o.values[key]
	if n, err := strconv.Atoi(index); err == nil {
		given = given[min(n, len(given)):min(n+1, len(given))]
	} else if index == "" && strings.HasPrefix(key, "iot:certificate.") {
		given = given[:min(1, len(given))]
	}
	if operator == "Null" {
		absent := fmt.Sprint(len(given) == 0)
		return slices.ContainsFunc(want, func(w string) bool { return strings.ToLower(w) == absent })
	}
	name, optional := strings.CutSuffix(operator, "IfExists")
	quantifier, name, quantified := strings.Cut(name, ":")
	if !quantified {
		name = quantifier
	}
	plain := strings.Replace(name, "Not", "", 1)
	one := func(v string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return o.compare(plain, v, w) }) == (plain == name)
	}
	if len(given) == 0 && optional {
		return true
	}
	if quantified && quantifier == "ForAllValues" || !quantified && plain != name {
		return !slices.ContainsFunc(given, func(v string) bool { return !one(v) })
	}
	return slices.ContainsFunc(given, one)
}

func (o *oracle) compare(operator, given, want string) bool {
	text := func(fold func(string) string) bool {
		return fold(string(o.tokens(want, false))) == fold(given)
	}
	switch operator {
	case "StringEquals":
		return text(func(s string) string { return s })
	case "StringEqualsIgnoreCase":
		return text(strings.ToLower)
	case "StringLike":
		return matchTokens(o.tokens(want, true), []rune(given))
	case "ArnLike", "ArnEquals":
		return o.matchARN(want, given)
	case "Bool":
		return strings.EqualFold(given, want)
	case "BinaryEquals":
		a, err := base64.StdEncoding.DecodeString(given)
		b, _ := base64.StdEncoding.DecodeString(want)
		return err == nil && string(a) == string(b)
	case "IpAddress":
		_, network, err := net.ParseCIDR(want)
		ip := net.ParseIP(given)
		if err != nil {
			return ip != nil && ip.Equal(net.ParseIP(want))
		}
		return ip != nil && network.Contains(ip)
	}
	relation, ok := strings.CutPrefix(operator, "Numeric")
	if ok {
		a, fine := new(big.Rat).SetString(given)
		b, _ := new(big.Rat).SetString(want)
		return fine && related(relation, a.Cmp(b))
	}
	a, fine := moment(given)
	b, _ := moment(want)
	return fine && related(strings.TrimPrefix(operator, "Date"), a.Compare(b))
}

func moment(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

func related(relation string, c int) bool {
	switch relation {
	case "LessThan":
		return c < 0
	case "LessThanEquals":
		return c <= 0
	case "GreaterThan":
		return c > 0
	case "GreaterThanEquals":
		return c >= 0
	}
	return c == 0
}

// tape makes choices from bytes; at its end it takes the first of everything.
type tape struct{ rest []byte }

func (tp *tape) pick(n int) int {
	if len(tp.rest) == 0 {
		return 0
	}
	b := tp.rest[0]
	tp.rest = tp.rest[1:]
	return int(b) % n
}

func (tp *tape) of(list ...string) string { return list[tp.pick(len(list))] }

// text is a few parts of patterns or values.
func (tp *tape) text(parts []string) string {
	var b strings.Builder
	for range tp.pick(5) {
		b.WriteString(parts[tp.pick(len(parts))])
	}
	return b.String()
}

var patternParts = []string{"a", "*", "?", "b", "/", "é", ":", "${iot:ClientId}", "${IOT:clientid}", "${*}", "${$}",
	"${iot:Certificate.Subject.CommonName}", "${iot:Certificate.Subject.CommonName.1}", "${none}", "$",
	"${iot:Certificate.Subject.CommonName.List}", "A"}

var valueParts = []string{"a", "b", "/", "*", "é", ":", "A", "$", "${none}"}

func (tp *tape) arn() string {
	return "arn:aws:iot:" + tp.of("r", "s") + ":" + tp.of("1", "2") + ":" + tp.of("topic/", "client/") +
		tp.text(valueParts)
}

func (tp *tape) resource() string {
	switch tp.pick(8) {
	case 0:
		return "*"
	case 1:
		return "arn:aws:" + tp.text(patternParts) + "*"
	}
	return "arn:aws:iot:" + tp.of("r", "*", "?") + ":" + tp.of("1", "*") + ":" + tp.of("topic/", "*", "t?pic/") +
		"x"[tp.pick(2):] + tp.text(patternParts)
}

func (tp *tape) condition() (operator, key string, values []string) {
	operator = tp.of("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase",
		"ArnLike", "ArnNotEquals", "Bool", "Null", "NumericEquals", "NumericNotEquals", "NumericLessThan",
		"NumericGreaterThanEquals", "DateLessThanEquals", "DateGreaterThan", "IpAddress", "NotIpAddress", "BinaryEquals")
	key = tp.of("iot:ClientId", "IOT:clientID", "aws:SourceIp", "k:n", "k:none", "k:b", "k:d",
		"iot:Certificate.Subject.CommonName", "iot:Certificate.Subject.CommonName.List",
		"iot:Certificate.Subject.CommonName.1")
	for range 1 + tp.pick(2) {
		switch kind := strings.NewReplacer("Not", "", "ForAllValues:", "").Replace(operator); {
		case kind == "Bool" || kind == "Null":
			values = append(values, tp.of("true", "false", "True"))
		case strings.HasPrefix(kind, "Numeric"):
			values = append(values, tp.of("5", "5.0", "-1", "9007199254740993", "9007199254740992"))
		case strings.HasPrefix(kind, "Date"):
			values = append(values, tp.of("2026-01-01T00:00:00Z", "1767225600", "2026-01-01T01:00:00+01:00"))
		case kind == "IpAddress":
			values = append(values, tp.of("10.0.0.0/8", "10.1.2.3", "::1", "::ffff:10.0.0.0/104", "fe80::/10"))
		case kind == "BinaryEquals":
			values = append(values, tp.of("YQ==", "Yg=="))
		case strings.HasPrefix(kind, "Arn"):
			values = append(values, tp.resource())
		default:
			values = append(values, tp.text(patternParts))
		}
	}
	if operator != "Null" {
		operator = tp.of("", "ForAllValues:", "ForAnyValue:") + operator + tp.of("", "IfExists")
	}
	return operator, key, values
}

func (tp *tape) document() string {
	statements := []any{}
	for range 1 + tp.pick(3) {
		s := map[string]any{"Effect": tp.of("Allow", "Deny")}
		var actions, resources []string
		for range 1 + tp.pick(2) {
			actions = append(actions, tp.of("iot:Publish", "IOT:pub*", "*", "iot:*", "iot:?ublish", "iot:Connect"))
			resources = append(resources, tp.resource())
		}
		s[tp.of("Action", "Action", "NotAction")] = actions
		s[tp.of("Resource", "Resource", "NotResource")] = resources
		conditions := map[string]map[string][]string{}
		for range tp.pick(3) {
			operator, key, values := tp.condition()
			conditions[operator] = map[string][]string{key: values}
		}
		if len(conditions) > 0 {
			s["Condition"] = conditions
		}
		statements = append(statements, s)
	}
	text, _ := json.Marshal(map[string]any{"Version": Version2012, "Statement": statements})
	return string(text)
}

func (tp *tape) values() Table {
	v := Table{}
	if tp.pick(4) > 0 {
		v.Set("iot:ClientId", tp.text(valueParts))
	}
	var names []string
	for range tp.pick(4) {
		names = append(names, tp.text(valueParts))
	}
	v.Set("iot:Certificate.Subject.CommonName", names...)
	v.Set("aws:SourceIp", tp.of("10.1.2.3", "11.1.2.3", "::1", "::ffff:10.9.9.9", "x"))
	v.Set("k:n", tp.of("5", "5.0", "6", "x", "9007199254740993"))
	v.Set("k:b", tp.of("true", "FALSE", "YQ=="))
	v.Set("k:d", tp.of("2026-01-01T00:00:00Z", "1767225601", "x", tp.arn()))
	return v
}

// compareWithOracle decides one request of the tape's choosing in both ways.
func compareWithOracle(t *testing.T, tp *tape) Decision {
	t.Helper()
	document, values, arn := tp.document(), tp.values(), tp.arn()
	action := tp.of("iot:Publish", "iot:Connect", "IOT:PUBLISH", "iot:GetThingShadow")
	doc, err := Parse(document)
	if err != nil {
		return ""
	}
	want := (&oracle{values: values}).decide(document, action, arn)
	got := Decide(Request{action, arn, values}, NewCompiled(doc))
	if got != want {
		t.Fatalf("%s on %q with %q by %s: got %s, want %s", action, arn, values, document, got, want)
	}
	return got
}

// FuzzDecide: the evaluator decides as the oracle does.
func FuzzDecide(f *testing.F) {
	for i := range 64 {
		f.Add([]byte(strings.Repeat(strconv.Itoa(i*7919), 12)))
	}
	f.Fuzz(func(t *testing.T, choices []byte) { compareWithOracle(t, &tape{choices}) })
}
