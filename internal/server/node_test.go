package server_test

import (
	"syscall"
	"testing"

	"github.com/cordon-iot/cordon/internal/config"
)

// TestAnotherNodeEndsTheMitigationTaskOfAKilledOne needs no restart: the other
// node takes over what the dead one had begun, and starts what it had accepted.
func TestAnotherNodeEndsTheMitigationTaskOfAKilledOne(t *testing.T) {
	onSomeCrashes(t, "mitigation", func(t *testing.T, c crash) {
		r := auditedFleet(t, "postgres", large)
		other := start(t, r.cfg)
		p := start(t, r.cfg, c.at)
		r.startMitigation(t, p)
		p.wantKilled(t)
		r.wantMitigated(t, other)
		other.terminate(t)
		r.wantMitigatedInDatabase(t)
	})
}

func TestAnotherNodeEndsTheAuditOfAKilledOne(t *testing.T) {
	onSomeCrashes(t, "audit", func(t *testing.T, c crash) {
		r := registeredFleet(t, "postgres", large)
		other := start(t, r.cfg)
		p := start(t, r.cfg, c.at)
		r.startAudit(t, p)
		p.wantKilled(t)
		r.audit = r.inspect(t).text(`SELECT id FROM audits`)
		r.wantAudited(t, other)
		other.terminate(t)
		r.wantAuditedInDatabase(t)
	})
}

// onSomeCrashes runs a test for the crashes by which nodes take over in
// different ways.
func onSomeCrashes(t *testing.T, kind string, test func(t *testing.T, c crash)) {
	t.Helper()
	for _, c := range crashes(kind, large) {
		if c.at.Place != "accepted" && c.at.Slice != 10 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// TestAFrozenNodeThatWakesDoesNothingTwice stops a node long enough for the
// other one to take its task over, and lets it go on beside it or after it.
func TestAFrozenNodeThatWakesDoesNothingTwice(t *testing.T) {
	at := func(place string, slice int) stop { return stop{"mitigation", place, slice, waiting} }
	for _, tt := range []struct {
		name   string
		frozen stop
		// other is where the other node waits while the first one wakes and goes
		// on; without one it has ended the task by then.
		other *stop
		// later is where the first one waits again, so that the other one runs
		// into what it has done meanwhile.
		later *stop
		// cutOff makes the database end the transaction that the frozen node
		// holds, and with it the locks of its slice.
		cutOff bool
	}{
		{"between two slices, before the other's first", at("after", 10), new(at("before", 1)), nil, false},
		{"between two slices, in the middle of the other's", at("after", 10), new(at("after", 3)), nil, false},
		{"between two slices, after the end", at("after", 10), nil, nil, false},
		{"inside a slice, before the other's first", at("inside", 10), new(at("before", 1)), nil, false},
		{"inside a slice, in the way of the other's first",
			at("inside", 10), new(at("before", 1)), new(at("after", 12)), false},
		{"inside a slice and cut off, in the middle of the other's", at("inside", 10), new(at("after", 3)), nil, true},
		{"inside a slice and cut off, after the end", at("inside", 10), nil, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, "postgres", large)
			if tt.cutOff {
				r.cfg.DatabaseURL = config.NewSecret(r.cfg.DatabaseURL.Reveal() + "&idle_in_transaction_session_timeout=1000")
			}
			stops := []stop{tt.frozen}
			if tt.later != nil {
				stops = append(stops, *tt.later)
			}
			frozen := start(t, r.cfg, stops...)
			r.startMitigation(t, frozen)
			frozen.await(t, waiting)
			frozen.signal(t, syscall.SIGSTOP)

			stops = nil
			if tt.other != nil {
				stops = append(stops, *tt.other)
			}
			other := start(t, r.cfg, stops...)
			if tt.other == nil {
				r.wantMitigated(t, other)
			} else {
				other.await(t, waiting)
			}
			frozen.release(t)
			frozen.signal(t, syscall.SIGCONT)
			switch {
			case tt.later != nil:
				frozen.await(t, waiting)
				other.release(t)
				other.await(t, overtaken)
				frozen.release(t)
			case tt.other != nil:
				r.wantMitigated(t, frozen)
				other.release(t)
			}
			r.wantMitigated(t, other)
			frozen.terminate(t)
			other.terminate(t)
			r.wantMitigatedInDatabase(t)
			r.wantOneRun(t)
		})
	}
}

// wantOneRun wants that the engine knows of one workflow, which did not fail.
// That it went well may not be recorded yet.
func (r *rig) wantOneRun(t *testing.T) {
	t.Helper()
	e := r.inspect(t)
	wantText(t, "workflows", e.groups(`SELECT workflow_uuid, '', 1 FROM dbos.workflow_status
		WHERE workflow_uuid LIKE '%mitigation%'`), "mitigation/000000000000/us-east-1/task: 1")
	e.want(0, "failed workflows", `SELECT count(*) FROM dbos.workflow_status WHERE status NOT IN ('SUCCESS', 'PENDING')`)
}
