package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// SuppressionKey names a suppression: an account has one for a check and a
// resource of the type that the check judges.
type SuppressionKey struct {
	Check string
	Type  ResourceType
	Key   string // that of the resource
}

// Suppression says that the findings of one check about one resource are
// accepted: they are found and kept, and neither make the check non-compliant
// nor are they mitigated. Source: the page on audit finding suppressions of
// the AWS IoT Device Defender Developer Guide.
type Suppression struct {
	SuppressionKey
	Expires     time.Time // zero for one without end
	Description string
	Created     time.Time
	Seq         int64 // orders those of one end

	// Token and RequestHash are those of the call that created it.
	Token       string
	RequestHash string
}

// SuppressionChange is what an owner asks of a suppression: what is nil stays
// as it is.
type SuppressionChange struct {
	Until        *time.Time
	Indefinitely *bool
	Description  *string
}

// NewSuppression returns a suppression that has an end in the future, or none
// because the owner says so. Neither of the two, or both, are an Invalid fault.
func NewSuppression(k SuppressionKey, c SuppressionChange, token string, now time.Time) (*Suppression, error) {
	if c.Until == nil && (c.Indefinitely == nil || !*c.Indefinitely) {
		return nil, fault.New(fault.Invalid, "either expirationDate must be given, or suppressIndefinitely be true")
	}
	request, err := json.Marshal([]any{k, c})
	if err != nil {
		return nil, fmt.Errorf("hash suppression: %w", err)
	}
	sum := sha256.Sum256(request)
	s := &Suppression{SuppressionKey: k, Token: token, RequestHash: hex.EncodeToString(sum[:]), Created: now}
	return s, s.Change(c, now)
}

// Change makes a suppression what its owner asks. The fault is Invalid.
func (s *Suppression) Change(c SuppressionChange, now time.Time) error {
	switch forever := c.Indefinitely != nil && *c.Indefinitely; {
	case forever && c.Until != nil:
		return fault.New(fault.Invalid, "expirationDate and suppressIndefinitely exclude each other")
	case forever:
		s.Expires = time.Time{}
	case c.Until != nil && !c.Until.After(now):
		return fault.New(fault.Invalid, "expirationDate must be in the future")
	case c.Until != nil:
		s.Expires = *c.Until
	case c.Indefinitely != nil && s.Expires.IsZero():
		return fault.New(fault.Invalid, "an expirationDate must be given where suppressIndefinitely is false")
	}
	if c.Description != nil {
		s.Description = *c.Description
	}
	return nil
}

// Repeats decides what a call to create s means when an old suppression has its
// key or its token: nothing when it is the same call again, otherwise it is an
// Exists fault.
func (s *Suppression) Repeats(old *Suppression) error {
	switch {
	case old.Token == s.Token && old.RequestHash == s.RequestHash:
		return nil
	case old.Token == s.Token:
		return fault.New(fault.Exists, "the clientRequestToken was used to create another suppression")
	}
	return fault.New(fault.Exists, "findings of %s about this resource are suppressed already", s.Check)
}

// SuppressionQuery asks for a page of suppressions that have not expired, in
// the order of their ends; those without end are the last.
type SuppressionQuery struct {
	Check      string       // "" for all
	Type       ResourceType // with Key
	Key        string       // of a resource, "" for all
	Descending bool
	After      SuppressionPosition // the last one of the page before, zero for the first
	Limit      int
}

// SuppressionPosition is where a suppression stands among all.
type SuppressionPosition struct {
	Expires time.Time `json:"e"` // zero is behind all times
	Seq     int64     `json:"s"`
}
