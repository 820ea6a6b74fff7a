package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// insertLoose stores lines of the call log in the transaction of what they
// record.
func insertLoose(ctx context.Context, q querier, node string, lines []byte) error {
	if _, err := q.exec(ctx, `INSERT INTO call_loose (node, lines) VALUES (@node, @lines)`,
		args{"node": node, "lines": lines}); err != nil {
		return fmt.Errorf("store record of call: %w", err)
	}
	return nil
}

// LooseCalls lists the loose lines of a node and of nodes that have been silent
// for so long, by number. SQLite belongs to one process, so there all others are
// gone.
func (s *Store) LooseCalls(ctx context.Context, node string, silence time.Duration, limit int) (
	[]calllog.Loose, error,
) {
	text, a := `SELECT seq, node, lines FROM call_loose WHERE seq > @taken ORDER BY seq LIMIT @limit`, args{"limit": limit}
	if s.pool == nil {
		taken, err := takenCalls(ctx, s.calls.read)
		if err != nil {
			return nil, fmt.Errorf("list records of calls: %w", err)
		}
		a["taken"] = taken
	} else {
		text = `SELECT seq, node, lines FROM call_loose l WHERE node = @node OR NOT EXISTS (SELECT 1 FROM nodes n
			WHERE n.id = l.node AND n.beat_at >= ` + s.dialect.now + ` - @silence) ORDER BY seq LIMIT @limit`
		a["node"], a["silence"] = node, silence.Milliseconds()
	}
	list, err := all(ctx, s.read, text, a, func(r scanner) (l calllog.Loose, err error) {
		return l, r.Scan(&l.Seq, &l.Node, &l.Lines)
	})
	if err != nil {
		return nil, fmt.Errorf("list records of calls: %w", err)
	}
	return list, nil
}

// errAdopted ends a transaction whose loose lines another node has.
var errAdopted = errors.New("another node adopted the records")

// SealCalls stores batches that follow each other and deletes the loose lines
// that are in them. It stores nothing and returns false when not all of those
// are there. Batches that are stored already are as they should be.
func (s *Store) SealCalls(ctx context.Context, list []*calllog.Batch, loose []int64) (bool, error) {
	err := s.calls.write(ctx, func(ctx context.Context, q querier) error {
		seal, err := callSeal(ctx, q, list[0].Chain, list[0].Number)
		switch {
		case err != nil:
			return err
		case bytes.Equal(seal, list[0].Seal):
			return nil // stored by an attempt whose outcome was not heard
		case seal != nil:
			return fmt.Errorf("the chain %s has another batch %d", list[0].Chain, list[0].Number)
		}
		if err := takeLoose(ctx, q, loose); err != nil {
			return err
		}
		for _, b := range list {
			if err := insertBatch(ctx, q, b); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errAdopted) {
		return false, nil
	}
	if err == nil && s.pool == nil && len(loose) > 0 {
		err = s.write(ctx, func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `DELETE FROM call_loose WHERE seq <= @last`, args{"last": slices.Max(loose)})
			return err
		})
	}
	if err != nil {
		return false, fmt.Errorf("seal records of calls: %w", err)
	}
	return true, nil
}

// takeLoose notes in the transaction of a batch that loose lines are in it. On
// PostgreSQL they are deleted. On SQLite they are in another database, where
// numbers rise and nobody else takes from: it is said how far they are taken, and
// they are deleted after that.
func takeLoose(ctx context.Context, q querier, loose []int64) error {
	if len(loose) == 0 {
		return nil
	}
	a, want := args{}, int64(len(loose))
	text := `DELETE FROM call_loose WHERE `
	if q.dialect() == postgresDialect {
		text += q.dialect().in("seq", "seqs", a, loose)
	} else {
		text, want = `UPDATE call_taken SET loose = @last WHERE loose < @first`, 1
		a["first"], a["last"] = slices.Min(loose), slices.Max(loose)
	}
	n, err := q.exec(ctx, text, a)
	if err == nil && n != want {
		err = errAdopted
	}
	return err
}

func insertBatch(ctx context.Context, q querier, b *calllog.Batch) error {
	if _, err := q.exec(ctx, `INSERT INTO call_batches (chain, number, lines, first_at, last_at, previous, names,
			digest, seal, body, marks)
		VALUES (@chain, @number, @lines, @first, @last, @previous, @names, @digest, @seal, @body, @marks)`,
		args{
			"chain": b.Chain, "number": b.Number, "lines": b.Count, "first": b.First, "last": b.Last,
			"previous": b.Previous, "names": b.Names, "digest": b.Digest, "seal": b.Seal, "body": b.Body, "marks": b.Marks,
		}); err != nil {
		return err
	}
	if _, err := q.exec(ctx, `INSERT INTO call_chains (chain, number, seal, named) VALUES (@chain, @number, @seal, 0)
		ON CONFLICT (chain) DO UPDATE SET number = excluded.number, seal = excluded.seal`,
		args{"chain": b.Chain, "number": b.Number, "seal": b.Seal}); err != nil {
		return err
	}
	heads, err := calllog.Heads(b.Names)
	if err != nil {
		return err
	}
	// In one order for all nodes, which name each other.
	slices.SortFunc(heads, func(x, y calllog.Head) int { return strings.Compare(x.Chain, y.Chain) })
	for _, h := range heads {
		if _, err := q.exec(ctx, `UPDATE call_chains SET named = @number WHERE chain = @chain AND named < @number`,
			args{"chain": h.Chain, "number": h.Number}); err != nil {
			return err
		}
	}
	return nil
}

// UnnamedCalls lists the last batches of chains other than one that no other
// batch names.
func (s *Store) UnnamedCalls(ctx context.Context, chain string, limit int) ([]calllog.Head, error) {
	list, err := all(ctx, s.calls.read, `SELECT chain, number, seal FROM call_chains
		WHERE named < number AND chain > '' AND chain <> @chain ORDER BY chain LIMIT @limit`,
		args{"chain": chain, "limit": limit}, scanHead)
	if err != nil {
		return nil, fmt.Errorf("list chains of the call log: %w", err)
	}
	return list, nil
}

func scanHead(r scanner) (h calllog.Head, err error) { return h, r.Scan(&h.Chain, &h.Number, &h.Seal) }

const callBatchColumns = `seq, chain, number, lines, first_at, last_at, previous, names, digest, seal, body, marks`

func scanCallBatch(r scanner) (*calllog.Batch, error) {
	b := &calllog.Batch{}
	return b, r.Scan(&b.Seq, &b.Chain, &b.Number, &b.Count, &b.First, &b.Last, &b.Previous, &b.Names, &b.Digest,
		&b.Seal, &b.Body, &b.Marks)
}

// CallBatches lists batches that have their lines by the time of their last
// event and then by number.
func (s *Store) CallBatches(ctx context.Context, b calllog.BatchQuery) ([]*calllog.Batch, error) {
	list, err := all(ctx, s.calls.read, `SELECT `+callBatchColumns+` FROM call_batches WHERE body IS NOT NULL
		AND (last_at, seq) >= (@from, @seq) AND last_at <= @to ORDER BY last_at, seq LIMIT @limit`,
		args{"from": b.From, "seq": b.Seq, "to": b.To, "limit": b.Limit}, scanCallBatch)
	if err != nil {
		return nil, fmt.Errorf("list batches of the call log: %w", err)
	}
	return list, nil
}

// CallChain lists the batches of a chain behind a number, in their order.
func (s *Store) CallChain(ctx context.Context, chain string, after int64, limit int) ([]*calllog.Batch, error) {
	list, err := all(ctx, s.calls.read, `SELECT `+callBatchColumns+` FROM call_batches
		WHERE chain = @chain AND number > @after ORDER BY number LIMIT @limit`,
		args{"chain": chain, "after": after, "limit": limit}, scanCallBatch)
	if err != nil {
		return nil, fmt.Errorf("list a chain of the call log: %w", err)
	}
	return list, nil
}

// NextCallChain returns the first chain behind a name, with the last batch that
// was noted of it; nil behind the last chain. It finds chains of which there are
// only batches, or only the note.
func (s *Store) NextCallChain(ctx context.Context, after string) (*calllog.Head, error) {
	head, noted, err := one(ctx, s.calls.read, `SELECT chain, number, seal FROM call_chains
		WHERE chain > @after ORDER BY chain LIMIT 1`, args{"after": after}, scanHead)
	if err != nil {
		return nil, fmt.Errorf("find chain of the call log: %w", err)
	}
	chain, found, err := one(ctx, s.calls.read, `SELECT chain FROM call_batches
		WHERE chain > @after ORDER BY chain LIMIT 1`, args{"after": after}, scalar[string])
	switch {
	case err != nil:
		return nil, fmt.Errorf("find chain of the call log: %w", err)
	case found && (!noted || chain < head.Chain):
		return &calllog.Head{Chain: chain}, nil
	case noted:
		return &head, nil
	}
	return nil, nil
}

// CallSeal returns the seal of a batch, or nil when it is not there.
func (s *Store) CallSeal(ctx context.Context, chain string, number int64) ([]byte, error) {
	return callSeal(ctx, s.calls.read, chain, number)
}

func callSeal(ctx context.Context, q querier, chain string, number int64) ([]byte, error) {
	seal, _, err := one(ctx, q, `SELECT seal FROM call_batches WHERE chain = @chain AND number = @number`,
		args{"chain": chain, "number": number}, scalar[[]byte])
	if err != nil {
		return nil, fmt.Errorf("find batch of the call log: %w", err)
	}
	return seal, nil
}

// CallsPurged is the time before which lines were deleted, in milliseconds, with
// its proof, or 0.
func (s *Store) CallsPurged(ctx context.Context) (before int64, proof []byte, err error) {
	_, _, err = one(ctx, s.calls.read, `SELECT before_at, proof FROM call_purge`, nil,
		func(r scanner) (bool, error) { return true, r.Scan(&before, &proof) })
	if err != nil {
		return 0, nil, fmt.Errorf("read what was deleted of the call log: %w", err)
	}
	return before, proof, nil
}

// purgeBatches bounds the batches whose lines one transaction deletes.
const purgeBatches = 100

// PurgeCalls deletes the lines of some batches whose last event was before a
// time, and reports whether there may be more. Their seals stay.
func (s *Store) PurgeCalls(ctx context.Context, before int64, proof []byte) (more bool, err error) {
	a := args{"before": before}
	old, err := count(ctx, s.calls.read, `SELECT count(*) FROM (SELECT 1 FROM call_batches
		WHERE body IS NOT NULL AND last_at < @before LIMIT 1) b`, a)
	if err != nil || old == 0 {
		return false, err
	}
	err = s.calls.write(ctx, func(ctx context.Context, q querier) error {
		if _, err := q.exec(ctx, `UPDATE call_purge SET before_at = @before, proof = @proof WHERE before_at < @before`,
			args{"before": before, "proof": proof}); err != nil {
			return err
		}
		n, err := q.exec(ctx, `UPDATE call_batches SET body = NULL, marks = NULL WHERE seq IN (SELECT seq FROM call_batches
			WHERE body IS NOT NULL AND last_at < @before ORDER BY last_at, seq LIMIT @limit)`,
			args{"before": before, "limit": purgeBatches})
		more = n == purgeBatches
		return err
	})
	if err != nil {
		return false, fmt.Errorf("purge the call log: %w", err)
	}
	return more, nil
}

// changesPerRecord bounds the changes that one line of the call log tells of.
const changesPerRecord = 250

// recordChanges writes what a slice of a task changed to the call log: a line,
// or several, for each action.
func (s *Store) recordChanges(ctx context.Context, q querier, t *mitigation.Task, list []mitigation.Execution) error {
	var order []string
	changes := map[string][]calllog.Change{}
	for i := range list {
		names := t.Mapping[list[i].Check]
		if len(list[i].Changes) == 0 || list[i].Index >= len(names) {
			continue
		}
		name := names[list[i].Index]
		if changes[name] == nil {
			order = append(order, name)
		}
		for _, c := range list[i].Changes {
			// A policy's document is below its version.
			to, _, _ := strings.Cut(c.To, "\n")
			changes[name] = append(changes[name],
				calllog.Change{Kind: string(c.Kind), Resource: c.Resource, From: c.From, To: to})
		}
	}
	var lines []byte
	for _, name := range order {
		for part := range slices.Chunk(changes[name], changesPerRecord) {
			lines = calllog.AppendLine(lines, s.workOf(t, name, part))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return insertLoose(ctx, q, s.node, lines)
}

// workOf is the record of changes that an action of a task made in its role.
func (s *Store) workOf(t *mitigation.Task, name string, changes []calllog.Change) *calllog.Event {
	e := &calllog.Event{
		Time: s.now(), Source: "iot.amazonaws.com", Name: "ApplyMitigationAction", Region: t.Scope.Region,
		Account: t.Scope.Account, Internal: true,
		User: calllog.Identity{Type: "AssumedRole", Account: t.Scope.Account, InvokedBy: "iot.amazonaws.com"},
		Work: &calllog.Work{Task: t.ID, Action: name, Changes: changes},
	}
	if a := t.Action(name); a != nil {
		e.Work.ActionType = string(a.Type)
		e.User.Session = &calllog.Session{RoleARN: a.RoleARN, RoleName: a.RoleARN[strings.LastIndex(a.RoleARN, "/")+1:]}
	}
	return e
}
