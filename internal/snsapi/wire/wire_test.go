package wire_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

type oneKey struct{}

func (oneKey) Credential(context.Context, string, string) (awswire.Key, error) {
	return awswire.Key{Account: "000000000000", Secret: "secret"}, nil
}

// serve returns a client of a server with the operations given, and its URL.
func serve(t *testing.T, cfg awswire.Config, operations ...awswire.Served) (*sns.Client, string) {
	t.Helper()
	cfg.Keys, cfg.Services = oneKey{}, []awswire.Service{wire.Service(operations)}
	h, err := awswire.NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return sns.New(sns.Options{
		BaseEndpoint: &s.URL, Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	}), s.URL
}

const topic = "arn:aws:sns:us-east-1:000000000000:t"

func TestMapsAndBytesAreAsTheSDKHasThem(t *testing.T) {
	var got *wire.PublishInput
	c, _ := serve(t, awswire.Config{}, awswire.Op(wire.Publish, func(_ context.Context, in *wire.PublishInput) (
		*wire.PublishResponse, error,
	) {
		got = in
		return &wire.PublishResponse{MessageID: new("m")}, nil
	}), awswire.Op(wire.GetTopicAttributes, func(context.Context, *wire.GetTopicAttributesInput) (
		*wire.GetTopicAttributesResponse, error,
	) {
		return &wire.GetTopicAttributesResponse{Attributes: map[string]string{"b": "<2>", "a": "1", "c": ""}}, nil
	}))
	out, err := c.Publish(t.Context(), &sns.PublishInput{
		TopicArn: new(topic), Message: new("a\r\nb"), MessageAttributes: map[string]types.MessageAttributeValue{
			"x": {DataType: new("Binary"), BinaryValue: []byte{0, 255}}, "y": {DataType: new("String"), StringValue: new("é")},
		},
	})
	if err != nil || *out.MessageId != "m" {
		t.Fatalf("got %v, %v, want message m", out, err)
	}
	want := &wire.PublishInput{
		TopicARN: new(topic), Message: new("a\r\nb"), MessageAttributes: map[string]wire.MessageAttributeValue{
			"x": {DataType: new("Binary"), BinaryValue: []byte{0, 255}}, "y": {DataType: new("String"), StringValue: new("é")},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got request %+v, want %+v", got, want)
	}
	attributes, err := c.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: new(topic)})
	stored := map[string]string{"a": "1", "b": "<2>", "c": ""}
	if err != nil || !reflect.DeepEqual(attributes.Attributes, stored) {
		t.Errorf("got %v, %v, want %v", attributes, err, stored)
	}
}

func TestWhatIsInvalidIsSaidInTheWordsOfSNS(t *testing.T) {
	c, _ := serve(t, awswire.Config{}, awswire.Op(wire.CreateTopic, func(context.Context, *wire.CreateTopicInput) (
		*wire.CreateTopicResponse, error,
	) {
		return nil, fault.New(fault.Invalid, "Invalid parameter: Topic Name")
	}))
	create := func(tags ...types.Tag) string {
		_, err := c.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: new("t"), Tags: tags})
		var e *types.InvalidParameterException
		if !errors.As(err, &e) {
			t.Fatalf("got %v, want InvalidParameter", err)
		}
		return e.ErrorMessage()
	}
	if got, want := create(), "Invalid parameter: Topic Name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := "Invalid parameter: 1 validation error detected: " +
		"Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"
	if got := create(types.Tag{Key: new(""), Value: new("")}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestALinkThatIsNotSigned follows links as a person does, for whom there is no
// key: only operations that are made for it are answered.
func TestALinkThatIsNotSigned(t *testing.T) {
	denied := func(context.Context, awswire.Target, []awswire.Need) error { return fault.New(fault.Denied, "no") }
	var caller awswire.Caller
	c, url := serve(t, awswire.Config{Authorize: denied},
		awswire.Op(wire.ConfirmSubscription, func(ctx context.Context, in *wire.ConfirmSubscriptionInput) (
			*wire.ConfirmSubscriptionResponse, error,
		) {
			caller = awswire.CallerFrom(ctx)
			return &wire.ConfirmSubscriptionResponse{SubscriptionARN: in.TopicARN}, nil
		}).Anonymous(),
		awswire.Op(wire.ListTopics, func(context.Context, *wire.ListTopicsInput) (*wire.ListTopicsResponse, error) {
			return nil, nil
		}))
	const confirm = "/?Action=ConfirmSubscription&TopicArn=" + topic
	for _, tt := range []struct {
		name, query, body string
		status            int
		want              string // an element of the answer
	}{
		{"is answered", confirm + "&Token=t", "", 200, "<SubscriptionArn>" + topic + "</SubscriptionArn>"},
		{"is answered in its version", confirm + "&Token=t&Version=2010-03-31", "", 200, "<ConfirmSubscriptionResult>"},
		{"is answered when it is sent as a form", "/", confirm[2:] + "&Token=t", 200, "<ConfirmSubscriptionResult>"},
		{"is refused in another version", confirm + "&Token=t&Version=2010-03-30", "", 400, "<Code>InvalidAction</Code>"},
		{"is refused without a member", confirm, "", 400, "<Code>InvalidParameter</Code>"},
		{"is refused to another operation", "/?Action=ListTopics", "", 403, "<Code>MissingAuthenticationToken</Code>"},
		{"is refused to no operation", "/?Action=", "", 403, "<Code>MissingAuthenticationToken</Code>"},
		{"is refused with a member twice", confirm + "&Token=t&Token=u", "", 403, "<Code>MissingAuthenticationToken</Code>"},
		{"is refused when it is large", "/", confirm[2:] + "&Token=t&x=" + strings.Repeat("x", 16<<10), 403,
			"<Code>MissingAuthenticationToken</Code>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", url+tt.query, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.body != "" {
				r.Method = "POST"
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || xml.Unmarshal(text, new(struct{})) != nil || resp.Header.Get("Content-Type") != "text/xml" {
				t.Fatalf("got %v %q, want XML", err, text)
			}
			if resp.StatusCode != tt.status || !strings.Contains(string(text), tt.want) {
				t.Errorf("got %d %s, want %d with %s", resp.StatusCode, text, tt.status, tt.want)
			}
		})
	}
	if caller.AccessKeyID != "" || caller.Account != "" || caller.SourceIP != "127.0.0.1" {
		t.Errorf("got caller %+v, want nothing but the address", caller)
	}
	_, err := c.ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: new(topic), Token: new("t")})
	if !errors.As(err, new(*types.AuthorizationErrorException)) {
		t.Errorf("got %v for a link that is signed, want AuthorizationError: it needs its permission", err)
	}
}
