package mqtt

import (
	"encoding/binary"
)

// Subscribe is a SUBSCRIBE (3.8).
type Subscribe struct {
	ID         uint16
	Properties Properties
	Filters    []Subscription
}

// Subscription is a filter of a SUBSCRIBE with its options, of which 3.1.1 has
// QoS alone.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// Type is SUBSCRIBE.
func (s *Subscribe) Type() Type { return TypeSubscribe }

func decodeSubscribe(b *body, v Version) *Subscribe {
	s := &Subscribe{ID: b.id(), Properties: b.properties(TypeSubscribe, v)}
	for b.err == nil && len(b.left) > 0 {
		one := Subscription{Filter: b.filter()}
		one.setOptions(b.byte(), v, b)
		s.Filters = append(s.Filters, one)
	}
	if b.err == nil && len(s.Filters) == 0 { // [MQTT-3.8.3-2]
		b.fail(protocolError("SUBSCRIBE has no filter"))
	}
	return s
}

// filter reads a topic filter.
func (b *body) filter() string {
	filter := string(b.text())
	if b.err == nil && !ValidFilter(filter) {
		b.fail(&Error{Code: TopicFilterInvalid, Reason: "a topic filter is not valid"})
	}
	return filter
}

func (s *Subscription) setOptions(options byte, v Version, b *body) {
	s.QoS = options & 3
	s.NoLocal, s.RetainAsPublished, s.RetainHandling = options&4 != 0, options&8 != 0, options>>4&3
	if b.err != nil {
		return
	}
	if err := s.check(options, v); err != nil {
		b.fail(err)
	}
}

func (s *Subscription) check(options byte, v Version) *Error {
	_, _, shared := ParseShared(s.Filter)
	switch {
	case s.QoS > 2:
		return protocolError("a subscription asks for QoS %d", s.QoS)
	case options&0xC0 != 0 || v != V5 && options > 2: // [MQTT-3.8.3-5], [MQTT-3.8.3-4] of 3.1.1
		return malformed("a subscription has reserved options")
	case s.RetainHandling > 2:
		return protocolError("a subscription has the retain handling %d", s.RetainHandling)
	case shared && s.NoLocal: // [MQTT-3.8.3-4]
		return protocolError("a shared subscription asks for no local messages")
	}
	return nil
}

func (s *Subscription) options(v Version) byte {
	options := s.QoS
	if v != V5 {
		return options
	}
	if s.NoLocal {
		options |= 4
	}
	if s.RetainAsPublished {
		options |= 8
	}
	return options | s.RetainHandling<<4
}

// AppendTo appends the SUBSCRIBE.
func (s *Subscribe) AppendTo(dst []byte, v Version) ([]byte, error) {
	remaining := 2 + s.Properties.size(v)
	for i := range s.Filters {
		one := &s.Filters[i]
		if one.QoS > 2 || one.RetainHandling > 2 {
			return dst, malformed("a subscription has QoS %d and retain handling %d", one.QoS, one.RetainHandling)
		}
		if err := one.check(one.options(v), v); err != nil {
			return dst, err
		}
		if err := fits(TypeSubscribe, 0, len(one.Filter)); err != nil {
			return dst, err
		}
		remaining += 2 + len(one.Filter) + 1
	}
	if err := checkRequest(TypeSubscribe, s.ID, len(s.Filters), remaining); err != nil {
		return dst, err
	}
	if err := s.Properties.checkFor(TypeSubscribe, v); err != nil {
		return dst, err
	}
	dst = appendHeader(dst, TypeSubscribe, 2, remaining)
	dst = s.Properties.appendTo(binary.BigEndian.AppendUint16(dst, s.ID), v)
	for i := range s.Filters {
		dst = append(appendText(dst, s.Filters[i].Filter), s.Filters[i].options(v))
	}
	return dst, nil
}

// checkRequest is the error of a packet without an identifier or anything in it.
func checkRequest(t Type, id uint16, entries, remaining int) *Error {
	if id == 0 || entries == 0 {
		return malformed("%s has the packet identifier %d and %d entries", t, id, entries)
	}
	return fits(t, remaining)
}

// Suback is a SUBACK or an UNSUBACK (3.9, 3.11). The latter has no codes in
// 3.1.1.
type Suback struct {
	Kind       Type
	ID         uint16
	Properties Properties
	Codes      []ReasonCode
}

// Type is the kind.
func (s *Suback) Type() Type { return s.Kind }

func decodeSuback(t Type, v Version, b *body) *Suback {
	s := &Suback{Kind: t, ID: b.id(), Properties: b.properties(t, v)}
	if t == TypeUnsuback && v != V5 {
		return s
	}
	codes := b.take(len(b.left))
	if b.err == nil && len(codes) == 0 {
		b.fail(malformed("%s has no codes", t))
	}
	s.Codes = make([]ReasonCode, len(codes))
	for i, c := range codes {
		if s.Codes[i] = ReasonCode(c); !s.Codes[i].validIn(t, v) {
			b.fail(malformed("%s has the code %#x", t, c))
		}
	}
	return s
}

// AppendTo appends the packet.
func (s *Suback) AppendTo(dst []byte, v Version) ([]byte, error) {
	if s.Kind != TypeSuback && s.Kind != TypeUnsuback {
		return dst, malformed("%s is no answer to a subscription", s.Kind)
	}
	codes, entries := s.Codes, len(s.Codes)
	if s.Kind == TypeUnsuback && v != V5 {
		codes, entries = nil, 1 // It has none, and needs none.
	}
	for _, c := range codes {
		if !c.validIn(s.Kind, v) {
			return dst, malformed("%s cannot have the code %#x", s.Kind, byte(c))
		}
	}
	remaining := 2 + s.Properties.size(v) + len(codes)
	if err := checkRequest(s.Kind, s.ID, entries, remaining); err != nil {
		return dst, err
	}
	if err := s.Properties.checkFor(s.Kind, v); err != nil {
		return dst, err
	}
	dst = appendHeader(dst, s.Kind, 0, remaining)
	dst = s.Properties.appendTo(binary.BigEndian.AppendUint16(dst, s.ID), v)
	for _, c := range codes {
		dst = append(dst, byte(c))
	}
	return dst, nil
}

// Unsubscribe is an UNSUBSCRIBE (3.10).
type Unsubscribe struct {
	ID         uint16
	Properties Properties
	Filters    []string
}

// Type is UNSUBSCRIBE.
func (u *Unsubscribe) Type() Type { return TypeUnsubscribe }

func decodeUnsubscribe(b *body, v Version) *Unsubscribe {
	u := &Unsubscribe{ID: b.id(), Properties: b.properties(TypeUnsubscribe, v)}
	for b.err == nil && len(b.left) > 0 {
		u.Filters = append(u.Filters, b.filter())
	}
	if b.err == nil && len(u.Filters) == 0 { // [MQTT-3.10.3-2]
		b.fail(protocolError("UNSUBSCRIBE has no filter"))
	}
	return u
}

// AppendTo appends the UNSUBSCRIBE.
func (u *Unsubscribe) AppendTo(dst []byte, v Version) ([]byte, error) {
	remaining := 2 + u.Properties.size(v)
	for _, filter := range u.Filters {
		if err := fits(TypeUnsubscribe, 0, len(filter)); err != nil {
			return dst, err
		}
		remaining += 2 + len(filter)
	}
	if err := checkRequest(TypeUnsubscribe, u.ID, len(u.Filters), remaining); err != nil {
		return dst, err
	}
	if err := u.Properties.checkFor(TypeUnsubscribe, v); err != nil {
		return dst, err
	}
	dst = appendHeader(dst, TypeUnsubscribe, 2, remaining)
	dst = u.Properties.appendTo(binary.BigEndian.AppendUint16(dst, u.ID), v)
	for _, filter := range u.Filters {
		dst = appendText(dst, filter)
	}
	return dst, nil
}
