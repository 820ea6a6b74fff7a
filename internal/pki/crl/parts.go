package crl

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"
)

// maxSerial is the longest serial number that a registered certificate has, in
// bytes.
const maxSerial = 20

// The extensions that are understood, as the content of their OIDs.
var (
	extReason            = []byte{0x55, 0x1d, 21}
	extInvalidityDate    = []byte{0x55, 0x1d, 24}
	extCertificateIssuer = []byte{0x55, 0x1d, 29}
	extNumber            = []byte{0x55, 0x1d, 20}
	extDelta             = []byte{0x55, 0x1d, 27}
	extDistribution      = []byte{0x55, 0x1d, 28}
	extAuthorityKey      = []byte{0x55, 0x1d, 35}
)

var (
	errParts    = refuse("its parts do not fit together")
	errIndirect = refuse("it is indirect: it holds certificates of other issuers, which is not supported")
)

// next splits the first element off DER in memory.
func next(der []byte) (tag byte, content, rest []byte, err error) {
	if len(der) < 2 {
		return 0, nil, nil, errParts
	}
	n, from := int(der[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 3 || len(der) < 2+size {
			return 0, nil, nil, errParts
		}
		n = 0
		for _, v := range der[2 : 2+size] {
			n = n<<8 | int(v)
		}
		from += size
	}
	if len(der)-from < n {
		return 0, nil, nil, errParts
	}
	return der[0], der[from : from+n], der[from+n:], nil
}

// take is next for an element that must have a tag.
func take(want byte, der []byte) (content, rest []byte, err error) {
	tag, content, rest, err := next(der)
	if err == nil && tag != want {
		err = errParts
	}
	return content, rest, err
}

// eachPart goes through the elements of a sequence.
func eachPart(der []byte, each func(tag byte, content []byte) error) error {
	for len(der) > 0 {
		tag, content, rest, err := next(der)
		if err == nil {
			err = each(tag, content)
		}
		if err != nil {
			return err
		}
		der = rest
	}
	return nil
}

func parseEntry(der []byte) (*Entry, error) {
	serial, rest, err := take(tagInteger, der)
	if err != nil {
		return nil, err
	}
	tag, at, rest, err := next(rest)
	if err != nil {
		return nil, err
	}
	e := &Entry{}
	if e.Revoked, err = parseTime(tag, at); err != nil {
		return nil, err
	}
	if e.Serial, err = parseSerial(serial); err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return e, nil
	}
	list, rest, err := take(tagSequence, rest)
	if err != nil || len(rest) > 0 {
		return nil, errParts
	}
	return e, eachExtension(list, e.extension)
}

// parseSerial returns a serial number in hex, or "" for one that is longer than
// that of any certificate here.
func parseSerial(b []byte) (string, error) {
	if len(b) == 0 {
		return "", errParts
	}
	if b[0] >= 0x80 {
		return "", refuse("a serial number in it is negative")
	}
	if b = bytes.TrimLeft(b, "\x00"); len(b) == 0 {
		return "00", nil
	}
	if len(b) > maxSerial {
		return "", nil
	}
	return hex.EncodeToString(b), nil
}

// parseTime reads a moment as RFC 5280, section 5.1.2.4, writes it: in UTC, to
// the second.
func parseTime(tag byte, content []byte) (time.Time, error) {
	text, layout := string(content), "20060102150405Z"
	if tag == tagUTCTime {
		// Two digits of the year: 50 and later are of the last century.
		century := "20"
		if text >= "50" {
			century = "19"
		}
		text = century + text
	}
	t, err := time.Parse(layout, text)
	if err != nil || tag != tagUTCTime && tag != tagTime {
		return time.Time{}, refuse("a time in it cannot be read")
	}
	return t, nil
}

// extension is one extension of a list or of an entry.
type extension struct {
	id, value []byte
	critical  bool
}

func eachExtension(list []byte, each func(extension) error) error {
	for len(list) > 0 {
		content, rest, err := take(tagSequence, list)
		if err != nil {
			return err
		}
		list = rest
		var e extension
		if e.id, content, err = take(tagObject, content); err != nil {
			return err
		}
		if len(content) > 0 && content[0] == tagBoolean {
			var v []byte
			if v, content, err = take(tagBoolean, content); err != nil || len(v) != 1 {
				return errParts
			}
			e.critical = v[0] != 0
		}
		if e.value, content, err = take(tagOctets, content); err != nil || len(content) > 0 {
			return errParts
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entry) extension(x extension) error {
	switch {
	case bytes.Equal(x.id, extReason):
		code, rest, err := take(tagEnumerated, x.value)
		if err != nil || len(rest) > 0 || len(code) != 1 {
			return refuse("a reason in it cannot be read")
		}
		e.Reason = int(code[0])
	case bytes.Equal(x.id, extCertificateIssuer):
		return errIndirect
	case bytes.Equal(x.id, extInvalidityDate):
	case x.critical:
		return refuse("an entry of it has a critical extension that is not known")
	}
	return nil
}

// extensions reads what a list says of itself behind its entries.
func (l *List) extensions(der []byte) error {
	list, rest, err := take(tagSequence, der)
	if err != nil || len(rest) > 0 {
		return errParts
	}
	return eachExtension(list, func(x extension) error {
		switch {
		case bytes.Equal(x.id, extDelta):
			return refuse("it is a delta list, which is not supported: the complete list is needed")
		case bytes.Equal(x.id, extNumber):
			return l.number(x.value)
		case bytes.Equal(x.id, extAuthorityKey):
			return l.authorityKey(x.value)
		case bytes.Equal(x.id, extDistribution):
			return l.distribution(x.value)
		case x.critical:
			return refuse("it has a critical extension that is not known")
		}
		return nil
	})
}

func (l *List) number(der []byte) error {
	n, rest, err := take(tagInteger, der)
	if err != nil || len(rest) > 0 || len(n) == 0 || n[0] >= 0x80 {
		return refuse("its number cannot be read")
	}
	if n = bytes.TrimLeft(n, "\x00"); len(n) > 20 {
		return refuse("its number has more than 20 bytes")
	}
	text := hex.EncodeToString(n)
	l.Number = strings.Repeat("0", 40-len(text)) + text
	return nil
}

func (l *List) authorityKey(der []byte) error {
	parts, rest, err := take(tagSequence, der)
	if err != nil || len(rest) > 0 {
		return errParts
	}
	return eachPart(parts, func(tag byte, content []byte) error {
		if tag == 0x80 {
			l.AuthorityKeyID = hex.EncodeToString(content)
		}
		return nil
	})
}

// distribution reads the issuing distribution point (RFC 5280, section 5.2.5).
func (l *List) distribution(der []byte) error {
	parts, rest, err := take(tagSequence, der)
	if err != nil || len(rest) > 0 {
		return errParts
	}
	return eachPart(parts, func(tag byte, content []byte) error {
		set := len(content) == 1 && content[0] != 0
		switch {
		case tag == 0xa0:
			return l.point(content)
		case tag == 0x81 && set:
			l.Covers = CoversUser
		case tag == 0x82 && set && l.Covers == CoversAll:
			l.Covers = CoversCA
		case tag == 0x81, tag == 0x82 && !set, tag == 0x84 && !set, tag == 0x85 && !set:
		case tag == 0x83:
			return refuse("it leaves out some reasons of revocation, which is not supported")
		case tag == 0x84:
			return errIndirect
		default:
			return refuse("its issuing distribution point is of a kind that is not supported")
		}
		return nil
	})
}

// point reads a DistributionPointName: the URLs among its names.
func (l *List) point(der []byte) error {
	l.Partial = true
	tag, names, rest, err := next(der)
	if err != nil || len(rest) > 0 {
		return errParts
	}
	if tag != 0xa0 {
		return nil // a name relative to the issuer's, which no URL is
	}
	return eachPart(names, func(tag byte, content []byte) error {
		if tag == 0x86 {
			l.Points = append(l.Points, string(content))
		}
		return nil
	})
}
