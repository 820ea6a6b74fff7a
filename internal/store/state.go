package store

import (
	"context"
	"fmt"
	"maps"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// states reads what a plan needs of resources, by their key.
func states[T any](ctx context.Context, s *Store, tx durable.Tx, sc fleet.Scope, read stateQuery[T]) (
	map[string]*T, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return read.run(ctx, q, args{"scope": scope})
}

// stateQuery reads some rows of a table of the registry by a column of theirs.
type stateQuery[T any] struct {
	text   string // up to the condition on the column
	column string
	keys   any    // []string or []int64
	tail   string // behind it
	scan   func(scanner) (T, error)
	key    func(*T) string
}

func (read *stateQuery[T]) run(ctx context.Context, q querier, a args) (map[string]*T, error) {
	list, err := all(ctx, q, read.text+q.dialect().in(read.column, "keys", a, read.keys)+read.tail, a, read.scan)
	if err != nil {
		return nil, fmt.Errorf("read resources: %w", err)
	}
	out := make(map[string]*T, len(list))
	for i := range list {
		out[read.key(&list[i])] = &list[i]
	}
	return out, nil
}

// CertificateStates returns some certificates with their number and status
// alone.
func (s *Store) CertificateStates(ctx context.Context, tx durable.Tx, sc fleet.Scope, list []audit.Resource) (
	map[string]*fleet.Certificate, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return certificateStates(ctx, q, scope, list)
}

// certificateStates finds certificates by the number that they had, which
// leads to the row without the index of ids, which have no order. Where it does
// not, because the id was registered anew, the id does.
func certificateStates(ctx context.Context, q querier, scope int64, list []audit.Resource) (
	map[string]*fleet.Certificate, error,
) {
	read := stateQuery[fleet.Certificate]{
		text: `SELECT seq, id, status FROM certificates WHERE `, column: "seq", keys: numbersIn(scope, list),
		scan: scanCertificateState, key: func(c *fleet.Certificate) string { return c.ID },
	}
	out, err := read.run(ctx, q, args{})
	if err != nil {
		return nil, err
	}
	var missing []string
	for i := range list {
		if out[list[i].Key] == nil {
			missing = append(missing, list[i].Key)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	read.text, read.column, read.keys = read.text+`scope = @scope AND `, "id", missing
	more, err := read.run(ctx, q, args{"scope": scope})
	maps.Copy(out, more)
	return out, err
}

// numbersIn are the numbers of resources that certificates of a scope can have.
func numbersIn(scope int64, list []audit.Resource) []int64 {
	first, last := certificateRange(scope)
	numbers := make([]int64, 0, len(list))
	for i := range list {
		if n := list[i].Seq; n >= first && n <= last {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func scanCertificateState(r scanner) (c fleet.Certificate, err error) {
	var status string // to the driver a Status could be anything, which is slow
	err = r.Scan(&c.Seq, &c.ID, &status)
	c.Status = fleet.Status(status)
	return c, err
}

// CACertificateStates returns the CA certificates of some ids with their
// status alone.
func (s *Store) CACertificateStates(ctx context.Context, tx durable.Tx, sc fleet.Scope, ids []string) (
	map[string]*fleet.CACertificate, error,
) {
	return states(ctx, s, tx, sc, stateQuery[fleet.CACertificate]{
		text: `SELECT seq, id, status FROM ca_certificates WHERE scope = @scope AND `, column: "id", keys: ids,
		scan: func(r scanner) (c fleet.CACertificate, err error) { return c, r.Scan(&c.Seq, &c.ID, &c.Status) },
		key:  func(c *fleet.CACertificate) string { return c.ID },
	})
}

// PolicyStates returns some policies with their versions' numbers.
func (s *Store) PolicyStates(ctx context.Context, tx durable.Tx, sc fleet.Scope, names []string) (
	map[string]*fleet.Policy, error,
) {
	return states(ctx, s, tx, sc, stateQuery[fleet.Policy]{
		text: `SELECT p.name, p.default_version, p.next_version, d.blank,
				(SELECT count(*) FROM policy_versions v WHERE v.scope = p.scope AND v.policy = p.name)
			FROM policies p JOIN policy_versions d ON d.scope = p.scope AND d.policy = p.name
				AND d.version = p.default_version
			WHERE p.scope = @scope AND `, column: "p.name", keys: names,
		scan: func(r scanner) (p fleet.Policy, err error) {
			return p, r.Scan(&p.Name, &p.Default, &p.Next, &p.Blank, &p.Versions)
		},
		key: func(p *fleet.Policy) string { return p.Name },
	})
}

// GroupStates returns some thing groups.
func (s *Store) GroupStates(ctx context.Context, tx durable.Tx, sc fleet.Scope, names []string) (
	map[string]*fleet.Group, error,
) {
	return states(ctx, s, tx, sc, stateQuery[fleet.Group]{
		text:   `SELECT name, seq, root, depth, query FROM thing_groups WHERE scope = @scope AND `,
		column: "name", keys: names,
		scan: func(r scanner) (g fleet.Group, err error) {
			var query string
			err = r.Scan(&g.Name, &g.Place.Seq, &g.Place.Root, &g.Depth, &query)
			if query != "" {
				g.Dynamic = &fleet.Dynamic{Query: query}
			}
			return g, err
		},
		key: func(g *fleet.Group) string { return g.Name },
	})
}

// CountThings counts the things attached to each certificate, up to q.Most.
func (s *Store) CountThings(ctx context.Context, tx durable.Tx, sc fleet.Scope, q mitigation.CertificateThings) (
	map[string]int, error,
) {
	out := make(map[string]int, len(q.Certificates))
	sq := s.slice(tx)
	scope, err := s.scope(ctx, sq, sc)
	if err != nil {
		return nil, err
	}
	// One statement a certificate would be slow, one for all could count a
	// million things: pages of the two together are neither.
	type row struct{ certificate, thing string }
	after := row{}
	for {
		a := args{"scope": scope, "cert": after.certificate, "thing": after.thing, "limit": q.Most}
		page, err := all(ctx, sq, `SELECT certificate, thing FROM thing_principals WHERE scope = @scope AND `+
			sq.dialect().in("certificate", "certs", a, q.Certificates)+`
			AND (certificate, thing) > (@cert, @thing) ORDER BY certificate, thing LIMIT @limit`, a,
			func(r scanner) (x row, err error) { return x, r.Scan(&x.certificate, &x.thing) })
		if err != nil {
			return nil, fmt.Errorf("count things: %w", err)
		}
		for _, x := range page {
			out[x.certificate]++
		}
		if len(page) < q.Most {
			return out, nil
		}
		after = page[len(page)-1]
		if out[after.certificate] >= q.Most {
			after.thing = "\U0010FFFF" // enough of this one: on to the next
		}
	}
}

// thingsOfOne are those of one certificate.
const thingsOfOne = `SELECT certificate, thing FROM thing_principals
	WHERE scope = @scope AND certificate = @certificate AND thing > @after ORDER BY thing LIMIT @most`

// ThingsOf lists the things attached to each certificate with the groups they
// are in, and keeps others from changing those until the slice ends.
func (s *Store) ThingsOf(ctx context.Context, tx durable.Tx, sc fleet.Scope, q mitigation.CertificateThings) (
	map[string][]mitigation.ThingState, error,
) {
	sq := s.slice(tx)
	scope, err := s.scope(ctx, sq, sc)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]mitigation.ThingState, len(q.Certificates))
	names := map[string]bool{}
	a := args{"scope": scope, "after": q.After}
	type row struct{ certificate, thing string }
	text := `SELECT certificate, thing FROM (SELECT certificate, thing,
			row_number() OVER (PARTITION BY certificate ORDER BY thing) AS n
			FROM thing_principals WHERE scope = @scope AND ` +
		sq.dialect().in("certificate", "certs", a, q.Certificates) + ` AND thing > @after) ranked
		WHERE n <= @most ORDER BY certificate, thing`
	if len(q.Certificates) == 1 {
		// It may have a million things, of which SQLite would rank all.
		text, a = thingsOfOne, args{"scope": scope, "certificate": q.Certificates[0], "after": q.After}
	}
	a["most"] = q.Most
	list, err := all(ctx, sq, text, a,
		func(r scanner) (x row, err error) { return x, r.Scan(&x.certificate, &x.thing) })
	if err != nil {
		return nil, fmt.Errorf("list things: %w", err)
	}
	for _, x := range list {
		names[x.thing] = true
	}
	groups, err := lockMemberships(ctx, sq, scope, sortedKeys(names))
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		out[x.certificate] = append(out[x.certificate], mitigation.ThingState{Name: x.thing, Groups: groups[x.thing]})
	}
	return out, nil
}

// CACertificatePage lists CA certificates as audits judge them.
func (s *Store) CACertificatePage(ctx context.Context, tx durable.Tx, sc fleet.Scope, p audit.Page) (
	[]fleet.CACertificate, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return all(ctx, q, `SELECT seq, id, status, roca, not_after, debian_digest, badkeys_digest, source
		FROM ca_certificates
		WHERE scope = @scope AND seq > @after ORDER BY seq LIMIT @limit`,
		args{"scope": scope, "after": p.After, "limit": p.Limit}, func(r scanner) (c fleet.CACertificate, err error) {
			var notAfter int64
			err = r.Scan(&c.Seq, &c.ID, &c.Status, &c.Key.ROCA, &notAfter, &c.Key.DebianDigest, &c.Key.BadkeysDigest,
				&c.Source)
			c.NotAfter = fromMillis(notAfter)
			return c, err
		})
}

// PolicyPage lists the default versions of policies as audits judge them.
func (s *Store) PolicyPage(ctx context.Context, tx durable.Tx, sc fleet.Scope, p audit.Page) (
	[]fleet.PolicyVersion, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return all(ctx, q, `SELECT p.seq, p.name, v.version, v.broad_actions, v.deny_wildcards, v.deny_bypass
		FROM policies p JOIN policy_versions v ON v.scope = p.scope AND v.policy = p.name AND v.version = p.default_version
		WHERE p.scope = @scope AND p.seq > @after ORDER BY p.seq LIMIT @limit`,
		args{"scope": scope, "after": p.After, "limit": p.Limit}, func(r scanner) (v fleet.PolicyVersion, err error) {
			var broad string
			if err := r.Scan(&v.Seq, &v.Policy, &v.Version, &broad, &v.DenyWildcards, &v.DenyBypass); err != nil {
				return v, err
			}
			return v, fromJSON(broad, &v.Broad)
		})
}
