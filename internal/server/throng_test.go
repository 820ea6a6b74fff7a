package server_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

const (
	checkPermissive = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
	// ownOnly allows a device what is called like its thing.
	ownOnly = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect",
			"Resource":"arn:aws:iot:us-east-1:000000000000:client/${iot:Connection.Thing.ThingName}"},
		{"Effect":"Allow","Action":"iot:Publish",
			"Resource":"arn:aws:iot:us-east-1:000000000000:topic/${iot:Connection.Thing.ThingName}/x"}]}`
	noConnect = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:Connect","Resource":"*"}]}`
	// comers is how many devices connect at once.
	comers = 16
)

// throng is a server in a process of its own, and the devices of a throng: many
// share a certificate, and as many have their own.
type throng struct {
	p      *process
	iot    *iot.Client
	shared *cordontest.Device // stands for the thing "d", and has the policy "mine"
	tls    *tls.Config        // of the shared certificate
	own    []tls.Certificate
	alone  []*mqtttest.Client // by certificate of their own
	audit  string
}

// newThrong makes the fleet and starts the server.
func newThrong(t *testing.T) *throng {
	t.Helper()
	g := &throng{}
	cfg := cordontest.Settings(t, "sqlite")
	within(t, cfg, server.Options{}, func(c *cordontest.Cordon) {
		o := &owned{t, c.IoT(), cordontest.Home, cordontest.NewDevice(t, c.IoT())}
		o.call(o.client.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: aws.String("d")}))
		o.call(o.client.AttachThingPrincipal(t.Context(), &iot.AttachThingPrincipalInput{
			ThingName: aws.String("d"), Principal: &o.device.ARN,
			ThingPrincipalType: types.ThingPrincipalTypeExclusiveThing,
		}))
		cordontest.Policy(t, o.client, "mine", cordontest.AllowAll)
		cordontest.Attach(t, o.client, "mine", o.device.ARN)
		cordontest.Policy(t, o.client, "no-connect", noConnect)
		for _, name := range []string{"quarantine", "allowed"} {
			o.call(o.client.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{ThingGroupName: &name}))
		}
		cordontest.Attach(t, o.client, "no-connect", o.group("quarantine"))
		cordontest.Policy(t, o.client, "own-only", ownOnly)
		cordontest.Enable(t, o.client, checkShared, checkPermissive)
		for _, l := range throngLosses {
			if l.check != "" {
				createAction(t, o.client, l.name, l.action)
			}
		}
		g.own = imported(t, c, throngSize, "own-only", alone)
		g.shared, g.tls = o.device, c.DeviceTLS(t, o.device, cordontest.Home)
	})
	g.p = start(t, cfg)
	g.iot = g.p.iot()
	return g
}

// imported registers devices with certificates of their own, each with a thing
// and a policy. They have one key, which is made faster and as good for a test.
func imported(t *testing.T, c *cordontest.Cordon, n int, policy string, name func(i int) string) []tls.Certificate {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(fixture.ECKey())
	ca := must[*fixture.CA](t)(fixture.NewCA(fixture.Template{CommonName: "Device CA"}))
	certs, devices := make([]tls.Certificate, n), make([]fleet.ImportDevice, n)
	for i := range devices {
		leaf := must[*fixture.Leaf](t)(ca.Issue(fixture.Template{Key: key.Public()}))
		certs[i] = tls.Certificate{
			Certificate: [][]byte{leaf.DER}, PrivateKey: key,
			Leaf: must[*x509.Certificate](t)(x509.ParseCertificate(leaf.DER)),
		}
		parsed := must[*pki.Certificate](t)(pki.ParseDER(leaf.DER))
		devices[i] = fleet.ImportDevice{
			Thing:       &fleet.Thing{Name: name(i), ID: fleet.NewThingID(), Version: 1, Created: time.Now()},
			Certificate: must[*fleet.Certificate](t)(fleet.NewCertificate(parsed, fleet.Active, time.Now())),
			Policies:    []string{policy},
		}
	}
	batches := int64(0)
	for batch := range slices.Chunk(devices, fleet.MaxImportBatch) {
		batches++
		out, err := c.Store().Import(t.Context(), cordontest.Home, &fleet.ImportBatch{
			Import: "devices", Source: "devices", N: batches, Digest: fmt.Sprint(batches), Devices: batch,
		})
		if err != nil || out.Accepted != len(batch) {
			t.Fatalf("got %+v, %v, want all imported", out, err)
		}
	}
	return certs
}

// alone is the name of a device with a certificate of its own, and of its thing.
func alone(i int) string { return fmt.Sprintf("alone-%04d", i) }

// all does something with each device, several at once, and ends the test when
// one fails.
func all(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var working sync.WaitGroup
	for range comers {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					t.Errorf("device %d: %v", i, err)
				}
			}
		})
	}
	working.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// enters connects a device that must be let in.
func enters(t *testing.T, address string, cfg *tls.Config, connect *mqtt.Connect) (*mqtttest.Client, error) {
	conn, err := mqtttest.Dial(address, cfg)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	d, err := mqtttest.Connect(conn, connect)
	if err == nil && d.Connack.Code != mqtt.Success {
		err = fmt.Errorf("got a CONNACK with %s, want success", d.Connack.Code)
	}
	return d, err
}

// quiet is a CONNECT of a device that says nothing for long.
func quiet(v mqtt.Version, clientID string) *mqtt.Connect {
	c := cordontest.Hello(v, clientID)
	c.KeepAlive = 1200
	return c
}

// connectShared connects the devices that share a certificate. Most resume a
// session of TLS.
func (g *throng) connectShared(t *testing.T) []*mqtttest.Client {
	t.Helper()
	cfg := g.tls.Clone()
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	devices, began := make([]*mqtttest.Client, throngSize), time.Now()
	all(t, throngSize, func(i int) (err error) {
		devices[i], err = enters(t, g.p.mqtt, cfg, quiet(mqtt.V5, fmt.Sprint("shared-", i)))
		return err
	})
	t.Logf("%d devices connected with one certificate in %s", throngSize, time.Since(began))
	return devices
}

// connectAlone connects the others.
func (g *throng) connectAlone(t *testing.T) {
	t.Helper()
	began := time.Now()
	g.alone = make([]*mqtttest.Client, throngSize)
	all(t, throngSize, func(i int) (err error) {
		cfg := g.tls.Clone()
		cfg.Certificates = g.own[i : i+1]
		g.alone[i], err = enters(t, g.p.mqtt, cfg, quiet(mqtt.V311, alone(i)))
		return err
	})
	t.Logf("%d devices connected with their own in %s", throngSize, time.Since(began))
}

// wantAlone fails unless the devices from one on have the connection that they
// made.
func (g *throng) wantAlone(t *testing.T, from int) {
	t.Helper()
	all(t, throngSize-from, func(i int) error { return g.alone[from+i].Ping() })
}

// find audits until it is found that a certificate is shared, which takes some
// seconds of sharing, and that its policy is too broad.
func (g *throng) find(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(cordontest.Deadline)
	for {
		g.audit, _ = cordontest.Audit(t, g.iot, checkShared, checkPermissive)
		found := cordontest.Findings(t, g.iot, g.audit)
		if len(found) == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d findings, want the certificate and its policy", len(found))
		}
	}
}
