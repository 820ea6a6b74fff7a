package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// watcher is a device that has subscribed to filters.
func (g *testGateway) watcher(t testing.TB, filters ...string) *mqtttest.Client {
	t.Helper()
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	w := g.must(t, c, hello(mqtt.V5, "watcher"))
	codes, err := w.Subscribe(0, filters...)
	if err != nil || codes[0] >= 0x80 {
		t.Fatalf("got %v, %v, want a granted subscription", codes, err)
	}
	return w
}

// withWill is a CONNECT with a will.
func withWill(v mqtt.Version, id string, delay, expiry uint32) *mqtt.Connect {
	c := hello(v, id)
	c.Will = &mqtt.Will{Topic: "wills/" + id, Payload: []byte("gone")}
	if v == mqtt.V5 {
		c.Will.Properties = c.Will.Properties.AddNumber(mqtt.WillDelay, delay)
		c.Properties = c.Properties.AddNumber(mqtt.SessionExpiry, expiry)
	}
	return c
}

func TestAWillIsSentUnlessItsSenderMayNotPublishItThen(t *testing.T) {
	const noWills = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:000000000000:topic/wills/*"}]}`
	for _, tt := range []struct {
		name string
		end  func(g *testGateway, d *mqtttest.Client, id string)
		sent bool
	}{
		{"after a lost connection", func(_ *testGateway, d *mqtttest.Client, _ string) { _ = d.Conn.Close() }, true},
		{"after DISCONNECT", func(_ *testGateway, d *mqtttest.Client, _ string) { _ = d.Disconnect() }, false},
		{"after a DISCONNECT that asks for it", func(_ *testGateway, d *mqtttest.Client, _ string) {
			_ = d.Send(&mqtt.Disconnect{Code: mqtt.DisconnectWithWill})
		}, true},
		{"after a deactivation", func(g *testGateway, _ *mqtttest.Client, id string) {
			g.registry.setStatus(home, id, fleet.Inactive)
		}, false},
		{"after the right to its topic is gone", func(g *testGateway, d *mqtttest.Client, _ string) {
			g.followed(t, func() { g.registry.policy(home, "mine", noWills) })
			_ = d.Conn.Close()
		}, false},
		{"after an order that prevents it", func(g *testGateway, _ *mqtttest.Client, _ string) {
			g.registry.order(home, "d", fleet.ClientOrder{PreventWill: true})
		}, false},
		{"after another order", func(g *testGateway, _ *mqtttest.Client, _ string) {
			g.registry.order(home, "d", fleet.ClientOrder{})
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, nil)
			w := g.watcher(t, "wills/#", "end")
			g.registry.policy(home, "mine", allowAll)
			c, id := g.device(t, "mine")
			d := g.must(t, c, withWill(mqtt.V5, "d", 0, 0))
			tt.end(g, d, id)
			await(t, "the device is gone", func() bool { return len(g.index.at(place{home, fleet.RightClient, "d"})) == 0 })
			g.errands.Wait()
			if err := w.Publish("end", "", 0); err != nil {
				t.Fatal(err)
			}
			m, err := w.Message()
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Topic == "wills/d"; got != tt.sent {
				t.Errorf("got the message %q, want the will: %t", m.Topic, tt.sent)
			}
		})
	}
}

func TestADelayedWillIsNotSentWhenItsSenderComesBack(t *testing.T) {
	g := start(t, nil)
	w := g.watcher(t, "wills/#", "end")
	c, _ := g.device(t, "all")
	d := g.must(t, c, withWill(mqtt.V5, "d", 3600, 3600))
	_ = d.Conn.Close()
	held := func() int {
		g.wills.mu.Lock()
		defer g.wills.mu.Unlock()
		return len(g.wills.held)
	}
	await(t, "the will waits", func() bool { return held() == 1 })
	back := hello(mqtt.V5, "d")
	back.CleanStart = false
	d = g.must(t, c, back)
	if held() != 0 {
		t.Error("the will still waits for a device that is back")
	}
	_ = d.Disconnect()
	// One that begins a new session ends the old one, and with it the delay.
	d = g.must(t, c, withWill(mqtt.V5, "d", 3600, 3600))
	_ = d.Conn.Close()
	await(t, "the will waits", func() bool { return held() == 1 })
	g.must(t, c, hello(mqtt.V5, "d"))
	if m, err := w.Message(); err != nil || m.Topic != "wills/d" {
		t.Errorf("got %q, %v, want the will", m.Topic, err)
	}
}

func TestPresenceIsTold(t *testing.T) {
	g := start(t, nil)
	w := g.watcher(t, "$aws/events/presence/#")
	c, id := g.device(t, "all")
	d := g.must(t, c, hello(mqtt.V311, "d"))
	_ = g.must(t, c, hello(mqtt.V311, "with+plus")).Disconnect()
	g.must(t, c, hello(mqtt.V311, "d"))
	ends(t, d, 0)
	type told struct{ topic, reason string }
	got := map[told]map[string]any{}
	for len(got) < 3 {
		m, err := w.Message()
		if err != nil {
			t.Fatal(err)
		}
		content := map[string]any{}
		if err := json.Unmarshal(m.Payload, &content); err != nil {
			t.Fatal(err)
		}
		if content["clientId"] == "watcher" {
			continue
		}
		reason, _ := content["disconnectReason"].(string)
		key := told{strings.TrimPrefix(m.Topic, "$aws/events/presence/"), reason}
		if _, twice := got[key]; twice {
			key.reason = "again"
		}
		got[key] = content
	}
	first, gone := got[told{"connected/d", ""}], got[told{"disconnected/d", "DUPLICATE_CLIENTID"}]
	if first["eventType"] != "connected" || first["principalIdentifier"] != id || first["ipAddress"] != "127.0.0.1" {
		t.Errorf("got %v, want the connection", first)
	}
	if gone["clientInitiatedDisconnect"] != false || gone["sessionIdentifier"] != first["sessionIdentifier"] ||
		gone["versionNumber"] != first["versionNumber"] {
		t.Errorf("got %v, want the end of %v", gone, first)
	}
	if got[told{"connected/d", "again"}] == nil {
		t.Errorf("got %v, want the second connection too", got)
	}
	codes, err := w.Subscribe(0, "x")
	if err != nil || codes[0] != 0 {
		t.Fatal(codes, err)
	}
	if err := w.Publish("$aws/events/presence/connected/other", "{}", 1); err == nil {
		t.Error("a device could publish an event of presence")
	}
}

func TestASessionEndsWithItsCertificate(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	end := time.Now().Add(3 * time.Second)
	c := g.issue(t, fixture.Template{CommonName: "short", NotAfter: end})
	g.registry.register(home, c.Leaf, fleet.Active, "all")
	long, _ := g.device(t, "all")
	other := g.must(t, long, hello(mqtt.V5, "long"))
	d := g.must(t, c, hello(mqtt.V5, "short"))
	ends(t, d, mqtt.NotAuthorized)
	if time.Now().Before(end.Truncate(time.Second)) {
		t.Error("it ended before its certificate")
	}
	lives(t, other)
	if _, err := g.connect(c, hello(mqtt.V5, "short")); err == nil {
		t.Error("it was let in after the end of its certificate")
	}
}

func TestStaleConnectionsAreDroppedSpreadOverTime(t *testing.T) {
	g := start(t, func(o *Options) { o.StaleLimit = 300 * time.Millisecond })
	g.registry.policy(home, "all", allowAll)
	c, _ := g.device(t, "all")
	var devices []*mqtttest.Client
	for i := range 20 {
		devices = append(devices, g.must(t, c, hello(mqtt.V5, name(i))))
	}
	failed := time.Now()
	g.registry.fail(errors.New("the database is gone"))
	for _, d := range devices {
		ends(t, d, mqtt.ServerBusy)
	}
	if took := time.Since(failed); took < 300*time.Millisecond {
		t.Errorf("all were dropped after %s, want none before the limit", took)
	}
	if e := g.log.of(EventDisconnect, name(0)); len(e) != 1 || e[0].Disconnect != fleet.DisconnectServerError {
		t.Errorf("got %+v, want one end for an error of the server", e)
	}
}

func TestOneCertificateInTwoAccountsIsWhatEachSays(t *testing.T) {
	g := start(t, nil)
	g.registry.policy(home, "all", allowAll)
	g.registry.policy(other, "all", allowAll)
	c, id := g.device(t, "all")
	g.registry.register(other, c.Leaf, fleet.Inactive, "all")
	if _, err := g.connectTo(g.config(c, other), hello(mqtt.V5, "d")); err == nil {
		t.Error("it was let in where it is inactive")
	}
	for name, server := range map[string]string{
		"its endpoint": home.EndpointName() + "." + domain, "its endpoint for ATS": home.EndpointNameATS() + "." + domain,
		"an unknown name": "what." + domain, "no name": "",
	} {
		cfg := g.config(c, home)
		cfg.ServerName = server
		if server == "" {
			cfg.InsecureSkipVerify = true
		}
		d, err := g.connectTo(cfg, hello(mqtt.V5, "d"))
		if err != nil || d.Connack.Code != mqtt.Success {
			t.Errorf("by %s: got %v, want to be let in", name, err)
		}
	}
	g.registry.setStatus(other, id, fleet.Active)
	there, err := g.connectTo(g.config(c, other), hello(mqtt.V5, "d"))
	if err != nil {
		t.Fatal(err)
	}
	here := g.must(t, c, hello(mqtt.V5, "d"))
	lives(t, there)
	g.registry.setStatus(home, id, fleet.Inactive)
	ends(t, here, mqtt.AdministrativeAction)
	lives(t, there)
}

func TestAResumedHandshakeIsRefusedToo(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			g := start(t, nil)
			g.registry.policy(home, "all", allowAll)
			c, id := g.device(t, "all")
			cfg := g.config(c, home)
			cfg.ClientSessionCache, cfg.MinVersion, cfg.MaxVersion = tls.NewLRUClientSessionCache(4), version, version
			for round := range 2 {
				d, err := g.connectTo(cfg, hello(mqtt.V5, "d"))
				if err != nil {
					t.Fatal(err)
				}
				conn, _ := d.Conn.(*tls.Conn)
				if resumed := conn.ConnectionState().DidResume; resumed != (round == 1) {
					t.Errorf("connection %d: got resumed %t", round, resumed)
				}
				_ = d.Disconnect()
			}
			g.registry.setStatus(home, id, fleet.Inactive)
			if _, err := g.connectTo(cfg, hello(mqtt.V5, "d")); err == nil {
				t.Error("a resumed session was let in")
			}
		})
	}
}

func TestWebSocket(t *testing.T) {
	g := start(t, nil)
	w := g.watcher(t, "x")
	c, id := g.device(t, "all")
	cfg := g.config(c, home)
	cfg.NextProtos = []string{"http/1.1"}
	dial := func(path string, protocols ...string) (*websocket.Conn, *http.Response, error) {
		dialer := websocket.Dialer{TLSClientConfig: cfg, Subprotocols: protocols, HandshakeTimeout: patience}
		return dialer.DialContext(t.Context(), "wss://"+g.address+path, nil)
	}
	conn, answer, err := dial("/mqtt", "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	d, err := mqtttest.Connect(&overWeb{Conn: conn.NetConn(), web: conn}, hello(mqtt.V5, "web"))
	if err != nil || d.Connack.Code != mqtt.Success {
		t.Fatalf("got %+v, %v, want to be let in", d, err)
	}
	large := strings.Repeat("x", 100_000)
	if err := d.Publish("x", large, 1); err != nil {
		t.Fatal(err)
	}
	if m, err := w.Message(); err != nil || string(m.Payload) != large {
		t.Fatalf("got %d bytes, %v, want the message", len(m.Payload), err)
	}
	if e := g.log.of(EventConnect, "web"); len(e) != 1 || e[0].Protocol != "MQTT-WSS" {
		t.Errorf("got %+v, want a connection over WebSocket", e)
	}
	g.registry.setStatus(home, id, fleet.Inactive)
	ends(t, d, mqtt.AdministrativeAction)
	g.registry.setStatus(home, id, fleet.Active)
	for what, try := range map[string]func() (*websocket.Conn, *http.Response, error){
		"another path":     func() (*websocket.Conn, *http.Response, error) { return dial("/other", "mqtt") },
		"no subprotocol":   func() (*websocket.Conn, *http.Response, error) { return dial("/mqtt") },
		"another protocol": func() (*websocket.Conn, *http.Response, error) { return dial("/mqtt", "amqp") },
	} {
		_, answer, err := try()
		if err == nil {
			t.Errorf("%s was accepted", what)
		} else if answer != nil {
			_ = answer.Body.Close()
		}
	}
}

// overWeb is a device's side of WebSocket.
type overWeb struct {
	net.Conn
	web  *websocket.Conn
	left io.Reader
}

func (o *overWeb) Read(p []byte) (int, error) {
	for {
		if o.left == nil {
			_, r, err := o.web.NextReader()
			if err != nil {
				return 0, err
			}
			o.left = r
		}
		n, err := o.left.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		o.left = nil
	}
}

func (o *overWeb) Write(p []byte) (int, error) {
	return len(p), o.web.WriteMessage(websocket.BinaryMessage, p)
}

// registrar is a registrar with one answer.
type registrar struct {
	ca    string
	err   error
	chain []*x509.Certificate
}

func (r *registrar) RegisterJustInTime(_ context.Context, _ fleet.Scope, chain []*x509.Certificate) (string, error) {
	r.chain = chain
	return r.ca, r.err
}

func TestAnUnknownCertificateIsRegisteredJustInTimeAndRefused(t *testing.T) {
	r := &registrar{ca: strings.Repeat("c", 64)}
	g := start(t, func(o *Options) { o.Registrar = r })
	w := g.watcher(t, "$aws/events/certificates/registered/#")
	c := g.issue(t, templateOf("new"))
	if _, err := g.connect(c, hello(mqtt.V5, "new")); err == nil {
		t.Error("it was let in")
	}
	m, err := w.Message()
	if err != nil {
		t.Fatal(err)
	}
	if want := "$aws/events/certificates/registered/" + r.ca; m.Topic != want {
		t.Errorf("got the topic %q, want %q", m.Topic, want)
	}
	content := map[string]any{}
	if err := json.Unmarshal(m.Payload, &content); err != nil {
		t.Fatal(err)
	}
	if content["certificateId"] != fingerprint(c.Leaf) || content["caCertificateId"] != r.ca ||
		content["certificateStatus"] != "PENDING_ACTIVATION" || content["awsAccountId"] != home.Account {
		t.Errorf("got %v, want the certificate", content)
	}
	if len(r.chain) != 1 || !r.chain[0].Equal(c.Leaf) {
		t.Errorf("got a chain of %d, want the certificate", len(r.chain))
	}
	r.err = fault.New(fault.NotFound, "no CA")
	if _, err := g.connect(g.issue(t, templateOf("new")), hello(mqtt.V5, "new")); err == nil {
		t.Error("it was let in")
	}
}
