package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// callKey is the key of call logs in tests.
var callKey = bytes.Repeat([]byte{7}, calllog.KeySize)

// callBook reads the call log of a store.
func callBook(s *Store) *calllog.Book {
	return &calllog.Book{
		Store: s, Key: callKey, Retention: 24 * time.Hour, Now: s.now,
		Own: calllog.New(calllog.Options{Node: "none", Key: callKey}),
	}
}

// logging runs the call log of a node while something is done.
func logging(t *testing.T, s *Store, node string, do func(l *calllog.Log)) {
	t.Helper()
	l := calllog.New(calllog.Options{
		Store: s, Node: node, Silence: time.Hour, Key: callKey, Now: s.now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	do(l)
	end()
	ok(t, <-done)
}

// anEvent is the n-th event of an account, a second after the one before.
func anEvent(account string, n int) *calllog.Event {
	return &calllog.Event{
		Time: testNow.Add(time.Duration(n) * time.Second), Name: fmt.Sprintf("Call%d", n), Account: account,
		RequestID: fmt.Sprint(n),
	}
}

// aRecord is what tests look at of a line.
type aRecord struct {
	EventTime, EventName, RequestID, ErrorCode, RecipientAccountID string

	UserIdentity        struct{ Type, AccountID, InvokedBy string }
	Resources           []struct{ ARN string }
	EventType           string
	AdditionalEventData map[string]any
	ServiceEventDetails struct {
		TaskID, ActionName, ActionType string
		Changes                        []struct{ Kind, Resource, From, To string }
	}
}

// exported is everything that an export has, page by page.
func exported(t *testing.T, s *Store, x calllog.Export) (list []aRecord) {
	t.Helper()
	for {
		text, next, err := callBook(s).Export(t.Context(), x)
		ok(t, err)
		for line := range bytes.Lines(text) {
			var r aRecord
			ok(t, json.Unmarshal(line, &r))
			list = append(list, r)
		}
		if next == nil {
			return list
		}
		x.After = next
	}
}

// allCalls are all records of a store.
func allCalls(t *testing.T, s *Store) []aRecord {
	t.Helper()
	return exported(t, s, calllog.Export{From: testNow.Add(-time.Hour), To: testNow.Add(100 * time.Hour)})
}

// recordNames tells records by name, with the code of an error behind it.
func recordNames(list []aRecord) string {
	var names []string
	for _, r := range list {
		names = append(names, strings.TrimSuffix(r.EventName+":"+r.ErrorCode, ":"))
	}
	return strings.Join(names, " ")
}

func TestTheRecordOfAChangeIsInItsTransaction(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		refused := fault.New(fault.Invalid, "refused")
		change := func(ctx context.Context, name string, err error) error {
			return s.write(ctx, func(ctx context.Context, q querier) error {
				_, failed := q.exec(ctx, `INSERT INTO nodes (id, beat_at, claimed_by, claimed_at)
					VALUES (@n, 0, '', 0)`, args{"n": name})
				return errors.Join(failed, err)
			})
		}
		logging(t, s, "a", func(l *calllog.Log) {
			for n, do := range []func(ctx context.Context, e *calllog.Event) error{
				func(context.Context, *calllog.Event) error { return nil }, // reads
				func(ctx context.Context, e *calllog.Event) error { return change(ctx, e.Name, nil) },
				func(ctx context.Context, e *calllog.Event) error { return change(ctx, e.Name, refused) },
				func(ctx context.Context, e *calllog.Event) error {
					return errors.Join(change(ctx, e.Name, nil), change(ctx, e.Name+"b", nil))
				},
				func(ctx context.Context, e *calllog.Event) error {
					ok(t, change(ctx, e.Name, nil))
					return change(ctx, e.Name+"b", refused)
				},
				func(ctx context.Context, e *calllog.Event) error {
					if change(ctx, e.Name, refused) == nil {
						t.Error("got no error")
					}
					return change(ctx, e.Name+"b", nil)
				},
			} {
				e := anEvent(here.Account, n)
				ctx := calllog.WithCall(t.Context(), l.Begin(*e))
				if do(ctx, e) != nil {
					e.ErrorCode = "Refused"
				}
				l.Done(ctx, e.ErrorCode, "")
				// What is behind the answer belongs to no call.
				ok(t, change(ctx, e.Name+"late", nil))
			}
		})
		list := allCalls(t, s)
		if got, want := recordNames(list), "Call0 Call1 Call2:Refused Call3 Call4 Call4:Refused Call5"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if len(list) > 5 && (list[5].AdditionalEventData["partlyDone"] != 1.0 || list[5].RequestID != list[4].RequestID) {
			t.Errorf("got %+v behind a change, want that of one call which was done in part", list[5])
		}
	})
}

func TestAChangeThatIsUndoneHasNoRecordInTheDatabase(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		l := calllog.New(calllog.Options{Store: s, Node: "a", Key: callKey, Now: s.now})
		const calls = 60
		var wg sync.WaitGroup
		for n := range calls {
			wg.Go(func() {
				ctx := calllog.WithCall(context.Background(), l.Begin(*anEvent(here.Account, n)))
				_ = s.write(ctx, func(ctx context.Context, q querier) error {
					if n%3 == 1 {
						return errors.New("refused")
					}
					if n%3 == 2 {
						if s.pool == nil {
							panic("wrong")
						}
						return errors.New("wrong")
					}
					return nil
				})
			})
		}
		wg.Wait()
		rows, err := s.LooseCalls(t.Context(), "a", time.Hour, 1000)
		ok(t, err)
		got := 0
		for _, row := range rows {
			got += bytes.Count(row.Lines, []byte("\n"))
		}
		if got != calls/3 {
			t.Errorf("got %d records of %d changes", got, calls/3)
		}
	})
}

// TestRecordsOfANodeThatIsGoneAreAdoptedOnce has two nodes find what a third one
// left.
func TestRecordsOfANodeThatIsGoneAreAdoptedOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		gone := calllog.New(calllog.Options{Store: s, Node: "gone", Key: callKey, Now: s.now})
		const calls = 40
		for n := range calls {
			ctx := calllog.WithCall(t.Context(), gone.Begin(*anEvent(here.Account, n)))
			ok(t, s.write(ctx, func(context.Context, querier) error { return nil }))
		}
		var wg sync.WaitGroup
		for _, node := range []string{"b", "c"} {
			if s.pool == nil && node == "c" {
				break // one process has the database
			}
			wg.Go(func() { logging(t, s, node, func(*calllog.Log) {}) })
		}
		wg.Wait()
		seen := map[string]int{}
		for _, r := range allCalls(t, s) {
			seen[r.EventName]++
		}
		for n := range calls {
			if name := fmt.Sprintf("Call%d", n); seen[name] != 1 {
				t.Errorf("got %s %d times, want once", name, seen[name])
			}
		}
		wantNoProblems(t, s)
	})
}

func TestRecordsOfANodeThatIsAliveAreLeftToIt(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if s.pool == nil {
			t.Skip("SQLite has one node")
		}
		ok(t, s.Beat(t.Context(), "alive"))
		ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
			return insertLoose(ctx, q, "alive", calllog.AppendLine(nil, anEvent(here.Account, 1)))
		}))
		logging(t, s, "b", func(*calllog.Log) {})
		if got := allCalls(t, s); len(got) > 0 {
			t.Errorf("got %+v, want nothing", got)
		}
		logging(t, s, "alive", func(*calllog.Log) {})
		if got := allCalls(t, s); len(got) != 1 {
			t.Errorf("got %+v, want one", got)
		}
	})
}

func TestBatchesAreStoredOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
			return insertLoose(ctx, q, "a", calllog.AppendLine(nil, anEvent(here.Account, 1)))
		}))
		rows, err := s.LooseCalls(ctx, "a", time.Hour, 10)
		ok(t, err)
		loose := []int64{rows[0].Seq}
		b := &calllog.Batch{
			Chain: "a", Number: 1, Previous: []byte("p"), Digest: []byte("d"), Seal: []byte("s"), Body: []byte{1},
			Marks: []byte{2},
		}
		for range 2 { // again after an answer that was not heard
			stored, err := s.SealCalls(ctx, []*calllog.Batch{b}, loose)
			if err != nil || !stored {
				t.Errorf("got %v, %v, want it stored", stored, err)
			}
		}
		other := *b
		other.Number = 2
		if stored, err := s.SealCalls(ctx, []*calllog.Batch{&other}, loose); err != nil || stored {
			t.Errorf("got %v, %v with lines that are gone, want nothing stored", stored, err)
		}
		if seal, err := s.CallSeal(ctx, "a", 2); err != nil || seal != nil {
			t.Errorf("got %v, %v, want no batch", seal, err)
		}
		other.Number, other.Seal = 1, []byte("t")
		if _, err := s.SealCalls(ctx, []*calllog.Batch{&other}, nil); err == nil {
			t.Error("got no error for another batch in the place of one that is there")
		}
	})
}

func TestTheCallLogIsExportedByTimeAndAccount(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		const calls = 6000
		logging(t, s, "a", func(l *calllog.Log) {
			for n := range calls {
				e := anEvent(here.Account, 0)
				if n%3 == 0 {
					e.Account = there.Account
				}
				e.Time, e.RequestID = testNow.Add(time.Duration(n)*50*time.Millisecond), fmt.Sprint(n)
				e.UserAgent = strings.Repeat("agent ", 60)
				l.Add(e)
			}
		})
		at := func(n int) time.Time { return testNow.Add(time.Duration(n) * 50 * time.Millisecond) }
		for _, tt := range []struct {
			name        string
			from, to    int
			account     string
			first, last string
			n           int
		}{
			{"everything", 0, calls, "", "0", "5999", calls},
			{"an account's", 0, calls, there.Account, "0", "5997", calls / 3},
			{"of a time", 1000, 2999, "", "1000", "2999", 2000},
			{"of a time and an account", 1000, 2999, here.Account, "1000", "2999", 1334},
			{"of one moment", 77, 77, "", "77", "77", 1},
			{"nobody's", 0, calls, "333333333333", "", "", 0},
		} {
			list := exported(t, s, calllog.Export{From: at(tt.from), To: at(tt.to), Account: tt.account})
			if len(list) != tt.n || tt.n > 0 && (list[0].RequestID != tt.first || list[tt.n-1].RequestID != tt.last) {
				t.Errorf("%s: got %d records, want %d from %s to %s", tt.name, len(list), tt.n, tt.first, tt.last)
			}
			for i := 1; i < len(list); i++ {
				if list[i].EventTime < list[i-1].EventTime {
					t.Errorf("%s: got %s behind %s", tt.name, list[i].EventTime, list[i-1].EventTime)
				}
			}
		}
	})
}

func TestOldLinesAreDeletedAndTheirSealsStay(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		logging(t, s, "a", func(l *calllog.Log) {
			for n := range 5 {
				e := anEvent(here.Account, n)
				e.Time = testNow.Add(-time.Duration(5-n) * 10 * time.Hour)
				l.Add(e)
			}
		})
		wantNoProblems(t, s)
		book := callBook(s)
		for more := true; more; {
			var err error
			more, err = book.Purge(t.Context())
			ok(t, err)
		}
		all := calllog.Export{From: testNow.Add(-100 * time.Hour), To: testNow}
		if got, want := recordNames(exported(t, s, all)), "Call3 Call4"; got != want {
			t.Errorf("got %s kept, want %s", got, want)
		}
		wantNoProblems(t, s)
		// Lines that are too young, and a time without proof.
		tamper(t, s, `UPDATE call_batches SET body = NULL, marks = NULL WHERE number = 4`)
		wantProblem(t, s, "a", 4, 0, "were not to be deleted yet")
		tamper(t, s, `UPDATE call_purge SET before_at = 9000000000000`)
		wantProblem(t, s, "a", 4, 0, "were not to be deleted yet")
	})
}

func TestChangesOfATaskAreRecorded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		h := newHistory(t, s)
		h.audit("a", testNow, 1)
		task := newTask("t", "t", "h")
		task.Mapping = map[string][]string{"A": {"first", "second"}}
		task.Actions = []mitigation.Action{
			{Name: "first", Type: "UPDATE_DEVICE_CERTIFICATE", RoleARN: "arn:aws:iam::111111111111:role/x/Doer"},
			{Name: "second", Type: "REPLACE_DEFAULT_POLICY_VERSION", RoleARN: "arn:aws:iam::111111111111:role/Other"},
		}
		_, err := s.CreateMitigation(t.Context(), task, func(mitigation.Library) error {
			task.Refs = []audit.FindingRef{{Audit: h.audits["a"].Seq}}
			return nil
		})
		ok(t, err)
		list := []mitigation.Execution{
			{Finding: audit.FindingRef{Audit: h.audits["a"].Seq, N: 1}, Check: "A", Status: mitigation.Completed},
			{Finding: audit.FindingRef{Audit: h.audits["a"].Seq, N: 1}, Check: "A", Index: 1, Status: mitigation.Completed,
				Changes: []fleet.ChangeRow{{Kind: fleet.KindPolicyDefault, Resource: "p", From: "1", To: "2\n{\"secret\":1}"}}},
		}
		for n := range changesPerRecord + 1 {
			list[0].Changes = append(list[0].Changes,
				fleet.ChangeRow{Kind: fleet.KindCertificate, Resource: fmt.Sprint("c", n), From: "ACTIVE", To: "INACTIVE"})
		}
		ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
			return s.recordChanges(ctx, q, task, list)
		}))
		logging(t, s, "a", func(*calllog.Log) {})
		got := allCalls(t, s)
		var parts []string
		for _, r := range got {
			d := r.ServiceEventDetails
			last := d.Changes[len(d.Changes)-1]
			parts = append(parts, fmt.Sprint(r.EventName, " ", d.TaskID, " ", d.ActionName, " ", d.ActionType, " ",
				len(d.Changes), " ", last.Resource, " ", last.From, " ", last.To))
		}
		want := "ApplyMitigationAction t first UPDATE_DEVICE_CERTIFICATE 250 c249 ACTIVE INACTIVE|" +
			"ApplyMitigationAction t first UPDATE_DEVICE_CERTIFICATE 1 c250 ACTIVE INACTIVE|" +
			"ApplyMitigationAction t second REPLACE_DEFAULT_POLICY_VERSION 1 p 1 2"
		if joined := strings.Join(parts, "|"); joined != want {
			t.Errorf("got %s, want %s", joined, want)
		}
	})
}
