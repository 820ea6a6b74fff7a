// Package pagetoken seals the positions that list operations hand out between
// pages.
//
// A token is opaque: a caller can neither read it, nor make one, nor use it in
// another account, region or operation than it was given for. It carries a
// value of the operation's own, the key of the last row, as JSON.
package pagetoken

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
)

// MaxLength is the greatest length of a token in characters: that of the
// Marker shape of the AWS IoT API, whose pattern (standard base64) tokens fit.
const MaxLength = 1024

// KeySize is the size of the sealing key in bytes.
const KeySize = 32

// Binding is where a token is good.
type Binding struct {
	Account   string
	Region    string
	Operation string
}

// data is the binding as associated data. Each part has its length before it,
// so that no two bindings have the same.
func (b Binding) data() []byte {
	var data []byte
	for _, part := range []string{b.Account, b.Region, b.Operation} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}

// Sealer seals and opens tokens with one key, by AES-256-GCM (NIST SP 800-38D)
// with random nonces. It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
}

// New returns a sealer. The key must have KeySize bytes; all nodes of a
// service share it.
func New(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("page token key has %d bytes, not %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("page token key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("page token key: %w", err)
	}
	return &Sealer{aead: aead}, nil
}

// Seal returns a token for a cursor that encoding/json can write. A cursor that
// does not fit into MaxLength is an internal error; some 700 bytes of JSON do.
func (s *Sealer) Seal(b Binding, cursor any) (string, error) {
	text, err := json.Marshal(cursor)
	if err != nil {
		return "", fmt.Errorf("page token: %w", err)
	}
	token := base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, text, b.data()))
	if len(token) > MaxLength {
		return "", fmt.Errorf("page token: a cursor of %d bytes is too long", len(text))
	}
	return token, nil
}

// Open reads the cursor of a token into the value that cursor points to. A
// token that was not sealed by this key for this binding, or that does not hold
// such a cursor, is a [fault.Invalid].
func (s *Sealer) Open(b Binding, token string, cursor any) error {
	refused := fault.New(fault.Invalid, "The page token is not valid for this operation")
	if len(token) > MaxLength || strings.ContainsAny(token, "\r\n") {
		return refused
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return refused
	}
	text, err := s.aead.Open(nil, nil, sealed, b.data())
	if err != nil {
		return refused
	}
	if err := json.Unmarshal(text, cursor); err != nil {
		return refused
	}
	return nil
}
