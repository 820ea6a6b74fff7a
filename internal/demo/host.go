package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/server"
)

// Where the fleet lives. The policies name both.
const (
	account = "000000000000"
	region  = "us-east-1"
)

// callers is how many calls are made at a time. The database commits the writes
// of all of them together.
const callers = 32

// host is a server of this process, on a directory of its own.
type host struct {
	dir         string // temporary
	url         string
	mqtt, pki   string // addresses of the gateway and of what it is known by
	credentials string // file, in the form of AWS
	key         config.AccessKey
	calls       atomic.Int64

	end  context.CancelFunc
	done chan error
}

// startHost starts a server on free ports of loopback. The context that it
// returns ends with ctx, and when the server does. The server itself ends by
// stop alone, after those who call it.
func startHost(ctx context.Context) (*host, context.Context, error) {
	dir, err := os.MkdirTemp("", "cordon-demo-")
	if err != nil {
		return nil, nil, err
	}
	h := &host{dir: dir, done: make(chan error, 1)}
	ctx, err = h.start(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return h, ctx, nil
}

func (h *host) start(ctx context.Context) (context.Context, error) {
	cfg := config.Config{
		DataDir: filepath.Join(h.dir, "data"), Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0",
		MQTTListen: "127.0.0.1:0", PKIListen: "127.0.0.1:0", EndpointDomain: "iot.localhost",
		GatewayStaleLimit: time.Minute, GatewayQueueMessages: 1000, GatewayQueueBytes: 1 << 20,
		GatewaySessionExpiry: time.Hour, AccountID: account, Region: region, Quotas: "default", LogFormat: "text",
	}
	log, err := os.OpenFile(h.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	s, err := server.Start(own, cfg, slog.New(slog.NewTextHandler(log, nil)), server.Options{})
	if err != nil {
		end()
		return nil, errors.Join(err, log.Close())
	}
	ctx, lost := context.WithCancel(ctx)
	h.url, h.mqtt, h.pki, h.end = s.URL(), s.MQTTAddr(), s.PKIURL(), end
	go func() {
		err := s.Run(own)
		lost()
		h.done <- errors.Join(err, log.Close())
	}()
	h.credentials = cfg.RootKeyFile()
	if h.key, err = config.ReadAccessKey(h.credentials); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	return ctx, nil
}

// stop ends the server and removes its directory.
func (h *host) stop() error {
	h.end()
	return errors.Join(<-h.done, os.RemoveAll(h.dir))
}

func (h *host) logFile() string { return filepath.Join(h.dir, "server.log") }

// maxComplaints is how many lines of the log are shown.
const maxComplaints = 5

// complain shows the last errors of the server's log, which goes with the
// directory.
func (h *host) complain(w io.Writer) {
	text, _ := os.ReadFile(h.logFile()) // without it there is nothing to show
	var errs []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " level=ERROR ") {
			errs = append(errs, line)
		}
	}
	for _, line := range errs[max(0, len(errs)-maxComplaints):] {
		fmt.Fprintf(w, "server: %s", line)
	}
}

// client is the AWS SDK with the root key, its calls counted.
func (h *host) client() *iot.Client {
	return iot.New(iot.Options{
		BaseEndpoint: &h.url, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(h.key.ID, h.key.Secret.Reveal(), ""),
		HTTPClient:  h.http(),
		Retryer:     aws.NopRetryer{}, // a server that has to be asked twice is worth an error here
	})
}

// iam is the SDK's client of IAM with the root key.
func (h *host) iam() *iam.Client {
	return iam.New(iam.Options{
		BaseEndpoint: &h.url, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(h.key.ID, h.key.Secret.Reveal(), ""),
		HTTPClient:  h.http(), Retryer: aws.NopRetryer{},
	})
}

// http is a client for calls, which are counted.
func (h *host) http() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the server is on loopback
	transport.MaxIdleConnsPerHost = callers
	return &http.Client{Transport: &meter{transport, &h.calls}}
}

// meter counts calls.
type meter struct {
	next  http.RoundTripper
	calls *atomic.Int64
}

// RoundTrip makes a call.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	m.calls.Add(1)
	return m.next.RoundTrip(r)
}
