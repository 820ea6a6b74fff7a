package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// rightNames bounds the names in one entry of the feed.
const rightNames = 1000

// noteRights tells gateways of a change that may take rights, which the
// transaction has made. Without names there was none.
func noteRights(ctx context.Context, q querier, scope int64, kind fleet.RightKind, names ...string) error {
	for part := range slices.Chunk(names, rightNames) {
		if _, err := noteEntry(ctx, q, scope, fleet.RightChange{Kind: kind, Names: part}); err != nil {
			return err
		}
	}
	return nil
}

// noteTarget tells gateways of a change to the policies of a target.
func noteTarget(ctx context.Context, q querier, scope int64, t fleet.Target) error {
	if t.Kind == fleet.TargetGroup {
		return noteRights(ctx, q, scope, fleet.RightGroup, t.Name)
	}
	return noteRights(ctx, q, scope, fleet.RightCertificate, t.Name)
}

// noteEntry stores one entry of the feed and returns its number.
func noteEntry(ctx context.Context, q querier, scope int64, c fleet.RightChange) (seq int64, err error) {
	detail := ""
	if c.Order != nil {
		detail = toJSON(c.Order)
	}
	seq, err = count(ctx, q, `INSERT INTO right_changes (account, region, kind, names, detail, at)
		SELECT account, region, CAST(@kind AS TEXT), CAST(@names AS TEXT), CAST(@detail AS TEXT), `+q.dialect().now+`
		FROM scopes WHERE scope = @scope RETURNING seq`,
		args{"scope": scope, "kind": string(c.Kind), "names": toJSON(c.Names), "detail": detail})
	if err != nil {
		return 0, fmt.Errorf("note change of rights: %w", err)
	}
	return seq, nil
}

// noteAccount tells gateways of a change to an account as a whole.
func noteAccount(ctx context.Context, q querier, account string) error {
	if _, err := q.exec(ctx, `INSERT INTO right_changes (account, region, kind, names, detail, at)
		VALUES (@account, '', @kind, '[]', '', `+q.dialect().now+`)`,
		args{"account": account, "kind": string(fleet.RightAccount)}); err != nil {
		return fmt.Errorf("note change of account: %w", err)
	}
	return nil
}

// WriteClientOrder has the gateways of all nodes end the connections of at most
// a thousand client ids. The claim it returns is that of a connection which
// took them over, if there is one: a later claim is higher, on whatever node. In
// a scope that nothing was ever stored in there is nobody to end, and no claim.
func (s *Store) WriteClientOrder(ctx context.Context, sc fleet.Scope, clientIDs []string, o fleet.ClientOrder) (
	claim int64, err error,
) {
	if len(clientIDs) > rightNames {
		return 0, fmt.Errorf("order the end of %d client ids at once, of %d at most", len(clientIDs), rightNames)
	}
	o.Claim = 0 // it is the number of the entry, see scanRight
	var scope int64
	err = s.reading(ctx, sc, func(_ querier, n int64) error {
		scope = n
		return nil
	})
	if err != nil || scope == 0 {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		claim, err = noteEntry(ctx, q, scope, fleet.RightChange{Kind: fleet.RightClient, Names: clientIDs, Order: &o})
		return err
	})
	return claim, err
}
