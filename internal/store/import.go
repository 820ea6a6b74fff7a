package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// maxImports bounds the imports that a scope remembers.
const maxImports = 1000

// importAttempts bounds how often a batch is tried again when something that it
// makes was made by others at the same moment.
const importAttempts = 5

// Import stores the devices of a batch and that it did, as one transaction. A
// batch that was stored before is not stored again: its outcome is returned. One
// that differs from it, or is from another source than those before, is a
// Conflict fault.
func (s *Store) Import(ctx context.Context, sc fleet.Scope, b *fleet.ImportBatch) (
	out *fleet.ImportOutcome, err error,
) {
	given := make([]string, len(b.Devices))
	for i, d := range b.Devices {
		given[i] = d.Refused
	}
	for attempt := 1; ; attempt++ {
		for i := range b.Devices {
			b.Devices[i].Refused = given[i]
		}
		err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
			if err := shareDynamic(ctx, q, scope); err != nil {
				return err
			}
			if out, err = s.findBatch(ctx, q, scope, b); out != nil || err != nil {
				return err
			}
			out, err = s.importBatch(ctx, q, scope, b)
			return err
		})
		overtaken := err != nil && fault.From(err) == nil && (s.dialect.unique(err) || s.dialect.reference(err)) ||
			fault.Is(err, fault.Exists)
		if !overtaken || attempt == importAttempts {
			return out, err
		}
	}
}

// findBatch returns the outcome of a batch that was stored before, or nil. It
// makes the import when this is its first batch.
func (s *Store) findBatch(ctx context.Context, q querier, scope int64, b *fleet.ImportBatch) (
	*fleet.ImportOutcome, error,
) {
	a := args{"scope": scope, "id": b.Import, "source": b.Source, "now": s.millis(), "most": maxImports}
	made, err := q.exec(ctx, `INSERT INTO imports (scope, id, source, created_at)
		SELECT CAST(@scope AS BIGINT), CAST(@id AS TEXT), CAST(@source AS TEXT), CAST(@now AS BIGINT)
		WHERE (SELECT count(*) FROM imports WHERE scope = @scope) < @most
		ON CONFLICT (scope, id) DO NOTHING`, a)
	if err != nil {
		return nil, fmt.Errorf("store import: %w", err)
	}
	if made == 1 {
		return nil, nil
	}
	source, ok, err := one(ctx, q, `SELECT source FROM imports WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": b.Import}, scalar[string])
	switch {
	case err != nil:
		return nil, fmt.Errorf("find import: %w", err)
	case !ok:
		return nil, fault.New(fault.Limit, "there are %d imports, which is the most; delete one", maxImports)
	case source != b.Source:
		return nil, fault.New(fault.Conflict, "import %s began with another file; give this one another id", b.Import)
	}
	var digest string
	scan := scanBatch(&digest)
	out, ok, err := one(ctx, q, `SELECT `+batchColumns+`, digest FROM import_batches
		WHERE scope = @scope AND import = @id AND n = @n`, args{"scope": scope, "id": b.Import, "n": b.N}, scan)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find batch of import: %w", err)
	case !ok:
		return nil, nil
	case digest != b.Digest:
		return nil, fault.New(fault.Conflict, "batch %d of import %s was stored with other devices", b.N, b.Import)
	}
	return out, nil
}

const batchColumns = `n, accepted, unchanged, refusals`

func scanBatch(more ...any) func(scanner) (*fleet.ImportOutcome, error) {
	return func(r scanner) (*fleet.ImportOutcome, error) {
		o := &fleet.ImportOutcome{}
		var refusals string
		if err := r.Scan(append([]any{&o.N, &o.Accepted, &o.Unchanged, &refusals}, more...)...); err != nil {
			return nil, err
		}
		return o, fromJSON(refusals, &o.Refusals)
	}
}

func (s *Store) importBatch(ctx context.Context, q querier, scope int64, b *fleet.ImportBatch) (
	*fleet.ImportOutcome, error,
) {
	im := newImporting(ctx, s, q, scope, b.Devices)
	if err := im.look(); err != nil {
		return nil, err
	}
	out := &fleet.ImportOutcome{N: b.N, Refusals: []fleet.ImportRefusal{}}
	for i := range b.Devices {
		d := &b.Devices[i]
		changed, err := im.judge(d)
		switch f := fault.From(err); {
		case f != nil:
			out.Refusals = append(out.Refusals, fleet.ImportRefusal{Position: i, Reason: f.Text})
		case err != nil:
			return nil, err
		case changed:
			out.Accepted++
		default:
			out.Unchanged++
		}
	}
	if err := im.store(); err != nil {
		return nil, err
	}
	_, err := q.exec(ctx, `INSERT INTO import_batches (scope, import, n, digest, accepted, unchanged, refusals)
		VALUES (@scope, @import, @n, @digest, @accepted, @unchanged, @refusals)`,
		args{
			"scope": scope, "import": b.Import, "n": b.N, "digest": b.Digest, "accepted": out.Accepted,
			"unchanged": out.Unchanged, "refusals": toJSON(out.Refusals),
		})
	if err != nil {
		return nil, fmt.Errorf("store batch of import: %w", err)
	}
	return out, nil
}

// ImportBatches lists the batches of an import that were stored, behind one of
// them, and the source of the import; or returns a NotFound fault.
func (s *Store) ImportBatches(ctx context.Context, sc fleet.Scope, id string, after int64, limit int) (
	source string, list []*fleet.ImportOutcome, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		var ok bool
		source, ok, err = one(ctx, q, `SELECT source FROM imports WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id}, scalar[string])
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.NotFound, "there is no import %q", id)
		}
		list, err = all(ctx, q, `SELECT `+batchColumns+` FROM import_batches
			WHERE scope = @scope AND import = @id AND n > @after ORDER BY n LIMIT @limit`,
			args{"scope": scope, "id": id, "after": after, "limit": limit}, scanBatch())
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("list batches of import: %w", err)
	}
	return source, list, nil
}

// DeleteImport forgets an import; its devices stay. One that is not there is
// fine.
func (s *Store) DeleteImport(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		_, err := q.exec(ctx, `DELETE FROM imports WHERE scope = @scope AND id = @id`, args{"scope": scope, "id": id})
		if err != nil {
			return fmt.Errorf("delete import: %w", err)
		}
		return nil
	})
}
