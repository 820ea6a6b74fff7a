package fleet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Change is something to be made true in the registry, with the side it holds
// now and the side it shall have. One function applies changes, and refuses
// one whose old side no longer holds. A plan is a list of them; undoing is the
// list reversed, each with its sides swapped.
type Change interface {
	// Row is the change as it is stored.
	Row() ChangeRow
	// Reverse is the change that undoes this one.
	Reverse() Change
}

// ChangeKind names a type of change in storage.
type ChangeKind string

// The kinds.
const (
	KindCertificate   ChangeKind = "certificate-status"
	KindCACertificate ChangeKind = "ca-certificate-status"
	KindPolicyDefault ChangeKind = "policy-default"
	KindMembership    ChangeKind = "thing-group-membership"
	KindLogging       ChangeKind = "logging"
)

// ChangeRow is a change as text.
type ChangeRow struct {
	Kind               ChangeKind
	Resource, From, To string
}

// CertificateStatus moves a device certificate from one state to another.
type CertificateStatus struct {
	ID       string
	Seq      int64 // where it is, 0 when only the id is known
	From, To Status
}

// Row is the change as it is stored.
func (c CertificateStatus) Row() ChangeRow {
	return ChangeRow{Kind: KindCertificate, Resource: c.ID, From: string(c.From), To: string(c.To)}
}

// Reverse is the change that undoes this one.
func (c CertificateStatus) Reverse() Change {
	c.From, c.To = c.To, c.From
	return c
}

// CACertificateStatus moves a certificate authority from one state to another.
type CACertificateStatus struct {
	ID       string
	From, To Status
}

// Row is the change as it is stored.
func (c CACertificateStatus) Row() ChangeRow {
	return ChangeRow{Kind: KindCACertificate, Resource: c.ID, From: string(c.From), To: string(c.To)}
}

// Reverse is the change that undoes this one.
func (c CACertificateStatus) Reverse() Change {
	c.From, c.To = c.To, c.From
	return c
}

// PolicyDefault puts another version of a policy in force. With a Document the
// version To does not exist yet and is made.
type PolicyDefault struct {
	Policy   string
	From, To int64
	Document string
}

// Row is the change as it is stored.
func (c PolicyDefault) Row() ChangeRow {
	to := VersionID(c.To)
	if c.Document != "" {
		to += "\n" + c.Document
	}
	return ChangeRow{Kind: KindPolicyDefault, Resource: c.Policy, From: VersionID(c.From), To: to}
}

// Reverse puts the old version back in force; a version that was made stays.
func (c PolicyDefault) Reverse() Change {
	return PolicyDefault{Policy: c.Policy, From: c.To, To: c.From}
}

// GroupMembership puts a thing into a group or takes it out.
type GroupMembership struct {
	Membership
	To bool // in the group; the old side is the opposite
}

// Row is the change as it is stored.
func (c GroupMembership) Row() ChangeRow {
	return ChangeRow{
		Kind: KindMembership, Resource: c.Group + "/" + c.Thing,
		From: strconv.FormatBool(!c.To), To: strconv.FormatBool(c.To),
	}
}

// Reverse is the change that undoes this one.
func (c GroupMembership) Reverse() Change {
	c.To = !c.To
	return c
}

// Logging replaces the account's logging options.
type Logging struct {
	From, To LoggingOptions
}

// Row is the change as it is stored.
func (c Logging) Row() ChangeRow {
	return ChangeRow{Kind: KindLogging, From: encodeLogging(c.From), To: encodeLogging(c.To)}
}

// Reverse is the change that undoes this one.
func (c Logging) Reverse() Change { return Logging{From: c.To, To: c.From} }

func encodeLogging(l LoggingOptions) string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings and booleans only
	}
	return string(b)
}

// ParseChange reads a stored change. The tree of a group is not stored with a
// membership and is left out.
func ParseChange(r ChangeRow) (Change, error) {
	switch r.Kind {
	case KindCertificate:
		return CertificateStatus{ID: r.Resource, From: Status(r.From), To: Status(r.To)}, nil
	case KindCACertificate:
		return CACertificateStatus{ID: r.Resource, From: Status(r.From), To: Status(r.To)}, nil
	case KindPolicyDefault:
		return parsePolicyDefault(r)
	case KindMembership:
		group, thing, ok := strings.Cut(r.Resource, "/")
		if !ok {
			return nil, fmt.Errorf("stored change names no group: %q", r.Resource)
		}
		return GroupMembership{Membership: Membership{Thing: thing, Group: group}, To: r.To == "true"}, nil
	case KindLogging:
		var c Logging
		if err := json.Unmarshal([]byte(r.From), &c.From); err != nil {
			return nil, fmt.Errorf("read stored change: %w", err)
		}
		if err := json.Unmarshal([]byte(r.To), &c.To); err != nil {
			return nil, fmt.Errorf("read stored change: %w", err)
		}
		return c, nil
	}
	return nil, fmt.Errorf("stored change is of unknown kind %q", r.Kind)
}

func parsePolicyDefault(r ChangeRow) (Change, error) {
	to, document, _ := strings.Cut(r.To, "\n")
	from, err := strconv.ParseInt(r.From, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read stored change: %w", err)
	}
	n, err := strconv.ParseInt(to, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read stored change: %w", err)
	}
	return PolicyDefault{Policy: r.Resource, From: from, To: n, Document: document}, nil
}
