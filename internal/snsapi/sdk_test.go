package snsapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// world is a server with a receiver of messages, and two accounts.
type world struct {
	c         *cordontest.Cordon
	sns       *sns.Client // of the operator's account
	elsewhere *sns.Client // of the same account in another region
	stranger  *sns.Client // the root of another account
	inbox     chan received
	receiver  string
}

type received struct {
	kind string
	body map[string]any
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := cordontest.Settings(t, "sqlite")
	cfg.OutgoingAllow = []string{"127.0.0.1/32"}
	w := &world{c: cordontest.Start(t, cfg, server.Options{}), inbox: make(chan received, 1000)}
	w.sns = w.client(cordontest.RootID, cordontest.RootToken, cordontest.Region)
	w.elsewhere = w.client(cordontest.RootID, cordontest.RootToken, "eu-west-1")
	key, err := w.c.Identity().CreateAccount(t.Context(), "111111111111", "")
	ok(t, err)
	w.stranger = w.client(key.ID, key.Secret, cordontest.Region)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got := received{kind: r.Header.Get("x-amz-sns-message-type"), body: map[string]any{}}
		if json.Unmarshal(b, &got.body) != nil {
			got.body["raw"] = string(b)
		}
		w.inbox <- got
	}))
	t.Cleanup(s.Close)
	w.receiver = s.URL
	return w
}

func (w *world) client(id, secret, region string) *sns.Client {
	return sns.New(sns.Options{
		BaseEndpoint: aws.String(w.c.URL()), Region: region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// next is what the receiver got next, of a kind.
func (w *world) next(t *testing.T, kind string) map[string]any {
	t.Helper()
	select {
	case got := <-w.inbox:
		if got.kind != kind {
			t.Fatalf("got %s %v, want %s", got.kind, got.body, kind)
		}
		return got.body
	case <-time.After(cordontest.Deadline):
		t.Fatalf("got nothing, want %s", kind)
	}
	return nil
}

func (w *world) topic(t *testing.T, name string) string {
	t.Helper()
	out, err := w.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	ok(t, err)
	return *out.TopicArn
}

// confirmed subscribes a path of the receiver to a topic, and confirms it by the
// link that the receiver is sent, or by its token.
func (w *world) confirmed(t *testing.T, arn, path string, guarded bool, attributes map[string]string) string {
	t.Helper()
	out, err := w.sns.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &arn, Protocol: new("http"), Endpoint: new(w.receiver + path), Attributes: attributes,
	})
	ok(t, err)
	if *out.SubscriptionArn != "pending confirmation" {
		t.Errorf("got %s, want it pending", *out.SubscriptionArn)
	}
	asked := w.next(t, "SubscriptionConfirmation")
	if !guarded {
		if status, body := get(t, asked["SubscribeURL"].(string)); status != http.StatusOK {
			t.Fatalf("got %d %s for the link, want it confirmed", status, body)
		}
	}
	done, err := w.sns.ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{
		TopicArn: &arn, Token: new(asked["Token"].(string)), AuthenticateOnUnsubscribe: new(fmt.Sprint(guarded)),
	})
	ok(t, err)
	return *done.SubscriptionArn
}

func get(t *testing.T, link string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(link)
	ok(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ok(t, err)
	return resp.StatusCode, string(b)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code, part string) {
	t.Helper()
	var got smithy.APIError
	if !errors.As(err, &got) || got.ErrorCode() != code || !strings.Contains(got.ErrorMessage(), part) {
		t.Errorf("got %v, want %s that says %q", err, code, part)
	}
}

func TestTopics(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]func(*testing.T, *world){
		"a topic is made, listed, set and deleted": topicLife, "what is not supported is refused": refusals,
		"lists have pages of a hundred": pages, "messages reach those who confirmed": messages,
		"a batch is published in part": batches, "subscriptions are set and ended": subscriptions,
		"accounts and regions never meet": isolation, "tags hang on topics": tags,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

func topicLife(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "life")
	if want := "arn:aws:sns:us-east-1:000000000000:life"; arn != want || w.topic(t, "life") != want {
		t.Errorf("got %s, want %s each time", arn, want)
	}
	set := func(name, value string) error {
		_, err := w.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
			TopicArn: &arn, AttributeName: &name, AttributeValue: &value,
		})
		return err
	}
	ok(t, set("DisplayName", "Life & more"))
	got, err := w.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	ok(t, err)
	for name, want := range map[string]string{
		"TopicArn": arn, "Owner": cordontest.Account, "DisplayName": "Life & more", "SubscriptionsConfirmed": "0",
		"SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
	} {
		if got.Attributes[name] != want {
			t.Errorf("got %s %q, want %q", name, got.Attributes[name], want)
		}
	}
	var policy struct{ Statement []struct{ Resource string } }
	ok(t, json.Unmarshal([]byte(got.Attributes["Policy"]), &policy))
	if policy.Statement[0].Resource != arn {
		t.Errorf("got a policy of %s, want of the topic", policy.Statement[0].Resource)
	}
	own := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111111111111"},` +
		`"Action":"sns:GetTopicAttributes","Resource":"` + arn + `"}}`
	ok(t, set("Policy", own))
	for value, says := range map[string]string{
		`{`: "Policy", `{"Statement":{"Effect":"Allow","Action":"sns:Publish","Resource":"*"}}`: "Principal",
		strings.Replace(own, "sns:G", "sqs:G", 1): "out of service scope", strings.Repeat(" ", 40_000): "longer",
		strings.Replace(own, `"Resource"`, `"Condition":{"StringSame":{"a":"b"}},"Resource"`, 1): "StringSame",
	} {
		wantCode(t, set("Policy", value), "InvalidParameter", says)
	}
	_, err = w.sns.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &arn})
	ok(t, err)
	_, err = w.sns.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &arn})
	ok(t, err)
	_, err = w.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	wantCode(t, err, "NotFound", "Topic does not exist")
	wantCode(t, set("DisplayName", "x"), "NotFound", "Topic does not exist")
}

func refusals(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "refusals")
	for name, in := range map[string]*sns.CreateTopicInput{
		"a name with a dot":      {Name: new("a.b")},
		"a FIFO topic":           {Name: new("a.fifo")},
		"a FIFO attribute":       {Name: new("a"), Attributes: map[string]string{"FifoTopic": "true"}},
		"encryption":             {Name: new("a"), Attributes: map[string]string{"KmsMasterKeyId": "k"}},
		"delivery policy":        {Name: new("a"), Attributes: map[string]string{"DeliveryPolicy": "{}"}},
		"an old signature":       {Name: new("a"), Attributes: map[string]string{"SignatureVersion": "1"}},
		"what is unknown":        {Name: new("a"), Attributes: map[string]string{"Color": "red"}},
		"data protection":        {Name: new("a"), DataProtectionPolicy: new("{}")},
		"a display name of two":  {Name: new("a"), Attributes: map[string]string{"DisplayName": "a\nb"}},
		"a tag that is reserved": {Name: new("a"), Tags: []types.Tag{{Key: new("aws:x"), Value: new("")}}},
	} {
		_, err := w.sns.CreateTopic(ctx, in)
		var got smithy.APIError
		if !errors.As(err, &got) || got.ErrorCode() != "InvalidParameter" {
			t.Errorf("got %v for %s, want InvalidParameter", err, name)
		}
	}
	for _, tt := range []struct{ protocol, endpoint, says string }{
		{"sqs", "arn:aws:sqs:us-east-1:000000000000:q", "sqs is not supported"},
		{"lambda", "arn", "lambda is not supported"}, {"sms", "+15550100", "sms is not supported"},
		{"email-json", "a@example.com", "email-json is not supported"}, {"gopher", "x", "protocol string"},
		{"https", "http://example.com", "must match the specified protocol"}, {"http", "", "Endpoint"},
		{"http", "http:///x", "no host"}, {"http", "http://a b", "no URL"},
		{"http", "http://u:p@example.com", "user name"}, {"http", "http://example.com/#x", "fragment"},
		{"http", "http://10.0.0.1/", "private"}, {"http", "http://169.254.169.254/latest", "link-local"},
		{"http", "http://[::1]/", "loopback"}, {"http", "http://[::ffff:10.0.0.1]/", "private"},
		{"http", "http://example.com/" + strings.Repeat("x", 2048), "longer"},
		{"email", "no address", "Email address"}, {"email", "A <a@example.com>", "Email address"},
		{"email", "a@example.com\r\nBcc: b@example.com", "Email address"},
	} {
		_, err := w.sns.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: &arn, Protocol: &tt.protocol, Endpoint: &tt.endpoint,
		})
		wantCode(t, err, "InvalidParameter", tt.says)
	}
	for name, value := range map[string]string{
		"FilterPolicy": `{"a":[{"wildcard":"*"}]}`, "FilterPolicyScope": "Body", "RawMessageDelivery": "maybe",
		"RedrivePolicy": "{}", "DeliveryPolicy": "{}", "SubscriptionRoleArn": "r", "ReplayPolicy": "{}", "Color": "red",
	} {
		_, err := w.sns.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: &arn, Protocol: new("https"), Endpoint: new("https://example.com"),
			Attributes: map[string]string{name: value},
		})
		wantCode(t, err, "InvalidParameter", "")
	}
	wrongMessages(t, w, arn)
}

func wrongMessages(t *testing.T, w *world, arn string) {
	attribute := func(name, kind, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}}
	}
	for _, tt := range []struct {
		in   sns.PublishInput
		says string
	}{
		{sns.PublishInput{Message: new("")}, "Empty message"},
		{sns.PublishInput{Message: new(strings.Repeat("x", 256<<10+1))}, "too long"},
		{sns.PublishInput{Message: new("m"), Subject: new("a\nb")}, "Subject"},
		{sns.PublishInput{Message: new("m"), Subject: new(strings.Repeat("x", 101))}, "Subject"},
		{sns.PublishInput{Message: new("m"), MessageStructure: new("xml")}, "Structure"},
		{sns.PublishInput{Message: new("m"), MessageStructure: new("json")}, "failed to parse"},
		{sns.PublishInput{Message: new(`{"http":"m"}`), MessageStructure: new("json")}, "No default entry"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("aws.x", "String", "v")}, "name"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("a..b", "String", "v")}, "name"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("a", "Text", "v")}, "type"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("a", "Number", "v")}, "number"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("a", "String.Array", "v")}, "list"},
		{sns.PublishInput{Message: new("m"), MessageAttributes: attribute("a", "String", "")}, "value"},
		{sns.PublishInput{Message: new("m"), MessageGroupId: new("g")}, "MessageGroupId"},
		{sns.PublishInput{Message: new("m"), PhoneNumber: new("+15550100")}, "PhoneNumber"},
	} {
		tt.in.TopicArn = &arn
		_, err := w.sns.Publish(t.Context(), &tt.in)
		wantCode(t, err, "InvalidParameter", tt.says)
	}
	_, err := w.sns.Publish(t.Context(), &sns.PublishInput{Message: new("m"), TargetArn: &arn})
	wantCode(t, err, "InvalidParameter", "TargetArn")
	_, err = w.sns.Publish(t.Context(), &sns.PublishInput{Message: new("m")})
	wantCode(t, err, "InvalidParameter", "TopicArn")
	_, err = w.sns.Publish(t.Context(), &sns.PublishInput{Message: new("m"), TopicArn: new(arn + "x")})
	wantCode(t, err, "NotFound", "Topic does not exist")
	_, err = w.sns.Publish(t.Context(), &sns.PublishInput{Message: new("m"), TopicArn: new("topic")})
	wantCode(t, err, "InvalidParameter", "TopicArn")
}

func pages(t *testing.T, w *world) {
	ctx := t.Context()
	want := map[string]bool{}
	for i := range 101 {
		out, err := w.elsewhere.CreateTopic(ctx, &sns.CreateTopicInput{Name: new(fmt.Sprintf("t%03d", i))})
		ok(t, err)
		want[*out.TopicArn] = true
		_, err = w.elsewhere.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: new("arn:aws:sns:eu-west-1:000000000000:t000"), Protocol: new("email"),
			Endpoint: new(fmt.Sprintf("a%d@example.com", i)),
		})
		ok(t, err)
	}
	first, err := w.elsewhere.ListTopics(ctx, &sns.ListTopicsInput{})
	ok(t, err)
	if len(first.Topics) != 100 || first.NextToken == nil {
		t.Fatalf("got %d topics and token %v, want 100 and more", len(first.Topics), first.NextToken)
	}
	rest, err := w.elsewhere.ListTopics(ctx, &sns.ListTopicsInput{NextToken: first.NextToken})
	ok(t, err)
	for _, topic := range slices.Concat(first.Topics, rest.Topics) {
		delete(want, *topic.TopicArn)
	}
	if len(want) > 0 || len(rest.Topics) != 1 || rest.NextToken != nil {
		t.Errorf("got %d topics on the second page and %v missing", len(rest.Topics), want)
	}
	_, err = w.elsewhere.ListSubscriptions(ctx, &sns.ListSubscriptionsInput{NextToken: first.NextToken})
	wantCode(t, err, "InvalidParameter", "")
	seen := 0
	all := sns.NewListSubscriptionsPaginator(w.elsewhere, &sns.ListSubscriptionsInput{})
	for all.HasMorePages() {
		out, err := all.NextPage(ctx)
		ok(t, err)
		seen += len(out.Subscriptions)
	}
	of := sns.NewListSubscriptionsByTopicPaginator(w.elsewhere, &sns.ListSubscriptionsByTopicInput{
		TopicArn: new("arn:aws:sns:eu-west-1:000000000000:t000"),
	})
	for of.HasMorePages() {
		out, err := of.NextPage(ctx)
		ok(t, err)
		seen += len(out.Subscriptions)
		for _, u := range out.Subscriptions {
			if *u.SubscriptionArn != "PendingConfirmation" {
				t.Errorf("got %s, want it pending", *u.SubscriptionArn)
			}
		}
	}
	if seen != 202 {
		t.Errorf("got %d subscriptions in two lists, want 202", seen)
	}
}

func messages(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "messages")
	w.confirmed(t, arn, "/some", false, map[string]string{
		"FilterPolicy": `{"level":["high"]}`, "RawMessageDelivery": "true",
	})
	publish := func(in sns.PublishInput) string {
		in.TopicArn = &arn
		out, err := w.sns.Publish(ctx, &in)
		ok(t, err)
		return *out.MessageId
	}
	publish(sns.PublishInput{Message: new("low")})
	publish(sns.PublishInput{
		Message: new(`{"default":"d","http":"high"}`), MessageStructure: new("json"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"level": {DataType: new("String"), StringValue: new("high")},
			"bytes": {DataType: new("Binary"), BinaryValue: []byte{0, 255}},
		},
	})
	if got := w.next(t, "Notification"); got["raw"] != "high" {
		t.Errorf("got %v, want only what the filter lets through", got)
	}
	all := w.confirmed(t, arn, "/all", false, nil)
	id := publish(sns.PublishInput{Message: new("hello"), Subject: new("Grüße")})
	got := w.next(t, "Notification")
	if got["MessageId"] != id || got["Message"] != "hello" || got["Subject"] != "Grüße" || got["TopicArn"] != arn {
		t.Errorf("got %v, want message %s", got, id)
	}
	link, err := url.Parse(got["UnsubscribeURL"].(string))
	ok(t, err)
	if link.Query().Get("SubscriptionArn") != all {
		t.Errorf("got %s, want a link that ends %s", link, all)
	}
	if status, body := get(t, link.String()); status != http.StatusOK {
		t.Errorf("got %d %s for the link, want it ended", status, body)
	}
	pending := func() string {
		out, err := w.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &all})
		ok(t, err)
		return out.Attributes["PendingConfirmation"]
	}
	if got := pending(); got != "true" {
		t.Errorf("got PendingConfirmation %s of what was ended by its link, want true", got)
	}
	if status, body := get(t, link.String()); status != http.StatusForbidden {
		t.Errorf("got %d %s for the link again, want it refused", status, body)
	}
	ended := w.next(t, "UnsubscribeConfirmation")
	if !strings.Contains(fmt.Sprint(ended["Message"]), all) || ended["TopicArn"] != arn {
		t.Errorf("got %v, want it to name the subscription that was ended", ended)
	}
	if status, body := get(t, fmt.Sprint(ended["SubscribeURL"])); status != http.StatusOK || pending() != "false" {
		t.Errorf("got %d %s for the link that restores it, want it confirmed", status, body)
	}
	id = publish(sns.PublishInput{Message: new("again")})
	if got := w.next(t, "Notification"); got["MessageId"] != id {
		t.Errorf("got %v, want message %s, the first one after it was restored", got, id)
	}
	_, err = w.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &all})
	ok(t, err)
	_, err = w.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &all})
	wantCode(t, err, "NotFound", "Subscription does not exist")
}

func batches(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "batches")
	entry := func(id, message string) types.PublishBatchRequestEntry {
		return types.PublishBatchRequestEntry{Id: &id, Message: &message}
	}
	publish := func(list ...types.PublishBatchRequestEntry) (*sns.PublishBatchOutput, error) {
		return w.sns.PublishBatch(ctx, &sns.PublishBatchInput{TopicArn: &arn, PublishBatchRequestEntries: list})
	}
	out, err := publish(entry("a", "x"), entry("b", ""), entry("c", "y"))
	ok(t, err)
	if len(out.Successful) != 2 || *out.Successful[1].Id != "c" || *out.Successful[1].MessageId == "" ||
		len(out.Failed) != 1 || *out.Failed[0].Id != "b" || *out.Failed[0].Code != "InvalidParameter" {
		t.Errorf("got %+v, want b to fail alone", out)
	}
	large := strings.Repeat("x", 100<<10)
	for code, list := range map[string][]types.PublishBatchRequestEntry{
		"BatchEntryIdsNotDistinct":     {entry("a", "x"), entry("a", "y")},
		"InvalidBatchEntryId":          {entry("a b", "x")},
		"BatchRequestTooLong":          {entry("a", large), entry("b", large), entry("c", large)},
		"TooManyEntriesInBatchRequest": slices.Repeat([]types.PublishBatchRequestEntry{entry("a", "x")}, 11),
		"EmptyBatchRequest":            {},
	} {
		_, err := publish(list...)
		wantCode(t, err, code, "")
	}
}

func subscriptions(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "subscriptions")
	u := w.confirmed(t, arn, "/guarded", true, nil)
	set := func(name, value string) error {
		_, err := w.sns.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &u, AttributeName: &name, AttributeValue: &value,
		})
		return err
	}
	ok(t, set("FilterPolicyScope", "MessageBody"))
	ok(t, set("FilterPolicy", `{"a":{"b":["x"]}}`))
	wantCode(t, set("FilterPolicyScope", "MessageAttributes"), "InvalidParameter", "FilterPolicy")
	ok(t, set("RawMessageDelivery", "true"))
	got, err := w.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &u})
	ok(t, err)
	for name, want := range map[string]string{
		"SubscriptionArn": u, "TopicArn": arn, "Owner": cordontest.Account, "Protocol": "http",
		"Endpoint": w.receiver + "/guarded", "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true",
		"RawMessageDelivery": "true", "FilterPolicy": `{"a":{"b":["x"]}}`, "FilterPolicyScope": "MessageBody",
	} {
		if got.Attributes[name] != want {
			t.Errorf("got %s %q, want %q", name, got.Attributes[name], want)
		}
	}
	status, body := get(t, w.c.URL()+"/?Action=Unsubscribe&SubscriptionArn="+url.QueryEscape(u))
	if status != http.StatusForbidden || !strings.Contains(body, "AuthorizationError") {
		t.Errorf("got %d %s for a link to a guarded subscription, want AuthorizationError", status, body)
	}
	for _, token := range []string{"", "wrong"} {
		status, body := get(t, w.c.URL()+"/?Action=ConfirmSubscription&TopicArn="+url.QueryEscape(arn)+"&Token="+token)
		if status != http.StatusBadRequest || !strings.Contains(body, "InvalidParameter") {
			t.Errorf("got %d %s for the token %q, want InvalidParameter", status, body, token)
		}
	}
	_, err = w.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &u})
	ok(t, err)
	_, err = w.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &u})
	wantCode(t, err, "NotFound", "")
	_, err = w.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &arn})
	wantCode(t, err, "InvalidParameter", "SubscriptionArn")
	pending, err := w.sns.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &arn, Protocol: new("email"), Endpoint: new("a@example.com"), ReturnSubscriptionArn: true,
	})
	ok(t, err)
	got, err = w.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{
		SubscriptionArn: pending.SubscriptionArn,
	})
	ok(t, err)
	if got.Attributes["PendingConfirmation"] != "true" || !strings.Contains(got.Attributes["CordonNote"], "smtp-relay") {
		t.Errorf("got %v, want it pending, and why", got.Attributes)
	}
}

// isolation holds that an account is told nothing of another's topics, and that
// regions do not share any.
func isolation(t *testing.T, w *world) {
	ctx := t.Context()
	arn := w.topic(t, "isolation")
	u := w.confirmed(t, arn, "/isolation", false, nil)
	for name, call := range map[string]func(c *sns.Client) error{
		"GetTopicAttributes": func(c *sns.Client) error {
			_, err := c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
			return err
		},
		"Publish": func(c *sns.Client) error {
			_, err := c.Publish(ctx, &sns.PublishInput{TopicArn: &arn, Message: new("m")})
			return err
		},
		"DeleteTopic": func(c *sns.Client) error {
			_, err := c.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &arn})
			return err
		},
		"Unsubscribe": func(c *sns.Client) error {
			_, err := c.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &u})
			return err
		},
		"ListSubscriptionsByTopic": func(c *sns.Client) error {
			_, err := c.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn})
			return err
		},
		"ListTagsForResource": func(c *sns.Client) error {
			_, err := c.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &arn})
			return err
		},
	} {
		for who, c := range map[string]*sns.Client{"another account": w.stranger, "another region": w.elsewhere} {
			var refused smithy.APIError
			if err := call(c); !errors.As(err, &refused) || refused.ErrorFault() != smithy.FaultClient {
				t.Errorf("got %v for %s from %s, want it refused", err, name, who)
			}
		}
	}
	for _, list := range []func(context.Context) (int, error){
		func(ctx context.Context) (int, error) {
			out, err := w.stranger.ListTopics(ctx, &sns.ListTopicsInput{})
			return len(out.Topics), err
		},
		func(ctx context.Context) (int, error) {
			out, err := w.stranger.ListSubscriptions(ctx, &sns.ListSubscriptionsInput{})
			return len(out.Subscriptions), err
		},
	} {
		if n, err := list(ctx); n != 0 || err != nil {
			t.Errorf("got %d of another account, %v, want none", n, err)
		}
	}
	if _, err := w.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn}); err != nil {
		t.Errorf("got %v, want the topic untouched", err)
	}
}

func tags(t *testing.T, w *world) {
	ctx := t.Context()
	out, err := w.sns.CreateTopic(ctx, &sns.CreateTopicInput{
		Name: new("tags"), Tags: []types.Tag{{Key: new("a"), Value: new("1")}},
	})
	ok(t, err)
	arn := out.TopicArn
	_, err = w.sns.TagResource(ctx, &sns.TagResourceInput{
		ResourceArn: arn, Tags: []types.Tag{{Key: new("b"), Value: new("2")}},
	})
	ok(t, err)
	_, err = w.sns.UntagResource(ctx, &sns.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	ok(t, err)
	got, err := w.sns.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: arn})
	ok(t, err)
	if len(got.Tags) != 1 || *got.Tags[0].Key != "b" || *got.Tags[0].Value != "2" {
		t.Errorf("got %+v, want b alone", got.Tags)
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, types.Tag{Key: new(fmt.Sprint(i)), Value: new("")})
	}
	_, err = w.sns.TagResource(ctx, &sns.TagResourceInput{ResourceArn: arn, Tags: many})
	wantCode(t, err, "TagLimitExceeded", "")
	_, err = w.sns.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: new(*arn + "x")})
	wantCode(t, err, "ResourceNotFound", "")
}
