package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/notify"
)

// purgeSlice bounds how many rows one transaction of a purge deletes: others
// wait for it.
const purgeSlice = 500

// purgePage is how many old audits are looked at in one transaction.
const purgePage = 100

// leaseTime is how long others leave a purge to a node that says nothing.
const leaseTime = 30 * time.Second

// Purge is one pass over what ended before a time. It deletes
//   - mitigation tasks with their executions and changes;
//   - audits with their findings, but not one that a mitigation task which is
//     kept was aimed at: what the task did is told by the findings;
//   - messages for topics and their deliveries, made or not;
//   - subscriptions that nobody confirmed in the life of a token, whatever the
//     time;
//   - what is remembered of imports;
//   - what was seen of connections before the windows of audits begin.
//
// Of the changes of rights it deletes those that gateways had an hour to read,
// whatever the time.
//
// What is in progress has not ended, and stays. The row of a task or audit goes
// first and with it all that can be seen of it; the rows that hung on it follow
// in parts, also after a crash.
type Purge struct {
	store  *Store
	node   string
	before int64
	// The last audit that was looked at: those that are kept are not looked at
	// again in this pass.
	ended, seq  int64
	connections seenPurge
}

// NewPurge begins a pass. The node is who purges: one at a time does.
func (s *Store) NewPurge(node string, before time.Time) *Purge {
	return &Purge{store: s, node: node, before: before.UnixMilli()}
}

// Step deletes the next part, as one transaction of at most a few hundred rows,
// and reports whether there may be more. While another node is at it, it does
// nothing.
func (p *Purge) Step(ctx context.Context) (more bool, err error) {
	err = p.store.write(ctx, func(ctx context.Context, q querier) error {
		mine, err := p.lease(ctx, q)
		if err != nil || !mine {
			more = false
			return err
		}
		if more, err = p.delete(ctx, q); err != nil || more {
			return err
		}
		_, err = q.exec(ctx, `UPDATE purge_lease SET until = 0 WHERE node = @node`, args{"node": p.node})
		return err
	})
	return more, err
}

func (p *Purge) delete(ctx context.Context, q querier) (more bool, err error) {
	for _, step := range []func(context.Context, querier) (int64, error){
		purgeLeftovers, p.tasks, p.audits, p.deliveries, p.messages, p.unconfirmed, p.imports, p.seen, purgeRights,
	} {
		n, err := step(ctx, q)
		if err != nil {
			return false, fmt.Errorf("purge: %w", err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

// lease takes or keeps the right to purge. On PostgreSQL the row is locked until
// the step ends.
func (p *Purge) lease(ctx context.Context, q querier) (bool, error) {
	now := q.dialect().now
	n, err := q.exec(ctx, `UPDATE purge_lease SET node = @node, until = `+now+` + @time
		WHERE node = @node OR until < `+now, args{"node": p.node, "time": leaseTime.Milliseconds()})
	if err != nil {
		return false, fmt.Errorf("take the right to purge: %w", err)
	}
	return n == 1, nil
}

// leftover is a task or audit that is gone and left rows behind.
type leftover struct {
	seq  int64
	kind string
}

// hung is a table whose rows hang on a task or an audit. Its primary key is the
// column that names the owner and the other ones, all of them numbers.
type hung struct {
	table, owner string
	keys         []string
}

var hanging = map[string][]hung{
	"task": {
		{"mitigation_targets", "task", []string{"audit", "n"}},
		{"executions", "task", []string{"audit", "n", "action"}},
		{"execution_changes", "task", []string{"audit", "n", "action", "k"}},
	},
	"audit": {
		{"findings", "audit", []string{"n"}},
		{"finding_resources", "audit", []string{"n", "k"}},
		{"audit_issuers", "audit", []string{"issuer"}},
	},
}

// purge deletes the first rows that hang on an owner: a range of the primary
// key.
func (h hung) purge(ctx context.Context, q querier, owner int64) (int64, error) {
	keys := strings.Join(h.keys, ", ")
	list, err := all(ctx, q, `SELECT `+keys+` FROM `+h.table+` WHERE `+h.owner+` = @owner ORDER BY `+keys+` LIMIT @limit`,
		args{"owner": owner, "limit": purgeSlice}, func(r scanner) ([]int64, error) {
			row, dest := make([]int64, len(h.keys)), make([]any, len(h.keys))
			for i := range row {
				dest[i] = &row[i]
			}
			return row, r.Scan(dest...)
		})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	last := args{"owner": owner}
	for i, key := range h.keys {
		last[key] = list[len(list)-1][i]
	}
	return q.exec(ctx, `DELETE FROM `+h.table+` WHERE `+h.owner+` = @owner
		AND (`+keys+`) <= (@`+strings.Join(h.keys, ", @")+`)`, last)
}

// purgeLeftovers deletes some of what a task or audit that is gone left behind.
func purgeLeftovers(ctx context.Context, q querier) (int64, error) {
	left, ok, err := one(ctx, q, `SELECT seq, kind FROM leftovers ORDER BY seq LIMIT 1`, nil,
		func(r scanner) (l leftover, err error) { return l, r.Scan(&l.seq, &l.kind) })
	if err != nil || !ok {
		return 0, err
	}
	for _, h := range hanging[left.kind] {
		if n, err := h.purge(ctx, q, left.seq); err != nil || n > 0 {
			return n, err
		}
	}
	return q.exec(ctx, `DELETE FROM leftovers WHERE seq = @seq`, args{"seq": left.seq})
}

// leave deletes the row of a task or audit and remembers what hangs on it.
func leave(ctx context.Context, q querier, kind, table string, seq int64) error {
	n, err := q.exec(ctx, `DELETE FROM `+table+` WHERE seq = @seq`, args{"seq": seq})
	if err != nil || n == 0 {
		return err
	}
	_, err = q.exec(ctx, `INSERT INTO leftovers (seq, kind) VALUES (@seq, @kind)`, args{"seq": seq, "kind": kind})
	return err
}

// oldRow is a task or audit that ended long ago.
type oldRow struct{ seq, scope, ended int64 }

func scanOld(r scanner) (o oldRow, err error) { return o, r.Scan(&o.seq, &o.scope, &o.ended) }

// tasks takes one old mitigation task away.
func (p *Purge) tasks(ctx context.Context, q querier) (int64, error) {
	old, ok, err := one(ctx, q, `SELECT seq, scope, ended_at FROM mitigation_tasks
		WHERE ended_at IS NOT NULL AND ended_at < @before ORDER BY ended_at, seq LIMIT 1`,
		args{"before": p.before}, scanOld)
	if err != nil || !ok {
		return 0, err
	}
	// Nobody begins a task of this id or token now.
	if err := lockScope(ctx, q, old.scope); err != nil {
		return 0, err
	}
	return 1, leave(ctx, q, "task", "mitigation_tasks", old.seq)
}

// audits takes one old audit away that no task is aimed at.
func (p *Purge) audits(ctx context.Context, q querier) (int64, error) {
	page, err := all(ctx, q, `SELECT seq, scope, ended_at FROM audits
		WHERE ended_at IS NOT NULL AND ended_at < @before AND (ended_at, seq) > (@ended, @seq)
		ORDER BY ended_at, seq LIMIT @limit`,
		args{"before": p.before, "ended": p.ended, "seq": p.seq, "limit": purgePage}, scanOld)
	if err != nil {
		return 0, err
	}
	for _, old := range page {
		p.ended, p.seq = old.ended, old.seq
		aimed, err := p.aimed(ctx, q, old)
		if err != nil {
			return 0, err
		}
		if !aimed {
			return 1, leave(ctx, q, "audit", "audits", old.seq)
		}
	}
	return int64(len(page)), nil
}

// aimed reports whether a mitigation task is aimed at an audit or a finding of
// it. None will be until the transaction ends.
func (p *Purge) aimed(ctx context.Context, q querier, old oldRow) (bool, error) {
	const text = `SELECT count(*) FROM (SELECT 1 FROM mitigation_targets WHERE audit = @seq LIMIT 1) g`
	n, err := count(ctx, q, text, args{"seq": old.seq})
	if err != nil || n > 0 {
		return n > 0, err
	}
	if err := lockScope(ctx, q, old.scope); err != nil {
		return false, err
	}
	n, err = count(ctx, q, text, args{"seq": old.seq})
	return n > 0, err
}

// deliveries deletes some old deliveries of messages.
func (p *Purge) deliveries(ctx context.Context, q querier) (int64, error) {
	return q.exec(ctx, `DELETE FROM topic_deliveries WHERE seq IN (SELECT seq FROM topic_deliveries
		WHERE created_at < @before ORDER BY created_at, seq LIMIT @limit)`,
		args{"before": p.before, "limit": purgeSlice})
}

// unconfirmed deletes some subscriptions whose endpoint was asked in vain.
func (p *Purge) unconfirmed(ctx context.Context, q querier) (int64, error) {
	return q.exec(ctx, `DELETE FROM topic_subscriptions WHERE state = 'PENDING' AND seq IN (
		SELECT seq FROM topic_subscriptions WHERE state = 'PENDING' AND created_at < @before
		ORDER BY created_at, seq LIMIT @limit)`,
		args{"before": p.store.now().Add(-notify.TokenLife).UnixMilli(), "limit": purgeSlice})
}

// messages deletes some old messages, delivered or not.
func (p *Purge) messages(ctx context.Context, q querier) (int64, error) {
	return q.exec(ctx, `DELETE FROM topic_messages WHERE seq IN (SELECT seq FROM topic_messages
		WHERE created_at < @before ORDER BY created_at, seq LIMIT @limit)`,
		args{"before": p.before, "limit": purgeSlice})
}

// imports forgets some batches of an old import, and then the import.
func (p *Purge) imports(ctx context.Context, q querier) (int64, error) {
	old, ok, err := one(ctx, q, `SELECT scope, id FROM imports WHERE created_at < @before ORDER BY created_at LIMIT 1`,
		args{"before": p.before}, func(r scanner) (a args, err error) {
			var scope int64
			var id string
			err = r.Scan(&scope, &id)
			return args{"scope": scope, "import": id}, err
		})
	if err != nil || !ok {
		return 0, err
	}
	old["limit"] = purgeSlice
	n, err := q.exec(ctx, `DELETE FROM import_batches WHERE scope = @scope AND import = @import AND n IN (
		SELECT n FROM import_batches WHERE scope = @scope AND import = @import ORDER BY n LIMIT @limit)`, old)
	if err != nil || n > 0 {
		return n, err
	}
	delete(old, "limit")
	return q.exec(ctx, `DELETE FROM imports WHERE scope = @scope AND id = @import`, old)
}
