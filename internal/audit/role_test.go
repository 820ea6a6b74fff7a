package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// aliases is a store of one audit and of role aliases, the n-th of which has the
// role that role says.
type aliases struct {
	SliceStore
	task  *Task
	names []string
	role  func(n int) string
	long  int            // kilobytes that the policy of a role has more
	read  map[string]int // how often the policies of a role were read
}

func (a *aliases) LockAudit(context.Context, durable.Tx, fleet.Scope, string) (*Task, error) {
	return a.task, nil
}
func (a *aliases) SaveAudit(context.Context, durable.Tx, *Task) error { return nil }
func (a *aliases) Suppressed(context.Context, durable.Tx, *Task, string, []string) (map[string]bool, error) {
	return nil, nil
}
func (a *aliases) SaveFindings(context.Context, durable.Tx, *Task, []Finding) error { return nil }
func (a *aliases) SaveMetIssuers(context.Context, durable.Tx, *Task, []*MetIssuer) error {
	return nil
}
func (a *aliases) SaveRelated(context.Context, durable.Tx, []RelatedResource) error { return nil }

func (a *aliases) RoleAliasPage(_ context.Context, _ durable.Tx, _ fleet.Scope, after string, limit int) (
	list []fleet.RoleAlias, err error,
) {
	from, found := slices.BinarySearch(a.names, after)
	if found {
		from++
	}
	for n := from; n < min(from+limit, len(a.names)); n++ {
		list = append(list, fleet.RoleAlias{Name: a.names[n], RoleARN: a.role(n)})
	}
	return list, nil
}

func (a *aliases) RolePolicies(_ context.Context, _ durable.Tx, _ string, arns []string) (
	map[string]*identity.RolePolicies, error,
) {
	found := map[string]*identity.RolePolicies{}
	for _, arn := range arns {
		a.read[arn]++
		if arn != "gone" {
			found[arn] = &identity.RolePolicies{Documents: []string{
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}}` +
					strings.Repeat(" ", a.long<<10),
			}}
		}
	}
	return found, nil
}

func (a *aliases) AccessReports(context.Context, durable.Tx, string, []string) (
	map[string]*identity.AccessReport, error,
) {
	return nil, nil
}

// watched is an observer that looks away.
type watched struct{}

func (watched) Audit(string)               {}
func (watched) Resources(string, int, int) {}
func (watched) Findings(string, int)       {}

func TestRoleAliasesAreJudgedInSlices(t *testing.T) {
	one := func(int) string { return "one" }
	own := func(n int) string { return fmt.Sprint("role ", n) }
	finds := func(_ Env, a *fleet.RoleAlias, roles Roles) Verdict {
		if roles[a.RoleARN].Grants == nil {
			return Verdict{Untested: roles[a.RoleARN].Unknown}
		}
		return Verdict{Violations: []Violation{{Code: "C"}}}
	}
	passes := func(Env, *fleet.RoleAlias, Roles) Verdict { return Verdict{} }
	for _, tt := range []struct {
		name   string
		n      int
		role   func(int) string
		rule   func(Env, *fleet.RoleAlias, Roles) Verdict
		slices int
		status CheckStatus
		total  int64
		reads  int // of one role, at most
		long   int
	}{
		{"none", 0, one, passes, 1, CheckCompliant, 0, 0, 0},
		{"a few", 3, own, passes, 1, CheckCompliant, 3, 1, 0},
		{"as many as are read at a time", roleRows, one, passes, 1, CheckCompliant, roleRows, 1, 0},
		{"as many as a slice has", SliceRows, one, passes, 1, CheckCompliant, SliceRows, 1, 0},
		{"more than two slices have, with one role", 2*SliceRows + 1, one, passes, 3, CheckCompliant, 2*SliceRows + 1, 3, 0},
		{"a role each", 2*SliceRoles + 100, own, passes, 3, CheckCompliant, 2*SliceRoles + 100, 2, 0},
		{"a finding each", 2*SliceFindings + 1, one, finds, 3, CheckNonCompliant, 2*SliceFindings + 1, 3, 0},
		{"a role each, with long policies", 9, own, passes, 2, CheckCompliant, 9, 2, 30},
		{"a role that is gone", 2, func(int) string { return "gone" }, finds, 1, CheckFailed, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := Checks{{Name: "ROLES", RoleAlias: tt.rule}}
			configured := &Configuration{Checks: map[string]CheckConfiguration{"ROLES": {Enabled: true}}}
			a := &aliases{role: tt.role, long: tt.long, read: map[string]int{}}
			a.task = (&Service{Checks: checks, Now: time.Now}).newTask(fleet.Scope{Account: "1"}, []string{"ROLES"}, configured)
			for n := range tt.n {
				a.names = append(a.names, fmt.Sprintf("a%08d", n))
			}
			e := &Engine{Store: a, Checks: checks, Observer: watched{}, Now: time.Now}
			count, more := 0, true
			for more && count < 10 {
				var err error
				if more, err = e.Slice(t.Context(), nil, durable.ID{Account: "1"}); err != nil {
					t.Fatal(err)
				}
				count++
			}
			state := a.task.States["ROLES"]
			most := slices.Max(append(slices.Collect(maps.Values(a.read)), 0))
			if count != tt.slices || state.Status != tt.status || state.Total != tt.total || most > tt.reads {
				t.Errorf("got %d slices, %s, %d judged, a role read %d times; want %d, %s, %d, at most %d", count,
					state.Status, state.Total, most, tt.slices, tt.status, tt.total, tt.reads)
			}
			said := state.Untested == int64(tt.n) && strings.Contains(state.Message, "does not exist")
			if said != (tt.status == CheckFailed) {
				t.Errorf("got %+v, want what was not tested and why, or nothing of that", state)
			}
		})
	}
}
