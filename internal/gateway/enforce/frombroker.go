package enforce

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// errEnded is returned after the connection was told to stop.
var errEnded = io.EOF

// errBroker makes an error of what a broker must not send.
func errBroker(what string) error { return &mqtt.Error{Code: mqtt.ProtocolError, Reason: what} }

// fromBroker takes a packet of the broker and queues what the device is to see
// of it.
func (c *Conn) fromBroker(f mqtt.Frame) error {
	c.mu.Lock()
	stage := c.stage
	c.mu.Unlock()
	switch {
	case stage == finishing:
		return errEnded
	case stage == greeting && f.Type != mqtt.TypeConnack:
		return errBroker(f.Type.String() + " before CONNACK")
	case f.Type == mqtt.TypePublish:
		return c.deliver(f)
	}
	p, err := mqtt.Decode(f, c.version)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *mqtt.Connack:
		if stage == greeting {
			return c.answer(p)
		}
	case *mqtt.Suback:
		return c.subscribed(f, p)
	case *mqtt.Ack:
		if p.Kind == mqtt.TypePuback {
			return c.puback(p)
		}
	case *mqtt.Ping:
		if p.Kind == mqtt.TypePingresp {
			c.send(f.AppendTo(nil))
			return nil
		}
	case *mqtt.Disconnect:
		c.stop(End{Cause: ByBroker, Code: c.farewellCode(p), Reason: "the broker sent DISCONNECT", Will: true})
		return nil
	}
	return errBroker("a " + f.Type.String() + " that no broker sends here")
}

// farewellCode is what a device is told of a DISCONNECT of the broker.
func (c *Conn) farewellCode(p *mqtt.Disconnect) mqtt.ReasonCode {
	if p.Code < mqtt.UnspecifiedError {
		return mqtt.UnspecifiedError
	}
	return p.Code
}

// answer passes on a CONNACK, with what this connection promises.
func (c *Conn) answer(p *mqtt.Connack) error {
	if p.Code != mqtt.Success {
		c.stop(End{Cause: ByBroker, Code: c.refusal(p.Code), Reason: "the broker refused CONNECT with " + p.Code.String(),
			Will: true})
		return nil
	}
	if p.SessionPresent && c.clean {
		return errBroker("CONNACK with a session, where a new one was asked for") // [MQTT-3.2.2-2]
	}
	denied := c.judgeStored(p.SessionPresent)
	p.Properties = c.promises(p.Properties)
	raw, err := p.AppendTo(nil, c.version)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == finishing {
		return errEnded
	}
	c.stage, c.strict = open, p.SessionPresent
	if len(denied) > 0 {
		c.stage = resuming
		unsubscribe := &mqtt.Unsubscribe{ID: ownID, Filters: denied}
		if c.inject, err = unsubscribe.AppendTo(c.inject, c.version); err != nil {
			return err
		}
	}
	c.append(raw, load{})
	c.flushLater()
	c.move()
	return nil
}

// ownID is the packet id of the one UNSUBSCRIBE that the device did not send. No
// other can have it: nothing of the device passes until it is answered.
const ownID = 1

// refusal is what a device is told of a broker's refusal: what it can do
// something about, else that there is no service.
func (c *Conn) refusal(code mqtt.ReasonCode) mqtt.ReasonCode {
	switch {
	case c.version == mqtt.V5 && (code == mqtt.UnsupportedVersion || code == mqtt.ClientIDNotValid):
		return code
	case c.version != mqtt.V5 && code == mqtt.RefusedVersion:
		return mqtt.UnsupportedVersion
	case c.version != mqtt.V5 && code == mqtt.RefusedClientID:
		return mqtt.ClientIDNotValid
	}
	return mqtt.ServerUnavailable
}

// judgeStored judges the filters of the session that is resumed, if there is
// one, and returns those that the broker must take away.
func (c *Conn) judgeStored(present bool) (denied []string) {
	c.mu.Lock()
	stored := c.filters
	if !present {
		c.filters = nil
	}
	c.filters = append([]string(nil), c.filters...)
	c.mu.Unlock()
	if !present {
		return nil
	}
	for _, f := range stored {
		ok := c.limits.checkFilter(f) == mqtt.Success && c.judge.Subscribe(f)
		if !ok {
			c.drop(f)
			denied = append(denied, withPrefix(c.prefix, f))
		}
		c.note(Happening{Kind: Resumed, OK: ok, Topic: f})
	}
	return denied
}

// promises are the properties of CONNACK: the broker's where they hold, ours
// where the connection sees to them.
func (c *Conn) promises(p mqtt.Properties) mqtt.Properties {
	if c.version != mqtt.V5 {
		return nil
	}
	limit := uint32(c.limits.Packet)
	if n, ok := p.Number(mqtt.MaximumPacketSize); ok {
		limit = min(limit, n)
	}
	var out mqtt.Properties
	for one := range p.All() {
		switch one.ID {
		case mqtt.ReceiveMaximum, mqtt.RetainAvailable, mqtt.WildcardAvailable, mqtt.SubIDsAvailable, mqtt.SharedAvailable:
			out = out.Add(one)
		case mqtt.ServerKeepAlive:
			out = out.Add(one)
			c.mu.Lock()
			c.keepAlive = time.Duration(one.Number) * time.Second
			c.mu.Unlock()
		case mqtt.SessionExpiry:
			c.mu.Lock()
			c.expiry = min(c.expiry, time.Duration(one.Number)*time.Second)
			c.mu.Unlock()
		}
	}
	if granted := c.SessionExpiry(); granted != c.asked {
		out = out.AddNumber(mqtt.SessionExpiry, seconds(granted))
	}
	if c.assigned {
		out = out.AddText(mqtt.AssignedClientID, c.clientID)
	}
	return out.AddNumber(mqtt.MaximumQoS, 1).AddNumber(mqtt.MaximumPacketSize, limit).
		AddNumber(mqtt.TopicAliasMaximum, uint32(c.limits.TopicAliases))
}

// subscribed completes a SUBACK with the filters that the broker never saw, and
// takes the UNSUBACK that no device waits for.
func (c *Conn) subscribed(f mqtt.Frame, p *mqtt.Suback) error {
	c.mu.Lock()
	if p.Kind == mqtt.TypeUnsuback {
		own := c.stage == resuming && p.ID == ownID
		if own {
			c.stage = open
			c.move()
		}
		c.mu.Unlock()
		if !own {
			c.send(f.AppendTo(nil))
		}
		return nil
	}
	wait := c.pending[p.ID]
	delete(c.pending, p.ID)
	c.mu.Unlock()
	if wait == nil {
		return nil
	}
	codes := p.Codes
	for i, filter := range wait.filters {
		if wait.codes[i] != mqtt.Success {
			continue
		}
		if len(codes) == 0 {
			return errBroker("SUBACK with too few codes")
		}
		wait.codes[i], codes = codes[0], codes[1:]
		granted := wait.codes[i] < mqtt.UnspecifiedError
		if !granted && !wait.known[i] {
			c.drop(filter)
		}
		c.note(Happening{Kind: Subscribed, OK: granted, Code: wait.codes[i], Topic: filter})
	}
	if len(codes) > 0 {
		return errBroker("SUBACK with too many codes")
	}
	return c.suback(p.ID, wait.codes, nil)
}

// puback passes on a PUBACK without the words of the broker.
func (c *Conn) puback(p *mqtt.Ack) error {
	p.Properties = nil
	raw, err := p.AppendTo(nil, c.version)
	if err != nil {
		return err
	}
	c.send(raw)
	return nil
}

// deliver queues a message that the device may receive. Any other is dropped,
// and acknowledged in its place.
func (c *Conn) deliver(f mqtt.Frame) error {
	p := &c.delivery
	if err := mqtt.DecodePublish(f, c.version, p); err != nil {
		return err
	}
	if p.QoS > 1 || p.Properties.Has(mqtt.TopicAlias) {
		return errBroker("a message with QoS 2 or a topic alias")
	}
	topic, inScope := strings.CutPrefix(p.Topic, c.prefix)
	if !inScope || topic == "" {
		p.Topic = "" // It is no business of this scope.
		return c.skip(p, mqtt.TopicNameInvalid)
	}
	asItIs := c.prefix == ""
	if p.Topic = topic; !asItIs {
		c.ownResponseTopic(p)
	}
	if !c.covered(topic) || !c.judge.Receive(topic) {
		return c.skip(p, mqtt.NotAuthorized)
	}
	if !asItIs {
		raw, err := p.AppendTo(c.packet[:0], c.version)
		if err != nil {
			return err
		}
		c.packet = emptied(raw)
		_, f.Body = firstPacket(raw)
	}
	if c.maxPacket > 0 && f.Size() > int(c.maxPacket) { // [MQTT-3.1.2-25]: as if it had been sent.
		return c.skip(p, mqtt.PacketTooLarge)
	}
	c.sendMessage(f, p.ID)
	c.note(Happening{Kind: Delivered, OK: true, Topic: topic, QoS: p.QoS, Retain: p.Retain, Bytes: len(p.Payload)})
	return nil
}

// ownResponseTopic removes the prefix from the response topic, or one of another
// scope altogether.
func (c *Conn) ownResponseTopic(p *mqtt.Publish) {
	response, ok := p.Properties.Text(mqtt.ResponseTopic)
	if !ok {
		return
	}
	if response, ok = strings.CutPrefix(response, c.prefix); ok && mqtt.ValidTopic(response) {
		p.Properties = p.Properties.SetText(mqtt.ResponseTopic, response)
	} else {
		p.Properties = p.Properties.Without(mqtt.ResponseTopic)
	}
}

// covered says whether a topic is of a filter that the device has. It is asked
// where the broker may think so and be wrong: of topics with $, which no
// wildcard covers [MQTT-4.7.2-1], but may with a prefix before it; and in a
// session that was resumed with fewer filters than the broker had.
func (c *Conn) covered(topic string) bool {
	if topic[0] == '$' && !strings.HasPrefix(topic, reserved) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.strict && topic[0] != '$' || covers(c.filters, topic)
}

// skip drops a message, and acknowledges one of QoS 1 so that it does not stay in
// flight [MQTT-4.3.2].
func (c *Conn) skip(p *mqtt.Publish, code mqtt.ReasonCode) error {
	c.note(Happening{Kind: Delivered, Code: code, Topic: p.Topic, QoS: p.QoS, Retain: p.Retain, Bytes: len(p.Payload)})
	if p.QoS == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == finishing {
		return errEnded
	}
	if len(c.inject) > maxInjected {
		return errors.New("the broker does not read")
	}
	inject, err := (&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID}).AppendTo(c.inject, c.version)
	c.inject = inject
	c.move()
	return err
}

// maxInjected is how many bytes of acknowledgements may wait for the broker to
// read them: as many as there are packet ids.
const maxInjected = 4 << 16
