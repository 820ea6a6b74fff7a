package notify

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// MaxMessage is how large a message may be with its attributes, in bytes.
	// Source: SNS, Publish.
	MaxMessage = 256 << 10
	// maxSubject is in characters.
	maxSubject = 100
)

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.[A-Za-z0-9_.-]+)?$`)
	numberForm    = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)
)

// Size is how large a message is with its attributes, in bytes.
func (m *Message) Size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		value := len(a.Value)
		if strings.HasPrefix(a.Type, "Binary") {
			value = base64.StdEncoding.DecodedLen(len(a.Value))
		}
		n += len(name) + len(a.Type) + value
	}
	return n
}

// Check refuses, by an Invalid fault, what cannot be published. Source: SNS,
// Publish and MessageAttributeValue.
func (m *Message) Check() error {
	switch {
	case m.Body == "":
		return invalid("Empty message")
	case !utf8.ValidString(m.Body):
		return invalid("Message Reason: it is not UTF-8")
	case m.Size() > MaxMessage:
		return invalid("Message too long")
	case utf8.RuneCountInString(m.Subject) > maxSubject || !isLine(m.Subject):
		return invalid("Subject")
	case m.Structure != "" && m.Structure != StructureJSON:
		return invalid("Invalid Message Structure parameter: %.32s", m.Structure)
	}
	if m.Structure == StructureJSON {
		var texts map[string]any
		if err := json.Unmarshal([]byte(m.Body), &texts); err != nil || texts == nil {
			return invalid("Message Structure - JSON message body failed to parse")
		}
		if _, ok := texts[defaultText].(string); !ok {
			return invalid("Message Structure - No default entry in JSON message body")
		}
	}
	for name, a := range m.Attributes {
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

func (a Attribute) check(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > 256 || !attributeName.MatchString(name) ||
		strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalid("MessageAttributes Reason: %.64q is no name of an attribute", name)
	case len(a.Type) > 256 || !attributeType.MatchString(a.Type):
		return invalid("MessageAttributes Reason: the type of %s is not String, Number or Binary", name)
	case a.Value == "":
		return invalid("MessageAttributes Reason: %s has no value of its type", name)
	case !utf8.ValidString(a.Value):
		return invalid("MessageAttributes Reason: %s is not UTF-8", name)
	case strings.HasPrefix(a.Type, "Number") && !numberForm.MatchString(a.Value):
		return invalid("MessageAttributes Reason: %s is not a number", name)
	case a.Type == "String.Array":
		if list, err := readJSON(a.Value); err != nil || list.items == nil {
			return invalid("MessageAttributes Reason: %s is not a list", name)
		}
	}
	return nil
}
