package identity

import (
	"maps"
	"slices"
	"strconv"
)

// Comparison compares the details of an account with what it has: what is to be
// made, and what is there and differs.
type Comparison struct {
	Want        *Details
	Differences []string // what differs, and in what

	have map[string]bool // "user alice": what is there, names without case
	want map[string]any
}

// NewComparison prepares for being told what there is.
func NewComparison(want *Details) *Comparison {
	c := &Comparison{Want: want, have: map[string]bool{}, want: map[string]any{}}
	for i := range want.Users {
		c.want["user "+Fold(want.Users[i].Name)] = &want.Users[i]
	}
	for i := range want.Groups {
		c.want["group "+Fold(want.Groups[i].Name)] = &want.Groups[i]
	}
	for i := range want.Roles {
		c.want["role "+Fold(want.Roles[i].Name)] = &want.Roles[i]
	}
	for i := range want.Policies {
		c.want[policyKey(&want.Policies[i])] = &want.Policies[i]
	}
	return c
}

// policyKey tells policies of the account and those of AWS apart, whose names
// may be the same.
func policyKey(p *PolicyDetail) string {
	if p.Account == AWSAccount {
		return "policy of AWS " + Fold(p.Name)
	}
	return "policy " + Fold(p.Name)
}

// Have tells the comparison a part of what there is.
func (c *Comparison) Have(d *Details) {
	for i := range d.Users {
		h := &d.Users[i]
		c.found("user "+Fold(h.Name), func(want any) string { return h.difference(want.(*UserDetail)) })
	}
	for i := range d.Groups {
		h := &d.Groups[i]
		c.found("group "+Fold(h.Name), func(want any) string { return h.difference(want.(*GroupDetail)) })
	}
	for i := range d.Roles {
		h := &d.Roles[i]
		c.found("role "+Fold(h.Name), func(want any) string { return h.difference(want.(*RoleDetail)) })
	}
	for i := range d.Policies {
		h := &d.Policies[i]
		c.found(policyKey(h), func(want any) string { return h.difference(want.(*PolicyDetail)) })
	}
}

func (c *Comparison) found(key string, difference func(want any) string) {
	want, ok := c.want[key]
	if !ok {
		return
	}
	c.have[key] = true
	if d := difference(want); d != "" {
		c.Differences = append(c.Differences, key+": "+d)
	}
}

// Missing returns what is wanted and not there.
func (c *Comparison) Missing() *Details {
	d := &Details{}
	for _, u := range c.Want.Users {
		if !c.have["user "+Fold(u.Name)] {
			d.Users = append(d.Users, u)
		}
	}
	for _, g := range c.Want.Groups {
		if !c.have["group "+Fold(g.Name)] {
			d.Groups = append(d.Groups, g)
		}
	}
	for _, r := range c.Want.Roles {
		if !c.have["role "+Fold(r.Name)] {
			d.Roles = append(d.Roles, r)
		}
	}
	for _, p := range c.Want.Policies {
		if !c.have[policyKey(&p)] {
			d.Policies = append(d.Policies, p)
		}
	}
	return d
}

// first returns the text of the first thing that differs.
func first(things ...differing) string {
	for _, t := range things {
		if t.differs {
			return t.what + " is another one"
		}
	}
	return ""
}

type differing struct {
	what    string
	differs bool
}

func (u *UserDetail) difference(from *UserDetail) string {
	return first(
		differing{"the spelling of its name", u.Name != from.Name}, differing{"its path", u.Path != from.Path},
		differing{"its id", u.ID != from.ID}, differing{"its permissions boundary", u.Boundary != from.Boundary},
		differing{"its set of tags", !maps.Equal(u.Tags, from.Tags)},
		differing{"its set of groups", !slices.Equal(u.Groups, from.Groups)},
		u.Holding.difference(&from.Holding),
	)
}

func (g *GroupDetail) difference(from *GroupDetail) string {
	return first(
		differing{"the spelling of its name", g.Name != from.Name}, differing{"its path", g.Path != from.Path},
		differing{"its id", g.ID != from.ID}, g.Holding.difference(&from.Holding),
	)
}

// difference leaves out what details do not tell: the description and the
// longest session.
func (r *RoleDetail) difference(from *RoleDetail) string {
	return first(
		differing{"the spelling of its name", r.Name != from.Name}, differing{"its path", r.Path != from.Path},
		differing{"its id", r.ID != from.ID}, differing{"its trust policy", r.Trust != from.Trust},
		differing{"its permissions boundary", r.Boundary != from.Boundary},
		differing{"its set of tags", !maps.Equal(r.Tags, from.Tags)}, r.Holding.difference(&from.Holding),
	)
}

// difference leaves out what details do not tell: the tags.
func (p *PolicyDetail) difference(from *PolicyDetail) string {
	if d := first(
		differing{"the spelling of its name", p.Name != from.Name}, differing{"its path", p.Path != from.Path},
		differing{"its id", p.ID != from.ID}, differing{"its default version", p.Default != from.Default},
		differing{"its number of versions", len(p.Versions) != len(from.Versions)},
	); d != "" {
		return d
	}
	for i, v := range p.Versions {
		if o := from.Versions[i]; v.Number != o.Number || v.Document != o.Document {
			return "its version v" + strconv.Itoa(o.Number) + " is another one"
		}
	}
	return ""
}

func (h *Holding) difference(from *Holding) differing {
	if !slices.Equal(h.Attached, from.Attached) {
		return differing{"its set of attached policies", true}
	}
	if len(h.Inline) != len(from.Inline) {
		return differing{"its number of inline policies", true}
	}
	for i, p := range h.Inline {
		if p != from.Inline[i] {
			return differing{"its inline policy " + from.Inline[i].Name, true}
		}
	}
	return differing{}
}
