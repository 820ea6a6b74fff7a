package notify

import (
	"regexp"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

var (
	// topicName is the form of a topic's name. Source: CreateTopic.
	topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	uuidForm  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Topic is what messages are published to.
type Topic struct {
	Seq int64
	ARN TopicARN
	// Policy is the document that says who else may use the topic; "" is the one
	// that every topic begins with.
	Policy     string
	Attributes TopicAttributes
	Ended      int64 // how many subscriptions have ended
	Created    time.Time
}

// TopicAttributes are what an owner sets of a topic besides its policy. What is
// empty was not set.
type TopicAttributes struct {
	DisplayName string `json:"displayName,omitempty"`
}

// NoTopic is the NotFound fault of a topic that does not exist.
func NoTopic() error { return fault.New(fault.NotFound, "Topic does not exist") }

// Same refuses, by an Invalid fault, to create a topic that exists and was set
// otherwise. What is not asked for may be whatever it is.
func (t *Topic) Same(want *Topic) error {
	a, b := t.Attributes, want.Attributes
	if b.DisplayName != "" && a.DisplayName != b.DisplayName || want.Policy != "" && t.Policy != want.Policy {
		return fault.New(fault.Invalid,
			"Invalid parameter: Attributes Reason: Topic already exists with different attributes")
	}
	return nil
}
