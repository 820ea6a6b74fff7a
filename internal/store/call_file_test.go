package store

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/calllog"
)

// looseLine writes the record of a change.
func looseLine(t *testing.T, s *Store, n int) {
	t.Helper()
	ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
		return insertLoose(ctx, q, "a", calllog.AppendLine(nil, anEvent(here.Account, n)))
	}))
}

// left are the numbers of the loose lines that are in the first database.
func left(t *testing.T, s *Store) []int64 {
	t.Helper()
	list, err := all(t.Context(), s.read, `SELECT seq FROM call_loose ORDER BY seq`, nil, scalar[int64])
	ok(t, err)
	return list
}

// reopened is the store of a directory, which the caller closes.
func reopened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{
		Dir: dir, Now: func() time.Time { return testNow }, Log: slog.New(slog.DiscardHandler),
	})
	ok(t, err)
	return s
}

// aBatch is one of loose lines.
func aBatch(number int64) []*calllog.Batch {
	return []*calllog.Batch{{
		Chain: "a", Number: number, Previous: []byte("p"), Digest: []byte("d"), Seal: []byte("s"), Body: []byte{1},
		Marks: []byte{2},
	}}
}

// TestLinesThatAreInABatchAreNotTakenAgain stops between the two databases of
// SQLite.
func TestLinesThatAreInABatchAreNotTakenAgain(t *testing.T) {
	dir := t.TempDir()
	copyTables(t, dir)
	s := reopened(t, dir)
	for n := range 3 {
		looseLine(t, s, n)
	}
	rows, err := s.LooseCalls(t.Context(), "a", time.Hour, 2)
	ok(t, err)
	seqs := []int64{rows[0].Seq, rows[1].Seq}
	ok(t, s.calls.write(t.Context(), func(ctx context.Context, q querier) error {
		ok(t, takeLoose(ctx, q, seqs))
		return insertBatch(ctx, q, aBatch(1)[0])
	}))
	if got := left(t, s); len(got) != 3 {
		t.Fatalf("got %v left, want three: nothing was deleted yet", got)
	}
	want := func(s *Store, third int64) {
		t.Helper()
		rows, err := s.LooseCalls(t.Context(), "a", time.Hour, 10)
		ok(t, err)
		if len(rows) != 1 || rows[0].Seq != third {
			t.Errorf("got %v, want the one line that is in no batch", rows)
		}
	}
	third := left(t, s)[2]
	want(s, third)
	if stored, err := s.SealCalls(t.Context(), aBatch(2), seqs); err != nil || stored {
		t.Errorf("got %v, %v with lines that are in a batch, want nothing stored", stored, err)
	}
	ok(t, s.Close())
	again := reopened(t, dir)
	if got := left(t, again); len(got) != 1 || got[0] != third {
		t.Errorf("got %v left after the start, want %d", got, third)
	}
	want(again, third)
	ok(t, again.Close())
}

// TestLinesComeBehindABatchThatAnOlderCopyDoesNotKnow puts back the first
// database and not the second.
func TestLinesComeBehindABatchThatAnOlderCopyDoesNotKnow(t *testing.T) {
	dir := t.TempDir()
	copyTables(t, dir)
	s := reopened(t, dir)
	ok(t, s.Close())
	before, err := os.ReadFile(filepath.Join(dir, "cordon.db"))
	ok(t, err)
	s = reopened(t, dir)
	for n := range 5 {
		looseLine(t, s, n)
	}
	stored, err := s.SealCalls(t.Context(), aBatch(1), left(t, s))
	if ok(t, err); !stored {
		t.Fatal("got nothing stored")
	}
	ok(t, s.Close())
	ok(t, os.WriteFile(filepath.Join(dir, "cordon.db"), before, 0o600))
	s = reopened(t, dir)
	looseLine(t, s, 9)
	rows, err := s.LooseCalls(t.Context(), "a", time.Hour, 10)
	ok(t, err)
	if len(rows) != 1 || !bytes.Contains(rows[0].Lines, []byte("Call9")) {
		t.Errorf("got %v, want the line that came after", rows)
	}
	ok(t, s.Close())
}

func TestCallsOfBeforeAreStillInTheLog(t *testing.T) {
	const batch = `INSERT INTO call_batches (chain, number, lines, first_at, last_at, previous, names, digest, seal,
		body, marks) VALUES ('x', 1, 1, 1000, 1000, 'p', '', 'd', 's', NULL, NULL),
		('x', 2, 1, 2000, 2000, 's', '', 'e', 't', 'b', 'm')`
	forEachUpgrade(t, 23, []string{
		batch,
		`INSERT INTO call_chains (chain, number, seal, named) VALUES ('x', 2, 't', 1)`,
		`UPDATE call_purge SET before_at = 1500, proof = 'q'`,
		`INSERT INTO call_loose (node, lines) VALUES ('a', 'l')`,
	}, func(t *testing.T, s *Store) {
		for range 2 { // moving them again makes no difference
			list, err := s.CallChain(t.Context(), "x", 0, 10)
			ok(t, err)
			if len(list) != 2 || list[0].Body != nil || string(list[1].Body) != "b" || string(list[1].Previous) != "s" {
				t.Errorf("got %+v, want both batches", list)
			}
			head, err := s.NextCallChain(t.Context(), "")
			if ok(t, err); head == nil || head.Number != 2 {
				t.Errorf("got %+v, want the chain with its last batch", head)
			}
			before, proof, err := s.CallsPurged(t.Context())
			if ok(t, err); before != 1500 || string(proof) != "q" {
				t.Errorf("got %d, %q, want what was deleted", before, proof)
			}
			rows, err := s.LooseCalls(t.Context(), "a", time.Hour, 10)
			if ok(t, err); len(rows) != 1 || string(rows[0].Lines) != "l" {
				t.Errorf("got %v, want the loose line", rows)
			}
			if s.pool != nil {
				return
			}
			n, err := count(t.Context(), s.read, `SELECT count(*) FROM sqlite_schema WHERE name LIKE 'call_batches%'`, nil)
			if ok(t, err); n != 0 {
				t.Error("got the table of batches, want it gone")
			}
		}
	})
}
