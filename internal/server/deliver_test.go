package server_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
	"github.com/cordon-iot/cordon/internal/server"
)

// hasty is a timing by which tests end soon.
var hasty = deliver.Timing{
	Poll: 20 * time.Millisecond, Timeout: time.Second, Lease: 1500 * time.Millisecond, Rest: 20 * time.Millisecond,
	Retries: deliver.Retries{First: 30 * time.Millisecond, Most: 200 * time.Millisecond, Total: time.Hour},
}

// posted is what came to a receiver.
type posted struct {
	header http.Header
	body   []byte
}

// receiver is an endpoint that keeps what it gets.
type receiver struct {
	t       *testing.T
	address string
	server  *http.Server

	mu     sync.Mutex
	got    map[string][]posted // by path
	answer func(path string, n int) int
}

// newReceiver starts a receiver that answers the n-th request of a path with a
// status, 0 for none.
func newReceiver(t *testing.T, answer func(path string, n int) int) *receiver {
	r := &receiver{t: t, address: "127.0.0.1:0", got: map[string][]posted{}, answer: answer}
	r.start()
	t.Cleanup(func() { _ = r.server.Close() })
	return r
}

// start has the receiver answer, at the address that it had before.
func (r *receiver) start() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(l) }()
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.got[req.URL.Path] = append(r.got[req.URL.Path], posted{req.Header, body})
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(req.URL.Path, len(r.got[req.URL.Path]))
	}
	r.mu.Unlock()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// ids are the different messages that came to a path.
func (r *receiver) ids(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]bool{}
	for _, p := range r.got[path] {
		ids[p.header.Get("x-cordon-message-id")] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// posts is what came to a path.
func (r *receiver) posts(path string) []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[path])
}

func (r *receiver) count(path string) int { return len(r.posts(path)) }

// await waits until a path has got so many different messages.
func (r *receiver) await(path string, n int) {
	r.t.Helper()
	cordontest.Await(r.t, fmt.Sprintf("%d messages come to %s", n, path), func() bool { return len(r.ids(path)) >= n })
}

// topicOf is the ARN of a topic of the tests' scope.
func topicOf(name string) notify.TopicARN { return notify.TopicARN{Scope: scope, Name: name} }

// newTopic makes a topic.
func newTopic(t *testing.T, c *cordontest.Cordon, name string) {
	t.Helper()
	topic := &notify.Topic{ARN: topicOf(name), Created: time.Now()}
	if _, err := c.Store().CreateTopic(t.Context(), topic, nil); err != nil {
		t.Fatal(err)
	}
}

// subscribe subscribes an endpoint. A confirmed one gets messages raw: making the
// key that others are signed with takes long under the race detector.
func subscribe(t *testing.T, c *cordontest.Cordon, topic, endpoint string, state notify.SubscriptionState) (
	u *notify.Subscription,
) {
	t.Helper()
	u, err := c.Store().Subscribe(t.Context(), notify.Subscription{
		ARN:      notify.SubscriptionARN{Topic: topicOf(topic), ID: uuid.NewString()},
		Protocol: notify.HTTP, Endpoint: endpoint, State: state, Created: time.Now(),
		Settings: notify.Settings{Raw: state == notify.Confirmed},
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// publish stores n messages for a topic.
func publish(t *testing.T, c *cordontest.Cordon, topic string, n int) {
	t.Helper()
	var list []notify.Message
	for range n {
		list = append(list, notify.Message{
			ID: topic + "/" + uuid.NewString(), TopicARN: topicOf(topic).String(), Body: "{}", Created: time.Now(),
		})
	}
	if err := c.Store().EnqueueMessages(t.Context(), scope, list); err != nil {
		t.Fatal(err)
	}
}

// told is a database with messages for two endpoints of a receiver, none of which
// has its deliveries.
func told(t *testing.T, database string, r *receiver, n int) *rig {
	t.Helper()
	cfg := cordontest.Settings(t, database)
	cfg.OutgoingAllow = []string{"127.0.0.1/32"}
	within(t, cfg, server.Options{Delivery: deliver.Timing{Poll: time.Hour}}, func(c *cordontest.Cordon) {
		newTopic(t, c, "alarms")
		for _, path := range []string{"/a", "/b"} {
			subscribe(t, c, "alarms", "http://"+r.address+path, notify.Confirmed)
		}
		publish(t, c, "alarms", n)
	})
	return &rig{cfg: cfg}
}

// wantSettled wants that everything was delivered, and nothing twice in the
// database.
func (r *rig) wantSettled(t *testing.T, messages int) {
	t.Helper()
	e := r.inspect(t)
	e.want(messages, "messages", `SELECT count(*) FROM topic_messages WHERE state = 'SENT'`)
	e.want(2*messages, "delivered", `SELECT count(*) FROM topic_deliveries WHERE state = 'DELIVERED'`)
	e.want(2*messages, "deliveries", `SELECT count(*) FROM topic_deliveries`)
}

// TestNoMessageIsLostWhenAProcessIsKilled kills one process after the other, each
// at another point, while the receiver fails now and then.
func TestNoMessageIsLostWhenAProcessIsKilled(t *testing.T) {
	t.Parallel()
	const messages = 60
	r := newReceiver(t, func(_ string, n int) int { return []int{200, 503, 200, 0, 200}[n%5] })
	rig := told(t, "sqlite", r, messages)
	for _, at := range []stop{
		{"delivery", string(deliver.BeforeFanOut), 1, killed},
		{"delivery", string(deliver.AfterFanOut), 1, killed},
		{"delivery", string(deliver.BeforeSend), 6, killed},
		{"delivery", string(deliver.AfterSend), 7, killed},
		{"delivery", string(deliver.AfterSettle), 3, killed},
	} {
		launch(t, rig.cfg, at).wantKilled(t)
	}
	if n := len(r.ids("/a")) + len(r.ids("/b")); n == 0 || n == 2*messages {
		t.Errorf("got %d messages delivered behind the kills, want some", n)
	}
	p := start(t, rig.cfg)
	r.await("/a", messages)
	r.await("/b", messages)
	cordontest.Await(t, "nothing waits", func() bool { return backlog(t, p.ops, "WAITING") == "0" })
	p.terminate(t)
	rig.wantSettled(t, messages)
	if n := r.count("/a") + r.count("/b"); n < 2*messages+10 {
		t.Errorf("got %d posts, want more than messages: the receiver failed", n)
	}
}

// TestAnotherNodeDeliversWhatADeadOneHeld has two nodes share the work, of which
// one is killed behind a post.
func TestAnotherNodeDeliversWhatADeadOneHeld(t *testing.T) {
	t.Parallel()
	const messages = 40
	r := newReceiver(t, nil)
	rig := told(t, "postgres", r, messages)
	dead := launch(t, rig.cfg, stop{"delivery", string(deliver.AfterSend), 3, killed})
	dead.wantKilled(t)
	other, third := launch(t, rig.cfg), launch(t, rig.cfg)
	other.awaitReady(t)
	third.awaitReady(t)
	r.await("/a", messages)
	r.await("/b", messages)
	cordontest.Await(t, "nothing waits", func() bool { return backlog(t, other.ops, "WAITING") == "0" })
	other.terminate(t)
	third.terminate(t)
	rig.wantSettled(t, messages)
	if n := r.count("/a") + r.count("/b"); n > 2*messages+8 {
		t.Errorf("got %d posts for %d messages, want hardly one twice", n, 2*messages)
	}
}

// backlog reads how many deliveries are in a state from the metrics of a process.
func backlog(t *testing.T, ops, state string) string {
	t.Helper()
	resp, err := http.Get(ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(string(text), `cordon_topic_backlog{state="`+state+`"} `)
	value, _, _ = strings.Cut(value, "\n")
	return value
}

// hastyServer starts a server that delivers to this machine, each message once: no
// claim lapses while a test runs.
func hastyServer(t *testing.T, change func(*config.Config)) *cordontest.Cordon {
	t.Helper()
	cfg := cordontest.Settings(t, "sqlite")
	cfg.OutgoingAllow = []string{"127.0.0.1/32"}
	if change != nil {
		change(&cfg)
	}
	patient := hasty
	patient.Timeout, patient.Lease = 20*time.Second, 30*time.Second
	return cordontest.Start(t, cfg, server.Options{Delivery: patient})
}

// verify verifies the signature of what came, by the certificate that is
// published, over the members that SNS documents.
func verify(t *testing.T, p posted, names ...string) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(p.body, &got); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(fmt.Sprint(got["SigningCertURL"]))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("got no certificate at %v: %d %s", got["SigningCertURL"], resp.StatusCode, text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, n := range names {
		fmt.Fprintf(&lines, "%s\n%s\n", n, got[n])
	}
	signature, err := base64.StdEncoding.DecodeString(fmt.Sprint(got["Signature"]))
	if err == nil {
		err = c.CheckSignature(x509.SHA256WithRSA, []byte(lines.String()), signature)
	}
	if err != nil {
		t.Errorf("the signature of %s does not verify: %v", p.body, err)
	}
	return got
}

// TestAWebhookFromItsConfirmationToItsDeadLetters follows a webhook that
// confirms, stands, restarts, refuses, and is replayed to.
func TestAWebhookFromItsConfirmationToItsDeadLetters(t *testing.T) {
	t.Parallel()
	var refusing sync.Map
	r := newReceiver(t, func(path string, _ int) int {
		if _, refuses := refusing.Load(path); refuses {
			return http.StatusGone
		}
		return http.StatusOK
	})
	c := hastyServer(t, nil)
	newTopic(t, c, "alarms")
	hook := "http://" + r.address + "/hook"
	subscribe(t, c, "alarms", hook, notify.Unconfirmed)
	cordontest.Await(t, "a request to confirm comes", func() bool { return r.count("/hook") == 1 })
	asked := verify(t, r.posts("/hook")[0],
		"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
	link := fmt.Sprint(asked["SubscribeURL"])
	visit(t, strings.Replace(link, fmt.Sprint(asked["Token"]), strings.Repeat("0", 64), 1), http.StatusBadRequest)
	visit(t, strings.Replace(link, "alarms", "another", 1), http.StatusBadRequest)
	visit(t, link, http.StatusOK)

	publish(t, c, "alarms", 10)
	r.await("/hook", 11) // with the request to confirm, which has no id
	for _, p := range r.posts("/hook")[1:] {
		got := verify(t, p, "Message", "MessageId", "Timestamp", "TopicArn", "Type")
		link = fmt.Sprint(got["UnsubscribeURL"])
	}
	visit(t, link, http.StatusOK)
	var ended posted
	cordontest.Await(t, "the endpoint is told of the end", func() bool {
		list := r.posts("/hook")
		ended = list[len(list)-1]
		return ended.header.Get("x-amz-sns-message-type") == "UnsubscribeConfirmation"
	})
	verify(t, ended, "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
	publish(t, c, "alarms", 1)

	_ = r.server.Close()
	newTopic(t, c, "more")
	subscribe(t, c, "more", hook, notify.Confirmed)
	publish(t, c, "more", 10)
	cordontest.Await(t, "deliveries fail", func() bool { return backlog(t, c.OpsURL(), "WAITING") != "0" })
	r.start()
	r.await("/hook", 21)

	refusing.Store("/gone", true)
	newTopic(t, c, "dead")
	subscribe(t, c, "dead", "http://"+r.address+"/gone", notify.Confirmed)
	publish(t, c, "dead", 3)
	cordontest.Await(t, "deliveries are given up", func() bool { return backlog(t, c.OpsURL(), "DEAD") == "3" })
	refusing.Clear()
	dead, _, err := c.Store().DeadLetters(t.Context(), scope, 0, 10)
	if err != nil || len(dead) != 3 || dead[0].Error != "the endpoint answered with status 410" || dead[0].Attempt != 1 {
		t.Fatalf("got %+v, %v, want three that were refused at once", dead, err)
	}
	seqs := []int64{dead[0].Seq, dead[1].Seq}
	if n, err := c.Store().Replay(t.Context(), scope, seqs, time.Now(), 10); n != 2 || err != nil {
		t.Fatalf("got %d, %v, want two replayed", n, err)
	}
	cordontest.Await(t, "they come", func() bool { return r.count("/gone") == 5 })
	cordontest.Await(t, "one is dead still", func() bool { return backlog(t, c.OpsURL(), "DEAD") == "1" })
	if n := len(r.ids("/hook")); n != 21 {
		t.Errorf("got %d messages, want none behind the end of the subscription", n)
	}
}

// visit follows a link that was sent.
func visit(t *testing.T, link string, want int) {
	t.Helper()
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Errorf("got %d, %s, %v for %s, want %d", resp.StatusCode, text, err, link, want)
	}
}

// TestWhatHasNoEndpointAnyMoreEnds deletes a subscription and a topic while
// messages wait for them.
func TestWhatHasNoEndpointAnyMoreEnds(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusServiceUnavailable })
	c := hastyServer(t, nil)
	for _, name := range []string{"one", "two"} {
		newTopic(t, c, name)
	}
	u := subscribe(t, c, "one", "http://"+r.address+"/one", notify.Confirmed)
	subscribe(t, c, "two", "http://"+r.address+"/two", notify.Confirmed)
	publish(t, c, "one", 5)
	publish(t, c, "two", 5)
	cordontest.Await(t, "both fail", func() bool { return r.count("/one") > 0 && r.count("/two") > 0 })
	err := errors.Join(
		c.Store().Unsubscribe(t.Context(), u.ARN),
		c.Store().DeleteTopic(t.Context(), topicOf("two")))
	if err != nil {
		t.Fatal(err)
	}
	cordontest.Await(t, "nothing waits", func() bool { return backlog(t, c.OpsURL(), "WAITING") == "0" })
	publish(t, c, "two", 1)
	if got := backlog(t, c.OpsURL(), "DEAD"); got != "0" {
		t.Errorf("got %s dead, want none", got)
	}
}

// TestAnotherSNSGetsWhatIsPublished forwards from one Cordon to another, which
// stands for the SNS of AWS.
func TestAnotherSNSGetsWhatIsPublished(t *testing.T) {
	r := newReceiver(t, nil)
	sns := hastyServer(t, nil)
	newTopic(t, sns, "alarms")
	u := subscribe(t, sns, "alarms", "http://"+r.address+"/hook", notify.Confirmed)
	if err := sns.Store().UpdateSubscription(t.Context(), u.ARN, func(u *notify.Subscription) error {
		u.Settings.Raw = false // raw ones have no attributes
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", cordontest.RootID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", cordontest.RootToken)
	c := hastyServer(t, func(cfg *config.Config) { cfg.SNSEndpoint = sns.URL() })
	publish(t, c, "alarms", 5)
	publish(t, c, "missing", 1)
	r.await("/hook", 5)
	var got struct {
		MessageAttributes map[string]struct{ Value string }
	}
	if err := json.Unmarshal(r.posts("/hook")[0].body, &got); err != nil {
		t.Fatal(err)
	}
	if id := got.MessageAttributes["cordon.message-id"].Value; !strings.HasPrefix(id, "alarms/") {
		t.Errorf("got the id %q, want that of the message", id)
	}
	cordontest.Await(t, "one is given up", func() bool { return backlog(t, c.OpsURL(), "DEAD") == "1" })
	if dead, _, err := c.Store().DeadLetters(t.Context(), scope, 0, 10); err != nil || len(dead) != 1 ||
		dead[0].Error != "SNS answered with NotFound" || dead[0].TopicARN() != topicOf("missing").String() {
		t.Errorf("got %+v, %v, want the message for a topic that is not there", dead, err)
	}
}
