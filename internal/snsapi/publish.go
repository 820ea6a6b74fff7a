package snsapi

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

func (a *api) publish(ctx context.Context, in *wire.PublishInput) (*wire.PublishResponse, error) {
	if in.TopicARN == nil {
		return nil, fault.New(fault.Invalid,
			"Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
	}
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	list := []notify.Message{{
		Subject: opt.Value(in.Subject), Structure: opt.Value(in.MessageStructure), Body: opt.Value(in.Message),
		Attributes: attributesOf(in.MessageAttributes),
	}}
	if err := list[0].Check(); err != nil {
		return nil, err
	}
	if err := a.Topics.Publish(ctx, arn, list); err != nil {
		return nil, err
	}
	return &wire.PublishResponse{MessageID: new(list[0].MessageID())}, nil
}

// attributesOf reads the attributes of a message. Binary values are kept in
// base64.
func attributesOf(in map[string]wire.MessageAttributeValue) map[string]notify.Attribute {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]notify.Attribute, len(in))
	for name, v := range in {
		a := notify.Attribute{Type: opt.Value(v.DataType), Value: opt.Value(v.StringValue)}
		if strings.HasPrefix(a.Type, "Binary") {
			a.Value = base64.StdEncoding.EncodeToString(v.BinaryValue)
		}
		out[name] = a
	}
	return out
}

// maxBatch is how many messages a batch has at most. Source: SNS, PublishBatch.
const maxBatch = 10

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// publishBatch publishes those of some messages that can be, all of them in one
// transaction, and says what is wrong with the others.
func (a *api) publishBatch(ctx context.Context, in *wire.PublishBatchInput) (*wire.PublishBatchResponse, error) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.PublishBatchRequestEntries); err != nil {
		return nil, err
	}
	out := &wire.PublishBatchResponse{
		Successful: []wire.PublishBatchResultEntry{}, Failed: []wire.BatchResultErrorEntry{},
	}
	var list []notify.Message
	for _, e := range in.PublishBatchRequestEntries {
		m := messageOf(&e)
		if f := fault.From(m.Check()); f != nil {
			out.Failed = append(out.Failed, wire.BatchResultErrorEntry{
				ID: e.ID, Code: new("InvalidParameter"), Message: &f.Text, SenderFault: new(true),
			})
			continue
		}
		list = append(list, m)
		out.Successful = append(out.Successful, wire.PublishBatchResultEntry{ID: e.ID})
	}
	if err := a.Topics.Publish(ctx, arn, list); err != nil {
		return nil, err
	}
	for i := range list {
		out.Successful[i].MessageID = new(list[i].MessageID())
	}
	return out, nil
}

func messageOf(e *wire.PublishBatchRequestEntry) notify.Message {
	return notify.Message{
		Subject: opt.Value(e.Subject), Structure: opt.Value(e.MessageStructure), Body: opt.Value(e.Message),
		Attributes: attributesOf(e.MessageAttributes),
	}
}

// checkBatch refuses a batch as a whole.
func checkBatch(list []wire.PublishBatchRequestEntry) error {
	switch n := len(list); {
	case n == 0:
		return fault.New(wire.EmptyBatch, "The batch request doesn't contain any entries.")
	case n > maxBatch:
		return fault.New(wire.BatchTooMany, "The batch request contains more entries than permissible: %d", n)
	}
	seen, size := map[string]bool{}, 0
	for i := range list {
		id := opt.Value(list[i].ID)
		if !batchID.MatchString(id) {
			return fault.New(wire.BatchBadID, "The Id of a batch entry in a batch request doesn't abide by the specification.")
		}
		if seen[id] {
			return fault.New(wire.BatchSameID, "Two or more batch entries in the request have the same Id: %s", id)
		}
		seen[id] = true
		m := messageOf(&list[i])
		size += m.Size()
	}
	if size > notify.MaxMessage {
		return fault.New(wire.BatchTooLong, "The length of all the batch messages put together is more than the limit.")
	}
	return nil
}
