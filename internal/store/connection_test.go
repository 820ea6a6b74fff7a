package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

// connected is the session of a client id, "" for none.
func (w *watch) connected(sc fleet.Scope, client string) string {
	w.t.Helper()
	i, err := w.ConnectedSession(context.Background(), sc, client)
	ok(w.t, err)
	if i == nil {
		return ""
	}
	return i.Session
}

func (w *watch) wantConnected(client, want string) {
	w.t.Helper()
	if got := w.connected(here, client); got != want {
		w.t.Errorf("client %s: got session %q, want %q", client, got, want)
	}
}

func TestTheNewestConnectionOfAClientIDCounts(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		first, second := connection("a", "x", 1, 0, 0), connection("b", "x", 1, 10, 0)
		w.write(first)
		got, err := s.ConnectedSession(context.Background(), here, "x")
		ok(t, err)
		if got == nil || *got != first {
			t.Errorf("got %+v, want %+v", got, first)
		}
		if got := w.connected(there, "x") + w.connected(here, "y"); got != "" {
			t.Errorf("got %q for another account and another client id, want none", got)
		}
		// The other node is faster to store than the one that was left.
		w.write(second)
		w.write(displaced(connection("a", "x", 1, 0, 10), "b"))
		w.wantConnected("x", "b")
		w.write(displaced(connection("a", "x", 1, 0, 10), "b"), second)
		w.wantConnected("x", "b")
		w.write(connection("b", "x", 1, 10, 20))
		w.wantConnected("x", "")
		w.write(connection("c", "x", 1, 20, 30), connection("d", "x", 1, 30, 0))
		w.wantConnected("x", "d")
	})
}

// A connection that took over within the millisecond in which the other one
// began is the newer one, in whatever order they are stored.
func TestATakeOverWithinAMillisecond(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		old, fresh := displaced(connection("a", "x", 1, 5, 5), "b"), connection("b", "x", 1, 5, 0)
		for _, order := range [][]fleet.Interval{{old, fresh}, {fresh, old}} {
			w.forget()
			for _, i := range order {
				w.write(i)
			}
			w.wantConnected("x", "b")
			w.forget()
			w.write(order...)
			w.wantConnected("x", "b")
		}
	})
}

func ofThing(i fleet.Interval, thing string) fleet.Interval {
	i.Thing = thing
	return i
}

// search lists the things that match a query.
func search(t *testing.T, s *Store, sc fleet.Scope, text string) string {
	t.Helper()
	q, err := fleetindex.Parse(text)
	ok(t, err)
	list, _, err := s.SearchThings(context.Background(), sc, fleetindex.Search{Query: q, Limit: 10})
	ok(t, err)
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
	}
	return strings.Join(names, " ")
}

func TestThingsAreConnectedAsLongAsOneOfTheirConnections(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		makeThings(t, s, here, "pump", "valve")
		makeThings(t, s, there, "pump")
		ok(t, s.UpdateIndexing(t.Context(), here, func(i *fleet.Indexing) error {
			i.Things, i.Connectivity = fleet.IndexRegistry, fleet.IndexStatus
			return nil
		}))
		workAll(t, s, define(t, s, "online", "connectivity.connected:true"))
		step := func(what string, connected, query, matches string, list ...fleet.Interval) {
			t.Helper()
			w.write(list...)
			if got := search(t, s, here, "connectivity.connected:true"); got != connected {
				t.Errorf("%s: got %q to be connected, want %q", what, got, connected)
			}
			if got := search(t, s, here, query); got != matches {
				t.Errorf("%s: got %q for %s, want %q", what, got, query, matches)
			}
			want := []string{}
			if strings.Contains(connected, "pump") {
				want = append(want, "online")
			}
			wantGroups(t, s, "pump", want...)
		}
		at := func(seconds float64) string {
			return fmt.Sprint("connectivity.timestamp:", seenAt(seconds).UnixMilli())
		}
		one, two := ofThing(connection("a", "x", 1, 0, 0), "pump"), ofThing(connection("b", "y", 1, 10, 0), "pump")
		step("a connection", "pump", at(0), "pump", one, ofThing(connection("g", "z", 2, 0, 0), "gone"))
		step("another one", "pump", at(10), "pump", two)
		one.Until, one.Reason = seenAt(20), fleet.DisconnectKeepAlive
		step("one has ended", "pump", at(10), "pump", one)
		two.Until, two.Reason = seenAt(30), fleet.DisconnectLost
		step("both have ended", "", "connectivity.disconnectReason:CONNECTION_LOST", "pump", two)
		step("when it ended", "", at(30), "pump")
		old := ofThing(connection("o", "o", 1, 1, 2), "pump")
		step("an old one that is stored late", "", at(30), "pump", old)
		both := ofThing(connection("c", "x", 1, 40, 50), "pump")
		step("one that began and ended at once", "", at(50), "pump", both)
		step("two things", "pump valve", at(60), "pump valve", ofThing(connection("d", "x", 1, 60, 0), "pump"),
			ofThing(connection("e", "v", 1, 60, 0), "valve"))
		if got := search(t, s, there, "connectivity.connected:true"); got != "" {
			t.Errorf("got %q to be connected in another account", got)
		}
	})
}

// endLost ends all connections of other nodes that are silent.
func (w *watch) endLost(own string) (ended int) {
	w.t.Helper()
	for more := true; more; {
		var n int
		var err error
		n, more, err = w.EndLost(context.Background(), own, 0)
		ok(w.t, err)
		ended += n
	}
	return ended
}

func TestConnectionsOfADeadNodeEndWhenItWasLastAlive(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		makeThings(t, s, here, "pump")
		register(t, s, here, 2)
		list := []fleet.Interval{
			ofThing(connection("a", "x", 1, 0, 0), "pump"), connection("b", "y", 2, 0, 0), connection("late", "z", 2, 90, 0),
		}
		for n := range lostConnections + 10 {
			list = append(list, connection(fmt.Sprint("m", n), fmt.Sprint("c", n), 3, 0, 0))
		}
		elsewhere := connection("e", "e", 1, 0, 0)
		elsewhere.Scope = there
		w.clock = seenAt(60)
		w.write(list...)
		_, err := s.WriteConnections(t.Context(), there, "n1", []fleet.Interval{elsewhere})
		ok(t, err)
		if known, err := s.BeatGateway(t.Context(), "n1"); err != nil || !known {
			t.Errorf("got %t, %v for a node that is alive", known, err)
		}
		if n := w.endLost("n1"); n != 0 {
			t.Errorf("got %d connections ended by their own node, want none", n)
		}
		w.clock = seenAt(3600)
		if n := w.endLost("n2"); n != len(list)+1 {
			t.Errorf("got %d connections ended, want %d", n, len(list)+1)
		}
		stored := w.stored()
		for session, until := range map[string]time.Time{"a": seenAt(60), "b": seenAt(60), "late": seenAt(90)} {
			if e := stored[session]; !e.Until.Equal(until) || e.Reason != fleet.DisconnectServerError {
				t.Errorf("%s: got an end at %s, %s, want %s", session, e.Until, e.Reason, until)
			}
		}
		w.wantConnected("x", "")
		if w.connected(there, "e") != "" {
			t.Error("got a connection of a dead node in another account")
		}
		if got := search(t, s, here, "connectivity.disconnectReason:SERVER_ERROR"); got != "pump" {
			t.Errorf("got %q to have lost the server, want pump", got)
		}
		// The devices come back, with other client ids where they like: no two of
		// one certificate were connected at once.
		w.write(connection("a2", "x", 1, 61, 0), connection("b2", "other", 2, 91, 0))
		w.judgeAt(seenAt(4000))
		if got := w.sharedCertificates(); got[certificateID(1)] != "" || len(w.conflicts()) > 0 {
			t.Errorf("got %v and %v after a crash, want no finding", got, w.conflicts())
		}
	})
}

// A node that was taken for dead and is not hears so, and what it has open
// counts again.
func TestANodeThatWakesUpStoresItsConnectionsAnew(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 1)
		open := connection("a", "x", 1, 0, 0)
		w.write(open)
		w.clock = seenAt(100)
		w.endLost("n2")
		w.wantConnected("x", "")
		w.judgeAt(seenAt(200))
		for _, want := range []bool{false, true} {
			known, err := s.WriteConnections(t.Context(), here, "n1", []fleet.Interval{open})
			ok(t, err)
			if known != want {
				t.Errorf("got a node that is known %t, want %t", known, want)
			}
		}
		w.wantConnected("x", "a")
		w.write(connection("b", "y", 1, 150, 0))
		w.judgeAt(seenAt(300))
		if got := w.sharedCertificates()[certificateID(1)]; got != "now" {
			t.Errorf("got the certificate shared %q, want now", got)
		}
	})
}

// What a certificate has of intervals that show nothing shrinks to the last
// ones; what shows something, or was taken over, stays.
func TestReconnectsDoNotFillTheTable(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 2)
		w.write(
			connection("shared-1", "x", 1, 0, 50), connection("shared-2", "y", 1, 10, 50),
			displaced(connection("taken", "x", 1, 100, 110), "after"), connection("after", "x", 1, 110, 120),
		)
		for from := range 6 {
			var list []fleet.Interval
			for n := range 120 {
				at := float64(200 + (from*120+n)*10)
				list = append(list, connection(fmt.Sprintf("s%04d", from*120+n), "x", 1, at, at+9))
			}
			w.write(list...)
			w.judgeAt(seenAt(float64(200 + from*600)))
		}
		for n := range 5 {
			w.write(connection(fmt.Sprint("other", n), "z", 2, float64(n*10), float64(n*10+9)))
		}
		w.judgeAt(seenAt(1e5))
		stored := w.stored()
		for _, session := range []string{"shared-1", "shared-2", "taken", "s0719", "s0620", "other0", "other4"} {
			if stored[session].Session == "" {
				t.Errorf("%s is gone", session)
			}
		}
		if got, want := len(stored), 3+plainKept+5; got != want || stored["s0619"].Session != "" {
			t.Errorf("got %d intervals, want %d", got, want)
		}
	})
}

func TestWhatWasSeenIsKeptAsLongAsAuditsLookBack(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 1)
		const day = 24 * 3600
		w.write(
			connection("old-1", "x", 1, 0, day), connection("old-2", "y", 1, 0, day),
			connection("later-1", "x", 1, 2*day, 3*day), connection("later-2", "y", 1, 2*day, 3*day),
			connection("open", "o", 1, 0, 0), connection("new", "n", 1, 40*day, 40*day+1),
		)
		w.judgeAt(seenAt(40*day + 100))
		purge := func(want string) {
			t.Helper()
			p := s.NewPurge("n", seenAt(0))
			for more := true; more; {
				var err error
				more, err = p.Step(t.Context())
				ok(t, err)
			}
			var left []string
			for session := range w.stored() {
				left = append(left, session)
			}
			if got := joined(left); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		schedule := &audit.Schedule{
			Name: "s", Calendar: audit.Calendar{Recurrence: audit.Recurrence{Frequency: audit.Daily}},
			NextRun: seenAt(50 * day), LastRun: seenAt(2 * day), LastDue: seenAt(2 * day),
		}
		ok(t, s.writing(t.Context(), here, func(ctx context.Context, q querier, scope int64) error {
			return saveSchedule(ctx, q, scope, schedule)
		}))
		purge("later-1 later-2 new open")
		ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `UPDATE scheduled_audits SET last_run = @at`, args{"at": seenAt(39 * day).UnixMilli()})
			return err
		}))
		purge("new open")
		clients, err := all(t.Context(), s.read, `SELECT client_id FROM connected_clients`, nil, scalar[string])
		ok(t, err)
		if got := joined(clients); got != "n o" {
			t.Errorf("got client ids %q, want n o", got)
		}
		if got := w.sharedCertificates(); len(got) != 0 {
			t.Errorf("got %v, want none: nobody was beside the one that is open for a month", got)
		}
	})
}

// sightingTask is an audit whose window are some seconds.
func sightingTask(from, to float64) *audit.Task {
	return &audit.Task{Scope: here, WindowFrom: seenAt(from), WindowTo: seenAt(to)}
}

func TestSightingsComeNewestFirstInPages(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 1)
		w.write(
			connection("old", "x", 1, 0, 50), connection("old-2", "y", 1, 0, 50),
			connection("alone", "x", 1, 100, 150),
			connection("a", "x", 1, 200, 0), connection("b", "y", 1, 210, 300), connection("c", "z", 1, 310, 0),
			connection("d", "w", 1, 420, 0), // for too short a time yet
			connection("later", "v", 1, 423.5, 0),
		)
		w.judgeAt(seenAt(424))
		for _, tt := range []struct {
			from, to float64
			want     string
		}{
			{0, 423, "c b a old-2 old"}, {100, 423, "c b a"}, {301, 423, "c a"}, {100, 250, "b a"},
		} {
			for limit := 1; limit < 8; limit++ {
				var got []string
				q := audit.SightingQuery{Certificate: certificateID(1), Limit: limit}
				for {
					page, err := s.Sightings(t.Context(), readTx{q: s.read}, sightingTask(tt.from, tt.to), q)
					ok(t, err)
					for _, x := range page.List {
						got = append(got, x.Session)
					}
					if q.Before = page.Last; page.Last.Session == "" {
						break
					}
				}
				if list := strings.Join(got, " "); list != tt.want {
					t.Errorf("from %v to %v, %d at a time: got %q, want %q", tt.from, tt.to, limit, list, tt.want)
				}
			}
		}
	})
}

func TestOtherAccountsSeeNothing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 1)
		register(t, s, there, 1)
		w.write(connection("a", "x", 1, 0, 100), displaced(connection("b", "y", 1, 0, 100), "c"),
			connection("c", "y", 2, 100, 200))
		w.judgeAt(seenAt(1000))
		first, last := int64(0), int64(1)<<62
		for sc, want := range map[fleet.Scope]int{here: 1, there: 0} {
			task := sightingTask(0, 1000)
			task.Scope = sc
			shared, err := s.SharedCertificates(t.Context(), readTx{q: s.read}, task, first, last)
			ok(t, err)
			clients, err := s.ClientPage(t.Context(), readTx{q: s.read}, sc, "", 10)
			ok(t, err)
			fought := slices.DeleteFunc(clients, func(c fleet.Client) bool { return c.Conflict.IsZero() })
			page, err := s.Sightings(t.Context(), readTx{q: s.read}, task, audit.SightingQuery{ClientID: "y", Limit: 10})
			ok(t, err)
			if len(shared) != want || len(fought) != want || len(page.List) != 2*want {
				t.Errorf("%s: got %d certificates, %d client ids and %d connections, want %d", sc.Account, len(shared),
					len(fought), len(page.List), want)
			}
		}
	})
}

// seenFills are connections: one certificate has half of all, side by side, and
// the others have one or two each.
var seenFills = []fill{
	{1, `INSERT INTO connections (scope, session, node, client_id, certificate, thing, address, from_at, until_at, reason,
			displaced_by, due_at, judged, shared_at, conflict_at)
		SELECT @scope, 's' || (10000000 + i), 'n' || (i % 3), 'c' || (10000000 + i),
			CASE WHEN i % 2 = 0 THEN 'shared' ELSE 'c' || (i / 4) END, 't' || (10000000 + i), '', i * 1000,
			CASE WHEN i % 3 > 0 THEN i * 1000 + 900000 END, '', CASE WHEN i % 5 = 0 THEN 's' || (10000001 + i) ELSE '' END,
			CASE WHEN i % 7 = 0 THEN i * 1000 END, i % 3 > 0 AND i % 7 > 0,
			CASE WHEN i % 2 = 0 THEN i * 1000 ELSE 0 END, CASE WHEN i % 5 = 0 THEN i * 1000 ELSE 0 END FROM r`},
	{1, `INSERT INTO connected_clients (scope, client_id, session, from_at, until_at, conflict_at)
		SELECT @scope, 'c' || (10000000 + i), 's' || (10000000 + i), i, CASE WHEN i % 3 > 0 THEN i END, 0 FROM r`},
	{1, `INSERT INTO shared_certificates (scope, certificate, seq, live, shared_at)
		SELECT @scope, 'x' || i, 10000000 + i, i % 2 = 0, i FROM r`},
	{0, `INSERT INTO shared_certificates (scope, certificate, seq, live, shared_at)
		SELECT @scope, 'shared', 1, TRUE, 1 FROM r`},
}

func TestConnectionsAreReadByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fleetFills)
		fillStore(t, s, planRows, seenFills)
		task := &audit.Task{Scope: here, WindowFrom: atMillis(0), WindowTo: atMillis(4_000_000)}
		for name, call := range map[string]func(tx narrowTx) error{
			"what is shared": func(tx narrowTx) error {
				_, err := s.SharedCertificates(t.Context(), tx, task, numbered+mid, numbered+mid+20)
				return err
			},
			"client ids": func(tx narrowTx) error {
				_, err := s.ClientPage(t.Context(), tx, here, filledName("c", mid), 10)
				return err
			},
			"what shares": func(tx narrowTx) error {
				_, err := s.Sightings(t.Context(), tx, task, audit.SightingQuery{Certificate: "shared", Limit: 10})
				return err
			},
			"what conflicts": func(tx narrowTx) error {
				_, err := s.Sightings(t.Context(), tx, task, audit.SightingQuery{ClientID: filledName("c", mid), Limit: 10})
				return err
			},
			"a connection": func(tx narrowTx) error {
				tx.n.s.read = tx.n
				defer func() { tx.n.s.read = tx.n.querier }()
				_, err := s.ConnectedSession(t.Context(), here, filledName("c", mid-mid%3))
				return err
			},
		} {
			n := 0
			ok(t, call(narrowTx{n: narrow{s.read, t, s, 0, &n}}))
			if n == 0 {
				t.Errorf("%s: got no query to explain", name)
			}
		}
		wrong, plan, err := explain(t.Context(), s, dueText, args{"now": int64(mid * 1000), "limit": 10}, 200)
		if err != nil || len(wrong) > 0 {
			t.Errorf("got %v, %v to find what is to be judged, of which the plan is\n%s", err, wrong, plan)
		}
	})
}

// What was registered, and what was being audited, before connections were
// recorded goes on.
func TestConnectionsOfAFleetOfBefore(t *testing.T) {
	forEachUpgrade(t, 14, slices.Concat(scopesOfTests, []string{
		`INSERT INTO things (scope, name, id, attributes, version, created_at) VALUES (1, 'pump', 'i', '{}', 1, 5)`,
		`INSERT INTO thing_connectivity (scope, thing, connected, changed_at, reason) VALUES (1, 'pump', FALSE, 7, 'OLD')`,
		`INSERT INTO audits (seq, scope, id, finding_prefix, type, status, scheduled_name, checks, progress, pass,
				position, findings, started_at)
			VALUES (5, 1, 'a', 'p', 'ON_DEMAND_AUDIT_TASK', 'IN_PROGRESS', '', '["LOGGING_DISABLED_CHECK"]',
				'{"LOGGING_DISABLED_CHECK":{"status":"IN_PROGRESS"}}', 3, 7, 0, 5)`,
	}), func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 1)
		w.write(ofThing(connection("a", "x", 1, 0, 0), "pump"), connection("b", "y", 1, 0, 0))
		w.judgeAt(seenAt(100))
		if got := w.sharedCertificates()[certificateID(1)]; got != "now" {
			t.Errorf("got the certificate shared %q, want now", got)
		}
		if got := search(t, s, here, "connectivity.connected:true"); got != "pump" {
			t.Errorf("got %q to be connected, want pump", got)
		}
		task, err := s.Audit(t.Context(), here, "a")
		ok(t, err)
		if task.Pass != 3 || task.Position != 7 || task.States["LOGGING_DISABLED_CHECK"].Relating != nil {
			t.Errorf("got an audit at pass %d, %d", task.Pass, task.Position)
		}
	})
}
