package mqtt

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

func TestPropertiesAreReadAndBuilt(t *testing.T) {
	p := Properties{}.
		AddNumber(PayloadFormat, 1).
		AddNumber(MessageExpiry, 70000).
		AddText(ContentType, "text/plain").
		Add(Property{ID: CorrelationData, Bytes: []byte{0, 1}}).
		AddNumber(SubscriptionIdentifier, 300).
		AddNumber(TopicAlias, 9).
		AddUser("k", "v").
		AddUser("k2", "v2")
	want := packet(t, "01 01 02 00011170 03 000a 'text/plain' 09 0002 0001 0b ac02 23 0009"+
		"26 0001 'k' 0001 'v' 26 0002 'k2' 0002 'v2'")
	if !bytes.Equal(p, want) {
		t.Fatalf("built %x, want %x", p, want)
	}
	for id, n := range map[PropertyID]uint32{PayloadFormat: 1, MessageExpiry: 70000, SubscriptionIdentifier: 300,
		TopicAlias: 9} {
		if got, ok := p.Number(id); !ok || got != n {
			t.Errorf("property %#x: got %d, %v; want %d", id, got, ok, n)
		}
	}
	if got, ok := p.Text(ContentType); !ok || got != "text/plain" {
		t.Errorf("content type: got %q, %v", got, ok)
	}
	if got, ok := p.Bytes(CorrelationData); !ok || !bytes.Equal(got, []byte{0, 1}) {
		t.Errorf("correlation data: got %x, %v", got, ok)
	}
	if got := maps.Collect(p.User()); len(got) != 2 || got["k"] != "v" || got["k2"] != "v2" {
		t.Errorf("user properties: got %v", got)
	}
	if _, ok := p.Number(SessionExpiry); ok || p.Has(SessionExpiry) {
		t.Error("a property that is not there was found")
	}
}

func TestPropertiesAreTakenOutAndSet(t *testing.T) {
	p := Properties{}.AddNumber(TopicAlias, 9).AddUser("k", "v").AddNumber(MessageExpiry, 5)
	before := bytes.Clone(p)
	want := Properties{}.AddNumber(MessageExpiry, 5)
	if got := p.Without(TopicAlias, UserProperty); !bytes.Equal(got, want) {
		t.Errorf("without two: got %x, want %x", got, want)
	}
	if got := p.Without(SessionExpiry); &got[0] != &p[0] {
		t.Error("properties were copied although nothing was taken out")
	}
	set := p[:len(p):cap(p)].SetNumber(MessageExpiry, 6)
	if n, _ := set.Number(MessageExpiry); n != 6 || len(set) != len(p) {
		t.Errorf("set a number: got %x", set)
	}
	if s, _ := p.SetText(ContentType, "x").Text(ContentType); s != "x" {
		t.Errorf("set a text: got %q", s)
	}
	if !bytes.Equal(p, before) {
		t.Errorf("the properties changed to %x", p)
	}
}

func TestAValueThatIsTooLongIsCut(t *testing.T) {
	p := Properties{}.AddText(ReasonString, strings.Repeat("x", 70000)).AddNumber(TopicAlias, 0x10001)
	if err := p.check(TypeSuback); code(err) != ProtocolError { // The alias is not one of SUBACK's.
		t.Fatal(err)
	}
	if s, _ := p.Text(ReasonString); len(s) != 0xffff {
		t.Errorf("got %d bytes", len(s))
	}
	if n, _ := p.Number(TopicAlias); n != 1 {
		t.Errorf("got %d", n)
	}
	if got := p.AddNumber(0x7e, 1); len(got) != len(p) {
		t.Error("a property that does not exist was added")
	}
}
