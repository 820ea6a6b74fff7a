package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
)

// grantAttempts bounds how often policies are read that change while they are
// read.
const grantAttempts = 10

// Grants returns the policies of a user or role as they were at one moment, or
// nil when there is none of that id or ARN in the account. It reads on tx unless
// that is nil. A policy that is attached and missing is an error: it might deny.
func (s *Store) Grants(ctx context.Context, tx durable.Tx, of identity.Grantee) (*identity.Grants, error) {
	q := s.read
	if tx != nil {
		q = s.slice(tx)
	}
	for range grantAttempts {
		before, err := identityVersion(ctx, q, of.Account)
		if err != nil {
			return nil, err
		}
		g, err := readGrants(ctx, q, of)
		after, again := identityVersion(ctx, q, of.Account)
		if again != nil {
			return nil, again
		}
		if after == before { // else some of it is older than the rest
			return g, err
		}
	}
	return nil, fault.New(fault.Unavailable, "the policies of account %s change all the time", of.Account)
}

// identityVersion is the version of the identities and policies of an account,
// which every change to one raises.
func identityVersion(ctx context.Context, q querier, account string) (int64, error) {
	n, err := count(ctx, q, `SELECT iam_version FROM accounts WHERE id = @account`, args{"account": account})
	if err != nil {
		return 0, fmt.Errorf("read version of identities: %w", err)
	}
	return n, nil
}

// readGrants reads what belongs to a grantee, one thing after the other.
func readGrants(ctx context.Context, q querier, of identity.Grantee) (*identity.Grants, error) {
	g, owner, boundary, err := findGrantee(ctx, q, of)
	if err != nil || g == nil {
		return nil, err
	}
	if g.Policies, err = ownPolicies(ctx, q, of.Kind, owner); err != nil {
		return nil, err
	}
	arns := append([]string{}, of.Session...)
	for _, p := range g.Policies {
		if p.ARN != "" {
			arns = append(arns, p.ARN)
		}
	}
	if boundary != "" {
		arns = append(arns, boundary)
	}
	documents, err := managedDocuments(ctx, q, of.Account, arns)
	if err != nil {
		return nil, err
	}
	for i := range g.Policies {
		p := &g.Policies[i]
		if p.ARN == "" {
			continue
		}
		e, _ := identity.ParseARN(p.ARN)
		document, ok := documents[p.ARN]
		if !ok {
			return nil, fmt.Errorf("policy %s is attached and missing", p.ARN)
		}
		p.Name, p.Document = e.Name, document
	}
	if boundary != "" {
		document, ok := documents[boundary]
		if !ok {
			return nil, fmt.Errorf("policy %s is a permissions boundary and missing", boundary)
		}
		g.Boundary = &document
	}
	for _, arn := range of.Session {
		if document, ok := documents[arn]; ok {
			g.Session = append(g.Session, document)
		}
	}
	return g, nil
}

// findGrantee reads the user or role itself.
func findGrantee(ctx context.Context, q querier, of identity.Grantee) (
	g *identity.Grants, seq int64, boundary string, err error,
) {
	a := args{"account": of.Account, "id": of.ID}
	where := ` WHERE id = @id AND account = @account`
	if of.ID == "" {
		e, ok := identity.ParseARN(of.ARN)
		if !ok || e.Kind != string(of.Kind) || e.Account != of.Account {
			return nil, 0, "", nil
		}
		a = args{"account": of.Account, "folded": identity.Fold(e.Name), "name": e.Name, "path": e.Path}
		where = ` WHERE account = @account AND folded = @folded AND name = @name AND path = @path`
	}
	found := false
	g = &identity.Grants{}
	if of.Kind == identity.OwnerUser {
		g.User, found, err = one(ctx, q, `SELECT `+userTable.columns+` FROM iam_users`+where, a, scanUser)
		if found {
			seq, boundary = g.User.Seq, g.User.Boundary
		}
	} else {
		g.Role, found, err = one(ctx, q, `SELECT `+roleTable.columns+` FROM iam_roles`+where, a, scanRole)
		if found {
			seq, boundary = g.Role.Seq, g.Role.Boundary
		}
	}
	if err != nil {
		return nil, 0, "", fmt.Errorf("find %s: %w", of.Kind, err)
	}
	if !found {
		return nil, 0, "", nil
	}
	return g, seq, boundary, nil
}

// ownPolicies lists the inline policies of an owner with their documents, and
// the attached ones with their ARNs; those of a user's groups too.
func ownPolicies(ctx context.Context, q querier, kind identity.OwnerKind, seq int64) ([]identity.GrantedPolicy, error) {
	text := `SELECT owner_kind, name, document, '' FROM iam_inline_policies WHERE owner_kind = @kind AND owner_seq = @seq
		UNION ALL SELECT owner_kind, '', '', policy_arn FROM iam_attachments WHERE owner_kind = @kind AND owner_seq = @seq`
	if kind == identity.OwnerUser {
		text += `
		UNION ALL SELECT p.owner_kind, p.name, p.document, '' FROM iam_group_members m
			JOIN iam_inline_policies p ON p.owner_kind = 'group' AND p.owner_seq = m.group_seq WHERE m.user_seq = @seq
		UNION ALL SELECT a.owner_kind, '', '', a.policy_arn FROM iam_group_members m
			JOIN iam_attachments a ON a.owner_kind = 'group' AND a.owner_seq = m.group_seq WHERE m.user_seq = @seq`
	}
	list, err := all(ctx, q, text, args{"kind": string(kind), "seq": seq},
		func(r scanner) (p identity.GrantedPolicy, err error) {
			return p, r.Scan(&p.Owner, &p.Name, &p.Document, &p.ARN)
		})
	if err != nil {
		return nil, fmt.Errorf("read policies of %s: %w", kind, err)
	}
	return list, nil
}

// ResourcePolicy returns the policy of a topic, or "" when it has none of its
// own or there is no such topic. It reads on tx unless that is nil.
func (s *Store) ResourcePolicy(ctx context.Context, tx durable.Tx, arn string) (string, error) {
	topic, err := notify.ParseTopicARN(arn)
	if err != nil {
		return "", nil
	}
	q := s.read
	if tx != nil {
		q = s.slice(tx)
	}
	scope, err := s.scope(ctx, q, topic.Scope)
	if err != nil || scope == 0 {
		return "", err
	}
	t, err := findTopic(ctx, q, scope, topic.Name)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return t.Policy, nil
}

// ResourceTags returns the tags of what an ARN names; nil when there are none.
// It reads on tx unless that is nil.
func (s *Store) ResourceTags(ctx context.Context, tx durable.Tx, arn string) (map[string]string, error) {
	q := s.read
	if tx != nil {
		q = s.slice(tx)
	}
	if e, ok := identity.ParseARN(arn); ok {
		return entityTags(ctx, q, e)
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return nil, nil
	}
	scope, err := s.scope(ctx, q, fleet.Scope{Account: parts[4], Region: parts[3]})
	if err != nil || scope == 0 {
		return nil, err
	}
	list, err := tagsOf(ctx, q, scope, arn, "")
	if err != nil || len(list) == 0 {
		return nil, err
	}
	tags := map[string]string{}
	for _, t := range list {
		tags[t.Key] = t.Value
	}
	return tags, nil
}

// entityTables are where users, roles and policies keep their tags.
var entityTables = map[string]string{"user": "iam_users", "role": "iam_roles", "policy": "iam_policies"}

// entityTags returns the tags of a user, role or policy of an account.
func entityTags(ctx context.Context, q querier, e identity.EntityARN) (tags map[string]string, err error) {
	table, ok := entityTables[e.Kind]
	if !ok {
		return nil, nil
	}
	text, ok, err := one(ctx, q, `SELECT tags FROM `+table+`
		WHERE account = @account AND folded = @folded AND name = @name AND path = @path`,
		args{"account": e.Account, "folded": identity.Fold(e.Name), "name": e.Name, "path": e.Path}, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("read tags of %s: %w", e.Kind, err)
	}
	if !ok {
		return nil, nil
	}
	return tags, fromInfoJSON(text, &tags)
}
