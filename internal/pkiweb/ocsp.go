package pkiweb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/ocsp"
)

const (
	// answerValidity is how long an answer is valid, answerKept how long it is
	// given out again while nothing has changed, and answerCached how long caches
	// on the way may keep it (RFC 5019, section 6).
	answerValidity = time.Hour
	answerKept     = 5 * time.Minute
	answerCached   = time.Minute
	// maxAnswers bounds the answers that are kept, of some 500 bytes each.
	maxAnswers = 20_000
	// signRate is how many answers are signed in a second, with a nonce and
	// without one each; askRate how many questions go to the database. Above that
	// the answer is "try later", which costs nothing.
	signRate = 500
	askRate  = 5000
)

// answer is a signed answer that may be given out again.
type answer struct {
	der     []byte
	at      time.Time
	status  fleet.Status
	changed time.Time
}

// responder is what keeps strangers from making Cordon sign without end.
type responder struct {
	asks, signs, nonces *rate.Limiter

	mu      *sync.Mutex
	answers map[string]*answer // by what was asked
}

func newResponder() responder {
	return responder{
		rate.NewLimiter(askRate, askRate), rate.NewLimiter(signRate, 2*signRate), rate.NewLimiter(signRate, 2*signRate),
		&sync.Mutex{}, map[string]*answer{},
	}
}

func (o *responder) find(key string) *answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.answers[key]
}

func (o *responder) keep(key string, a *answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for other := range o.answers {
		if len(o.answers) < maxAnswers {
			break
		}
		delete(o.answers, other)
	}
	o.answers[key] = a
}

// serveOCSP answers a request in the body of a POST or in the path of a GET
// (RFC 6960, appendix A).
func (s *Server) serveOCSP(w http.ResponseWriter, r *http.Request, path string) {
	var request []byte
	var err error
	switch r.Method {
	case http.MethodPost:
		request, err = io.ReadAll(http.MaxBytesReader(w, r.Body, ocsp.MaxRequest))
	case http.MethodGet, http.MethodHead:
		request, err = inPath(path)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "only GET, HEAD and POST are answered here", http.StatusMethodNotAllowed)
		return
	}
	out := ocsp.Malformed
	var at time.Time
	if err == nil {
		out, at = s.answer(r.Context(), request)
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	if at.IsZero() || r.Method == http.MethodPost {
		w.Header().Set("Cache-Control", "no-store")
	} else {
		sum := sha256.Sum256(out)
		w.Header().Set("Cache-Control",
			fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", answerCached/time.Second))
		w.Header().Set("Last-Modified", at.UTC().Format(http.TimeFormat))
		w.Header().Set("Expires", s.Now().Add(answerCached).UTC().Format(http.TimeFormat))
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(out))
}

// inPath decodes the base64 of a request, which clients escape or do not.
func inPath(path string) ([]byte, error) {
	text, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// answer returns a response, and when it was signed if others may be given the
// same one.
func (s *Server) answer(ctx context.Context, request []byte) (der []byte, at time.Time) {
	r, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.Malformed, at
	}
	if !s.ocsp.asks.AllowN(time.Now(), len(r.Certificates)) {
		return ocsp.TryLater, at
	}
	c, err := s.issuer(ctx, r)
	if err == nil {
		der, at, err = s.state(ctx, c, r)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return ocsp.Unauthorized, time.Time{}
	case err != nil:
		if ctx.Err() == nil {
			s.Log.Warn("the state of a certificate cannot be told", "err", err)
		}
		return ocsp.TryLater, time.Time{}
	}
	return der, at
}

// issuer finds the CA that a request is about: all of it, for one key signs the
// answer. Of any other it is a NotFound fault.
func (s *Server) issuer(ctx context.Context, r *ocsp.Request) (*ca, error) {
	first := &r.Certificates[0]
	unknown := fault.New(fault.NotFound, "the issuer is not known here")
	for i := range r.Certificates {
		other := &r.Certificates[i]
		if other.Hash == 0 || other.Hash != first.Hash || !bytes.Equal(other.KeyHash, first.KeyHash) ||
			!bytes.Equal(other.NameHash, first.NameHash) {
			return nil, unknown
		}
	}
	if len(first.KeyHash) != first.Hash.Size() {
		return nil, unknown
	}
	c, err := s.caOfKey(ctx, first.KeyHash)
	if err != nil {
		return nil, err
	}
	if name, _ := c.authority.Certificate().Hashes(first.Hash); !bytes.Equal(name, first.NameHash) {
		return nil, unknown
	}
	return c, nil
}

// state reads the state of certificates and signs it, or finds the answer that
// was signed before.
func (s *Server) state(ctx context.Context, c *ca, r *ocsp.Request) ([]byte, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	now := s.Now()
	out := ocsp.Response{Produced: now, ThisUpdate: now, NextUpdate: now.Add(answerValidity), Nonce: r.Nonce}
	var last fleet.Issued
	for i := range r.Certificates {
		issued, err := s.issued(ctx, c, r.Certificates[i].Serial)
		if err != nil {
			return nil, time.Time{}, err
		}
		last = *issued
		out.Singles = append(out.Singles, single(r.Certificates[i], issued))
	}
	again := len(r.Certificates) == 1 && r.Nonce == nil
	key := r.Certificates[0].Key()
	if again {
		if a := s.ocsp.find(key); a != nil && a.status == last.Status && a.changed.Equal(last.Changed) &&
			now.Before(a.at.Add(answerKept)) && !now.Before(a.at) {
			return a.der, a.at, nil
		}
	}
	limit := s.ocsp.signs
	if !again {
		limit = s.ocsp.nonces
	}
	if !limit.Allow() {
		return ocsp.TryLater, time.Time{}, nil
	}
	der, err := ocsp.Sign(c.authority, out)
	if err != nil || !again {
		return der, time.Time{}, err
	}
	s.ocsp.keep(key, &answer{der, now, last.Status, last.Changed})
	return der, now, nil
}

// issued returns a certificate by its serial number, the zero value for one that
// the CA did not issue.
func (s *Server) issued(ctx context.Context, c *ca, serial string) (*fleet.Issued, error) {
	if serial == "" {
		return &fleet.Issued{}, nil
	}
	i, err := s.Store.IssuedCertificate(ctx, c.seq, serial)
	if fault.Is(err, fault.NotFound) {
		return &fleet.Issued{}, nil
	}
	return i, err
}

func single(id ocsp.CertID, i *fleet.Issued) ocsp.Single {
	switch i.Status {
	case "":
		return ocsp.Single{ID: id, Status: ocsp.Unknown}
	case fleet.Active:
		return ocsp.Single{ID: id, Status: ocsp.Good}
	}
	return ocsp.Single{ID: id, Status: ocsp.Revoked, At: i.Changed, Reason: reason(i.Status)}
}
