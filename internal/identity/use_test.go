package identity

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// useLog is a store of uses that keeps what it was given.
type useLog struct {
	batches [][]Use
	err     error
}

func (l *useLog) NoteUses(_ context.Context, uses []Use) error {
	l.batches = append(l.batches, uses)
	return l.err
}

func TestUsesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &useLog{}
		u := &Uses{Store: log, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- u.Run(ctx) }()
		key := &Principal{Account: Account{ID: "1"}, KeyID: "AKIA1"}
		role := &Principal{Account: Account{ID: "1"}, KeyID: "ASIA1", Session: &Session{RoleID: "AROA1"}}
		late, early := time.Unix(20, 0), time.Unix(10, 0)
		u.Note(key, Use{At: late, Service: "iot"})
		u.Note(key, Use{At: early, Service: "iam"})
		u.Note(role, Use{At: early, Service: "sns"})
		time.Sleep(usesEvery + time.Second)
		synctest.Wait()
		if len(log.batches) != 1 || len(log.batches[0]) != 2 {
			t.Fatalf("got %v, want one batch of a key and a role", log.batches)
		}
		for _, use := range log.batches[0] {
			switch {
			case use.KeyID == "AKIA1" && use.At.Equal(late) && use.Service == "iot" && use.RoleID == "":
			case use.RoleID == "AROA1" && use.KeyID == "" && use.Service == "sns":
			default:
				t.Errorf("got %+v", use)
			}
		}
		time.Sleep(usesEvery)
		log.err = errors.New("no database")
		u.Note(key, Use{At: late})
		stop()
		if err := <-done; err != nil || len(log.batches) != 2 {
			t.Errorf("at the end: got %v, %d batches, want the last use written", err, len(log.batches))
		}
	})
}
