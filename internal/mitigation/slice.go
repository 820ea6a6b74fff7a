package mitigation

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// slice applies actions to some findings in one transaction.
type slice struct {
	e     *Engine
	ctx   context.Context
	tx    durable.Tx
	task  *Task
	now   time.Time
	items []*item
	roles map[string]*identity.Acting // by action, once they were asked
}

// item is a finding in a slice, with the executions it has got so far.
type item struct {
	finding *audit.Finding
	actions []string
	done    []Execution
	failed  bool
}

// run takes as many findings as a slice may change things for, and applies
// the first action of each, then the second, and so on.
func (s *slice) run(findings []audit.Finding) error {
	for i := range findings {
		f := &findings[i]
		if s.task.Wants(f.Check, f.ReasonCode, f.Suppressed) {
			s.items = append(s.items, &item{finding: f, actions: s.task.Mapping[f.Check]})
		}
	}
	last := findings[len(findings)-1].FindingRef
	costs, err := s.costs()
	if err != nil {
		return err
	}
	total := 0
	for i, cost := range costs {
		if total += cost; total <= s.e.sliceChanges() {
			continue
		}
		if i == 0 {
			return s.runLarge()
		}
		last = s.items[i-1].finding.FindingRef
		s.items = s.items[:i]
		break
	}
	for round := 0; ; round++ {
		if more, err := s.round(round); err != nil || !more {
			s.settle(last)
			return err
		}
	}
}

// settle counts the outcomes and moves the task's position.
func (s *slice) settle(last audit.FindingRef) {
	for _, it := range s.items {
		stat := s.task.Stats[it.finding.Check]
		if it.failed {
			stat.Failed++
		} else {
			stat.Succeeded++
		}
	}
	s.task.Done, s.task.Cursor = last, nil
}

// costs says how many changes each finding may take.
func (s *slice) costs() ([]int, error) {
	certs := map[string]bool{}
	for _, it := range s.items {
		for _, name := range it.actions {
			if s.kind(name).Needs == NeedsThings && !it.aboutIssuer() {
				certs[it.finding.Resource.Key] = true
			}
		}
	}
	var things map[string]int
	if len(certs) > 0 {
		var err error
		if things, err = s.e.Store.CountThings(s.ctx, s.tx, s.task.Scope, CertificateThings{
			Certificates: keys(certs), Most: s.e.sliceChanges() + 1,
		}); err != nil {
			return nil, err
		}
	}
	costs := make([]int, len(s.items))
	for i, it := range s.items {
		for _, name := range it.actions {
			switch needs := s.kind(name).Needs; {
			case needs == NeedsFinding:
				costs[i]++
			case it.aboutIssuer():
				costs[i] = s.e.sliceChanges() + 1 // one at a time, in parts
			case needs == NeedsThings:
				costs[i] += things[it.finding.Resource.Key] * s.task.Action(name).Params.AddThingsToThingGroup.changes()
			default:
				costs[i]++
			}
		}
	}
	return costs, nil
}

// round applies the n-th action of every finding that has one and has not
// failed; with a failure, the rest of its actions are skipped.
func (s *slice) round(n int) (more bool, err error) {
	groups := map[string][]*item{}
	var order []string
	for _, it := range s.items {
		if n >= len(it.actions) {
			continue
		}
		more = true
		if it.failed {
			it.done = append(it.done, s.execution(it, n, Skipped, nil))
			continue
		}
		name := it.actions[n]
		if groups[name] == nil {
			order = append(order, name)
		}
		groups[name] = append(groups[name], it)
	}
	for _, name := range order {
		if err := s.apply(s.task.Action(name), groups[name], n); err != nil {
			return false, err
		}
	}
	return more, nil
}

// attempt is one action on one finding while it is being applied.
type attempt struct {
	*item
	changes []fleet.ChangeRow
	failure *Failure
}

// apply plans an action for a set of findings and applies the plans together.
// Findings of one resource take turns; a plan that was overtaken is made anew.
func (s *slice) apply(a *Action, items []*item, n int) error {
	waiting := make([]*attempt, len(items))
	for i, it := range items {
		waiting[i] = &attempt{item: it}
	}
	for tries := 0; len(waiting) > 0; tries++ {
		turn, later := firstOfEach(waiting)
		overtaken, err := s.turn(a, turn)
		if err != nil {
			return err
		}
		again := map[*attempt]bool{}
		for _, at := range overtaken {
			again[at] = true
			if tries >= applyAttempts {
				at.failure = &Failure{ResourceBusy, "the resource kept changing while the action was applied"}
				again[at] = false
			}
		}
		for _, at := range turn {
			if again[at] {
				later = append(later, at)
			} else {
				s.end(at, n)
			}
		}
		waiting = later
	}
	return nil
}

// firstOfEach splits off one attempt for each resource.
func firstOfEach(list []*attempt) (first, rest []*attempt) {
	seen := make(map[audit.ResourceType]map[string]bool)
	for _, at := range list {
		r := at.finding.Resource
		key := r.Key
		if r.Type == audit.IoTPolicy {
			key, _ = audit.SplitPolicyKey(r.Key) // versions of one policy change one row
		}
		if seen[r.Type] == nil {
			seen[r.Type] = map[string]bool{}
		}
		if seen[r.Type][key] {
			rest = append(rest, at)
			continue
		}
		seen[r.Type][key] = true
		first = append(first, at)
	}
	return first, rest
}

// turn plans and applies once. It returns the attempts that were overtaken.
func (s *slice) turn(a *Action, list []*attempt) ([]*attempt, error) {
	subjects, err := s.subjects(a, list, "", s.e.sliceChanges())
	if err != nil {
		return nil, err
	}
	var changes []fleet.Change
	var owners []*attempt
	err = s.plan(a, subjects, func(i int, planned []fleet.Change, failure *Failure) {
		list[i].failure = failure
		for _, c := range planned {
			changes, owners = append(changes, c), append(owners, list[i])
		}
	})
	if err != nil {
		return nil, err
	}
	return s.commit(changes, owners)
}

// commit applies changes and gives each attempt those of its own that were
// made. It returns the attempts with one that was not.
func (s *slice) commit(changes []fleet.Change, owners []*attempt) ([]*attempt, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	refused, err := s.e.Store.Apply(s.ctx, s.tx, s.task.Scope, changes)
	if err != nil {
		return nil, err
	}
	not := make(map[int]bool, len(refused))
	var overtaken []*attempt
	for _, i := range refused {
		not[i] = true
		if len(overtaken) == 0 || overtaken[len(overtaken)-1] != owners[i] {
			overtaken = append(overtaken, owners[i])
		}
	}
	for i, c := range changes {
		if !not[i] {
			owners[i].changes = append(owners[i].changes, c.Row())
		}
	}
	return overtaken, nil
}

// end records how an attempt came out.
func (s *slice) end(at *attempt, n int) {
	status := Completed
	if at.failure != nil {
		status, at.failed = Failed, true
	}
	ex := s.execution(at.item, n, status, at.failure)
	ex.Changes = at.changes
	at.done = append(at.done, ex)
}

func (s *slice) execution(it *item, n int, status Status, f *Failure) Execution {
	ex := Execution{
		Finding: it.finding.FindingRef, Check: it.finding.Check, Index: n,
		Status: status, Started: s.now, Ended: s.now,
	}
	if f != nil {
		ex.Failure = *f
	}
	return ex
}

func (s *slice) kind(action string) *Kind { return s.e.Kinds.Of(s.task.Action(action).Type) }

// executions are all that the slice has to store.
func (s *slice) executions() []Execution {
	var list []Execution
	for _, it := range s.items {
		list = append(list, it.done...)
	}
	return list
}

// report tells the observer how many executions ended how.
func (s *slice) report() {
	type outcome struct {
		action audit.ActionType
		status Status
	}
	counts := map[outcome]int{}
	for _, it := range s.items {
		for _, ex := range it.done {
			if ex.Status != InProgress {
				counts[outcome{s.task.Action(it.actions[ex.Index]).Type, ex.Status}]++
			}
		}
	}
	for o, n := range counts {
		s.e.Observer.Execution(string(o.action), string(o.status), n)
	}
}
