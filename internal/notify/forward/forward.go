// Package forward publishes messages to the topics of a real SNS, or of whatever
// speaks its protocol, by the SDK of AWS.
package forward

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
)

// idAttribute is the message attribute that carries what a message is about, so
// that receivers can tell one that they get twice.
const idAttribute = "cordon.message-id"

// Publisher publishes to the SNS at one address. It is safe for concurrent use.
type Publisher struct{ client *sns.Client }

// New returns a publisher to the SNS at a URL. Credentials are those that the
// default chain of the SDK finds: environment, shared files, the role of a
// container or a machine.
func New(ctx context.Context, endpoint string) (*Publisher, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	return &Publisher{sns.NewFromConfig(cfg, func(o *sns.Options) {
		o.BaseEndpoint = &endpoint
		o.RetryMaxAttempts = 1 // deliveries are tried again by who calls
	})}, nil
}

// Publish publishes a message to the topic with an ARN, in the topic's region.
func (p *Publisher) Publish(ctx context.Context, topicARN string, m *notify.Message) error {
	arn, err := notify.ParseTopicARN(topicARN)
	if err != nil {
		return deliver.Final(errors.New("its topic is none"))
	}
	in := &sns.PublishInput{TopicArn: &topicARN, Message: &m.Body, MessageAttributes: attributes(m)}
	if m.Subject != "" {
		in.Subject = &m.Subject
	}
	if m.Structure != "" {
		in.MessageStructure = &m.Structure
	}
	_, err = p.client.Publish(ctx, in, func(o *sns.Options) { o.Region = arn.Region })
	return explain(ctx, err)
}

// attributes are those of a message, and its id.
func attributes(m *notify.Message) map[string]types.MessageAttributeValue {
	all := map[string]types.MessageAttributeValue{
		idAttribute: {DataType: aws.String("String"), StringValue: &m.ID},
	}
	for name, a := range m.Attributes {
		v := types.MessageAttributeValue{DataType: &a.Type, StringValue: &a.Value}
		if strings.HasPrefix(a.Type, "Binary") {
			if b, err := base64.StdEncoding.DecodeString(a.Value); err == nil {
				v.BinaryValue, v.StringValue = b, nil
			}
		}
		all[name] = v
	}
	return all
}

// explain makes the error of a call one that can be shown: of what SNS said only
// the code.
func explain(ctx context.Context, err error) error {
	var said smithy.APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &said):
		return errors.New("SNS could not be called, or there are no credentials for it")
	}
	err = fmt.Errorf("SNS answered with %s", said.ErrorCode())
	switch said.ErrorCode() {
	case "NotFound", "NotFoundException", "InvalidParameter", "InvalidParameterException", "InvalidParameterValue",
		"ParameterValueInvalid":
		return deliver.Final(err)
	}
	return err
}
