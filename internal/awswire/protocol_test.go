package awswire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cordon-iot/cordon/internal/awswire/query"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/fault"
)

func (v *greeting) form(q *query.Value) { v.Name = q.Member("Name").String() }

func (v *greeting) xml(w *query.Writer) { w.String("Name", v.Name) }

// formOperation is an operation of the query protocol with a greeting for its
// input and output.
func formOperation(name, result string) Operation[greeting, greeting] {
	return Operation[greeting, greeting]{
		Fact: Fact{Name: name, Method: "POST", Path: "/", Result: result},
		Form: (*greeting).form, Validate: (*greeting).check, XML: (*greeting).xml,
	}
}

// jsonOperation is the same for JSON 1.1.
func jsonOperation(name string) Operation[greeting, greeting] {
	return Operation[greeting, greeting]{
		Fact:   Fact{Name: name, Method: "POST", Path: "/"},
		Decode: func(v *greeting, q *restjson.Request) { q.JSON(v.decode) }, Validate: (*greeting).check,
		Encode: (*greeting).encode,
	}
}

// protocols is the URL of a server of a service in each protocol, whose
// operation Greet is answered, Lose refuses, and Known is not served.
func protocols(t *testing.T, cfg Config) string {
	t.Helper()
	lose := func(context.Context, *greeting) (*greeting, error) { return nil, fault.New(fault.NotFound, "<nobody>") }
	fail := func(context.Context, *greeting) (*greeting, error) { return nil, errors.New("a secret detail") }
	known := Fact{Name: "Known", Method: "POST", Path: "/"}
	ops := []Served{
		Op(formOperation("Greet", "GreetResult"), echo), Op(formOperation("Nothing", ""), echo),
		Op(formOperation("Lose", "LoseResult"), lose), Op(formOperation("Fail", "FailResult"), fail),
	}
	form := Service{
		SigningName: "forms", Operations: ops, Protocol: Query, Version: "2026-01-01", Namespace: "http://forms/",
		Exceptions: map[fault.Code]Exception{fault.NotFound: {Name: "Lost", Status: 404, Prefix: "Sorry: "}},
	}
	jsonOps := []Served{Op(jsonOperation("Greet"), echo), Op(jsonOperation("Lose"), lose), Op(jsonOperation("Fail"), fail)}
	json := Service{SigningName: "json", Operations: jsonOps, Protocol: JSON, Target: "Jason"}
	for _, s := range []*Service{&form, &json} {
		for _, op := range s.Operations {
			s.Known = append(s.Known, op.Fact())
		}
		s.Known = append(s.Known, known)
	}
	cfg.Keys, cfg.Services, cfg.Log = keys, []Service{form, json}, slog.New(slog.DiscardHandler)
	cfg.Now = func() time.Time { return now }
	h, err := NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// shot is a request of a protocol and who signs it, "" for nobody.
type shot struct {
	method, path, body   string
	target               string // X-Amz-Target
	service, key, secret string
	token                string
	after                func(*http.Request) // what happens to it once it is signed
	presigned            bool
}

func (s shot) send(t *testing.T, base string) (resp *http.Response, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), s.method, base+s.path, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	if s.target != "" {
		r.Header.Set("X-Amz-Target", s.target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else if s.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	sum := sha256.Sum256([]byte(s.body))
	hash, credentials := hex.EncodeToString(sum[:]), aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret,
		SessionToken: s.token}
	switch {
	case s.presigned:
		query := r.URL.Query()
		query.Set("X-Amz-Expires", "60")
		r.URL.RawQuery = query.Encode()
		uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hash, s.service, "eu-west-1", now)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = url.Parse(uri); err != nil {
			t.Fatal(err)
		}
	case s.key != "":
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hash, s.service, "eu-west-1", now); err != nil {
			t.Fatal(err)
		}
	}
	if s.after != nil {
		s.after(r)
	}
	resp, err = http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// form is a good call of the query protocol, with the changes given.
func form(changes ...func(*shot)) shot {
	s := shot{method: "POST", path: "/", body: "Action=Greet&Version=2026-01-01&Name=you",
		service: "forms", key: "GOOD", secret: "secret"}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func TestTheQueryProtocol(t *testing.T) {
	base := protocols(t, Config{Authorize: func(_ context.Context, _ Target, needs []Need) error {
		if !reflect.DeepEqual(needs, []Need{{Action: "forms:Greet"}}) && strings.HasSuffix(needs[0].Action, "Greet") {
			return fault.New(fault.Denied, "needs %v", needs)
		}
		if needs[0].Action == "forms:Nothing" {
			return fault.New(fault.Denied, "not you")
		}
		return nil
	}})
	with := func(body string) shot { return form(func(s *shot) { s.body = body }) }
	const version = "&Version=2026-01-01"
	const refused = `<ErrorResponse xmlns="http://forms/"><Error><Type>Sender</Type><Code>`
	for _, tt := range []struct {
		name   string
		s      shot
		status int
		want   string
	}{
		{"answers a form", form(), 200, `<GreetResponse xmlns="http://forms/"><GreetResult><Name>you</Name></GreetResult>` +
			`<ResponseMetadata><RequestId>`},
		{"answers a form in the query", form(func(s *shot) { s.method, s.path, s.body = "GET", "/?"+s.body, "" }), 200,
			`<Name>you</Name>`},
		{"answers a link that is signed", form(func(s *shot) {
			s.method, s.path, s.body, s.presigned = "GET", "/?"+s.body, "", true
		}), 200, `<Name>you</Name>`},
		{"answers a link of a session", form(func(s *shot) {
			s.method, s.path, s.body, s.presigned, s.key, s.token = "GET", "/?"+s.body, "", true, "SESSION", "AROA:me"
		}), 200, `<Name>you</Name>`},
		{"refuses by the names of the service", with("Action=Lose" + version), 404,
			refused + `Lost</Code><Message>Sorry: &lt;nobody&gt;</Message></Error><RequestId>`},
		{"says nothing of what is internal", with("Action=Fail" + version), 500,
			`<Type>Receiver</Type><Code>InternalFailure</Code><Message>internal failure</Message>`},
		{"refuses who may not", with("Action=Nothing" + version), 403, refused + `AccessDenied</Code><Message>not you`},
		{"refuses an unknown action", with("Action=Gret" + version), 400,
			refused + `InvalidAction</Code><Message>Could not find operation Gret for version 2026-01-01`},
		{"refuses an action of no name", with("Action=&Name=you" + version), 400, refused + `MissingAction`},
		{"refuses a form without action", with("Name=you" + version), 400, refused + `MissingAction`},
		{"refuses no form", with(""), 400, refused + `MissingAction`},
		{"refuses an action that is XML", with("Action=%3CGreet%2F%3E" + version), 400,
			`operation &lt;Greet/&gt; for version`},
		{"refuses an action of any length", with("Action=" + strings.Repeat("A", 1000) + version), 400,
			`operation ` + strings.Repeat("A", 64) + `... for version`},
		{"refuses an action in another case", with("Action=greet" + version), 400, refused + `InvalidAction`},
		{"refuses an action that is known only", with("Action=Known" + version), 400, `Known is not served`},
		{"refuses another version", with("Action=Greet&Version=2025-01-01"), 400,
			refused + `InvalidAction</Code><Message>Could not find operation Greet for version 2025-01-01`},
		{"refuses no version", with("Action=Greet"), 400, `Greet for version NO_VERSION_SPECIFIED`},
		{"refuses two actions", with("Action=Greet&Action=Lose" + version), 400, refused + `ValidationError`},
		{"refuses an action in query and body", form(func(s *shot) { s.path = "/?Action=Greet" }), 400,
			`'Action' is given more than once`},
		{"refuses a character that XML cannot hold", with("Action=Greet&Name=%0B" + version), 400,
			refused + `ValidationError</Code><Message>Value at 'Name' has a character`},
		{"refuses what breaks a rule", with("Action=Greet&Name=" + strings.Repeat("n", 30) + version), 400,
			refused + `ValidationError</Code><Message>1 validation error detected: `},
		{"refuses another path", form(func(s *shot) { s.path = "/greet" }), 400, refused + `InvalidAction`},
		{"refuses another method", form(func(s *shot) { s.method = "PUT" }), 400, refused + `InvalidAction`},
		{"refuses a wrong secret", form(func(s *shot) { s.secret = "x" }), 403, refused + `SignatureDoesNotMatch`},
		{"refuses another body than was signed", form(func(s *shot) {
			s.after = func(r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(s.body, "you", "two")))
			}
		}), 403, refused + `SignatureDoesNotMatch`},
		{"refuses an unknown key", form(func(s *shot) { s.key = "NOBODY" }), 403, refused + `InvalidClientTokenId`},
		{"refuses a disabled key", form(func(s *shot) { s.key = "DISABLED" }), 403, refused + `InvalidClientTokenId`},
		{"refuses an altered token", form(func(s *shot) { s.key, s.token = "SESSION", "AROA:mf" }), 403,
			refused + `InvalidClientTokenId`},
		{"refuses a session that is over", form(func(s *shot) { s.key, s.token = "OVER", "AROA:old" }), 403,
			refused + `ExpiredToken`},
		{"refuses a token that is not signed", form(func(s *shot) {
			s.after = func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }
		}), 400, `<Code>IncompleteSignature</Code>`},
		{"refuses no signature", form(func(s *shot) { s.key = "" }), 403, `<Code>MissingAuthenticationToken</Code>`},
		{"refuses no signature of a link", form(func(s *shot) {
			s.key, s.method, s.path, s.body = "", "GET", "/?Action=Greet", ""
		}), 403, `<Code>MissingAuthenticationToken</Code>`},
		{"refuses another service", form(func(s *shot) { s.service = "ec2" }), 403, `<Code>SignatureDoesNotMatch</Code>`},
		{"refuses a large body", form(func(s *shot) { s.body += strings.Repeat("&", MaxBody) }), 400,
			`larger than 1048576 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, text := tt.s.send(t, base)
			if resp.StatusCode != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("got %d %s, want %d with %s", resp.StatusCode, text, tt.status, tt.want)
			}
			if got := resp.Header.Get("Content-Type"); got != "text/xml" {
				t.Errorf("got content type %s, want text/xml", got)
			}
			if id := resp.Header.Get("x-amzn-RequestId"); !strings.Contains(text, "<RequestId>"+id+"</RequestId>") {
				t.Errorf("got %s, want the request id %s in it", text, id)
			}
		})
	}
}

func TestJSON11(t *testing.T) {
	base := protocols(t, Config{})
	call := func(target, body string, changes ...func(*shot)) shot {
		s := shot{method: "POST", path: "/", body: body, target: target, service: "json", key: "GOOD", secret: "secret"}
		for _, change := range changes {
			change(&s)
		}
		return s
	}
	for _, tt := range []struct {
		name   string
		s      shot
		status int
		want   string
	}{
		{"answers", call("Jason.Greet", `{"loud":true}`), 200, `{}`},
		{"answers no body", call("Jason.Greet", ""), 200, `{}`},
		{"refuses by status 400", call("Jason.Lose", `{}`), 400,
			`{"__type":"ResourceNotFoundException","message":"<nobody>"}`},
		{"says nothing of what is internal", call("Jason.Fail", `{}`), 500,
			`{"__type":"InternalErrorException","message":"internal failure"}`},
		{"refuses an unknown operation", call("Jason.Gret", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"refuses another prefix", call("Json.Greet", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"refuses no prefix", call("Greet", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"refuses what is known only", call("Jason.Known", `{}`), 400, `Known is not served`},
		{"refuses no operation", call("", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"refuses another path", call("Jason.Greet", `{}`, func(s *shot) { s.path = "/x" }), 400, `UnknownOperation`},
		{"refuses another method", call("Jason.Greet", ``, func(s *shot) { s.method = "GET" }), 400, `UnknownOperation`},
		{"refuses what is no JSON", call("Jason.Greet", `{`), 400, `{"__type":"InvalidRequestException"`},
		{"refuses a wrong secret", call("Jason.Greet", `{}`, func(s *shot) { s.secret = "x" }), 400,
			`{"__type":"InvalidSignatureException"`},
		{"refuses an unknown key", call("Jason.Greet", `{}`, func(s *shot) { s.key = "NOBODY" }), 400,
			`{"__type":"UnrecognizedClientException"`},
		{"refuses an operation that was not signed", call("Jason.Greet", `{}`, func(s *shot) {
			s.after = func(r *http.Request) { r.Header.Set("X-Amz-Target", "Jason.Lose") }
		}), 400, `{"__type":"InvalidSignatureException"`},
		{"refuses two operations", call("Jason.Greet", `{}`, func(s *shot) {
			s.after = func(r *http.Request) { r.Header.Add("X-Amz-Target", "Jason.Lose") }
		}), 400, `{"__type":"IncompleteSignatureException"`},
		{"refuses no signature", call("Jason.Greet", `{}`, func(s *shot) { s.key = "" }), 400,
			`{"__type":"MissingAuthenticationTokenException"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, text := tt.s.send(t, base)
			if resp.StatusCode != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("got %d %s, want %d with %s", resp.StatusCode, text, tt.status, tt.want)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
				t.Errorf("got content type %s, want that of JSON 1.1", got)
			}
		})
	}
}

func TestServicesAreRefused(t *testing.T) {
	rest, inForm := Op(greet("Greet", "POST", "/greet/{name}"), echo), Op(formOperation("Greet", "GreetResult"), echo)
	access := map[string]Access{"Gret": func(context.Context, any) []Need { return nil }}
	for _, tt := range []struct {
		name     string
		services []Service
		want     string
	}{
		{"of a protocol that is none", []Service{{SigningName: "a", Protocol: "soap"}}, "not served"},
		{"with an operation of another protocol", []Service{
			{SigningName: "a", Protocol: Query, Operations: []Served{rest}, Known: []Fact{rest.Fact()}},
		}, "another protocol"},
		{"with an anonymous operation that only a signature leads to", []Service{
			{SigningName: "a", Operations: []Served{rest.Anonymous()}, Known: []Fact{rest.Fact()}},
		}, "without a signature"},
		{"with access to what is not served", []Service{
			{SigningName: "a", Operations: []Served{rest}, Known: []Fact{rest.Fact()}, Access: access},
		}, "Gret"},
		{"of which two serve an operation to everybody", []Service{
			{SigningName: "a", Protocol: Query, Operations: []Served{inForm.Anonymous()}, Known: []Fact{inForm.Fact()}},
			{SigningName: "b", Protocol: Query, Operations: []Served{inForm.Anonymous()}, Known: []Fact{inForm.Fact()}},
		}, "two services"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewHandler(Config{Keys: keys, Services: tt.services}); err == nil ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestWhatIsOpenIsNotAuthorized calls an operation that nobody has permission
// for.
func TestWhatIsOpenIsNotAuthorized(t *testing.T) {
	for _, open := range []bool{false, true} {
		op := Op(greet("Greet", "POST", "/greet/{name}"), func(ctx context.Context, in *greeting) (*greeting, error) {
			if NeedsFrom(ctx) != nil {
				t.Errorf("got needs %v, want none", NeedsFrom(ctx))
			}
			return in, nil
		})
		if open {
			op = op.Open()
		}
		b := newBench(t, Config{Authorize: func(context.Context, Target, []Need) error {
			return fault.New(fault.Denied, "nobody may")
		}}, op)
		if resp, _ := b.send(t, signed()); (resp.StatusCode == 200) != open {
			t.Errorf("got %d for an operation that is open: %t", resp.StatusCode, open)
		}
	}
}
