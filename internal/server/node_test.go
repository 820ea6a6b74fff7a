package server_test

import (
	"syscall"
	"testing"

	"github.com/cordon-iot/cordon/internal/config"
)

// TestAnotherNodeEndsTheMitigationTaskOfAKilledOne needs no restart: the other
// node takes over what the dead one had begun, and starts what it had accepted.
func TestAnotherNodeEndsTheMitigationTaskOfAKilledOne(t *testing.T) {
	onPostgres(t, someCrashes(mitigationCrashes()), func(t *testing.T, c crash) {
		cfg, audit := auditedFleet(t, "postgres")
		other := start(t, cfg)
		p := start(t, cfg, c.at)
		startMitigation(t, p, audit)
		p.wantKilled(t)
		wantMitigated(t, other)
		other.terminate(t)
		wantMitigatedInDatabase(t, cfg)
	})
}

func TestAnotherNodeEndsTheAuditOfAKilledOne(t *testing.T) {
	onPostgres(t, someCrashes(auditCrashes()), func(t *testing.T, c crash) {
		cfg := registeredFleet(t, "postgres")
		other := start(t, cfg)
		p := start(t, cfg, c.at)
		startAudit(t, p)
		p.wantKilled(t)
		wantAudited(t, other, inspect(t, cfg).text(`SELECT id FROM audits`))
		other.terminate(t)
		wantAuditedInDatabase(t, cfg)
	})
}

// someCrashes are those by which nodes take over in different ways, and the
// first one with its slice written and not committed.
func someCrashes(list []crash) []crash {
	var some []crash
	for _, c := range list {
		if c.at.Place == "accepted" || c.at.Slice == 10 {
			some = append(some, c)
		}
	}
	return some
}

func onPostgres(t *testing.T, list []crash, test func(t *testing.T, c crash)) {
	t.Helper()
	for _, c := range list {
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
		{"inside a slice, in the way of the other's first", at("inside", 10), new(at("before", 1)), new(at("after", 12)), false},
		{"inside a slice and cut off, in the middle of the other's", at("inside", 10), new(at("after", 3)), nil, true},
		{"inside a slice and cut off, after the end", at("inside", 10), nil, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, audit := auditedFleet(t, "postgres")
			if tt.cutOff {
				cfg.DatabaseURL = config.NewSecret(cfg.DatabaseURL.Reveal() + "&idle_in_transaction_session_timeout=1000")
			}
			stops := []stop{tt.frozen}
			if tt.later != nil {
				stops = append(stops, *tt.later)
			}
			frozen := start(t, cfg, stops...)
			startMitigation(t, frozen, audit)
			frozen.await(t, waiting)
			frozen.signal(t, syscall.SIGSTOP)

			stops = nil
			if tt.other != nil {
				stops = append(stops, *tt.other)
			}
			other := start(t, cfg, stops...)
			if tt.other == nil {
				wantMitigated(t, other)
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
				wantMitigated(t, frozen)
				other.release(t)
			}
			wantMitigated(t, other)
			frozen.terminate(t)
			other.terminate(t)
			wantMitigatedInDatabase(t, cfg)
			wantOneRun(t, cfg)
		})
	}
}

// wantOneRun wants that the engine knows of one workflow, and that it went
// well.
func wantOneRun(t *testing.T, cfg config.Config) {
	t.Helper()
	e := inspect(t, cfg)
	prefix := ""
	if cfg.DatabaseURL.Reveal() != "" {
		prefix = "dbos."
	}
	wantText(t, "workflows", e.groups(`SELECT workflow_uuid, status, 1 FROM `+prefix+`workflow_status
		WHERE workflow_uuid LIKE '%mitigation%'`), "mitigation/000000000000/us-east-1/task SUCCESS: 1")
}
