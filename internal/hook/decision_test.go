package hook

import (
	"io"
	"testing"
)

func TestEMQXAsksInItsForms(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	for _, tt := range []struct {
		name   string
		fields map[string]any
		want   string
	}{
		{"an id of a certificate", map[string]any{"certificate": w.parsed.ID}, "allow"},
		{"a certificate in PEM form", map[string]any{"certificate": w.parsed.PEM}, "allow"},
		{"a name", map[string]any{"certificate": "", "cert_common_name": "pump-7"}, "allow"},
		{"a name beside an undefined certificate",
			map[string]any{"certificate": "undefined", "cert_common_name": "pump-7"}, "allow"},
		{"a name that nobody has", map[string]any{"cert_common_name": "pump-8"}, "deny"},
		{"an undefined name", map[string]any{"cert_common_name": "undefined"}, "deny"},
		{"nobody", map[string]any{}, "deny"},
		{"a certificate that is none, beside a name", map[string]any{"certificate": "x",
			"cert_common_name": "pump-7"}, "deny"},
		{"base64 of nothing", map[string]any{"certificate": "AAAA"}, "deny"},
		{"another certificate",
			map[string]any{"certificate": "00" + w.parsed.ID[2:], "cert_common_name": "pump-7"}, "deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fields["clientid"] = "pump-7"
			if got := emqx(t, h, "authentication", tt.fields); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := emqx(t, h, "authentication", map[string]any{"certificate": w.parsed.ID,
		"clientid": ""}); got != "deny" {
		t.Errorf("got %q without a client id, want deny", got)
	}
}

// decisionCase is a question of EMQX about a topic.
type decisionCase struct {
	name     string
	policies []string
	action   string
	topic    string
	retain   any
	want     string
}

var decisionCases = []decisionCase{
	{"a topic that is allowed", []string{mayConnect, allow("iot:Publish", "topic/a/*")}, "publish", "a/b",
		false, "allow"},
	{"a topic that is not", []string{mayConnect, allow("iot:Publish", "topic/a/*")}, "publish", "b", false, "deny"},
	{"a client id that may not connect", []string{allow("iot:Publish", "topic/*")}, "publish", "a", false, "deny"},
	{"a retained message needs its own right", []string{mayConnect, allow("iot:Publish", "topic/*")}, "publish", "a",
		"true", "deny"},
	{"which it may have", []string{mayConnect, allow("iot:Publish", "topic/*"), allow("iot:RetainPublish",
		"topic/*")},
		"publish", "a", "1", "allow"},
	{"one of which it is not said is taken as retained", []string{mayConnect, allow("iot:Publish", "topic/*")},
		"publish",
		"a", nil, "deny"},
	{"one of which that is undefined too", []string{mayConnect, allow("iot:Publish", "topic/*")}, "publish", "a",
		"undefined", "deny"},
	{"one that says no in a text is not", []string{mayConnect, allow("iot:Publish", "topic/*")}, "publish", "a",
		"false",
		"allow"},
	{"a topic with a wildcard is none", []string{mayConnect, allow("iot:*", "*")}, "publish", "a/+", false, "deny"},
	{"an empty topic is none", []string{mayConnect, allow("iot:*", "*")}, "publish", "", false, "deny"},
	{"nine levels are too many", []string{mayConnect, allow("iot:*", "*")}, "publish", "1/2/3/4/5/6/7/8/9",
		false, "deny"},
	{"eight are not", []string{mayConnect, allow("iot:*", "*")}, "publish", "1/2/3/4/5/6/7/8", false, "allow"},
	{"a topic of AWS that policies allow", []string{mayConnect, allow("iot:*", "*")}, "publish",
		"$aws/things/x/shadow/get",
		false, "allow"},
	{"an event of AWS never", []string{mayConnect, allow("iot:*", "*")}, "publish",
		"$aws/events/presence/connected/x", false,
		"deny"},
	{"a topic of the broker never", []string{mayConnect, allow("iot:*", "*")}, "publish", "$SYS/x", false, "deny"},
	{"a delayed message of EMQX never", []string{mayConnect, allow("iot:*", "*")}, "publish", "$delayed/1/a",
		false, "deny"},
	{"a policy that denies wins", []string{mayConnect, allow("iot:*", "*"), deny("iot:Publish", "topic/a")},
		"publish", "a",
		false, "deny"},
	{"another action is denied", []string{mayConnect, allow("iot:*", "*")}, "all", "a", false, "deny"},
	{"a filter that is allowed with all it brings",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/a/+/c"), allow("iot:Receive", "topic/a/*/c")},
		"subscribe",
		"a/+/c", false, "allow"},
	{"a filter that is not", []string{mayConnect, allow("iot:Receive", "topic/*")}, "subscribe", "a", false, "deny"},
	{"one that would bring what may not be received",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/*"), allow("iot:Receive", "topic/a/b")},
		"subscribe", "a/+",
		false, "deny"},
	{"one topic that may be received",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/*"), allow("iot:Receive", "topic/a/b")},
		"subscribe", "a/b",
		false, "allow"},
	{"# brings the level above too",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/*"), allow("iot:Receive", "topic/a/*")},
		"subscribe", "a/#",
		false, "deny"},
	{"which may be allowed", []string{mayConnect, allow("iot:Subscribe", "topicfilter/*"), allow("iot:Receive",
		"topic/a"),
		allow("iot:Receive", "topic/a/*")}, "subscribe", "a/#", false, "allow"},
	{"one that brings a topic which is denied",
		[]string{mayConnect, allow("iot:*", "*"), deny("iot:Receive", "topic/a/secret")}, "subscribe", "a/#",
		false, "deny"},
	{"everything needs everything", []string{mayConnect, allow("iot:*", "*")}, "subscribe", "#", false, "allow"},
	{"a shared filter needs its own right",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/a"), allow("iot:Receive", "topic/*")}, "subscribe",
		"$share/g/a", false, "deny"},
	{"and that of the inner one",
		[]string{mayConnect, allow("iot:Subscribe", "topicfilter/$share/g/a"), allow("iot:Receive", "topic/*")},
		"subscribe",
		"$share/g/a", false, "deny"},
	{"with both it is allowed", []string{mayConnect, allow("iot:Subscribe", "topicfilter/*"),
		allow("iot:Receive", "topic/*")},
		"subscribe", "$share/g/a", false, "allow"},
	{"a filter of the broker never", []string{mayConnect, allow("iot:*", "*")}, "subscribe", "$SYS/#", false, "deny"},
	{"a queue of EMQX never", []string{mayConnect, allow("iot:*", "*")}, "subscribe", "$queue/a", false, "deny"},
	{"a filter that is none", []string{mayConnect, allow("iot:*", "*")}, "subscribe", "a/#/b", false, "deny"},
	{"a policy of the certificate's own values",
		[]string{mayConnect, allow("iot:Publish", "topic/${iot:Certificate.Subject.CommonName}/*")}, "publish",
		"pump-7/x",
		false, "allow"},
	{"and nobody else's", []string{mayConnect, allow("iot:Publish", "topic/${iot:Certificate.Subject.CommonName}/*")},
		"publish", "pump-8/x", false, "deny"},
}

func TestEMQXIsToldWhatPoliciesSay(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	for _, tt := range decisionCases {
		t.Run(tt.name, func(t *testing.T) {
			w.policies = []string{document(tt.policies...)}
			fields := map[string]any{
				"certificate": w.parsed.ID, "clientid": "pump-7", "peerhost": "192.0.2.1", "action": tt.action,
				"topic": tt.topic, "qos": "1",
			}
			if tt.retain != nil {
				fields["retain"] = tt.retain
			}
			if got := emqx(t, h, "authorization", fields); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatABrokerDoesNotSayIsTakenAsWhatAllowsLeast(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	condition := func(effect, test, key, value string) string {
		return statement(effect, "iot:*", "*", `, "Condition": {"`+test+`": {"`+key+`": `+value+`}}`)
	}
	everywhere := allow("iot:*", "*")
	for _, tt := range []struct {
		name                     string
		policies                 []string
		knows, knowsNot, connect string
	}{
		{"all from one network", []string{condition("Allow", "IpAddress", "aws:SourceIp", `"192.0.2.0/24"`)},
			"allow", "deny", "allow"},
		{"all but from one network", []string{condition("Allow", "NotIpAddress", "aws:SourceIp",
			`"198.51.100.0/24"`)},
			"allow", "deny", "allow"},
		{"none from one network",
			[]string{everywhere, condition("Deny", "IpAddress", "aws:SourceIp", `"198.51.100.0/24"`)}, "allow",
			"deny", "allow"},
		{"no kept sessions",
			[]string{everywhere, condition("Deny", "ForAnyValue:StringEquals", "iot:ConnectAttributes",
				`"PersistentConnect"`)},
			"deny", "deny", "deny"},
		{"a will, and nothing else",
			[]string{condition("Allow", "ForAllValues:StringEquals", "iot:ConnectAttributes", `["LastWill"]`)},
			"deny", "deny", "deny"},
		{"a will or a kept session", []string{
			condition("Allow", "ForAllValues:StringEquals", "iot:ConnectAttributes", `["LastWill",
				"PersistentConnect"]`),
		}, "allow", "allow", "allow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.policies = []string{document(tt.policies...)}
			fields := map[string]any{
				"certificate": w.parsed.ID, "clientid": "pump-7", "peerhost": "192.0.2.1", "action": "publish",
				"topic":  "a",
				"retain": false,
			}
			if got := emqx(t, h, "authorization", fields); got != tt.knows {
				t.Errorf("got %q where the address is known, want %q", got, tt.knows)
			}
			if got := emqx(t, h, "authentication", fields); got != tt.connect {
				t.Errorf("got %q to connect, want %q", got, tt.connect)
			}
			delete(fields, "peerhost")
			if got := emqx(t, h, "authorization", fields); got != tt.knowsNot {
				t.Errorf("got %q where the address is not known, want %q", got, tt.knowsNot)
			}
		})
	}
}

func TestRabbitMQIsToldWhatPoliciesSay(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	everywhere := allow("iot:*", "*")
	topic := func(permission, key string) []string {
		return []string{
			"topic", "resource", "topic", "name", "amq.topic", "permission", permission, "routing_key", key,
			"variable_map.client_id", "pump-7",
		}
	}
	resource := func(kind, name, permission string) []string {
		return []string{"resource", "resource", kind, "name", name, "permission", permission}
	}
	for _, tt := range []struct {
		name     string
		policies []string
		question []string
		want     string
	}{
		{"dots are slashes", []string{mayConnect, allow("iot:Publish", "topic/a/b")}, topic("write", "a.b"), "allow"},
		{"dots alone are not enough", []string{mayConnect, allow("iot:Publish", "topic/a.b")}, topic("write",
			"a.b"), "deny"},
		{"a denial of the dots counts", []string{everywhere, deny("iot:Publish", "topic/a.b/c")}, topic("write",
			"a.b.c"), "deny"},
		{"a denial of another topic does not", []string{everywhere, deny("iot:Publish", "topic/a.b")},
			topic("write", "a.b.c"),
			"allow"},
		{"a star is no topic", []string{everywhere}, topic("write", "a.*"), "deny"},
		{"a hash is no topic", []string{everywhere}, topic("write", "a.#"), "deny"},
		{"a slash is in no routing key", []string{everywhere}, topic("write", "a/b"), "deny"},
		{"seven dots are a topic", []string{everywhere}, topic("write", "1.2.3.4.5.6.7.8"), "allow"},
		{"eight are too many", []string{everywhere}, topic("write", "1.2.3.4.5.6.7.8.9"), "deny"},
		{"a star is a plus in a filter",
			[]string{mayConnect, allow("iot:Subscribe", "topicfilter/a/+"), allow("iot:Receive", "topic/a/*")},
			topic("read", "a.*"), "allow"},
		{"a denial of the dots counts in a filter", []string{everywhere, deny("iot:Subscribe", "topicfilter/a.+")},
			topic("read", "a.*"), "deny"},
		{"what may not be received is not subscribed to",
			[]string{everywhere, deny("iot:Receive", "topic/a/secret")}, topic("read", "a.#"), "deny"},
		{"events of AWS are not published", []string{everywhere}, topic("write", "$aws.events.x"), "deny"},
		{"another permission is denied", []string{everywhere}, topic("configure", "a"), "deny"},
		{"another exchange is denied", []string{everywhere},
			[]string{"topic", "resource", "topic", "name", "amq.direct", "permission", "write", "routing_key", "a",
				"variable_map.client_id", "pump-7"}, "deny"},
		{"without a client id nothing is published", []string{everywhere},
			[]string{"topic", "resource", "topic", "name", "amq.topic", "permission", "write", "routing_key",
				"a"}, "deny"},
		{"the exchange is not configured", []string{everywhere}, resource("exchange", "amq.topic", "configure"),
			"deny"},
		{"another exchange is not written to", []string{everywhere}, resource("exchange", "amq.fanout",
			"write"), "deny"},
		{"the default exchange is not written to", []string{everywhere}, resource("exchange", "amq.default",
			"write"), "deny"},
		{"a queue of its own", []string{allow("iot:Connect", "client/pump-7")},
			resource("queue", "mqtt-subscription-pump-7qos0", "read"), "allow"},
		{"a queue of another client id", []string{allow("iot:Connect", "client/pump-7")},
			resource("queue", "mqtt-subscription-pump-8qos0", "read"), "deny"},
		{"a queue of another client than the one that asks", []string{everywhere},
			append(resource("queue", "mqtt-subscription-pump-8qos0", "read"), "client_id", "pump-7"), "deny"},
		{"the exchange with a client id that may not connect", []string{allow("iot:Connect", "client/pump-8")},
			append(resource("exchange", "amq.topic", "write"), "client_id", "pump-7"), "deny"},
		{"a queue of no client id", []string{everywhere}, resource("queue", "mqtt-subscription-qos0", "read"),
			"deny"},
		{"any other queue", []string{everywhere}, resource("queue", "orders", "read"), "deny"},
		{"any other resource", []string{everywhere}, resource("stream", "x", "read"), "deny"},
		{"a client id that may not connect", []string{allow("iot:Connect", "client/pump-8")},
			[]string{"vhost", "vhost", "/", "client_id", "pump-7"}, "deny"},
		{"a client that says no id, as one of AMQP", []string{everywhere}, []string{"vhost", "vhost", "/"}, "deny"},
		{"a name with a password could be anybody's", []string{everywhere}, []string{"user", "password", "x"},
			"deny"},
		{"with an empty one too", []string{everywhere}, []string{"user", "password", ""}, "deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.policies = []string{document(tt.policies...)}
			fields := append([]string{"username", "pump-7"}, tt.question[1:]...)
			if got := rabbit(t, h, tt.question[0], fields...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	w.named = ""
	if got := rabbit(t, h, "user", "username", "pump-7"); got != "deny" {
		t.Errorf("got %q for a name that two certificates have, want deny", got)
	}
}

func TestReadingsAreAllThatAKeyMayHaveBeen(t *testing.T) {
	got := map[string]bool{}
	if !readings("a.b.c", func(topic string) bool { got[topic] = true; return true }) {
		t.Error("got a refusal, want none")
	}
	if len(got) != 4 || !got["a.b.c"] || !got["a/b.c"] || !got["a.b/c"] || !got["a/b/c"] {
		t.Errorf("got %v, want all four readings", got)
	}
}
