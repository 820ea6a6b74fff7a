// Package seal encrypts the secrets that Cordon keeps in its database, and
// handles the files that hold a secret outside of it.
//
// A sealed value is bound to an account, a region and a purpose: moved to
// another row it no longer opens. The master key never leaves a [Sealer], and
// no error carries it or what was sealed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length of a master key in bytes.
const KeySize = 32

// version is the first byte of a sealed value. Version 1 is AES-256-GCM (NIST
// SP 800-38D): the version, a random nonce of 12 bytes, the ciphertext and a
// tag of 16 bytes.
const version = 1

// ErrUnreadable says that a sealed value does not open: it was sealed under
// another master key or another binding, by a later version of Cordon, or it
// is damaged. Which of these cannot be told.
var ErrUnreadable = errors.New("sealed value cannot be opened: " +
	"other master key, other account, region or purpose, or damaged")

// Binding says what a sealed value is and whose. It is authenticated, not
// stored: Open needs the same one as Seal.
type Binding struct {
	// Account and Region own the value. Region is empty for what belongs to an
	// account alone.
	Account, Region string
	// Purpose says what the value is for, such as "access-key".
	Purpose string
}

// data returns the additional data of the cipher. Each part is preceded by its
// length, so that no two bindings have the same.
func (b Binding) data() []byte {
	data := []byte{version}
	for _, part := range []string{b.Account, b.Region, b.Purpose} {
		data = binary.AppendUvarint(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}

// Sealer seals and opens under one master key. It may be used by several
// goroutines. Nonces are random, so one key is good for 2³² values.
type Sealer struct {
	aead cipher.AEAD
}

// New returns a sealer under a master key of [KeySize] bytes, which the caller
// may overwrite afterwards. A key of another length is an error.
func New(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a master key has %d bytes, not %d", KeySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	return &Sealer{aead: aead}, nil
}

// Seal encrypts a value for a binding. Sealing the same value twice gives
// different results; each is 29 bytes longer than the value.
func (s *Sealer) Seal(b Binding, plaintext []byte) []byte {
	return s.aead.Seal([]byte{version}, nil, plaintext, b.data())
}

// Open returns what was sealed for this binding, or [ErrUnreadable].
func (s *Sealer) Open(b Binding, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != version {
		return nil, ErrUnreadable
	}
	plaintext, err := s.aead.Open(nil, nil, sealed[1:], b.data())
	if err != nil {
		return nil, ErrUnreadable
	}
	return plaintext, nil
}

// Format keeps the key out of every fmt verb and with them out of logs.
func (s *Sealer) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "(sealer)") // fmt has no way to report a failed write
}
