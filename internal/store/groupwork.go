package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// groupSlice is how many things a slice of work on a group looks at, unless the
// options say otherwise.
const groupSlice = 1000

// workKind is what has to be done about the members of a group.
type workKind string

const (
	removal workKind = "removal" // the group is gone: its members' rows go too
	finding workKind = "finding" // the group is dynamic: every thing is judged
)

// setGroupWork says what has to be done about a group from now on, and returns
// the workflow that does it. Any other that is at it ends.
func (s *Store) setGroupWork(ctx context.Context, q querier, scope, group int64, kind workKind) (
	fleet.GroupWork, error,
) {
	numbers, err := nextSeq(ctx, q, 1)
	if err != nil {
		return "", fmt.Errorf("number work on thing group: %w", err)
	}
	if _, err := q.exec(ctx, `INSERT INTO group_work (thing_group, scope, kind, generation, position, started_at)
		VALUES (@group, @scope, @kind, @generation, '', @now)
		ON CONFLICT (thing_group) DO UPDATE SET kind = @kind, generation = @generation, position = '', started_at = @now`,
		args{
			"group": group, "scope": scope, "kind": string(kind), "generation": numbers[0], "now": s.millis(),
		}); err != nil {
		return "", fmt.Errorf("store work on thing group: %w", err)
	}
	return workName(group, numbers[0]), nil
}

func workName(group, generation int64) fleet.GroupWork {
	return fleet.GroupWork(fmt.Sprintf("%d-%d", group, generation))
}

// GroupWork is the task of the workflows that do what is left to do about the
// members of groups. A slice takes so many things, and may be repeated:
// it removes what is left of a group that is gone, and judges things by the
// queries of all dynamic groups.
func (s *Store) GroupWork() durable.Task { return groupWork{s} }

type groupWork struct{ s *Store }

// What a slice looks at.
const (
	membersAfter = `SELECT thing FROM group_members WHERE thing_group = @group AND thing > @after
		ORDER BY thing LIMIT @limit`
	thingsAfter = `SELECT name FROM things WHERE scope = @scope AND name > @after ORDER BY name LIMIT @limit`
)

// work is a row of group_work.
type work struct {
	group, generation, scope int64
	kind                     workKind
	position                 string // the name of the last thing that was looked at
}

// Slice does the next part of the work on one group.
func (w groupWork) Slice(ctx context.Context, tx durable.Tx, id durable.ID) (more bool, err error) {
	return w.slice(ctx, w.s.slice(tx), id)
}

func (w groupWork) slice(ctx context.Context, q querier, id durable.ID) (more bool, err error) {
	do, err := w.lock(ctx, q, id)
	if err != nil || do == nil {
		return false, err
	}
	part := w.s.removeMembers
	if do.kind == finding {
		part = w.s.findMembers
	}
	if more, err = part(ctx, q, do); err != nil {
		return false, err
	}
	key := args{"group": do.group, "position": do.position}
	if more {
		_, err = q.exec(ctx, `UPDATE group_work SET position = @position WHERE thing_group = @group`, key)
	} else {
		_, err = q.exec(ctx, `DELETE FROM group_work WHERE thing_group = @group`, args{"group": do.group})
	}
	if err != nil {
		return false, fmt.Errorf("save work on thing group: %w", err)
	}
	return more, nil
}

// Abandon has another workflow do the work: left undone, it would leave a group
// without things that are in it, or things without places that are free.
func (w groupWork) Abandon(ctx context.Context, tx durable.Tx, id durable.ID, _ string) error {
	return w.abandon(ctx, w.s.slice(tx), id)
}

func (w groupWork) abandon(ctx context.Context, q querier, id durable.ID) error {
	do, err := w.lock(ctx, q, id)
	if err != nil || do == nil {
		return err
	}
	_, err = w.s.setGroupWork(ctx, q, do.scope, do.group, do.kind)
	return err
}

// lock reads the work that a workflow is for and keeps it from others until the
// slice ends. It is nil when it is done, or another workflow's.
func (w groupWork) lock(ctx context.Context, q querier, id durable.ID) (*work, error) {
	do := &work{}
	if _, err := fmt.Sscanf(id.Name, "%d-%d", &do.group, &do.generation); err != nil {
		return nil, fmt.Errorf("read name of work on thing group: %w", err)
	}
	scope, err := w.s.scope(ctx, q, fleet.Scope{Account: id.Account, Region: id.Region})
	if err != nil {
		return nil, err
	}
	if err := shareDynamic(ctx, q, scope); err != nil {
		return nil, err
	}
	_, ok, err := one(ctx, q, `UPDATE group_work SET position = position
		WHERE thing_group = @group AND generation = @generation AND scope = @scope RETURNING scope, kind, position`,
		args{"group": do.group, "generation": do.generation, "scope": scope},
		func(r scanner) (*work, error) { return do, r.Scan(&do.scope, &do.kind, &do.position) })
	if err != nil {
		return nil, fmt.Errorf("lock work on thing group: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return do, nil
}

// removeMembers removes the next members of a group that is gone, and has them
// judged: a place became free.
func (s *Store) removeMembers(ctx context.Context, q querier, do *work) (more bool, err error) {
	things, err := all(ctx, q, membersAfter,
		args{"group": do.group, "after": do.position, "limit": s.slices}, scalar[string])
	if err != nil {
		return false, fmt.Errorf("list members of thing group: %w", err)
	}
	if len(things) == 0 {
		return false, nil
	}
	if _, err := lockMemberships(ctx, q, do.scope, things); err != nil {
		return false, err
	}
	do.position = things[len(things)-1]
	return len(things) == s.slices, s.judge(ctx, q, do.scope, things)
}

// findMembers judges the next things by the query of a dynamic group. It locks
// those alone that have to join or leave: what others are changing at the same
// time, they judge themselves.
func (s *Store) findMembers(ctx context.Context, q querier, do *work) (more bool, err error) {
	set, err := s.dynamicGroups(ctx, q, do.scope)
	if err != nil {
		return false, err
	}
	things, err := all(ctx, q, thingsAfter,
		args{"scope": do.scope, "after": do.position, "limit": s.slices}, scalar[string])
	if err != nil {
		return false, fmt.Errorf("list things: %w", err)
	}
	if len(things) > 0 {
		do.position = things[len(things)-1]
		astray, err := s.astray(ctx, q, do, set.only(do.group), things)
		if err == nil {
			err = s.judge(ctx, q, do.scope, astray)
		}
		if err != nil || len(things) == s.slices {
			return err == nil, err
		}
	}
	if _, err := q.exec(ctx, `UPDATE thing_groups SET status = @status WHERE seq = @group`,
		args{"group": do.group, "status": string(fleet.GroupActive)}); err != nil {
		return false, fmt.Errorf("activate thing group: %w", err)
	}
	return false, nil
}

// only is one of the groups.
func (set *dynamicSet) only(group int64) *dynamicSet {
	for i, g := range set.groups {
		if g.membership.Seq == group {
			return &dynamicSet{groups: set.groups[i : i+1]}
		}
	}
	return &dynamicSet{}
}

// astray lists the things that are not where the groups' queries want them.
func (s *Store) astray(ctx context.Context, q querier, do *work, set *dynamicSet, things []string) (
	list []string, err error,
) {
	in, _, err := memberships(ctx, q, do.scope, things)
	if err != nil {
		return nil, err
	}
	docs, err := judgedDocuments(ctx, q, do.scope, things, in)
	for _, d := range docs {
		if leave, join := fleet.Judge(in[d.Name], set.verdicts(d)); len(leave)+len(join) > 0 {
			list = append(list, d.Name)
		}
	}
	return list, err
}
