// Package ops is the listener for those who operate a Cordon: whether it
// lives, whether it is ready and why not, its metrics, and profiles. It knows
// nothing of what it reports on; the parts of a server hand it probes and call
// the methods of [Metrics].
package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"
)

// probeTime is how long all probes of one request together may take.
const probeTime = 2 * time.Second

// shutdownTime is how long requests that run may go on after the end.
const shutdownTime = 2 * time.Second

// Probe is one reason to be ready or not.
type Probe struct {
	// Name says what is probed, such as "database".
	Name string
	// Check returns nil when all is well. It should end when ctx does; the
	// text of its error is shown to whoever asks.
	Check func(ctx context.Context) error
}

// Config is what a [Server] serves.
type Config struct {
	// Address is the host:port to listen on.
	Address string
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Probes are asked for readiness, in this order.
	Probes []Probe
	// Metrics are served at /metrics. They must be given.
	Metrics *Metrics
	// Log gets the errors of connections. It must be given.
	Log *slog.Logger
}

// Server answers on the ops listener.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen takes the address at once, so that a taken one is an error at the
// start and not later. [Server.Run] must be called for requests to be
// answered and the address to be given back.
func Listen(ctx context.Context, c Config) (*Server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("ops listener: %w", err)
	}
	addr, ok := listener.Addr().(*net.TCPAddr)
	s := &Server{
		listener: listener,
		http: &http.Server{
			Handler:           handler(c, ok && addr.IP.IsLoopback()),
			ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			// A profile of 30 seconds, the default of pprof, must fit.
			WriteTimeout:   2 * time.Minute,
			IdleTimeout:    time.Minute,
			MaxHeaderBytes: 16 << 10,
		},
	}
	if c.TLS != nil {
		s.listener = tls.NewListener(listener, c.TLS)
	}
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run answers requests until ctx ends, and returns once the last is answered
// or two seconds have passed. Its error is nil at an end that ctx asked for.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("ops listener: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close() // a profile may take longer than an end
	}
	<-failed
	return err
}

// handler routes the requests; profiles only where nobody else can ask for
// them, because they show memory and cost time.
func handler(c Config, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTime)
		defer cancel()
		status, text := readiness(ctx, c.Probes)
		answer(w, status, text)
	})
	mux.Handle("GET /metrics", c.Metrics.handler())
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the caller is gone; there is nobody to tell
}

// readiness asks all probes at once and returns 200 or 503 with a line for
// each, such as "database: ok". A probe that does not answer in time, or
// panics, is a reason not to be ready.
func readiness(ctx context.Context, probes []Probe) (status int, text string) {
	reasons := make([]chan error, len(probes))
	for i, p := range probes {
		reasons[i] = make(chan error, 1)
		go func() { reasons[i] <- ask(ctx, p) }()
	}
	status = http.StatusOK
	var b strings.Builder
	for i, p := range probes {
		var err error
		select {
		case err = <-reasons[i]:
		case <-ctx.Done():
			err = errors.New("no answer in time")
		}
		reason := "ok"
		if err != nil {
			status = http.StatusServiceUnavailable
			reason = strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Fprintf(&b, "%s: %s\n", p.Name, reason)
	}
	return status, b.String()
}

func ask(ctx context.Context, p Probe) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.Check(ctx)
}

// Gate is a probe that is opened and shut by hand: at the end of the start,
// and before a stop drains. The zero value is shut because of "starting".
type Gate struct {
	mu     sync.Mutex
	open   bool
	reason string
}

// Open lets the gate report ready.
func (g *Gate) Open() { g.set(true, "") }

// Shut makes the gate report not ready, with a reason such as "stopping".
func (g *Gate) Shut(reason string) { g.set(false, reason) }

func (g *Gate) set(open bool, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.reason = open, reason
}

// Probe returns the gate as a probe of this name.
func (g *Gate) Probe(name string) Probe {
	return Probe{Name: name, Check: func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch {
		case g.open:
			return nil
		case g.reason == "":
			return errors.New("starting")
		default:
			return errors.New(g.reason)
		}
	}}
}
