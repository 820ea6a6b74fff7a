package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/pkiweb"
	"github.com/cordon-iot/cordon/internal/store"
)

// maxPKIConnections bounds the connections of the PKI listener.
const maxPKIConnections = 512

// publisher serves what is published of CAs.
type publisher struct {
	web      *pkiweb.Server
	feed     *store.RightsFeed
	listener net.Listener
	http     *http.Server
}

// openPKI takes the address of the PKI listener, if there is one.
func (s *Server) openPKI(ctx context.Context, _ Options) error {
	if s.cfg.PKIListen == "" {
		return nil
	}
	cfg := pkiweb.Config{Store: s.store, Authorities: s.identity, Messages: s.identity, Now: s.now, Log: s.log}
	if s.cfg.GatewayOn() && s.cfg.MQTTCert == "" {
		root, err := s.identity.GatewayAuthority(ctx)
		if err != nil {
			return fmt.Errorf("the gateway's own CA: %w", err)
		}
		cfg.Gateway = root.Certificate()
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.cfg.PKIListen)
	if err != nil {
		return fmt.Errorf("listen for CRLs and OCSP: %w", err)
	}
	p := &publisher{web: pkiweb.New(cfg)}
	if p.feed, err = s.store.NewRightsFeed(ctx); err != nil {
		return errors.Join(fmt.Errorf("follow changes for revocation lists: %w", err), listener.Close())
	}
	p.listener = netutil.LimitListener(listener, maxPKIConnections)
	p.http = &http.Server{
		Handler: p.web, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	s.pki = p
	return nil
}

// PKIURL is where CRLs, OCSP and roots are, "" where they are not served.
func (s *Server) PKIURL() string {
	if s.pki == nil {
		return ""
	}
	return "http://" + s.pki.listener.Addr().String()
}

// publish serves until ctx ends, and a moment longer who is being answered.
func (s *Server) publish(ctx context.Context) error {
	if s.pki == nil {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.pki.web.Follow(ctx, s.pki.feed) })
	g.Go(func() error {
		if err := s.pki.http.Serve(s.pki.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve CRLs and OCSP: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := s.pki.http.Shutdown(drain); err != nil {
			s.log.Warn("downloads of revocation lists were cut off", "err", err)
			return s.pki.http.Close()
		}
		return nil
	})
	return g.Wait()
}

// close ends what was opened.
func (p *publisher) close() error {
	p.feed.Close()
	if err := p.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
