package enforce

import (
	"strings"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// reserved begins the topics of AWS IoT's own services. Nothing else begins
// with $ for devices, but for shared subscriptions.
const reserved = "$aws/"

// basicIngest begins topics of which the first three levels, the last of them
// the name of a rule, do not count as slashes.
const basicIngest = "$aws/rules/"

// publishable are the reserved topics that devices publish to, where a policy
// lets them. Source: AWS IoT Core, "Reserved topics".
var publishable = []string{
	"things/", "rules/", "certificates/create", "provisioning-templates/", "commands/", "device_location/",
}

// CheckTopic is why a device may not publish to a topic, whatever its policies
// say; Success if it may.
func (l *Limits) CheckTopic(topic string) mqtt.ReasonCode {
	if code := l.checkName(topic); code != mqtt.Success {
		return code
	}
	if topic == "" || topic[0] != '$' {
		return mqtt.Success
	}
	rest, ok := strings.CutPrefix(topic, reserved)
	if !ok {
		return mqtt.NotAuthorized
	}
	for _, p := range publishable {
		if strings.HasPrefix(rest, p) {
			return mqtt.Success
		}
	}
	return mqtt.NotAuthorized
}

// checkFilter is why a device may not subscribe to a filter, whatever its
// policies say.
func (l *Limits) checkFilter(filter string) mqtt.ReasonCode {
	_, inner, _ := mqtt.ParseShared(filter)
	if code := l.checkName(inner); code != mqtt.Success {
		return mqtt.TopicFilterInvalid
	}
	if strings.HasPrefix(inner, "$") && !strings.HasPrefix(inner, reserved) {
		return mqtt.NotAuthorized
	}
	return mqtt.Success
}

func (l *Limits) checkName(name string) mqtt.ReasonCode {
	slashes := strings.Count(name, "/")
	if strings.HasPrefix(name, basicIngest) {
		slashes -= min(slashes, 3)
	}
	if len(name) > l.TopicBytes || slashes > l.TopicSlashes {
		return mqtt.TopicNameInvalid
	}
	return mqtt.Success
}

// withPrefix is a filter as the broker is to see it.
func withPrefix(prefix, filter string) string {
	if group, inner, shared := mqtt.ParseShared(filter); shared && prefix != "" {
		return "$share/" + group + "/" + prefix + inner
	}
	return prefix + filter
}

// covers says whether one of some filters, shared or not, covers a topic.
func covers(filters []string, topic string) bool {
	for _, f := range filters {
		if _, inner, _ := mqtt.ParseShared(f); mqtt.Match(inner, topic) {
			return true
		}
	}
	return false
}
