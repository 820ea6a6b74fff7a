package notify

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// Message is something that a topic is told, from the transaction that caused
// it on.
type Message struct {
	Seq   int64
	Scope fleet.Scope // of whoever caused it
	// ID is what the message is about, once for a scope: "execution/…",
	// "audit/…", or a UUID for a call of Publish. Storing a message of the same
	// id again does nothing. Receivers tell repeated deliveries by it.
	ID       string
	TopicARN string
	// RoleARN is the role under which the message is published, when that is
	// still to be judged: see [Judge]. It is "" for what was judged already.
	RoleARN    string
	Subject    string               // "" for none
	Structure  string               // "json" when the body has a text for each protocol, else ""
	Attributes map[string]Attribute // by name
	Body       string
	Created    time.Time
}

// Attribute is one of the MessageAttributes.
type Attribute struct {
	Type  string `json:"type"`  // String, Number, Binary, String.Array, with a suffix perhaps
	Value string `json:"value"` // Binary in base64
}

// messageSpace is the space of UUIDs made of the ids of messages.
var messageSpace = uuid.MustParse("3a4f6c39-8f0e-4a57-9d6e-0d7c1c2c4b55")

// MessageID is the SNS MessageId: a UUID, the same for every delivery.
func (m *Message) MessageID() string {
	if uuidForm.MatchString(m.ID) {
		return m.ID
	}
	return uuid.NewSHA1(messageSpace, []byte(m.Scope.Account+"/"+m.Scope.Region+"/"+m.ID)).String()
}

// Text is the body for one protocol. With the structure "json" that is the
// member of its name, or "default".
func (m *Message) Text(p Protocol) string {
	if m.Structure != StructureJSON {
		return m.Body
	}
	var texts map[string]any
	if err := json.Unmarshal([]byte(m.Body), &texts); err != nil {
		return m.Body // was checked when it was published
	}
	for _, name := range []string{string(p), defaultText} {
		if text, ok := texts[name].(string); ok {
			return text
		}
	}
	return m.Body
}

const (
	// StructureJSON is the MessageStructure of a body with a text for each
	// protocol.
	StructureJSON = "json"
	// defaultText is the member for protocols that have none of their own.
	defaultText = "default"
)

// MessageState says how far a message is.
type MessageState string

// The states of a message. All but the first are final.
const (
	MessagePending MessageState = "PENDING"
	MessageSent    MessageState = "SENT"    // it has its deliveries, perhaps none
	MessageRefused MessageState = "REFUSED" // its role may not publish it, or there is no such topic
)
