package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
)

// hidden stands for a secret wherever a value is printed.
const hidden = "(secret)"

// Secret is a text that no log, error or encoding shows: every way to print
// it gives "(secret)", or nothing for an empty one. The zero value is empty.
type Secret struct {
	// A pointer, because fmt and reflection print the fields of a struct that
	// is nested in an unexported field without asking its methods.
	text *string
}

// NewSecret returns a secret that holds text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.text == nil }

// String returns "(secret)", or "" for an empty secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return hidden
}

// Format prints what String returns, for every verb and flag of fmt.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt has no way to report a failed write
}

// LogValue logs what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText encodes what String returns, in JSON, YAML and XML too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as the secret. It never fails.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// passwordKeys are the query parameters of a PostgreSQL URL that hold a secret.
var passwordKeys = []string{"password", "sslpassword"}

// redactURL returns a URL with its passwords replaced, and whether it had any.
// What cannot be parsed is taken to be all password.
func redactURL(text string) (redacted string, password bool) {
	u, err := url.Parse(text)
	if err != nil {
		return hidden, true
	}
	if _, set := u.User.Password(); set {
		password = true
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return hidden, true
	}
	for _, key := range passwordKeys {
		if query.Has(key) {
			password = true
			query.Set(key, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.String(), password
}
