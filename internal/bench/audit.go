package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/audit/check"
)

// audit measures audits against reading alone.
func (m *measurement) audit(ctx context.Context) (result *Result, err error) {
	options, err := m.home.create(ctx, "fleet")
	if err != nil {
		return nil, err
	}
	r, err := openRig(ctx, options, m.log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	loaded, err := m.load(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.home.settle(ctx, r); err != nil {
		return nil, err
	}
	// Nobody pays for the first look at the data.
	if _, err := m.selectAll(ctx, r); err != nil {
		return nil, err
	}
	result, err = m.compete(ctx, m.spec.Certificates,
		contestant{name: "audit, every check of certificates", run: func(ctx context.Context) (time.Duration, error) {
			_, took, err := m.auditAll(ctx, r)
			return took, err
		}},
		contestant{name: "SELECT of the same columns", goal: 0.5, run: func(ctx context.Context) (time.Duration, error) {
			return m.selectAll(ctx, r)
		}},
	)
	if err != nil {
		return nil, err
	}
	result.LoadPerSecond = loaded
	result.Database, err = m.home.describe(ctx, r)
	return result, err
}

// certificateChecks are the names of all checks over certificates.
func certificateChecks() []string {
	var names []string
	for _, c := range check.All {
		if c.Certificate != nil || c.CA != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// auditAll runs one audit from its start to its last commit.
func (m *measurement) auditAll(ctx context.Context, r *rig) (id string, took time.Duration, err error) {
	names := certificateChecks()
	patch := audit.Patch{RoleARN: roleARN, Checks: map[string]audit.CheckConfiguration{}}
	for _, name := range names {
		patch.Checks[name] = audit.CheckConfiguration{Enabled: true}
	}
	if err := r.audits.Update(ctx, scope, patch); err != nil {
		return "", 0, fmt.Errorf("enable the checks: %w", err)
	}
	runtime.GC()
	began := time.Now()
	if id, err = r.audits.Start(ctx, scope, names); err != nil {
		return "", 0, fmt.Errorf("start audit: %w", err)
	}
	var t *audit.Task
	err = r.await(ctx, func() (bool, error) {
		var err error
		t, err = r.store.Audit(ctx, scope, id)
		return err == nil && t.Status != audit.TaskInProgress, err
	})
	took = time.Since(began)
	if err != nil {
		return "", 0, err
	}
	return id, took, m.checkAudit(ctx, r, t)
}

// checkAudit makes sure that an audit found what is there to be found.
func (m *measurement) checkAudit(ctx context.Context, r *rig, t *audit.Task) error {
	if t.Status != audit.TaskCompleted {
		return fmt.Errorf("wrong result: the audit is %s", t.Status)
	}
	found := int64(0)
	for name, state := range t.States {
		want := 0
		if check.All.Named(name).Certificate != nil {
			want = m.spec.Certificates
		}
		if state.Total != int64(want) {
			return fmt.Errorf("wrong result: %s judged %d certificates, want %d", name, state.Total, want)
		}
		found += state.NonCompliant
	}
	if found != int64(m.spec.Findings) {
		return fmt.Errorf("wrong result: %d certificates do not comply, want %d", found, m.spec.Findings)
	}
	return r.expect(ctx, m.spec.Findings, "findings", `SELECT count(*) FROM findings WHERE audit = $1`, t.Seq)
}
