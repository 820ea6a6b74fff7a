// Package pkiweb publishes what strangers need of Cordon's CAs, over plain HTTP:
// the root of the gateway, and of each CA of an account its certificate, its
// revocation list and the state of single certificates by OCSP.
//
// All of it is signed, so it needs no TLS, and all of it may be read by whoever
// knows the id of a CA, which stands in every certificate that names where it is
// published. It tells the serial numbers of certificates that are not ACTIVE, and
// when that began; it lists no CAs, and tells of an account no more. Nothing can
// be changed here.
package pkiweb

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
)

// Store is what is needed of the database.
type Store interface {
	// Authority returns the CA with an id, AuthorityOfKey that with a hash of its
	// public key, or a NotFound fault.
	Authority(ctx context.Context, id string) (*identity.IssuingCA, error)
	AuthorityOfKey(ctx context.Context, hash string) (*identity.IssuingCA, error)
	// NextListNumber returns a greater number with every call, on any node.
	NextListNumber(ctx context.Context, ca int64) (int64, error)
	// Withdrawn lists those of the next certificates of a CA that are not ACTIVE
	// and not yet at their end; next is behind which to go on, "" at the end.
	Withdrawn(ctx context.Context, ca int64, after string, limit int) (list []fleet.Issued, next string, err error)
	// Ended lists certificates of a CA that were deleted, behind a serial number.
	Ended(ctx context.Context, ca int64, after string, limit int) ([]fleet.Issued, error)
	// IssuedCertificate returns one by its serial number, or a NotFound fault.
	IssuedCertificate(ctx context.Context, ca int64, serial string) (*fleet.Issued, error)
	// AuthoritiesOf returns the CAs that signed some certificates of a scope.
	AuthoritiesOf(ctx context.Context, sc fleet.Scope, ids []string) ([]int64, error)
}

// Authorities gives each account's CA with its key.
type Authorities interface {
	Authority(ctx context.Context, account string) (*pki.Authority, error)
}

// Messages gives the certificates by which messages of topics are verified.
type Messages interface {
	// MessageCertificate returns one by its id, or a NotFound fault.
	MessageCertificate(ctx context.Context, id string) (*pki.Certificate, error)
	// MessageAuthority is the CA that signed them.
	MessageAuthority(ctx context.Context) (*pki.Authority, error)
}

// Config is what is served. All members but Gateway must be given.
type Config struct {
	Store       Store
	Authorities Authorities
	Messages    Messages
	// Gateway is the root of the gateway's certificates, nil where they are not
	// of Cordon's own CA.
	Gateway *pki.Certificate
	Now     func() time.Time
	Log     *slog.Logger
}

// Server answers requests. Follow has to run beside it.
type Server struct {
	Config
	cas   cas
	lists lists
	ocsp  responder
}

// New returns a server.
func New(cfg Config) *Server {
	s := &Server{Config: cfg}
	s.cas = cas{byID: map[string]*ca{}, byKey: map[string]*ca{}}
	s.lists = lists{of: map[int64]*list{}}
	s.ocsp = newResponder()
	return s
}

// The names of what is served of the gateway.
const gatewayName = "gateway"

// ServeHTTP answers a request: GET and HEAD, and POST for OCSP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	path := r.URL.EscapedPath()
	if path == pki.ResponderPath || strings.HasPrefix(path, pki.ResponderPath+"/") {
		s.serveOCSP(w, r, strings.TrimPrefix(strings.TrimPrefix(path, pki.ResponderPath), "/"))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutPrefix(path, pki.PublicationPath)
	switch {
	case !ok:
		http.NotFound(w, r)
	case name == "":
		s.serveIndex(w, r)
	case strings.HasPrefix(name, messagesPath):
		s.serveMessages(w, r, strings.TrimPrefix(name, messagesPath))
	default:
		s.serveFile(w, r, name)
	}
}

// serveIndex says what there is. It names no CA of an account.
func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var b strings.Builder
	if s.Gateway != nil {
		fmt.Fprintf(&b, "gateway root   %sgateway.pem  %[1]sgateway.crt\n               %s\n               SHA-256 %s\n",
			pki.PublicationPath, s.Gateway.Subject, s.Gateway.ID)
	}
	fmt.Fprintf(&b, "CA             %s<id>.crt  %[1]s<id>.pem\nrevoked        %[1]s<id>.crl  %[1]s<id>.crl.pem\n"+
		"messages       %[1]ssns/<id>.pem  %[1]ssns/root.pem\n"+
		"OCSP           %[2]s\n\nThe id of a CA is the SHA-256 of its certificate, in lower-case hex.\n",
		pki.PublicationPath, pki.ResponderPath)
	fmt.Fprint(w, b.String())
}

// serveFile answers for the certificate or the list of a CA.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	id, kind, _ := strings.Cut(name, ".")
	switch kind {
	case "crt", "pem":
		c, err := s.certificate(r.Context(), id)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		serveCertificate(w, r, c, kind)
	case "crl", "crl.pem":
		known, err := s.ca(r.Context(), id)
		if err == nil {
			err = s.serveList(w, r, known, kind == "crl.pem")
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) certificate(ctx context.Context, id string) (*pki.Certificate, error) {
	if s.Gateway != nil && (id == gatewayName || id == s.Gateway.ID) {
		return s.Gateway, nil
	}
	known, err := s.ca(ctx, id)
	if err != nil {
		return nil, err
	}
	return known.authority.Certificate(), nil
}

func serveCertificate(w http.ResponseWriter, r *http.Request, c *pki.Certificate, kind string) {
	content, media := string(c.DER), "application/pkix-cert"
	if kind == "pem" {
		content, media = c.PEM, "application/x-pem-file"
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("ETag", `"`+c.ID+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

// serveList answers with the revocation list of a CA.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request, c *ca, asPEM bool) error {
	l, err := s.list(r.Context(), c)
	if err != nil {
		return err
	}
	// Whoever keeps it asks whether it is still the last: that costs nothing here,
	// and nobody uses an old one for longer than he chose to.
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Last-Modified", l.at.UTC().Format(http.TimeFormat))
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, l.number))
	if !asPEM {
		w.Header().Set("Content-Type", "application/pkix-crl")
		http.ServeContent(w, r, "", time.Time{}, l.reader())
		return nil
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	if r.Method == http.MethodHead {
		return nil
	}
	// An error is that of the connection, to which nothing can be said.
	_ = pem.Encode(w, &pem.Block{Type: "X509 CRL", Bytes: l.der})
	return nil
}

// refuse answers for what is not there or cannot be read.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Is(err, fault.NotFound) {
		http.NotFound(w, r)
		return
	}
	if r.Context().Err() == nil {
		s.Log.Warn("what is published of a CA cannot be had", "path", r.URL.Path, "err", err)
	}
	w.Header().Set("Retry-After", "5")
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}
