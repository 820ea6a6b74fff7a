package enforce

import (
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// fromDevice judges a packet of the device, and puts what the broker is to see
// of it into c.ready.
func (c *Conn) fromDevice(f mqtt.Frame) error {
	if f.Type == mqtt.TypePublish {
		return c.publish(f)
	}
	p, err := mqtt.Decode(f, c.version)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *mqtt.Ack:
		return c.acknowledge(f, p)
	case *mqtt.Subscribe:
		return c.subscribe(p)
	case *mqtt.Unsubscribe:
		return c.unsubscribe(p)
	case *mqtt.Disconnect:
		return c.leaveWith(p)
	case *mqtt.Ping:
		if p.Kind == mqtt.TypePingreq {
			c.ready = f.AppendTo(c.ready)
			return nil
		}
	case *mqtt.Auth:
		return c.refuse(mqtt.ProtocolError, "AUTH, where none was asked for")
	}
	return c.refuse(mqtt.ProtocolError, f.Type.String()+", which no device sends here") // [MQTT-3.1.0-2]
}

// pass puts a packet into ready.
func (c *Conn) pass(p mqtt.Packet) error {
	raw, err := p.AppendTo(c.ready, c.version)
	c.ready = raw
	return err
}

// publish passes on a message that the device may publish. Any other ends the
// connection, as with AWS IoT.
func (c *Conn) publish(f mqtt.Frame) error {
	p := &c.message
	if err := mqtt.DecodePublish(f, c.version, p); err != nil {
		return err
	}
	asItIs := c.prefix == ""
	if len(p.Properties) > 0 {
		changed, err := c.publishProperties(p)
		if err != nil {
			return err
		}
		asItIs = asItIs && !changed
	}
	code := c.judgePublish(p)
	c.note(Happening{Kind: Published, OK: code == 0, Code: code, Topic: p.Topic, QoS: p.QoS, Retain: p.Retain,
		Bytes: len(p.Payload)})
	switch {
	case code == mqtt.NotAuthorized:
		c.stop(End{Cause: DeniedPublish, Code: code, Reason: "the device may not publish what it did", Will: true})
		return errEnded
	case code != 0:
		return c.refuse(code, "a message beyond what may be published at all")
	case asItIs:
		c.ready = f.AppendTo(c.ready)
		return nil
	}
	p.Topic = c.prefix + p.Topic
	return c.pass(p)
}

func (c *Conn) judgePublish(p *mqtt.Publish) mqtt.ReasonCode {
	if code := c.limits.CheckTopic(p.Topic); code != mqtt.Success {
		return code
	}
	switch {
	case p.QoS > 1: // 3.2.2.3.4: CONNACK says so in MQTT 5.
		return mqtt.QoSNotSupported
	case len(p.Payload) > c.limits.Payload:
		return mqtt.PacketTooLarge
	case !c.judge.Publish(p.Topic, p.Retain):
		return mqtt.NotAuthorized
	}
	return mqtt.Success
}

// publishProperties gives the message its topic where it has an alias, and puts
// the prefix before the response topic. It says whether the message changed.
func (c *Conn) publishProperties(p *mqtt.Publish) (changed bool, err error) {
	if p.Properties.Has(mqtt.SubscriptionIdentifier) { // [MQTT-3.3.4-6]
		return false, c.refuse(mqtt.ProtocolError, "a message of the device with a subscription identifier")
	}
	if alias, ok := p.Properties.Number(mqtt.TopicAlias); ok {
		if err := c.resolve(int(alias), &p.Topic); err != nil {
			return false, err
		}
		p.Properties = p.Properties.Without(mqtt.TopicAlias)
		changed = true
	}
	if topic, ok := p.Properties.Text(mqtt.ResponseTopic); ok && c.prefix != "" {
		p.Properties = p.Properties.SetText(mqtt.ResponseTopic, c.prefix+topic)
		changed = true
	}
	return changed, nil
}

// resolve sets or uses a topic alias (3.3.2.3.4). One set by a message that is
// then denied is of no use, as the connection ends.
func (c *Conn) resolve(alias int, topic *string) error {
	if alias > c.limits.TopicAliases { // [MQTT-3.3.2-9]
		return c.refuse(mqtt.TopicAliasInvalid, "a topic alias above the maximum")
	}
	if c.aliases == nil {
		c.aliases = make([]string, c.limits.TopicAliases)
	}
	if *topic != "" {
		c.aliases[alias-1] = *topic
		return nil
	}
	if *topic = c.aliases[alias-1]; *topic == "" {
		return c.refuse(mqtt.ProtocolError, "a topic alias that was never set")
	}
	return nil
}

// acknowledge passes on a PUBACK for a message that the device got. Others are
// of an earlier connection, and of no consequence.
func (c *Conn) acknowledge(f mqtt.Frame, p *mqtt.Ack) error {
	if p.Kind != mqtt.TypePuback {
		return c.refuse(mqtt.ProtocolError, f.Type.String()+", where nothing has QoS 2")
	}
	if c.acknowledged(p.ID) {
		c.ready = f.AppendTo(c.ready)
	}
	return nil
}

// leaveWith passes on a DISCONNECT. The broker learns only how long it is to
// store the session; the will is not its business.
func (c *Conn) leaveWith(p *mqtt.Disconnect) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out mqtt.Disconnect
	if n, ok := p.Properties.Number(mqtt.SessionExpiry); ok {
		if n > 0 && c.asked == 0 { // 3.14.2.2.2
			c.stopNow(End{Cause: ClientError, Code: mqtt.ProtocolError, Will: true,
				Reason: "DISCONNECT asks to store a session that CONNECT did not"})
			return errEnded
		}
		c.expiry = c.limits.expiry(time.Duration(n) * time.Second)
		out.Properties = out.Properties.AddNumber(mqtt.SessionExpiry, seconds(c.expiry))
	}
	c.setEnd(End{Cause: ByClient, Code: p.Code, Reason: "DISCONNECT", Will: p.Code != mqtt.Success})
	c.left = true
	return c.pass(&out)
}

// pendingSubscribe is a SUBSCRIBE that the broker has not answered.
type pendingSubscribe struct {
	filters []string
	codes   []mqtt.ReasonCode // Success where the broker is to say
	known   []bool            // filters that were live before
}

// subscribe passes on the filters that the device may subscribe to; the answer
// about the others is put into that of the broker.
func (c *Conn) subscribe(p *mqtt.Subscribe) error {
	c.mu.Lock()
	_, twice := c.pending[p.ID]
	many := len(c.pending) >= maxPending
	c.mu.Unlock()
	if twice || many {
		return c.refuse(mqtt.ReceiveMaximumExceeded, "a SUBSCRIBE that does not wait for the answers to others")
	}
	wait := &pendingSubscribe{filters: make([]string, len(p.Filters)), codes: make([]mqtt.ReasonCode, len(p.Filters)),
		known: make([]bool, len(p.Filters))}
	kept := p.Filters[:0]
	for i, f := range p.Filters {
		wait.filters[i] = f.Filter
		code := mqtt.QuotaExceeded
		if len(wait.filters) <= c.limits.Filters {
			code, wait.known[i] = c.admit(f.Filter)
		}
		if wait.codes[i] = code; code != mqtt.Success {
			c.note(Happening{Kind: Subscribed, Code: code, Topic: f.Filter, QoS: f.QoS})
			continue
		}
		f.Filter, f.QoS = withPrefix(c.prefix, f.Filter), min(f.QoS, 1)
		kept = append(kept, f)
	}
	if p.Filters = kept; len(kept) == 0 {
		return c.suback(p.ID, wait.codes, nil)
	}
	c.mu.Lock()
	if c.pending == nil {
		c.pending = map[uint16]*pendingSubscribe{}
	}
	c.pending[p.ID] = wait
	c.mu.Unlock()
	return c.pass(p)
}

// admit makes a filter live if it may be, and says whether it was before. It is
// live before it is judged: whoever takes the right away in between finds it.
func (c *Conn) admit(filter string) (code mqtt.ReasonCode, known bool) {
	if code := c.limits.checkFilter(filter); code != mqtt.Success {
		return code, false
	}
	c.mu.Lock()
	known = slices.Contains(c.filters, filter)
	full := !known && len(c.filters) >= c.limits.Subscriptions
	if !known && !full {
		c.filters = append(c.filters, filter)
	}
	c.mu.Unlock()
	if full {
		return mqtt.QuotaExceeded, false
	}
	if c.judge.Subscribe(filter) {
		return mqtt.Success, known
	}
	if !known {
		c.drop(filter)
	}
	return mqtt.NotAuthorized, known
}

// drop makes a filter live no more.
func (c *Conn) drop(filter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.filters, filter); i >= 0 {
		c.filters = slices.Delete(c.filters, i, i+1)
	}
}

// suback answers a SUBSCRIBE.
func (c *Conn) suback(id uint16, codes []mqtt.ReasonCode, p mqtt.Properties) error {
	if c.version != mqtt.V5 {
		for i, code := range codes {
			if code >= mqtt.UnspecifiedError {
				codes[i] = mqtt.SubscriptionFailed
			}
		}
	}
	raw, err := (&mqtt.Suback{Kind: mqtt.TypeSuback, ID: id, Codes: codes, Properties: p}).AppendTo(nil, c.version)
	if err != nil {
		return err
	}
	c.send(raw)
	return nil
}

// unsubscribe passes on an UNSUBSCRIBE. Nobody is asked.
func (c *Conn) unsubscribe(p *mqtt.Unsubscribe) error {
	for i, f := range p.Filters {
		c.drop(f)
		c.note(Happening{Kind: Unsubscribed, OK: true, Topic: f})
		p.Filters[i] = withPrefix(c.prefix, f)
	}
	return c.pass(p)
}
