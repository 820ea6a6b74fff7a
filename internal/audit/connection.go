package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const (
	// connectionTime is how long an audit waits until it is judged what connections
	// show that were seen before it began.
	connectionTime = 30 * time.Second
	// connectionEvery is how often it looks.
	connectionEvery = 250 * time.Millisecond
)

// ConnectionStore is what the engine needs of the connections that were seen.
type ConnectionStore interface {
	// Undecided reports whether there are connections, begun or ended before a
	// time, of which it was not judged yet what they show.
	Undecided(ctx context.Context, scope fleet.Scope, before time.Time) (bool, error)
	// SharedCertificates returns when certificates of a range of numbers were last
	// seen to be shared: at the audit's start, for those that are so now. Others
	// are not in the answer.
	SharedCertificates(ctx context.Context, tx durable.Tx, t *Task, first, last int64) (map[int64]time.Time, error)
	// ClientPage lists client ids by name, behind one, so many.
	ClientPage(ctx context.Context, tx durable.Tx, scope fleet.Scope, after string, limit int) ([]fleet.Client, error)
	// Sightings lists the connections that show what was found, the newest first.
	Sightings(ctx context.Context, tx durable.Tx, t *Task, q SightingQuery) (SightingPage, error)
}

// SightingQuery asks for connections that show, in the window of an audit, that
// a certificate is shared or, if that is "", that a client id is fought for.
type SightingQuery struct {
	Certificate, ClientID string
	// Before is the last connection of the page before, zero for the first.
	Before SightingPosition
	Limit  int // how many connections are looked at
}

// SightingPosition is where a connection stands among all.
type SightingPosition struct {
	From    time.Time `json:"from"`
	Session string    `json:"session"`
}

// SightingPage is a part of a list of connections. Looked is how many were
// looked at, and Last the last one of them; it has an empty Session behind the
// end of the list.
type SightingPage struct {
	List   []fleet.Sighting
	Looked int
	Last   SightingPosition
}

// Relating is a finding whose related resources are being stored: K of them
// are, up to a connection.
type Relating struct {
	Finding int64            `json:"finding"`
	Key     string           `json:"key"` // of its resource
	K       int64            `json:"k"`
	Before  SightingPosition `json:"before"`
}

// waits reports whether a check needs to know what is collected before it can
// begin.
func (c *Check) waits() bool { return c.Revocation || c.Connections }

// awaitsConnections reports whether an audit has checks that wait for what
// connections show.
func (e *Engine) awaitsConnections(t *Task) bool {
	return e.Gateway && slices.ContainsFunc(t.Checks, func(name string) bool {
		check := e.Checks.Named(name)
		return check != nil && check.Connections && t.States[name].Status == CheckWaiting
	})
}

// awaitConnections waits until it is judged what the connections before the
// audit show, for a time.
func (e *Engine) awaitConnections(ctx context.Context, t *Task, wanted func(context.Context) (bool, error)) error {
	if !e.awaitsConnections(t) {
		return nil
	}
	tick, end := time.NewTicker(connectionEvery), time.After(connectionTime)
	defer tick.Stop()
	for e.Now().Before(t.Started.Add(connectionTime)) {
		if open, err := e.Store.Undecided(ctx, t.Scope, t.WindowTo); err != nil || !open {
			return err
		}
		if goOn, err := wanted(ctx); err != nil || !goOn {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// weigh notes for the checks that have waited for what connections show whether
// some of it is still not known.
func (e *Engine) weigh(ctx context.Context, t *Task) error {
	if !e.awaitsConnections(t) {
		return nil
	}
	open, err := e.Store.Undecided(ctx, t.Scope, t.WindowTo)
	if err != nil || !open {
		return err
	}
	for _, name := range t.Checks {
		if check, state := e.Checks.Named(name), t.States[name]; check != nil && check.Connections && state.Status.Open() {
			rule{check, Env{}, state}.untested("what connected last before the audit", "it was not known in time what it shows")
		}
	}
	return nil
}

// learnOfSharing finds out which certificates are shared.
func (e *Engine) learnOfSharing(ctx context.Context, tx durable.Tx, s *slice, list []fleet.Certificate) error {
	if len(list) == 0 || !slices.ContainsFunc(s.rules[s.task.Pass], func(r rule) bool { return r.Connections }) {
		return nil
	}
	shared, err := e.Store.SharedCertificates(ctx, tx, s.task, list[0].Seq, list[len(list)-1].Seq)
	for i := range list {
		list[i].Shared = shared[list[i].Seq]
	}
	return err
}

// clients judges a page of client ids and says how many it looked at.
func (e *Engine) clients(ctx context.Context, tx durable.Tx, s *slice) (seen int, err error) {
	list, err := e.Store.ClientPage(ctx, tx, s.task.Scope, s.rules[clientPass][0].state.After, SliceRows)
	for ; err == nil && seen < len(list) && !s.full(); seen++ {
		s.client(&list[seen])
		err = e.relate(ctx, tx, s)
	}
	return seen, err
}

// relate stores the connections that show what was found, as many as the slice
// has room for: then it is full.
func (e *Engine) relate(ctx context.Context, tx durable.Tx, s *slice) error {
	for _, r := range s.rules[s.task.Pass] {
		for r.state.Relating != nil && !s.full() {
			if err := e.relatePage(ctx, tx, s, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) relatePage(ctx context.Context, tx durable.Tx, s *slice, r rule) error {
	at := r.state.Relating
	q := SightingQuery{Before: at.Before, Limit: SliceFindings, Certificate: at.Key}
	if r.Client != nil {
		q.Certificate, q.ClientID = "", at.Key
	}
	page, err := e.Store.Sightings(ctx, tx, s.task, q)
	if err != nil {
		return fmt.Errorf("read connections: %w", err)
	}
	related := make([]RelatedResource, len(page.List))
	for i := range page.List {
		at.K++
		related[i] = RelatedResource{
			FindingRef{Audit: s.task.Seq, N: at.Finding}, at.K, sighted(&page.List[i], r.Client != nil),
		}
	}
	s.known.relations += int64(page.Looked)
	if at.Before = page.Last; page.Last.Session == "" {
		r.state.Relating = nil
	}
	return e.Store.SaveRelated(ctx, tx, related)
}

// sighted is a connection as a related resource: by the certificate that was
// used, or the client id.
func sighted(c *fleet.Sighting, certificate bool) Resource {
	info := map[string]string{"CONNECTION_TIME": strconv.FormatInt(c.From.UnixMilli(), 10)}
	if !c.Until.IsZero() {
		info["DISCONNECTION_TIME"] = strconv.FormatInt(c.Until.UnixMilli(), 10)
	}
	if certificate {
		return Resource{Type: DeviceCertificate, Key: c.Certificate, Info: info}
	}
	return Resource{Type: ClientID, Key: c.ClientID, Info: info}
}
