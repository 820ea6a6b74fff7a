package hook

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// The names that the MQTT plug-in of RabbitMQ gives to what it makes.
const (
	rabbitExchange     = "amq.topic"
	rabbitSubscription = "mqtt-subscription-"
	rabbitWill         = "mqtt-will-"
)

// rabbitForm answers RabbitMQ. Source: the README of rabbitmq_auth_backend_http.
type rabbitForm struct{}

func (rabbitForm) write(w http.ResponseWriter, _ string, a *answer) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "deny"
	if a.allowed {
		text = "allow" // without tags: a device administers nothing
	}
	_, _ = w.Write([]byte(text)) // who does not read it was told nothing
}

// rabbitQuestion reads the fields of a question. Each is there once, or not.
func rabbitQuestion(body []byte) (url.Values, error) {
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errDenied("the question is no form")
	}
	for _, values := range fields {
		if len(values) > 1 {
			return nil, errDenied("a field is there twice")
		}
	}
	return fields, nil
}

// rabbitDevice reads what the user of a question may do with a client id.
func (h *hooks) rabbitDevice(ctx context.Context, scope fleet.Scope, fields url.Values, clientID string) (
	*rights, error,
) {
	id, err := h.named(ctx, scope, fields.Get("username"))
	if err != nil {
		return nil, err
	}
	d := device{certificate: id, clientID: clientID}
	d.address, _ = netip.ParseAddr(fields.Get("ip"))
	return h.judge.rights(ctx, scope, d)
}

// rabbitUser answers whether there is such a device. RabbitMQ takes the name
// from the certificate, unless the client sent a name and a password of its own:
// then anybody could be meant.
func (h *hooks) rabbitUser(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	fields, err := rabbitQuestion(body)
	if err != nil {
		return nil, err
	}
	if fields.Has("password") {
		return nil, errDenied("a password was sent: the name is not that of a certificate")
	}
	if _, err := h.rabbitDevice(ctx, scope, fields, ""); err != nil {
		return nil, err
	}
	return &answer{allowed: true}, nil
}

// rabbitVhost answers whether a client id may connect.
func (h *hooks) rabbitVhost(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	fields, err := rabbitQuestion(body)
	if err != nil {
		return nil, err
	}
	r, err := h.rabbitDevice(ctx, scope, fields, fields.Get("client_id"))
	if err == nil {
		err = r.connect()
	}
	return &answer{allowed: err == nil}, err
}

// rabbitResource answers whether a device may use the exchange of all topics, and
// the queues of its own client id.
func (h *hooks) rabbitResource(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	fields, err := rabbitQuestion(body)
	if err != nil {
		return nil, err
	}
	clientID, name, permission := fields.Get("client_id"), fields.Get("name"), fields.Get("permission")
	switch fields.Get("resource") {
	case "exchange":
		if name != rabbitExchange || permission != "read" && permission != "write" {
			return nil, errDenied("devices have no business with the exchange")
		}
	case "queue":
		owner := rabbitClient(name)
		if owner == "" || fields.Has("client_id") && owner != clientID {
			return nil, errDenied("the device has no business with the queue")
		}
		clientID = owner
	default:
		return nil, errDenied("devices have no business with such a resource")
	}
	r, err := h.rabbitDevice(ctx, scope, fields, clientID)
	// Some versions do not say whose exchange it is. The topic is asked about too.
	if err == nil && clientID != "" {
		err = r.connect()
	}
	return &answer{allowed: err == nil}, err
}

// rabbitClient returns the client id that a queue is made for, or "".
func rabbitClient(queue string) string {
	if id, ok := strings.CutPrefix(queue, rabbitWill); ok {
		return id
	}
	id, ok := strings.CutPrefix(queue, rabbitSubscription)
	if !ok {
		return ""
	}
	for _, suffix := range []string{"qos0", "qos1"} {
		if id, ok := strings.CutSuffix(id, suffix); ok {
			return id
		}
	}
	return ""
}

// rabbitTopic answers whether a device may publish, or bind its queue, with a
// routing key. RabbitMQ made a dot of every slash and a star of every plus, and
// left dots and stars as they were: on its side of the translation they are the
// same. What counts is the topic with slashes, to which the message goes; but no
// reading of the key may be denied explicitly, and a key with a wildcard is
// never published to.
func (h *hooks) rabbitTopic(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	fields, err := rabbitQuestion(body)
	if err != nil {
		return nil, err
	}
	if fields.Get("resource") != "topic" || fields.Get("name") != rabbitExchange {
		return nil, errDenied("devices have no business with the exchange")
	}
	r, err := h.rabbitDevice(ctx, scope, fields, fields.Get("variable_map.client_id"))
	if err != nil {
		return nil, err
	}
	key := fields.Get("routing_key")
	if strings.ContainsAny(key, "/+") {
		return nil, errDenied("it is no routing key of a topic")
	}
	switch permission := fields.Get("permission"); {
	case permission == "write" && strings.ContainsAny(key, "*#"):
		err = errDenied("a wildcard is in the routing key of a message")
	case permission == "write" && !r.mayMean("iot:Publish", "topic", key):
		err = errDenied("iot:Publish may be denied")
	case permission == "write":
		// Whether the message is to be retained is not said.
		err = r.publish(strings.ReplaceAll(key, ".", "/"), false)
	case permission == "read":
		key = strings.ReplaceAll(key, "*", "+")
		if !r.mayMean("iot:Subscribe", "topicfilter", key) {
			err = errDenied("iot:Subscribe may be denied")
			break
		}
		err = r.subscribe(strings.ReplaceAll(key, ".", "/"))
	default:
		err = errDenied("it is neither read nor write")
	}
	return &answer{allowed: err == nil}, err
}
