package hook

import (
	"strings"

	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/policy"
)

// Limits on topics and filters. Source: AWS IoT Core, message broker limits.
const (
	maxTopic   = 256
	maxSlashes = 7
)

// withinLimits reports whether a topic or filter is not too long.
func withinLimits(name string) bool {
	return len(name) <= maxTopic && strings.Count(name, "/") <= maxSlashes
}

// reserved reports whether nobody has a business with a topic that begins with
// "$": what is not AWS's is a broker's own.
func reserved(topic string) bool {
	return strings.HasPrefix(topic, "$") && !strings.HasPrefix(topic, "$aws/")
}

// publish denies a message that the device may not send now. Where the broker
// does not say whether it is to be retained, it is taken as one that is.
func (r *rights) publish(topic string, retain bool) error {
	switch {
	case !mqtt.ValidTopic(topic) || !withinLimits(topic):
		return errDenied("it is no topic, or too long")
	case reserved(topic) || strings.HasPrefix(topic, "$aws/events/"):
		return errDenied("devices do not publish to such a topic")
	case !r.allows("iot:Publish", "topic", topic):
		return errDenied("iot:Publish is not allowed")
	case retain && !r.allows("iot:RetainPublish", "topic", topic):
		return errDenied("iot:RetainPublish is not allowed")
	}
	return r.connect()
}

// subscribe denies a filter that the device may not subscribe to now, or that
// may bring it a message which it may not receive. Of a shared subscription,
// whole and inner filter must both be allowed.
func (r *rights) subscribe(filter string) error {
	_, inner, shared := mqtt.ParseShared(filter)
	switch {
	case !mqtt.ValidFilter(filter) || !withinLimits(inner):
		return errDenied("it is no filter, or too long")
	case reserved(inner):
		return errDenied("devices do not subscribe to such a topic")
	case shared && !r.allows("iot:Subscribe", "topicfilter", filter):
		return errDenied("iot:Subscribe is not allowed for the group")
	case !r.allows("iot:Subscribe", "topicfilter", inner):
		return errDenied("iot:Subscribe is not allowed")
	case !r.receive(inner):
		return errDenied("iot:Receive is not allowed for all that it may bring")
	}
	return r.connect()
}

// readings calls with every topic that RabbitMQ may have made a routing key of,
// until one is refused: each dot was a slash or a dot. There are no more than
// 128, for a topic has seven slashes.
func readings(key string, ok func(topic string) bool) bool {
	var dots []int
	for i := range len(key) {
		if key[i] == '.' {
			dots = append(dots, i)
		}
	}
	if len(dots) > maxSlashes {
		return false
	}
	topic := []byte(key)
	for slashes := range 1 << len(dots) {
		for n, at := range dots {
			if topic[at] = '.'; slashes>>n&1 == 1 {
				topic[at] = '/'
			}
		}
		if !ok(string(topic)) {
			return false
		}
	}
	return true
}

// mayMean reports whether a routing key is denied in no reading.
func (r *rights) mayMean(action, kind, key string) bool {
	return readings(key, func(topic string) bool {
		return r.decide(action, r.scope.ARN(kind, topic)) != policy.ExplicitDeny
	})
}
