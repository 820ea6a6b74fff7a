package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

const (
	// feedWait is how long a feed waits to be woken before it looks.
	feedWait = 250 * time.Millisecond
	// feedPage is how many entries are read at once, of up to a thousand names.
	feedPage = 100
	// feedReadTime bounds one read, so that a database that says nothing is an
	// error.
	feedReadTime = 2 * time.Second
	// feedTime is how long entries are kept at least.
	feedTime = time.Hour
)

// feedTexts are the statements of a feed. What is read of the state of the feed
// stands in every row: a row without an entry has nothing else.
type feedTexts struct {
	// now reads where a feed begins: snapshot, server, and the last number.
	now string
	// news reads the first entries that a feed has not seen, in any order.
	news string
	// mark is an expression for what is committed with its entries so far, and
	// before compares an entry e with one; in order they are found by an index. The
	// mark of the feed f is valid unless it comes from another database server, by a
	// copy of the tables.
	mark, before, order, valid string
}

var sqliteFeed = &feedTexts{
	now: `SELECT '', '', max(f.purged, coalesce((SELECT max(seq) FROM right_changes), 0)) FROM right_feed f`,
	news: `SELECT '', '', f.purged, e.seq, e.account, e.region, e.kind, e.names, e.detail FROM right_feed f
		LEFT JOIN (SELECT seq, account, region, kind, names, detail FROM right_changes
			WHERE seq > @behind ORDER BY seq LIMIT @limit) e ON TRUE`,
	mark:   `coalesce((SELECT max(seq) FROM right_changes), 0)`,
	before: `e.seq <=`, order: `e.seq`, valid: `TRUE`,
}

// oldestRunning is the oldest transaction that may go on.
const oldestRunning = `CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)`

var postgresFeed = &feedTexts{
	now: `SELECT CAST(pg_current_snapshot() AS TEXT), CAST(pg_postmaster_start_time() AS TEXT),
		coalesce((SELECT max(seq) FROM right_changes), 0) FROM right_feed`,
	news: `SELECT CAST(pg_current_snapshot() AS TEXT), CAST(pg_postmaster_start_time() AS TEXT), f.purged,
			e.seq, e.account, e.region, e.kind, e.names, e.detail
		FROM right_feed f LEFT JOIN (
			(SELECT seq, account, region, kind, names, detail FROM right_changes
				WHERE seq > CAST(@behind AS BIGINT) ORDER BY seq LIMIT CAST(@limit AS BIGINT))
			UNION ALL
			(SELECT seq, account, region, kind, names, detail FROM right_changes
				WHERE tx = ANY(CAST(@running AS BIGINT[])) AND seq > @page AND seq <= @last)
			UNION ALL
			(SELECT seq, account, region, kind, names, detail FROM right_changes
				WHERE tx >= @xmax AND tx < CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)
					AND seq > @page AND seq <= @last)
		) e ON TRUE ORDER BY e.seq LIMIT @limit`,
	mark:   oldestRunning,
	before: `e.tx <`,
	order:  `e.tx, e.seq`,
	valid:  `f.mark <= ` + oldestRunning,
}

// purgeRights deletes some old entries. Once the mark is old enough those before
// it go, and when they are gone the mark moves to what is committed by then: an
// entry of a transaction that went on for long is kept as long as others.
func purgeRights(ctx context.Context, q querier) (int64, error) {
	d := q.dialect()
	old := args{"time": feedTime.Milliseconds()}
	due := `f.marked_at < ` + d.now + ` - @time`
	n, err := q.exec(ctx, `DELETE FROM right_changes WHERE seq IN (
		SELECT e.seq FROM right_changes e
		WHERE `+d.feed.before+` (SELECT f.mark FROM right_feed f WHERE `+d.feed.valid+` AND `+due+`)
		ORDER BY `+d.feed.order+` LIMIT @limit)`,
		args{"time": feedTime.Milliseconds(), "limit": purgeSlice / 10}) // each has up to a thousand names
	if err != nil {
		return 0, err
	}
	if _, err := q.exec(ctx, `UPDATE right_feed AS f SET purged = mark WHERE purged <> mark AND `+d.feed.valid+`
		AND `+due, old); err != nil || n > 0 {
		return n, err
	}
	_, err = q.exec(ctx, `UPDATE right_feed AS f SET mark = `+d.feed.mark+`, marked_at = `+d.now+` WHERE `+due, old)
	return 0, err
}

// RightsFeed follows what is noted of changes that may take rights. It is read
// by one goroutine.
//
// On PostgreSQL transactions do not commit in the order of their entries'
// numbers. A read takes the snapshot that it sees, and the next one asks for
// what that snapshot did not show: the entries behind the last number, and
// before it those of the transactions that were running or had not begun. So
// none is missed, and none waits for a transaction that goes on and on.
type RightsFeed struct {
	s    *Store
	woke chan struct{}
	at   feedPosition
	// While a round of several pages lasts, next is the position behind it and
	// page the last number that was read.
	next *feedPosition
	page int64
}

// feedPosition is how far a feed has been read.
type feedPosition struct {
	last   int64 // the highest number
	server string
	// What a PostgreSQL snapshot shows: every transaction before xmin, and those
	// before xmax that are not in running.
	xmin, xmax int64
	running    []int64
}

// NewRightsFeed returns a feed of what is committed from now on. It must be
// closed.
func (s *Store) NewRightsFeed(ctx context.Context) (*RightsFeed, error) {
	f := &RightsFeed{s: s, woke: make(chan struct{}, 1)}
	at, err := f.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin to follow changes of rights: %w", err)
	}
	f.at = at
	s.feeds.add(f)
	if s.pool != nil {
		s.feeds.listen.Do(func() { s.loops.Go(s.listen) })
	}
	return f, nil
}

// Close ends a feed.
func (f *RightsFeed) Close() { f.s.feeds.remove(f) }

// now is the position behind everything that is committed.
func (f *RightsFeed) now(ctx context.Context) (feedPosition, error) {
	at, ok, err := one(ctx, f.s.read, f.s.dialect.feed.now, nil, func(r scanner) (at feedPosition, err error) {
		var snapshot string
		if err := r.Scan(&snapshot, &at.server, &at.last); err != nil {
			return at, err
		}
		return at, at.parse(snapshot)
	})
	if err == nil && !ok {
		err = errors.New("the state of the feed is missing")
	}
	return at, err
}

// parse reads a snapshot in PostgreSQL's form, "xmin:xmax:xid,xid,…"; on SQLite
// it is empty.
func (at *feedPosition) parse(snapshot string) (err error) {
	if snapshot == "" {
		return nil
	}
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return fmt.Errorf("read snapshot %q", snapshot)
	}
	if at.xmin, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if at.xmax, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	at.running = []int64{}
	for text := range strings.SplitSeq(parts[2], ",") {
		if text == "" {
			continue
		}
		xid, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
		at.running = append(at.running, xid)
	}
	return nil
}

// Next waits for changes, for a quarter of a second at most, and returns none
// when there were none. Lost says that some were missed: the entries were
// deleted, or the database server is another one than before. After an error it
// goes on where it was.
func (f *RightsFeed) Next(ctx context.Context) (changes []fleet.RightChange, lost bool, err error) {
	if f.next == nil {
		wait := time.NewTimer(feedWait)
		defer wait.Stop()
		select {
		case <-f.woke:
		case <-wait.C:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, feedReadTime)
	defer cancel()
	changes, lost, err = f.look(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("follow changes of rights: %w", err)
	}
	return changes, lost, nil
}

// feedRow is an entry, if there is one, and the state of the feed.
type feedRow struct {
	change fleet.RightChange
	state  feedPosition
	purged int64
}

// look reads the next page of entries.
func (f *RightsFeed) look(ctx context.Context) ([]fleet.RightChange, bool, error) {
	list, err := all(ctx, f.s.read, f.s.dialect.feed.news, f.unseen(), scanFeedRow)
	if err != nil {
		return nil, false, err
	}
	if len(list) == 0 {
		return nil, false, errors.New("the state of the feed is missing")
	}
	state := list[0].state
	if f.missed(&list[0]) {
		at, err := f.now(ctx)
		if err != nil {
			return nil, false, err
		}
		f.at, f.next, f.page = at, nil, 0
		return nil, true, nil
	}
	var changes []fleet.RightChange
	for i := range list {
		if list[i].change.Seq != 0 {
			changes = append(changes, list[i].change)
		}
	}
	slices.SortFunc(changes, func(a, b fleet.RightChange) int { return cmp.Compare(a.Seq, b.Seq) })
	f.advance(state, changes)
	return changes, false, nil
}

// unseen says which entries the feed has not seen.
func (f *RightsFeed) unseen() args {
	a := args{"behind": max(f.at.last, f.page), "limit": feedPage}
	if f.s.pool != nil {
		a["last"], a["page"], a["xmax"], a["running"] = f.at.last, f.page, f.at.xmax, f.at.running
	}
	return a
}

// missed reports whether entries may be gone that were not read.
func (f *RightsFeed) missed(r *feedRow) bool {
	if f.s.pool == nil {
		return r.purged > f.at.last
	}
	// What was purged later than now was purged on another server.
	return r.state.server != f.at.server || r.purged > f.at.xmin && r.purged <= r.state.xmax
}

// advance notes that a page was read. What is committed while a round of several
// pages lasts belongs to the next one, also where it was read in this one: the
// position behind a round is that of its first page.
func (f *RightsFeed) advance(state feedPosition, page []fleet.RightChange) {
	if f.next == nil {
		f.next = &state
		f.next.last = f.at.last
	}
	if len(page) > 0 {
		f.page = page[len(page)-1].Seq
		f.next.last = max(f.next.last, f.page)
	}
	if len(page) < feedPage {
		f.at, f.next, f.page = *f.next, nil, 0
	}
}

func scanFeedRow(r scanner) (row feedRow, err error) {
	var snapshot string
	var seq *int64
	var account, region, kind, names, detail *string
	err = r.Scan(&snapshot, &row.state.server, &row.purged, &seq, &account, &region, &kind, &names, &detail)
	if err == nil {
		err = row.state.parse(snapshot)
	}
	if err != nil || seq == nil {
		return row, err
	}
	c := &row.change
	c.Seq, c.Kind = *seq, fleet.RightKind(*kind)
	c.Scope = fleet.Scope{Account: *account, Region: *region}
	if *detail != "" {
		if err := fromJSON(*detail, &c.Order); err != nil {
			return row, err
		}
		if c.Order.Session != "" {
			c.Order.Claim = c.Seq
		}
	}
	return row, fromJSON(*names, &c.Names)
}
