package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/identity"
)

const (
	// detailChunk is how many users, groups, roles or policies are read at once.
	detailChunk = 100
	// maxDetailBytes ends a page of details: its documents have about as many
	// bytes, and those of one more chunk at most.
	maxDetailBytes = 1 << 20
)

// AccountDetails returns a page of the identities of an account and their
// policies, and where the next one begins, or nil behind the last. A page may be
// shorter than its limit, where its documents are long.
func (s *Store) AccountDetails(ctx context.Context, account string, p identity.DetailPage) (
	*identity.Details, *identity.DetailPlace, error,
) {
	d, next, err := details(ctx, s.read, account, p)
	for i := range d.Policies {
		if p := &d.Policies[i].ManagedPolicy; err == nil && p.Seq == 0 {
			err = s.countAWSUses(ctx, account, p)
		}
	}
	return d, next, err
}

func details(ctx context.Context, q querier, account string, p identity.DetailPage) (
	*identity.Details, *identity.DetailPlace, error,
) {
	r := detailReader{ctx: ctx, q: q, account: account, out: &identity.Details{}}
	from := slices.Index(identity.DetailKinds, p.After.Kind)
	for i, kind := range identity.DetailKinds {
		if i < from || !slices.Contains(p.Kinds, kind) {
			continue
		}
		at := identity.EntityPlace{}
		if i == from {
			at = p.After.EntityPlace
		}
		for more := true; more; {
			left := p.Limit - r.out.Len()
			if left <= 0 || r.size > maxDetailBytes {
				return r.out, &identity.DetailPlace{Kind: kind, EntityPlace: at}, nil
			}
			page := identity.EntityPage{Prefix: "/", After: at, Limit: min(left, detailChunk)}
			n, last, err := r.read(kind, page)
			if err != nil {
				return &identity.Details{}, nil, err
			}
			if more = n == page.Limit; n > 0 {
				at = last
			}
		}
	}
	return r.out, nil, nil
}

// detailReader reads the details of one account.
type detailReader struct {
	ctx     context.Context
	q       querier
	account string
	out     *identity.Details
	size    int // of the documents that were read, in bytes
}

// read adds a page of a kind and returns how many there were, and the last.
func (r *detailReader) read(kind identity.DetailKind, p identity.EntityPage) (int, identity.EntityPlace, error) {
	switch kind {
	case identity.DetailUser:
		return r.users(p)
	case identity.DetailGroup:
		return r.groups(p)
	case identity.DetailRole:
		return r.roles(p)
	case identity.DetailPolicy:
		return r.policies(p)
	default:
		return r.awsPolicies(p)
	}
}

func (r *detailReader) users(p identity.EntityPage) (n int, last identity.EntityPlace, err error) {
	list, err := userTable.list(r.ctx, r.q, r.account, p)
	if err != nil || len(list) == 0 {
		return 0, last, err
	}
	seqs := collectPointers(list, func(u *identity.User) int64 { return u.Seq })
	held, err := r.holdings(identity.OwnerUser, seqs)
	if err != nil {
		return 0, last, err
	}
	groups, err := r.groupNames(seqs)
	for _, u := range list {
		r.out.Users = append(r.out.Users, identity.UserDetail{User: *u, Holding: held[u.Seq], Groups: groups[u.Seq]})
		last = u.Place()
	}
	return len(list), last, err
}

func (r *detailReader) groups(p identity.EntityPage) (n int, last identity.EntityPlace, err error) {
	list, err := userGroupTable.list(r.ctx, r.q, r.account, p)
	if err != nil || len(list) == 0 {
		return 0, last, err
	}
	held, err := r.holdings(identity.OwnerGroup, collectPointers(list, func(g *identity.Group) int64 { return g.Seq }))
	for _, g := range list {
		r.out.Groups = append(r.out.Groups, identity.GroupDetail{Group: *g, Holding: held[g.Seq]})
		last = g.Place()
	}
	return len(list), last, err
}

func (r *detailReader) roles(p identity.EntityPage) (n int, last identity.EntityPlace, err error) {
	list, err := roleTable.list(r.ctx, r.q, r.account, p)
	if err != nil || len(list) == 0 {
		return 0, last, err
	}
	held, err := r.holdings(identity.OwnerRole, collectPointers(list, func(o *identity.Role) int64 { return o.Seq }))
	for _, o := range list {
		r.size += len(o.Trust)
		r.out.Roles = append(r.out.Roles, identity.RoleDetail{Role: *o, Holding: held[o.Seq]})
		last = o.Place()
	}
	return len(list), last, err
}

func (r *detailReader) policies(p identity.EntityPage) (n int, last identity.EntityPlace, err error) {
	list, err := managedTable.list(r.ctx, r.q, r.account, p)
	if err != nil || len(list) == 0 {
		return 0, last, err
	}
	return len(list), list[len(list)-1].Place(), r.addPolicies(list)
}

// addPolicies adds policies with their versions.
func (r *detailReader) addPolicies(list []*identity.ManagedPolicy) error {
	versions, err := r.versions(collectPointers(list, func(m *identity.ManagedPolicy) int64 { return m.Seq }))
	if err != nil {
		return err
	}
	for _, m := range list {
		for i := range versions[m.Seq] {
			versions[m.Seq][i].Default = versions[m.Seq][i].Number == m.Default
		}
		r.out.Policies = append(r.out.Policies, identity.PolicyDetail{ManagedPolicy: *m, Versions: versions[m.Seq]})
	}
	return nil
}

// holdings reads the policies that owners hold, by their numbers.
func (r *detailReader) holdings(kind identity.OwnerKind, seqs []int64) (map[int64]identity.Holding, error) {
	held := map[int64]identity.Holding{}
	a := args{"kind": string(kind)}
	_, err := all(r.ctx, r.q, `SELECT owner_seq, name, document FROM iam_inline_policies
		WHERE owner_kind = @kind AND `+r.q.dialect().in("owner_seq", "seqs", a, seqs)+` ORDER BY owner_seq, name`, a,
		func(row scanner) (none struct{}, err error) {
			var seq int64
			var p identity.InlinePolicy
			if err := row.Scan(&seq, &p.Name, &p.Document); err != nil {
				return none, err
			}
			h := held[seq]
			h.Inline = append(h.Inline, p)
			held[seq] = h
			r.size += len(p.Document)
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("read inline policies: %w", err)
	}
	a = args{"kind": string(kind)}
	_, err = all(r.ctx, r.q, `SELECT owner_seq, policy_arn FROM iam_attachments
		WHERE owner_kind = @kind AND `+r.q.dialect().in("owner_seq", "seqs", a, seqs)+` ORDER BY owner_seq, policy_arn`, a,
		func(row scanner) (none struct{}, err error) {
			var seq int64
			var arn string
			if err := row.Scan(&seq, &arn); err != nil {
				return none, err
			}
			h := held[seq]
			h.Attached = append(h.Attached, arn)
			held[seq] = h
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("read attached policies: %w", err)
	}
	return held, nil
}

// groupNames reads the groups of users, by the numbers of the users.
func (r *detailReader) groupNames(users []int64) (map[int64][]string, error) {
	names, a := map[int64][]string{}, args{}
	_, err := all(r.ctx, r.q, `SELECT m.user_seq, g.name FROM iam_group_members m JOIN iam_groups g ON g.seq = m.group_seq
		WHERE `+r.q.dialect().in("m.user_seq", "seqs", a, users), a,
		func(row scanner) (none struct{}, err error) {
			var seq int64
			var name string
			if err := row.Scan(&seq, &name); err != nil {
				return none, err
			}
			names[seq] = append(names[seq], name)
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("read groups of users: %w", err)
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names, nil
}

// versions reads the versions of policies, by the numbers of the policies.
func (r *detailReader) versions(policies []int64) (map[int64][]identity.PolicyVersion, error) {
	versions, a := map[int64][]identity.PolicyVersion{}, args{}
	_, err := all(r.ctx, r.q, `SELECT policy_seq, version, document, created_at FROM iam_policy_versions
		WHERE `+r.q.dialect().in("policy_seq", "seqs", a, policies)+` ORDER BY policy_seq, version`, a,
		func(row scanner) (none struct{}, err error) {
			var seq, created int64
			var v identity.PolicyVersion
			if err := row.Scan(&seq, &v.Number, &v.Document, &created); err != nil {
				return none, err
			}
			v.Created = fromMillis(created)
			versions[seq] = append(versions[seq], v)
			r.size += len(v.Document)
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("read versions of policies: %w", err)
	}
	return versions, nil
}

// awsPolicies adds the policies of AWS that the account uses, by ARN.
func (r *detailReader) awsPolicies(p identity.EntityPage) (n int, last identity.EntityPlace, err error) {
	const prefix = "arn:aws:iam::" + identity.AWSAccount + ":"
	a := args{
		"account": r.account, "after": max(p.After.Name, prefix), "end": prefix + lastText, "limit": p.Limit,
	}
	arns, err := all(r.ctx, r.q, `SELECT arn FROM (
			SELECT policy_arn AS arn FROM iam_attachments
				WHERE account = @account AND policy_arn > @after AND policy_arn < @end
			UNION SELECT boundary FROM iam_users WHERE account = @account AND boundary > @after AND boundary < @end
				AND boundary <> ''
			UNION SELECT boundary FROM iam_roles WHERE account = @account AND boundary > @after AND boundary < @end
				AND boundary <> '') used
		ORDER BY arn LIMIT @limit`, a, scalar[string])
	if err != nil {
		return 0, last, fmt.Errorf("list policies of AWS: %w", err)
	}
	for _, arn := range arns {
		last.Name = arn
		if m := identity.AWSPolicy(arn); m != nil {
			v := identity.AWSPolicyVersion(arn)
			r.size += len(v.Document)
			r.out.Policies = append(r.out.Policies, identity.PolicyDetail{
				ManagedPolicy: *m, Versions: []identity.PolicyVersion{*v},
			})
		} else if err := r.imported(arn); err != nil {
			return 0, last, err
		}
	}
	return len(arns), last, nil
}

// imported adds a policy of AWS that the account has imported, if it has.
func (r *detailReader) imported(arn string) error {
	m, ok, err := findManagedPolicy(r.ctx, r.q, r.account, arn)
	if err != nil || !ok {
		return err
	}
	return r.addPolicies([]*identity.ManagedPolicy{m})
}

// collectPointers is collect for a list of pointers.
func collectPointers[T, V any](list []*T, of func(*T) V) []V {
	out := make([]V, len(list))
	for i, item := range list {
		out[i] = of(item)
	}
	return out
}
