package mqtt

// Ping is a PINGREQ or a PINGRESP (3.12, 3.13).
type Ping struct{ Kind Type }

// Type is the kind.
func (p *Ping) Type() Type { return p.Kind }

// AppendTo appends the packet.
func (p *Ping) AppendTo(dst []byte, _ Version) ([]byte, error) {
	if p.Kind != TypePingreq && p.Kind != TypePingresp {
		return dst, malformed("%s is no ping", p.Kind)
	}
	return Frame{Type: p.Kind}.AppendTo(dst), nil
}

// Disconnect is a DISCONNECT (3.14). In 3.1.1 only a client sends it, and it is
// empty.
type Disconnect struct {
	Code       ReasonCode
	Properties Properties
}

// Type is DISCONNECT.
func (d *Disconnect) Type() Type { return TypeDisconnect }

func decodeDisconnect(b *body, v Version) *Disconnect {
	d := &Disconnect{}
	d.Code, d.Properties = b.ending(TypeDisconnect, v)
	return d
}

// AppendTo appends the DISCONNECT in its shortest form.
func (d *Disconnect) AppendTo(dst []byte, v Version) ([]byte, error) {
	return appendEnding(dst, Frame{Type: TypeDisconnect}, v, d.Code, d.Properties)
}

// Auth is an AUTH (3.15), which 3.1.1 does not have.
type Auth struct {
	Code       ReasonCode
	Properties Properties
}

// Type is AUTH.
func (a *Auth) Type() Type { return TypeAuth }

func decodeAuth(b *body, v Version) *Auth {
	a := &Auth{}
	a.Code, a.Properties = b.ending(TypeAuth, v)
	switch {
	case b.err != nil:
	case v != V5:
		b.fail(malformed("MQTT 3.1.1 has no AUTH"))
	case !a.Properties.Has(AuthMethod): // 3.15.2.2.2
		b.fail(protocolError("AUTH names no method"))
	}
	return a
}

// AppendTo appends the AUTH.
func (a *Auth) AppendTo(dst []byte, v Version) ([]byte, error) {
	if v != V5 {
		return dst, malformed("MQTT 3.1.1 has no AUTH")
	}
	if !a.Properties.Has(AuthMethod) {
		return dst, protocolError("AUTH names no method")
	}
	return appendEnding(dst, Frame{Type: TypeAuth}, v, a.Code, a.Properties)
}
