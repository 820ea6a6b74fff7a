package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// StandsFor returns the thing that a certificate stands for in a connection
// with a client id, by the rule of [fleet.StandsFor], or nil. A certificate
// that is not there is a NotFound fault.
func (s *Store) StandsFor(ctx context.Context, sc fleet.Scope, certificate, clientID string) (*fleet.Thing, error) {
	list, err := s.Devices(ctx, sc, []fleet.DeviceRef{{Certificate: certificate, ClientID: clientID}})
	if err != nil {
		return nil, err
	}
	if list[0].Certificate == nil {
		return nil, noCertificate(certificate)
	}
	return list[0].Thing, nil
}

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
		a := args{"scope": scope, "certificate": h.Certificate, "thing": h.Thing, "group": h.Group}
		list, err = all(ctx, q, effectiveText.text(q.dialect()), a, scanPolicyVersion)
		if err != nil {
			return fmt.Errorf("list effective policies: %w", err)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b fleet.PolicyVersion) int { return cmp.Compare(a.Policy, b.Policy) })
	return list, err
}

// holderText is the table of one holder, see treeText.
const holderText = `WITH RECURSIVE holders (n, certificate, thing, grp) AS (
		SELECT 0, CAST(@certificate AS TEXT), CAST(@thing AS TEXT), CAST(@group AS TEXT)),
	`

var effectiveText = nest(holderText + treeText + `
	SELECT p.seq, p.name, v.version, TRUE, v.document, v.created_at
	FROM (SELECT DISTINCT t.policy AS name FROM held h
			CROSS JOIN policy_targets t ON (t.scope = @scope AND t.target = h.target)) d
		CROSS JOIN policies p ON (p.scope = @scope AND p.name = d.name)
		CROSS JOIN policy_versions v ON (v.scope = @scope AND v.policy = d.name AND v.version = p.default_version)`)

func scanPolicyVersion(r scanner) (v fleet.PolicyVersion, err error) {
	var created int64
	err = r.Scan(&v.Seq, &v.Policy, &v.Version, &v.Default, &v.Document, &created)
	v.Created = fromMillis(created)
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
