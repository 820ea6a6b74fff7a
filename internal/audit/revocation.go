package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// collectTime is how long an audit waits for revocation lists. What was not had
// by then is untested.
const collectTime = 15 * time.Minute

// Collector finds out what the issuers of a scope have revoked.
type Collector interface {
	// Collect looks at everything that nobody has looked at since a time, until
	// the time is over or the work is not wanted any more. It may be run again at
	// any point.
	Collect(ctx context.Context, r Collection) error
}

// Collection is what a [Collector] is asked for.
type Collection struct {
	Scope        fleet.Scope
	Since, Until time.Time
	Wanted       func(ctx context.Context) (bool, error)
}

// Source is what was found out about certificates that name the same issuer
// and the same lists.
type Source struct {
	Number int64
	State  fleet.SourceState
	Reason string // why it is untested
	Chain  string // why the CAs above are not known, or ""
	Listed bool   // there are lists
	// Issuers are the intermediate CAs above.
	Issuers []int64

	above []*fleet.Issuer
}

// MetIssuer is an intermediate CA that an audit has met.
type MetIssuer struct {
	Issuer  int64
	Finding int64 // its number, 0 for none
	Related int64 // how many related resources the finding has
}

// RelatedResource is a resource that a finding is also about, the K-th.
type RelatedResource struct {
	FindingRef
	K int64
	Resource
}

// RevocationStore is what the engine needs of what is known about revocations.
type RevocationStore interface {
	// Sources returns what was found out since a time; other sources are not in
	// the answer.
	Sources(ctx context.Context, tx durable.Tx, scope fleet.Scope, since time.Time, numbers []int64) (
		map[int64]*Source, error)
	// RevokedCertificates returns when the certificates of a range of numbers
	// were revoked, and RevokedCAs those of some numbers; others are not in the
	// answer.
	RevokedCertificates(ctx context.Context, tx durable.Tx, first, last int64) (map[int64]time.Time, error)
	RevokedCAs(ctx context.Context, tx durable.Tx, numbers []int64) (map[int64]time.Time, error)
	// Issuers returns some issuers with their sources and when they were revoked.
	Issuers(ctx context.Context, tx durable.Tx, numbers []int64) ([]fleet.Issuer, error)
	// MetIssuers returns which of some issuers the audit has met.
	MetIssuers(ctx context.Context, tx durable.Tx, t *Task, numbers []int64) (map[int64]*MetIssuer, error)
	SaveMetIssuers(ctx context.Context, tx durable.Tx, t *Task, list []*MetIssuer) error
	SaveRelated(ctx context.Context, tx durable.Tx, list []RelatedResource) error
}

// Prepare waits for what an audit needs to know: it collects revocation lists
// if there are checks that need them, which the audit role allows, and the audit
// was not yet through with certificates, and gives what was seen of connections time to be judged. It is
// run before every slice, outside of its transaction.
func (e *Engine) Prepare(ctx context.Context, id durable.ID) error {
	t, err := e.inProgress(ctx, id)
	if err != nil || t == nil {
		return err
	}
	needed, err := e.needsRevocations(ctx, t)
	if err != nil {
		return err
	}
	if needed {
		err := e.Collector.Collect(ctx, Collection{
			Scope: t.Scope, Since: t.Started, Until: t.Started.Add(collectTime),
			Wanted: func(ctx context.Context) (bool, error) {
				t, err := e.inProgress(ctx, id)
				if err != nil || t == nil {
					return false, err
				}
				return e.needsRevocations(ctx, t)
			},
		})
		if err != nil {
			return fmt.Errorf("collect revocation lists: %w", err)
		}
	}
	return e.awaitConnections(ctx, t, func(ctx context.Context) (bool, error) {
		t, err := e.inProgress(ctx, id)
		return t != nil, err
	})
}

// inProgress returns an audit, or nil when it is over or not there any more.
func (e *Engine) inProgress(ctx context.Context, id durable.ID) (*Task, error) {
	t, err := e.Store.Audit(ctx, fleet.Scope{Account: id.Account, Region: id.Region}, id.Name)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil || t.Status != TaskInProgress {
		return nil, err
	}
	return t, nil
}

// needsRevocations reports whether lists are to be fetched for an audit: what its
// role may not read is not looked for.
func (e *Engine) needsRevocations(ctx context.Context, t *Task) (bool, error) {
	need := func(name string) bool {
		check := e.Checks.Named(name)
		return check != nil && check.Revocation && t.States[name].open()
	}
	if e.Collector == nil || kind(t.Pass) > certificatePass || !slices.ContainsFunc(t.Checks, need) {
		return false, nil
	}
	refused, err := e.refusals(ctx, nil, t)
	return slices.ContainsFunc(t.Checks, func(name string) bool { return need(name) && refused[name] == "" }), err
}

// knowledge is what a slice knows of revocations.
type knowledge struct {
	sources   map[int64]*Source
	met       map[int64]*MetIssuer
	changed   map[int64]*MetIssuer
	related   []RelatedResource // not stored yet
	relations int64             // how many were found

	// Of a pass over those who give roles: the roles by ARN, how many of them were
	// analysed, how many resources were looked at, and whether they were the last.
	roles          Roles
	analysed, held int
	last           bool
}

// revocation reports whether a rule of the pass needs to know of revocations.
func (s *slice) revocation() bool {
	return slices.ContainsFunc(s.rules[s.task.Pass], func(r rule) bool { return r.Revocation })
}

// judgesIssuers reports whether a rule of the pass is about issuers.
func (s *slice) judgesIssuers() bool {
	return slices.ContainsFunc(s.rules[s.task.Pass], func(r rule) bool { return r.Issuer != nil })
}

// learn finds out about sources that the slice has not met.
func (e *Engine) learn(ctx context.Context, tx durable.Tx, s *slice, numbers []int64) error {
	if s.known.sources == nil {
		s.known.sources, s.known.met, s.known.changed = map[int64]*Source{}, map[int64]*MetIssuer{}, map[int64]*MetIssuer{}
	}
	numbers = slices.DeleteFunc(distinct(numbers), func(n int64) bool { return s.known.sources[n] != nil })
	if len(numbers) == 0 {
		return nil
	}
	found, err := e.Store.Sources(ctx, tx, s.task.Scope, s.task.Started, numbers)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if found[n] == nil {
			found[n] = &Source{Number: n, State: fleet.SourceUntested, Reason: unseen(n), Chain: unseen(n)}
		}
		s.known.sources[n] = found[n]
	}
	if kind(s.task.Pass) == certificatePass && s.judgesIssuers() {
		return e.learnOfIssuers(ctx, tx, s, found)
	}
	return nil
}

func distinct(list []int64) []int64 {
	slices.Sort(list)
	return slices.Compact(list)
}

// unseen says why nothing is known of a source.
func unseen(n int64) string {
	switch n {
	case 0:
		return "it was registered by an earlier version and was not read again yet"
	case -1:
		return "what is stored of it cannot be read"
	}
	return "there was not enough time to look for the revocation list of its issuer"
}

// learnOfIssuers finds out about the intermediate CAs above sources.
func (e *Engine) learnOfIssuers(ctx context.Context, tx durable.Tx, s *slice, found map[int64]*Source) error {
	var numbers []int64
	for _, o := range found {
		numbers = append(numbers, o.Issuers...)
	}
	if numbers = distinct(numbers); len(numbers) == 0 {
		return nil
	}
	list, err := e.Store.Issuers(ctx, tx, numbers)
	if err != nil {
		return err
	}
	var sources []int64
	for i := range list {
		sources = append(sources, list[i].Source)
	}
	theirs, err := e.Store.Sources(ctx, tx, s.task.Scope, s.task.Started, distinct(sources))
	if err != nil {
		return err
	}
	issuers := make(map[int64]*fleet.Issuer, len(list))
	for i := range list {
		issuer := &list[i]
		issuers[issuer.Seq] = issuer
		switch o := theirs[issuer.Source]; {
		case o == nil:
			issuer.Revocation.Untested = unseen(issuer.Source)
		case o.State == fleet.SourceUntested:
			issuer.Revocation.Untested = o.Reason
		}
	}
	for _, o := range found {
		for _, n := range o.Issuers {
			if issuers[n] != nil {
				o.above = append(o.above, issuers[n])
			}
		}
		o.above = withoutReplaced(o.above)
	}
	met, err := e.Store.MetIssuers(ctx, tx, s.task, numbers)
	for n, m := range met {
		if s.known.met[n] == nil {
			s.known.met[n] = m
		}
	}
	return err
}

// withoutReplaced leaves out the revoked certificates of CAs that have another
// one for the same key that is known not to be revoked: what is below is
// vouched for by that one.
func withoutReplaced(list []*fleet.Issuer) []*fleet.Issuer {
	good := map[string]bool{}
	for _, i := range list {
		if i.Revocation == (fleet.Revocation{}) {
			good[i.Key] = true
		}
	}
	return slices.DeleteFunc(list, func(i *fleet.Issuer) bool { return !i.Revocation.Revoked.IsZero() && good[i.Key] })
}

// learnOfCertificates finds out about the revocation of certificates.
func (e *Engine) learnOfCertificates(ctx context.Context, tx durable.Tx, s *slice, list []fleet.Certificate) error {
	if !s.revocation() || len(list) == 0 {
		return nil
	}
	numbers := make([]int64, len(list))
	for i := range list {
		numbers[i] = list[i].Source
	}
	if err := e.learn(ctx, tx, s, numbers); err != nil {
		return err
	}
	var revoked map[int64]time.Time
	if slices.ContainsFunc(list, func(c fleet.Certificate) bool { return s.known.sources[c.Source].Listed }) {
		var err error
		if revoked, err = e.Store.RevokedCertificates(ctx, tx, list[0].Seq, list[len(list)-1].Seq); err != nil {
			return err
		}
	}
	for i := range list {
		list[i].Revocation = s.known.of(list[i].Source, revoked[list[i].Seq])
	}
	return nil
}

// learnOfCAs finds out about the revocation of registered CA certificates.
func (e *Engine) learnOfCAs(ctx context.Context, tx durable.Tx, s *slice, list []fleet.CACertificate) error {
	if !s.revocation() || len(list) == 0 {
		return nil
	}
	numbers, seqs := make([]int64, len(list)), make([]int64, len(list))
	for i := range list {
		numbers[i], seqs[i] = list[i].Source, list[i].Seq
	}
	if err := e.learn(ctx, tx, s, numbers); err != nil {
		return err
	}
	revoked, err := e.Store.RevokedCAs(ctx, tx, seqs)
	for i := range list {
		list[i].Revocation = s.known.of(list[i].Source, revoked[list[i].Seq])
	}
	return err
}

// of is what is known of a certificate: nil for one that was not revoked.
func (k *knowledge) of(source int64, revoked time.Time) *fleet.Revocation {
	o := k.sources[source]
	switch {
	case !revoked.IsZero():
		return &fleet.Revocation{Revoked: revoked}
	case o.State == fleet.SourceUntested:
		return &fleet.Revocation{Untested: o.Reason}
	}
	return nil
}

// tested reports whether a rule can judge a resource, and counts it otherwise.
func (s *slice) tested(r rule, key string, known *fleet.Revocation) bool {
	if !r.Revocation || known == nil || known.Untested == "" {
		return true
	}
	r.untested("certificate "+key, known.Untested)
	return false
}

func (r rule) untested(what, why string) {
	if r.state.Untested++; r.state.Example == "" {
		r.state.Example = what + ": " + why
	}
}

func untestedText(state *CheckState) string {
	return fmt.Sprintf("%d of %d resources could not be tested, among them %s.", state.Untested,
		state.Untested+state.Total, state.Example)
}

// issuers judges the intermediate CAs above a certificate, each once in an
// audit, and relates the certificate to what is found about them.
func (s *slice) issuers(r rule, c *fleet.Certificate) {
	source := s.known.sources[c.Source]
	if source.Chain != "" {
		r.untested("certificate "+c.ID, source.Chain)
	}
	for _, issuer := range source.above {
		m := s.known.met[issuer.Seq]
		if m == nil {
			m = &MetIssuer{Issuer: issuer.Seq}
			s.known.met[issuer.Seq], s.known.changed[issuer.Seq] = m, m
			s.issuer(r, issuer, m)
		}
		if m.Finding == 0 {
			continue
		}
		m.Related++
		s.known.relations++
		s.known.changed[issuer.Seq] = m
		s.known.related = append(s.known.related, RelatedResource{
			FindingRef{Audit: s.task.Seq, N: m.Finding}, m.Related,
			Resource{Type: DeviceCertificate, Key: c.ID, Seq: c.Seq},
		})
	}
}

// issuer judges an intermediate CA that was not met before.
func (s *slice) issuer(r rule, i *fleet.Issuer, m *MetIssuer) {
	if i.Revocation.Untested != "" && i.Revocation.Revoked.IsZero() {
		r.untested(fmt.Sprintf("the intermediate CA certificate %.64s (%.200q)", i.ID, i.Name), i.Revocation.Untested)
		return
	}
	before := s.task.Findings
	s.judge(r, issuerKeyOf(i), r.Issuer(r.env, i))
	if s.task.Findings > before {
		m.Finding = s.task.Findings
	}
}

// What the interface takes as an identifier of an issuer, in characters.
const (
	maxIssuerSerial  = 20
	maxIssuerSubject = 1000
)

// issuerKeyOf is the key of an issuer, of those of its parts that a caller can
// name it by again.
func issuerKeyOf(i *fleet.Issuer) string {
	serial, subject := i.Serial, i.Name
	if len(serial) > maxIssuerSerial {
		serial = ""
	}
	if len(subject) > maxIssuerSubject || !printable(subject) {
		subject = ""
	}
	return IssuerKey(i.ID, serial, subject)
}

// printable reports whether a text has ASCII alone that can be seen, and spaces.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

// saveIssuers stores what the slice has found about issuers.
func (e *Engine) saveIssuers(ctx context.Context, tx durable.Tx, s *slice) error {
	if err := e.Store.SaveRelated(ctx, tx, s.known.related); err != nil {
		return err
	}
	s.known.related = nil
	var list []*MetIssuer
	for _, m := range s.known.changed {
		list = append(list, m)
	}
	return e.Store.SaveMetIssuers(ctx, tx, s.task, list)
}
