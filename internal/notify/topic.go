package notify

import (
	"regexp"
	"time"
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
	Created    time.Time
}

// TopicAttributes are what an owner sets of a topic besides its policy. What is
// empty was not set.
type TopicAttributes struct {
	DisplayName string `json:"displayName,omitempty"`
	// DeliveryPolicy says how http endpoints are tried again, as JSON.
	DeliveryPolicy string `json:"deliveryPolicy,omitempty"`
}
