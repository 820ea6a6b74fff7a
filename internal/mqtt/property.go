package mqtt

import (
	"encoding/binary"
	"iter"
	"slices"
)

// PropertyID is the identifier of a property of MQTT 5 (2.2.2.2).
type PropertyID byte

// The properties.
const (
	PayloadFormat          PropertyID = 0x01
	MessageExpiry          PropertyID = 0x02
	ContentType            PropertyID = 0x03
	ResponseTopic          PropertyID = 0x08
	CorrelationData        PropertyID = 0x09
	SubscriptionIdentifier PropertyID = 0x0B
	SessionExpiry          PropertyID = 0x11
	AssignedClientID       PropertyID = 0x12
	ServerKeepAlive        PropertyID = 0x13
	AuthMethod             PropertyID = 0x15
	AuthData               PropertyID = 0x16
	RequestProblemInfo     PropertyID = 0x17
	WillDelay              PropertyID = 0x18
	RequestResponseInfo    PropertyID = 0x19
	ResponseInfo           PropertyID = 0x1A
	ServerReference        PropertyID = 0x1C
	ReasonString           PropertyID = 0x1F
	ReceiveMaximum         PropertyID = 0x21
	TopicAliasMaximum      PropertyID = 0x22
	TopicAlias             PropertyID = 0x23
	MaximumQoS             PropertyID = 0x24
	RetainAvailable        PropertyID = 0x25
	UserProperty           PropertyID = 0x26
	MaximumPacketSize      PropertyID = 0x27
	WildcardAvailable      PropertyID = 0x28
	SubIDsAvailable        PropertyID = 0x29
	SharedAvailable        PropertyID = 0x2A
)

// form is how the value of a property is written.
type form byte

const (
	_ form = iota
	oneByte
	twoBytes
	fourBytes
	varying // a variable byte integer
	text
	binaryData
	textPair
)

// rule is what holds of a property.
type rule struct {
	form     form
	least    uint32 // of a number
	most     uint32 // of a number, 0: what the form can hold
	in       uint16 // the packets that may have it: a bit for each type, and inWill
	repeated uint16 // those among them that may have it more than once
}

// inWill is the bit of the properties of a will, which are not those of its
// CONNECT.
const inWill = 1

func in(types ...Type) (bits uint16) {
	for _, t := range types {
		bits |= 1 << t
	}
	return bits
}

// rules holds what 2.2.2.2 and the sections of the packets say.
var rules = func() [256]rule {
	message := in(TypePublish) | inWill
	handshake := in(TypeConnect, TypeConnack)
	answers := in(TypeConnack, TypePuback, TypePubrec, TypePubrel, TypePubcomp, TypeSuback, TypeUnsuback,
		TypeDisconnect, TypeAuth)
	requests := in(TypeConnect, TypePublish, TypeSubscribe, TypeUnsubscribe)
	flag := func(in uint16) rule { return rule{form: oneByte, most: 1, in: in} }
	return [256]rule{
		PayloadFormat:          flag(message),
		MessageExpiry:          {form: fourBytes, in: message},
		ContentType:            {form: text, in: message},
		ResponseTopic:          {form: text, in: message},
		CorrelationData:        {form: binaryData, in: message},
		SubscriptionIdentifier: {form: varying, least: 1, in: in(TypePublish, TypeSubscribe), repeated: in(TypePublish)},
		SessionExpiry:          {form: fourBytes, in: handshake | in(TypeDisconnect)},
		AssignedClientID:       {form: text, in: in(TypeConnack)},
		ServerKeepAlive:        {form: twoBytes, in: in(TypeConnack)},
		AuthMethod:             {form: text, in: handshake | in(TypeAuth)},
		AuthData:               {form: binaryData, in: handshake | in(TypeAuth)},
		RequestProblemInfo:     flag(in(TypeConnect)),
		WillDelay:              {form: fourBytes, in: inWill},
		RequestResponseInfo:    flag(in(TypeConnect)),
		ResponseInfo:           {form: text, in: in(TypeConnack)},
		ServerReference:        {form: text, in: in(TypeConnack, TypeDisconnect)},
		ReasonString:           {form: text, in: answers},
		ReceiveMaximum:         {form: twoBytes, least: 1, in: handshake},
		TopicAliasMaximum:      {form: twoBytes, in: handshake},
		TopicAlias:             {form: twoBytes, least: 1, in: in(TypePublish)},
		MaximumQoS:             flag(in(TypeConnack)),
		RetainAvailable:        flag(in(TypeConnack)),
		UserProperty: {form: textPair, in: inWill | answers | requests,
			repeated: inWill | answers | requests},
		MaximumPacketSize: {form: fourBytes, least: 1, in: handshake},
		WildcardAvailable: flag(in(TypeConnack)),
		SubIDsAvailable:   flag(in(TypeConnack)),
		SharedAvailable:   flag(in(TypeConnack)),
	}
}()

// Properties are the properties of a packet in their wire form, without the
// length in front. They were checked when they were read: each is allowed in
// its packet and there as often as it may be. They are checked again when a
// packet is written.
type Properties []byte

// Property is one property. Its value is in the field that its form in 2.2.2.2
// asks for, the others are zero.
type Property struct {
	ID     PropertyID
	Number uint32 // of integers of any size
	Bytes  []byte // of binary data and strings; the name of a user property
	Value  []byte // the value of a user property
}

// property reads the next property.
func (b *body) property() (p Property) {
	p.ID = PropertyID(b.byte()) // Identifiers are variable byte integers, but none has two bytes.
	switch rules[p.ID].form {
	case oneByte:
		p.Number = uint32(b.byte())
	case twoBytes:
		p.Number = uint32(b.two())
	case fourBytes:
		p.Number = b.four()
	case varying:
		p.Number = b.variable()
	case text:
		p.Bytes = b.text()
	case binaryData:
		p.Bytes = b.binary()
	case textPair:
		p.Bytes, p.Value = b.text(), b.text()
	default:
		b.fail(malformed("property %#x does not exist", byte(p.ID)))
	}
	return p
}

// properties reads the properties of a packet, or of a will (type 0), with their
// length. There are none in 3.1.1.
func (b *body) properties(of Type, v Version) Properties {
	if v != V5 {
		return nil
	}
	p := Properties(b.take(int(b.variable())))
	if b.err == nil && len(p) > 0 {
		if err := p.check(of); err != nil {
			b.fail(err)
		}
	}
	return p
}

// check holds properties to the rules of the packet they are in.
func (p Properties) check(of Type) *Error {
	var seen uint64
	bit := uint16(1) << of
	b := body{left: p}
	for len(b.left) > 0 {
		one := b.property()
		if b.err != nil {
			return b.err
		}
		r := &rules[one.ID]
		known := uint64(1) << one.ID // The highest identifier is 0x2A.
		switch {
		case r.in&bit == 0:
			return protocolError("property %#x is not one of its packet", byte(one.ID))
		case seen&known != 0 && r.repeated&bit == 0:
			return protocolError("property %#x is there twice", byte(one.ID))
		case one.Number < r.least || r.most != 0 && one.Number > r.most:
			return outOfBounds(one)
		case one.ID == ResponseTopic && !ValidTopic(string(one.Bytes)): // [MQTT-3.3.2-14]
			return protocolError("a response topic has wildcards or is empty")
		}
		seen |= known
	}
	if seen&(1<<AuthData) != 0 && seen&(1<<AuthMethod) == 0 { // 3.1.2.11.10
		return protocolError("authentication data is there without a method")
	}
	return nil
}

func outOfBounds(p Property) *Error {
	err := protocolError("property %#x has the value %d", byte(p.ID), p.Number)
	if p.ID == TopicAlias { // 3.3.2.3.4
		err.Code = TopicAliasInvalid
	}
	return err
}

// All are the properties in their order, as parts of p.
func (p Properties) All() iter.Seq[Property] {
	return func(yield func(Property) bool) {
		b := body{left: p}
		for len(b.left) > 0 {
			if one := b.property(); b.err != nil || !yield(one) {
				return
			}
		}
	}
}

// find is the first property with an id.
func (p Properties) find(id PropertyID) (Property, bool) {
	b := body{left: p}
	for len(b.left) > 0 {
		one := b.property()
		if b.err != nil {
			break
		}
		if one.ID == id {
			return one, true
		}
	}
	return Property{}, false
}

// Has says whether there is a property with an id.
func (p Properties) Has(id PropertyID) bool {
	_, ok := p.find(id)
	return ok
}

// Number is the value of a property that is an integer of any size.
func (p Properties) Number(id PropertyID) (uint32, bool) {
	one, ok := p.find(id)
	return one.Number, ok
}

// Text is the value of a property that is a string.
func (p Properties) Text(id PropertyID) (string, bool) {
	one, ok := p.find(id)
	return string(one.Bytes), ok
}

// Bytes is the value of a property that is binary data, as a part of p.
func (p Properties) Bytes(id PropertyID) ([]byte, bool) {
	one, ok := p.find(id)
	return one.Bytes, ok
}

// User are the user properties, names and values, in their order.
func (p Properties) User() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for one := range p.All() {
			if one.ID == UserProperty && !yield(string(one.Bytes), string(one.Value)) {
				return
			}
		}
	}
}

// Without are the properties but those with some ids: p itself where there are
// none of these, else a copy.
func (p Properties) Without(ids ...PropertyID) Properties {
	if !slices.ContainsFunc(ids, p.Has) {
		return p
	}
	kept := make(Properties, 0, len(p))
	for one := range p.All() {
		if !slices.Contains(ids, one.ID) {
			kept = kept.Add(one)
		}
	}
	return kept
}

// Add appends a property as append does: to p itself where there is room. A
// value is cut where it is longer than its form can hold; an id that does not
// exist adds nothing.
func (p Properties) Add(one Property) Properties {
	f := rules[one.ID].form
	if f == 0 {
		return p
	}
	p = append(p, byte(one.ID))
	switch f {
	case oneByte:
		p = append(p, byte(one.Number))
	case twoBytes:
		p = binary.BigEndian.AppendUint16(p, uint16(one.Number))
	case fourBytes:
		p = binary.BigEndian.AppendUint32(p, one.Number)
	case varying:
		p = appendVariable(p, int(one.Number&maxRemaining))
	case textPair:
		p = appendText(appendText(p, cut(one.Bytes)), cut(one.Value))
	default:
		p = appendText(p, cut(one.Bytes))
	}
	return p
}

// AddNumber appends a property that is an integer.
func (p Properties) AddNumber(id PropertyID, n uint32) Properties {
	return p.Add(Property{ID: id, Number: n})
}

// AddText appends a property that is a string.
func (p Properties) AddText(id PropertyID, s string) Properties {
	return p.Add(Property{ID: id, Bytes: []byte(s)})
}

// AddUser appends a user property.
func (p Properties) AddUser(name, value string) Properties {
	return p.Add(Property{ID: UserProperty, Bytes: []byte(name), Value: []byte(value)})
}

// SetNumber are the properties with this value of a property that is an integer,
// in place of any it had: always a copy.
func (p Properties) SetNumber(id PropertyID, n uint32) Properties {
	return slices.Clone(p.Without(id)).AddNumber(id, n)
}

// SetText is as SetNumber for a string.
func (p Properties) SetText(id PropertyID, s string) Properties {
	return slices.Clone(p.Without(id)).AddText(id, s)
}

func cut(s []byte) []byte { return s[:min(len(s), 0xffff)] }

// size is what properties take in a packet of a version, with their length.
func (p Properties) size(v Version) int {
	if v != V5 {
		return 0
	}
	return sizeOfVariable(len(p)) + len(p)
}

func (p Properties) appendTo(dst []byte, v Version) []byte {
	if v != V5 {
		return dst
	}
	return append(appendVariable(dst, len(p)), p...)
}

// checkFor is the error of properties that may not be in a packet; those that a
// version leaves out may be anything.
func (p Properties) checkFor(of Type, v Version) *Error {
	if v != V5 || len(p) == 0 {
		return nil
	}
	return p.check(of)
}
