// Package server puts a Cordon together: it is the only package that knows all
// the others.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/seen"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/iotlog"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
	"github.com/cordon-iot/cordon/internal/ops"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/seal"
	"github.com/cordon-iot/cordon/internal/store"
)

const (
	// nodeSilence is how long a node on PostgreSQL may say nothing before the
	// others take its tasks over.
	nodeSilence = 5 * time.Second
	// reconcileEvery is how often tasks without a workflow are looked for.
	reconcileEvery = 5 * time.Second
	// drainTime is how long calls and slices may go on after the end.
	drainTime = 10 * time.Second
)

// Options are what tests may give besides settings.
type Options struct {
	// Hook is called at points in the life of every workflow.
	Hook func(durable.Point)
	// Now replaces the clock.
	Now func() time.Time
	// Quotas replaces the profile that the settings name.
	Quotas *quota.Profile
	// SliceRows replaces how many findings, changes, or members of a group a slice
	// of a long task is for.
	SliceRows int
	// Delivery replaces how long deliveries of topics take, and DeliveryHook is
	// called at points in the life of each.
	Delivery     deliver.Timing
	DeliveryHook func(deliver.Point)
}

// Server is a running Cordon.
type Server struct {
	cfg      config.Config
	log      *slog.Logger
	now      func() time.Time
	quotas   *quota.Profile
	node     string // the id of this process among those that share the database
	gate     ops.Gate
	metrics  *ops.Metrics
	store    *store.Store
	engine   *durable.Engine
	identity *identity.Service
	uses     *identity.Uses
	audits   *audit.Service
	seen     *seen.Recorder
	ops      *ops.Server
	api      *http.Server
	services []awswire.Service
	listener net.Listener
	hooks    *hookServer // nil where no address is set
	devices  devices
	pki      *publisher  // nil without a PKI listener
	iotLog   *iotlog.Log // nil where there is none

	calls      *calllog.Log
	callBook   *calllog.Book
	deliveries *deliver.Workers
}

// Run runs a Cordon until ctx ends.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	s, err := Start(ctx, cfg, log, Options{})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Start opens everything and takes the addresses. Run must follow.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{cfg: cfg, log: log, now: o.Now, node: uuid.NewString(), metrics: ops.NewMetrics()}
	log.Info("starting", "settings", cfg)
	for _, step := range []func(context.Context, Options) error{
		s.openStore, s.openIdentity, s.openCallLog, s.openEngine, s.openAPI, s.openIoTLog, s.openGateway, s.openHooks,
		s.openPKI, s.openDelivery, s.openOps,
	} {
		if err := step(ctx, o); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *Server) openStore(ctx context.Context, o Options) (err error) {
	if s.quotas = o.Quotas; s.quotas == nil {
		if s.quotas, err = quota.Find(s.cfg.Quotas); err != nil {
			return err
		}
	}
	s.store, err = store.Open(ctx, store.Options{
		Dir: s.cfg.DataDir, URL: s.cfg.DatabaseURL.Reveal(), Node: s.node, Quotas: s.quotas, Now: s.now, Log: s.log,
		GroupSlice: o.SliceRows,
	})
	s.seen = seen.New(seen.Options{Store: s.store, Node: s.node, Metrics: s.metrics, Log: s.log})
	return err
}

// openIdentity makes the first account and its root key where there is none.
func (s *Server) openIdentity(ctx context.Context, _ Options) error {
	path, create := s.cfg.MasterKeyFile()
	if create {
		if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	sealer, err := seal.LoadKeyFile(path, create)
	if err != nil {
		return fmt.Errorf("secrets key: %w", err)
	}
	s.identity = &identity.Service{Store: s.store, Sealer: sealer, URL: s.cfg.PKIURL, Now: s.now, Policies: s.store}
	s.uses = &identity.Uses{Store: s.store, Log: s.log}
	var given *identity.AccessKey
	if s.cfg.RootAccessKeyID != "" {
		given = &identity.AccessKey{ID: s.cfg.RootAccessKeyID, Secret: s.cfg.RootSecretAccessKey.Reveal()}
	}
	file := ""
	made, err := s.identity.Bootstrap(ctx, s.cfg.AccountID, given, func() (identity.AccessKey, error) {
		file = s.cfg.RootKeyFile()
		return rootKey(file)
	})
	if err == nil && made {
		s.log.Info("a root access key was made", "account", s.cfg.AccountID, "file", file)
	} else if file != "" {
		// The key is not in use: the database had one, or took none.
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// rootKey makes a key and writes it to a file, before it is in the database: a
// file that an interrupted start left behind is taken as it is.
func rootKey(file string) (identity.AccessKey, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return identity.AccessKey{}, fmt.Errorf("make data directory: %w", err)
	}
	key := identity.NewAccessKey()
	err := config.WriteAccessKey(file, config.AccessKey{ID: key.ID, Secret: config.NewSecret(key.Secret)})
	if errors.Is(err, os.ErrExist) {
		old, err := config.ReadAccessKey(file)
		return identity.AccessKey{ID: old.ID, Secret: old.Secret.Reveal()}, err
	}
	return key, err
}

func (s *Server) openEngine(_ context.Context, o Options) (err error) {
	cfg := durable.Config{
		SQLite: s.store.SQLite(), Postgres: s.store.Postgres(), Node: s.node, Silence: nodeSilence,
		Log: s.log, Committed: s.store.Committed, Hook: o.Hook,
	}
	if cfg.Postgres != nil {
		cfg.Nodes = s.store
	}
	s.engine, err = durable.New(cfg)
	return err
}

func (s *Server) openOps(ctx context.Context, _ Options) error {
	tls, err := s.cfg.OpsTLS()
	if err != nil {
		return err
	}
	for kind, name := range map[string]string{
		audit.WorkflowKind: "audits", mitigation.WorkflowKind: "mitigation-tasks", fleet.GroupWorkKind: "thing-groups",
	} {
		s.metrics.QueueAge(name, func() (float64, bool) { return s.queueAge(kind) })
	}
	s.ops, err = ops.Listen(ctx, ops.Config{
		Address: s.cfg.OpsListen, TLS: tls, Metrics: s.metrics, Log: s.log,
		Probes: append([]ops.Probe{s.gate.Probe("server"), {Name: "database", Check: s.store.Ping}}, s.gatewayProbe()...),
	})
	return err
}

// queueAge is how long ago the oldest task in progress began.
func (s *Server) queueAge(kind string) (float64, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	running, err := s.store.Running(ctx, s.now())
	if err != nil {
		return 0, false
	}
	if oldest := running.Oldest[kind]; !oldest.IsZero() {
		return s.now().Sub(oldest).Seconds(), true
	}
	return 0, true
}

// URL is where the API is.
func (s *Server) URL() string {
	scheme := "http"
	if s.cfg.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// OpsURL is where health and metrics are.
func (s *Server) OpsURL() string { return "http://" + s.ops.Addr().String() }

// Run serves until ctx ends, then drains: no more calls are taken, those in
// hand are answered, slices in hand end or are left for the next start.
func (s *Server) Run(ctx context.Context) error {
	holdFloor()
	if err := s.engine.Launch(); err != nil {
		return errors.Join(err, s.close())
	}
	opsCtx, stopOps := context.WithCancel(context.Background())
	defer stopOps()
	var after errgroup.Group // what ends last
	after.Go(func() error { return s.ops.Run(opsCtx) })
	after.Go(func() error { return s.seen.Run(opsCtx) }) // behind the gateway
	after.Go(func() error { return s.uses.Run(opsCtx) }) // behind the API
	after.Go(func() error { return s.writeIoTLog(opsCtx) })
	after.Go(func() error { return s.calls.Run(opsCtx) })

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.engine.Run(ctx) })
	g.Go(func() error { return s.reconcile(ctx) })
	g.Go(func() error { return s.schedule(ctx) })
	g.Go(func() error { return s.purge(ctx) })
	g.Go(func() error { return s.keepRevocations(ctx) })
	g.Go(func() error { return s.nameCertificates(ctx) })
	g.Go(func() error { return s.answerHooks(ctx) })
	g.Go(func() error { return s.deliveries.Run(ctx) })
	g.Go(func() error { return s.publish(ctx) })
	g.Go(func() error { return s.serve(ctx) })
	g.Go(func() error { return s.serveDevices(ctx) })
	s.gate.Open()
	s.log.Info("ready", "api", s.URL(), "ops", s.OpsURL(), "mqtt", s.MQTTAddr(), "pki", s.PKIURL())
	if s.cfg.TrustRoles() {
		s.log.Warn("every role is trusted with everything: roles=trust is for trials alone")
	}
	err := g.Wait()
	stopOps()
	err = errors.Join(err, after.Wait(), s.close())
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// serve answers calls until ctx ends, and those in hand after that.
func (s *Server) serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLSCert != "" {
			failed <- s.api.ServeTLS(s.listener, "", "")
			return
		}
		failed <- s.api.Serve(s.listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve API: %w", err)
	case <-ctx.Done():
	}
	s.gate.Shut("stopping")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.api.Shutdown(drain); err != nil {
		s.log.Warn("calls were cut off", "err", err)
		return s.api.Close()
	}
	return nil
}

// close ends what was opened, the engine before the store whose handle it
// shares.
func (s *Server) close() error {
	var errs []error
	if s.pki != nil {
		errs = append(errs, s.pki.close())
	}
	if s.listener != nil {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.hooks.close())
	errs = append(errs, s.closeGateway())
	if s.store != nil {
		s.store.StopWrites()
	}
	if s.engine != nil {
		errs = append(errs, s.engine.Close(drainTime))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// Identity is the accounts and their keys, for tests.
func (s *Server) Identity() *identity.Service { return s.identity }

// Seen records connections, for tests.
func (s *Server) Seen() *seen.Recorder { return s.seen }

// Store is the database, for tests.
func (s *Server) Store() *store.Store { return s.store }
