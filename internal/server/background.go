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

// schedule begins the audits of schedules when they are due.
func (s *Server) schedule(ctx context.Context) error {
	tick := time.NewTicker(scheduleEvery)
	defer tick.Stop()
	for planned := false; ; {
		var err error
		if !planned {
			err = s.audits.Replan(ctx)
			planned = err == nil
		}
		if err = errors.Join(err, s.audits.RunDue(ctx)); err != nil && ctx.Err() == nil {
			s.log.Warn("running schedules did not work", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// purge deletes what was kept for long enough.
func (s *Server) purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := s.purgeOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("deleting what is too old did not work", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keepRevocations reads certificates again of which it was not kept who can
// revoke them, and removes what is left of revocation lists.
func (s *Server) keepRevocations(ctx context.Context) error {
	tick := time.NewTicker(revocationsEvery)
	defer tick.Stop()
	for {
		for _, step := range []func(context.Context) (bool, error){s.store.ReadProvenance, s.store.SweepRevocations} {
			if err := untilDone(ctx, step); err != nil && ctx.Err() == nil {
				s.log.Warn("keeping what is known of revocations did not work", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
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
	if err := s.store.PurgeSuppressions(ctx); err != nil {
		return err
	}
	pass := s.store.NewPurge(s.node, s.now().Add(-audit.Retention))
	for {
		begun := time.Now()
		more, err := pass.Step(ctx)
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
