package awswire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/fault"
)

// greeting is input and output of the operation Greet, in the form of
// generated code.
type greeting struct {
	Name  *string    `wire:"name"`
	Loud  *bool      `wire:"loud"`
	Extra []greeting `wire:"extra"`
}

func (v *greeting) bind(q *restjson.Request) {
	v.Name = q.Label("name", "name").String()
	q.JSON(v.decode)
}

func (v *greeting) decode(r *restjson.Reader) {
	r.Object(func(name string) bool {
		switch name {
		case "loud":
			v.Loud = r.Bool()
		case "extra":
			v.Extra = restjson.List(r, restjson.Item((*greeting).decode))
		default:
			return false
		}
		return true
	})
}

func (v *greeting) check(c *restjson.Checker) {
	c.Text("name", v.Name, &restjson.TextRule{Max: 20})
}

func (v *greeting) encode(w *restjson.Writer) {
	w.Begin('{')
	w.String("name", v.Name)
	w.End('}')
}

func greet(name, method, path string) Operation[greeting, greeting] {
	return Operation[greeting, greeting]{
		Fact:   Fact{Name: name, Method: method, Path: path},
		Decode: (*greeting).bind, Validate: (*greeting).check, Encode: (*greeting).encode,
	}
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// keyRing is access keys by their id.
type keyRing map[string]Key

func (k keyRing) Credential(_ context.Context, id, token string) (Key, error) {
	if id == "BROKEN" {
		return Key{}, errors.New("disk on fire")
	}
	key, ok := k[id]
	if !ok || token != key.UserID {
		return Key{}, fault.New(fault.NotFound, "no such key")
	}
	return key, nil
}

var keys = keyRing{
	"GOOD":     {Account: "000000000001", Secret: "secret", Operator: true, ARN: "arn:root", Principal: 7},
	"DISABLED": {Account: "000000000002", Secret: "secret", Disabled: true},
	// The token of a session is its UserID.
	"SESSION": {Account: "000000000001", Secret: "secret", UserID: "AROA:me"},
	"OVER":    {Account: "000000000001", Secret: "secret", UserID: "AROA:old", Expired: true},
}

// bench is a server with the operation Greet of the service "hello".
type bench struct {
	*httptest.Server
	log     bytes.Buffer
	records chan Record
}

func newBench(t *testing.T, cfg Config, op Served, more ...Fact) *bench {
	t.Helper()
	b := &bench{records: make(chan Record, 100)}
	cfg.Keys = keys
	s := Service{}
	if cfg.Services != nil {
		s = cfg.Services[0]
	}
	s.SigningName, s.Operations, s.Known = "hello", []Served{op}, append(more, op.Fact())
	cfg.Services = []Service{s}
	cfg.Now = func() time.Time { return now }
	cfg.Log = slog.New(slog.NewTextHandler(&b.log, nil))
	cfg.Observe = func(_ context.Context, r Record) { b.records <- r }
	h, err := NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Server = httptest.NewServer(h)
	t.Cleanup(b.Close)
	return b
}

// sent is a request and who signs it.
type sent struct {
	method, path, body string
	key, secret, token string
	service            string
	unsigned           bool
}

func (b *bench) send(t *testing.T, s sent) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), s.method, b.URL+s.path, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	if !s.unsigned {
		sum := sha256.Sum256([]byte(s.body))
		credentials := aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret, SessionToken: s.token}
		err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), s.service, "eu-west-1", now)
		if err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("got body %q of status %d, want JSON: %v", text, resp.StatusCode, err)
	}
	return resp, body
}

// signed is a good call, with the changes given.
func signed(changes ...func(*sent)) sent {
	s := sent{method: "POST", path: "/greet/you", key: "GOOD", secret: "secret", service: "hello"}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func echo(_ context.Context, in *greeting) (*greeting, error) { return in, nil }

func TestAnswer(t *testing.T) {
	var caller Caller
	var id string
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"),
		func(ctx context.Context, in *greeting) (*greeting, error) {
			caller, id = CallerFrom(ctx), RequestID(ctx)
			return in, nil
		}))
	resp, body := b.send(t, signed())
	if resp.StatusCode != 200 || body["name"] != "you" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %v, want 200 with the name", resp.StatusCode, resp.Header, body)
	}
	if got := resp.Header.Get("x-amzn-RequestId"); got == "" || got != id {
		t.Errorf("got request id %q, want %q", got, id)
	}
	want := Caller{
		AccessKeyID: "GOOD", Account: "000000000001", Region: "eu-west-1", Operator: true, ARN: "arn:root", Principal: 7,
		SourceIP: "127.0.0.1", UserAgent: "Go-http-client/1.1",
	}
	if caller != want {
		t.Errorf("got caller %+v, want %+v", caller, want)
	}
	rec := <-b.records
	if !reflect.DeepEqual(rec, Record{
		Target: Target{"hello", "Greet"}, Caller: want, RequestID: id, Status: 200, Needs: []Need{{Action: "hello:Greet"}},
		Time: now,
	}) {
		t.Errorf("got record %+v, want that of the call", rec)
	}
}

type begunKey struct{}

// TestTheRecordOfACallIsBegun takes calls through with a Begin that marks the
// context.
func TestTheRecordOfACallIsBegun(t *testing.T) {
	type mark struct {
		context.Context
		Record
	}
	began, seen := make(chan Record, 2), make(chan any, 2)
	observed := make(chan mark, 2)
	op := Op(greet("Greet", "POST", "/greet/{name}"), func(ctx context.Context, in *greeting) (*greeting, error) {
		seen <- ctx.Value(begunKey{})
		return in, nil
	})
	h, err := NewHandler(Config{
		Keys: keys, Services: []Service{{SigningName: "hello", Operations: []Served{op}, Known: []Fact{op.Fact()}}},
		Now: func() time.Time { return now },
		Begin: func(ctx context.Context, r Record) context.Context {
			began <- r
			return context.WithValue(ctx, begunKey{}, r.RequestID)
		},
		Observe: func(ctx context.Context, r Record) { observed <- mark{ctx, r} },
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Server: httptest.NewServer(h)}
	t.Cleanup(b.Close)
	b.send(t, signed())
	first, end := <-began, <-observed
	if id := <-seen; id != first.RequestID || end.Value(begunKey{}) != id || first.Caller.AccessKeyID != "GOOD" ||
		!first.Time.Equal(now) || len(first.Needs) != 1 {
		t.Errorf("got id %v at the operation and %v in the end, want that of %+v", id, end.Value(begunKey{}), first)
	}
	wrong := signed()
	wrong.secret = "other"
	b.send(t, wrong)
	end = <-observed
	if end.Value(begunKey{}) != nil || end.Exception != "InvalidSignatureException" || end.Message == "" {
		t.Errorf("got %v and %+v for a call that is refused, want none begun and its text", end.Value(begunKey{}), end.Record)
	}
	if len(began) > 0 {
		t.Errorf("got %+v begun, want nothing", <-began)
	}
}

func TestNilOutputIsAnEmptyObject(t *testing.T) {
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"),
		func(context.Context, *greeting) (*greeting, error) { return nil, nil }))
	if resp, body := b.send(t, signed()); resp.StatusCode != 200 || len(body) != 0 {
		t.Errorf("got %d %v, want 200 {}", resp.StatusCode, body)
	}
}

// TestOrder gives requests that are wrong in several ways: the earliest stage
// of the pipeline is the one that answers.
func TestOrder(t *testing.T) {
	huge := func(s *sent) { s.body = strings.Repeat(" ", MaxBody+1) }
	badKey := func(s *sent) { s.key = "NOBODY" }
	malformed := func(s *sent) { s.body = "{" }
	denied := func(s *sent) { s.path = "/greet/denied-and-far-too-long" }
	session := func(id, token string) func(*sent) { return func(s *sent) { s.key, s.token = id, token } }
	invalid := func(s *sent) { s.path = "/greet/only-far-too-long-a-name" }
	b := newBench(t, Config{
		Authorize: func(_ context.Context, _ Target, needs []Need) error {
			if strings.Contains(needs[0].Resource, "denied") {
				return fault.New(fault.Denied, "not you")
			}
			return nil
		},
		Services: []Service{{Access: map[string]Access{
			"Greet": On(func(_ context.Context, in *greeting) []Need {
				if strings.Contains(*in.Name, "unknown") {
					return []Need{{Err: fault.New(fault.Unavailable, "try again")}}
				}
				return []Need{{Action: "hello:Greet", Resource: *in.Name}}
			}),
		}}},
	}, Op(greet("Greet", "POST", "/greet/{name}"), func(context.Context, *greeting) (*greeting, error) {
		return nil, fault.New(fault.NotFound, "nobody here")
	}), Fact{Name: "Known", Method: "GET", Path: "/known"})
	for _, tt := range []struct {
		name   string
		s      sent
		status int
		want   string
		text   string
	}{
		{"no signature", signed(huge, func(s *sent) { s.unsigned = true }), 403, "MissingAuthenticationTokenException", ""},
		{"another service", signed(huge, func(s *sent) { s.service = "sts" }), 403, "InvalidSignatureException", "scoped"},
		{"an unknown path", signed(huge, func(s *sent) { s.path = "/gret/you" }), 404, "UnknownOperationException", ""},
		{"an operation that is known only", signed(badKey, func(s *sent) { s.method, s.path = "GET", "/known" }), 404,
			"UnknownOperationException", "Known is not served"},
		{"a huge body", signed(huge, badKey), 400, "InvalidRequestException", "larger than 1048576"},
		{"an unknown key", signed(badKey, malformed), 403, "UnrecognizedClientException", "security token"},
		{"a disabled key", signed(func(s *sent) { s.key = "DISABLED" }), 403, "UnrecognizedClientException", ""},
		{"a wrong secret", signed(malformed, func(s *sent) { s.secret = "x" }), 403, "InvalidSignatureException", ""},
		{"a token with a key that has none", signed(session("GOOD", "t")), 403, "UnrecognizedClientException", ""},
		{"the token of another session", signed(session("SESSION", "AROA:old")), 403, "UnrecognizedClientException", ""},
		{"a session without its token", signed(session("SESSION", "")), 403, "UnrecognizedClientException", ""},
		{"a session that is over", signed(malformed, session("OVER", "AROA:old")), 403, "ExpiredTokenException", "expired"},
		{"a session", signed(session("SESSION", "AROA:me")), 404, "ResourceNotFoundException", "nobody here"},
		{"a malformed body", signed(malformed, denied), 400, "InvalidRequestException", "not valid JSON"},
		{"a caller without permission", signed(denied), 403, "AccessDeniedException", "not you"},
		{"needs that nobody knows", signed(func(s *sent) { s.path = "/greet/unknown" }), 503, "ServiceUnavailableException",
			"try again"},
		{"an invalid member", signed(invalid), 400, "InvalidRequestException", "1 validation error detected"},
		{"the operation", signed(), 404, "ResourceNotFoundException", "nobody here"},
		{"a broken key store", signed(func(s *sent) { s.key = "BROKEN" }), 500, "InternalFailureException",
			"internal failure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := b.send(t, tt.s)
			text, _ := body["message"].(string)
			if got := resp.Header.Get("x-amzn-ErrorType"); resp.StatusCode != tt.status || got != tt.want ||
				!strings.Contains(text, tt.text) {
				t.Errorf("got %d %s %q, want %d %s with %q", resp.StatusCode, got, text, tt.status, tt.want, tt.text)
			}
			if rec := <-b.records; rec.Status != tt.status || rec.Exception != tt.want {
				t.Errorf("got record %+v, want %d %s", rec, tt.status, tt.want)
			}
		})
	}
	if got := strings.Count(b.log.String(), "level=ERROR"); got != 1 || !strings.Contains(b.log.String(), "disk on fire") {
		t.Errorf("got log %s, want the broken key store once and nothing else", b.log.String())
	}
}

func TestThrottleComesBeforeDecoding(t *testing.T) {
	b := newBench(t, Config{Throttle: func(ctx context.Context, target Target) error {
		return fault.New(fault.Throttled, "%s %s", CallerFrom(ctx).AccessKeyID, target.Operation)
	}}, Op(greet("Greet", "POST", "/greet/{name}"), echo))
	resp, body := b.send(t, signed(func(s *sent) { s.body = "{" }))
	if got := resp.Header.Get("x-amzn-ErrorType"); got != "ThrottlingException" || body["message"] != "GOOD Greet" {
		t.Errorf("got %s %v, want ThrottlingException for the caller and the operation", got, body)
	}
}

func TestHugeBodyWithoutLengthIsRefused(t *testing.T) {
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"), echo))
	r, err := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/greet/you",
		io.MultiReader(strings.NewReader(strings.Repeat(" ", MaxBody)), strings.NewReader(" ")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Date", "20260102T030405Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=GOOD/20260102/r/hello/aws4_request, "+
		"SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("x-amzn-ErrorType"); got != "InvalidRequestException" {
		t.Errorf("got %d %s, want InvalidRequestException", resp.StatusCode, got)
	}
}

func TestPanicIsAnInternalFailure(t *testing.T) {
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"),
		func(context.Context, *greeting) (*greeting, error) { panic("secret detail") }))
	resp, body := b.send(t, signed())
	if resp.StatusCode != 500 || body["message"] != "internal failure" {
		t.Errorf("got %d %v, want an internal failure that says nothing", resp.StatusCode, body)
	}
	log := b.log.String()
	if strings.Count(log, "secret detail") != 1 || !strings.Contains(log, "handler_test.go") ||
		!strings.Contains(log, "request="+resp.Header.Get("x-amzn-RequestId")) {
		t.Errorf("got log %s, want the panic once, its stack and the request id", log)
	}
}

func TestCallerThatHasLeftIsNotLogged(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	entered := make(chan struct{})
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"),
		func(ctx context.Context, _ *greeting) (*greeting, error) {
			close(entered)
			<-ctx.Done()
			return nil, ctx.Err()
		}))
	r, err := http.NewRequestWithContext(ctx, "POST", b.URL+"/greet/you", nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	credentials := aws.Credentials{AccessKeyID: "GOOD", SecretAccessKey: "secret"}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "hello", "r", now); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		leave()
	}()
	if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
		resp.Body.Close()
		t.Fatal("got an answer, want none")
	}
	if rec := <-b.records; rec.Status != statusClientLeft || b.log.Len() != 0 {
		t.Errorf("got record %+v and log %q, want status %d and no log", rec, b.log.String(), statusClientLeft)
	}
}

func TestResourceInTheWayIsNamed(t *testing.T) {
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"),
		func(context.Context, *greeting) (*greeting, error) {
			return nil, &fault.Fault{Code: fault.Exists, Text: "taken", ResourceID: "you", ResourceARN: "arn:you"}
		}))
	resp, body := b.send(t, signed())
	if resp.StatusCode != 409 || body["resourceId"] != "you" || body["resourceArn"] != "arn:you" {
		t.Errorf("got %d %v, want 409 with id and ARN", resp.StatusCode, body)
	}
}

func TestRefusedMembers(t *testing.T) {
	b := newBench(t, Config{}, Op(greet("Greet", "POST", "/greet/{name}"), echo).Refusing("loud", "extra.loud"))
	for body, want := range map[string]string{
		`{"extra": [{}]}`:                          "",
		`{"loud": null}`:                           "",
		`{"loud": false}`:                          "Member 'loud' of Greet is not supported by this Cordon",
		`{"extra": [{}, {"loud": true}, {}]}`:      "Member 'extra.loud' of Greet is not supported by this Cordon",
		`{"extra": [{"extra": [{"loud": true}]}]}`: "",
	} {
		_, answer := b.send(t, signed(func(s *sent) { s.body = body }))
		if got, _ := answer["message"].(string); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestHandlerIsRefused(t *testing.T) {
	op := Op(greet("Greet", "POST", "/greet/{name}"), echo)
	for name, services := range map[string][]Service{
		"for a refused member that does not exist": {
			{SigningName: "a", Operations: []Served{op.Refusing("extra.other")}, Known: []Fact{op.Fact()}}},
		"for an operation outside of the facts": {{SigningName: "a", Operations: []Served{op}}},
		"for an operation that is served twice": {
			{SigningName: "a", Operations: []Served{op, op}, Known: []Fact{op.Fact()}}},
		"for two operations with one route": {{SigningName: "a", Known: []Fact{
			{Name: "A", Method: "GET", Path: "/a/{b}"}, {Name: "B", Method: "GET", Path: "/a/{c}"}}}},
		"for a service without name":     {{}},
		"for an alias that is taken":     {{SigningName: "a"}, {SigningName: "b", Aliases: []string{"a"}}},
		"for two services with one name": {{SigningName: "a"}, {SigningName: "a"}},
	} {
		if _, err := NewHandler(Config{Services: services}); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

func TestRouter(t *testing.T) {
	var rt router
	for _, fact := range []Fact{
		{Name: "List", Method: "GET", Path: "/groups"},
		{Name: "Add", Method: "PUT", Path: "/groups/add"},
		{Name: "Get", Method: "GET", Path: "/groups/{group}"},
		{Name: "Members", Method: "GET", Path: "/groups/{name}/members"},
		{Name: "Version", Method: "GET", Path: "/groups/{name}/members/{id}"},
		{Name: "Added", Method: "GET", Path: "/groups/add/{id}/x"},
	} {
		if err := rt.add(&route{fact: fact}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, method, path, want string
		labels                   string
	}{
		{"a literal path", "GET", "/groups", "List", ""},
		{"a label", "GET", "/groups/a", "Get", "group=a"},
		{"labels that have names of their own", "GET", "/groups/a/members/b", "Version", "name=a id=b"},
		{"a literal before a label", "PUT", "/groups/add", "Add", ""},
		{"a label where the literal has another method", "GET", "/groups/add", "Get", "group=add"},
		{"a label where the literal leads nowhere", "GET", "/groups/add/members", "Members", "name=add"},
		{"one dot", "GET", "/groups/.", "Get", "group=."},
		{"two dots", "GET", "/groups/..", "Get", "group=.."},
		{"two dots in the middle", "GET", "/groups/../members", "Members", "name=.."},
		{"an escaped slash", "GET", "/groups/a%2Fmembers", "Get", "group=a/members"},
		{"escaped characters", "GET", "/groups/%25+%3A%C3%A9%20", "Get", "group=%+:é "},
		{"an empty label is none", "GET", "/groups/", "", ""},
		{"an empty segment is one", "GET", "/groups//members", "", ""},
		{"a slash at the end", "GET", "/groups/a/members/", "", ""},
		{"another method", "DELETE", "/groups", "", ""},
		{"another case", "GET", "/Groups", "", ""},
		{"no path", "GET", "", "", ""},
		{"a star", "OPTIONS", "*", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, labels := rt.find(tt.method, tt.path)
			got, gotLabels := "", []string{}
			if r != nil {
				got = r.fact.Name
				for _, name := range r.labels {
					gotLabels = append(gotLabels, name+"="+labels[name])
				}
			}
			if got != tt.want || strings.Join(gotLabels, " ") != tt.labels {
				t.Errorf("got %s %v, want %s %s", got, gotLabels, tt.want, tt.labels)
			}
		})
	}
}

// TestEveryFaultHasAnException reads the codes from their source.
func TestEveryFaultHasAnException(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../fault/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || !regexp.MustCompile(`^"[a-z-]+"$`).MatchString(lit.Value) {
			return true
		}
		if code := fault.Code(strings.Trim(lit.Value, `"`)); code != "fmt" && code != "errors" {
			codes++
			if exceptions[code].Name == "" {
				t.Errorf("got no exception for %s, want one", code)
			}
		}
		return true
	})
	if codes != len(exceptions) {
		t.Errorf("got %d codes in the source, want %d", codes, len(exceptions))
	}
}
