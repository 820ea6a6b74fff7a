package store

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/pki/crl"
)

// Reading and encoding what the revocation list of a CA has, of a million
// certificates of which a tenth, or all, are not ACTIVE.
func BenchmarkListOfAMillion(b *testing.B) {
	const million = 1_000_000
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := fillOne(s, million, fill{1, `INSERT INTO certificates (seq, scope, id, status, mode, ca_id, key_type,
			key_bits, roca, debian_digest, badkeys_digest, not_before, not_after, generation, customer_version, created_at,
			modified_at, serial, issued_by)
		SELECT CAST(@first AS BIGINT) + i, @scope, printf('%064x', i), CASE WHEN i % 10 = 0 THEN 'INACTIVE' ELSE 'ACTIVE' END,
			'DEFAULT', '', 'EC', 256, FALSE, '', '', 1, 4000000000000, 'g', 1, 1, 1, printf('40%030x', (i * 7919) % 1000003), 1
		FROM r`}); err != nil {
		b.Fatal(err)
	}
	for _, want := range []int{million / 10, million} {
		b.Run(fmt.Sprint(want), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := encodeAll(ctx, b, s); got != want {
					b.Fatalf("got %d entries, want %d", got, want)
				}
			}
		})
		err := s.write(ctx, func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `UPDATE certificates SET status = 'INACTIVE'`, nil)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func encodeAll(ctx context.Context, b *testing.B, s *Store) int {
	b.Helper()
	r := &crl.Revoked{}
	for after, next := "", "-"; next != ""; after = next {
		list, to, err := s.Withdrawn(ctx, 1, after, 10_000)
		if err != nil {
			b.Fatal(err)
		}
		for i := range list {
			if err := r.Add(list[i].Serial, list[i].Changed, crl.OnHold); err != nil {
				b.Fatal(err)
			}
		}
		next = to
	}
	return r.Len()
}
