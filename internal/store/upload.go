package store

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

// maxUploads bounds how many revocation lists of a scope are being imported.
const maxUploads = 10

// AddPart keeps a part of a revocation list that is being imported, the first
// being 0. One that was sent before is replaced. A list that is too long is an
// Invalid fault, too many at a time are Limit.
func (s *Store) AddPart(ctx context.Context, sc fleet.Scope, id string, n int, data []byte) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return fmt.Errorf("lock scope: %w", err)
		}
		upload, err := needUpload(ctx, q, scope, id, s.millis())
		if err != nil {
			return err
		}
		size, err := count(ctx, q, `SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM crl_upload_parts
			WHERE upload = @upload AND n <> @n`, args{"upload": upload, "n": n})
		if err != nil {
			return fmt.Errorf("measure import: %w", err)
		}
		if size+int64(len(data)) > crl.MaxSize {
			return fault.New(fault.Invalid, "a revocation list may have %d bytes", crl.MaxSize)
		}
		_, err = q.exec(ctx, `INSERT INTO crl_upload_parts (upload, n, size, data) VALUES (@upload, @n, @size, @data)
			ON CONFLICT (upload, n) DO UPDATE SET size = excluded.size, data = excluded.data`,
			args{"upload": upload, "n": n, "size": len(data), "data": data})
		if err != nil {
			return fmt.Errorf("store part: %w", err)
		}
		return nil
	})
}

// needUpload returns the number of an import and keeps it from being swept.
func needUpload(ctx context.Context, q querier, scope int64, id string, now int64) (int64, error) {
	a := args{"scope": scope, "id": id, "now": now}
	upload, ok, err := one(ctx, q, `UPDATE crl_uploads SET beat_at = @now WHERE scope = @scope AND id = @id
		RETURNING upload`, a, scalar[int64])
	if err != nil || ok {
		return upload, err
	}
	have, err := count(ctx, q, `SELECT count(*) FROM crl_uploads WHERE scope = @scope`, args{"scope": scope})
	if err != nil {
		return 0, fmt.Errorf("count imports: %w", err)
	}
	if have >= maxUploads {
		return 0, fault.New(fault.Limit, "%d revocation lists are being imported already", maxUploads)
	}
	numbers, err := nextSeq(ctx, q, 1)
	if err != nil {
		return 0, fmt.Errorf("number import: %w", err)
	}
	a["upload"] = numbers[0]
	_, err = q.exec(ctx, `INSERT INTO crl_uploads (upload, scope, id, beat_at)
		VALUES (@upload, @scope, @id, @now)`, a)
	if err != nil {
		return 0, fmt.Errorf("begin import: %w", err)
	}
	return numbers[0], nil
}

// Upload reads the parts of an import in their order. An import that is not
// there is a NotFound fault.
func (s *Store) Upload(ctx context.Context, sc fleet.Scope, id string) (r io.Reader, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		upload, ok, err := one(ctx, q, `SELECT upload FROM crl_uploads WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id}, scalar[int64])
		if err != nil {
			return fmt.Errorf("find import: %w", err)
		}
		if !ok {
			return fault.New(fault.NotFound, "there is no import %q", id)
		}
		r = &uploadReader{ctx: ctx, q: q, upload: upload}
		return nil
	})
	return r, err
}

// uploadReader reads one part after the other.
type uploadReader struct {
	ctx    context.Context
	q      querier
	upload int64
	n      int
	part   bytes.Reader
}

// Read returns bytes of the part in hand. Behind the last part is the end; a
// part that is missing is one too, and the list then is cut off.
func (u *uploadReader) Read(p []byte) (int, error) {
	for u.part.Len() == 0 {
		data, ok, err := one(u.ctx, u.q, `SELECT data FROM crl_upload_parts WHERE upload = @upload AND n = @n`,
			args{"upload": u.upload, "n": u.n}, scalar[[]byte])
		if err != nil {
			return 0, fmt.Errorf("read part: %w", err)
		}
		if !ok {
			return 0, io.EOF
		}
		u.n++
		u.part.Reset(data)
	}
	return u.part.Read(p)
}

// DropUpload forgets an import and its parts.
func (s *Store) DropUpload(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		upload, _, err := one(ctx, q, `SELECT upload FROM crl_uploads WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id}, scalar[int64])
		if err != nil {
			return fmt.Errorf("find import: %w", err)
		}
		return dropUpload(ctx, q, upload)
	})
}

func dropUpload(ctx context.Context, q querier, upload int64) error {
	for _, table := range []string{"crl_upload_parts", "crl_uploads"} {
		if _, err := q.exec(ctx, `DELETE FROM `+table+` WHERE upload = @upload`, args{"upload": upload}); err != nil {
			return fmt.Errorf("forget import: %w", err)
		}
	}
	return nil
}
