package policy

import "slices"

// Request is what a decision is about: whether something may be done to a
// resource.
type Request struct {
	Action   string // such as "iot:Publish"
	Resource string // an ARN
	Values   Values // nil when nothing is known
}

// Decision is what policies say about a request, equal to the wire value.
type Decision string

// The decisions. What no policy allows is denied implicitly; an explicit Deny
// wins over every Allow.
const (
	Allowed      Decision = "ALLOWED"
	ExplicitDeny Decision = "EXPLICIT_DENY"
	ImplicitDeny Decision = "IMPLICIT_DENY"
)

// Compiled is a document made ready for deciding. It is immutable: one serves
// every connection whose effective policies include that version.
type Compiled struct {
	rules []rule
	// frequent has the rules about each of frequentActions, which are asked
	// about with every packet.
	frequent [len(frequentActions)]ruleset
}

var frequentActions = [...]string{"iot:Connect", "iot:Publish", "iot:RetainPublish", "iot:Subscribe", "iot:Receive"}

// ruleset is the rules about an action.
type ruleset struct {
	denies, allows []*rule
}

// rule is a statement made ready for deciding.
type rule struct {
	*Statement
	tests []test
	// indexed and loose go with Resources, and are nil when no resource has an
	// indexed variable: the variables, and the resource with a wildcard in the
	// place of each.
	indexed [][]*ref
	loose   []Resource
}

// NewCompiled makes a document ready for deciding. The document must not be
// changed afterwards.
func NewCompiled(doc *Document) *Compiled {
	c := &Compiled{rules: make([]rule, len(doc.Statements))}
	for i := range doc.Statements {
		c.rules[i] = newRule(&doc.Statements[i])
	}
	for i, action := range frequentActions {
		c.frequent[i] = c.rulesAbout(action)
	}
	return c
}

func newRule(s *Statement) rule {
	r := rule{Statement: s}
	for i := range s.Conditions {
		r.tests = append(r.tests, newTest(&s.Conditions[i]))
	}
	has := func(res Resource) bool { return len(res.whole.indexed()) > 0 }
	if slices.ContainsFunc(s.Resources, has) {
		for i := range s.Resources {
			r.indexed = append(r.indexed, s.Resources[i].whole.indexed())
			r.loose = append(r.loose, s.Resources[i].loosened())
		}
	}
	return r
}

func (c *Compiled) rulesAbout(action string) (set ruleset) {
	for i := range c.rules {
		r := &c.rules[i]
		switch {
		case !r.MatchAction(action):
		case r.Effect == Deny:
			set.denies = append(set.denies, r)
		default:
			set.allows = append(set.allows, r)
		}
	}
	return set
}

// Decide decides a request by some policies together. A request whose policies
// cannot be told is not to be decided at all, but refused. It does not
// allocate for the actions of MQTT, and its cost is at most the product of the
// lengths of documents and resource. Source: AWS IoT Core policies; IAM policy
// evaluation logic.
func Decide(q Request, policies ...*Compiled) Decision {
	e := evaluation{values: q.Values, arn: splitARN(q.Resource), frequent: slices.Index(frequentActions[:], q.Action)}
	for _, c := range policies {
		for _, r := range e.rules(c, q.Action).denies {
			if e.applies(r) {
				return ExplicitDeny
			}
		}
	}
	for _, c := range policies {
		for _, r := range e.rules(c, q.Action).allows {
			if e.applies(r) {
				return Allowed
			}
		}
	}
	return ImplicitDeny
}

// evaluation is a request that is being decided.
type evaluation struct {
	values   Values
	arn      cutARN
	frequent int // the number of the action among frequentActions, or -1
}

// rules returns the rules about the action. Actions have no case; the frequent
// ones are found at once in their canonical spelling.
func (e *evaluation) rules(c *Compiled, action string) *ruleset {
	if e.frequent >= 0 {
		return &c.frequent[e.frequent]
	}
	set := c.rulesAbout(action)
	return &set
}

// Explanation is a decision with its reasons.
type Explanation struct {
	Decision Decision
	// Each is what each policy alone says.
	Each []Decision
	// Missing names the keys, as they are written in the policies, whose values
	// were asked for and are not known.
	Missing []string
}

// Explain decides a request as Decide does, and says why.
func Explain(q Request, policies ...*Compiled) Explanation {
	rec := &recorder{Values: q.Values}
	q.Values = rec
	e := Explanation{Decision: ImplicitDeny, Each: make([]Decision, len(policies))}
	for i, c := range policies {
		switch e.Each[i] = Decide(q, c); {
		case e.Each[i] == ExplicitDeny:
			e.Decision = ExplicitDeny
		case e.Each[i] == Allowed && e.Decision == ImplicitDeny:
			e.Decision = Allowed
		}
	}
	e.Missing = rec.names
	return e
}

// applies reports whether a rule, whose action fits, is about the request.
func (e *evaluation) applies(r *rule) bool {
	if r.loose == nil {
		if !r.matchResource(e.arn, e.values) {
			return false
		}
	} else if e.matchIndexed(r) == r.NotResource {
		return false
	}
	for i := range r.tests {
		if !r.tests[i].holds(e.values, r.Effect == Deny) {
			return false
		}
	}
	return true
}

// matchIndexed reports whether a resource of a rule matches that has variables
// with an index. When a certificate does not have the value with that index
// nothing is inserted and, as AWS has it, authorization fails: the resource
// counts as none of what is allowed, and as all of what may be denied.
func (e *evaluation) matchIndexed(r *rule) bool {
	toDeny := (r.Effect == Deny) != r.NotResource
	for i := range r.Resources {
		if !anyMissing(r.indexed[i], e.values) {
			if r.Resources[i].match(e.arn, e.values) {
				return true
			}
		} else if toDeny && r.loose[i].match(e.arn, e.values) {
			return true
		}
	}
	return false
}

func anyMissing(indexed []*ref, values Values) bool {
	return slices.ContainsFunc(indexed, func(r *ref) bool { return r.missing(values) })
}

// indexed returns the variables of a pattern that ask for a value by its index.
func (p *Pattern) indexed() (list []*ref) {
	for _, a := range p.atoms {
		if a.kind == variable && a.ref.indexed {
			list = append(list, a.ref)
		}
	}
	return list
}

// loosened returns the pattern with a run for each indexed variable.
func (p *Pattern) loosened() Pattern {
	loose := Pattern{text: p.text, fold: p.fold}
	for _, a := range p.atoms {
		if a.kind == variable && a.ref.indexed {
			a = atom{kind: run}
		}
		loose.add(a)
	}
	return loose
}

func (r *Resource) loosened() Resource {
	return Resource{whole: r.whole.loosened(), split: r.split, head: r.head.loosened(), tail: r.tail.loosened()}
}
