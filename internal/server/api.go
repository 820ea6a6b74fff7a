package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/audit/check"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/pagetoken"
	"github.com/cordon-iot/cordon/internal/cognitoapi"
	"github.com/cordon-iot/cordon/internal/cordonapi"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/iamapi"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/iotapi"
	"github.com/cordon-iot/cordon/internal/iotdata"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/mitigation/action"
	"github.com/cordon-iot/cordon/internal/ops"
	"github.com/cordon-iot/cordon/internal/pki/crl"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
	"github.com/cordon-iot/cordon/internal/policy"
	"github.com/cordon-iot/cordon/internal/revocation"
	"github.com/cordon-iot/cordon/internal/stsapi"
)

// openAPI wires the features to the front doors and takes the address.
func (s *Server) openAPI(ctx context.Context, o Options) error {
	weak, err := s.weakKeys()
	if err != nil {
		return err
	}
	client := guard.New(guard.Options{Allow: s.cfg.OutgoingNetworks(), Proxy: s.cfg.OutgoingProxyURL()})
	s.engine.Register(audit.WorkflowKind, &audit.Engine{
		Store: s.store, Checks: check.All, WeakKeys: weak, Observer: s.metrics, Now: s.now,
		Gateway: s.cfg.GatewayOn(), Roles: s.roles(), SliceFindings: o.SliceRows,
		Collector: &revocation.Collector{
			Store: s.store, Downloads: &guard.Downloads{Client: client, Max: crl.MaxSize}, Own: s.identity.KnownAuthority,
			Now: s.now,
		},
	})
	s.engine.Register(mitigation.WorkflowKind, &mitigation.Engine{
		Store: s.store, Kinds: action.All, Roles: s.roles(), ForeignTopics: s.cfg.SNSEndpoint != "",
		Observer: s.metrics, Now: s.now, SliceRows: o.SliceRows,
	})
	s.audits = &audit.Service{
		Store: s.store, Workflows: s.engine, Checks: check.All, TimeOfDay: s.timeOfDay(), Now: s.now,
	}
	s.engine.Register(fleet.GroupWorkKind, s.store.GroupWork())
	pages, err := s.pages(ctx)
	if err != nil {
		return err
	}
	handler, err := awswire.NewHandler(awswire.Config{
		Keys: keys{s.identity}, Throttle: s.throttle(), Authorize: s.authorize, Begin: s.beginCall, Observe: s.observe,
		Now: s.now, Log: s.log,
		Services: append(s.topics(client, pages), []awswire.Service{
			iotapi.New(iotapi.Config{
				Store:  s.store,
				Audits: s.audits,
				Mitigations: &mitigation.Service{
					Store: s.store, Workflows: s.engine, Checks: check.All, Kinds: action.All, Now: s.now,
				},
				Authorities: s.identity, Workflows: s.engine, Pages: pages, Now: s.now, EndpointDomain: s.endpointDomain(),
			}),
			iotdata.New(iotdata.Config{Store: s.store}),
			stsapi.New(stsapi.Config{Roles: s.identity, Authorize: s.permits}),
			iamapi.New(iamapi.Config{
				Store: s.store, Keys: s.identity, Pages: pages, Now: s.now, Simulator: s.identity,
			}),
			cordonapi.New(cordonapi.Config{
				Revocations: &revocation.Service{Store: s.store, Now: s.now},
				CallLog:     s.callBook,
				Accounts:    s.identity, Store: s.store, Pages: pages, Now: s.now,
			}),
			cognitoapi.New(cognitoapi.Config{Store: s.store, Pages: pages, Now: s.now}),
		}...),
	})
	if err != nil {
		return err
	}
	s.services = handler.Services
	return s.listen(ctx, handler)
}

// Services are what the API serves.
func (s *Server) Services() []awswire.Service { return s.services }

// roles are what is acted as, or nil where every role is trusted.
func (s *Server) roles() identity.Roles {
	if s.cfg.TrustRoles() {
		return nil
	}
	return s.identity
}

// endpointDomain is where devices connect, or "" where they cannot.
func (s *Server) endpointDomain() string {
	if !s.cfg.GatewayOn() {
		return ""
	}
	return s.cfg.EndpointDomain
}

// timeOfDay is when in the day an account's scheduled audits run.
func (s *Server) timeOfDay() func(account string) time.Duration {
	if since, set := s.cfg.AuditTime(); set {
		return func(string) time.Duration { return since }
	}
	return audit.Spread
}

func (s *Server) listen(ctx context.Context, handler http.Handler) error {
	tls, err := s.cfg.TLS()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	s.api = &http.Server{
		Handler: handler, TLSConfig: tls, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	return nil
}

// pages are of lists whose tokens are sealed under a key that all nodes share.
func (s *Server) pages(ctx context.Context) (awswire.Pages, error) {
	key, err := s.identity.Secret(ctx, identity.SecretID{Purpose: "page-tokens"}, func() ([]byte, error) {
		key := make([]byte, pagetoken.KeySize)
		rand.Read(key) // never fails
		return key, nil
	})
	if err != nil {
		return awswire.Pages{}, err
	}
	sealer, err := pagetoken.New(key)
	return awswire.Pages{Sealer: sealer}, err
}

// weakKeys loads the lists of weak keys, or returns nil when none is set.
func (s *Server) weakKeys() (audit.WeakKeys, error) {
	if len(s.cfg.WeakKeyBlocklist) == 0 {
		return nil, nil
	}
	var files []keyquality.File
	for _, path := range s.cfg.WeakKeyBlocklist {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("weak-key-blocklist: %w", err)
		}
		defer f.Close()
		files = append(files, keyquality.File{Name: filepath.Base(path), Content: f})
	}
	list, err := keyquality.Load(files...)
	if err != nil {
		return nil, fmt.Errorf("weak-key-blocklist: %w", err)
	}
	for _, l := range list.Report() {
		s.log.Info("list of weak keys loaded", "file", l.Name, "format", l.Kind, "keys", l.Keys, "entries", l.Entries)
	}
	return weakKeys{list}, nil
}

// weakKeys searches the lists by what is stored of a key.
type weakKeys struct{ list *keyquality.Blocklist }

func (w weakKeys) Weak(k fleet.Key) bool { return w.list.Weak(k.DebianDigest, k.BadkeysDigest) }

// keys finds access keys for the pipeline.
type keys struct{ identity *identity.Service }

func (k keys) Credential(ctx context.Context, id, token string) (awswire.Key, error) {
	c, err := k.identity.Authenticate(ctx, id, token)
	if err != nil {
		return awswire.Key{}, err
	}
	p := c.Principal
	return awswire.Key{
		Account: p.Account.ID, Secret: c.Secret, ARN: p.ARN, UserID: p.ID, Operator: p.Account.Operator,
		Disabled: c.Disabled, Expired: c.Expired, Principal: p,
	}, nil
}

// authorize refuses a call whose caller does not have what it needs.
func (s *Server) authorize(ctx context.Context, _ awswire.Target, needs []awswire.Need) error {
	c := awswire.CallerFrom(ctx)
	p, ok := c.Principal.(identity.Principal)
	if !ok {
		return fmt.Errorf("the caller %q is no principal", c.ARN)
	}
	asks := make([]identity.Ask, len(needs))
	for i, n := range needs {
		asks[i] = identity.Ask{Action: n.Action, Resource: n.Resource}
		if len(n.Keys) > 0 {
			values := policy.Table{}
			for key, list := range n.Keys {
				values.Set(key, list...)
			}
			asks[i].Values = values
		}
	}
	return s.identity.Authorize(ctx, p, identity.Call{
		Region: c.Region, SourceIP: c.SourceIP, UserAgent: c.UserAgent, Secure: c.Secure,
	}, asks)
}

// permits is authorize for an operation that asks once more.
func (s *Server) permits(ctx context.Context, needs []awswire.Need) error {
	return s.authorize(ctx, awswire.Target{}, needs)
}

func (s *Server) observe(ctx context.Context, r awswire.Record) {
	s.recordCall(ctx, &r)
	s.metrics.Call(ops.Call{
		Service: r.Service, Operation: r.Operation, Status: r.Status, Exception: r.Exception, Duration: r.Duration,
	})
	if p, ok := r.Caller.Principal.(identity.Principal); ok {
		s.uses.Note(&p, identity.Use{At: s.now(), Service: r.Service, Region: r.Caller.Region})
	}
}
