package cordontest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	paho4 "github.com/eclipse/paho.mqtt.golang"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// talk is a Cordon with devices whose certificates boto3 made. Two of them are
// ours, and speak with the client of somebody else that has the third: one asks
// until it answers, the other hears the answer.
type talk struct {
	*cordontest.Cordon
	asking, hearing, theirs *cordontest.Device
	endpoint                string
	ca, cert, key           string // files, of theirs
}

// made is what devices.py prints.
type made struct {
	Endpoint string
	Devices  []struct{ ID, Certificate, Key string }
}

func newTalk(t *testing.T) *talk {
	python := cordontest.Python(t)
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cmd := exec.CommandContext(t.Context(), python, "testdata/devices.py", "3")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+cordontest.RootID,
		"AWS_SECRET_ACCESS_KEY="+cordontest.RootToken, "AWS_DEFAULT_REGION="+cordontest.Region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"ENDPOINT="+c.URL())
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("boto3: %v", err)
	}
	var m made
	if err := json.Unmarshal(out, &m); err != nil || len(m.Devices) != 3 {
		t.Fatalf("boto3 printed %s: %v", out, err)
	}
	w := &talk{Cordon: c, endpoint: m.Endpoint}
	for i, d := range []**cordontest.Device{&w.asking, &w.hearing, &w.theirs} {
		pair, err := tls.X509KeyPair([]byte(m.Devices[i].Certificate), []byte(m.Devices[i].Key))
		if err != nil {
			t.Fatal(err)
		}
		*d = &cordontest.Device{ID: m.Devices[i].ID, Certificate: pair}
	}
	w.writeFiles(t, m.Devices[2].Certificate, m.Devices[2].Key)
	return w
}

func (w *talk) writeFiles(t *testing.T, certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	w.ca, w.cert, w.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string]string{
		w.ca: w.GatewayCA(t), w.cert: certificate, w.key: key,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// conversation asks on a topic again and again, until an answer has come on
// another or the test ends: nobody need know when the other side listens.
func (w *talk) conversation(t *testing.T, name string, v mqtt.Version) (answer func() string) {
	t.Helper()
	hearing := w.MustConnect(t, w.hearing, cordontest.Hello(v, "hears-"+name))
	if codes, err := hearing.Subscribe(1, "talk/"+name+"/answer"); err != nil || codes[0] != 1 {
		t.Fatalf("subscribe: %v, %v", codes, err)
	}
	asking := w.MustConnect(t, w.asking, cordontest.Hello(v, "asks-"+name))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ask(ctx, asking, "talk/"+name+"/question") }()
	return func() string {
		t.Helper()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		m, err := hearing.Message()
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Payload)
	}
}

func ask(ctx context.Context, asking *mqtttest.Client, topic string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := asking.Publish(topic, "hello", 1); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func TestTheClientsOfOthersTalk(t *testing.T) {
	t.Parallel()
	w := newTalk(t)
	t.Run("mosquitto_sub and mosquitto_pub in 3.1.1", func(t *testing.T) { w.mosquitto(t, mqtt.V311) })
	t.Run("mosquitto_sub and mosquitto_pub in 5", func(t *testing.T) {
		w.mosquitto(t, mqtt.V5, "--tls-alpn", "x-amzn-mqtt-ca")
	})
	t.Run("paho for Go in 3.1.1", func(t *testing.T) { w.paho4(t, "ssl://"+w.MQTTAddr()) })
	t.Run("paho for Go in 3.1.1 by WebSocket", func(t *testing.T) {
		w.paho4(t, "wss://"+w.MQTTAddr()+"/mqtt", "http/1.1")
	})
	t.Run("paho for Go in 5", w.paho5)
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		name := map[mqtt.Version]string{mqtt.V311: "3.1.1", mqtt.V5: "5"}[v]
		t.Run("MQTT.js in "+name, func(t *testing.T) { w.mqttjs(t, v, "mqtts://"+w.MQTTAddr()) })
		t.Run("MQTT.js in "+name+" by WebSocket", func(t *testing.T) { w.mqttjs(t, v, "wss://"+w.MQTTAddr()+"/mqtt") })
	}
}

func (w *talk) mosquitto(t *testing.T, v mqtt.Version, more ...string) {
	pub, sub := cordontest.MosquittoClient(t, "mosquitto_pub"), cordontest.MosquittoClient(t, "mosquitto_sub")
	name := map[mqtt.Version]string{mqtt.V311: "mqttv311", mqtt.V5: "mqttv5"}[v]
	host, port, _ := strings.Cut(w.MQTTAddr(), ":")
	common := append([]string{"-h", host, "-p", port, "--cafile", w.ca, "--cert", w.cert, "--key", w.key, "-V", name,
		"-q", "1"}, more...)
	answer := w.conversation(t, name, v)
	heard := run(t, sub, append(common, "-i", name+"-sub", "-t", "talk/"+name+"/question", "-C", "1")...)
	if heard != "hello\n" {
		t.Errorf("mosquitto_sub heard %q", heard)
	}
	run(t, pub, append(common, "-i", name+"-pub", "-t", "talk/"+name+"/answer", "-m", "answer to hello")...)
	if got := answer(); got != "answer to hello" {
		t.Errorf("mosquitto_pub was heard as %q", got)
	}
}

// tls is how their device connects where it asks for these protocols.
func (w *talk) tls(t *testing.T, protocols ...string) *tls.Config {
	cfg := w.DeviceTLS(t, w.theirs, cordontest.Home)
	cfg.NextProtos = protocols
	return cfg
}

// run runs a program and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cordontest.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(name), err)
	}
	return string(out)
}

func (w *talk) mqttjs(t *testing.T, v mqtt.Version, url string) {
	const dir = "testdata/mqttjs"
	node := cordontest.MQTTJS(t, dir)
	name := "js"
	answer := w.conversation(t, name, v)
	with, err := json.Marshal(map[string]any{
		"url": url, "version": v, "clientId": "client-js", "ca": w.ca, "cert": w.cert, "key": w.key,
		"servername": w.endpoint, "listen": "talk/js/question", "answer": "talk/js/answer",
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, node, filepath.Join(dir, "answer.js"), string(with))
	if got := answer(); got != "answer to hello" {
		t.Errorf("MQTT.js was heard as %q", got)
	}
}

func (w *talk) paho4(t *testing.T, url string, protocols ...string) {
	answer := w.conversation(t, "paho4", mqtt.V311)
	done := func(token paho4.Token) {
		t.Helper()
		if !token.WaitTimeout(cordontest.Deadline) || token.Error() != nil {
			t.Fatalf("paho: %v", token.Error())
		}
	}
	client := paho4.NewClient(paho4.NewClientOptions().AddBroker(url).SetTLSConfig(w.tls(t, protocols...)).
		SetClientID("client-paho4").SetProtocolVersion(4).SetAutoReconnect(false))
	done(client.Connect())
	heard := make(chan string, 1000)
	done(client.Subscribe("talk/paho4/+", 1, func(_ paho4.Client, m paho4.Message) {
		heard <- m.Topic() + " " + string(m.Payload())
	}))
	if got := <-heard; got != "talk/paho4/question hello" {
		t.Errorf("paho heard %q", got)
	}
	done(client.Unsubscribe("talk/paho4/+"))
	done(client.Publish("talk/paho4/answer", 1, false, "answer to hello"))
	if got := answer(); got != "answer to hello" {
		t.Errorf("paho was heard as %q", got)
	}
	client.Disconnect(1000)
}

func (w *talk) paho5(t *testing.T) {
	answer := w.conversation(t, "paho5", mqtt.V5)
	ctx, cancel := context.WithTimeout(t.Context(), cordontest.Deadline)
	defer cancel()
	conn, err := mqtttest.Dial(w.MQTTAddr(), w.tls(t, "x-amzn-mqtt-ca"))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan *paho.Publish, 1000)
	client := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) { heard <- p.Packet; return true, nil },
	}})
	ack, err := client.Connect(ctx, &paho.Connect{ClientID: "client-paho5", CleanStart: true, KeepAlive: 30})
	if err != nil || ack.ReasonCode != 0 {
		t.Fatalf("paho connects: %+v, %v", ack, err)
	}
	if _, err := client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: "talk/paho5/question", QoS: 1}},
	}); err != nil {
		t.Fatalf("paho subscribes: %v", err)
	}
	if got := <-heard; string(got.Payload) != "hello" {
		t.Errorf("paho heard %q", got.Payload)
	}
	if _, err := client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: "forbidden/#", QoS: 1}},
	}); err == nil {
		t.Error("paho was let subscribe to what no policy allows")
	}
	if _, err := client.Publish(ctx, &paho.Publish{
		Topic: "talk/paho5/answer", QoS: 1, Payload: []byte("answer to hello"),
	}); err != nil {
		t.Fatalf("paho publishes: %v", err)
	}
	if got := answer(); got != "answer to hello" {
		t.Errorf("paho was heard as %q", got)
	}
	if err := client.Disconnect(&paho.Disconnect{}); err != nil {
		t.Error(err)
	}
}
