package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func scanUserGroup(r scanner) (*identity.Group, error) {
	g := &identity.Group{}
	var created int64
	err := r.Scan(&g.Seq, &g.Account, &g.ID, &g.Name, &g.Path, &created)
	g.Created = fromMillis(created)
	return g, err
}

// CreateUserGroup stores a new group of users and sets its number. A name that
// is taken is an Exists fault, one group more than the account may have Limit.
func (s *Store) CreateUserGroup(ctx context.Context, g *identity.Group) error {
	return s.writeIAM(ctx, g.Account, func(ctx context.Context, q querier) error {
		return s.insertUserGroup(ctx, q, g)
	})
}

func (s *Store) insertUserGroup(ctx context.Context, q querier, g *identity.Group) (err error) {
	g.Seq, err = userGroupTable.insert(ctx, q, newEntity{g.Account, g.ID, g.Name, g.Path, s.quotas.UserGroups},
		args{"created_at": g.Created.UnixMilli()})
	return err
}

// UserGroups lists groups of users by path and name.
func (s *Store) UserGroups(ctx context.Context, account string, p identity.EntityPage) ([]*identity.Group, error) {
	return userGroupTable.list(ctx, s.read, account, p)
}

// AddUserToGroup gives a user the policies of a group. One group more than a
// user may be in is a Limit fault.
func (s *Store) AddUserToGroup(ctx context.Context, account, group, user string) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		return s.joinGroup(ctx, q, account, group, user)
	})
}

func (s *Store) joinGroup(ctx context.Context, q querier, account, group, user string) error {
	groupSeq, err := ownerSeq(ctx, q, identity.Owner{Kind: identity.OwnerGroup, Account: account, Name: group})
	if err != nil {
		return err
	}
	userSeq, err := ownerSeq(ctx, q, identity.Owner{Kind: identity.OwnerUser, Account: account, Name: user})
	if err != nil {
		return err
	}
	a := args{"user": userSeq, "group": groupSeq}
	if _, err := q.exec(ctx, `INSERT INTO iam_group_members (user_seq, group_seq) VALUES (@user, @group)
		ON CONFLICT (user_seq, group_seq) DO NOTHING`, a); err != nil {
		return fmt.Errorf("add user to group: %w", err)
	}
	n, err := count(ctx, q, `SELECT count(*) FROM iam_group_members WHERE user_seq = @user`, args{"user": userSeq})
	if err != nil {
		return fmt.Errorf("count groups of a user: %w", err)
	}
	if n > int64(s.quotas.GroupsPerUser) {
		return fault.New(fault.Limit, "Cannot exceed quota for GroupsPerUser: %d", s.quotas.GroupsPerUser)
	}
	return nil
}

// GroupsOfUser lists the names of the groups that a user is in.
func (s *Store) GroupsOfUser(ctx context.Context, account, user string) ([]string, error) {
	seq, err := ownerSeq(ctx, s.read, identity.Owner{Kind: identity.OwnerUser, Account: account, Name: user})
	if err != nil {
		return nil, err
	}
	names, err := all(ctx, s.read, `SELECT g.name FROM iam_group_members m JOIN iam_groups g ON g.seq = m.group_seq
		WHERE m.user_seq = @seq ORDER BY m.group_seq`, args{"seq": seq}, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("list groups of a user: %w", err)
	}
	return names, nil
}
