package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/seal"
	"github.com/cordon-iot/cordon/internal/server"
)

// The rates that calls shall reach with client and server on two cores.
const (
	readGoal  = 15_000
	writeGoal = 5_000
)

// api measures calls of one operation, each signed by itself and verified, from
// clients that keep their connections, against an HTTP server that answers the
// same without looking at what it is asked.
func (m *measurement) api(ctx context.Context) (r *Result, err error) {
	a := &apiRig{spec: m.spec}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.start(ctx, m, "api"); err != nil {
		return nil, err
	}
	loaded, err := a.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("create things: %w", err)
	}
	var last latencies
	round := 0
	r, err = m.compete(ctx, m.spec.Findings,
		contestant{a.name(), 0, func(ctx context.Context) (time.Duration, error) {
			round++
			requests, err := a.requests(ctx, round)
			if err != nil {
				return 0, err
			}
			took, seen, err := flood(ctx, a.address, requests, m.spec.Connections)
			last = append(last, seen...)
			return took, err
		}},
		contestant{"net/http alone", 0, func(ctx context.Context) (time.Duration, error) {
			requests, err := a.requests(ctx, 0)
			if err != nil {
				return 0, err
			}
			took, _, err := flood(ctx, a.bare, requests, m.spec.Connections)
			return took, err
		}},
	)
	if err != nil {
		return nil, err
	}
	r.Database, r.LoadPerSecond = m.spec.database(), loaded
	r.Goal = readGoal
	if m.spec.Kind == Write {
		r.Goal = writeGoal
	}
	r.Latency = last.quantiles()
	return r, nil
}

// caller signs calls of a Cordon.
type caller struct {
	key     config.AccessKey
	address string
}

// apiRig is a Cordon with its front door, and a server that does nothing.
type apiRig struct {
	caller
	spec    Spec
	dir     string
	bare    string
	end     context.CancelFunc
	done    chan error
	nothing *http.Server
}

// rootKey is that of a database which is removed.
func rootKey() config.AccessKey {
	return config.AccessKey{ID: "AKIABENCHBENCHBENCH0", Secret: config.NewSecret("a-key-of-a-database-that-is-removed")}
}

// settings are those of a server whose files are in a directory, on PostgreSQL
// if there is a URL.
func settings(dir, databaseURL string) (config.Config, error) {
	key := rootKey()
	cfg := config.Config{
		DataDir: filepath.Join(dir, "data"), DatabaseURL: config.NewSecret(databaseURL), Quotas: "default",
		Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", AccountID: scope.Account, Region: scope.Region,
		Roles: "trust", LogFormat: "text", RootAccessKeyID: key.ID, RootSecretAccessKey: key.Secret,
	}
	if databaseURL == "" {
		return cfg, nil
	}
	cfg.SecretsKeyFile = filepath.Join(dir, "master-key")
	_, err := seal.LoadKeyFile(cfg.SecretsKeyFile, true)
	return cfg, err
}

func (a *apiRig) start(ctx context.Context, m *measurement, name string) error {
	o, err := m.home.create(ctx, name)
	if err != nil {
		return err
	}
	if a.dir, err = os.MkdirTemp(m.spec.Dir, "cordon-bench-"); err != nil {
		return err
	}
	a.key = rootKey()
	cfg, err := settings(a.dir, o.URL)
	if err != nil {
		return err
	}
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	s, err := server.Start(own, cfg, m.log, server.Options{})
	if err != nil {
		end()
		return err
	}
	a.end, a.done = end, make(chan error, 1)
	go func() { a.done <- s.Run(own) }()
	a.address = strings.TrimPrefix(s.URL(), "http://")
	return a.startBare(ctx)
}

// startBare answers every request with as much as DescribeThing does.
func (a *apiRig) startBare(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := []byte(strings.Repeat("x", 300))
	a.bare = l.Addr().String()
	a.nothing = &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(body) // a client that left is no failure
		}),
	}
	go func() { _ = a.nothing.Serve(l) }() // until it is closed
	return nil
}

func (a *apiRig) close() error {
	var errs []error
	if a.nothing != nil {
		errs = append(errs, a.nothing.Close())
	}
	if a.end != nil {
		a.end()
		errs = append(errs, <-a.done)
	}
	if a.dir != "" {
		errs = append(errs, os.RemoveAll(a.dir))
	}
	return errors.Join(errs...)
}

func (a *apiRig) name() string {
	operation := "DescribeThing"
	if a.spec.Kind == Write {
		operation = "CreateThing"
	}
	return fmt.Sprintf("%s, %d connections", operation, a.spec.Connections)
}

// load creates the things that are there when calls are measured, and says how
// many a second that were.
func (a *apiRig) load(ctx context.Context) (float64, error) {
	requests := make([][]byte, a.spec.Certificates)
	for i := range requests {
		var err error
		if requests[i], err = a.create(ctx, thingName(0, i)); err != nil {
			return 0, err
		}
	}
	took, _, err := flood(ctx, a.address, requests, a.spec.Connections)
	return float64(len(requests)) / took.Seconds(), err
}

func thingName(round, i int) string { return fmt.Sprintf("thing-%d-%07d", round, i) }

// requests are those of a round, all different and signed.
func (a *apiRig) requests(ctx context.Context, round int) (list [][]byte, err error) {
	list = make([][]byte, a.spec.Findings)
	for i := range list {
		if a.spec.Kind == Write {
			list[i], err = a.create(ctx, thingName(round, i))
		} else {
			list[i], err = a.sign(ctx, http.MethodGet, "/things/"+thingName(0, i%a.spec.Certificates), "")
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (a *apiRig) create(ctx context.Context, name string) ([]byte, error) {
	const body = `{"attributePayload":{"attributes":{"model":"pump","site":"north"}}}`
	return a.sign(ctx, http.MethodPost, "/things/"+name, body)
}

// sign makes a request as it goes over the wire.
func (a *caller) sign(ctx context.Context, method, path, body string) ([]byte, error) {
	u := &url.URL{Scheme: "http", Host: a.address, Path: path}
	r := &http.Request{Method: method, URL: u, Host: a.address, Header: http.Header{}, ContentLength: int64(len(body))}
	hash := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: a.key.ID, SecretAccessKey: a.key.Secret.Reveal()}
	err := signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(hash[:]), "iot", scope.Region, time.Now())
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, u.Path, a.address, r.Header.Get("X-Amz-Date"), r.Header.Get("Authorization"), len(body), body)
	return []byte(b.String()), nil
}

// client is the AWS SDK.
func (a *caller) client() *iot.Client {
	return iot.New(iot.Options{
		BaseEndpoint: new("http://" + a.address), Region: scope.Region,
		Credentials: credentials.NewStaticCredentialsProvider(a.key.ID, a.key.Secret.Reveal(), ""),
	})
}

// signer keeps the key that it derived for the day.
var signer = v4.NewSigner()
