package deliver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/notify"
)

// The types of what an endpoint gets, equal to the wire value.
const (
	typeNotification = "Notification"
	typeConfirmation = "SubscriptionConfirmation"
	typeEnding       = "UnsubscribeConfirmation"
)

// signatureVersion is that of SHA256withRSA.
const signatureVersion = "2"

// envelope is the JSON that an http endpoint gets, its members in the order of
// SNS. Source: SNS, HTTP/HTTPS notification, subscription confirmation and
// unsubscribe confirmation JSON format.
type envelope struct {
	Type             string                       `json:"Type"`
	MessageID        string                       `json:"MessageId"`
	Token            string                       `json:"Token,omitempty"`
	TopicARN         string                       `json:"TopicArn"`
	Subject          string                       `json:"Subject,omitempty"`
	Message          string                       `json:"Message"`
	SubscribeURL     string                       `json:"SubscribeURL,omitempty"`
	Timestamp        string                       `json:"Timestamp"`
	SignatureVersion string                       `json:"SignatureVersion"`
	Signature        string                       `json:"Signature"`
	SigningCertURL   string                       `json:"SigningCertURL"`
	UnsubscribeURL   string                       `json:"UnsubscribeURL,omitempty"`
	Attributes       map[string]envelopeAttribute `json:"MessageAttributes,omitempty"`
}

// envelopeAttribute is one of the MessageAttributes.
type envelopeAttribute struct {
	Type  string `json:"Type"`
	Value string `json:"Value"`
}

// canonical is the text that is signed: the names and values of the members that
// are there, in the order of their names, each in a line. Source: SNS, verifying
// the signatures of messages.
func (e *envelope) canonical() []byte {
	members := [][2]string{{"Message", e.Message}, {"MessageId", e.MessageID}}
	if e.Type == typeNotification {
		if e.Subject != "" {
			members = append(members, [2]string{"Subject", e.Subject})
		}
		members = append(members, [2]string{"Timestamp", e.Timestamp})
	} else {
		members = append(members, [2]string{"SubscribeURL", e.SubscribeURL}, [2]string{"Timestamp", e.Timestamp},
			[2]string{"Token", e.Token})
	}
	members = append(members, [2]string{"TopicArn", e.TopicARN}, [2]string{"Type", e.Type})
	var b bytes.Buffer
	for _, m := range members {
		b.WriteString(m[0] + "\n" + m[1] + "\n")
	}
	return b.Bytes()
}

// sign signs the envelope and names where the certificate is.
func (e *envelope) sign(ctx context.Context, s Signer, certURL func(id string) string) error {
	signer, err := s.MessageSigner(ctx)
	if err != nil {
		return fmt.Errorf("find the key for messages: %w", err)
	}
	e.SignatureVersion = signatureVersion
	signature, err := signer.Sign(e.canonical())
	if err != nil {
		return err
	}
	e.Signature = base64.StdEncoding.EncodeToString(signature)
	e.SigningCertURL = certURL(signer.ID)
	return nil
}

// text is the JSON.
func (e *envelope) text() ([]byte, error) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(e); err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// timestamp is the form of a time in an envelope.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// notification is the envelope of a message, without its signature.
func notification(d *notify.Delivery, apiURL string) *envelope {
	m := d.Message
	e := &envelope{
		Type: typeNotification, MessageID: m.MessageID(), TopicARN: d.TopicARN(), Subject: m.Subject,
		Message: m.Text(d.Receiver.Protocol), Timestamp: timestamp(m.Created),
		UnsubscribeURL: unsubscribeURL(apiURL, d.Receiver),
	}
	for name, a := range m.Attributes {
		if e.Attributes == nil {
			e.Attributes = map[string]envelopeAttribute{}
		}
		e.Attributes[name] = envelopeAttribute(a)
	}
	return e
}

// callURL is an unsigned call of the API by its URL.
func callURL(apiURL, action string, members ...[2]string) string {
	q := []string{"Action=" + action}
	for _, m := range members {
		q = append(q, m[0]+"="+url.QueryEscape(m[1]))
	}
	return strings.TrimRight(apiURL, "/") + "/?" + strings.Join(q, "&")
}

func unsubscribeURL(apiURL string, s *notify.Subscription) string {
	return callURL(apiURL, "Unsubscribe", [2]string{"SubscriptionArn", s.ARN.String()})
}

// confirmer makes what asks an endpoint to confirm its subscription.
type confirmer struct {
	queue  notify.Queue
	apiURL func() string
	now    func() time.Time
}

// confirmationSpace is the space of UUIDs of requests to confirm.
var confirmationSpace = uuid.MustParse("5d0c6e0b-6a5e-4f3b-9a0e-0c5be2a1f7d4")

// confirmation is the envelope of a request to confirm, or of what an endpoint is
// told whose subscription was ended without a signature, without its signature.
// Each has a token of its own; the database has only its hash.
func (c *confirmer) confirmation(ctx context.Context, d *notify.Delivery) (*envelope, error) {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	token, now := hex.EncodeToString(secret), c.now()
	hash := sha256.Sum256([]byte(token))
	err := c.queue.AddToken(ctx, d.Receiver.Seq, hex.EncodeToString(hash[:]), now.Add(notify.TokenLife))
	if err != nil {
		return nil, err
	}
	topic := d.TopicARN()
	e := &envelope{
		Type: typeConfirmation, Token: token, TopicARN: topic, Timestamp: timestamp(now),
		MessageID: uuid.NewSHA1(confirmationSpace, fmt.Appendf(nil, "%s/%d", d.Receiver.ARN, d.Seq)).String(),
		Message: "You have chosen to subscribe to the topic " + topic +
			".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
		SubscribeURL: callURL(c.apiURL(), "ConfirmSubscription", [2]string{"TopicArn", topic}, [2]string{"Token", token}),
	}
	if d.Kind == notify.DeliverEnding {
		e.Type = typeEnding
		e.Message = "You have chosen to end the subscription " + d.Receiver.ARN.String() +
			".\nTo restore it, visit the SubscribeURL included in this message."
	}
	return e, nil
}
