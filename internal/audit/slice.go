package audit

import (
	"cmp"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// slice judges one page of resources.
type slice struct {
	task     *Task
	first    int64 // how many findings there were before
	most     int64 // how many more end the slice
	prefix   string
	now      time.Time
	rules    [passes][]rule
	findings []Finding      // not stored yet
	saved    map[string]int // how many were, by check
	known    knowledge
}

// rule is an enabled check with its environment and its counters.
type rule struct {
	*Check
	env   Env
	state *CheckState
}

func (e *Engine) newSlice(t *Task) *slice {
	s := &slice{task: t, first: t.Findings, prefix: FindingPrefix(t.ID), now: e.Now(), saved: map[string]int{}}
	s.most = int64(cmp.Or(e.SliceFindings, SliceFindings))
	s.known.roles = Roles{}
	for _, name := range t.Checks {
		check, state := e.Checks.Named(name), t.States[name]
		if state.Status == CheckWaiting && check != nil && check.waits() {
			state.Status = CheckInProgress // what could be collected was, before this slice
		}
		if state.Status != CheckInProgress {
			continue // has a result, was disabled from the start, or waits for data
		}
		if check == nil {
			// A newer version began this audit and this one cannot run the check.
			state.Status, state.Message = CheckFailed, "this version has no such check"
			continue
		}
		if check.Connections && !e.Gateway {
			state.Status, state.Message = CheckFailed, "no connections were seen, for this Cordon has no gateway"
			continue
		}
		// Ages are judged as of the start, so that every slice judges alike.
		env := Env{Now: t.Started, WeakKeys: e.WeakKeys, WindowFrom: t.WindowFrom}.WithSettings(state.Settings)
		pass := check.pass()
		s.rules[pass] = append(s.rules[pass], rule{check, env, state})
	}
	return s
}

// full reports whether the slice has found enough.
func (s *slice) full() bool {
	return s.task.Findings-s.first+s.known.relations >= s.most || s.known.analysed >= SliceRoles ||
		s.known.held >= SliceRows
}

func (s *slice) account(l *fleet.LoggingOptions) {
	for _, r := range s.rules[accountPass] {
		s.judge(r, s.task.Scope.Account, r.Account(r.env, l))
	}
}

func (s *slice) ca(c *fleet.CACertificate) {
	s.task.Position = c.Seq
	for _, r := range s.rules[caPass] {
		if r.CoversCA == nil || r.CoversCA(c) {
			if s.tested(r, c.ID, c.Revocation) {
				s.judge(r, c.ID, r.CA(r.env, c))
			}
		}
	}
}

func (s *slice) certificate(c *fleet.Certificate) {
	s.task.Position = c.Seq
	for _, r := range s.rules[certificatePass] {
		switch {
		case r.Covers != nil && !r.Covers(c):
		case r.Issuer != nil:
			s.issuers(r, c)
		case s.tested(r, c.ID, c.Revocation):
			s.judge(r, c.ID, r.Certificate(r.env, c))
		}
	}
}

// client judges a client id if it was connected in the window.
func (s *slice) client(c *fleet.Client) {
	ended := !c.Until.IsZero() && c.Until.Before(s.task.WindowFrom)
	for _, r := range s.rules[clientPass] {
		if r.state.After = c.ID; !ended && !c.From.After(s.task.WindowTo) {
			s.judge(r, c.ID, r.Client(r.env, c))
		}
	}
}

func (s *slice) policy(p *fleet.PolicyVersion) {
	s.task.Position = p.Seq
	for _, r := range s.rules[policyPass] {
		s.judge(r, PolicyKey(p.Policy, fleet.VersionID(p.Version)), r.Policy(r.env, p))
	}
}

// judge counts a resource once, whatever the number of violations, and makes a
// finding of each. Which of them are suppressed is settled later, for many at a
// time.
func (s *slice) judge(r rule, key string, violations []Violation) {
	r.state.Total++
	if len(violations) == 0 {
		return
	}
	r.state.NonCompliant++
	for _, v := range violations {
		s.task.Findings++
		s.findings = append(s.findings, Finding{
			FindingRef: FindingRef{Audit: s.task.Seq, N: s.task.Findings},
			ID:         FindingID(s.prefix, s.task.Findings), TaskID: s.task.ID,
			Check: r.Name, Severity: r.Severity,
			Resource:   Resource{Type: r.Resource(), Key: key, Seq: s.task.Position, Info: v.Info},
			ReasonCode: v.Code, Reason: v.Text, Found: s.now, Related: v.Related,
		})
	}
	if r.Connections {
		r.state.Relating = &Relating{Finding: s.task.Findings, Key: key}
	}
}

// suspects are the resources that the findings not stored yet are about, by
// check.
func (s *slice) suspects() map[string][]string {
	out := map[string][]string{}
	for i := range s.findings {
		if s.firstOf(i) {
			out[s.findings[i].Check] = append(out[s.findings[i].Check], s.findings[i].Resource.Key)
		}
	}
	return out
}

// firstOf reports whether a finding is the first of its check about its
// resource: judge makes them one behind the other.
func (s *slice) firstOf(i int) bool {
	if i == 0 {
		return true
	}
	f, before := &s.findings[i], &s.findings[i-1]
	return f.Check != before.Check || f.Resource.Key != before.Resource.Key
}

// settle marks the findings about resources that are suppressed, by check, and
// counts the other findings by reason.
func (s *slice) settle(suppressed map[string]map[string]bool) {
	for i := range s.findings {
		f := &s.findings[i]
		state := s.task.States[f.Check]
		if f.Suppressed = suppressed[f.Check][f.Resource.Key]; f.Suppressed {
			if s.firstOf(i) {
				state.Suppressed++
			}
			continue
		}
		if state.Reasons == nil {
			state.Reasons = map[string]int64{}
		}
		state.Reasons[f.ReasonCode]++
	}
}

// completePass gives the checks of a pass that has seen everything their
// verdict.
func (s *slice) completePass() {
	for _, r := range s.rules[s.task.Pass] {
		r.state.Status = CheckCompliant
		if r.state.NonCompliant > r.state.Suppressed {
			r.state.Status = CheckNonCompliant
		}
		if r.Untested != nil {
			r.state.Message = r.Untested(r.env)
		}
		if r.state.Untested > 0 {
			r.state.Message = untestedText(r.state)
			if r.state.Status == CheckCompliant {
				r.state.Status = CheckFailed // what was not tested is not known to comply
			}
		}
	}
	s.task.Pass++
	s.task.Position = 0
	for kind(s.task.Pass) < passes && len(s.rules[s.task.Pass]) == 0 {
		s.task.Pass++
	}
}

// finish ends the audit: it has failed when no check has a result. What still
// waits for data has established nothing.
func (s *slice) finish() {
	s.task.Status, s.task.Ended = TaskFailed, s.now
	for _, state := range s.task.States {
		if state.Status == CheckWaiting {
			state.Status, state.Message = CheckFailed, "the data that the check needs was not collected"
		}
		if state.Status != CheckFailed {
			s.task.Status = TaskCompleted
		}
	}
}
