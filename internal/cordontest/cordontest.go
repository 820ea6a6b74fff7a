// Package cordontest runs a whole Cordon inside a test: a fresh database, real
// listeners on loopback, and the AWS SDK for Go as its client.
package cordontest

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/seal"
	"github.com/cordon-iot/cordon/internal/server"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// Account, Region and the root key of every Cordon under test.
const (
	Account = "000000000000"
	Region  = "us-east-1"
	RootID  = "AKIAROOTROOTROOTROOT"
	// EndpointDomain is what stands behind the names of endpoints.
	EndpointDomain = "iot.localhost"
	RootToken      = "not-a-secret-not-a-secret-not-a-secret-1"
)

// Deadline is how long a test waits for something that takes milliseconds, or
// some seconds under the race detector on a busy machine.
const Deadline = 3 * time.Minute

// Databases are the databases that a test of behaviour runs on.
var Databases = []string{"sqlite", "postgres"}

// OnEach runs a test with a fresh Cordon on each database.
func OnEach(t *testing.T, test func(t *testing.T, c *Cordon)) {
	t.Helper()
	for _, database := range Databases {
		t.Run(database, func(t *testing.T) { test(t, Start(t, Settings(t, database), server.Options{})) })
	}
}

// Settings are those of a fresh Cordon on a database, "sqlite" or "postgres",
// whose tables are there and empty.
func Settings(t testing.TB, database string) config.Config {
	t.Helper()
	if database == "postgres" {
		return settings(t, tables.URL(t))
	}
	cfg := settings(t, "")
	files.Copy(t, cfg.DataDir)
	return cfg
}

// EmptySettings are Settings with an empty database.
func EmptySettings(t testing.TB, database string) config.Config {
	t.Helper()
	if database == "postgres" {
		return settings(t, pgtest.URL(t))
	}
	return settings(t, "")
}

func settings(t testing.TB, databaseURL string) config.Config {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Config{
		DataDir: dir, Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", PKIListen: "127.0.0.1:0",
		AccountID: Account, Region: Region,
		MQTTListen: "127.0.0.1:0", EndpointDomain: EndpointDomain, GatewayStaleLimit: time.Minute,
		GatewayQueueMessages: 10_000, GatewayQueueBytes: 4 << 20, GatewaySessionExpiry: time.Hour,
		RootAccessKeyID: RootID, RootSecretAccessKey: config.NewSecret(RootToken), LogFormat: "text",
		Roles: "trust",
	}
	if databaseURL != "" {
		cfg.DatabaseURL = config.NewSecret(databaseURL)
		cfg.SecretsKeyFile = filepath.Join(dir, "shared-key")
		if _, err := seal.LoadKeyFile(cfg.SecretsKeyFile, true); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

// Cordon is a server under test.
type Cordon struct {
	*server.Server
	stop context.CancelFunc
	done chan error
}

// Start runs a server until the test ends. Its counts are those of AWS unless
// the options say otherwise; no call is throttled.
func Start(t testing.TB, cfg config.Config, o server.Options) *Cordon {
	t.Helper()
	if o.Quotas == nil {
		counts := *quota.AWS
		counts.Rates = quota.Rates{}
		o.Quotas = &counts
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Start(ctx, cfg, slog.New(slog.NewTextHandler(logWriter(t), nil)), o)
	if err != nil {
		cancel()
		t.Fatalf("start Cordon: %v", err)
	}
	c := &Cordon{Server: s, stop: cancel, done: make(chan error, 1)}
	go func() { c.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stop Cordon: %v", err)
		}
	})
	return c
}

// logWriter shows the log of a test that fails.
func logWriter(t testing.TB) io.Writer { return t.Output() }

// Stop ends the server as a signal would, and waits for it.
func (c *Cordon) Stop() error {
	c.stop()
	err := <-c.done
	c.done <- err // for whoever asks again
	return err
}

// IoT is a client with the operator's root key.
func (c *Cordon) IoT() *iot.Client { return Client(c.URL(), RootID, RootToken) }

// IoTIn is a client with the operator's root key for another region.
func (c *Cordon) IoTIn(region string) *iot.Client {
	o := c.IoT().Options()
	o.Region = region
	return iot.New(o)
}

// StartHeld runs a server whose workflows of a kind are held by a gate. The
// gate opens when the test ends.
func StartHeld(t testing.TB, database, kind string) (*Cordon, *Gate) {
	t.Helper()
	g := NewGate(kind)
	c := Start(t, Settings(t, database), server.Options{Hook: g.Hook})
	t.Cleanup(g.Open)
	return c, g
}

// Client is a client with any key. It does not retry: a test sees every
// answer.
func Client(url, id, secret string) *iot.Client {
	return iot.New(iot.Options{
		BaseEndpoint: aws.String(url), Region: Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// NewAccount makes another account, in the database, and returns a client with
// its root key.
func (c *Cordon) NewAccount(t testing.TB, id string) *iot.Client {
	t.Helper()
	key, err := c.Identity().CreateAccount(context.Background(), id, "")
	if err != nil {
		t.Fatalf("create account: %v", err)
	}
	return Client(c.URL(), key.ID, key.Secret)
}
