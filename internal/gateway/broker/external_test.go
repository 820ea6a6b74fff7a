package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// outside is an MQTT broker that listens: the embedded one.
type outside struct {
	*Embedded
	address string
	mu      sync.Mutex
	conns   []net.Conn
}

// listen starts one. What greet gives back of a connection is served; it may be
// nil.
func listen(t *testing.T, settings *tls.Config, greet func(net.Conn) net.Conn) *outside {
	t.Helper()
	o := &outside{Embedded: newEmbedded(t, EmbeddedOptions{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.address = l.Addr().String()
	if settings != nil {
		l = tls.NewListener(l, settings)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns = append(o.conns, c)
			o.mu.Unlock()
			go func() {
				if greet != nil {
					if c = greet(c); c == nil {
						return
					}
				}
				_ = o.Serve(scope, c)
			}()
		}
	}()
	return o
}

// cut closes every connection.
func (o *outside) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		_ = c.Close()
	}
	o.conns = nil
}

func newExternal(t *testing.T, o ExternalOptions) *External {
	t.Helper()
	e, err := NewExternal(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, e) })
	return e
}

func TestADeviceIsRefusedWhileTheBrokerIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // Nobody listens there now.
	e := newExternal(t, ExternalOptions{URL: "tcp://" + l.Addr().String()})
	for v, code := range map[mqtt.Version]mqtt.ReasonCode{
		mqtt.V5: mqtt.ServerUnavailable, mqtt.V311: mqtt.RefusedUnavailable,
	} {
		d, ack := connect(t, e, scope, &mqtt.Connect{Version: v, ClientID: "d", CleanStart: true})
		if ack.Code != code {
			t.Errorf("version %d: got %v, want %v", v, ack.Code, code)
		}
		d.gone()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := e.Publish(ctx, scope, &mqtt.Publish{Topic: "a"}); err == nil {
		t.Error("a message was published nowhere")
	}
}

func TestMessagesOfNobodySurviveALostConnection(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		var greet func(net.Conn) net.Conn
		if v == mqtt.V311 { // It does not know MQTT 5.
			greet = onlyOld
		}
		server := listen(t, nil, greet)
		e := newExternal(t, ExternalOptions{URL: "mqtt://" + server.address, Node: "n"})
		d, _ := connect(t, e, scope, staying(SharedPrefix(scope)+"d"))
		d.subscribe("#")
		for _, payload := range []string{"1", "2", "3"} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			m := &mqtt.Publish{Topic: "$aws/x", Payload: []byte(payload),
				Properties: mqtt.Properties{}.AddText(mqtt.ResponseTopic, "r")}
			if err := e.Publish(ctx, scope, m); err != nil {
				t.Fatal(err)
			}
			cancel()
			got := want[*mqtt.Publish](d)
			if got.Topic != "111111111111/us-east-1/$aws/x" || string(got.Payload) != payload {
				t.Errorf("got %+v", got)
			}
			d.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: got.ID})
			d.silent()
			server.cut()
			d.gone()
			d, _ = connect(t, e, scope, staying(SharedPrefix(scope)+"d"))
		}
	}
}

// onlyOld refuses MQTT 5 as brokers do that do not know it.
func onlyOld(c net.Conn) net.Conn {
	connect, err := readConnect(c)
	if err != nil {
		return nil
	}
	if connect.Version == mqtt.V5 {
		_, _ = c.Write([]byte{0x20, 2, 0, 1})
		_ = c.Close()
		return nil
	}
	raw, err := connect.AppendTo(nil, connect.Version)
	if err != nil {
		return nil
	}
	return &replay{Conn: c, first: raw}
}

// replay is a connection of which something was read that is to be read again.
type replay struct {
	net.Conn
	first []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

func TestTheBrokerIsShownCredentials(t *testing.T) {
	name := "device 7"
	for _, tt := range []struct {
		name     string
		username *string
		want     string
	}{
		{"the name of the device, where it is handed on", &name, "device 7/secret"},
		{"Cordon's own otherwise", nil, "cordon/secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shown := make(chan string, 1)
			server := listen(t, nil, func(c net.Conn) net.Conn {
				connect, err := readConnect(c)
				if err != nil || connect.Username == nil {
					shown <- "nothing"
				} else {
					shown <- *connect.Username + "/" + string(connect.Password)
				}
				_ = c.Close()
				return nil
			})
			e := newExternal(t, ExternalOptions{URL: "tcp://" + server.address, Username: "cordon", Password: "secret"})
			c := fresh("d")
			c.Username = tt.username
			d := dial(t, e, scope, c)
			if got := <-shown; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			d.gone()
		})
	}
}

func TestTheBrokerIsTrustedByItsCA(t *testing.T) {
	pair, file := authority(t)
	server := listen(t, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil)
	for _, tt := range []struct {
		name, ca string
		want     mqtt.ReasonCode
	}{
		{"by the CA that is set", file, mqtt.Success},
		{"not by those of the system", "", mqtt.ServerUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExternal(t, ExternalOptions{URL: "tls://" + server.address, CAFile: tt.ca})
			d, ack := connect(t, e, scope, fresh("d"))
			if ack.Code != tt.want {
				t.Errorf("got %v, want %v", ack.Code, tt.want)
			}
			_ = d.conn.Close()
			d.gone()
		})
	}
}

// authority is a server certificate for 127.0.0.1 and a file with what signed it.
func authority(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestURLsOfBrokers(t *testing.T) {
	for _, tt := range []struct {
		name, url, address string
		secure             bool
		wrong              string
	}{
		{"tcp", "tcp://broker:1884", "broker:1884", false, ""},
		{"the port of MQTT", "mqtt://broker", "broker:1883", false, ""},
		{"tls", "tls://[::1]:9", "[::1]:9", true, ""},
		{"the port of MQTT over TLS", "mqtts://broker/", "broker:8883", true, ""},
		{"a password", "tcp://user:hunter2@broker", "", false, "nothing else"},
		{"a password in what is no URL", "tcp://user:hunter2@bro ker:x", "", false, "is none"},
		{"a path", "tcp://broker/mqtt", "", false, "nothing else"},
		{"no host", "tcp://:1883", "", false, "nothing else"},
		{"WebSocket", "ws://broker", "", false, "not tcp:// or tls://"},
		{"nothing", "", "", false, "nothing else"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := NewExternal(ExternalOptions{URL: tt.url})
			if err == nil {
				shut(t, e)
				if tt.wrong != "" || e.address != tt.address || (e.tls != nil) != tt.secure {
					t.Errorf("got %q, TLS %v", e.address, e.tls != nil)
				}
				return
			}
			if tt.wrong == "" || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, tt.wrong)
			}
		})
	}
}
