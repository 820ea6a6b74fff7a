package gateway

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// The topics of events. Devices may subscribe to them and not publish there.
// Sources: AWS IoT, lifecycle events; just-in-time registration.
const (
	topicConnected    = "$aws/events/presence/connected/"
	topicDisconnected = "$aws/events/presence/disconnected/"
	topicRegistered   = "$aws/events/certificates/registered/"
)

// maxOutgoing is how many events may wait to be sent. More are dropped, which is
// logged: they are not worth waiting for.
const maxOutgoing = 8192

// outgoing is an event that waits to be sent.
type outgoing struct {
	scope   fleet.Scope
	topic   string
	content any
}

// presence is the content of an event about a connection.
type presence struct {
	ClientID          string `json:"clientId"`
	Timestamp         int64  `json:"timestamp"` // milliseconds
	EventType         string `json:"eventType"`
	ByClient          *bool  `json:"clientInitiatedDisconnect,omitempty"`
	SessionIdentifier string `json:"sessionIdentifier"`
	PrincipalID       string `json:"principalIdentifier"`
	DisconnectReason  string `json:"disconnectReason,omitempty"`
	IPAddress         string `json:"ipAddress,omitempty"`
	VersionNumber     int64  `json:"versionNumber"`
}

// present tells those who subscribed to it of a connection or its end.
func (g *Gateway) present(s *session, e *Event) {
	// Source: AWS IoT, lifecycle events: the topic would be no topic.
	if strings.ContainsAny(s.clientID, "#+") {
		return
	}
	p := presence{
		ClientID: s.clientID, Timestamp: e.Time.UnixMilli(), EventType: "connected", SessionIdentifier: s.id,
		PrincipalID: s.certificate, VersionNumber: s.began.UnixMilli(),
	}
	topic := topicConnected
	if e.Type == EventDisconnect {
		topic, p.EventType = topicDisconnected, "disconnected"
		p.ByClient, p.DisconnectReason = &e.ByClient, string(e.Disconnect)
	} else {
		p.IPAddress = s.address.Addr().Unmap().String()
	}
	g.send(outgoing{s.scope, topic + s.clientID, p})
}

// send has an event sent, in order, without waiting for it.
func (g *Gateway) send(o outgoing) {
	select {
	case g.events <- o:
	default:
		g.dropped.Add(1)
	}
}

// publish sends events until ctx ends, and those that wait then.
func (g *Gateway) publish(ctx context.Context) {
	for {
		select {
		case o := <-g.events:
			g.publishOne(o)
		case <-ctx.Done():
			for len(g.events) > 0 && g.root.Err() == nil {
				g.publishOne(<-g.events)
			}
			return
		}
	}
}

func (g *Gateway) publishOne(o outgoing) {
	if n := g.dropped.Swap(0); n > 0 {
		g.Log.Warn("events were dropped because too many waited", "count", n)
	}
	content, err := json.Marshal(o.content)
	if err == nil {
		ctx, cancel := context.WithTimeout(g.root, sendTime)
		defer cancel()
		err = g.Broker.Publish(ctx, o.scope, &mqtt.Publish{Topic: o.topic, Payload: content})
	}
	if err != nil {
		g.Log.Warn("an event could not be sent", "topic", o.topic, "err", err)
	}
}
