package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/guard"
	"github.com/cordon-iot/cordon/internal/notify"
)

const (
	// maxAnswer is how much of an answer is read, in bytes.
	maxAnswer  = 4 << 10
	answerTime = time.Second
	// maxQuoted is how much of an answer may stand in an error, in bytes.
	maxQuoted = 120
)

// webhook posts to http and https endpoints.
type webhook struct {
	client    *guard.Client
	signer    Signer
	confirmer confirmer
	certURL   func(id string) string
	// answerTime is for how long an answer is read: what it says does not matter,
	// only its status.
	answerTime time.Duration
}

func (h *webhook) send(ctx context.Context, d *notify.Delivery) error {
	body, header, err := h.content(ctx, d)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Receiver.Endpoint, bytes.NewReader(body))
	if err != nil {
		return Final(errors.New("the endpoint is no URL")) // the cause would repeat it
	}
	r.Header = header
	return h.post(r)
}

// content is what is posted for a delivery.
func (h *webhook) content(ctx context.Context, d *notify.Delivery) ([]byte, http.Header, error) {
	header := http.Header{}
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("x-amz-sns-topic-arn", d.TopicARN())
	if d.Kind.Asks() {
		if d.Kind == notify.DeliverEnding {
			header.Set("x-amz-sns-subscription-arn", d.Receiver.ARN.String())
		}
		e, err := h.confirmer.confirmation(ctx, d)
		if err != nil {
			return nil, nil, err
		}
		body, err := h.sealed(ctx, e, header)
		return body, header, err
	}
	header.Set("x-amz-sns-subscription-arn", d.Receiver.ARN.String())
	header.Set("x-cordon-message-id", d.Message.ID)
	if d.Receiver.Settings.Raw {
		header.Set("x-amz-sns-message-type", typeNotification)
		header.Set("x-amz-sns-message-id", d.Message.MessageID())
		header.Set("x-amz-sns-rawdelivery", "true")
		return []byte(d.Message.Text(d.Receiver.Protocol)), header, nil
	}
	body, err := h.sealed(ctx, notification(d, h.confirmer.apiURL()), header)
	return body, header, err
}

// sealed is a signed envelope, with its headers.
func (h *webhook) sealed(ctx context.Context, e *envelope, header http.Header) ([]byte, error) {
	if err := e.sign(ctx, h.signer, h.certURL); err != nil {
		return nil, err
	}
	header.Set("x-amz-sns-message-type", e.Type)
	header.Set("x-amz-sns-message-id", e.MessageID)
	return e.text()
}

// post sends a request and judges the answer. A success is any status from 200
// to 299; one of 500 and more, 429, or no answer at all is tried again, and any
// other is final. Source: SNS, creating an HTTP/S delivery policy.
func (h *webhook) post(r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	resp, err := h.client.Do(r.WithContext(ctx))
	var refusal *guard.Refusal
	if errors.As(err, &refusal) {
		return Final(fmt.Errorf("the endpoint is not called: %w", err))
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	timer := time.AfterFunc(h.answerTime, cancel)
	defer timer.Stop()
	said := answer(resp.Body)
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	err = fmt.Errorf("the endpoint answered with status %d", resp.StatusCode)
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return err
	}
	return Final(err)
}

// answer reads the beginning of an answer, which may have no end, and returns a
// piece that can be shown.
func answer(from io.Reader) string {
	body, _ := io.ReadAll(io.LimitReader(from, maxAnswer)) // a part of it does
	return clean(string(body), maxQuoted)
}

// gone reports whether an error says that what was to be delivered has no more
// use.
func gone(err error) bool { return fault.Is(err, fault.NotFound) }
