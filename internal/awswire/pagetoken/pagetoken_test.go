package pagetoken

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

type cursor struct {
	At int64  `json:"at"`
	ID string `json:"id"`
}

var here = Binding{Account: "000000000001", Region: "us-east-1", Operation: "ListThings"}

func sealer(t testing.TB, fill byte) *Sealer {
	t.Helper()
	s, err := New(bytes.Repeat([]byte{fill}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTokenReturnsItsCursor(t *testing.T) {
	s := sealer(t, 1)
	want := cursor{At: 1767323045123, ID: "thing/é"}
	token, err := s.Seal(here, want)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`).MatchString(token) {
		t.Errorf("got token %q, want standard base64", token)
	}
	var got cursor
	if err := s.Open(here, token, &got); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestTokensOfOneCursorDiffer(t *testing.T) {
	s := sealer(t, 1)
	a, _ := s.Seal(here, cursor{ID: "a"})
	b, _ := s.Seal(here, cursor{ID: "a"})
	if a == b {
		t.Errorf("got %q twice, want a nonce for each", a)
	}
}

func TestTokenIsRefused(t *testing.T) {
	s := sealer(t, 1)
	token, err := s.Seal(here, cursor{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(token)
	flipped[len(flipped)/2] ^= 1
	other := func(change func(*Binding)) Binding {
		b := here
		change(&b)
		return b
	}
	for _, tt := range []struct {
		name    string
		sealer  *Sealer
		binding Binding
		token   string
	}{
		{"in another account", s, other(func(b *Binding) { b.Account = "000000000002" }), token},
		{"in another region", s, other(func(b *Binding) { b.Region = "eu-west-1" }), token},
		{"in another operation", s, other(func(b *Binding) { b.Operation = "ListThingGroups" }), token},
		{"when the same characters are split otherwise", s,
			Binding{Account: here.Account + "u", Region: here.Region[1:], Operation: here.Operation}, token},
		{"under another key", sealer(t, 2), here, token},
		{"when a bit is flipped", s, here, string(flipped)},
		{"when it is cut", s, here, token[:len(token)-4]},
		{"when it is empty", s, here, ""},
		{"when it is not base64", s, here, "?" + token[1:]},
		{"when a line is broken in it", s, here, token[:8] + "\n" + token[8:]},
		{"when it is too long", s, here, strings.Repeat("AAAA", MaxLength)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got cursor
			if err := tt.sealer.Open(tt.binding, tt.token, &got); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, want a fault %s", err, fault.Invalid)
			}
			if got != (cursor{}) {
				t.Errorf("got cursor %v, want none", got)
			}
		})
	}
}

func TestTokenOfAnotherCursorTypeIsRefused(t *testing.T) {
	s := sealer(t, 1)
	token, err := s.Seal(here, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	var got cursor
	if err := s.Open(here, token, &got); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want a fault %s", err, fault.Invalid)
	}
}

func TestCursorSize(t *testing.T) {
	s := sealer(t, 1)
	if token, err := s.Seal(here, strings.Repeat("x", 700)); err != nil || len(token) > MaxLength {
		t.Errorf("got %d characters, %v, want at most %d", len(token), err, MaxLength)
	}
	if _, err := s.Seal(here, strings.Repeat("x", 800)); err == nil || fault.From(err) != nil {
		t.Errorf("got %v, want an internal error", err)
	}
}

func TestKeySize(t *testing.T) {
	if _, err := New(make([]byte, 16)); err == nil {
		t.Error("got a sealer with a key of 16 bytes, want an error")
	}
}

// FuzzOpen holds that only what was sealed opens. The token is fixed, because
// each process of a fuzz run would seal another.
func FuzzOpen(f *testing.F) {
	const token = "qtc/lU+tC6f75acn0IXRFmzS/jRUgNTw6cr1SBk19Twm1MvZGBzG8ft05jQ0"
	s := sealer(f, 1)
	if err := s.Open(here, token, new(cursor)); err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("")
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 28)))
	f.Fuzz(func(t *testing.T, text string) {
		var got cursor
		if err := s.Open(here, text, &got); err == nil && text != token {
			t.Errorf("got cursor %v from %q, which was never sealed", got, text)
		}
	})
}
