package bench

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/bench/rival"
	"github.com/cordon-iot/cordon/internal/bench/swarm"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

const (
	// registrars is how many calls register devices at a time.
	registrars = 32
	// allowAll is the policy of every device.
	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// gateway measures what devices meet, beside Mosquitto where it is installed.
// This process is the devices; Cordon and Mosquitto have one of their own each.
func (m *measurement) gateway(ctx context.Context) (r *Result, err error) {
	g := &gatewayRig{m: m, spec: m.spec}
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	r = &Result{Database: m.spec.database(), Devices: &g.seen}
	if r.LoadPerSecond, err = g.register(ctx); err != nil {
		return nil, fmt.Errorf("register devices: %w", err)
	}
	for _, step := range g.steps() {
		if m.spec.Only != "" && m.spec.Only != step.part {
			continue
		}
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if len(g.seen.Connects) > 0 {
		r.Subject = Rate{Name: "mTLS connects", PerSecond: g.seen.Connects[0].Cordon.PerSecond}
	}
	return r, nil
}

// The parts of a measurement of the gateway.
const (
	partMemory   = "memory"
	partConnects = "connects"
	partMessages = "messages"
	partKicks    = "kicks"
)

// Parts are what can be measured of the gateway, each for itself.
func Parts() []string { return []string{partMemory, partConnects, partMessages, partKicks} }

// gatewayStep is a step of a part.
type gatewayStep struct {
	part, name string
	do         func(context.Context) error
}

func (g *gatewayRig) steps() []gatewayStep {
	return []gatewayStep{
		{partMemory, "memory", g.memory}, // before anything else has left memory behind
		{partConnects, "connects", g.connects},
		{partMessages, "messages", g.messages},
		{partKicks, "connect those who are to stay", g.connectOthers},
		{partKicks, "kicks", g.kicks},
		{partKicks, "single deactivations", g.singles},
	}
}

// gatewayRig is what is measured, and the devices.
type gatewayRig struct {
	m          *measurement
	spec       Spec
	dir        string
	ca         *fixture.CA
	server     *serverProcess
	peer       *rival.Mosquitto // nil where it is not installed
	contenders []*contender     // Cordon first
	caller     caller
	api        *iot.Client
	ids        []identity // each with a certificate of its own
	others     []*swarm.Device
	finding    string // what the mitigation task of a kick is about, or ""
	seen       Devices
}

// contender is a server that devices connect to.
type contender struct {
	name    string
	pid     int
	target  swarm.Target
	collect func() error // gives unused memory back
}

// identity is a device and the id of its certificate.
type identity struct {
	swarm.Identity
	certificate string
	pem         string
}

func (g *gatewayRig) start(ctx context.Context) (err error) {
	if g.dir, err = os.MkdirTemp(g.spec.Dir, "cordon-bench-"); err != nil {
		return err
	}
	if g.ca, err = fixture.NewCA(fixture.Template{CommonName: "CA of devices"}); err != nil {
		return err
	}
	o, err := g.m.home.create(ctx, "gateway")
	if err != nil {
		return err
	}
	if g.server, err = startServer(ctx, serving{Dir: g.dir, URL: o.URL}, g.m.out); err != nil {
		return err
	}
	g.caller = caller{rootKey(), g.server.API}
	g.api = g.caller.client()
	g.contenders = []*contender{{
		name: "Cordon", pid: g.server.PID, collect: g.server.collect,
		target: swarm.Target{
			Address: g.server.MQTT, Roots: rival.Roots(g.server.CA), ServerName: scope.EndpointName() + "." + endpointDomain,
		},
	}}
	path := rival.Find()
	if path == "" {
		return nil
	}
	return g.startPeer(ctx, path)
}

func (g *gatewayRig) startPeer(ctx context.Context, path string) error {
	const name = "mosquitto.localhost"
	leaf, err := g.ca.Issue(fixture.Template{CommonName: name, Edit: func(c *x509.Certificate) {
		c.DNSNames = []string{name}
	}})
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		return err
	}
	dir := filepath.Join(g.dir, "mosquitto")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	g.peer, err = rival.Start(ctx, path, dir, rival.Identity{
		CA: g.ca.PEM, Certificate: leaf.PEM, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	})
	if err != nil {
		return err
	}
	g.seen.Peer = g.peer.Version
	g.contenders = append(g.contenders, &contender{
		name: "Mosquitto", pid: g.peer.PID, collect: func() error { return nil },
		target: swarm.Target{Address: g.peer.Address, Roots: rival.Roots(g.ca.PEM), ServerName: name},
	})
	return nil
}

func (g *gatewayRig) close() error {
	swarm.CloseAll(g.others)
	var errs []error
	if g.peer != nil {
		errs = append(errs, g.peer.Close())
	}
	if g.server != nil {
		errs = append(errs, g.server.close())
	}
	if g.dir != "" {
		errs = append(errs, os.RemoveAll(g.dir))
	}
	return errors.Join(errs...)
}

// issue makes devices of which each has a certificate of its own.
func (g *gatewayRig) issue(prefix string, n int) ([]identity, error) {
	list := make([]identity, n)
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range list {
		work.Go(func() error {
			name := fmt.Sprintf("%s-%05d", prefix, i)
			leaf, err := g.ca.Issue(fixture.Template{CommonName: name})
			if err != nil {
				return err
			}
			sum := sha256.Sum256(leaf.DER)
			list[i] = identity{
				Identity: swarm.Identity{ClientID: name, Certificate: tls.Certificate{
					Certificate: [][]byte{leaf.DER}, PrivateKey: leaf.Key,
				}},
				certificate: hex.EncodeToString(sum[:]), pem: leaf.PEM,
			}
			return nil
		})
	}
	return list, work.Wait()
}

// register makes the devices, with a policy that allows everything, and returns
// how many a second were registered.
func (g *gatewayRig) register(ctx context.Context) (float64, error) {
	if err := g.createPolicy(ctx, "all"); err != nil {
		return 0, err
	}
	var err error
	if g.ids, err = g.issue("device", g.spec.Connections); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := g.registerAll(ctx, g.ids, "all"); err != nil {
		return 0, err
	}
	return float64(len(g.ids)) / time.Since(began).Seconds(), nil
}

// createPolicy makes a policy that allows everything.
func (g *gatewayRig) createPolicy(ctx context.Context, name string) error {
	_, err := g.api.CreatePolicy(ctx, &iot.CreatePolicyInput{PolicyName: &name, PolicyDocument: aws.String(allowAll)})
	return err
}

// registerAll registers certificates, and attaches a policy unless it is "".
func (g *gatewayRig) registerAll(ctx context.Context, list []identity, policy string) error {
	certificates, policies := make([][]byte, len(list)), make([][]byte, len(list))
	for i, id := range list {
		body, err := json.Marshal(map[string]string{"certificatePem": id.pem, "status": "ACTIVE"})
		if err != nil {
			return err
		}
		certificates[i], err = g.caller.sign(ctx, http.MethodPost, "/certificate/register-no-ca", string(body))
		if err != nil {
			return err
		}
		body, err = json.Marshal(map[string]string{"target": scope.ARN("cert", id.certificate)})
		if err != nil {
			return err
		}
		policies[i], err = g.caller.sign(ctx, http.MethodPut, "/target-policies/"+policy, string(body))
		if err != nil {
			return err
		}
	}
	if policy == "" {
		policies = nil
	}
	for _, requests := range [][][]byte{certificates, policies} {
		if _, _, err := flood(ctx, g.caller.address, requests, registrars); err != nil {
			return err
		}
	}
	return nil
}

// identities are devices as they connect.
func identities(list []identity) []swarm.Identity {
	out := make([]swarm.Identity, len(list))
	for i := range list {
		out[i] = list[i].Identity
	}
	return out
}
