package server_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/server"
)

// lastRead is how long it may be since a gateway has read its database.
const lastRead = time.Second

// wire is a way to PostgreSQL that can be cut.
type wire struct {
	to  string
	mu  sync.Mutex
	cut bool
	all map[net.Conn]bool
}

// newWire changes settings so that they lead through a wire.
func newWire(t *testing.T, cfg *config.Config) *wire {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	u := must[*url.URL](t)(url.Parse(cfg.DatabaseURL.Reveal()))
	query := u.Query()
	w := &wire{to: filepath.Join(query.Get("host"), socket), all: map[net.Conn]bool{}}
	// The name of a socket is short, and that of a test need not be.
	dir := must[string](t)(os.MkdirTemp("", "wire-"))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := must[net.Listener](t)(net.Listen("unix", filepath.Join(dir, socket)))
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	cfg.DatabaseURL = config.NewSecret(u.String())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		w.set(true)
	})
	return w
}

func (w *wire) carry(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	dead := w.cut
	if !dead {
		w.all[conn], w.all[far] = true, true
	}
	w.mu.Unlock()
	if dead {
		return
	}
	go func() {
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	}()
	_, _ = io.Copy(conn, far)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, conn)
	delete(w.all, far)
}

// set cuts the wire or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for conn := range w.all {
		if cut {
			_ = conn.Close()
		}
	}
}

// awaitHealth waits until the process is ready, or is not.
func (p *process) awaitHealth(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(cordontest.Deadline)
	for p.health(t, "/readyz") != want {
		if time.Now().After(deadline) {
			t.Fatalf("/readyz is not %d", want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestWithoutTheDatabaseNobodyIsLetInAndLiveOnesStayForAWhile cuts a gateway off
// from its database, to which another one changes what the first cannot read.
func TestWithoutTheDatabaseNobodyIsLetInAndLiveOnesStayForAWhile(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "postgres")
	c := cordontest.Start(t, cfg, server.Options{})
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	short, long := cordontest.NewDevice(t, c.IoT(), "all"), cordontest.NewDevice(t, c.IoT(), "all")
	shortTLS, longTLS := c.DeviceTLS(t, short, cordontest.Home), c.DeviceTLS(t, long, cordontest.Home)

	patient := cfg
	w := newWire(t, &patient)
	patient.GatewayStaleLimit = 10 * time.Second
	p := start(t, patient)
	d, err := enters(t, p.mqtt, shortTLS, cordontest.Hello(mqtt.V5, "short"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := enters(t, p.mqtt, longTLS, cordontest.Hello(mqtt.V5, "long"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.set(true)
	short.SetStatus(t, c.IoT(), types.CertificateStatusInactive)
	p.awaitHealth(t, http.StatusServiceUnavailable)
	t.Logf("not ready after %s", time.Since(began))
	if _, err := enters(t, p.mqtt, longTLS, cordontest.Hello(mqtt.V5, "new")); err == nil {
		t.Error("a device was let in whose rights cannot be read")
	}
	if err := kept.Ping(); err != nil && time.Since(began) < patient.GatewayStaleLimit {
		t.Errorf("a live connection ended before the limit: %v", err)
	}
	if _, err := kept.Ended(); err != nil {
		t.Errorf("a connection outlived the limit: %v", err)
	}
	took := time.Since(began)
	t.Logf("dropped after %s", took)
	// The limit counts from the last time that the database was read.
	if least := patient.GatewayStaleLimit - lastRead; took < least {
		t.Errorf("dropped after %s, want %s at least", took, least)
	}
	if _, err := d.Ended(); err != nil {
		t.Errorf("a connection outlived the limit: %v", err)
	}

	w.set(false)
	p.awaitHealth(t, http.StatusOK)
	if _, err := enters(t, p.mqtt, shortTLS, cordontest.Hello(mqtt.V5, "short")); err == nil {
		t.Error("let in with a certificate that was deactivated meanwhile")
	}
	if kept, err = enters(t, p.mqtt, longTLS, cordontest.Hello(mqtt.V5, "long")); err != nil {
		t.Fatal(err)
	}
	w.set(true)
	long.SetStatus(t, c.IoT(), types.CertificateStatusInactive)
	w.set(false)
	if code, err := kept.Ended(); err != nil || code != 0 && code != mqtt.AdministrativeAction {
		t.Errorf("got %s, %v, want the end of a connection whose certificate was deactivated meanwhile", code, err)
	}
	p.terminate(t)
}
