package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// StandsFor returns the thing that a certificate stands for in a connection
// with a client id, by the rule of [fleet.StandsFor], or nil. A certificate
// that is not there is a NotFound fault.
//
// It reads two rows, however many things the certificate has: one that is
// attached exclusively has no other attachment before it.
func (s *Store) StandsFor(ctx context.Context, sc fleet.Scope, certificate, clientID string) (
	thing *fleet.Thing, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		attached, err := all(ctx, q, standsForText, args{"scope": scope, "certificate": certificate, "client": clientID},
			scanAttachment)
		if err != nil {
			return fmt.Errorf("find thing of certificate: %w", err)
		}
		if len(attached) == 0 {
			return needPrincipal(ctx, q, scope, certificate)
		}
		if name := fleet.StandsFor(attached, clientID); name != "" {
			thing, err = findThing(ctx, q, scope, name)
		}
		return err
	})
	return thing, err
}

const standsForText = `SELECT thing, certificate, exclusive FROM thing_principals
	WHERE scope = @scope AND certificate = @certificate AND thing = @client
	UNION ALL
	SELECT thing, certificate, exclusive FROM (
		SELECT thing, certificate, exclusive FROM thing_principals
		WHERE scope = @scope AND certificate = @certificate ORDER BY thing LIMIT 1) first`

// EffectivePolicies lists, by name, the versions in force of the policies that
// some holders have, with their documents: those of the certificate, of the
// groups that the thing is in, of the group, and of all ancestors of the
// groups. A holder that is not there is a NotFound fault.
func (s *Store) EffectivePolicies(ctx context.Context, sc fleet.Scope, h fleet.Holders) (
	list []fleet.PolicyVersion, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := needHolders(ctx, q, scope, h); err != nil {
			return err
		}
		targets, err := holderTargets(ctx, q, scope, h)
		if err != nil {
			return fmt.Errorf("find groups of holders: %w", err)
		}
		a := args{"scope": scope}
		list, err = all(ctx, q, `SELECT p.seq, p.name, v.version, v.document, v.created_at
			FROM policies p JOIN policy_versions v
				ON v.scope = p.scope AND v.policy = p.name AND v.version = p.default_version
			WHERE p.scope = @scope AND p.name IN (
				SELECT policy FROM policy_targets WHERE scope = @scope AND `+q.dialect().in("target", "targets", a, targets)+`)
			ORDER BY p.name`, a, scanEffective)
		if err != nil {
			return fmt.Errorf("list effective policies: %w", err)
		}
		return nil
	})
	return list, err
}

// holderTargets returns the holders and the groups that they have policies
// from, as the targets of policies.
func holderTargets(ctx context.Context, q querier, scope int64, h fleet.Holders) ([]string, error) {
	targets := []string{fleet.Target{Kind: fleet.TargetCertificate, Name: h.Certificate}.String()}
	if h.Thing == "" && h.Group == "" {
		return targets, nil
	}
	groups, err := groupTargets(ctx, q, scope, h.Group, h.Thing)
	return append(targets, groups...), err
}

// groupTargets returns, as the targets of policies, a group and those that a
// thing is in, either of them "" for none, and all above these.
func groupTargets(ctx context.Context, q querier, scope int64, group, thing string) ([]string, error) {
	places, err := all(ctx, q, `SELECT g.seq, g.path FROM group_members m JOIN thing_groups g ON g.seq = m.thing_group
		WHERE m.scope = @scope AND m.thing = @thing
		UNION ALL SELECT g.seq, g.path FROM thing_groups g WHERE g.scope = @scope AND g.name = @group`,
		args{"scope": scope, "thing": thing, "group": group},
		func(r scanner) (p fleet.Place, err error) { return p, r.Scan(&p.Seq, &p.Path) })
	if err != nil {
		return nil, fmt.Errorf("find groups: %w", err)
	}
	numbers := map[int64]bool{}
	for _, p := range places {
		numbers[p.Seq] = true
		for _, n := range p.Above() {
			numbers[n] = true
		}
	}
	names, err := namesOfNumbers(ctx, q, slices.Sorted(maps.Keys(numbers)))
	for i, name := range names {
		names[i] = fleet.Target{Kind: fleet.TargetGroup, Name: name}.String()
	}
	return names, err
}

func scanEffective(r scanner) (v fleet.PolicyVersion, err error) {
	var created int64
	err = r.Scan(&v.Seq, &v.Policy, &v.Version, &v.Document, &created)
	v.Default, v.Created = true, fromMillis(created)
	return v, err
}

// needHolders returns a NotFound fault when one of the holders is not there.
func needHolders(ctx context.Context, q querier, scope int64, h fleet.Holders) error {
	if h.Certificate != "" {
		if err := needPrincipal(ctx, q, scope, h.Certificate); err != nil {
			return err
		}
	}
	if h.Thing != "" {
		if err := needThing(ctx, q, scope, h.Thing); err != nil {
			return err
		}
	}
	if h.Group != "" {
		return needTarget(ctx, q, scope, fleet.Target{Kind: fleet.TargetGroup, Name: h.Group})
	}
	return nil
}
