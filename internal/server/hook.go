package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/cordon-iot/cordon/internal/hook"
)

// maxHookConnections bounds the connections of brokers.
const maxHookConnections = 1024

// hookServer is where brokers ask. It has a listener of its own, so that those
// who may reach it need not be those who may reach the API, and nothing is heard
// there where no broker asks.
type hookServer struct {
	http     *http.Server
	listener net.Listener
}

// openHooks takes the address of the hooks, if there is one.
func (s *Server) openHooks(ctx context.Context, _ Options) error {
	if s.cfg.HookListen == "" {
		return nil
	}
	tls, err := s.cfg.TLS()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.cfg.HookListen)
	if err != nil {
		return fmt.Errorf("listen for hooks: %w", err)
	}
	listener = netutil.LimitListener(listener, maxHookConnections)
	s.hooks = &hookServer{listener: listener, http: &http.Server{
		Handler: hook.New(hook.Config{
			Registry: s.store, Store: s.store, Observe: s.metrics.Hook, Now: s.now, Log: s.log,
		}),
		TLSConfig: tls, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		// Its errors name addresses, and never a path.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
	return nil
}

// HookURL is where brokers ask, or "".
func (s *Server) HookURL() string {
	if s.hooks == nil {
		return ""
	}
	scheme := "http"
	if s.cfg.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + s.hooks.listener.Addr().String()
}

// answerHooks answers brokers until ctx ends, and those in hand after that.
func (s *Server) answerHooks(ctx context.Context) error {
	if s.hooks == nil {
		return nil
	}
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLSCert != "" {
			failed <- s.hooks.http.ServeTLS(s.hooks.listener, "", "")
			return
		}
		failed <- s.hooks.http.Serve(s.hooks.listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve hooks: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.hooks.http.Shutdown(drain); err != nil {
		s.log.Warn("questions of brokers were cut off", "err", err)
		return s.hooks.http.Close()
	}
	return nil
}

// close ends a listener that nobody serves.
func (h *hookServer) close() error {
	if h == nil {
		return nil
	}
	if err := h.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// nameCertificates reads the names of certificates that were registered before
// names were kept.
func (s *Server) nameCertificates(ctx context.Context) error {
	return s.every(ctx, revocationsEvery, "reading names of certificates", func(ctx context.Context) error {
		return untilDone(ctx, s.store.ReadNames)
	})
}
