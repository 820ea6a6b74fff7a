package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/audit/check"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/mitigation/action"
)

// actionName is the action that every finding gets.
const actionName = "deactivate"

// mitigate measures a task over all findings of an audit against the same
// without the durable engine, and against two statements per 1,000 findings.
// Each begins with a copy of one database, for each changes it.
func (m *measurement) mitigate(ctx context.Context) (*Result, error) {
	target, loaded, err := m.prepare(ctx)
	if err != nil {
		return nil, err
	}
	described := ""
	on := func(work func(context.Context, *rig, aim) error) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (took time.Duration, err error) {
			options, err := m.home.copy(ctx, "audited", "mitigated")
			if err != nil {
				return 0, err
			}
			defer func() { err = errors.Join(err, m.home.drop("mitigated")) }()
			r, err := openRig(ctx, options, m.log)
			if err != nil {
				return 0, err
			}
			defer func() { err = errors.Join(err, r.close()) }()
			if described, err = m.home.describe(ctx, r); err != nil {
				return 0, err
			}
			return m.mitigateAll(ctx, r, target, work)
		}
	}
	result, err := m.compete(ctx, m.spec.Findings,
		contestant{name: "mitigation task, deactivate", run: on(withEngine)},
		contestant{name: "(a) its slices without the durable engine", goal: 0.8, run: on(withoutEngine)},
		contestant{name: "(b) two statements per 1,000 findings", goal: 0.5, run: on(bySets)},
	)
	if err != nil {
		return nil, err
	}
	result.LoadPerSecond, result.Database = loaded, described
	return result, nil
}

// aim is what a task is for: an audit, by its id and by its number.
type aim struct {
	audit string
	seq   int64
}

// prepare makes the database that all copies are of: a fleet, audited.
func (m *measurement) prepare(ctx context.Context) (target aim, loaded float64, err error) {
	options, err := m.home.create(ctx, "audited")
	if err != nil {
		return target, 0, err
	}
	r, err := openRig(ctx, options, m.log)
	if err != nil {
		return target, 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if loaded, err = m.load(ctx, r); err != nil {
		return target, 0, err
	}
	if target.audit, _, err = m.auditAll(ctx, r); err != nil {
		return target, 0, err
	}
	t, err := r.store.Audit(ctx, scope, target.audit)
	if err != nil {
		return target, 0, err
	}
	target.seq = t.Seq
	return target, loaded, m.home.settle(ctx, r)
}

// mitigateAll times one way to act on every finding, and makes sure that it
// did.
func (m *measurement) mitigateAll(ctx context.Context, r *rig, target aim,
	work func(context.Context, *rig, aim) error,
) (time.Duration, error) {
	// Nobody pays for the first look at the data.
	if err := r.expect(ctx, m.spec.Findings, "findings on certificates in use", `SELECT count(*) FROM findings f
		JOIN certificates c ON c.scope = f.scope AND c.id = f.resource
		WHERE f.audit = $1 AND c.status = 'ACTIVE'`, target.seq); err != nil {
		return 0, err
	}
	runtime.GC()
	began := time.Now()
	if err := work(ctx, r, target); err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, errors.Join(
		r.expect(ctx, m.spec.Findings, "executions that succeeded",
			`SELECT count(*) FROM executions WHERE audit = $1 AND status = 'COMPLETED'`, target.seq),
		r.expect(ctx, m.spec.Findings, "certificates deactivated",
			`SELECT count(*) FROM certificates WHERE status = 'INACTIVE' AND customer_version = 2`),
	)
}

// withEngine is the product: a task, from its start to its last commit.
func withEngine(ctx context.Context, r *rig, target aim) error {
	id, err := startTask(ctx, r, target, r.durable)
	if err != nil {
		return err
	}
	var t *mitigation.Task
	err = r.await(ctx, func() (bool, error) {
		var err error
		t, err = r.store.Mitigation(ctx, scope, id)
		return err == nil && t.Status != mitigation.TaskInProgress, err
	})
	if err == nil && t.Status != mitigation.TaskCompleted {
		err = fmt.Errorf("wrong result: the task is %s", t.Status)
	}
	return err
}

// withoutEngine runs the slices of the same task one after the other, each in
// a transaction that nothing records.
func withoutEngine(ctx context.Context, r *rig, target aim) error {
	name, err := startTask(ctx, r, target, idle{})
	if err != nil {
		return err
	}
	id := durable.ID{Kind: mitigation.WorkflowKind, Account: scope.Account, Region: scope.Region, Name: name}
	for more := true; more && err == nil; {
		err = transact(ctx, r, func(tx durable.Tx) (err error) {
			more, err = r.engine.Slice(ctx, tx, id)
			return err
		})
	}
	return err
}

// idle starts nothing: whoever uses it runs the slices.
type idle struct{}

// Start does nothing.
func (idle) Start(durable.ID) error { return nil }

// Cancel does nothing.
func (idle) Cancel(durable.ID) error { return nil }

// startTask stores a task and has it started.
func startTask(ctx context.Context, r *rig, target aim, w audit.Workflows) (string, error) {
	s := &mitigation.Service{Store: r.store, Workflows: w, Checks: check.All, Kinds: action.All, Now: time.Now}
	_, err := s.CreateAction(ctx, scope, mitigation.Action{
		Name: actionName, RoleARN: roleARN,
		Params: mitigation.Params{UpdateDeviceCertificate: &mitigation.UpdateCertificate{Action: "DEACTIVATE"}},
	}, nil)
	if err != nil {
		return "", fmt.Errorf("create action: %w", err)
	}
	t := mitigation.Task{
		Scope: scope, ID: "bench", Token: "bench", Target: mitigation.Target{AuditTaskID: target.audit},
		Mapping: map[string][]string{},
	}
	for _, c := range check.All {
		if c.Certificate != nil {
			t.Mapping[c.Name] = []string{actionName}
		}
	}
	if err := s.Start(ctx, t); err != nil {
		return "", fmt.Errorf("start task: %w", err)
	}
	return t.ID, nil
}
