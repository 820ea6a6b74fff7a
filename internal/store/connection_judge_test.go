package store

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// seenAt is a time in tests of connections, in seconds from a beginning.
func seenAt(seconds float64) time.Time {
	return testNow.Add(time.Duration(seconds * float64(time.Second)))
}

// watch is a store whose time is told, and the connections that it saw.
type watch struct {
	*Store
	t     *testing.T
	clock time.Time
}

func watched(t *testing.T, s *Store) *watch {
	w := &watch{Store: s, t: t, clock: testNow}
	s.now = func() time.Time { return w.clock }
	return w
}

// connection makes an interval of the n-th certificate; until 0 is one that is
// still there.
func connection(session, client string, n int, from, until float64) fleet.Interval {
	i := fleet.Interval{
		Session: session, Node: "n1", Scope: here, ClientID: client, Certificate: certificateID(n), From: seenAt(from),
		Address: netip.MustParseAddrPort("192.0.2.1:1000"),
	}
	if until != 0 {
		i.Until, i.Reason = seenAt(until), fleet.DisconnectByClient
	}
	return i
}

// displaced is an interval that another session ended.
func displaced(i fleet.Interval, by string) fleet.Interval {
	i.Reason, i.DisplacedBy = fleet.DisconnectDuplicateClient, by
	return i
}

func (w *watch) write(list ...fleet.Interval) {
	w.t.Helper()
	_, err := w.WriteConnections(context.Background(), here, "n1", list)
	ok(w.t, err)
}

// judgeAt judges everything that can be judged at a time.
func (w *watch) judgeAt(at time.Time) {
	w.t.Helper()
	w.clock = at
	for more := true; more; {
		var err error
		more, err = w.JudgeConnections(context.Background())
		ok(w.t, err)
	}
}

// evidence is what is stored of an interval.
type evidence struct {
	fleet.Interval
	judged           bool
	shared, conflict time.Time
}

func (w *watch) stored() map[string]evidence {
	w.t.Helper()
	list, err := all(context.Background(), w.read, `SELECT `+intervalColumns+`, judged, shared_at, conflict_at
		FROM connections c WHERE c.scope = 1`, nil, func(r scanner) (e evidence, err error) {
		var shared, conflict int64
		e.Interval, err = scanInterval(here, &e.judged, &shared, &conflict)(r)
		e.shared, e.conflict = fromZero(shared), fromZero(conflict)
		return e, err
	})
	ok(w.t, err)
	out := map[string]evidence{}
	for _, e := range list {
		out[e.Session] = e
	}
	return out
}

// sharedCertificates are the certificates that were seen to be shared, by id: when, or
// that they are now.
func (w *watch) sharedCertificates() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	_, err := all(context.Background(), w.read, `SELECT certificate, live, shared_at FROM shared_certificates`, nil,
		func(r scanner) (id string, err error) {
			var live bool
			var at int64
			err = r.Scan(&id, &live, &at)
			if out[id] = fromMillis(at).String(); live {
				out[id] = "now"
			}
			return id, err
		})
	ok(w.t, err)
	return out
}

func (w *watch) conflicts() map[string]time.Time {
	w.t.Helper()
	out := map[string]time.Time{}
	_, err := all(context.Background(), w.read, `SELECT client_id, conflict_at FROM connected_clients
		WHERE conflict_at > 0`, nil, func(r scanner) (id string, err error) {
		var at int64
		err = r.Scan(&id, &at)
		out[id] = fromMillis(at)
		return id, err
	})
	ok(w.t, err)
	return out
}

func TestWhatConnectionsShow(t *testing.T) {
	const late = 5000 // when everything can be judged
	var cases []showCase
	for _, tt := range []struct {
		name      string
		list      []fleet.Interval
		shared    string // sessions that show that a certificate is shared
		live      bool
		conflicts string // sessions that show that a client id is fought for
	}{
		{"one device that reconnects shows nothing", []fleet.Interval{
			connection("a", "x", 1, 0, 100), connection("b", "x", 1, 100, 200), connection("c", "x", 1, 201, 0),
		}, "", false, ""},
		{"one device that displaces itself shows nothing", []fleet.Interval{
			displaced(connection("a", "x", 1, 0, 100), "b"), connection("b", "x", 1, 100, 0),
		}, "", false, ""},
		{"two client ids side by side share a certificate", []fleet.Interval{
			connection("a", "x", 1, 0, 100), connection("b", "y", 1, 50, 200),
		}, "a b", false, ""},
		{"two client ids side by side for five seconds do not", []fleet.Interval{
			connection("a", "x", 1, 0, 100), connection("b", "y", 1, 95, 200),
		}, "", false, ""},
		{"two that are there now share it", []fleet.Interval{
			connection("a", "x", 1, 0, 0), connection("b", "y", 1, 50, 0),
		}, "a b", true, ""},
		{"one that is there was beside one that has gone", []fleet.Interval{
			connection("a", "x", 1, 0, 0), connection("b", "y", 1, 50, 60), connection("c", "x2", 2, 0, 0),
		}, "a b", false, ""},
		{"two certificates are not one", []fleet.Interval{
			connection("a", "x", 1, 0, 100), connection("b", "y", 2, 0, 100),
		}, "", false, ""},
		{"another certificate takes the client id over", []fleet.Interval{
			displaced(connection("a", "x", 1, 0, 100), "b"), connection("b", "x", 2, 100, 0),
		}, "", false, "a b"},
		{"two devices with one certificate fight for a client id", []fleet.Interval{
			displaced(connection("a", "x", 1, 0, 100), "b"), displaced(connection("b", "x", 1, 100, 101), "c"),
			connection("c", "x", 1, 101, 0),
		}, "a b c", false, "a b c"},
		{"a device that was displaced comes back after an hour", []fleet.Interval{
			displaced(connection("a", "x", 1, 0, 100), "b"), displaced(connection("b", "x", 1, 100, 3700), "c"),
			connection("c", "x", 1, 3700, 0),
		}, "", false, ""},
		{"a successor that was never stored shows nothing", []fleet.Interval{
			displaced(connection("a", "x", 1, 0, 100), "b"),
		}, "", false, ""},
		{"one long and many short ones show the long and none of them", []fleet.Interval{
			connection("a", "x", 1, 0, 1000), connection("b", "y", 1, 10, 14), connection("c", "y", 1, 20, 25),
			connection("d", "z", 1, 30, 36),
		}, "a d", false, ""},
	} {
		cases = append(cases, showCase(tt))
	}
	forEachDatabase(t, func(t *testing.T, s *Store) {
		register(t, s, here, 2)
		for _, tt := range cases {
			t.Run(tt.name, func(t *testing.T) {
				w := watched(t, s)
				w.forget()
				w.write(tt.list...)
				w.judgeAt(seenAt(late))
				tt.compare(t, w)
			})
		}
	})
}

// showCase is a case of what connections show.
type showCase struct {
	name      string
	list      []fleet.Interval
	shared    string
	live      bool
	conflicts string
}

func (tt *showCase) compare(t *testing.T, w *watch) {
	t.Helper()
	var shared, conflicts []string
	live := w.sharedCertificates()[certificateID(1)] == "now"
	for session, e := range w.stored() {
		if !e.shared.IsZero() || live && e.Until.IsZero() {
			shared = append(shared, session)
		}
		if !e.conflict.IsZero() {
			conflicts = append(conflicts, session)
		}
	}
	if got := joined(shared); got != tt.shared || live != tt.live {
		t.Errorf("got %q to be shared and now %t, want %q and %t", got, live, tt.shared, tt.live)
	}
	if got := joined(conflicts); got != tt.conflicts {
		t.Errorf("got %q to be fought for, want %q", got, tt.conflicts)
	}
	if n := len(w.sharedCertificates()); (n > 0) != (tt.shared != "") {
		t.Errorf("got %d shared certificates for %q", n, tt.shared)
	}
	if n := len(w.conflicts()); (n > 0) != (tt.conflicts != "") {
		t.Errorf("got %d client ids for %q", n, tt.conflicts)
	}
}

// forget empties what was seen.
func (w *watch) forget() {
	w.t.Helper()
	for _, table := range []string{"connections", "connected_clients", "shared_certificates", "gateway_nodes"} {
		ok(w.t, w.Store.write(context.Background(), func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `DELETE FROM `+table, nil)
			return err
		}))
	}
}

func joined(list []string) (out string) {
	slices.Sort(list)
	for i, s := range list {
		if i > 0 {
			out += " "
		}
		out += s
	}
	return out
}

// traffic makes up what a gateway sees: every client id has one connection at a
// time, which another one of it displaces.
type traffic struct {
	r    *rand.Rand
	now  time.Time
	n    int
	open map[string]fleet.Interval // by client id
	all  map[string]fleet.Interval // by session
}

// step lets some time pass and something happen, and returns what has changed.
func (x *traffic) step() (changed []fleet.Interval) {
	x.now = x.now.Add(time.Duration(x.r.IntN(4000)) * time.Millisecond)
	if x.r.IntN(300) == 0 {
		x.now = x.now.Add(15 * time.Minute)
	}
	client := fmt.Sprint("c", x.r.IntN(6))
	old, connected := x.open[client]
	if connected && x.r.IntN(3) > 0 {
		old.Until, old.Reason = x.now, fleet.DisconnectLost
		delete(x.open, client)
		x.all[old.Session] = old
		return []fleet.Interval{old}
	}
	x.n++
	fresh := fleet.Interval{
		Session: fmt.Sprintf("s%05d", x.n), Node: "n1", Scope: here, ClientID: client,
		Certificate: certificateID(1 + x.r.IntN(3)), From: x.now,
	}
	if connected {
		old.Until, old.Reason, old.DisplacedBy = x.now, fleet.DisconnectDuplicateClient, fresh.Session
		x.all[old.Session] = old
		changed = append(changed, old)
	}
	x.open[client], x.all[fresh.Session] = fresh, fresh
	return append(changed, fresh)
}

// oracle finds out what intervals show by looking at every pair of them.
type oracle struct {
	shared, conflict map[string]time.Time // by session
	live             map[string]bool      // by certificate
}

func (o *oracle) look(list []fleet.Interval, now time.Time) {
	o.shared, o.conflict, o.live = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	byID := map[string]fleet.Interval{}
	for _, i := range list {
		byID[i.Session] = i
	}
	raise := func(m map[string]time.Time, session string, at time.Time) {
		if at.After(m[session]) {
			m[session] = at
		}
	}
	for _, a := range list {
		for _, b := range list {
			if a.Certificate != b.Certificate || a.ClientID == b.ClientID {
				continue
			}
			end := cmp.Or(a.Until, now)
			if other := cmp.Or(b.Until, now); other.Before(end) {
				end = other
			}
			if !fleet.Overlapped(a.From, b.From, end) {
				continue
			}
			if a.Until.IsZero() && b.Until.IsZero() {
				o.live[a.Certificate] = true
				continue
			}
			raise(o.shared, a.Session, end)
		}
		b, taken := byID[a.DisplacedBy]
		if !taken {
			continue
		}
		if b.Certificate != a.Certificate {
			raise(o.conflict, a.Session, a.Until)
			raise(o.conflict, b.Session, a.Until)
			continue
		}
		if c, again := byID[b.DisplacedBy]; again && c.Certificate == a.Certificate &&
			b.Until.Sub(a.Until) <= fleet.ReturnTime {
			for _, i := range []fleet.Interval{a, b, c} {
				raise(o.conflict, i.Session, b.Until)
				raise(o.shared, i.Session, b.Until)
			}
		}
	}
}

// Random traffic is judged step by step as if all of it was known, also where
// much is judged late.
func TestJudgingAgreesWithLookingAtEveryPair(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		w := watched(t, s)
		register(t, s, here, 3)
		r := rand.New(rand.NewPCG(4, 16))
		x := &traffic{r: r, now: testNow, open: map[string]fleet.Interval{}, all: map[string]fleet.Interval{}}
		for range 60 {
			var batch []fleet.Interval
			for range 1 + r.IntN(25) {
				batch = append(batch, x.step()...)
			}
			w.write(batch...)
			if r.IntN(3) > 0 {
				w.judgeAt(x.now)
			}
		}
		x.now = x.now.Add(time.Hour)
		w.judgeAt(x.now)
		compareWithOracle(t, w, x)
	})
}

func compareWithOracle(t *testing.T, w *watch, x *traffic) {
	t.Helper()
	want, stored := oracle{}, w.stored()
	want.look(slices.Collect(maps.Values(x.all)), x.now)
	certificates, clients := map[string]string{}, map[string]time.Time{}
	for _, session := range slices.Sorted(maps.Keys(x.all)) {
		i := x.all[session]
		shared, conflict := want.shared[session], want.conflict[session]
		if i.Until.IsZero() && want.live[i.Certificate] {
			certificates[i.Certificate] = "now"
		} else {
			if !i.Until.IsZero() && certificates[i.Certificate] != "now" && !shared.IsZero() {
				certificates[i.Certificate] = max(certificates[i.Certificate], shared.String())
			}
			if got, have := stored[session]; have && !got.shared.Equal(shared) {
				t.Errorf("%s of %s from %s to %s: got shared at %s, want %s", session, i.ClientID, i.From, i.Until, got.shared,
					shared)
			}
		}
		if got, have := stored[session]; have && !got.conflict.Equal(conflict) {
			t.Errorf("%s: got a conflict at %s, want %s", session, got.conflict, conflict)
		}
		if conflict.After(clients[i.ClientID]) {
			clients[i.ClientID] = conflict
		}
		if got := stored[session]; got.Session == "" && (!shared.IsZero() || !conflict.IsZero() || i.DisplacedBy != "") {
			t.Errorf("%s is gone, which shows something", session)
		} else if got.Session != "" && got.judged != !i.Until.IsZero() {
			t.Errorf("%s: got judged %t", session, got.judged)
		}
	}
	if got := w.sharedCertificates(); !maps.Equal(got, certificates) {
		t.Errorf("got shared certificates %v, want %v", got, certificates)
	}
	if got := w.conflicts(); !maps.EqualFunc(got, clients, time.Time.Equal) {
		t.Errorf("got client ids %v, want %v", got, clients)
	}
	if len(want.shared) < 20 || len(want.conflict) < 20 || len(want.shared) == len(x.all) {
		t.Errorf("got %d shared and %d conflicts of %d: the traffic shows too little", len(want.shared), len(want.conflict),
			len(x.all))
	}
}

// Nodes that store and judge at the same time come to what one alone does.
func TestNodesJudgeSideBySide(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		register(t, s, here, 3)
		x := &traffic{
			r: rand.New(rand.NewPCG(7, 7)), now: testNow, open: map[string]fleet.Interval{}, all: map[string]fleet.Interval{},
		}
		w := &watch{Store: s, t: t}
		var batches [][]fleet.Interval
		for range 40 {
			var batch []fleet.Interval
			for range 1 + x.r.IntN(25) {
				batch = append(batch, x.step()...)
			}
			batches = append(batches, batch)
		}
		var clock atomic.Int64 // of all nodes
		s.now = func() time.Time { return fromMillis(clock.Load()) }
		stop, judges := make(chan struct{}), sync.WaitGroup{}
		for range 3 {
			judges.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := s.JudgeConnections(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for _, batch := range batches {
			w.write(batch...)
			clock.Store(batch[len(batch)-1].From.UnixMilli())
		}
		close(stop)
		judges.Wait()
		x.now = x.now.Add(time.Hour)
		clock.Store(x.now.UnixMilli())
		for more := true; more; {
			var err error
			more, err = s.JudgeConnections(context.Background())
			ok(t, err)
		}
		compareWithOracle(t, w, x)
	})
}

// A certificate with very many connections side by side costs no more for each
// of them than one with few.
func BenchmarkJudgingConnections(b *testing.B) {
	for _, n := range []int{1000, 30_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s, err := Open(context.Background(), Options{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				measureJudging(b, s, n)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// measureJudging stores n connections of one certificate that begin side by side
// and end one behind the other, and judges them.
func measureJudging(b *testing.B, s *Store, n int) {
	ctx := context.Background()
	list := make([]fleet.Interval, n)
	for i := range list {
		list[i] = connection(fmt.Sprint("s", i), fmt.Sprint("c", i), 1, float64(i)/1000, 0)
	}
	judge := func(now time.Time, what string) {
		for part := range slices.Chunk(list, 1000) {
			if _, err := s.WriteConnections(ctx, here, "n", part); err != nil {
				b.Fatal(err)
			}
		}
		s.now = func() time.Time { return now }
		begun := time.Now()
		for more := true; more; {
			var err error
			if more, err = s.JudgeConnections(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)/time.Since(begun).Seconds(), what)
	}
	judge(seenAt(1000), "begun/s")
	for i := range list {
		list[i].Until, list[i].Reason = seenAt(2000+float64(i)/1000), fleet.DisconnectLost
	}
	judge(seenAt(5000), "ended/s")
}
