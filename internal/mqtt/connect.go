package mqtt

import (
	"bytes"
	"encoding/binary"
)

// Connect is a CONNECT (3.1).
type Connect struct {
	Version    Version
	CleanStart bool // clean session, in 3.1.1
	KeepAlive  uint16
	ClientID   string
	Will       *Will
	// Username and Password are nil where they are not given.
	Username   *string
	Password   []byte
	Properties Properties
}

// Will is the will of a CONNECT.
type Will struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Properties Properties
}

// The flags of a CONNECT (3.1.2.3).
const (
	flagReserved   = 0x01
	flagCleanStart = 0x02
	flagWill       = 0x04
	flagWillQoS    = 0x18
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUsername   = 0x80
)

// Type is CONNECT.
func (c *Connect) Type() Type { return TypeConnect }

func decodeConnect(b *body) *Connect {
	c := &Connect{}
	if c.Version = protocol(b); b.err != nil {
		return nil
	}
	flags := b.byte()
	if err := checkConnectFlags(flags, c.Version); err != nil && b.err == nil {
		b.fail(err)
	}
	c.CleanStart = flags&flagCleanStart != 0
	c.KeepAlive = b.two()
	c.Properties = bytes.Clone(b.properties(TypeConnect, c.Version))
	c.ClientID = string(b.text())
	if flags&flagWill != 0 {
		c.Will = decodeWill(b, flags, c.Version)
	}
	if flags&flagUsername != 0 {
		name := string(b.text())
		c.Username = &name
	}
	if flags&flagPassword != 0 {
		c.Password = append([]byte{}, b.binary()...)
	}
	return c
}

// protocol reads name and level (3.1.2.1, 3.1.2.2).
func protocol(b *body) Version {
	name, level := string(b.text()), Version(b.byte())
	switch {
	case b.err != nil:
	case name == "MQTT" && (level == V311 || level == V5):
		return level
	case name == "MQIsdp" || name == "MQTT" && level < V311:
		b.fail(&Error{Code: UnsupportedVersion, Reason: "versions of MQTT before 3.1.1 are not spoken here", Answer: V311})
	case name == "MQTT": // [MQTT-3.1.2-2]
		b.fail(&Error{Code: UnsupportedVersion, Reason: "versions of MQTT after 5 are not spoken here", Answer: V5})
	default: // [MQTT-3.1.2-1]: the network connection may be closed.
		b.fail(&Error{Code: UnsupportedVersion, Reason: "CONNECT is of another protocol"})
	}
	return 0
}

func checkConnectFlags(flags byte, v Version) *Error {
	switch {
	case flags&flagReserved != 0: // [MQTT-3.1.2-3]
		return malformed("CONNECT has a reserved flag")
	case flags&flagWill == 0 && flags&(flagWillQoS|flagWillRetain) != 0: // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
		return malformed("CONNECT has flags of a will and no will")
	case flags&flagWillQoS == flagWillQoS: // [MQTT-3.1.2-12]
		return malformed("the will has QoS 3")
	case v == V311 && flags&(flagUsername|flagPassword) == flagPassword: // [MQTT-3.1.2-22] of 3.1.1
		return malformed("CONNECT has a password and no user name")
	}
	return nil
}

func decodeWill(b *body, flags byte, v Version) *Will {
	w := &Will{QoS: flags & flagWillQoS >> 3, Retain: flags&flagWillRetain != 0}
	w.Properties = bytes.Clone(b.properties(0, v))
	w.Topic = string(b.text())
	w.Payload = bytes.Clone(b.binary())
	if b.err == nil && !ValidTopic(w.Topic) {
		b.fail(&Error{Code: TopicNameInvalid, Reason: "the topic of the will is empty or has wildcards"})
	}
	return w
}

// AppendTo appends the CONNECT in the form of its own version.
func (c *Connect) AppendTo(dst []byte, _ Version) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = appendHeader(dst, TypeConnect, 0, c.remaining())
	dst = append(appendText(dst, "MQTT"), byte(c.Version), c.flags())
	dst = binary.BigEndian.AppendUint16(dst, c.KeepAlive)
	dst = c.Properties.appendTo(dst, c.Version)
	dst = appendText(dst, c.ClientID)
	if w := c.Will; w != nil {
		dst = w.Properties.appendTo(dst, c.Version)
		dst = appendText(appendText(dst, w.Topic), w.Payload)
	}
	if c.Username != nil {
		dst = appendText(dst, *c.Username)
	}
	if c.Password != nil {
		dst = appendText(dst, c.Password)
	}
	if err := fits(TypeConnect, len(dst)-start); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

func (c *Connect) check() *Error {
	if c.Version != V311 && c.Version != V5 {
		return &Error{Code: UnsupportedVersion, Reason: "CONNECT has no version that is spoken here"}
	}
	lengths := [...]int{len(c.ClientID), len(c.Password), 0, 0, 0}
	if c.Username != nil {
		lengths[2] = len(*c.Username)
	}
	if w := c.Will; w != nil {
		lengths[3], lengths[4] = len(w.Topic), len(w.Payload)
		if w.QoS > 2 {
			return malformed("the will has QoS %d", w.QoS)
		}
		if err := w.Properties.checkFor(0, c.Version); err != nil {
			return err
		}
	}
	if err := checkConnectFlags(c.flags(), c.Version); err != nil {
		return err
	}
	if err := fits(TypeConnect, 0, lengths[:]...); err != nil {
		return err
	}
	return c.Properties.checkFor(TypeConnect, c.Version)
}

func (c *Connect) remaining() int {
	n := len("..MQTT") + 2 + 2 + c.Properties.size(c.Version) + 2 + len(c.ClientID)
	if w := c.Will; w != nil {
		n += w.Properties.size(c.Version) + 2 + len(w.Topic) + 2 + len(w.Payload)
	}
	if c.Username != nil {
		n += 2 + len(*c.Username)
	}
	if c.Password != nil {
		n += 2 + len(c.Password)
	}
	return n
}

func (c *Connect) flags() (flags byte) {
	if c.CleanStart {
		flags |= flagCleanStart
	}
	if w := c.Will; w != nil {
		flags |= flagWill | w.QoS<<3&flagWillQoS
		if w.Retain {
			flags |= flagWillRetain
		}
	}
	if c.Username != nil {
		flags |= flagUsername
	}
	if c.Password != nil {
		flags |= flagPassword
	}
	return flags
}

// Connack is a CONNACK (3.2).
type Connack struct {
	SessionPresent bool
	Code           ReasonCode // a return code in 3.1.1
	Properties     Properties
}

// Type is CONNACK.
func (c *Connack) Type() Type { return TypeConnack }

func decodeConnack(b *body, v Version) *Connack {
	flags := b.byte()
	c := &Connack{SessionPresent: flags == 1, Code: ReasonCode(b.byte())}
	c.Properties = b.properties(TypeConnack, v)
	switch {
	case b.err != nil:
	case flags > 1: // [MQTT-3.2.2-1]
		b.fail(malformed("CONNACK has reserved flags"))
	case !c.Code.validIn(TypeConnack, v):
		b.fail(malformed("CONNACK has the code %#x", byte(c.Code)))
	case c.SessionPresent && c.Code != Success: // [MQTT-3.2.2-6]
		b.fail(protocolError("CONNACK refuses and speaks of a session"))
	}
	return c
}

// AppendTo appends the CONNACK.
func (c *Connack) AppendTo(dst []byte, v Version) ([]byte, error) {
	if !c.Code.validIn(TypeConnack, v) {
		return dst, malformed("CONNACK cannot have the code %#x", byte(c.Code))
	}
	if err := c.Properties.checkFor(TypeConnack, v); err != nil {
		return dst, err
	}
	remaining := 2 + c.Properties.size(v)
	if err := fits(TypeConnack, remaining); err != nil {
		return dst, err
	}
	dst = appendHeader(dst, TypeConnack, 0, remaining)
	flags := byte(0)
	if c.SessionPresent && c.Code == Success {
		flags = 1
	}
	return c.Properties.appendTo(append(dst, flags, byte(c.Code)), v), nil
}
