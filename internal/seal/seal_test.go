package seal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

var testKey = bytes.Repeat([]byte("k"), KeySize)

func sealer(t *testing.T, key []byte) *Sealer {
	t.Helper()
	s, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedValuesOpenOnlyForTheirBinding(t *testing.T) {
	s := sealer(t, testKey)
	b := Binding{Account: "123456789012", Region: "us-east-1", Purpose: "ca-key"}
	sealed := s.Seal(b, []byte("secret"))
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the sealed value contains the plaintext")
	}
	if again := s.Seal(b, []byte("secret")); bytes.Equal(sealed, again) {
		t.Error("sealing twice gave the same bytes")
	}
	other := sealer(t, bytes.Repeat([]byte("o"), KeySize))
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	later := bytes.Clone(sealed)
	later[0]++
	for _, tt := range []struct {
		name   string
		sealer *Sealer
		b      Binding
		sealed []byte
		opens  bool
	}{
		{"the same binding opens", s, b, sealed, true},
		{"another account does not", s, Binding{"210987654321", b.Region, b.Purpose}, sealed, false},
		{"another region does not", s, Binding{b.Account, "eu-west-1", b.Purpose}, sealed, false},
		{"another purpose does not", s, Binding{b.Account, b.Region, "access-key"}, sealed, false},
		{"the same letters split otherwise do not", s,
			Binding{b.Account + b.Region[:1], b.Region[1:], b.Purpose}, sealed, false},
		{"another master key does not", other, b, sealed, false},
		{"a changed byte does not", s, b, changed, false},
		{"a later version does not", s, b, later, false},
		{"a cut value does not", s, b, sealed[:10], false},
		{"nothing does not", s, b, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.sealer.Open(tt.b, tt.sealed)
			if tt.opens && (err != nil || string(got) != "secret") {
				t.Errorf("got %q, %v; want the secret", got, err)
			}
			if !tt.opens && !errors.Is(err, ErrUnreadable) {
				t.Errorf("got %q, %v; want ErrUnreadable", got, err)
			}
		})
	}
}

func TestTheOverheadIsAsDocumented(t *testing.T) {
	if got := len(sealer(t, testKey).Seal(Binding{}, []byte("12345"))); got != 5+29 {
		t.Errorf("got %d bytes, want %d", got, 5+29)
	}
}

func TestASealerPrintsNothingOfItsKey(t *testing.T) {
	s := sealer(t, testKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "(sealer)" {
			t.Errorf("%s: got %q", verb, got)
		}
	}
}

func TestNewRefusesOtherKeyLengths(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes: got no error", n)
		}
	}
}
