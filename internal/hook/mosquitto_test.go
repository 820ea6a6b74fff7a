package hook_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// issued is a device whose certificate the account's own CA issued.
func issued(t *testing.T, c *iot.Client, dir, name string) identity {
	t.Helper()
	key, err := fixture.ECKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := fixture.Request(pkix.Name{CommonName: name}, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.CreateCertificateFromCsr(t.Context(), &iot.CreateCertificateFromCsrInput{
		CertificateSigningRequest: &csr, SetAsActive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	certificate := write(t, dir, name+".pem", *out.CertificatePem)
	return identity{name, *out.CertificateId, certificate, write(t, dir, name+".key", text)}
}

// TestARealMosquittoObeysTheRevocationList runs the configuration and the script
// of docs/brokers/mosquitto.md.
func TestARealMosquittoObeysTheRevocationList(t *testing.T) {
	path := cordontest.Mosquitto(t)
	cordontest.Tool(t, "curl")
	cordontest.Tool(t, "openssl")
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	dir := cordontest.ProgramDir(t)
	pump, valve := issued(t, c.IoT(), dir, "pump"), issued(t, c.IoT(), dir, "valve")
	authority, err := c.Identity().KnownAuthority(t.Context(), cordontest.Account)
	if err != nil {
		t.Fatal(err)
	}
	factory, err := fixture.NewCA(fixture.Template{CommonName: "CA of servers"})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: dir, ca: write(t, dir, "servers.pem", factory.PEM), port: cordontest.FreePort(t)}
	own, in := serverOf(t, dir, factory), func(name string) string { return filepath.Join(dir, name) }
	devices := write(t, dir, "devices.pem", authority.PEM)
	script := write(t, dir, "crl.sh", documented(t, "mosquitto-crl.sh", nil))
	bring := func() {
		t.Helper()
		out, err := cordontest.RunProgram(t, dir, nil, "/bin/sh", script, c.PKIURL()+"/pki/"+authority.ID+".crl.pem", devices,
			in("revoked.pem"), in("mosquitto.pid"))
		if err != nil {
			t.Fatalf("bring the list: %v: %s", err, out)
		}
	}
	bring()
	config := write(t, dir, "mosquitto.conf", documented(t, "mosquitto-beside.conf", map[string]string{
		"listener 8883 0.0.0.0":               fmt.Sprintf("listener %d 127.0.0.1", s.port),
		"/etc/mosquitto/cordon/device-ca.pem": devices, "/etc/mosquitto/cordon/server.pem": own.pem,
		"/etc/mosquitto/cordon/server.key": own.key, "/etc/mosquitto/cordon/revoked.pem": in("revoked.pem"),
		"/etc/mosquitto/cordon/acl":    write(t, dir, "acl", documented(t, "mosquitto.acl", nil)),
		"/run/mosquitto/mosquitto.pid": in("mosquitto.pid"),
	}))
	cordontest.StartProgram(t, dir, nil, path, "-c", config).AwaitPort(t, s.port)

	sub := s.subscribe(t, pump, "pump-sub", "devices/pump/#")
	sub.AwaitLog(t, "Subscribed")
	s.wantPublished(t, pump, "pump", "devices/pump/state")
	sub.AwaitLog(t, "devices/pump/state hello")
	s.wantPublished(t, valve, "valve", "devices/pump/state") // dropped by Mosquitto, which says nothing

	setStatus(t, c.IoT(), pump, types.CertificateStatusInactive)
	s.awaitPublishing(t, pump, bring, false)
	s.wantPublished(t, valve, "valve", "devices/valve/state")
	setStatus(t, c.IoT(), pump, types.CertificateStatusActive)
	s.awaitPublishing(t, pump, bring, true)
}

// awaitPublishing brings lists until a device can publish, or cannot.
func (s *site) awaitPublishing(t *testing.T, d identity, bring func(), can bool) {
	t.Helper()
	cordontest.Await(t, fmt.Sprintf("it is %t that %s can publish", can, d.name), func() bool {
		bring()
		_, err := s.publish(t, d, d.name, "devices/"+d.name+"/state")
		return err == nil == can
	})
}

// TestDevicesTalkThroughARealMosquitto runs the configuration of
// docs/brokers/mosquitto.md behind the gateway.
func TestDevicesTalkThroughARealMosquitto(t *testing.T) {
	path := cordontest.Mosquitto(t)
	dir, port := cordontest.ProgramDir(t), cordontest.FreePort(t)
	config := write(t, dir, "mosquitto.conf", documented(t, "mosquitto-behind.conf", map[string]string{
		"listener 1883": fmt.Sprintf("listener %d", port), "/var/lib/mosquitto/": dir + "/",
	}))
	cordontest.StartProgram(t, dir, nil, path, "-c", config).AwaitPort(t, port)
	wantTalk(t, dir, fmt.Sprintf("tcp://127.0.0.1:%d", port))
}

// wantTalk wants that devices get through the gateway, to an external broker and
// back, what their policies allow and nothing else.
func wantTalk(t *testing.T, dir, broker string) {
	t.Helper()
	settings := cordontest.Settings(t, "sqlite")
	settings.Broker = broker
	c := cordontest.Start(t, settings, server.Options{})
	root, err := c.Identity().GatewayAuthority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, number, err := net.SplitHostPort(c.MQTTAddr())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: dir, ca: write(t, dir, "root.pem", root.Certificate().PEM), host: "127.0.0.1", port: port}
	pump, valve := issued(t, c.IoT(), dir, "pump"), issued(t, c.IoT(), dir, "valve")
	attach(t, c.IoT(), pump, "own", ownTopics)
	attach(t, c.IoT(), valve, "none", noTopics)
	watcher := issued(t, c.IoT(), dir, "watcher")
	attach(t, c.IoT(), watcher, "all", cordontest.AllowAll)
	events := s.subscribe(t, watcher, "watcher", "$aws/events/presence/connected/+")
	sub := s.subscribe(t, pump, "pump-sub", "pump/+")
	events.AwaitLog(t, "Subscribed")
	sub.AwaitLog(t, "Subscribed")
	s.wantPublished(t, pump, "pump-1", "pump/state")
	sub.AwaitLog(t, "pump/state hello")
	events.AwaitLog(t, "$aws/events/presence/connected/pump-1")
	s.wantNotPublished(t, pump, "pump-1", "valve/state")
	s.wantNotPublished(t, valve, "valve", "valve/state")
}
