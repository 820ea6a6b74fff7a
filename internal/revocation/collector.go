package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

const (
	// batch is how many sources are looked at between two looks at the database,
	// and workers how many of them at a time.
	batch, workers = 100, 8
	// maxDepth is how many CAs above a certificate are followed.
	maxDepth = 10
	// maxReason is the longest reason that is kept, in bytes.
	maxReason = 300
	// watchEvery is how often it is asked whether the work is still wanted.
	watchEvery = time.Second
)

// Collector finds out what is known about the sources of a scope.
type Collector struct {
	Store     Store
	Downloads *guard.Downloads
	// Own returns the certificate of an account's own CA, nil where it has none.
	Own func(ctx context.Context, account string) (*pki.Certificate, error)
	Now func() time.Time
}

// Collect looks at sources until none is left, the time is over or nobody wants
// it any more. It may be interrupted anywhere and run again: it goes on with
// the sources that it has not looked at.
func (c *Collector) Collect(ctx context.Context, r audit.Collection) error {
	now := c.Now()
	if !now.Before(r.Until) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Until.Sub(now))
	defer cancel()
	run := &run{Collector: c, scope: r.Scope, issuers: map[string][]fleet.Issuer{}, lists: map[place]*entry{}}
	for more := true; more; {
		var err error
		if more, err = c.Store.ReadProvenance(ctx); err != nil {
			return ended(ctx, err)
		}
	}
	if err := run.own(ctx); err != nil {
		return ended(ctx, err)
	}
	for {
		list, err := c.Store.StaleSources(ctx, r.Scope, r.Since, batch)
		if err != nil || len(list) == 0 {
			return ended(ctx, err)
		}
		found, err := run.watched(ctx, list, r.Wanted)
		if err != nil {
			return ended(ctx, err)
		}
		if found == nil {
			return nil
		}
		at := c.Now()
		if at.Before(r.Since) { // the clocks of nodes differ
			at = r.Since
		}
		if err := c.Store.SaveOutcomes(ctx, r.Scope, at, found); err != nil {
			return ended(ctx, err)
		}
	}
}

// ended drops an error that only says that the time is over.
func ended(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return err
}

// run is one call of Collect.
type run struct {
	*Collector
	scope   fleet.Scope
	ownCA   *pki.Certificate // nil where the account has none
	mu      sync.Mutex
	issuers map[string][]fleet.Issuer
	lists   map[place]*entry
}

// own makes the account's own CA one of the issuers that are known.
func (r *run) own(ctx context.Context) error {
	ca, err := r.Own(ctx, r.scope.Account)
	if err != nil || ca == nil {
		return err
	}
	r.ownCA = ca
	known, err := r.named(ctx, ca.SubjectMatch)
	if err != nil || slices.ContainsFunc(known, func(i fleet.Issuer) bool { return i.ID == ca.ID }) {
		return err
	}
	issuer, err := fleet.NewIssuer(ca, r.Now())
	if err != nil {
		return err
	}
	delete(r.issuers, ca.SubjectMatch) // nobody else uses it yet
	return r.Store.ImportIssuer(ctx, r.scope, issuer)
}

// place is where a list is had from, for whom it is looked for.
type place struct {
	url     string
	subject string
}

// entry is a list that is being looked for, or was.
type entry struct {
	once sync.Once
	list *List
	err  error
}

// watched looks at some sources while somebody wants it; nil is that nobody
// does.
func (r *run) watched(ctx context.Context, list []Source, wanted func(context.Context) (bool, error)) (
	[]Outcome, error,
) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		found []Outcome
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := r.all(ctx, list)
		done <- result{found, err}
	}()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case out := <-done:
			return out.found, out.err
		case <-tick.C:
			if want, err := wanted(ctx); err != nil || !want {
				cancel()
				<-done
				return nil, err
			}
		}
	}
}

func (r *run) all(ctx context.Context, list []Source) ([]Outcome, error) {
	out := make([]Outcome, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range list {
		g.Go(func() (err error) {
			out[i], err = r.source(ctx, &list[i])
			return err
		})
	}
	return out, g.Wait()
}

// source finds out about one source.
func (r *run) source(ctx context.Context, s *Source) (Outcome, error) {
	out := Outcome{Source: s.ID, State: fleet.SourceTested}
	issuers, err := r.issuersOf(ctx, &s.Origin)
	if err != nil {
		return out, err
	}
	if !s.Self && !s.CA && len(issuers) == 0 {
		out.Chain = cut(fmt.Sprintf("the certificate of its issuer %q is not known, which can be imported "+
			"with \"cordon crl import\"", s.IssuerName))
	}
	if out.Issuers, err = r.above(ctx, &s.Origin); err != nil {
		return out, err
	}
	imported, err := r.imported(ctx, s, issuers)
	if err != nil {
		return out, err
	}
	out.Lists = imported.lists
	if len(s.Points) > 0 && !r.publishedHere(s) {
		l, err := r.fetched(ctx, s, issuers)
		switch {
		case err == nil && l.current(r.Now(), s.CA):
			out.Lists = append(out.Lists, l.ID)
		case err == nil:
			err = &missing{"the list that it names is about other certificates"}
			fallthrough
		default:
			if f, reason := untested(err); !f {
				return out, err
			} else if len(imported.lists) == 0 {
				out.State, out.Reason = fleet.SourceUntested, reason
			}
		}
	}
	if imported.expired && len(out.Lists) == 0 && out.State == fleet.SourceTested {
		out.State, out.Reason = fleet.SourceUntested, "the imported revocation list of its issuer has expired"
	}
	return out, nil
}

// publishedHere reports whether the certificates of a source are of the account's
// own CA and name its list alone, wherever that is published. What this list says
// is what the registry says: one that an audit fetched and kept would say for a
// day what was so before.
func (r *run) publishedHere(s *Source) bool {
	return r.ownCA != nil && s.Issuer == r.ownCA.SubjectMatch && s.KeyID == r.ownCA.SubjectKeyID && len(s.Points) == 1 &&
		strings.HasSuffix(s.Points[0], pki.PublicationPath+r.ownCA.ID+pki.ListSuffix)
}

// current reports whether a stored list still decides about certificates, of
// CAs or of others.
func (l *List) current(now time.Time, ca bool) bool {
	about := crl.List{Covers: l.Covers}
	return !now.After(l.NextUpdate) && about.About(ca)
}

// missing is why a list cannot be had: a reason that is told.
type missing struct{ reason string }

// Error returns the reason.
func (m *missing) Error() string { return m.reason }

// untested says whether an error leaves certificates untested, and why. Every
// other is internal.
func untested(err error) (bool, string) {
	var m *missing
	if f := fault.From(err); f != nil {
		return true, cut(f.Text)
	}
	if errors.As(err, &m) {
		return true, cut(m.reason)
	}
	return false, ""
}

func cut(text string) string {
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-3], "") + "..."
	}
	return text
}

// issuersOf lists who may have signed the certificates of an origin.
func (r *run) issuersOf(ctx context.Context, o *fleet.Origin) ([]fleet.Issuer, error) {
	if o.Issuer == "" {
		return nil, nil
	}
	named, err := r.named(ctx, o.Issuer)
	if err != nil {
		return nil, err
	}
	var out []fleet.Issuer
	for i := range named {
		if named[i].Signs(o) {
			out = append(out, named[i])
		}
	}
	return out, nil
}

// named lists the issuers of a subject.
func (r *run) named(ctx context.Context, subject string) ([]fleet.Issuer, error) {
	r.mu.Lock()
	list, ok := r.issuers[subject]
	r.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := r.Store.IssuersNamed(ctx, r.scope, subject)
	if err == nil {
		r.mu.Lock()
		r.issuers[subject] = list
		r.mu.Unlock()
	}
	return list, err
}

// above lists the intermediate CAs between the certificates of an origin and
// their root.
func (r *run) above(ctx context.Context, o *fleet.Origin) ([]int64, error) {
	var out []int64
	seen := map[int64]bool{}
	level := []*fleet.Origin{o}
	for depth := 0; depth < maxDepth && len(level) > 0; depth++ {
		var next []*fleet.Origin
		for _, o := range level {
			if o.Self {
				continue
			}
			issuers, err := r.issuersOf(ctx, o)
			if err != nil {
				return nil, err
			}
			for i := range issuers {
				if issuers[i].Root || seen[issuers[i].Seq] {
					continue
				}
				seen[issuers[i].Seq] = true
				out = append(out, issuers[i].Seq)
				next = append(next, issuers[i].Origin)
			}
		}
		level = next
	}
	return out, nil
}

// imports are the imported lists of the issuers of a source.
type imports struct {
	lists   []int64
	expired bool // there is one that is not valid any more
}

func (r *run) imported(ctx context.Context, s *Source, issuers []fleet.Issuer) (out imports, err error) {
	if len(issuers) == 0 {
		return out, nil
	}
	list, err := r.Store.RevocationLists(ctx, r.scope, keys(issuers), "")
	for i := range list {
		if list[i].current(r.Now(), s.CA) {
			out.lists = append(out.lists, list[i].ID)
		} else if r.Now().After(list[i].NextUpdate) {
			out.expired = true
		}
	}
	return out, err
}

func keys(issuers []fleet.Issuer) []string {
	var out []string
	for i := range issuers {
		out = append(out, issuers[i].Key)
	}
	return out
}

// fetched finds the list of one of the distribution points of a source. All are
// tried; the error is that of the last.
func (r *run) fetched(ctx context.Context, s *Source, issuers []fleet.Issuer) (l *List, err error) {
	err = &missing{"none of its distribution points is an address that can be called"}
	for _, point := range s.Points {
		u, parseErr := url.Parse(point)
		if parseErr != nil || u.Scheme != "http" && u.Scheme != "https" {
			if parseErr == nil && u.Scheme == "ldap" {
				err = &missing{"its distribution point is one of LDAP, which is not supported"}
			}
			continue
		}
		if len(issuers) == 0 {
			return nil, &missing{fmt.Sprintf("the certificate of its issuer %q is not known, which can be imported "+
				"with \"cordon crl import\"", s.IssuerName)}
		}
		if l, err = r.from(ctx, place{point, s.Issuer}, issuers); err == nil {
			return l, nil
		}
		if f, _ := untested(err); !f {
			return nil, err
		}
	}
	return nil, err
}

// from finds the list at a URL: once in a run for all certificates of a name.
func (r *run) from(ctx context.Context, p place, issuers []fleet.Issuer) (*List, error) {
	r.mu.Lock()
	e := r.lists[p]
	if e == nil {
		e = &entry{}
		r.lists[p] = e
	}
	r.mu.Unlock()
	e.once.Do(func() {
		var named []fleet.Issuer
		if named, e.err = r.named(ctx, p.subject); e.err == nil {
			e.list, e.err = r.find(ctx, p.url, named)
		}
	})
	if e.list != nil && !signedBy(e.list, issuers) {
		return nil, &missing{"the list that it names is of another issuer of the same name"}
	}
	return e.list, e.err
}

func signedBy(l *List, issuers []fleet.Issuer) bool {
	for i := range issuers {
		if issuers[i].Key == l.IssuerKey {
			return true
		}
	}
	return false
}

// find returns what is stored of a URL, if it is valid still, and fetches it
// otherwise.
func (r *run) find(ctx context.Context, url string, issuers []fleet.Issuer) (*List, error) {
	known, err := r.Store.RevocationLists(ctx, r.scope, keys(issuers), url)
	if err != nil {
		return nil, err
	}
	for i := range known {
		if !r.Now().After(known[i].NextUpdate) {
			return &known[i], nil
		}
	}
	file, err := r.Downloads.Get(ctx, url)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &missing{fmt.Sprintf("the revocation list at %.150q could not be had: %v", url, err)}
	}
	defer file.Close()
	open := func() (io.Reader, error) { return crl.Decode(file.Reader()), nil }
	l, issuer, err := verified(open, func(*crl.List) ([]fleet.Issuer, error) { return issuers, nil }, r.Now())
	if err == nil {
		err = l.From(url)
	}
	if f := fault.From(err); f != nil {
		return nil, &missing{fmt.Sprintf("the revocation list at %.150q: %s", url, f.Text)}
	}
	if err != nil {
		return nil, err
	}
	list := newList(l, issuer, url)
	err = loader{r.Store, r.scope}.load(ctx, open, list)
	if fault.Is(err, fault.Exists) {
		return nil, &missing{fmt.Sprintf("the revocation list at %.150q is older than one that was had before", url)}
	}
	return list, err
}
