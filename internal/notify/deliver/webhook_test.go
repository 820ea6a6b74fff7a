package deliver

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/pki"
)

// key is the key of all tests.
var key = sync.OnceValue(func() *identity.MessageSigner {
	ca, err := pki.NewAuthority(pkix.Name{CommonName: "CA"}, time.Now())
	if err != nil {
		panic(err)
	}
	made, err := ca.NewMessageSigner("messages", time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		panic(err)
	}
	return &identity.MessageSigner{MessageSigner: made, ID: "2026-x"}
})

type signer struct{}

func (signer) MessageSigner(context.Context) (*identity.MessageSigner, error) { return key(), nil }

// tokens keeps the hashes of tokens; other methods of a queue panic.
type tokens struct {
	notify.Queue
	hash string
	gone bool
}

func (t *tokens) AddToken(_ context.Context, _ int64, hash string, _ time.Time) error {
	if t.gone {
		return fault.New(fault.NotFound, "gone")
	}
	t.hash = hash
	return nil
}

var arn = notify.TopicARN{Scope: fleet.Scope{Account: "111111111111", Region: "eu-west-1"}, Name: "alarms"}

// delivery is one of a message to an endpoint.
func delivery(endpoint string) *notify.Delivery {
	return &notify.Delivery{
		Seq: 7, Kind: notify.DeliverMessage, Attempt: 1, First: time.Now(),
		Message: &notify.Message{
			ID: "execution/42", TopicARN: arn.String(), Body: "a <b> & \"c\"\nd", Created: time.UnixMilli(1_700_000_000_123),
			Scope: arn.Scope,
		},
		Receiver: &notify.Subscription{
			Seq: 3, ARN: notify.SubscriptionARN{Topic: arn, ID: "11111111-2222-3333-4444-555555555555"},
			Protocol: notify.HTTP, Endpoint: endpoint,
		},
	}
}

func newWebhook(q notify.Queue) *webhook {
	return &webhook{
		client: guard.New(guard.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}),
		signer: signer{}, answerTime: 100 * time.Millisecond,
		certURL:   func(id string) string { return "http://pki.example/pki/sns/" + id + ".pem" },
		confirmer: confirmer{q, func() string { return "https://api.example" }, time.Now},
	}
}

// post delivers to a server and returns what came there.
func post(t *testing.T, h *webhook, d *notify.Delivery) (body []byte, header http.Header) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("got the method %s", r.Method)
		}
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	}))
	defer s.Close()
	d.Receiver.Endpoint = s.URL + "/hook?x=1"
	if err := h.send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return body, header
}

// wantSigned wants that the signature verifies over the lines that SNS documents.
func wantSigned(t *testing.T, got map[string]any, names ...string) {
	t.Helper()
	var text strings.Builder
	for _, n := range names {
		text.WriteString(n + "\n" + got[n].(string) + "\n")
	}
	signature, err := base64.StdEncoding.DecodeString(got["Signature"].(string))
	if err == nil {
		err = key().Certificate().X509().CheckSignature(x509.SHA256WithRSA, []byte(text.String()), signature)
	}
	if err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	for name, want := range map[string]string{
		"SignatureVersion": "2", "SigningCertURL": "http://pki.example/pki/sns/2026-x.pem",
	} {
		if got[name] != want {
			t.Errorf("got %s %v, want %s", name, got[name], want)
		}
	}
}

func wantHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("got the header %s: %q, want %q", name, got.Get(name), value)
		}
	}
}

func TestAMessageIsPostedAsSNSDoes(t *testing.T) {
	d := delivery("")
	d.Message.Subject = "Fire"
	d.Message.Attributes = map[string]notify.Attribute{"color": {Type: "String", Value: "red"}}
	body, header := post(t, newWebhook(nil), d)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for name, want := range map[string]string{
		"Type": "Notification", "MessageId": d.Message.MessageID(), "TopicArn": arn.String(), "Subject": "Fire",
		"Message": d.Message.Body, "Timestamp": "2023-11-14T22:13:20.123Z",
		"UnsubscribeURL": "https://api.example/?Action=Unsubscribe&SubscriptionArn=" +
			url.QueryEscape(d.Receiver.ARN.String()),
	} {
		if got[name] != want {
			t.Errorf("got %s %q, want %q", name, got[name], want)
		}
	}
	if a := fmt.Sprint(got["MessageAttributes"]); a != "map[color:map[Type:String Value:red]]" {
		t.Errorf("got the attributes %s", a)
	}
	if len(got) != 11 {
		t.Errorf("got %d members, want those of SNS and no other: %s", len(got), body)
	}
	wantSigned(t, got, "Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
	wantHeaders(t, header, map[string]string{
		"Content-Type": "text/plain; charset=UTF-8", "X-Amz-Sns-Message-Type": "Notification",
		"X-Amz-Sns-Message-Id": d.Message.MessageID(), "X-Amz-Sns-Topic-Arn": arn.String(),
		"X-Amz-Sns-Subscription-Arn": d.Receiver.ARN.String(), "X-Cordon-Message-Id": "execution/42",
		"X-Amz-Sns-Rawdelivery": "",
	})
}

func TestAMessageWithoutSubjectHasNone(t *testing.T) {
	body, _ := post(t, newWebhook(nil), delivery(""))
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if _, has := got["Subject"]; has {
		t.Errorf("got a subject in %s", body)
	}
	wantSigned(t, got, "Message", "MessageId", "Timestamp", "TopicArn", "Type")
}

func TestARawMessageIsItsBody(t *testing.T) {
	d := delivery("")
	d.Receiver.Settings.Raw = true
	body, header := post(t, newWebhook(nil), d)
	if string(body) != d.Message.Body {
		t.Errorf("got %q, want %q", body, d.Message.Body)
	}
	wantHeaders(t, header, map[string]string{
		"X-Amz-Sns-Rawdelivery": "true", "X-Amz-Sns-Message-Id": d.Message.MessageID(), "X-Cordon-Message-Id": "execution/42",
	})
}

func TestAnEndpointIsAskedToConfirm(t *testing.T) {
	q := &tokens{}
	d := delivery("")
	d.Kind, d.Message, d.Receiver.Settings.Raw = notify.DeliverConfirmation, nil, true
	body, header := post(t, newWebhook(q), d)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	token, _ := got["Token"].(string)
	if hash := sha256.Sum256([]byte(token)); hex.EncodeToString(hash[:]) != q.hash || len(token) != 64 {
		t.Errorf("got the token %q, which is not the one that was stored", token)
	}
	want := "https://api.example/?Action=ConfirmSubscription&TopicArn=" + url.QueryEscape(arn.String()) + "&Token=" + token
	if got["SubscribeURL"] != want {
		t.Errorf("got %v, want %s", got["SubscribeURL"], want)
	}
	wantSigned(t, got, "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
	wantHeaders(t, header, map[string]string{
		"X-Amz-Sns-Message-Type": "SubscriptionConfirmation", "X-Amz-Sns-Subscription-Arn": "", "X-Amz-Sns-Rawdelivery": "",
	})
	again, _ := post(t, newWebhook(q), d)
	if !strings.Contains(string(again), got["MessageId"].(string)) || strings.Contains(string(again), token) {
		t.Errorf("got %s, want the same id and another token", again)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	inward := httptest.NewServer(http.NotFoundHandler())
	defer inward.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inward.URL, "http://"), ":")
	status := func(code int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				if b, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || len(b) == 0 {
					w.WriteHeader(http.StatusBadRequest)
				}
				return
			}
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, "said \x1b[1m\nso")
		}
	}
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		want  string // part of the error, "" for none
		final bool
	}{
		{"200 is a success", status(200), "", false},
		{"so is any of 2xx", status(204), "", false},
		{"500 is tried again", status(500), "status 500: said [1m so", false},
		{"so is 503", status(503), "status 503", false},
		{"so is 429", status(429), "status 429", false},
		{"400 is final", status(400), "status 400", true},
		{"so is 404", status(404), "status 404", true},
		{"so is a redirect to nowhere", status(304), "status 304", true},
		{"307 sends the message on", status(307, "Location", "/there"), "", false},
		{"so does 308", status(308, "Location", "/there"), "", false},
		{"301 would lose it", status(301, "Location", "/there"), "makes GET of POST", true},
		{"so would 303", status(303, "Location", "/there"), "makes GET of POST", true},
		{"a redirect inward is refused", status(307, "Location", "http://[::1]:"+port), "its address is loopback", true},
		{"so is one to another protocol", status(307, "Location", "ftp://example.com/"), "only http and https", true},
		{"and one in a circle", status(307, "Location", "/"), "more than 3 times", true},
		{"no answer is tried again", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"no answer that is HTTP", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.serve)
			defer s.Close()
			err := newWebhook(nil).send(t.Context(), delivery(s.URL))
			if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(got, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if final := errors.As(err, &finalError{}); final != tt.final {
				t.Errorf("got an error that is final: %t, want %t: %v", final, tt.final, err)
			}
		})
	}
}

func TestAForbiddenEndpointIsNotCalled(t *testing.T) {
	h := newWebhook(nil)
	h.client = guard.New(guard.Options{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	defer s.Close()
	err := h.send(t.Context(), delivery(s.URL))
	if !errors.As(err, &finalError{}) || !strings.Contains(err.Error(), "outgoing-allow") ||
		strings.Contains(err.Error(), s.Listener.Addr().String()) {
		t.Errorf("got %v, want a refusal that is final and repeats no address", err)
	}
}

// endless writes until nobody reads.
func endless(w http.ResponseWriter, _ *http.Request, pause time.Duration) {
	for {
		if _, err := w.Write([]byte(strings.Repeat("x", 64))); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(pause)
	}
}

func TestAnAnswerWithoutEndIsCut(t *testing.T) {
	for name, pause := range map[string]time.Duration{"in size": 0, "in time": 50 * time.Millisecond} {
		for code, want := range map[int]string{200: "<nil>", 500: "status 500: xxx"} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(code)
				endless(w, r, pause)
			}))
			begun := time.Now()
			err := newWebhook(nil).send(t.Context(), delivery(s.URL))
			if !strings.Contains(fmt.Sprint(err), want) || len(fmt.Sprint(err)) > 300 {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("%s: got %s", name, took)
			}
			s.Close()
		}
	}
}
