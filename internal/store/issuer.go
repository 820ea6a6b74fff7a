package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// maxIssuers bounds how many issuers of one name a scope remembers: each is
// tried where a revocation list of that name is verified.
const maxIssuers = 100

// keepProvenance keeps what is to be known of certificates to tell whether they
// were revoked, and returns the columns of their rows. Of nil it is kept later.
func keepProvenance(ctx context.Context, q querier, scope int64, list []*fleet.Provenance) ([]column, error) {
	serials, origins := make([]string, len(list)), make([]*fleet.Origin, len(list))
	for i, p := range list {
		if p == nil {
			continue
		}
		serials[i], origins[i] = p.Serial, p.Origin
		if err := rememberIssuers(ctx, q, scope, p.Issuers); err != nil {
			return nil, err
		}
	}
	sources, err := internOrigins(ctx, q, scope, origins)
	return []column{{"serial", serials}, {"source", sources}}, err
}

// internOrigins returns the numbers of the sources of some origins, which are
// made on first use, and 0 for nil.
func internOrigins(ctx context.Context, q querier, scope int64, list []*fleet.Origin) ([]int64, error) {
	digests := make([]string, len(list))
	missing := map[string]*fleet.Origin{}
	for i, o := range list {
		if o == nil {
			continue
		}
		// Those of a batch are mostly one.
		if i > 0 && o == list[i-1] {
			digests[i] = digests[i-1]
			continue
		}
		digests[i] = o.Digest()
		missing[digests[i]] = o
	}
	known := map[string]int64{}
	for len(missing) > 0 {
		found, err := sourcesOf(ctx, q, scope, slices.Sorted(maps.Keys(missing)))
		if err != nil {
			return nil, err
		}
		for digest, source := range found {
			known[digest] = source
			delete(missing, digest)
		}
		if err := insertSources(ctx, q, scope, missing); err != nil {
			return nil, err
		}
	}
	out := make([]int64, len(list))
	for i, digest := range digests {
		out[i] = known[digest]
	}
	return out, nil
}

func sourcesOf(ctx context.Context, q querier, scope int64, digests []string) (map[string]int64, error) {
	out := make(map[string]int64, len(digests))
	for part := range slices.Chunk(digests, maxPlaces) {
		a := args{"scope": scope}
		_, err := all(ctx, q, `SELECT digest, source FROM crl_sources WHERE scope = @scope AND `+
			q.dialect().in("digest", "digests", a, part), a, func(r scanner) (n int64, err error) {
			var digest string
			err = r.Scan(&digest, &n)
			out[digest] = n
			return n, err
		})
		if err != nil {
			return nil, fmt.Errorf("find sources of revocations: %w", err)
		}
	}
	return out, nil
}

// insertSources adds sources in the order of their digests, so that no two
// transactions that add the same ones wait for each other.
func insertSources(ctx context.Context, q querier, scope int64, missing map[string]*fleet.Origin) error {
	if len(missing) == 0 {
		return nil
	}
	digests := slices.Sorted(maps.Keys(missing))
	numbers, err := nextSeq(ctx, q, len(digests))
	if err != nil {
		return fmt.Errorf("number sources of revocations: %w", err)
	}
	list := make([]*fleet.Origin, len(digests))
	for i, digest := range digests {
		list[i] = missing[digest]
	}
	type origin = *fleet.Origin
	err = insertNewRows(ctx, q, "crl_sources", []column{
		{"source", numbers},
		{"scope", repeat(scope, len(list))},
		{"digest", digests},
		{"issuer", collect(list, func(o *origin) string { return (*o).Issuer })},
		{"issuer_name", collect(list, func(o *origin) string { return (*o).IssuerName })},
		{"key_id", collect(list, func(o *origin) string { return (*o).KeyID })},
		{"ca", collect(list, func(o *origin) bool { return (*o).CA })},
		{"self", collect(list, func(o *origin) bool { return (*o).Self })},
		{"points", collect(list, func(o *origin) string { return toJSON((*o).Points) })},
		{"state", repeat("", len(list))},
		{"reason", repeat("", len(list))},
		{"chain", repeat("", len(list))},
		{"checked_at", repeat(int64(0), len(list))},
	})
	if err != nil {
		return fmt.Errorf("store sources of revocations: %w", err)
	}
	return nil
}

// rememberIssuers keeps the certificates of issuers. What depends on who the
// issuers are is looked at anew by the next audit.
func rememberIssuers(ctx context.Context, q querier, scope int64, list []*fleet.Issuer) error {
	for _, i := range list {
		n, err := count(ctx, q, `SELECT count(*) FROM issuers WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": i.ID})
		if err == nil && n == 0 {
			err = insertIssuer(ctx, q, scope, i)
		}
		if err != nil {
			return fmt.Errorf("remember issuer: %w", err)
		}
	}
	return nil
}

func insertIssuer(ctx context.Context, q querier, scope int64, i *fleet.Issuer) error {
	sources, err := internOrigins(ctx, q, scope, []*fleet.Origin{i.Origin})
	if err != nil {
		return err
	}
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return err
	}
	_, err = q.exec(ctx, `INSERT INTO issuers (seq, scope, id, subject, name, subject_key_id, key, serial, source, root,
			pem, created_at)
		VALUES (@seq, @scope, @id, @subject, @name, @keyid, @key, @serial, @source, @root, @pem, @created)
		ON CONFLICT (scope, id) DO NOTHING`,
		args{
			"seq": seq[0], "scope": scope, "id": i.ID, "subject": i.Subject, "name": i.Name, "keyid": i.SubjectKeyID,
			"key": i.Key, "serial": i.Serial, "source": sources[0], "root": i.Root, "pem": i.PEM,
			"created": i.Created.UnixMilli(),
		})
	return err
}

// ImportIssuer remembers the certificate of an issuer. One that is known
// already stays as it is; too many of one name are a Limit fault.
func (s *Store) ImportIssuer(ctx context.Context, sc fleet.Scope, i *fleet.Issuer) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return fmt.Errorf("lock scope: %w", err)
		}
		same, err := count(ctx, q, `SELECT count(*) FROM issuers WHERE scope = @scope AND subject = @subject
			AND id <> @id`, args{"scope": scope, "subject": i.Subject, "id": i.ID})
		if err != nil {
			return fmt.Errorf("count issuers: %w", err)
		}
		if same >= maxIssuers {
			return fault.New(fault.Limit, "%d certificates of issuers with this subject are known, which is the most",
				maxIssuers)
		}
		return rememberIssuers(ctx, q, scope, []*fleet.Issuer{i})
	})
}

const issuerColumns = `i.seq, i.id, i.name, i.subject, i.subject_key_id, i.key, i.serial, i.root, i.pem, i.created_at,
	i.source, ` + originColumns

// selectIssuers is up to the condition.
const selectIssuers = `SELECT ` + issuerColumns + ` FROM issuers i JOIN crl_sources o ON o.source = i.source `

func scanIssuer(r scanner) (i fleet.Issuer, err error) {
	i.Origin = &fleet.Origin{}
	var points string
	var created int64
	err = r.Scan(&i.Seq, &i.ID, &i.Name, &i.Subject, &i.SubjectKeyID, &i.Key, &i.Serial, &i.Root, &i.PEM, &created,
		&i.Source, &i.Origin.Issuer, &i.Origin.IssuerName, &i.Origin.KeyID, &i.Origin.CA, &i.Origin.Self, &points)
	if err != nil {
		return i, err
	}
	i.Created = fromMillis(created)
	return i, fromJSON(points, &i.Origin.Points)
}

const originColumns = `o.issuer, o.issuer_name, o.key_id, o.ca, o.self, o.points`

// IssuersNamed returns the certificates of issuers with a subject, in the form
// names are compared by.
func (s *Store) IssuersNamed(ctx context.Context, sc fleet.Scope, subject string) (list []fleet.Issuer, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, selectIssuers+`WHERE i.scope = @scope AND i.subject = @subject ORDER BY i.seq LIMIT @limit`,
			args{"scope": scope, "subject": subject, "limit": maxIssuers}, scanIssuer)
		if err != nil {
			return fmt.Errorf("find issuers: %w", err)
		}
		return nil
	})
	return list, err
}
