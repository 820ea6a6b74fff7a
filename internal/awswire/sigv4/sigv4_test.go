package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// signing is a request before it is signed, and how.
type signing struct {
	method, target, body string
	header               http.Header
	at                   time.Time
	service              string
	expires              string // presigned when not ""
	hash                 string // stated instead of that of the body
	token                string // of a session
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// sign returns the request as a server receives it from the signer of the SDK.
func sign(t testing.TB, s signing) *http.Request {
	t.Helper()
	out := request(s)
	credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: s.token}
	signer, hash := v4.NewSigner(), s.hash
	if hash == "" {
		hash = hashOf(s.body)
	}
	if s.expires == "" {
		err := signer.SignHTTP(context.Background(), credentials, out, hash, s.service, "us-east-1", s.at)
		if err != nil {
			t.Fatal(err)
		}
		in := request(s)
		in.Header = out.Header
		return in
	}
	query := out.URL.Query()
	query.Set("X-Amz-Expires", s.expires)
	out.URL.RawQuery = query.Encode()
	uri, _, err := signer.PresignHTTP(context.Background(), credentials, out, hash, s.service, "us-east-1", s.at)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(uri, "://localhost:8080")
	s.target = rest
	return request(s)
}

func request(s signing) *http.Request {
	r := httptest.NewRequest(s.method, "http://localhost:8080"+s.target, strings.NewReader(s.body))
	for name, values := range s.header {
		r.Header[name] = append([]string(nil), values...)
	}
	if s.body != "" {
		r.Header.Set("Content-Length", strconv.Itoa(len(s.body)))
	}
	return r
}

func verify(r *http.Request, body string, members ...string) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	return s.Verify(r, Check{Secret: secret, Body: []byte(body), Headers: members, Now: now})
}

// plain is a request that verifies, with the changes given.
func plain(changes ...func(*signing)) signing {
	s := signing{method: "POST", target: "/things/a%2Fb?x=1&y=%20+&x=0", body: `{"a":1}`, at: now, service: "iot",
		header: http.Header{"Content-Type": {"application/json"}, "X-Amzn-Principal": {"arn:p"}}}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func presigned(s *signing) { s.expires = "60" }

func withToken(s *signing) { s.token = "a+b/c==" }

func TestSignatureIsAccepted(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    signing
	}{
		{"in the header", plain()},
		{"in the query", plain(presigned)},
		{"in the header, of a session", plain(withToken)},
		{"in the query, of a session", plain(presigned, withToken)},
		{"without a body", plain(func(s *signing) { s.method, s.body = "GET", "" })},
		{"with a stated hash", plain(func(s *signing) { s.header.Set("X-Amz-Content-Sha256", hashOf(s.body)) })},
		{"of any header twice that is not read", plain(func(s *signing) { s.header["Accept"] = []string{"a", " b  c "} })},
		{"five minutes early", plain(func(s *signing) { s.at = now.Add(maxSkew) })},
		{"five minutes late", plain(func(s *signing) { s.at = now.Add(-maxSkew) })},
		{"in the query, a week late", plain(func(s *signing) { s.expires, s.at = "604800", now.AddDate(0, 0, -7) })},
		{"of names that paths must not be cleaned of", plain(func(s *signing) { s.target = "/a/../b/./c//d/%2E%2E" })},
		{"of a path that begins with two slashes", plain(func(s *signing) { s.target = "//a/b" }, presigned)},
		{"of percent, plus, colon, accents and space", plain(func(s *signing) { s.target = "/t/%25%2B+:%3A%C3%A9%20/x" })},
		{"of the root", plain(func(s *signing) { s.target = "/" })},
		{"of a query without value", plain(func(s *signing) { s.target = "/a?flag&b=%2F" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := verify(sign(t, tt.s), tt.s.body, "x-amzn-principal"); err != nil {
				t.Errorf("got %v, want no error", err)
			}
		})
	}
}

// TestHeadersThatOtherClientsSign: the signer of the SDK never signs it, other
// clients do. The request is signed under a name that the signer does not know.
func TestHeadersThatOtherClientsSign(t *testing.T) {
	s := plain(func(s *signing) { s.header["user-agent"] = []string{"curl"} })
	r := sign(t, s)
	delete(r.Header, "user-agent")
	r.Header.Set("User-Agent", "curl")
	if !strings.Contains(r.Header.Get("Authorization"), "user-agent") {
		t.Fatalf("got %s, want user-agent signed", r.Header.Get("Authorization"))
	}
	if err := verify(r, s.body); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

func TestSignatureIsRefused(t *testing.T) {
	const authorization = "Authorization"
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set(authorization, strings.Replace(r.Header.Get(authorization), old, new, 1))
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, url.QueryEscape(old), url.QueryEscape(new), 1)
		}
	}
	query := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Set(name, value)
			r.URL.RawQuery = q.Encode()
		}
	}
	dropped := func(name string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Del(name)
			r.URL.RawQuery = q.Encode()
		}
	}
	for _, tt := range []struct {
		name   string
		s      signing
		change func(*http.Request)
		want   string
		text   string
	}{
		{"an unsigned call", plain(), func(r *http.Request) { r.Header.Del(authorization) }, MissingToken, "Missing"},
		{"another scheme", plain(), func(r *http.Request) { r.Header.Set(authorization, "Bearer x") }, MissingToken, ""},
		{"SigV4A", plain(), replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), IncompleteSignature, "algorithm"},
		{"SigV4A in the query", plain(presigned), query("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"),
			IncompleteSignature, "algorithm"},
		{"an empty Authorization", plain(), func(r *http.Request) { r.Header.Set(authorization, "AWS4-HMAC-SHA256") },
			IncompleteSignature, "each once"},
		{"no Signature", plain(), replace("Signature=", "Sig="), IncompleteSignature, "each once"},
		{"Credential twice", plain(), replace("Credential=", "Credential=x, Credential="), IncompleteSignature, "each once"},
		{"a huge Authorization", plain(), replace("Signature=", "Signature="+strings.Repeat("a", 5000)),
			IncompleteSignature, "too long"},
		{"Authorization twice", plain(), func(r *http.Request) { r.Header.Add(authorization, r.Header.Get(authorization)) },
			IncompleteSignature, "more than once"},
		{"header and query form together", plain(presigned), func(r *http.Request) {
			r.Header.Set(authorization, sign(t, plain()).Header.Get(authorization))
		}, IncompleteSignature, "both"},
		{"a signed header with a query parameter of the other form", plain(), query("X-Amz-Expires", "60"),
			IncompleteSignature, "both"},
		{"a parameter in another case", plain(presigned), func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Signature", "x-amz-signature", 1)
		}, IncompleteSignature, "X-Amz-Signature"},
		{"a parameter twice", plain(presigned), func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Date=20260102T030405Z" },
			IncompleteSignature, "X-Amz-Date"},
		{"a malformed query", plain(), func(r *http.Request) { r.URL.RawQuery += "&a=%zz" },
			IncompleteSignature, "malformed"},
		{"a query with a semicolon", plain(), func(r *http.Request) { r.URL.RawQuery += ";a=1" },
			IncompleteSignature, "malformed"},
		{"a session token that is not signed", plain(), func(r *http.Request) { r.Header.Set(tokenName, "t") },
			IncompleteSignature, "x-amz-security-token must be signed"},
		{"another session token", plain(withToken), func(r *http.Request) { r.Header.Set(tokenName, "u") },
			InvalidSignature, "does not match"},
		{"two session tokens", plain(withToken), func(r *http.Request) { r.Header.Add(tokenName, "u") },
			IncompleteSignature, "more than once"},
		{"an empty session token", plain(withToken), func(r *http.Request) { r.Header.Set(tokenName, "") },
			UnrecognizedClient, "token"},
		{"a session token of any length", plain(withToken), func(r *http.Request) {
			r.Header.Set(tokenName, strings.Repeat("t", maxToken+1))
		}, UnrecognizedClient, "token"},
		{"no session token where one was signed", plain(withToken), func(r *http.Request) { r.Header.Del(tokenName) },
			IncompleteSignature, "not in the request"},
		{"a session token in the query of a signed header", plain(), query(tokenName, "t"),
			IncompleteSignature, "must stand where the signature does"},
		{"a session token in the header of a signed query", plain(presigned), func(r *http.Request) {
			r.Header.Set(tokenName, "t")
		}, IncompleteSignature, "must stand where the signature does"},
		{"a session token added to a signed query", plain(presigned), query(tokenName, "t"),
			InvalidSignature, "does not match"},
		{"another session token in the query", plain(presigned, withToken), query(tokenName, "u"),
			InvalidSignature, "does not match"},
		{"a wrong signature", plain(), func(r *http.Request) {
			a := r.Header.Get(authorization)
			r.Header.Set(authorization, a[:len(a)-64]+strings.Repeat("0", 64))
		}, InvalidSignature, "does not match"},
		{"a signature in capitals", plain(), func(r *http.Request) {
			a := r.Header.Get(authorization)
			r.Header.Set(authorization, a[:len(a)-64]+strings.ToUpper(a[len(a)-64:]))
		}, IncompleteSignature, "64 hex"},
		{"another method", plain(), func(r *http.Request) { r.Method = "PUT" }, InvalidSignature, "does not match"},
		{"another path", plain(), func(r *http.Request) { r.URL.RawPath, r.URL.Path = "", "/things/a/b" },
			InvalidSignature, "does not match"},
		{"another query", plain(), query("x", "2"), InvalidSignature, "does not match"},
		{"another query of a presigned call", plain(presigned), query("x", "2"), InvalidSignature, "does not match"},
		{"another host", plain(), func(r *http.Request) { r.Host = "elsewhere:8080" }, InvalidSignature, "does not match"},
		{"another header", plain(), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
			InvalidSignature, "does not match"},
		{"another region", plain(), replace("us-east-1", "eu-west-1"), InvalidSignature, "does not match"},
		{"another service", plain(), replace("/iot/", "/sts/"), InvalidSignature, "does not match"},
		{"a region that is no name", plain(), replace("us-east-1", "us/east"), IncompleteSignature, "Credential"},
		{"a region in capitals", plain(), replace("us-east-1", "US-EAST-1"), IncompleteSignature, "Credential"},
		{"a key id that is no name", plain(), replace(keyID, "AK'ID"), IncompleteSignature, "Credential"},
		{"another end of the scope", plain(), replace("aws4_request", "aws5_request"), IncompleteSignature, "Credential"},
		{"a scope of another day", plain(), replace("/20260102/", "/20260103/"), InvalidSignature, "credential scope"},
		{"a date that is not signed", plain(), replace(";x-amz-date", ""), IncompleteSignature, "X-Amz-Date must be signed"},
		{"a host that is not signed", plain(), replace("host;", ""), IncompleteSignature, "host must be signed"},
		{"signed headers out of order", plain(), replace("content-type;host", "host;content-type"),
			IncompleteSignature, "in order"},
		{"a signed header twice", plain(), replace("host;", "host;host;"), IncompleteSignature, "each once"},
		{"signed headers in capitals", plain(), replace("host;", "Host;"), IncompleteSignature, "lower case"},
		{"too many signed headers", plain(), func(r *http.Request) {
			replace("host;", "host;"+strings.Repeat("h;", 70))(r)
		}, IncompleteSignature, "too many"},
		{"a signed header that is not there", plain(), func(r *http.Request) { r.Header.Del("Content-Type") },
			IncompleteSignature, "not in the request"},
		{"no date", plain(), func(r *http.Request) { r.Header.Del("X-Amz-Date") }, IncompleteSignature, "X-Amz-Date"},
		{"two dates", plain(), func(r *http.Request) { r.Header.Add("X-Amz-Date", "20260102T030405Z") },
			IncompleteSignature, "X-Amz-Date"},
		{"a date in another form", plain(), func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-01-02T03:04:05Z") },
			IncompleteSignature, "form"},
		{"a member header that is not signed", plain(func(s *signing) { s.header.Del("X-Amzn-Principal") }),
			func(r *http.Request) { r.Header.Set("X-Amzn-Principal", "arn:q") },
			IncompleteSignature, "x-amzn-principal must be signed"},
		{"a member header twice", plain(), func(r *http.Request) { r.Header.Add("X-Amzn-Principal", "arn:q") },
			IncompleteSignature, "x-amzn-principal is given more than once"},
		{"a member header that is not signed in the query form",
			plain(presigned, func(s *signing) { s.header.Del("X-Amzn-Principal") }),
			func(r *http.Request) { r.Header.Set("X-Amzn-Principal", "arn:q") },
			IncompleteSignature, "x-amzn-principal must be signed"},
		{"a stated hash that is not signed", plain(),
			func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hashOf(`{"a":1}`)) },
			IncompleteSignature, "x-amz-content-sha256 must be signed"},
		{"a date header beside a presigned query", plain(presigned),
			func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260102T030405Z") },
			IncompleteSignature, "x-amz-date must be signed"},
		{"a stated hash of something else",
			plain(func(s *signing) { s.header.Set("X-Amz-Content-Sha256", hashOf("x")) }), nil,
			InvalidSignature, "not the hash"},
		{"an unsigned body", plain(func(s *signing) {
			s.hash = "UNSIGNED-PAYLOAD"
			s.header.Set("X-Amz-Content-Sha256", s.hash)
		}), nil, IncompleteSignature, "as a whole"},
		{"an unsigned body that is not stated", plain(func(s *signing) { s.hash = "UNSIGNED-PAYLOAD" }), nil,
			InvalidSignature, "does not match"},
		{"an unsigned body in the query form", plain(presigned, func(s *signing) {
			s.hash = "UNSIGNED-PAYLOAD"
			s.target = "/a?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
		}), nil, IncompleteSignature, "as a whole"},
		{"a body in signed pieces", plain(func(s *signing) {
			s.hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
			s.header.Set("X-Amz-Content-Sha256", s.hash)
		}), nil, IncompleteSignature, "as a whole"},
		{"a signature of the past", plain(func(s *signing) { s.at = now.Add(-maxSkew - time.Second) }), nil,
			InvalidSignature, "Signature expired"},
		{"a signature of the future", plain(func(s *signing) { s.at = now.Add(maxSkew + time.Second) }), nil,
			InvalidSignature, "not yet current"},
		{"a presigned call that is over", plain(presigned, func(s *signing) { s.at = now.Add(-61 * time.Second) }), nil,
			InvalidSignature, "Signature expired"},
		{"a presigned call of the future", plain(presigned, func(s *signing) { s.at = now.Add(maxSkew + time.Second) }), nil,
			InvalidSignature, "not yet current"},
		{"a validity of over seven days", plain(func(s *signing) { s.expires = "604801" }), nil,
			IncompleteSignature, "604800"},
		{"no validity", plain(presigned), dropped("X-Amz-Expires"), IncompleteSignature, "X-Amz-Expires"},
		{"a validity of nothing", plain(func(s *signing) { s.expires = "0" }), nil, IncompleteSignature, "604800"},
		{"another validity than was signed", plain(presigned), query("X-Amz-Expires", "61"),
			InvalidSignature, "does not match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sign(t, tt.s)
			if tt.change != nil {
				tt.change(r)
			}
			err := verify(r, tt.s.body, "x-amzn-principal")
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Exception != tt.want || !strings.Contains(refusal.Text, tt.text) {
				t.Errorf("got %v, want %s with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestBodyIsSigned(t *testing.T) {
	for _, s := range []signing{plain(), plain(presigned)} {
		var refusal *Refusal
		if err := verify(sign(t, s), s.body+" "); !errors.As(err, &refusal) || refusal.Exception != InvalidSignature {
			t.Errorf("got %v for another body, want %s", err, InvalidSignature)
		}
	}
}

// TestSecretsDoNotStick: the signer of the SDK remembers derived keys by access
// key id, and would accept the second signature by the first one's secret.
func TestSecretsDoNotStick(t *testing.T) {
	r := sign(t, plain())
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	check := Check{Secret: "another", Body: []byte(plain().body), Now: now}
	if err := s.Verify(r, check); err == nil {
		t.Error("got no error for another secret, want a refusal")
	}
	check.Secret = secret
	if err := s.Verify(r, check); err != nil {
		t.Errorf("got %v for the right secret, want no error", err)
	}
	check.Secret = "another"
	if err := s.Verify(r, check); err == nil {
		t.Error("got no error for another secret after the right one, want a refusal")
	}
}

// FuzzParse holds that no header is accepted that differs from the good one in
// more than the space around its parts.
func FuzzParse(f *testing.F) {
	good := sign(f, plain()).Header.Get("Authorization")
	f.Add(good)
	f.Add(strings.ReplaceAll(good, ", ", ","))
	f.Add(strings.ReplaceAll(good, "HMAC", "ECDSA-P256"))
	f.Add("AWS4-HMAC-SHA256 Credential=a/20260102/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add("AWS4-HMAC-SHA256 ")
	f.Add("Basic YTpi")
	fields := func(a string) map[string]bool {
		set := map[string]bool{}
		for part := range strings.SplitSeq(strings.TrimPrefix(a, algorithm), ",") {
			set[strings.TrimSpace(part)] = true
		}
		return set
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := sign(t, plain())
		r.Header.Set("Authorization", authorization)
		err := verify(r, plain().body)
		var refusal *Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if err != nil {
			return
		}
		for part := range fields(good) {
			if !fields(authorization)[part] {
				t.Errorf("got %q accepted, which is not %q", authorization, good)
			}
		}
	})
}

// FuzzQuery holds the same for the query form: only the good query, in any
// spelling of the same parameters, is accepted.
func FuzzQuery(f *testing.F) {
	good := sign(f, plain(presigned)).URL.RawQuery
	f.Add(good)
	f.Add(good + "&a=1")
	f.Add(strings.ReplaceAll(good, "X-Amz-Date", "X-Amz-date"))
	f.Add("X-Amz-Signature=")
	want, err := url.ParseQuery(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := sign(t, plain(presigned))
		r.URL.RawQuery = query
		if verify(r, plain().body) != nil {
			return
		}
		if got := r.URL.Query(); got.Encode() != want.Encode() {
			t.Errorf("got %v accepted, which is not %v", got, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := plain()
	r := sign(b, s)
	for b.Loop() {
		if err := verify(r, s.body); err != nil {
			b.Fatal(err)
		}
	}
}
