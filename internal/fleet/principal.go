package fleet

import "github.com/cordon-iot/cordon/internal/fault"

// PrincipalType says whether a certificate serves one thing alone, equal to the
// wire value.
type PrincipalType string

// The types of attachment.
const (
	NonExclusive PrincipalType = "NON_EXCLUSIVE_THING"
	Exclusive    PrincipalType = "EXCLUSIVE_THING"
)

// Attachment is that a thing may use a certificate.
type Attachment struct {
	Thing       string
	Certificate string // its id
	Type        PrincipalType
}

// MayAttach decides whether an attachment may be made. Own is the attachment of
// the same thing and certificate if there is one; other is any attachment of
// the certificate to another thing. It need not be made when own is the same.
//
// A certificate that is attached exclusively has no other thing; to change the
// type, it is detached first. What breaks that is an Invalid fault. Source:
// AttachThingPrincipal of the AWS IoT API.
func MayAttach(a Attachment, own, other *Attachment) (need bool, err error) {
	switch {
	case own != nil && own.Type == a.Type:
		return false, nil
	case own != nil:
		return false, fault.New(fault.Invalid, "certificate %s is attached to thing %q as %s; detach it first to change that",
			a.Certificate, a.Thing, own.Type)
	case other != nil && other.Type == Exclusive:
		return false, fault.New(fault.Invalid, "certificate %s is attached exclusively to another thing", a.Certificate)
	case other != nil && a.Type == Exclusive:
		return false, fault.New(fault.Invalid,
			"certificate %s is attached to another thing and cannot be attached exclusively", a.Certificate)
	}
	return true, nil
}

// AttachmentQuery asks for a page of the attachments of one thing or of one
// certificate.
type AttachmentQuery struct {
	Of    string        // the thing's name or the certificate's id
	Type  PrincipalType // "" for all
	After string        // the name or id on the other side that the page is behind
	Limit int
}
