package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/policy/tree"
)

// Blank is the document that grants nothing, which the mitigation action
// REPLACE_DEFAULT_POLICY_VERSION makes the default of a policy.
const Blank = `{"Version":"2012-10-17","Statement":[]}`

// Limits of a document. Sources: quotas of AWS IoT Core; the AWS IoT API.
const (
	// MaxSize is the number of characters a document may have, not counting
	// the white space between JSON tokens.
	MaxSize = 2048
	// MaxRawSize is the number of characters with all white space.
	MaxRawSize = 404600
)

// Versions of the language. The older one has no variables.
const (
	Version2012 = "2012-10-17"
	Version2008 = "2008-10-17"
)

// Document is a policy document that was read and found right.
type Document struct {
	Version    string // Version2012 or Version2008
	ID         string
	Statements []Statement
}

// Effect says what a statement does with the requests it matches.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Statement is one statement of a document. With NotAction or NotResource set
// the patterns name what the statement does not apply to.
type Statement struct {
	SID    string
	Effect Effect
	// Principals are whom the statement is about; nil where documents do not say.
	Principals   []Principal
	NotPrincipal bool
	Actions      []Pattern
	NotAction    bool
	Resources    []Resource
	NotResource  bool
	Conditions   []Condition // all must hold; ordered as written
}

// Parse reads a policy document. It is strict, so that nothing an author
// wrote is passed over: every element is spelt exactly and appears once,
// nothing unknown is accepted, lists are not empty, condition values fit
// their operator. An empty list of statements is accepted: see Blank.
//
// A missing Version is 2008-10-17, as in IAM. That version has no variables:
// a document of it that holds "${" is refused, because its author will have
// meant a variable and IAM would match the characters.
//
// Every refusal, a document that is too long included, is a MalformedPolicy
// fault that names the element and the statement, counted from 1. Sources:
// AWS IoT policies; grammar of the IAM policy language.
func Parse(document string) (*Document, error) {
	if utf8.RuneCountInString(document) > MaxRawSize {
		return nil, tree.Malformed("", "it is longer than %d characters", MaxRawSize)
	}
	if Size(document) > MaxSize {
		return nil, tree.Malformed("", "it is longer than %d characters, not counting white space", MaxSize)
	}
	return read(document, grammar{resource: true})
}

// grammar is what sets the documents of a kind apart.
type grammar struct {
	iam       bool // of IAM: see ParseIdentity
	principal bool // statements say whom they are about
	resource  bool // statements say what they are about
	trust     bool // see ParseTrust
}

// elements are the names of the elements that a statement may have.
func (g grammar) elements() []string {
	names := []string{"Sid", "Effect", "Action", "Condition"}
	if g.resource {
		names = append(names, "Resource", "NotResource")
	}
	if g.principal {
		names = append(names, "Principal")
	}
	if !g.trust {
		names = append(names, "NotAction")
	}
	if g.principal && !g.trust {
		names = append(names, "NotPrincipal")
	}
	return names
}

// language is that of a document of a version.
func (g grammar) language(version string) language {
	switch {
	case !g.iam:
		return ofIoT
	case version == Version2008:
		return ofIAM2008
	}
	return ofIAM
}

// read reads a document whose size was found acceptable.
func read(document string, g grammar) (*Document, error) {
	root, err := tree.Read(document)
	if err != nil {
		return nil, err
	}
	elements, err := root.Elements("the document", "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	doc := &Document{}
	if doc.Version, err = readVersion(elements); err != nil {
		return nil, err
	}
	if doc.ID, err = optionalText(elements, "", "Id"); err != nil {
		return nil, err
	}
	statements, ok := elements["Statement"]
	if !ok {
		return nil, tree.Malformed("", `element "Statement" is missing`)
	}
	if !g.iam && doc.Version == Version2008 && statements.Holds("${") {
		return nil, tree.Malformed("", `variables need "Version": %q`, Version2012)
	}
	r := reader{grammar: g, language: g.language(doc.Version)}
	if doc.Statements, err = r.statements(statements); err != nil {
		return nil, err
	}
	return doc, nil
}

// IsBlank reports whether the document has no statement, and so grants and
// denies nothing, however it is spelt.
func (d *Document) IsBlank() bool { return len(d.Statements) == 0 }

func readVersion(elements map[string]tree.Node) (string, error) {
	if _, ok := elements["Version"]; !ok {
		return Version2008, nil
	}
	version, err := optionalText(elements, "", "Version")
	if err != nil {
		return "", err
	}
	if version != Version2012 && version != Version2008 {
		return "", tree.Malformed("", `"Version" must be %q, got %s`, Version2012, tree.Quote(version))
	}
	return version, nil
}

func optionalText(elements map[string]tree.Node, where, name string) (string, error) {
	n, ok := elements[name]
	if ok && n.Kind != tree.Text {
		return "", tree.Malformed(where, "%q must be a string, got %s", name, n.Kind)
	}
	return n.Text, nil
}

// reader reads the statements of one document.
type reader struct {
	grammar
	language language
}

func (r reader) statements(n tree.Node) ([]Statement, error) {
	items := n.Items
	if n.Kind != tree.Array {
		items = []tree.Node{n}
	}
	statements := make([]Statement, 0, len(items))
	for i, item := range items {
		s, err := r.statement(item, "statement "+strconv.Itoa(i+1))
		if err != nil {
			return nil, err
		}
		statements = append(statements, s)
	}
	return statements, nil
}

func (r reader) statement(n tree.Node, where string) (Statement, error) {
	var s Statement
	elements, err := n.Elements(where, r.elements()...)
	if err != nil {
		return s, err
	}
	if s.SID, err = optionalText(elements, where, "Sid"); err != nil {
		return s, err
	}
	effect, err := optionalText(elements, where, "Effect")
	if err != nil {
		return s, err
	}
	if s.Effect = Effect(effect); s.Effect != Allow && s.Effect != Deny {
		return s, tree.Malformed(where, `"Effect" must be "Allow" or "Deny", got %s`, tree.Quote(effect))
	}
	if err := r.principals(&s, elements, where); err != nil {
		return s, err
	}
	actions, not, err := oneOf(elements, where, "Action")
	if err != nil {
		return s, err
	}
	s.NotAction = not
	if s.Actions, err = compileAll(actions, where, r.language.compileAction); err != nil {
		return s, err
	}
	if err := r.resources(&s, elements, where); err != nil {
		return s, err
	}
	if condition, ok := elements["Condition"]; ok {
		s.Conditions, err = readConditions(condition, r.language, where)
	}
	return s, err
}

// resources reads what a statement is about: where it has no such element, the
// one thing that the document belongs to.
func (r reader) resources(s *Statement, elements map[string]tree.Node, where string) error {
	resources, not := []string{"*"}, false
	if r.resource {
		var err error
		if resources, not, err = oneOf(elements, where, "Resource"); err != nil {
			return err
		}
	}
	s.NotResource = not
	var err error
	s.Resources, err = compileAll(resources, where, r.language.compileResource)
	return err
}

// oneOf returns the values of an element or of its negation; a statement has
// one of the two.
func oneOf(elements map[string]tree.Node, where, name string) (values []string, not bool, err error) {
	n, plain := elements[name]
	negated, not := elements["Not"+name]
	switch {
	case plain == not && not:
		return nil, false, tree.Malformed(where, "%q and %q exclude each other", name, "Not"+name)
	case plain == not:
		return nil, false, tree.Malformed(where, "element %q is missing", name)
	case not:
		n, name = negated, "Not"+name
	}
	values, err = n.List(where+`: "`+name+`"`, tree.Text)
	return values, not, err
}

func compileAll[T any](values []string, where string, compile func(string) (T, error)) ([]T, error) {
	compiled := make([]T, len(values))
	for i, value := range values {
		var err error
		if compiled[i], err = compile(value); err != nil {
			return nil, tree.Malformed(where, "%s: %s", tree.Quote(value), err)
		}
	}
	return compiled, nil
}

// MatchAction reports whether the statement is about an action, such as
// "iot:Publish", in any case of its letters.
func (s *Statement) MatchAction(action string) bool {
	for i := range s.Actions {
		if s.Actions[i].Match(action, nil) {
			return !s.NotAction
		}
	}
	return s.NotAction
}

// MatchResource reports whether the statement is about an ARN. Case matters.
func (s *Statement) MatchResource(arn string, values Values) bool {
	return s.matchResource(splitARN(arn), values)
}

func (s *Statement) matchResource(arn cutARN, values Values) bool {
	for i := range s.Resources {
		if s.Resources[i].match(arn, values) {
			return !s.NotResource
		}
	}
	return s.NotResource
}

// Size counts the characters of a document without the white space between
// its tokens. White space inside strings counts: it is part of what has to
// be matched and analysed.
func Size(document string) int {
	count, quoted, escaped := 0, false, false
	for _, r := range document {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && strings.ContainsRune(" \t\r\n", r):
			continue
		}
		count++
	}
	return count
}
