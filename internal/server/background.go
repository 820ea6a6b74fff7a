package server

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
)

const (
	// scheduleEvery is how often schedules that are due are looked for.
	scheduleEvery = time.Second
	// purgeEvery is how often what is too old is looked for.
	purgeEvery = 5 * time.Minute
	// revocationsEvery is how often what was left by revocation lists, and
	// certificates that are to be read again, are looked for.
	revocationsEvery = 10 * time.Second
	// purgeRest is the least time between two steps of a purge. It rests as long
	// as a step took, so that the others have at least half of the database.
	purgeRest = 10 * time.Millisecond
)

// every does something now and then, until ctx ends. What does not work is
// logged and tried again.
func (s *Server) every(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn(what+" did not work", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reconcile sees to it that every task in progress is being worked on. One that
// is only just being started is left alone, but for the first time.
func (s *Server) reconcile(ctx context.Context) error {
	before := s.now
	return s.every(ctx, reconcileEvery, "looking for tasks without a workflow", func(ctx context.Context) error {
		running, err := s.store.Running(ctx, before())
		before = func() time.Time { return s.now().Add(-reconcileEvery) }
		if err != nil {
			return err
		}
		return s.engine.Reconcile(running.IDs)
	})
}

// schedule begins the audits of schedules when they are due.
func (s *Server) schedule(ctx context.Context) error {
	planned := false
	return s.every(ctx, scheduleEvery, "running schedules", func(ctx context.Context) (err error) {
		if !planned {
			err = s.audits.Replan(ctx)
			planned = err == nil
		}
		return errors.Join(err, s.audits.RunDue(ctx))
	})
}

// purge deletes what was kept for long enough.
func (s *Server) purge(ctx context.Context) error {
	return s.every(ctx, purgeEvery, "deleting what is too old", s.purgeOnce)
}

// keepRevocations reads certificates again of which it was not kept who can
// revoke them, and removes what is left of revocation lists.
func (s *Server) keepRevocations(ctx context.Context) error {
	return s.every(ctx, revocationsEvery, "keeping what is known of revocations", func(ctx context.Context) error {
		return errors.Join(untilDone(ctx, s.store.ReadProvenance), untilDone(ctx, s.store.SweepRevocations),
			untilDone(ctx, func(ctx context.Context) (bool, error) { return s.store.ReadIssuers(ctx, s.identity.IssuingCA) }))
	})
}

// untilDone runs a step again as long as there is more, and rests between.
func untilDone(ctx context.Context, step func(context.Context) (more bool, err error)) error {
	for {
		begun := time.Now()
		more, err := step(ctx)
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(purgeRest, time.Since(begun))):
		}
	}
}

func (s *Server) purgeOnce(ctx context.Context) error {
	if err := errors.Join(s.store.PurgeSuppressions(ctx), untilDone(ctx, s.callBook.Purge)); err != nil {
		return err
	}
	return untilDone(ctx, s.store.NewPurge(s.node, s.now().Add(-audit.Retention)).Step)
}
