package iamfile

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// reader makes details of pages. It keeps the first thing that is wrong.
type reader struct {
	account string
	out     *identity.Details
	seen    map[string]bool // "user alice": what is there, names without case
	// needs are what must be there, with who needs it.
	needs []need
	err   error
}

type need struct{ what, by string }

// fail keeps the first error, with the place that it is at.
func (r *reader) fail(where, format string, args ...any) {
	if r.err == nil {
		f := fault.New(fault.Invalid, format, args...)
		f.Text = where + ": " + f.Text
		r.err = f
	}
}

// failed keeps an error of a rule.
func (r *reader) failed(where string, err error) {
	if err != nil {
		r.fail(where, "%v", err)
	}
}

func (r *reader) page(p *page) {
	for _, u := range p.UserDetailList {
		r.user(&u)
	}
	for _, g := range p.GroupDetailList {
		r.group(&g)
	}
	for _, o := range p.RoleDetailList {
		r.role(&o)
	}
	for _, m := range p.Policies {
		r.policy(&m)
	}
}

// entity is what all that has a name and an ARN has in common.
type entity struct {
	kind, path, name, id, arn, prefix string
}

// place checks that the entity is of the account, whole and there once, and
// returns how it is called in messages.
func (r *reader) place(e entity) string {
	where := e.kind + " " + strconv.Quote(e.name)
	read, ok := identity.ParseARN(e.arn)
	switch {
	case e.name == "":
		r.fail(e.kind+" "+e.arn, "it has no name")
	case !ok || read.Kind != e.kind || read.Path != e.path || read.Name != e.name:
		r.fail(where, "its ARN %q is not that of the path %q and the name", e.arn, e.path)
	case read.Account != r.account && (e.kind != "policy" || read.Account != identity.AWSAccount):
		r.fail(where, "it belongs to account %s, not to %s", read.Account, r.account)
	case !nameForm.MatchString(e.name) || !pathForm.MatchString(e.path):
		r.fail(where, "its name or its path %q has not the form that IAM gives them", e.path)
	case !isID(e.id, e.prefix):
		r.fail(where, "its id %q does not begin with %s, or is no id", e.id, e.prefix)
	}
	what := e.kind + " " + identity.Fold(e.name)
	if e.kind == "policy" {
		what = "policy " + identity.Fold(e.arn)
	}
	for _, key := range []string{what, "id " + e.id} {
		if r.seen[key] {
			r.fail(where, "it, or its id, is there twice")
		}
		r.seen[key] = true
	}
	return where
}

// What names and paths look like. Source: IAM API, CreateUser, CreateRole,
// CreateGroup and CreatePolicy.
var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	pathForm = regexp.MustCompile(`^/([!-~]{1,510}/)?$`)
)

func isID(id, prefix string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return len(id) >= 16 && len(id) <= 128 && strings.HasPrefix(id, prefix) && strings.Trim(id, letters) == ""
}

func (r *reader) user(u *user) {
	where := r.place(entity{"user", u.Path, u.UserName, u.UserId, u.Arn, "AIDA"})
	for _, name := range u.GroupList {
		r.needs = append(r.needs, need{"group " + identity.Fold(name), where})
	}
	r.out.Users = append(r.out.Users, identity.UserDetail{
		User: identity.User{
			Account: r.account, ID: u.UserId, Name: u.UserName, Path: u.Path, Boundary: r.boundary(where, u.PermissionsBoundary),
			Tags: r.tags(where, u.Tags), Created: r.created(where, u.CreateDate),
		},
		Holding: r.holding(where, u.UserPolicyList, u.AttachedManagedPolicies),
		Groups:  r.ordered(where, "group", u.GroupList),
	})
}

func (r *reader) group(g *group) {
	where := r.place(entity{"group", g.Path, g.GroupName, g.GroupId, g.Arn, "AGPA"})
	r.out.Groups = append(r.out.Groups, identity.GroupDetail{
		Group: identity.Group{
			Account: r.account, ID: g.GroupId, Name: g.GroupName, Path: g.Path, Created: r.created(where, g.CreateDate),
		},
		Holding: r.holding(where, g.GroupPolicyList, g.AttachedManagedPolicies),
	})
}

// defaultSession is the longest session of a role, in seconds: the details do
// not tell it. Source: CreateRole, MaxSessionDuration.
const defaultSession = 3600

func (r *reader) role(o *role) {
	where := r.place(entity{"role", o.Path, o.RoleName, o.RoleId, o.Arn, "AROA"})
	r.failed(where+": trust policy", identity.CheckTrust(string(o.AssumeRolePolicyDocument)))
	session := cmp.Or(o.MaxSessionDuration, defaultSession)
	if session < defaultSession || session > 12*defaultSession {
		r.fail(where, "its longest session must be from 3600 to 43200 seconds, not %d", session)
	}
	out := identity.RoleDetail{
		Role: identity.Role{
			Account: r.account, ID: o.RoleId, Name: o.RoleName, Path: o.Path, Trust: string(o.AssumeRolePolicyDocument),
			Description: o.Description, MaxSession: session, Boundary: r.boundary(where, o.PermissionsBoundary),
			Tags: r.tags(where, o.Tags), Created: r.created(where, o.CreateDate),
		},
		Holding: r.holding(where, o.RolePolicyList, o.AttachedManagedPolicies),
	}
	if last := o.RoleLastUsed; last != nil && last.LastUsedDate != nil {
		out.LastUsed, out.LastUsedRegion = *last.LastUsedDate, last.Region
	}
	r.out.Roles = append(r.out.Roles, out)
}

func (r *reader) policy(m *managedPolicy) {
	where := r.place(entity{"policy", m.Path, m.PolicyName, m.PolicyId, m.Arn, "ANPA"})
	if identity.AWSPolicy(m.Arn) != nil {
		return // Cordon has it of its own
	}
	e, _ := identity.ParseARN(m.Arn)
	created := r.created(where, m.CreateDate)
	out := identity.PolicyDetail{ManagedPolicy: identity.ManagedPolicy{
		Account: e.Account, ID: m.PolicyId, Name: m.PolicyName, Path: m.Path, Description: m.Description,
		Default: r.version(where, m.DefaultVersionId), Tags: r.tags(where, m.Tags), Created: created, Updated: created,
	}}
	if m.UpdateDate != nil {
		out.Updated = *m.UpdateDate
	}
	for _, v := range m.PolicyVersionList {
		r.policyVersion(where, &out, &v)
	}
	slices.SortFunc(out.Versions, func(a, b identity.PolicyVersion) int { return cmp.Compare(a.Number, b.Number) })
	if !slices.ContainsFunc(out.Versions, func(v identity.PolicyVersion) bool { return v.Default }) {
		r.fail(where, "its default version %q is not in it", m.DefaultVersionId)
	}
	r.out.Policies = append(r.out.Policies, out)
}

// maxVersions is how many versions a policy of an account has. Source: IAM
// quotas.
const maxVersions = 5

func (r *reader) policyVersion(where string, to *identity.PolicyDetail, v *policyVersion) {
	where += " version " + strconv.Quote(v.VersionId)
	n := r.version(where, v.VersionId)
	if v.IsDefaultVersion != (n == to.Default) {
		r.fail(where, "it contradicts DefaultVersionId")
	}
	if slices.ContainsFunc(to.Versions, func(o identity.PolicyVersion) bool { return o.Number == n }) {
		r.fail(where, "it is there twice")
	}
	r.failed(where, identity.CheckDocument(string(v.Document)))
	if to.Account == identity.AWSAccount && n != to.Default {
		return // only AWS could make it the default again
	}
	if len(to.Versions) == maxVersions {
		r.fail(where, "a policy has no more than %d versions", maxVersions)
	}
	to.Versions = append(to.Versions, identity.PolicyVersion{
		Number: n, Document: string(v.Document), Default: n == to.Default, Created: r.created(where, v.CreateDate),
	})
}

// version reads the number of "v12".
func (r *reader) version(where, id string) int {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.ParseInt(digits, 10, 31)
	if !ok || err != nil || n < 1 || "v"+strconv.FormatInt(n, 10) != id {
		r.fail(where, "%q is no version", id)
	}
	return int(n)
}

func (r *reader) holding(where string, inline []inlinePolicy, attached []attachedPolicy) (h identity.Holding) {
	var names, arns []string
	for _, p := range inline {
		names = append(names, p.PolicyName)
		if !nameForm.MatchString(p.PolicyName) {
			r.fail(where, "the name of inline policy %q has not the form that IAM gives it", p.PolicyName)
		}
		r.failed(where+" inline policy "+strconv.Quote(p.PolicyName), identity.CheckDocument(string(p.PolicyDocument)))
		h.Inline = append(h.Inline, identity.InlinePolicy{Name: p.PolicyName, Document: string(p.PolicyDocument)})
	}
	r.ordered(where, "inline policy", names)
	slices.SortFunc(h.Inline, func(a, b identity.InlinePolicy) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range attached {
		arns = append(arns, p.PolicyArn)
		if e, ok := identity.ParseARN(p.PolicyArn); !ok || e.Name != p.PolicyName {
			r.fail(where, "the ARN of attached policy %q is %q", p.PolicyName, p.PolicyArn)
		}
		r.needPolicy(where, p.PolicyArn)
	}
	h.Attached = r.ordered(where, "attached policy", arns)
	return h
}

func (r *reader) boundary(where string, b *boundary) string {
	if b == nil {
		return ""
	}
	if b.PermissionsBoundaryArn == "" {
		r.fail(where, "its permissions boundary has no ARN")
	}
	switch b.PermissionsBoundaryType {
	case "PermissionsBoundaryPolicy", "Policy": // the documented word, and the one that is sent
	default:
		r.fail(where, "a permissions boundary of type %q is not known", b.PermissionsBoundaryType)
	}
	r.needPolicy(where, b.PermissionsBoundaryArn)
	return b.PermissionsBoundaryArn
}

func (r *reader) needPolicy(where, arn string) {
	if identity.AWSPolicy(arn) == nil {
		r.needs = append(r.needs, need{"policy " + identity.Fold(arn), where})
	}
}

// references refuses what is named and not there.
func (r *reader) references() {
	for _, n := range r.needs {
		if !r.seen[n.what] {
			r.fail(n.by, "%s is not in the file", n.what)
		}
	}
}

// ordered returns names in order, each of which may be there once.
func (r *reader) ordered(where, what string, names []string) []string {
	names = slices.Sorted(slices.Values(names))
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			r.fail(where, "%s %q is there twice", what, names[i])
		}
	}
	return names
}

// maxTags is how many tags there are beside those that services of AWS give.
const maxTags = 50

// tags are those of an entity, by key. Keys differ by more than case.
func (r *reader) tags(where string, tags []tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	out, seen, own := map[string]string{}, map[string]bool{}, 0
	for _, t := range tags {
		folded := identity.Fold(t.Key)
		if seen[folded] || t.Key == "" {
			r.fail(where, "tag %q is there twice, or has no key", t.Key)
		}
		if !strings.HasPrefix(folded, "aws:") {
			own++
		}
		seen[folded], out[t.Key] = true, t.Value
	}
	if own > maxTags {
		r.fail(where, "it has more than %d tags", maxTags)
	}
	return out
}

// created is when something was made. It is always in the file.
func (r *reader) created(where string, at *time.Time) time.Time {
	if at == nil {
		r.fail(where, "CreateDate is missing")
		return time.Time{}
	}
	return at.UTC().Truncate(time.Second)
}
