package mqtt

import "encoding/binary"

// Publish is a PUBLISH (3.3).
type Publish struct {
	Dup, Retain bool
	QoS         byte
	ID          uint16 // 0 with QoS 0
	// Topic is empty only in MQTT 5, and with a topic alias there.
	Topic      string
	Properties Properties
	Payload    []byte
}

// Type is PUBLISH.
func (p *Publish) Type() Type { return TypePublish }

// DecodePublish is [Decode] of a PUBLISH into memory of the caller. Nothing is
// allocated but the topic.
func DecodePublish(f Frame, v Version, p *Publish) error {
	if f.Type != TypePublish {
		return malformed("%s is no PUBLISH", f.Type)
	}
	if err := checkHeader(f.Type, f.Flags); err != nil {
		return err
	}
	b := body{left: f.Body}
	p.decode(f.Flags, v, &b)
	if b.err != nil {
		return b.err
	}
	return nil
}

func (p *Publish) decode(flags byte, v Version, b *body) {
	*p = Publish{Dup: flags&8 != 0, QoS: flags >> 1 & 3, Retain: flags&1 != 0}
	p.Topic = string(b.binary())
	if p.QoS > 0 {
		p.ID = b.id()
	}
	p.Properties = b.properties(TypePublish, v)
	if b.err != nil {
		return
	}
	if p.Topic == "" && v == V5 && p.Properties.Has(TopicAlias) {
		// The alias stands for it (3.3.2.1).
	} else if !ValidTopic(p.Topic) {
		b.fail(invalidTopic(p.Topic))
		return
	}
	p.Payload, b.left = b.left, nil
}

// invalidTopic tells what the packet got wrong from what a topic may not be.
func invalidTopic(topic string) *Error {
	if topic != "" && !validName(topic) { // [MQTT-3.3.2-1]
		return malformed("a topic is not well-formed UTF-8 or contains U+0000")
	}
	if topic == "" {
		return protocolError("a topic is empty")
	}
	return &Error{Code: TopicNameInvalid, Reason: "a topic has wildcards"} // [MQTT-3.3.2-2]
}

// AppendTo appends the PUBLISH. Nothing is allocated where dst has room.
func (p *Publish) AppendTo(dst []byte, v Version) ([]byte, error) {
	remaining := 2 + len(p.Topic) + p.Properties.size(v) + len(p.Payload)
	if p.QoS > 0 {
		remaining += 2
	}
	if err := p.check(v, remaining); err != nil {
		return dst, err
	}
	flags := p.QoS << 1
	if p.Dup {
		flags |= 8
	}
	if p.Retain {
		flags |= 1
	}
	dst = appendHeader(dst, TypePublish, flags, remaining)
	dst = appendText(dst, p.Topic)
	if p.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.ID)
	}
	dst = p.Properties.appendTo(dst, v)
	return append(dst, p.Payload...), nil
}

func (p *Publish) check(v Version, remaining int) *Error {
	switch {
	case p.QoS > 2:
		return malformed("PUBLISH has QoS %d", p.QoS)
	case p.QoS == 0 && p.Dup:
		return malformed("PUBLISH of QoS 0 is marked as a duplicate")
	case (p.QoS == 0) != (p.ID == 0):
		return malformed("PUBLISH of QoS %d has the packet identifier %d", p.QoS, p.ID)
	case p.Topic == "" && (v != V5 || !p.Properties.Has(TopicAlias)):
		return protocolError("a topic is empty")
	}
	if err := p.Properties.checkFor(TypePublish, v); err != nil {
		return err
	}
	return fits(TypePublish, remaining, len(p.Topic))
}

// Ack is a PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7).
type Ack struct {
	Kind       Type
	ID         uint16
	Code       ReasonCode // Success in 3.1.1
	Properties Properties
}

// Type is the kind.
func (a *Ack) Type() Type { return a.Kind }

func decodeAck(t Type, v Version, b *body) *Ack {
	a := &Ack{Kind: t, ID: b.id()}
	a.Code, a.Properties = b.ending(t, v)
	return a
}

// ending reads a reason code and properties at the end of a packet, which may be
// missing in MQTT 5 (3.4.2.1, 3.14.2.1, 3.15.2.1) and always are in 3.1.1.
func (b *body) ending(t Type, v Version) (code ReasonCode, p Properties) {
	if v != V5 || b.err != nil || len(b.left) == 0 {
		return Success, nil
	}
	code = ReasonCode(b.byte())
	if !code.validIn(t, v) {
		b.fail(malformed("%s has the code %#x", t, byte(code)))
	}
	if len(b.left) > 0 {
		p = b.properties(t, v)
	}
	return code, p
}

// AppendTo appends the packet in its shortest form.
func (a *Ack) AppendTo(dst []byte, v Version) ([]byte, error) {
	switch {
	case a.Kind < TypePuback || a.Kind > TypePubcomp:
		return dst, malformed("%s is no acknowledgement of a message", a.Kind)
	case a.ID == 0:
		return dst, malformed("%s has the packet identifier 0", a.Kind)
	}
	flags := byte(0)
	if a.Kind == TypePubrel {
		flags = 2
	}
	id := [2]byte{byte(a.ID >> 8), byte(a.ID)}
	return appendEnding(dst, Frame{a.Kind, flags, id[:]}, v, a.Code, a.Properties)
}

// appendEnding appends a packet whose body is that of f, a reason code and
// properties, without those of the latter that may be missing.
func appendEnding(dst []byte, f Frame, v Version, code ReasonCode, p Properties) ([]byte, error) {
	if v != V5 || code == Success && len(p) == 0 {
		return f.AppendTo(dst), nil
	}
	if !code.validIn(f.Type, v) {
		return dst, malformed("%s cannot have the code %#x", f.Type, byte(code))
	}
	if err := p.checkFor(f.Type, v); err != nil {
		return dst, err
	}
	size := len(f.Body) + 1
	if len(p) > 0 {
		size += p.size(v)
	}
	if err := fits(f.Type, size); err != nil {
		return dst, err
	}
	dst = append(appendHeader(dst, f.Type, f.Flags, size), f.Body...)
	dst = append(dst, byte(code))
	if len(p) > 0 {
		dst = p.appendTo(dst, v)
	}
	return dst, nil
}
