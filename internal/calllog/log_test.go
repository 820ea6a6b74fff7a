package calllog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// shelf keeps batches in memory, or fails.
type shelf struct {
	mu     sync.Mutex
	fails  error
	stolen int // how often loose lines are gone when they are to be sealed
	loose  []Loose
	list   []*Batch
	asked  int
	during func() // called while batches are stored
}

func (s *shelf) LooseCalls(context.Context, string, time.Duration, int) ([]Loose, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.loose, s.fails
}

func (s *shelf) SealCalls(_ context.Context, list []*Batch, loose []int64) (bool, error) {
	if s.during != nil {
		s.during()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return false, s.fails
	}
	if s.stolen > 0 {
		s.stolen--
		s.loose = nil
		return false, nil
	}
	s.loose, s.list = s.loose[len(loose):], append(s.list, list...)
	return true, nil
}

func (s *shelf) UnnamedCalls(context.Context, string, int) ([]Head, error) { return nil, s.fails }

// lines are all that is sealed, each by its name.
func (s *shelf) text(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, b := range s.list {
		lines, err := unpack(b.Body)
		if err != nil || len(lines) != b.Count {
			t.Errorf("got %d lines, %v, want %d", len(lines), err, b.Count)
		}
		all = append(all, bytes.Join(lines, nil)...)
	}
	return string(all)
}

func aLog(s *shelf) *Log {
	return New(Options{
		Store: s, Node: "a", Key: make([]byte, KeySize), Now: func() time.Time { return aCall().Time },
		Log: slog.New(slog.DiscardHandler),
	})
}

func TestRecordsThatDoNotFitAreCounted(t *testing.T) {
	s := &shelf{}
	l := aLog(s)
	l.most = 500
	for range l.most + 7 {
		l.Add(aCall())
	}
	for range 2 {
		if err := l.store(time.Minute, true); err != nil {
			t.Fatal(err)
		}
	}
	l.Add(aCall())
	if err := l.store(time.Minute, true); err != nil {
		t.Fatal(err)
	}
	text := s.text(t)
	if n := bytes.Count([]byte(text), []byte("CreateThing")); n != l.most+1 {
		t.Errorf("got %d records, want %d", n, l.most+1)
	}
	if n := bytes.Count([]byte(text), []byte(`"CallRecordsLost"`)); n != 1 ||
		!bytes.Contains([]byte(text), []byte(`"additionalEventData":{"calls":7}`)) {
		t.Errorf("got %d records of what is lost, want one that says 7", n)
	}
}

func TestWhatCannotBeStoredWaits(t *testing.T) {
	s := &shelf{fails: errors.New("no database")}
	l := aLog(s)
	for n := range 3 {
		e := aCall()
		e.Name = fmt.Sprint("Call", n)
		l.Add(e)
		if err := l.store(time.Minute, false); err == nil {
			t.Error("got no error")
		}
	}
	s.mu.Lock()
	s.fails = nil
	s.mu.Unlock()
	if err := l.store(time.Minute, false); err != nil {
		t.Error(err)
	}
	text := s.text(t)
	for n := range 3 {
		if c := bytes.Count([]byte(text), fmt.Appendf(nil, `"Call%d"`, n)); c != 1 {
			t.Errorf("got call %d stored %d times, want once", n, c)
		}
	}
	for i, b := range s.list {
		if b.Number != int64(i+1) || i > 0 && !bytes.Equal(b.Previous, s.list[i-1].Seal) || !l.seal.sealed(b) {
			t.Errorf("got batch %d as number %d behind %x", i+1, b.Number, b.Previous)
		}
	}
}

// TestWhatAnotherNodeAdoptedIsLeftToIt takes the loose lines away while a batch
// of them and others is being stored.
func TestWhatAnotherNodeAdoptedIsLeftToIt(t *testing.T) {
	s := &shelf{stolen: 1, loose: []Loose{{Seq: 1, Node: "a", Lines: AppendLine(nil, &Event{Name: "Change"})}}}
	l := aLog(s)
	l.Add(aCall())
	if err := l.store(time.Minute, true); err != nil {
		t.Fatal(err)
	}
	text := []byte(s.text(t))
	if bytes.Count(text, []byte("CreateThing")) != 1 || bytes.Contains(text, []byte("Change")) || s.list[0].Number != 1 {
		t.Errorf("got %s, want the read alone, in batch 1", text)
	}
}

func TestWhatComesDuringAWriteWaitsForTheNext(t *testing.T) {
	s := &shelf{}
	l := aLog(s)
	came := 0
	s.during = func() {
		if came++; came < 5 {
			l.Add(aCall())
		}
	}
	l.Add(aCall())
	for n := 1; n <= 2; n++ {
		if err := l.store(time.Minute, false); err != nil || len(s.list) != n {
			t.Fatalf("got %d batches and %v after write %d", len(s.list), err, n)
		}
	}
	if err := l.store(time.Minute, true); err != nil || len(s.list) != 5 {
		t.Errorf("got %d batches and %v in the end, want all 5", len(s.list), err)
	}
}

func TestALineThatIsVeryLateHasABatchOfItsOwn(t *testing.T) {
	s := &shelf{}
	l := aLog(s)
	for _, minutes := range []int{0, 0, 10, 10, -60} {
		e := aCall()
		e.Time = e.Time.Add(time.Duration(minutes) * time.Minute)
		l.Add(e)
	}
	if err := l.store(time.Minute, true); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, b := range s.list {
		counts = append(counts, b.Count)
		if b.Last-b.First > maxSpan {
			t.Errorf("got a batch from %d to %d", b.First, b.Last)
		}
	}
	if fmt.Sprint(counts) != "[1 2 2]" {
		t.Errorf("got batches of %v, want [1 2 2]", counts)
	}
}
