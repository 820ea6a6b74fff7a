package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cordon-iot/cordon/internal/config"
)

// signingName is the service of Cordon's own calls in a SigV4 scope.
const signingName = "cordon"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

// callTime bounds one call. The server answers each from its database at once.
const callTime = 30 * time.Second

// connection is how a command reaches a running server.
type connection struct {
	Endpoint string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"API of the server."`
	Region   string `default:"us-east-1" placeholder:"NAME" help:"Region the call is signed for."`
	DataDir  string `default:"./cordon-data" placeholder:"DIR" help:"Where the file root-access-key may be."`
	CABundle string `name:"ca-bundle" placeholder:"FILE" help:"Certificates to trust instead of the system's, PEM."`
	JSON     bool   `name:"json" local:"" help:"Print JSON."`
}

// request is one call of the API.
type request struct {
	doing  string // for errors
	method string
	path   string        // escaped, with its query
	in     any           // nil for no body
	out    any           // pointer, or nil
	wait   time.Duration // for the answer, 0 is callTime
}

// do signs and sends one call and decodes its answer. It does not try twice:
// a call may have been done whose answer was lost.
func (c *connection) do(ctx context.Context, p *Process, r request) error {
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return &usageError{fmt.Errorf("--endpoint: %q is no URL of a server: try http://127.0.0.1:8080", c.Endpoint)}
	}
	key, source, err := c.key(p.Env)
	if err != nil {
		return err
	}
	var body []byte
	if r.in != nil {
		if body, err = json.Marshal(r.in); err != nil {
			return fmt.Errorf("%s: %w", r.doing, err)
		}
	}
	wait := r.wait
	if wait == 0 {
		wait = callTime
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	target := strings.TrimRight(c.Endpoint, "/") + r.path
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", r.doing, err)
	}
	req.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret.Reveal()}
	if source == awsKeyVariable {
		credentials.SessionToken, _ = p.Env(sessionTokenVariable)
	}
	err = v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), signingName, c.Region, time.Now())
	if err != nil {
		return fmt.Errorf("%s: sign: %w", r.doing, err)
	}
	client, err := c.client(p.Transport)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", r.doing, c.explain(err))
	}
	defer resp.Body.Close()
	err = decode(resp, r.out)
	if resp.StatusCode == http.StatusForbidden {
		err = fmt.Errorf("%w\nThe call was signed with the key %s from %s", err, key.ID, source)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.doing, err)
	}
	return nil
}

// pages sends a call for each page of a list, and has take say where the next
// one begins, "" behind the last.
func pages[T any](ctx context.Context, c *connection, p *Process, r request, take func(page *T) (next string)) error {
	path, token := r.path, ""
	for {
		page := new(T)
		r.out = page
		if err := c.do(ctx, p, r); err != nil {
			return err
		}
		next := take(page)
		if next == "" {
			return nil
		}
		if next == token {
			return fmt.Errorf("%s: the server gave the same page twice", r.doing)
		}
		token, r.path = next, path+"?nextToken="+url.QueryEscape(next)
	}
}

// client follows no redirect: a signature is good for one address.
func (c *connection) client(transport http.RoundTripper) (*http.Client, error) {
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.CABundle == "" {
		return client, nil
	}
	pem, err := os.ReadFile(c.CABundle)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--ca-bundle: %w", err)}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, &usageError{fmt.Errorf("--ca-bundle: %s holds no certificate in PEM", c.CABundle)}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client.Transport = t
	return client, nil
}

// explain says what to try when the server was not reached.
func (c *connection) explain(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s: start one with \"cordon serve\", or name another with --endpoint",
			c.Endpoint)
	}
	return err
}

// decode reads the answer into out, or returns the error that it carries in
// the form of AWS REST-JSON.
func decode(resp *http.Response, out any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, out); err != nil {
			return fmt.Errorf("the answer is not that of a Cordon: %w", err)
		}
		return nil
	}
	var answer struct {
		Message string `json:"message"`
	}
	exception := resp.Header.Get("X-Amzn-Errortype")
	if json.Unmarshal(body, &answer) != nil || exception == "" {
		return fmt.Errorf("the answer is not that of a Cordon: %s", resp.Status)
	}
	return &apiError{
		Status: resp.StatusCode, Exception: exception, Message: answer.Message, Request: resp.Header.Get("X-Amzn-Requestid"),
	}
}

// apiError is a refusal by the server.
type apiError struct {
	Status                      int
	Exception, Message, Request string
}

// Error returns all of it.
func (e *apiError) Error() string {
	return fmt.Sprintf("%s: %s (request %s)", e.Exception, e.Message, e.Request)
}

// keyVariables are the environment variables of keys, the more particular first.
var keyVariables = [][2]string{
	{"CORDON_ROOT_ACCESS_KEY_ID", "CORDON_ROOT_SECRET_ACCESS_KEY"},
	{awsKeyVariable, "AWS_SECRET_ACCESS_KEY"},
}

// The token of a session goes with the key of the AWS variables alone.
const (
	awsKeyVariable       = "AWS_ACCESS_KEY_ID"
	sessionTokenVariable = "AWS_SESSION_TOKEN"
)

// key returns what to sign with, and where it was found.
func (c *connection) key(env config.Getenv) (key config.AccessKey, source string, err error) {
	for _, names := range keyVariables {
		id, _ := env(names[0])
		secret, _ := env(names[1])
		switch {
		case id != "" && secret != "":
			return config.AccessKey{ID: id, Secret: config.NewSecret(secret)}, names[0], nil
		case id != "" || secret != "":
			return key, "", &usageError{fmt.Errorf("%s and %s belong together: set both or none", names[0], names[1])}
		}
	}
	path := config.RootKeyFile(c.DataDir)
	key, err = config.ReadAccessKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = &usageError{fmt.Errorf("no key to sign with: set %s and %s, "+
			"or name with --data-dir the directory of a server on this machine (%s does not exist)",
			keyVariables[0][0], keyVariables[0][1], path)}
	}
	return key, path, err
}
