package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// AttachPolicy attaches a policy to a target; one that is attached already is
// fine. A policy or target that is not there is a NotFound fault, a target that
// has all the policies it may have Limit, a dynamic thing group Invalid.
func (s *Store) AttachPolicy(ctx context.Context, sc fleet.Scope, name string, t fleet.Target) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		// No other attachment to the target, nor its removal, comes between.
		if err := lockRows(ctx, q, targetRows(t), scope, t.Name); err != nil {
			return fmt.Errorf("lock target of policy: %w", err)
		}
		if err := mayCarryPolicies(ctx, q, scope, t); err != nil {
			return err
		}
		if t.Kind == fleet.TargetCertificate {
			if err := notMoving(ctx, q, scope, t.Name); err != nil {
				return err
			}
		}
		have, err := all(ctx, q, `SELECT policy FROM policy_targets WHERE scope = @scope AND target = @target`,
			args{"scope": scope, "target": t.String()}, scalar[string])
		if err != nil {
			return fmt.Errorf("read policies of target: %w", err)
		}
		if slices.Contains(have, name) {
			return nil
		}
		if err := needPolicy(ctx, q, scope, name); err != nil {
			return err
		}
		if err := t.MayCarry(len(have)); err != nil {
			return err
		}
		_, err = q.exec(ctx, `INSERT INTO policy_targets (scope, policy, target, created_at)
			VALUES (@scope, @policy, @target, @now)`,
			args{"scope": scope, "policy": name, "target": t.String(), "now": s.millis()})
		if err != nil && q.dialect().reference(err) {
			return noPolicy(name) // deleted since we looked
		}
		if err != nil {
			return fmt.Errorf("attach policy: %w", err)
		}
		return noteTarget(ctx, q, scope, t)
	})
}

// targetRows is where a target is stored.
func targetRows(t fleet.Target) rowset {
	if t.Kind == fleet.TargetGroup {
		return groupRows
	}
	return certificateRows
}

// needTarget returns a NotFound fault when there is no such target.
func needTarget(ctx context.Context, q querier, scope int64, t fleet.Target) error {
	r := targetRows(t)
	n, err := count(ctx, q, `SELECT count(*) FROM `+r.table+` WHERE scope = @scope AND `+r.column+` = @name`,
		args{"scope": scope, "name": t.Name})
	if err != nil {
		return fmt.Errorf("find target of policy: %w", err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "there is no target %s", t)
	}
	return nil
}

// mayCarryPolicies returns a NotFound fault when there is no such target, and an
// Invalid one for a dynamic thing group.
func mayCarryPolicies(ctx context.Context, q querier, scope int64, t fleet.Target) error {
	if t.Kind != fleet.TargetGroup {
		return needTarget(ctx, q, scope, t)
	}
	g, err := findGroup(ctx, q, scope, t.Name)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "there is no target %s", t)
	}
	if err == nil && g.Dynamic != nil {
		return fault.New(fault.Invalid, "thing group %q is dynamic, and policies attach to static groups", t.Name)
	}
	return err
}

// DetachPolicy detaches a policy from a target; one that is not attached, or
// not there, is fine.
func (s *Store) DetachPolicy(ctx context.Context, sc fleet.Scope, name string, t fleet.Target) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		return detach(ctx, q, scope, name, t)
	})
}

func detach(ctx context.Context, q querier, scope int64, policy string, t fleet.Target) error {
	n, err := q.exec(ctx, `DELETE FROM policy_targets
		WHERE scope = @scope AND policy = @policy AND target = @target`,
		args{"scope": scope, "policy": policy, "target": t.String()})
	if err != nil {
		return fmt.Errorf("detach policy: %w", err)
	}
	if n == 0 {
		return nil
	}
	return noteTarget(ctx, q, scope, t)
}

// detachAll removes all policies from a target that is about to be deleted,
// which gateways are told of.
func detachAll(ctx context.Context, q querier, scope int64, t fleet.Target) error {
	if _, err := q.exec(ctx, `DELETE FROM policy_targets WHERE scope = @scope AND target = @target`,
		args{"scope": scope, "target": t.String()}); err != nil {
		return fmt.Errorf("detach policies: %w", err)
	}
	return nil
}

// AttachedPolicies lists the names of the policies of a target, or returns a
// NotFound fault when there is no such target.
func (s *Store) AttachedPolicies(ctx context.Context, sc fleet.Scope, t fleet.Target, p fleet.AttachedPage) (
	list []string, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := needTarget(ctx, q, scope, t); err != nil {
			return err
		}
		if p.Parents && t.Kind == fleet.TargetGroup {
			list, err = inheritedPolicies(ctx, q, scope, t.Name, p)
			return err
		}
		list, err = all(ctx, q, `SELECT policy FROM policy_targets WHERE scope = @scope AND target = @target
			AND policy > @after ORDER BY policy LIMIT @limit`,
			args{"scope": scope, "target": t.String(), "after": p.After, "limit": p.Limit}, scalar[string])
		if err != nil {
			return fmt.Errorf("list policies of target: %w", err)
		}
		return nil
	})
	return list, err
}

var inheritedText = nest(holderText + treeText + `
	SELECT t.policy FROM held h CROSS JOIN policy_targets t
		ON (t.scope = @scope AND t.target = h.target AND t.policy > @after)`)

// inheritedPolicies lists the policies of a group and of all above it. They are
// few: a hierarchy has few levels, and a group few policies.
func inheritedPolicies(ctx context.Context, q querier, scope int64, group string, p fleet.AttachedPage) (
	[]string, error,
) {
	list, err := all(ctx, q, inheritedText.text(q.dialect()),
		args{"scope": scope, "certificate": "", "thing": "", "group": group, "after": p.After}, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("list policies of target: %w", err)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), p.Limit)], nil
}

// PolicyTargets lists what a policy is attached to, or returns a NotFound
// fault.
func (s *Store) PolicyTargets(ctx context.Context, sc fleet.Scope, name string, p fleet.TargetPage) (
	list []fleet.Target, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := needPolicy(ctx, q, scope, name); err != nil {
			return err
		}
		list, err = policyTargets(ctx, q, scope, name, p)
		return err
	})
	return list, err
}

func policyTargets(ctx context.Context, q querier, scope int64, name string, p fleet.TargetPage) (
	[]fleet.Target, error,
) {
	list, err := all(ctx, q, `SELECT target FROM policy_targets WHERE scope = @scope AND policy = @policy
		AND target > @after ORDER BY target LIMIT @limit`,
		args{"scope": scope, "policy": name, "after": p.After, "limit": p.Limit},
		func(r scanner) (t fleet.Target, err error) {
			var text string
			err = r.Scan(&text)
			kind, name, _ := strings.Cut(text, "/")
			return fleet.Target{Kind: fleet.TargetKind(kind), Name: name}, err
		})
	if err != nil {
		return nil, fmt.Errorf("list targets of policy: %w", err)
	}
	return list, nil
}
