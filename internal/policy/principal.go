package policy

import (
	"strings"

	"github.com/cordon-iot/cordon/internal/policy/tree"
)

// PrincipalKind says what a value of a Principal element names.
type PrincipalKind string

// The kinds of principals.
const (
	Anyone            PrincipalKind = "*"         // everybody who has an account
	AccountPrincipal  PrincipalKind = "account"   // an account: everybody in it whom it permits
	NamedPrincipal    PrincipalKind = "named"     // one user, role or session of one, by ARN or unique id
	ServicePrincipal  PrincipalKind = "service"   // a service, such as iot.amazonaws.com
	FederatedIdentity PrincipalKind = "federated" // an identity provider: no call is made by one
)

// Principal is one value of a Principal element.
type Principal struct {
	Kind PrincipalKind
	// Value is the twelve digits of an account, an ARN, a unique id, or the name
	// of a service or provider; "" for Anyone.
	Value string
}

// principals reads whom a statement is about.
func (r reader) principals(s *Statement, elements map[string]tree.Node, where string) error {
	if !r.principal {
		return nil
	}
	n, plain := elements["Principal"]
	negated, not := elements["NotPrincipal"]
	switch {
	case plain && not:
		return tree.Malformed(where, `"Principal" and "NotPrincipal" exclude each other`)
	case !plain && !not:
		return tree.Malformed(where, `element "Principal" is missing`)
	case not && s.Effect == Allow:
		return tree.Malformed(where, `"NotPrincipal" goes with "Effect": "Deny" only`)
	case not:
		n, where = negated, where+`: "NotPrincipal"`
	default:
		where += `: "Principal"`
	}
	s.NotPrincipal = not
	var err error
	s.Principals, err = readPrincipals(n, where)
	if err == nil && not {
		for _, p := range s.Principals {
			if p.Kind == Anyone {
				return tree.Malformed(where, `"*" leaves nobody to deny`)
			}
		}
	}
	return err
}

func readPrincipals(n tree.Node, where string) ([]Principal, error) {
	if n.Kind == tree.Text {
		if n.Text != "*" {
			return nil, tree.Malformed(where, `must be "*" or an object, got %s`, tree.Quote(n.Text))
		}
		return []Principal{{Kind: Anyone}}, nil
	}
	kinds, err := n.Elements(where, "AWS", "Service", "Federated")
	if err != nil {
		return nil, err
	}
	var list []Principal
	for _, kind := range []string{"AWS", "Service", "Federated"} {
		values, ok := kinds[kind]
		if !ok {
			continue
		}
		texts, err := values.List(where+": "+kind, tree.Text)
		if err != nil {
			return nil, err
		}
		for _, value := range texts {
			p, ok := readPrincipal(kind, value)
			if !ok {
				return nil, tree.Malformed(where, "%s is no principal of kind %s that can be evaluated", tree.Quote(value), kind)
			}
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return nil, tree.Malformed(where, "it names nobody")
	}
	return list, nil
}

func readPrincipal(kind, value string) (Principal, bool) {
	switch kind {
	case "Service":
		return Principal{ServicePrincipal, value}, isHost(value)
	case "Federated":
		return Principal{FederatedIdentity, value}, isHost(value) || strings.HasPrefix(value, "arn:aws") && isPlainARN(value)
	}
	switch {
	case value == "*":
		return Principal{Kind: Anyone}, true
	case isAccount(value):
		return Principal{AccountPrincipal, value}, true
	case isUniqueID(value):
		return Principal{NamedPrincipal, value}, true
	}
	return readPrincipalARN(value)
}

// readPrincipalARN reads the ARN of an account's root, of a user, a role, or a
// session of a role. Wildcards are no part of one.
func readPrincipalARN(arn string) (Principal, bool) {
	parts := strings.SplitN(arn, ":", arnColons+1)
	if !isPlainARN(arn) || len(parts) != arnColons+1 || parts[3] != "" || !isAccount(parts[4]) {
		return Principal{}, false
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case parts[2] == "iam" && parts[5] == "root":
		return Principal{AccountPrincipal, parts[4]}, true
	case parts[2] == "iam" && (kind == "user" || kind == "role") && last != "":
		return Principal{NamedPrincipal, arn}, true
	case parts[2] == "sts" && kind == "assumed-role" && strings.Count(name, "/") == 1 && last != "" && name[0] != '/':
		return Principal{NamedPrincipal, arn}, true
	}
	return Principal{}, false
}

func isPlainARN(s string) bool {
	partition, ok := strings.CutPrefix(s, "arn:")
	partition, _, colon := strings.Cut(partition, ":")
	known := partition == "aws" || partition == "aws-cn" || partition == "aws-us-gov"
	return ok && colon && known && !strings.ContainsAny(s, "*?$ \t\r\n\"'")
}

func isAccount(s string) bool { return len(s) == 12 && consistsOnlyOfDigits(s) }

// isUniqueID reports whether s is the id of a user or role: of one that is
// deleted, as IAM shows it in the place of its ARN.
func isUniqueID(s string) bool {
	return len(s) >= 16 && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) && consistsOf(s, "") &&
		s == strings.ToUpper(s)
}

// isHost reports whether s is a name such as iot.amazonaws.com.
func isHost(s string) bool { return consistsOf(s, "-.") && strings.Contains(s, ".") }

// Subject is who makes a request, in all the ways a Principal element may name
// it: a caller, or a service, which has no account.
type Subject struct {
	Account string // twelve digits
	// ARN and ID are of the user, of the session of a role (AROA…:name), or of
	// root.
	ARN, ID string
	// RoleARN and RoleID are of the role of a session; "" for others.
	RoleARN, RoleID string
	Service         string
}

// Naming says how closely a statement that allows names a subject. It decides
// what else must allow a request.
type Naming int

// The namings, from the farthest.
const (
	Unnamed Naming = iota
	// ByAccount leaves it to the account to permit its users and roles.
	ByAccount
	// ByRole permits the role, within the limits of the role and its session. To
	// name everybody is no closer.
	ByRole
	// ByName permits exactly the user or session.
	ByName
)

// named returns how closely a principal names a subject.
func (p Principal) named(s Subject) Naming {
	switch p.Kind {
	case ServicePrincipal:
		if s.Service != "" && p.Value == s.Service {
			return ByName
		}
	case Anyone:
		if s.Service == "" {
			return ByRole
		}
	case AccountPrincipal:
		if s.Account != "" && p.Value == s.Account {
			return ByAccount
		}
	case NamedPrincipal:
		switch p.Value {
		case "":
		case s.ARN, s.ID:
			return ByName
		case s.RoleARN, s.RoleID:
			return ByRole
		}
	}
	return Unnamed
}

// naming returns how closely an Allow names a subject.
func (s *Statement) naming(of Subject) Naming {
	closest := Unnamed
	for _, p := range s.Principals {
		closest = max(closest, p.named(of))
	}
	return closest
}

// denies reports whether a Deny is about a subject. Everybody is every service
// too. NotPrincipal exempts whom it names in every way: the account, the role
// of a session, and the user or session itself.
func (s *Statement) denies(of Subject) bool {
	if !s.NotPrincipal {
		for _, p := range s.Principals {
			if p.Kind == Anyone || p.named(of) != Unnamed {
				return true
			}
		}
		return false
	}
	root := of.Service == "" && of.RoleARN == "" && strings.HasSuffix(of.ARN, ":root")
	account, role, name := of.Service != "", of.RoleARN == "", root
	for _, p := range s.Principals {
		switch p.named(of) {
		case ByAccount:
			account = true
		case ByRole:
			role = true
		case ByName:
			name = true
		}
	}
	return !(account && role && name)
}
