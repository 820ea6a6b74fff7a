package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// entityTable is a table of users, groups, roles or policies of accounts, whose
// names are unique without case.
type entityTable[T any] struct {
	name    string
	columns string
	title   string // what one is called where a name is taken
	quota   string // what is said where there are too many
	scan    func(scanner) (*T, error)
}

var (
	userTable = entityTable[identity.User]{
		"iam_users", "seq, account, id, name, path, boundary, tags, created_at", "User", "UsersPerAccount", scanUser,
	}
	roleTable = entityTable[identity.Role]{
		"iam_roles", `seq, account, id, name, path, trust, description, max_session, boundary, tags, created_at,
			last_used_at, last_used_region`, "Role", "RolesPerAccount", scanRole,
	}
	userGroupTable = entityTable[identity.Group]{
		"iam_groups", "seq, account, id, name, path, created_at", "Group", "GroupsPerAccount", scanUserGroup,
	}
	managedTable = entityTable[identity.ManagedPolicy]{
		"iam_policies", `seq, account, id, name, path, description, default_version, attached, bounds, tags, created_at,
			updated_at`, "Policy", "PoliciesPerAccount", scanManagedPolicy,
	}
	ownerTables = map[identity.OwnerKind]struct{ name, quota string }{
		identity.OwnerUser:  {"iam_users", "PoliciesPerUser"},
		identity.OwnerRole:  {"iam_roles", "PoliciesPerRole"},
		identity.OwnerGroup: {"iam_groups", "PoliciesPerGroup"},
	}
)

// newEntity is what a row of an [entityTable] begins with.
type newEntity struct {
	account, id, name, path string
	most                    int
}

// insert stores a row with some more columns and returns its number. It is for
// transactions of [Store.writeIAM], which come one behind the other.
func (t entityTable[T]) insert(ctx context.Context, q querier, e newEntity, more args) (int64, error) {
	taken, err := count(ctx, q, `SELECT count(*) FROM `+t.name+` WHERE account = @account AND folded = @folded`,
		args{"account": e.account, "folded": identity.Fold(e.name)})
	if err != nil {
		return 0, fmt.Errorf("look for a name in %s: %w", t.name, err)
	}
	if taken > 0 {
		return 0, fault.New(fault.Exists, "%s with name %s already exists.", t.title, e.name)
	}
	have, err := count(ctx, q, `SELECT count(*) FROM `+t.name+` WHERE account = @account`, args{"account": e.account})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", t.name, err)
	}
	if have >= int64(e.most) {
		return 0, fault.New(fault.Limit, "Cannot exceed quota for %s: %d", t.quota, e.most)
	}
	seqs, err := nextSeq(ctx, q, 1)
	if err != nil {
		return 0, fmt.Errorf("number a row of %s: %w", t.name, err)
	}
	values := args{
		"seq": seqs[0], "account": e.account, "id": e.id, "name": e.name, "folded": identity.Fold(e.name),
		"path": e.path,
	}
	maps.Copy(values, more)
	return seqs[0], insertOne(ctx, q, t.name, values)
}

// insertOne stores a row, of which the arguments are named as the columns.
func insertOne(ctx context.Context, q querier, table string, values args) error {
	names := slices.Sorted(maps.Keys(values))
	text := `INSERT INTO ` + table + ` (` + strings.Join(names, ", ") + `) VALUES (@` + strings.Join(names, ", @") + `)`
	if _, err := q.exec(ctx, text, values); err != nil {
		return fmt.Errorf("store a row of %s: %w", table, err)
	}
	return nil
}

// find returns a row by its exact name; ok is false when there is none.
func (t entityTable[T]) find(ctx context.Context, q querier, account, name string) (found *T, ok bool, err error) {
	found, ok, err = one(ctx, q, `SELECT `+t.columns+` FROM `+t.name+`
		WHERE account = @account AND folded = @folded AND name = @name`,
		args{"account": account, "folded": identity.Fold(name), "name": name}, t.scan)
	if err != nil {
		return nil, false, fmt.Errorf("find a row of %s: %w", t.name, err)
	}
	return found, ok, nil
}

// list returns a page of rows by path and name.
func (t entityTable[T]) list(ctx context.Context, q querier, account string, p identity.EntityPage) ([]*T, error) {
	if p.After.Seq != 0 {
		var err error
		if p.After, err = t.placed(ctx, q, account, p.After.Seq); err != nil {
			return nil, err
		}
	}
	list, err := all(ctx, q, `SELECT `+t.columns+` FROM `+t.name+`
		WHERE account = @account AND (path, folded) > (@path, @name) AND path < @end`+usageConditions[p.Usage]+`
		ORDER BY path, folded LIMIT @limit`,
		args{
			"account": account, "path": max(p.After.Path, p.Prefix), "name": p.After.Name, "end": p.Prefix + lastText,
			"limit": p.Limit,
		}, t.scan)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.name, err)
	}
	return list, nil
}

// placed returns where the row with a number stands. One that is gone is an
// Invalid fault.
func (t entityTable[T]) placed(ctx context.Context, q querier, account string, seq int64) (
	identity.EntityPlace, error,
) {
	place, ok, err := one(ctx, q, `SELECT path, folded FROM `+t.name+` WHERE seq = @seq AND account = @account`,
		args{"seq": seq, "account": account},
		func(r scanner) (p identity.EntityPlace, err error) { return p, r.Scan(&p.Path, &p.Name) })
	if err != nil {
		return place, fmt.Errorf("find a place in %s: %w", t.name, err)
	}
	if !ok {
		return place, fault.New(fault.Invalid, "What the marker stands behind was deleted: list from the beginning.")
	}
	return place, nil
}

// noSuchEntity is what is said where there is no row of a name.
func noSuchEntity(kind, name string) error {
	return fault.New(fault.NotFound, "The %s with name %s cannot be found.", kind, name)
}

// ownerSeq returns the number of an owner of policies, or a NotFound fault.
func ownerSeq(ctx context.Context, q querier, o identity.Owner) (int64, error) {
	t := ownerTables[o.Kind]
	seq, ok, err := one(ctx, q, `SELECT seq FROM `+t.name+`
		WHERE account = @account AND folded = @folded AND name = @name`,
		args{"account": o.Account, "folded": identity.Fold(o.Name), "name": o.Name}, scalar[int64])
	if err != nil {
		return 0, fmt.Errorf("find a row of %s: %w", t.name, err)
	}
	if !ok {
		return 0, noSuchEntity(string(o.Kind), o.Name)
	}
	return seq, nil
}

// deleteOwner removes an owner of policies that has none. It is for transactions
// of [Store.writeIAM].
func deleteOwner(ctx context.Context, q querier, o identity.Owner, seq int64, boundary string) error {
	a := args{"kind": string(o.Kind), "seq": seq}
	for _, has := range []struct{ table, text string }{
		{"iam_attachments", "Cannot delete entity, must detach all policies first."},
		{"iam_inline_policies", "Cannot delete entity, must delete policies first."},
	} {
		n, err := count(ctx, q, `SELECT count(*) FROM `+has.table+` WHERE owner_kind = @kind AND owner_seq = @seq`, a)
		if err != nil {
			return fmt.Errorf("count policies: %w", err)
		}
		if n > 0 {
			return fault.New(fault.DeleteConflict, "%s", has.text)
		}
	}
	if err := asBoundary.add(ctx, q, o.Account, boundary, -1); err != nil {
		return err
	}
	if _, err := q.exec(ctx, `DELETE FROM `+ownerTables[o.Kind].name+` WHERE seq = @seq`, args{"seq": seq}); err != nil {
		return fmt.Errorf("delete %s: %w", o.Kind, err)
	}
	return nil
}
