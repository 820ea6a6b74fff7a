package server

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
	"github.com/cordon-iot/cordon/internal/notify/forward"
	"github.com/cordon-iot/cordon/internal/pkiweb"
)

// maxBacklog bounds what is counted of deliveries for metrics.
const maxBacklog = 100_000

// openDelivery makes the workers that bring messages of topics to their
// endpoints.
func (s *Server) openDelivery(ctx context.Context, o Options) error {
	cfg := deliver.Config{
		Queue: s.store, Signer: s.identity, Mail: s.relay(),
		Client: guard.New(guard.Options{Allow: s.cfg.OutgoingNetworks(), Proxy: s.cfg.OutgoingProxyURL()}),
		APIURL: s.apiURL, SigningCertURL: s.signingCertURL, Rate: s.cfg.TopicRate, Observer: deliveries{s}, Now: s.now,
		Log: s.log, Timing: o.Delivery, Hook: o.DeliveryHook,
	}
	if roles := s.roles(); roles != nil {
		cfg.Judge = publishers{roles}
	}
	if s.cfg.SNSEndpoint != "" {
		other, err := forward.New(ctx, s.cfg.SNSEndpoint)
		if err != nil {
			return err
		}
		cfg.Other = other
	}
	if s.pki == nil && s.cfg.PKIURL == "" {
		s.log.Warn("there is no PKI listener: endpoints of topics cannot verify messages")
	}
	if s.cfg.APIURL == "" && !config.Loopback(s.cfg.Listen) {
		s.log.Warn("api-url is not set: endpoints of topics are told to confirm at the address of listen", "url", s.URL())
	}
	if cfg.Mail == nil {
		s.log.Info("no relay of mail is set: subscriptions of e-mail stay pending")
	}
	s.deliveries = deliver.New(cfg)
	s.metrics.QueueAge("topic-deliveries", s.deliveryAge)
	s.metrics.Backlog(s.backlog)
	return nil
}

// relay is where mail goes, or nil.
func (s *Server) relay() *deliver.Relay {
	if s.cfg.SMTPRelay == "" {
		return nil
	}
	return &deliver.Relay{
		Address: s.cfg.SMTPRelay, From: s.cfg.SMTPFrom, User: s.cfg.SMTPUsername, Password: s.cfg.SMTPPassword.Reveal(),
		Plain: s.cfg.SMTPPlaintext,
	}
}

// apiURL is where endpoints reach the API.
func (s *Server) apiURL() string {
	if s.cfg.APIURL != "" {
		return s.cfg.APIURL
	}
	return s.URL()
}

// signingCertURL is where endpoints find the certificate with an id.
func (s *Server) signingCertURL(id string) string {
	base := s.cfg.PKIURL
	if base == "" {
		base = s.PKIURL()
	}
	return base + pkiweb.SigningCertPath(id)
}

// deliveries counts what becomes of messages.
type deliveries struct{ s *Server }

func (d deliveries) Delivery(protocol string, state notify.DeliveryState) {
	d.s.metrics.Delivery(protocol, string(state))
}

func (d deliveries) Refused(n int) { d.s.metrics.MessagesRefused(n) }

// backlog counts what was not delivered.
func (s *Server) backlog() (map[string]int, bool) {
	b, err := s.readBacklog()
	return map[string]int{"PENDING": b.Pending, string(notify.Waiting): b.Waiting, string(notify.Dead): b.Dead}, err == nil
}

// deliveryAge is how old the oldest message is that somebody waits for.
func (s *Server) deliveryAge() (float64, bool) {
	b, err := s.readBacklog()
	if err != nil || b.Oldest.IsZero() {
		return 0, err == nil
	}
	return s.now().Sub(b.Oldest).Seconds(), true
}

func (s *Server) readBacklog() (notify.Backlog, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return s.store.Backlog(ctx, maxBacklog)
}
