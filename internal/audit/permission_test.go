package audit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// lists is a store of one audit, of so many CA certificates and of policies.
type lists struct {
	aliases
	cas, policies int
}

func (l *lists) AuditConfigurationIn(context.Context, durable.Tx, fleet.Scope) (*Configuration, error) {
	return &Configuration{RoleARN: "arn:aws:iam::111111111111:role/auditor"}, nil
}

func (l *lists) CACertificatePage(_ context.Context, _ durable.Tx, _ fleet.Scope, p Page) (
	list []fleet.CACertificate, err error,
) {
	for n := p.After + 1; n <= int64(l.cas) && len(list) < p.Limit; n++ {
		list = append(list, fleet.CACertificate{Seq: n})
	}
	return list, nil
}

func (l *lists) PolicyPage(_ context.Context, _ durable.Tx, _ fleet.Scope, p Page) (
	list []fleet.PolicyVersion, err error,
) {
	for n := p.After + 1; n <= int64(l.policies) && len(list) < p.Limit; n++ {
		list = append(list, fleet.PolicyVersion{Seq: n})
	}
	return list, nil
}

// oneRole is a role that trusts AWS IoT, with a policy.
type oneRole struct{ document string }

func (r *oneRole) Grants(context.Context, durable.Tx, identity.Grantee) (*identity.Grants, error) {
	return &identity.Grants{
		Role: &identity.Role{Account: "111111111111", Name: "auditor", Path: "/", Trust: `{"Version":"2012-10-17",` +
			`"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"iot.amazonaws.com"}}}`},
		Policies: []identity.GrantedPolicy{{Document: r.document}},
	}, nil
}
func (r *oneRole) ResourcePolicy(context.Context, durable.Tx, string) (string, error) { return "", nil }
func (r *oneRole) ResourceTags(context.Context, durable.Tx, string) (map[string]string, error) {
	return nil, nil
}

// A check whose permission is taken away in the middle of its pass ends there,
// and the next pass still begins at the first resource.
func TestACheckThatIsRefusedInTheMiddleLeavesTheOthersWhole(t *testing.T) {
	allowing := func(action string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`
	}
	checks := Checks{
		{Name: "CAS", CA: func(Env, *fleet.CACertificate) []Violation { return []Violation{{Code: "C"}} }},
		{Name: "POLICIES", Policy: func(Env, *fleet.PolicyVersion) []Violation { return nil }},
	}
	configured := &Configuration{Checks: map[string]CheckConfiguration{
		"CAS": {Enabled: true}, "POLICIES": {Enabled: true},
	}}
	l := &lists{cas: 2 * SliceFindings, policies: 7}
	scope := fleet.Scope{Account: "111111111111", Region: "eu-west-1"}
	l.task = (&Service{Checks: checks, Now: time.Now}).newTask(scope, []string{"CAS", "POLICIES"}, configured)
	role := &oneRole{allowing("*")}
	e := &Engine{
		Store: l, Checks: checks, Observer: watched{}, Now: time.Now, Roles: &identity.Service{Policies: role, Now: time.Now},
	}
	for count, more := 0, true; more; count++ {
		var err error
		if more, err = e.Slice(t.Context(), nil, durable.ID{Account: scope.Account, Region: scope.Region}); err != nil {
			t.Fatal(err)
		}
		role.document = allowing("iot:*Polic*")
	}
	cas, policies := l.task.States["CAS"], l.task.States["POLICIES"]
	if cas.Status != CheckFailed || cas.ErrorCode != ErrorInsufficientPermissions || cas.Total != SliceFindings ||
		!strings.Contains(cas.Message, "iot:ListCACertificates") {
		t.Errorf("got %+v, want it refused after a slice", cas)
	}
	if policies.Status != CheckCompliant || policies.Total != 7 || l.task.Status != TaskCompleted {
		t.Errorf("got %+v in an audit that is %s, want all seven policies judged", policies, l.task.Status)
	}
}

// fetches counts how often lists were collected, and asks each time whether that
// is still wanted once the role has lost what it had.
type fetches struct {
	n      int
	role   *oneRole
	wanted []bool
}

func (f *fetches) Collect(ctx context.Context, r Collection) error {
	f.n++
	for _, document := range []string{f.role.document, refusing} {
		f.role.document = document
		wanted, err := r.Wanted(ctx)
		if err != nil {
			return err
		}
		f.wanted = append(f.wanted, wanted)
	}
	return nil
}

const refusing = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

func (l *lists) Audit(context.Context, fleet.Scope, string) (*Task, error) { return l.task, nil }

// Nothing is fetched for an audit whose role may not read what is fetched.
func TestListsAreCollectedForARoleThatMayReadCertificates(t *testing.T) {
	const allowing = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"%s","Resource":"*"}}`
	for _, tt := range []struct {
		name, document string
		status         CheckStatus
		want           int
	}{
		{"a role that may", strings.ReplaceAll(allowing, "%s", "iot:*"), CheckWaiting, 1},
		{"one that may read something else", strings.ReplaceAll(allowing, "%s", "iot:*Polic*"), CheckWaiting, 0},
		{"one that may do nothing", refusing, CheckWaiting, 0},
		{"one that may, for a check that has failed", strings.ReplaceAll(allowing, "%s", "iot:*"), CheckFailed, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := Checks{
				{Name: "REVOKED", Revocation: true, Certificate: func(Env, *fleet.Certificate) []Violation { return nil }},
				{Name: "POLICIES", Policy: func(Env, *fleet.PolicyVersion) []Violation { return nil }},
			}
			l, role := &lists{}, &oneRole{tt.document}
			l.task = taskOf()
			l.task.Scope = fleet.Scope{Account: "111111111111", Region: "eu-west-1"}
			l.task.Checks = []string{"REVOKED", "POLICIES"}
			l.task.States = map[string]*CheckState{"REVOKED": {Status: tt.status}, "POLICIES": {Status: CheckInProgress}}
			f := &fetches{role: role}
			e := &Engine{
				Store: l, Checks: checks, Collector: f, Now: time.Now,
				Roles: &identity.Service{Policies: role, Now: time.Now},
			}
			if err := e.Prepare(t.Context(), durable.ID{}); err != nil {
				t.Fatal(err)
			}
			if f.n != tt.want {
				t.Errorf("got %d collections, want %d", f.n, tt.want)
			}
			if f.n == 1 && (len(f.wanted) != 2 || !f.wanted[0] || f.wanted[1]) {
				t.Errorf("got it wanted %v, want it until the role has lost its permission", f.wanted)
			}
		})
	}
}
