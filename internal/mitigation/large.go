package mitigation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// runLarge works on one finding that takes more changes than a slice may make:
// a part of one of its actions. The execution is in progress between slices.
func (s *slice) runLarge() error {
	t, it := s.task, s.items[0]
	s.items = s.items[:1]
	if t.Cursor == nil {
		t.Cursor = &Cursor{}
	}
	n, continues := t.Cursor.Action, t.Cursor.After != "" || t.Cursor.Related > 0
	at := &attempt{item: it}
	more, err := s.part(t.Action(it.actions[n]), at)
	if err != nil {
		return err
	}
	if more {
		ex := s.execution(it, n, InProgress, at.failure)
		ex.Changes, ex.Continues, ex.Ended = at.changes, continues, time.Time{}
		it.done = append(it.done, ex)
		return nil
	}
	s.end(at, n)
	it.done[0].Continues = continues
	t.Cursor = &Cursor{Action: n + 1}
	if it.failed {
		for k := n + 1; k < len(it.actions); k++ {
			it.done = append(it.done, s.execution(it, k, Skipped, nil))
		}
	}
	if it.failed || n+1 == len(it.actions) {
		s.settle(it.finding.FindingRef)
	}
	return nil
}

// part applies an action to the next things of a finding's certificate,
// moves the cursor behind them and reports whether there are more.
func (s *slice) part(a *Action, at *attempt) (more bool, err error) {
	if at.aboutIssuer() && s.e.Kinds.Of(a.Type).Needs != NeedsFinding {
		return s.relatedPart(a, at)
	}
	cursor, most := s.task.Cursor, s.e.sliceChanges()
	if g := a.Params.AddThingsToThingGroup; g != nil {
		most = max(1, most/g.changes())
	}
	subjects, err := s.subjects(a, []*attempt{at}, cursor.After, most)
	if err != nil {
		return false, err
	}
	var planned []fleet.Change
	var failure *Failure
	if err := s.plan(a, subjects, func(_ int, changes []fleet.Change, why *Failure) {
		planned, failure = changes, why
	}); err != nil {
		return false, err
	}
	overtaken, err := s.commit(planned, slices.Repeat([]*attempt{at}, len(planned)))
	if len(overtaken) > 0 && failure == nil {
		failure = &Failure{ResourceBusy, "a thing or group changed while the action was applied"}
	}
	if cursor.Failure == nil {
		cursor.Failure = failure
	}
	at.failure = cursor.Failure
	if things := subjects[0].Things; len(things) == most {
		more, cursor.After = true, things[len(things)-1].Name
	}
	return more, err
}

// subjects reads what a plan for each finding is made from.
func (s *slice) subjects(a *Action, list []*attempt, after string, most int) ([]Subject, error) {
	out := make([]Subject, len(list))
	names := make([]string, len(list))
	for i, at := range list {
		out[i].Finding = at.finding
		names[i] = at.finding.Resource.Key
	}
	st, ctx, tx, scope := s.e.Store, s.ctx, s.tx, s.task.Scope
	var err error
	switch s.e.Kinds.Of(a.Type).Needs {
	case NeedsCertificate:
		var m map[string]*fleet.Certificate
		m, err = st.CertificateStates(ctx, tx, scope, resources(out))
		for i := range out {
			out[i].Certificate = m[names[i]]
		}
	case NeedsCA:
		var m map[string]*fleet.CACertificate
		m, err = st.CACertificateStates(ctx, tx, scope, names)
		for i := range out {
			out[i].CA = m[names[i]]
		}
	case NeedsPolicy:
		for i := range names {
			names[i], _ = audit.SplitPolicyKey(names[i])
		}
		var m map[string]*fleet.Policy
		m, err = st.PolicyStates(ctx, tx, scope, names)
		for i := range out {
			out[i].Policy = m[names[i]]
		}
	case NeedsLogging:
		var l *fleet.LoggingOptions
		l, err = st.LoggingOptionsIn(ctx, tx, scope)
		for i := range out {
			out[i].Logging = l
		}
	case NeedsFinding:
		return out, s.findings(a, out)
	case NeedsThings:
		return out, s.things(a, out, CertificateThings{Certificates: names, After: after, Most: most})
	}
	return out, err
}

// findings reads all of each finding, and looks for the topic of the action.
func (s *slice) findings(a *Action, out []Subject) error {
	refs := make([]audit.FindingRef, len(out))
	for i := range out {
		refs[i] = out[i].Finding.FindingRef
	}
	whole, err := s.e.Store.WholeFindings(s.ctx, s.tx, refs)
	if err != nil {
		return err
	}
	missing, err := s.topicMissing(a.Params.PublishFindingToSNS.TopicARN)
	for i, ref := range refs {
		f := whole[ref]
		if f == nil {
			return fmt.Errorf("finding %d of audit %d is gone", ref.N, ref.Audit)
		}
		out[i].Finding, out[i].TopicMissing, out[i].Now = f, missing, s.now
		out[i].Execution = "execution/" + s.task.ID + "/" + f.ID + "/" + a.Name
	}
	return err
}

func (s *slice) topicMissing(text string) (bool, error) {
	if s.e.ForeignTopics {
		return false, nil
	}
	arn, err := notify.ParseTopicARN(text)
	if err != nil {
		return true, nil
	}
	found, err := s.e.Store.HasTopic(s.ctx, s.tx, arn)
	return !found, err
}

// things reads the things of each finding's certificate and the groups that
// the action names.
func (s *slice) things(a *Action, out []Subject, q CertificateThings) error {
	groups, err := s.e.Store.GroupStates(s.ctx, s.tx, s.task.Scope, a.Params.AddThingsToThingGroup.Groups)
	if err != nil {
		return err
	}
	certs, err := s.e.Store.CertificateStates(s.ctx, s.tx, s.task.Scope, resources(out))
	if err != nil {
		return err
	}
	things, err := s.e.Store.ThingsOf(s.ctx, s.tx, s.task.Scope, q)
	for i := range out {
		key := out[i].Finding.Resource.Key
		out[i].Groups, out[i].Certificate, out[i].Things = groups, certs[key], things[key]
	}
	return err
}

// resources are what the findings are about.
func resources(list []Subject) []audit.Resource {
	out := make([]audit.Resource, len(list))
	for i := range list {
		out[i] = list[i].Finding.Resource
	}
	return out
}

func keys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
