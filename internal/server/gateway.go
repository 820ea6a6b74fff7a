package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
	"github.com/cordon-iot/cordon/internal/gateway/broker"
	"github.com/cordon-iot/cordon/internal/gateway/hostcert"
	"github.com/cordon-iot/cordon/internal/ops"
	"github.com/cordon-iot/cordon/internal/store"
)

// devices is the gateway with what it is made of; all is nil where it is off.
type devices struct {
	gateway  *gateway.Gateway
	broker   broker.Broker
	feed     *store.RightsFeed
	listener net.Listener
	metrics  *ops.Gateway
	// observers hear what happens; they are there before the gateway is.
	observers []gateway.Observer
}

// openGateway makes the gateway and takes its address.
func (s *Server) openGateway(ctx context.Context, _ Options) (err error) {
	if !s.cfg.GatewayOn() {
		return nil
	}
	d := &s.devices
	d.metrics = s.metrics.Gateway(s.gatewayState)
	var lc net.ListenConfig
	if d.listener, err = lc.Listen(ctx, "tcp", s.cfg.MQTTListen); err != nil {
		return fmt.Errorf("listen for devices: %w", err)
	}
	certificate, err := s.hostCertificate(ctx)
	if err != nil {
		return err
	}
	if d.feed, err = s.store.NewRightsFeed(ctx); err != nil {
		return err
	}
	if d.broker, err = s.newBroker(); err != nil {
		return err
	}
	o := gateway.Options{
		Registry: s.store, Registrar: s.store, Feed: d.feed, Broker: d.broker, Certificate: certificate,
		Default: fleet.Scope{Account: s.cfg.AccountID, Region: s.cfg.Region}, Domain: s.cfg.EndpointDomain,
		Node: s.node, StaleLimit: s.cfg.GatewayStaleLimit, Limits: s.gatewayLimits(), Now: s.now, Log: s.log,
		Metrics: d.metrics, Observers: append([]gateway.Observer{s.seen}, d.observers...),
	}
	if s.cfg.Broker != "" {
		o.Prefix, o.Username = broker.SharedPrefix, s.brokerIdentity()
	}
	if s.cfg.PostgreSQL() {
		o.Orders = s.store // other nodes may share the database
	}
	d.gateway, err = gateway.New(o)
	return err
}

// newBroker is the broker inside the process, or the external one of the
// settings.
func (s *Server) newBroker() (broker.Broker, error) {
	if s.cfg.Broker == "" {
		return broker.NewEmbedded(broker.EmbeddedOptions{
			SessionExpiry: s.cfg.GatewaySessionExpiry, Log: s.log, Now: s.now, SessionEnded: s.sessionEnded,
			// More than a live connection may have waiting, so that its end loses nothing.
			SessionMessages: 2 * s.cfg.GatewayQueueMessages, SessionBytes: 2 * int64(s.cfg.GatewayQueueBytes),
		})
	}
	b, err := broker.NewExternal(broker.ExternalOptions{
		URL: s.cfg.Broker, CAFile: s.cfg.BrokerCA, CertFile: s.cfg.BrokerCert, KeyFile: s.cfg.BrokerKey,
		Username: s.cfg.BrokerUsername, Password: s.cfg.BrokerPassword.Reveal(), Node: s.node, Log: s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// sessionEnded counts a stored session that was ended before its time. The
// broker has logged it.
func (s *Server) sessionEnded(_ fleet.Scope, reason string) {
	s.devices.metrics.StoredSessionEnded(reason)
}

// brokerIdentity is what an external broker is given as the user name of a
// device, or nil.
func (s *Server) brokerIdentity() func(scope fleet.Scope, certificate, clientID string) string {
	switch s.cfg.BrokerIdentity {
	case "certificate":
		return func(_ fleet.Scope, certificate, _ string) string { return certificate }
	case "client":
		return func(scope fleet.Scope, _, clientID string) string { return broker.SharedPrefix(scope) + clientID }
	}
	return nil
}

// hostCertificate is what the gateway shows: the certificate of the settings, or
// those of its own CA.
func (s *Server) hostCertificate(ctx context.Context) (
	func(*tls.ClientHelloInfo) (*tls.Certificate, error), error,
) {
	if given, err := s.cfg.MQTTCertificate(); err != nil || given != nil {
		return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return given, nil }, err
	}
	authority, err := s.identity.GatewayAuthority(ctx)
	if err != nil {
		return nil, fmt.Errorf("the gateway's own CA: %w", err)
	}
	host, _, err := net.SplitHostPort(s.cfg.MQTTListen)
	if err != nil {
		return nil, fmt.Errorf("mqtt-listen: %w", err)
	}
	made, err := hostcert.New(hostcert.Config{
		Authority: authority, Domain: s.cfg.EndpointDomain, Hosts: []string{host}, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	return made.GetCertificate, nil
}

// burst is how many seconds' worth of connections may come at once.
const burst = 10

func (s *Server) gatewayLimits() gateway.Limits {
	l := gateway.DefaultLimits()
	l.AddressRate, l.AddressBurst = float64(s.cfg.GatewayAddressRate), burst*s.cfg.GatewayAddressRate
	l.ClientRate, l.ClientBurst = float64(s.cfg.GatewayClientRate), burst*s.cfg.GatewayClientRate
	l.Device.SessionExpiry = s.cfg.GatewaySessionExpiry
	l.Device.QueueMessages, l.Device.QueueBytes = s.cfg.GatewayQueueMessages, s.cfg.GatewayQueueBytes
	return l
}

// gatewayState is what metrics tell of the gateway.
func (s *Server) gatewayState() (connections int, stale float64) {
	g := s.devices.gateway
	if g == nil {
		return 0, 0
	}
	if since, err := g.Trouble(); err != nil {
		stale = time.Since(since).Seconds()
	}
	return g.Connections(), stale
}

// gatewayProbe is a reason to be ready or not.
func (s *Server) gatewayProbe() []ops.Probe {
	if s.devices.gateway == nil {
		return nil
	}
	return []ops.Probe{{Name: "gateway", Check: s.devices.gateway.Ready}}
}

// serveDevices lets devices in until ctx ends, and then ends their connections.
func (s *Server) serveDevices(ctx context.Context) error {
	g := s.devices.gateway
	if g == nil {
		return nil
	}
	failed := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go func() { failed <- g.Serve(serving, s.devices.listener) }()
	err := g.Run(ctx)
	stop()
	if e := <-failed; err == nil {
		err = e
	}
	return err
}

// closeGateway gives back what the gateway was made of.
func (s *Server) closeGateway() error {
	d := &s.devices
	if d.listener != nil {
		_ = d.listener.Close() // it may be closed already
	}
	if d.feed != nil {
		d.feed.Close()
	}
	if d.broker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return d.broker.Close(ctx)
}

// MQTTAddr is where devices connect, as host:port, or "" where they cannot.
func (s *Server) MQTTAddr() string {
	if s.devices.listener == nil {
		return ""
	}
	return s.devices.listener.Addr().String()
}

// Gateway is the gateway, for tests; nil where it is off.
func (s *Server) Gateway() *gateway.Gateway { return s.devices.gateway }
