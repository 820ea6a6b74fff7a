package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// RoleAliasPage lists role aliases by name, behind one, inside a slice.
func (s *Store) RoleAliasPage(ctx context.Context, tx durable.Tx, sc fleet.Scope, after string, limit int) (
	[]fleet.RoleAlias, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	list, err := all(ctx, q, `SELECT name, role_arn, seconds, created_at, modified_at FROM role_aliases
		WHERE scope = @scope AND name > @after ORDER BY name LIMIT @limit`,
		args{"scope": scope, "after": after, "limit": limit},
		func(r scanner) (fleet.RoleAlias, error) {
			alias, err := scanRoleAlias(r)
			return *alias, err
		})
	if err != nil {
		return nil, fmt.Errorf("list role aliases: %w", err)
	}
	return list, nil
}

// foundRole is a role whose policies are being read.
type foundRole struct {
	seq           int64
	arn, boundary string
	policies      *identity.RolePolicies
}

// RolePolicies returns, inside a slice, the policies of those roles of an
// account that exist.
func (s *Store) RolePolicies(ctx context.Context, tx durable.Tx, account string, arns []string) (
	map[string]*identity.RolePolicies, error,
) {
	q := s.slice(tx)
	roles, err := findRoles(ctx, q, account, arns)
	if err != nil || len(roles) == 0 {
		return nil, err
	}
	if err := inlinePolicies(ctx, q, roles); err != nil {
		return nil, err
	}
	if err := managedPolicies(ctx, q, account, roles); err != nil {
		return nil, err
	}
	found := make(map[string]*identity.RolePolicies, len(roles))
	for _, r := range roles {
		found[r.arn] = r.policies
	}
	return found, nil
}

// findRoles finds the roles of an account by their ARNs, which are exact.
func findRoles(ctx context.Context, q querier, account string, arns []string) (map[int64]*foundRole, error) {
	wanted := map[string]bool{}
	var names []string
	for _, arn := range arns {
		if e, ok := identity.ParseARN(arn); ok && e.Account == account && e.Kind == string(identity.OwnerRole) {
			wanted[arn] = true
			names = append(names, identity.Fold(e.Name))
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	a := args{"account": account}
	list, err := all(ctx, q, `SELECT seq, name, path, boundary FROM iam_roles
		WHERE account = @account AND `+q.dialect().in("folded", "names", a, names), a,
		func(r scanner) (*foundRole, error) {
			role := identity.Role{Account: account}
			f := &foundRole{policies: &identity.RolePolicies{}}
			err := r.Scan(&f.seq, &role.Name, &role.Path, &f.boundary)
			f.arn = role.ARN()
			return f, err
		})
	if err != nil {
		return nil, fmt.Errorf("find roles: %w", err)
	}
	roles := map[int64]*foundRole{}
	for _, r := range list {
		if wanted[r.arn] {
			roles[r.seq] = r
		}
	}
	return roles, nil
}

// ownedText is a text that belongs to a role.
type ownedText struct {
	owner int64
	text  string
}

func scanOwned(r scanner) (o ownedText, err error) { return o, r.Scan(&o.owner, &o.text) }

func inlinePolicies(ctx context.Context, q querier, roles map[int64]*foundRole) error {
	a := args{"kind": string(identity.OwnerRole)}
	list, err := all(ctx, q, `SELECT owner_seq, document FROM iam_inline_policies
		WHERE owner_kind = @kind AND `+q.dialect().in("owner_seq", "roles", a, seqs(roles))+`
		ORDER BY owner_seq, name`, a, scanOwned)
	if err != nil {
		return fmt.Errorf("read inline policies: %w", err)
	}
	for _, o := range list {
		p := roles[o.owner].policies
		p.Documents = append(p.Documents, o.text)
	}
	return nil
}

func seqs(roles map[int64]*foundRole) []int64 {
	list := make([]int64, 0, len(roles))
	for seq := range roles {
		list = append(list, seq)
	}
	return list
}

// managedPolicies reads the policies that are attached to roles, and those that
// bound them.
func managedPolicies(ctx context.Context, q querier, account string, roles map[int64]*foundRole) error {
	a := args{"kind": string(identity.OwnerRole)}
	attached, err := all(ctx, q, `SELECT owner_seq, policy_arn FROM iam_attachments
		WHERE owner_kind = @kind AND `+q.dialect().in("owner_seq", "roles", a, seqs(roles))+`
		ORDER BY owner_seq, policy_arn`, a, scanOwned)
	if err != nil {
		return fmt.Errorf("read attached policies: %w", err)
	}
	var arns []string
	for _, o := range attached {
		arns = append(arns, o.text)
	}
	for _, r := range roles {
		if r.boundary != "" {
			arns = append(arns, r.boundary)
		}
	}
	documents, err := managedDocuments(ctx, q, account, arns)
	if err != nil {
		return err
	}
	for _, o := range attached {
		p := roles[o.owner].policies
		if text, ok := documents[o.text]; ok {
			p.Documents = append(p.Documents, text)
		} else {
			p.Missing = o.text
		}
	}
	for _, r := range roles {
		if r.boundary == "" {
			continue
		}
		if text, ok := documents[r.boundary]; ok {
			r.policies.Boundary = &text
		} else {
			r.policies.Missing = r.boundary
		}
	}
	return nil
}

// managedDocuments returns the default versions of managed policies by ARN:
// those of the account, those that it has imported, and those of AWS.
func managedDocuments(ctx context.Context, q querier, account string, arns []string) (map[string]string, error) {
	documents := map[string]string{}
	var names []string
	for _, arn := range arns {
		if v := identity.AWSPolicyVersion(arn); v != nil {
			documents[arn] = v.Document
		} else if folded, _, ok := policyFold(account, arn); ok {
			names = append(names, folded)
		}
	}
	if len(names) == 0 {
		return documents, nil
	}
	a := args{"account": account}
	type named struct{ arn, document string }
	list, err := all(ctx, q, `SELECT p.name, p.path, v.document FROM iam_policies p
		JOIN iam_policy_versions v ON v.policy_seq = p.seq AND v.version = p.default_version
		WHERE p.account = @account AND `+q.dialect().in("p.folded", "names", a, names), a,
		func(r scanner) (n named, err error) {
			var p identity.ManagedPolicy
			err = r.Scan(&p.Name, &p.Path, &n.document)
			p.Account, p.Path = policyOwner(account, p.Path)
			n.arn = p.ARN()
			return n, err
		})
	if err != nil {
		return nil, fmt.Errorf("read managed policies: %w", err)
	}
	for _, n := range list {
		documents[n.arn] = n.document
	}
	return documents, nil
}
