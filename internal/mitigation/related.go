package mitigation

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// aboutIssuer reports whether a finding is about the certificate of an issuer,
// which nobody can mitigate: its actions are for the device certificates below,
// the finding's related resources.
func (it *item) aboutIssuer() bool { return it.finding.Resource.Type == audit.IssuerCertificate }

// relatedPart applies an action to the next related resources of a finding,
// moves the cursor behind them and reports whether there may be more.
func (s *slice) relatedPart(a *Action, at *attempt) (more bool, err error) {
	cursor, most := s.task.Cursor, s.e.sliceChanges()
	list, err := s.e.Store.RelatedIn(s.ctx, s.tx, at.finding.FindingRef, cursor.Related, most)
	if err != nil {
		return false, err
	}
	page := relatedPage{at: at, resources: list, most: most}
	if g := a.Params.AddThingsToThingGroup; g != nil {
		page.most = max(1, most/g.changes())
		if cursor.After != "" {
			// The cursor is among the things of the first certificate, however many of
			// them are left: those of others are not behind it.
			page.resources = list[:min(1, len(list))]
		} else if err := s.fit(&page); err != nil {
			return false, err
		}
	}
	last, err := s.applyRelated(a, &page)
	if err != nil {
		return false, err
	}
	at.failure = cursor.Failure
	if last != "" {
		cursor.After = last // of the one certificate on the page
		return true, nil
	}
	cursor.Related, cursor.After = cursor.Related+int64(len(page.resources)), ""
	return len(page.resources) > 0, nil
}

// relatedPage is a part of the related resources of a finding.
type relatedPage struct {
	at        *attempt
	resources []audit.Resource
	most      int // how many things may be changed
}

// fit shortens a page to certificates with no more things than may be changed,
// but for one.
func (s *slice) fit(p *relatedPage) error {
	names := make([]string, len(p.resources))
	for i := range p.resources {
		names[i] = p.resources[i].Key
	}
	if len(names) == 0 {
		return nil
	}
	counts, err := s.e.Store.CountThings(s.ctx, s.tx, s.task.Scope, CertificateThings{
		Certificates: names, Most: p.most + 1,
	})
	if err != nil {
		return err
	}
	total := 0
	for i, name := range names {
		if total += counts[name]; total > p.most && i > 0 {
			p.resources = p.resources[:i]
			break
		}
	}
	return nil
}

// applyRelated plans and applies an action to a page. What was overtaken is
// planned anew. It returns the last thing that it did of a certificate that has
// more.
func (s *slice) applyRelated(a *Action, p *relatedPage) (last string, err error) {
	cursor := s.task.Cursor
	for tries := 0; ; tries++ {
		changes, things, failure, err := s.planRelated(a, p)
		if err != nil {
			return "", err
		}
		overtaken, err := s.commit(changes, slices.Repeat([]*attempt{p.at}, len(changes)))
		if err != nil {
			return "", err
		}
		if len(overtaken) > 0 && tries < applyAttempts {
			continue
		}
		if len(overtaken) > 0 && failure == nil {
			failure = &Failure{ResourceBusy, "a related resource kept changing while the action was applied"}
		}
		if cursor.Failure == nil {
			cursor.Failure = failure
		}
		if len(p.resources) == 1 && len(things) == p.most {
			last = things[len(things)-1].Name
		}
		return last, nil
	}
}

// planRelated plans an action for the resources of a page that are still there.
// A thing of two certificates is planned for once. It returns the things of the
// last one too.
func (s *slice) planRelated(a *Action, p *relatedPage) (
	changes []fleet.Change, things []ThingState, failure *Failure, err error,
) {
	if len(p.resources) == 0 {
		return nil, nil, nil, nil
	}
	attempts := make([]*attempt, len(p.resources))
	for i, r := range p.resources {
		f := *p.at.finding
		f.Resource = r
		attempts[i] = &attempt{item: &item{finding: &f}}
	}
	subjects, err := s.subjects(a, attempts, s.task.Cursor.After, p.most)
	if err != nil {
		return nil, nil, nil, err
	}
	seen := map[string]bool{}
	left := subjects[:0]
	for _, subject := range subjects {
		if things = subject.Things; subject.Certificate == nil {
			continue // deleted since: there is nothing to be done about it
		}
		subject.Things = slices.DeleteFunc(slices.Clone(things), func(t ThingState) bool {
			defer func() { seen[t.Name] = true }()
			return seen[t.Name]
		})
		left = append(left, subject)
	}
	err = s.plan(a, left, func(_ int, planned []fleet.Change, failed *Failure) {
		changes = append(changes, planned...)
		if failure == nil {
			failure = failed
		}
	})
	return changes, things, failure, err
}
