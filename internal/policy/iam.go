package policy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/policy/tree"
)

// MaxIAMSize is the number of characters, with all white space, that a policy
// of IAM or of a resource may have. Quotas of its kind are smaller. Source: the
// IAM API, limits of PolicyDocument.
const MaxIAMSize = 131072

// ParseIdentity reads an identity policy of IAM: one of a user, group or role, a
// permissions boundary, or a session policy. It is as strict as [Parse], and
// refuses whatever Cordon does not evaluate. Besides, a Sid is of letters and
// digits and appears once.
//
// A document of Version2008, or of none, has no variables: "${" is text. A
// variable of the other version that has no value, or several, matches nothing,
// also in a negation; "${name, 'text'}" gives the text in its place. No
// statements grant nothing and are accepted.
//
// Every refusal is a MalformedPolicy fault. Sizes beyond [MaxIAMSize] are for
// the caller to judge, see [Size]. Sources: grammar of the IAM policy language;
// IAM policy variables.
func ParseIdentity(document string) (*Document, error) {
	return parseIAM(document, grammar{iam: true, resource: true})
}

// ParseTrust reads the trust policy of a role, as ParseIdentity reads others.
// It says who may assume the role, by Principal, and names actions of STS only;
// its resource is the role. One without statements trusts nobody and is
// refused.
func ParseTrust(document string) (*Document, error) {
	doc, err := parseIAM(document, grammar{iam: true, principal: true, trust: true})
	if err != nil {
		return nil, err
	}
	for i := range doc.Statements {
		where := "statement " + strconv.Itoa(i+1)
		for _, action := range doc.Statements[i].Actions {
			if action.text != "*" && !slices.Contains(trustActions, strings.ToLower(action.text)) {
				return nil, tree.Malformed(where, "a trust policy allows actions of STS that assume a role, not %s",
					tree.Quote(action.text))
			}
		}
	}
	if doc.IsBlank() {
		return nil, tree.Malformed("", "a trust policy without statements trusts nobody")
	}
	return doc, nil
}

// trustActions are what a trust policy may name.
var trustActions = []string{
	"sts:*", "sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
	"sts:tagsession", "sts:setsourceidentity", "sts:setcontext",
}

// ParseResource reads the policy of a resource, such as a topic, as
// ParseIdentity reads others. It says whom its statements are about by
// Principal or, to deny, by NotPrincipal. A Sid may be any text.
func ParseResource(document string) (*Document, error) {
	doc, err := parseIAM(document, grammar{iam: true, resource: true, principal: true})
	if err == nil && doc.IsBlank() {
		err = tree.Malformed("", "the list of statements is empty")
	}
	if err != nil {
		return nil, err
	}
	return doc, nil
}

func parseIAM(document string, g grammar) (*Document, error) {
	if utf8.RuneCountInString(document) > MaxIAMSize {
		return nil, tree.Malformed("", "it is longer than %d characters", MaxIAMSize)
	}
	doc, err := read(document, g)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range doc.Statements {
		sid := doc.Statements[i].SID
		where := "statement " + strconv.Itoa(i+1)
		switch {
		case sid == "":
			continue
		case seen[sid]:
			return nil, tree.Malformed(where, "Sid %s appears more than once", tree.Quote(sid))
		case !consistsOf(sid, "") && !(g.principal && g.resource):
			return nil, tree.Malformed(where, "Sid %s may have letters and digits only", tree.Quote(sid))
		}
		seen[sid] = true
	}
	return doc, nil
}
