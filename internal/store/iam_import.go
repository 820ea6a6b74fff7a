package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// errNothingToImport undoes an import that would only raise the version.
var errNothingToImport = errors.New("all of it is there")

// maxDifferences bounds how many differences a refusal names.
const maxDifferences = 10

// ImportDetails stores users, groups, roles and policies of an account that are
// not there yet, all or none, and returns how many. What is there and the same
// is left as it is. What is there and differs refuses the whole with a Conflict
// fault that names it; the counts of the account's quotas hold.
func (s *Store) ImportDetails(ctx context.Context, account string, d *identity.Details) (made int, err error) {
	err = s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		c := identity.NewComparison(d)
		if err := compareDetails(ctx, q, account, c); err != nil {
			return err
		}
		if n := len(c.Differences); n > 0 {
			return fault.New(fault.Conflict, "Nothing is imported: %d are there and differ: %s", n,
				strings.Join(c.Differences[:min(n, maxDifferences)], "; "))
		}
		missing := c.Missing()
		if made = missing.Len(); made == 0 {
			return errNothingToImport
		}
		return s.insertDetails(ctx, q, account, missing)
	})
	if errors.Is(err, errNothingToImport) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return made, nil
}

// compareDetails reads what the account has, a page at a time.
func compareDetails(ctx context.Context, q querier, account string, c *identity.Comparison) error {
	p := identity.DetailPage{
		Kinds: []identity.DetailKind{
			identity.DetailUser, identity.DetailGroup, identity.DetailRole, identity.DetailPolicy,
		},
		Limit: detailChunk,
	}
	for {
		have, next, err := details(ctx, q, account, p)
		if err != nil {
			return err
		}
		c.Have(have)
		if next == nil {
			break
		}
		p.After = *next
	}
	r := detailReader{ctx: ctx, q: q, account: account, out: &identity.Details{}}
	for i := range c.Want.Policies {
		if w := &c.Want.Policies[i]; w.Account == identity.AWSAccount {
			if err := r.imported(w.ARN()); err != nil {
				return err
			}
		}
	}
	c.Have(r.out)
	return nil
}

// insertDetails stores policies before whoever has them, and groups before
// whoever is in them.
func (s *Store) insertDetails(ctx context.Context, q querier, account string, d *identity.Details) error {
	for i := range d.Policies {
		p := &d.Policies[i]
		if err := s.insertPolicyDetail(ctx, q, account, p); err != nil {
			return about(q, "policy", p.Name, err)
		}
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		err := s.insertUserGroup(ctx, q, &g.Group)
		if err == nil {
			err = s.hold(ctx, q, identity.Owner{Kind: identity.OwnerGroup, Account: account, Name: g.Name}, &g.Holding)
		}
		if err != nil {
			return about(q, "group", g.Name, err)
		}
	}
	for i := range d.Users {
		if err := s.insertUserDetail(ctx, q, &d.Users[i]); err != nil {
			return about(q, "user", d.Users[i].Name, err)
		}
	}
	for i := range d.Roles {
		if err := s.insertRoleDetail(ctx, q, &d.Roles[i]); err != nil {
			return about(q, "role", d.Roles[i].Name, err)
		}
	}
	return nil
}

// about says what of an import an error is about.
func about(q querier, kind, name string, err error) error {
	if q.dialect().unique(err) {
		err = fault.New(fault.Conflict, "its id is taken")
	}
	if f := fault.From(err); f != nil {
		of := *f
		of.Text = kind + " " + name + ": " + f.Text
		return &of
	}
	return fmt.Errorf("import %s %s: %w", kind, name, err)
}

func (s *Store) insertPolicyDetail(ctx context.Context, q querier, account string, p *identity.PolicyDetail) error {
	if p.Account != identity.AWSAccount {
		return s.insertManagedPolicy(ctx, q, &p.ManagedPolicy, p.Versions)
	}
	own := p.ManagedPolicy
	own.Account, own.Name, own.Path = account, importedMark+p.Name, importedMark+p.Path
	if err := s.insertManagedPolicy(ctx, q, &own, p.Versions); err != nil {
		return err
	}
	if _, err := q.exec(ctx, `UPDATE iam_policies SET name = @name WHERE seq = @seq`,
		args{"name": p.Name, "seq": own.Seq}); err != nil {
		return fmt.Errorf("name a policy of AWS: %w", err)
	}
	return nil
}

func (s *Store) insertUserDetail(ctx context.Context, q querier, u *identity.UserDetail) error {
	if err := s.insertUser(ctx, q, &u.User); err != nil {
		return err
	}
	for _, group := range u.Groups {
		if err := s.joinGroup(ctx, q, u.Account, group, u.Name); err != nil {
			return err
		}
	}
	return s.hold(ctx, q, identity.Owner{Kind: identity.OwnerUser, Account: u.Account, Name: u.Name}, &u.Holding)
}

func (s *Store) insertRoleDetail(ctx context.Context, q querier, r *identity.RoleDetail) error {
	if err := s.insertRole(ctx, q, &r.Role); err != nil {
		return err
	}
	if !r.LastUsed.IsZero() {
		if _, err := q.exec(ctx, `UPDATE iam_roles SET last_used_at = @at, last_used_region = @region WHERE seq = @seq`,
			args{"at": r.LastUsed.UnixMilli(), "region": r.LastUsedRegion, "seq": r.Seq}); err != nil {
			return fmt.Errorf("store last use: %w", err)
		}
	}
	return s.hold(ctx, q, identity.Owner{Kind: identity.OwnerRole, Account: r.Account, Name: r.Name}, &r.Holding)
}

// hold gives an owner its policies.
func (s *Store) hold(ctx context.Context, q querier, o identity.Owner, h *identity.Holding) error {
	for _, p := range h.Inline {
		if err := putInline(ctx, q, o, p); err != nil {
			return err
		}
	}
	for _, arn := range h.Attached {
		if err := s.attach(ctx, q, o, arn); err != nil {
			return err
		}
	}
	return nil
}
