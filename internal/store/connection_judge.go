package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

const (
	// judgedAtOnce is how many intervals are judged in one transaction.
	judgedAtOnce = 200
	// plainKept is how many intervals of a certificate are kept that are evidence
	// of nothing and that nobody took over.
	plainKept = 100
)

// plain is the condition of intervals that are evidence of nothing.
const plain = `judged AND shared_at = 0 AND conflict_at = 0 AND displaced_by = ''`

// JudgeConnections finds out of some intervals whether they are evidence, in the
// order in which they ended, and reports whether there may be more. What is no
// evidence and not among the last ones of its certificate is deleted.
//
// An interval is judged once it lasted for longer than an overlap must, for it
// may show that its certificate is being shared, and once it has ended, when
// everything that can overlap it is known. Each costs some look-ups in indexes,
// however many intervals a certificate has.
func (s *Store) JudgeConnections(ctx context.Context) (more bool, err error) {
	a := args{"now": s.millis(), "limit": judgedAtOnce}
	due, err := count(ctx, s.read, `SELECT count(*) FROM (SELECT 1 FROM connections WHERE due_at <= @now LIMIT 1) d`,
		args{"now": a["now"]})
	if err != nil || due == 0 {
		return false, err
	}
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		// Nobody else judges: what is judged depends on what was.
		if _, err := q.exec(ctx, `UPDATE connection_judge SET steps = steps + 1`, nil); err != nil {
			return err
		}
		list, err := all(ctx, q, dueText, a, scanDue)
		if err != nil {
			return err
		}
		more = len(list) == judgedAtOnce
		scopes := map[int64]*judging{}
		for i := range list {
			j := scopes[list[i].scope]
			if j == nil {
				j = &judging{ctx: ctx, q: q, scope: list[i].scope, now: s.now(), certificates: map[string]*judgedCertificate{}}
				scopes[j.scope] = j
			}
			j.add(&list[i])
		}
		for _, scope := range slices.Sorted(maps.Keys(scopes)) {
			if err := scopes[scope].store(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("judge connections: %w", err)
	}
	return more, nil
}

// dueText reads intervals that are to be judged, with what decides about them:
// of other client ids of the certificate, when the earliest of those began that
// were connected when this one ended, and when the last one before ended; the
// certificate of the successor; and when a predecessor of the same certificate
// was displaced.
const dueText = `SELECT c.scope, ` + intervalColumns + `,
		(SELECT o.from_at FROM connections o WHERE o.scope = c.scope AND o.certificate = c.certificate AND NOT o.judged
			AND o.client_id <> c.client_id AND (o.until_at IS NULL OR o.until_at >= c.until_at) ORDER BY o.from_at LIMIT 1),
		(SELECT o.until_at FROM connections o WHERE o.scope = c.scope AND o.certificate = c.certificate AND o.shared_at > 0
			AND o.until_at - o.from_at > 5000 AND o.until_at <= c.until_at AND o.until_at > c.from_at + 5000
			AND o.client_id <> c.client_id ORDER BY o.until_at DESC LIMIT 1),
		(SELECT b.certificate FROM connections b WHERE b.scope = c.scope AND b.session = c.displaced_by),
		(SELECT p.until_at FROM connections p WHERE p.scope = c.scope AND p.displaced_by = c.session
			AND p.displaced_by <> '' AND p.certificate = c.certificate AND p.until_at IS NOT NULL
			ORDER BY p.until_at DESC LIMIT 1)
	FROM connections c WHERE c.due_at <= @now ORDER BY c.due_at, c.session LIMIT @limit`

// dueInterval is an interval that is to be judged.
type dueInterval struct {
	scope int64
	fleet.Ended
}

func scanDue(r scanner) (d dueInterval, err error) {
	var beside, before, displaced *int64
	var successor *string
	interval, err := scanInterval(fleet.Scope{}, &beside, &before, &successor, &displaced)(prefixed{r, &d.scope})
	d.Interval = interval
	d.Beside, d.Before, d.Displaced = fromNullMillis(beside), fromNullMillis(before), fromNullMillis(displaced)
	if successor != nil {
		d.Successor = *successor
	}
	return d, err
}

// prefixed reads a column before those that are asked for.
type prefixed struct {
	scanner
	first any
}

// Scan implements scanner.
func (p prefixed) Scan(dest ...any) error { return p.scanner.Scan(append([]any{p.first}, dest...)...) }

// judging judges intervals of a scope.
type judging struct {
	ctx          context.Context
	q            querier
	scope        int64
	now          time.Time
	open, ended  []string // sessions
	evidence     []verdict
	clients      map[string]int64 // when client ids were last fought for
	certificates map[string]*judgedCertificate
}

// verdict is what an interval was found to be evidence of.
type verdict struct {
	session, certificate, successor string
	shared, conflict                int64
	// predecessor says that the one before is evidence too.
	predecessor bool
}

// judgedCertificate is what was found out about a certificate.
type judgedCertificate struct {
	session string // one of its intervals
	plain   bool   // one of them is evidence of nothing
	// The latest interval that is evidence and was long enough, and the latest one
	// of another client id.
	last, other sharedUntil
	shared      int64 // when it was last seen to be shared
	begun       bool  // an interval lasts for longer than an overlap must
}

type sharedUntil struct {
	client string
	at     time.Time
}

// add judges an interval. What ended before it was added before.
func (j *judging) add(d *dueInterval) {
	c := j.certificates[d.Certificate]
	if c == nil {
		c = &judgedCertificate{session: d.Session}
		j.certificates[d.Certificate] = c
	}
	if d.Until.IsZero() {
		j.open = append(j.open, d.Session)
		c.begun = true
		return
	}
	j.ended = append(j.ended, d.Session)
	if before := c.lastOther(d.ClientID); before.After(d.Before) {
		d.Before = before
	}
	v := verdict{session: d.Session, certificate: d.Certificate}
	if at := d.Shared(); !at.IsZero() {
		v.shared = at.UnixMilli()
		c.note(d)
	}
	if found := d.Conflict(); found != fleet.NoConflict {
		v.conflict, v.successor = d.Until.UnixMilli(), d.DisplacedBy
		if v.predecessor = found == fleet.SameCertificate; v.predecessor {
			v.shared = v.conflict
		}
		if j.clients == nil {
			j.clients = map[string]int64{}
		}
		j.clients[d.ClientID] = max(j.clients[d.ClientID], v.conflict)
	}
	c.shared = max(c.shared, v.shared)
	if v.shared > 0 || v.conflict > 0 {
		j.evidence = append(j.evidence, v)
	} else if d.DisplacedBy == "" {
		c.plain, c.session = true, d.Session
	}
}

// lastOther is when the latest evidence of another client id ended.
func (c *judgedCertificate) lastOther(client string) time.Time {
	if c.last.client != client {
		return c.last.at
	}
	return c.other.at
}

// note remembers an interval that is evidence of sharing. They come in the
// order in which they ended.
func (c *judgedCertificate) note(d *dueInterval) {
	if d.Until.Sub(d.From) <= fleet.SharedOverlap {
		return
	}
	if c.last.client != d.ClientID {
		c.other = c.last
	}
	c.last = sharedUntil{d.ClientID, d.Until}
}

// store keeps what was found.
func (j *judging) store() error {
	for _, step := range []func() error{j.mark, j.markEvidence, j.markClients, j.markCertificates, j.shrink} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (j *judging) mark() error {
	for _, m := range []struct {
		sessions []string
		text     string
	}{
		{j.open, `UPDATE connections SET due_at = NULL WHERE scope = @scope AND until_at IS NULL AND `},
		{j.ended, `UPDATE connections SET due_at = NULL, judged = TRUE WHERE scope = @scope AND until_at IS NOT NULL AND `},
	} {
		if len(m.sessions) == 0 {
			continue
		}
		a := args{"scope": j.scope}
		if _, err := j.q.exec(j.ctx, m.text+j.q.dialect().in("session", "sessions", a, m.sessions), a); err != nil {
			return fmt.Errorf("mark intervals as judged: %w", err)
		}
	}
	return nil
}

// raise is the part of a statement that marks intervals as evidence.
const raise = `UPDATE connections SET
	shared_at = CASE WHEN CAST(@shared AS BIGINT) > shared_at THEN CAST(@shared AS BIGINT) ELSE shared_at END,
	conflict_at = CASE WHEN CAST(@conflict AS BIGINT) > conflict_at THEN CAST(@conflict AS BIGINT) ELSE conflict_at END
	WHERE scope = @scope AND `

func (j *judging) markEvidence() error {
	for _, v := range j.evidence {
		if err := j.raise(v, `session = @session`, args{"session": v.session}); err != nil {
			return err
		}
		if v.predecessor {
			if err := j.raise(v, `displaced_by = @session AND displaced_by <> '' AND certificate = @certificate`,
				args{"session": v.session, "certificate": v.certificate}); err != nil {
				return err
			}
		} else {
			v.shared = 0 // the successor has another certificate
		}
		if v.successor != "" {
			if err := j.raise(v, `session = @session`, args{"session": v.successor}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *judging) raise(v verdict, which string, a args) error {
	a["scope"], a["shared"], a["conflict"] = j.scope, v.shared, v.conflict
	if _, err := j.q.exec(j.ctx, raise+which, a); err != nil {
		return fmt.Errorf("mark evidence: %w", err)
	}
	return nil
}

func (j *judging) markClients() error {
	for _, client := range slices.Sorted(maps.Keys(j.clients)) {
		if _, err := j.q.exec(j.ctx, `UPDATE connected_clients SET conflict_at = @at
			WHERE scope = @scope AND client_id = @client AND conflict_at < @at`,
			args{"scope": j.scope, "client": client, "at": j.clients[client]}); err != nil {
			return fmt.Errorf("mark client id: %w", err)
		}
	}
	return nil
}

// markCertificates stores which certificates are shared, or were up to when.
func (j *judging) markCertificates() error {
	ids := slices.Sorted(maps.Keys(j.certificates))
	live, err := j.live(ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c := j.certificates[id]
		if c.shared == 0 && !c.begun && !live[id] {
			continue
		}
		now, alone, err := j.shared(id)
		if err != nil {
			return err
		}
		if at := c.lastOther(alone); !at.IsZero() && !now {
			// Those that stay have been beside what has ended.
			if err := j.markOpen(id, alone, at); err != nil {
				return err
			}
		}
		if now == live[id] && c.shared == 0 {
			continue
		}
		if err := j.markCertificate(id, now, c.shared); err != nil {
			return err
		}
	}
	return nil
}

// live returns which certificates were shared when they were judged last.
func (j *judging) live(ids []string) (map[string]bool, error) {
	a := args{"scope": j.scope}
	list, err := all(j.ctx, j.q, `SELECT certificate FROM shared_certificates WHERE scope = @scope AND live AND `+
		j.q.dialect().in("certificate", "ids", a, ids), a, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("read shared certificates: %w", err)
	}
	out := map[string]bool{}
	for _, id := range list {
		out[id] = true
	}
	return out, nil
}

// shared reports whether a certificate is being shared now; if not, alone is
// the client id of the one that has been connected for the longest.
func (j *judging) shared(certificate string) (now bool, alone string, err error) {
	type begun struct {
		client string
		at     int64
	}
	a := args{"scope": j.scope, "certificate": certificate, "client": ""}
	const text = `SELECT client_id, from_at FROM connections WHERE scope = @scope AND certificate = @certificate
		AND until_at IS NULL AND client_id <> @client ORDER BY from_at, session LIMIT 1`
	scan := func(r scanner) (b begun, err error) { return b, r.Scan(&b.client, &b.at) }
	first, found, err := one(j.ctx, j.q, text, a, scan)
	if err != nil || !found {
		return false, "", err
	}
	a["client"] = first.client
	second, found, err := one(j.ctx, j.q, text, a, scan)
	if err != nil || !found {
		return false, first.client, err
	}
	return fleet.Overlapped(fromMillis(first.at), fromMillis(second.at), j.now), first.client, nil
}

// markOpen marks what is connected, and was beside an interval that ended at a
// time, as evidence.
func (j *judging) markOpen(certificate, client string, at time.Time) error {
	_, err := j.q.exec(j.ctx, `UPDATE connections SET shared_at = @at WHERE scope = @scope AND certificate = @certificate
		AND client_id = @client AND until_at IS NULL AND from_at < @begun AND shared_at < @at`,
		args{
			"scope": j.scope, "certificate": certificate, "client": client, "at": at.UnixMilli(),
			"begun": at.Add(-fleet.SharedOverlap).UnixMilli(),
		})
	if err != nil {
		return fmt.Errorf("mark evidence: %w", err)
	}
	return nil
}

// markCertificate stores that a certificate is shared, or was. One that is not
// registered is left out.
func (j *judging) markCertificate(id string, live bool, at int64) error {
	_, err := j.q.exec(j.ctx, `INSERT INTO shared_certificates (scope, certificate, seq, live, shared_at)
		SELECT c.scope, c.id, c.seq, CAST(@live AS BOOLEAN), CAST(@at AS BIGINT) FROM certificates c
		WHERE c.scope = @scope AND c.id = @certificate
		ON CONFLICT (scope, certificate) DO UPDATE SET seq = excluded.seq, live = excluded.live,
			shared_at = CASE WHEN excluded.shared_at > shared_certificates.shared_at
				THEN excluded.shared_at ELSE shared_certificates.shared_at END`,
		args{"scope": j.scope, "certificate": id, "live": live, "at": at})
	if err != nil {
		return fmt.Errorf("mark certificate: %w", err)
	}
	return nil
}

// shrink deletes intervals that are evidence of nothing, but for the last ones
// of each certificate.
func (j *judging) shrink() error {
	var sessions []string
	for _, c := range j.certificates {
		if c.plain {
			sessions = append(sessions, c.session)
		}
	}
	if len(sessions) == 0 {
		return nil
	}
	slices.Sort(sessions)
	type edge struct {
		certificate string
		session     *string
	}
	a := args{"scope": j.scope, "kept": plainKept}
	edges, err := all(j.ctx, j.q, `SELECT c.certificate, (SELECT session FROM connections
			WHERE scope = c.scope AND certificate = c.certificate AND `+plain+`
			ORDER BY until_at DESC, session DESC LIMIT 1 OFFSET @kept)
		FROM connections c WHERE c.scope = @scope AND `+j.q.dialect().in("c.session", "sessions", a, sessions), a,
		func(r scanner) (e edge, err error) { return e, r.Scan(&e.certificate, &e.session) })
	if err != nil {
		return fmt.Errorf("find old intervals: %w", err)
	}
	for _, e := range edges {
		if e.session == nil {
			continue
		}
		if _, err := j.q.exec(j.ctx, `DELETE FROM connections WHERE scope = @scope AND certificate = @certificate AND `+
			plain+` AND (until_at, session) <= (SELECT e.until_at, e.session FROM connections e
				WHERE e.scope = @scope AND e.session = @session)`,
			args{"scope": j.scope, "certificate": e.certificate, "session": *e.session}); err != nil {
			return fmt.Errorf("delete old intervals: %w", err)
		}
	}
	return nil
}
