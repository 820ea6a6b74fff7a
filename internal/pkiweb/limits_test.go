package pkiweb

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	oracle "golang.org/x/crypto/ocsp"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/ocsp"
)

// world is a server over a store of one CA, with a clock that the test moves.
type world struct {
	*Server
	t         *testing.T
	authority *pki.Authority
	leaf      *x509.Certificate

	mu      sync.Mutex
	now     time.Time
	held    []fleet.Issued
	reads   int // of whole lists
	number  int64
	broken  error
	states  map[string]fleet.Status
	changed time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Now(), states: map[string]fleet.Status{}}
	var err error
	if w.authority, err = pki.NewAuthority(pkix.Name{CommonName: "CA"}, w.now); err != nil {
		t.Fatal(err)
	}
	pair, err := w.authority.IssueKeyPair(w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.leaf = pair.Certificate.X509()
	w.states[pair.Certificate.Serial] = fleet.Active
	w.Server = New(Config{
		Store: w, Authorities: authorities{w.authority}, Now: w.clock, Log: slog.New(slog.DiscardHandler),
	})
	return w
}

type authorities struct{ a *pki.Authority }

func (a authorities) Authority(context.Context, string) (*pki.Authority, error) { return a.a, nil }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) stored() *identity.IssuingCA {
	return &identity.IssuingCA{Seq: 1, ID: w.authority.Certificate().ID, Account: "111111111111"}
}

func (w *world) Authority(_ context.Context, id string) (*identity.IssuingCA, error) {
	if id != w.authority.Certificate().ID {
		return nil, fault.New(fault.NotFound, "no CA")
	}
	return w.stored(), nil
}

func (w *world) AuthorityOfKey(_ context.Context, hash string) (*identity.IssuingCA, error) {
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		if _, key := w.authority.Certificate().Hashes(h); fmt.Sprintf("%x", key) == hash {
			return w.stored(), nil
		}
	}
	return nil, fault.New(fault.NotFound, "no CA")
}

func (w *world) NextListNumber(context.Context, int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number++
	return w.number, w.broken
}

func (w *world) Withdrawn(_ context.Context, _ int64, after string, _ int) ([]fleet.Issued, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if after != "" || len(w.held) == 0 {
		return nil, "", w.broken
	}
	w.reads++
	return w.held, w.held[len(w.held)-1].Serial, w.broken
}

func (w *world) Ended(context.Context, int64, string, int) ([]fleet.Issued, error) { return nil, nil }

func (w *world) IssuedCertificate(_ context.Context, _ int64, serial string) (*fleet.Issued, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status, ok := w.states[serial]; ok {
		return &fleet.Issued{Serial: serial, Status: status, Changed: w.changed}, w.broken
	}
	return nil, fault.New(fault.NotFound, "not issued")
}

func (w *world) AuthoritiesOf(context.Context, fleet.Scope, []string) ([]int64, error) {
	return []int64{1}, nil
}

// hold puts a certificate on the list until it ends.
func (w *world) hold(serial string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, fleet.Issued{Serial: serial, Status: fleet.Inactive, Changed: w.now, NotAfter: until})
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

// fetch is the list that is given out.
func (w *world) fetch() *x509.RevocationList {
	w.t.Helper()
	res := httptest.NewRecorder()
	w.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/pki/"+w.authority.Certificate().ID+".crl", nil))
	if res.Code != http.StatusOK {
		w.t.Fatalf("got %d: %s", res.Code, res.Body)
	}
	list, err := x509.ParseRevocationList(res.Body.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) wantList(what string, number int64, entries, reads int) {
	w.t.Helper()
	list := w.fetch()
	w.mu.Lock()
	defer w.mu.Unlock()
	if list.Number.Int64() != number || len(list.RevokedCertificateEntries) != entries || w.reads != reads {
		w.t.Errorf("%s: got number %d of %d entries after %d reads, want %d of %d after %d", what, list.Number.Int64(),
			len(list.RevokedCertificateEntries), w.reads, number, entries, reads)
	}
	if left := list.NextUpdate.Sub(w.now); left < validity-signedFor-time.Second {
		w.t.Errorf("%s: got a list that is valid for %s", what, left)
	}
}

func (w *world) change() {
	w.follow(context.Background(), &fleet.RightChange{Kind: fleet.RightCertificate, Names: []string{"c"}})
}

func TestAListIsMadeWhenSomethingChanged(t *testing.T) {
	w := newWorld(t)
	end := w.now.Add(3 * time.Hour)
	w.hold("01", end)
	w.hold("02", end.AddDate(1, 0, 0))
	w.wantList("first", 1, 2, 1)
	w.wantList("again", 1, 2, 1)

	w.hold("03", end.AddDate(1, 0, 0))
	w.change()
	w.wantList("at once after a list", 1, 2, 1)
	w.pass(time.Minute)
	w.wantList("after a change", 2, 3, 2)
	w.follow(context.Background(), &fleet.RightChange{Kind: fleet.RightPolicy, Names: []string{"p"}})
	w.pass(time.Minute)
	w.wantList("after a change of a policy", 2, 3, 2)

	w.pass(signedFor)
	w.wantList("signed again, and not read", 3, 3, 2)
	w.pass(time.Hour)
	w.wantList("signed once more", 4, 3, 2)
	w.pass(time.Hour)
	w.wantList("behind the end of a certificate", 5, 2, 3)
}

func TestAListOutlivesTheDatabaseForItsTime(t *testing.T) {
	w := newWorld(t)
	w.hold("01", w.now.AddDate(1, 0, 0))
	w.wantList("first", 1, 1, 1)
	w.fail(errors.New("gone"))
	w.change()
	w.pass(2 * time.Hour)
	if got := w.fetch().Number.Int64(); got != 1 {
		t.Errorf("got the number %d, want the last list", got)
	}
	w.pass(validity)
	res := httptest.NewRecorder()
	w.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/pki/"+w.authority.Certificate().ID+".crl", nil))
	if res.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d for a list that is not valid any more, want 503", res.Code)
	}
	w.fail(nil)
	w.wantList("back again", 4, 1, 2)
}

func TestManyWhoAskAtOnceGetOneList(t *testing.T) {
	w := newWorld(t)
	w.hold("01", w.now.AddDate(1, 0, 0))
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { w.fetch() })
	}
	all.Wait()
	w.wantList("after all", 1, 1, 1)
}

func TestListsThatNobodyUsesAreForgotten(t *testing.T) {
	w := newWorld(t)
	for i := range maxLists + 10 {
		w.pass(time.Millisecond)
		if _, err := w.list(context.Background(), &ca{int64(i + 2), w.authority}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.lists.of); n > maxLists {
		t.Errorf("got %d lists kept, want at most %d", n, maxLists)
	}
	if w.lists.of[2] != nil || w.lists.of[maxLists+11] == nil {
		t.Error("got the last list forgotten, or the first one kept")
	}
}

// feed is a feed of given answers, which ends the context behind them.
type feed struct {
	end   context.CancelFunc
	steps []func() ([]fleet.RightChange, bool, error)
}

func (f *feed) Next(context.Context) ([]fleet.RightChange, bool, error) {
	if len(f.steps) == 0 {
		f.end()
		return nil, false, nil
	}
	step := f.steps[0]
	f.steps = f.steps[1:]
	return step()
}

func TestChangesThatMayHaveBeenMissedCount(t *testing.T) {
	for name, step := range map[string]func() ([]fleet.RightChange, bool, error){
		"a change": func() ([]fleet.RightChange, bool, error) {
			return []fleet.RightChange{{Kind: fleet.RightCertificate, Names: []string{"c"}}}, false, nil
		},
		"some were lost":          func() ([]fleet.RightChange, bool, error) { return nil, true, nil },
		"the feed cannot be read": func() ([]fleet.RightChange, bool, error) { return nil, false, errors.New("gone") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.wantList("first", 1, 0, 0)
			w.hold("01", w.now.AddDate(1, 0, 0))
			ctx, cancel := context.WithCancel(context.Background())
			f := &feed{end: cancel}
			f.steps = append(f.steps, step)
			if err := w.Follow(ctx, f); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
			w.wantList("then", 2, 1, 1)
		})
	}
}

// ask sends a request and returns the answer.
func (w *world) ask(request []byte) []byte {
	w.t.Helper()
	res := httptest.NewRecorder()
	w.ServeHTTP(res, httptest.NewRequest(http.MethodPost, "/pki/ocsp", bytes.NewReader(request)))
	return res.Body.Bytes()
}

func (w *world) request() []byte {
	w.t.Helper()
	der, err := oracle.CreateRequest(w.leaf, w.authority.Certificate().X509(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

// withNonce puts a nonce into a request.
func withNonce(t *testing.T, request []byte) []byte {
	t.Helper()
	var in struct {
		TBS struct{ List asn1.RawValue }
	}
	if _, err := asn1.Unmarshal(request, &in); err != nil {
		t.Fatal(err)
	}
	value, err := asn1.Marshal([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	type tbs struct {
		List       asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:2"`
	}
	out, err := asn1.Marshal(struct{ TBS tbs }{tbs{in.TBS.List, []pkix.Extension{
		{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: value},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAnswerIsKeptUntilSomethingChanges(t *testing.T) {
	w := newWorld(t)
	first := w.ask(w.request())
	w.pass(answerKept - time.Second)
	if !bytes.Equal(w.ask(w.request()), first) {
		t.Error("got another answer while nothing changed")
	}
	w.pass(2 * time.Second)
	second := w.ask(w.request())
	if bytes.Equal(second, first) {
		t.Error("got an answer that is old")
	}
	for serial := range w.states {
		w.states[serial] = fleet.Inactive
	}
	got, err := oracle.ParseResponseForCert(w.ask(w.request()), w.leaf, w.authority.Certificate().X509())
	if err != nil || got.Status != oracle.Revoked {
		t.Errorf("got %+v, %v, want revoked at once", got, err)
	}
}

func TestAFloodIsNotSigned(t *testing.T) {
	w := newWorld(t)
	plain, nonce := w.request(), withNonce(t, w.request())
	if bytes.Equal(w.ask(nonce), w.ask(nonce)) {
		t.Error("got one answer twice for a nonce")
	}
	kept := w.ask(plain)
	later := 0
	for range 10 * signRate {
		if got := w.ask(nonce); bytes.Equal(got, ocsp.TryLater) {
			later++
		}
		if later > 0 {
			break
		}
	}
	if later == 0 {
		t.Errorf("got %d answers signed in a row, want no more than %d", 10*signRate, 2*signRate)
	}
	if !bytes.Equal(w.ask(plain), kept) {
		t.Error("got no answer without a nonce during a flood of nonces")
	}
}

func TestIssuersThatAreNotKnownGetNoSignature(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	if got := w.ask(other.request()); !bytes.Equal(got, ocsp.Unauthorized) {
		t.Errorf("got % x, want unauthorized", got)
	}
	w.fail(errors.New("gone"))
	if got := w.ask(w.request()); !bytes.Equal(got, ocsp.TryLater) {
		t.Errorf("got % x, want to try later", got)
	}
}
