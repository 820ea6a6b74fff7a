// Package notify is topics: who may hear of what, the messages for them, and
// what becomes of each on its way.
//
// A message is stored in the transaction that caused it. A worker then makes a
// delivery for every confirmed subscription whose filter lets it through, and
// tries each until the endpoint has it or an hour is over. The package holds the
// rules, as values and pure functions; it knows neither SQL nor the wire, and
// opens no connection. Source: Amazon SNS API Reference and Developer Guide.
package notify

import (
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// TopicARN names a topic. Its text is at most 350 bytes.
type TopicARN struct {
	fleet.Scope
	Name string
}

// String is the ARN as it is written.
func (a TopicARN) String() string {
	return fmt.Sprintf("arn:aws:sns:%s:%s:%s", a.Region, a.Account, a.Name)
}

// maxARN is how many bytes the ARN of a topic or a subscription has at most.
const maxARN = 400

// ParseTopicARN reads the ARN of a topic, of whatever account and region. What
// is none is an Invalid fault.
func ParseTopicARN(text string) (TopicARN, error) {
	parts := strings.Split(text, ":")
	if len(text) > maxARN || len(parts) != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "sns" ||
		parts[3] == "" || parts[4] == "" || !topicName.MatchString(parts[5]) {
		return TopicARN{}, fault.New(fault.Invalid, "Invalid parameter: TopicArn")
	}
	return TopicARN{Scope: fleet.Scope{Region: parts[3], Account: parts[4]}, Name: parts[5]}, nil
}

// SubscriptionARN names a subscription of a topic.
type SubscriptionARN struct {
	Topic TopicARN
	ID    string // a UUID
}

// String is the ARN as it is written.
func (a SubscriptionARN) String() string { return a.Topic.String() + ":" + a.ID }

// ParseSubscriptionARN reads the ARN of a subscription. What is none is an
// Invalid fault.
func ParseSubscriptionARN(text string) (SubscriptionARN, error) {
	i := strings.LastIndexByte(text, ':')
	if i > 0 && uuidForm.MatchString(text[i+1:]) {
		if topic, err := ParseTopicARN(text[:i]); err == nil {
			return SubscriptionARN{topic, text[i+1:]}, nil
		}
	}
	return SubscriptionARN{}, fault.New(fault.Invalid, "Invalid parameter: SubscriptionArn Reason: not a subscription")
}
