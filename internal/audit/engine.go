package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// WorkflowKind is the kind of the workflows that run audits.
const WorkflowKind = "audit"

const (
	// SliceRows is how many resources a slice looks at, at most.
	SliceRows = 10_000
	// SliceFindings is how many findings end a slice: writing costs more than
	// looking.
	SliceFindings = 1000
	// saveFindings is how many findings are stored at a time inside a slice.
	saveFindings = 500
)

// SliceStore is what the engine needs of the database, inside the transaction
// of a slice. Pages come in order of Seq and begin behind the one named.
type SliceStore interface {
	// LockAudit reads an audit and keeps it from others until the slice ends.
	// It is nil when there is none.
	LockAudit(ctx context.Context, tx durable.Tx, scope fleet.Scope, id string) (*Task, error)
	// SaveAudit stores the audit's state.
	SaveAudit(ctx context.Context, tx durable.Tx, t *Task) error
	// Suppressed returns those resources about which the findings of a check were
	// suppressed when the audit began.
	Suppressed(ctx context.Context, tx durable.Tx, t *Task, check string, resources []string) (map[string]bool, error)
	// SaveFindings stores findings.
	SaveFindings(ctx context.Context, tx durable.Tx, t *Task, findings []Finding) error

	// AuditConfigurationIn reads the configuration of a scope, on tx unless that is
	// nil; a nil configuration is none.
	AuditConfigurationIn(ctx context.Context, tx durable.Tx, scope fleet.Scope) (*Configuration, error)
	LoggingOptionsIn(ctx context.Context, tx durable.Tx, scope fleet.Scope) (*fleet.LoggingOptions, error)
	CACertificatePage(ctx context.Context, tx durable.Tx, scope fleet.Scope, p Page) ([]fleet.CACertificate, error)
	// CertificatePage streams a page in parts, between which the transaction can
	// be used. A part is gone with the next; the page may be left early.
	CertificatePage(ctx context.Context, tx durable.Tx, scope fleet.Scope, p Page) iter.Seq2[[]fleet.Certificate, error]
	// PolicyPage lists the default versions.
	PolicyPage(ctx context.Context, tx durable.Tx, scope fleet.Scope, p Page) ([]fleet.PolicyVersion, error)

	// Audit reads an audit outside of slices, or is a NotFound fault.
	Audit(ctx context.Context, scope fleet.Scope, id string) (*Task, error)
	RevocationStore
	ConnectionStore
	RoleStore
}

// Page is the part of a list behind a position.
type Page struct {
	After int64
	Limit int
	// Digests asks for what lists of weak keys are searched by, Sources for the
	// numbers by which revocations are found.
	Digests, Sources bool
}

// Observer hears of finished work.
type Observer interface {
	// Audit is called when an audit ends.
	Audit(status string)
	// Resources is called for every check of an audit that ends.
	Resources(check string, evaluated, nonCompliant int)
	// Findings is called when findings are stored.
	Findings(check string, n int)
}

// Engine runs audits, a slice at a time. It is a durable.Task.
type Engine struct {
	Store    SliceStore
	Checks   Checks
	WeakKeys WeakKeys // nil when no list is loaded
	// Collector finds out what issuers have revoked, before the slices that need
	// to know it. Without one nothing is found out.
	Collector Collector
	// Gateway says that connections are recorded. Without that, checks that need
	// to know of them fail.
	Gateway bool
	// Roles are what audits are made as. Nil trusts every role with everything.
	Roles identity.Roles
	// SliceFindings replaces how many findings end a slice, unless it is 0.
	SliceFindings int
	Observer      Observer
	Now           func() time.Time
}

// Slice looks at the next resources of an audit.
func (e *Engine) Slice(ctx context.Context, tx durable.Tx, id durable.ID) (bool, error) {
	scope := fleet.Scope{Account: id.Account, Region: id.Region}
	t, err := e.Store.LockAudit(ctx, tx, scope, id.Name)
	if err != nil || t == nil || t.Status != TaskInProgress {
		return false, err
	}
	if err := e.weigh(ctx, t); err != nil {
		return false, err
	}
	if err := e.permit(ctx, tx, t); err != nil {
		return false, err
	}
	s := e.newSlice(t)
	for kind(t.Pass) < passes && len(s.rules[t.Pass]) == 0 {
		t.Pass, t.Position = t.Pass+1, 0 // the checks of this pass may have ended in its middle
	}
	if kind(t.Pass) < passes {
		if err := e.page(ctx, tx, s); err != nil {
			return false, err
		}
	}
	if kind(t.Pass) == passes {
		s.finish()
	}
	if err := e.Store.SaveAudit(ctx, tx, t); err != nil {
		return false, err
	}
	e.report(s)
	return t.Status == TaskInProgress, nil
}

// Abandon ends an audit that cannot be finished: what was not complete has
// failed.
func (e *Engine) Abandon(ctx context.Context, tx durable.Tx, id durable.ID, reason string) error {
	t, err := e.Store.LockAudit(ctx, tx, fleet.Scope{Account: id.Account, Region: id.Region}, id.Name)
	if err != nil || t == nil || t.Status != TaskInProgress {
		return err
	}
	t.abandon(e.Now(), reason)
	e.Observer.Audit(string(t.Status))
	return e.Store.SaveAudit(ctx, tx, t)
}

// page judges one page of the current pass, stores what it found, and moves on
// to the next pass at its end.
func (e *Engine) page(ctx context.Context, tx durable.Tx, s *slice) (err error) {
	t, page := s.task, Page{After: s.task.Position, Limit: SliceRows, Digests: e.WeakKeys != nil, Sources: s.revocation()}
	if err := e.relate(ctx, tx, s); err != nil {
		return fmt.Errorf("relate connections: %w", err)
	}
	seen := 0
	switch kind(t.Pass) {
	case accountPass:
		var l *fleet.LoggingOptions
		if l, err = e.Store.LoggingOptionsIn(ctx, tx, t.Scope); err == nil {
			s.account(l)
		}
	case caPass:
		var list []fleet.CACertificate
		if list, err = e.Store.CACertificatePage(ctx, tx, t.Scope, page); err == nil {
			err = e.learnOfCAs(ctx, tx, s, list)
		}
		for ; seen < len(list) && !s.full(); seen++ {
			s.ca(&list[seen])
		}
	case certificatePass:
		seen, err = e.certificates(ctx, tx, s, page)
	case policyPass:
		var list []fleet.PolicyVersion
		list, err = e.Store.PolicyPage(ctx, tx, t.Scope, page)
		for ; seen < len(list) && !s.full(); seen++ {
			s.policy(&list[seen])
		}
	case clientPass:
		seen, err = e.clients(ctx, tx, s)
	case poolPass, roleAliasPass:
		seen, err = SliceRows, e.holders(ctx, tx, s)
	}
	if err != nil {
		return fmt.Errorf("read resources: %w", err)
	}
	if err := errors.Join(e.save(ctx, tx, s), e.saveIssuers(ctx, tx, s)); err != nil {
		return err
	}
	if s.known.last || seen < SliceRows && !s.full() {
		s.completePass()
	}
	return nil
}

// certificates judges a page of certificates and says how many it judged.
func (e *Engine) certificates(ctx context.Context, tx durable.Tx, s *slice, page Page) (seen int, err error) {
	for list, err := range e.Store.CertificatePage(ctx, tx, s.task.Scope, page) {
		if err != nil {
			return seen, err
		}
		err := errors.Join(e.learnOfCertificates(ctx, tx, s, list), e.learnOfSharing(ctx, tx, s, list))
		for i := 0; err == nil && i < len(list); i++ {
			if s.full() {
				return seen, nil
			}
			s.certificate(&list[i])
			seen++
			err = e.relate(ctx, tx, s)
		}
		if err != nil {
			return seen, err
		}
		if len(s.findings) >= saveFindings {
			if err := e.save(ctx, tx, s); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

// save settles which of the findings that are not stored yet are suppressed,
// and stores them.
func (e *Engine) save(ctx context.Context, tx durable.Tx, s *slice) error {
	if len(s.findings) == 0 {
		return nil
	}
	// What counts is what was suppressed when the audit began, so that every
	// slice judges alike, also one that is run again.
	suppressed := map[string]map[string]bool{}
	for check, resources := range s.suspects() {
		found, err := e.Store.Suppressed(ctx, tx, s.task, check, resources)
		if err != nil {
			return err
		}
		suppressed[check] = found
	}
	s.settle(suppressed)
	for i := range s.findings {
		s.saved[s.findings[i].Check]++
	}
	err := e.Store.SaveFindings(ctx, tx, s.task, s.findings)
	s.findings = s.findings[:0]
	return err
}

// report tells the observer. A slice that is rolled back after this is told
// twice: counters are for watching, not for accounting.
func (e *Engine) report(s *slice) {
	for check, n := range s.saved {
		e.Observer.Findings(check, n)
	}
	if s.task.Status == TaskInProgress {
		return
	}
	e.Observer.Audit(string(s.task.Status))
	for name, state := range s.task.States {
		e.Observer.Resources(name, int(state.Total), int(state.NonCompliant))
	}
}
