package fleet

import (
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// TransferState is how far the transfer of a certificate is.
type TransferState string

// The states of a transfer. All but the first are its end.
const (
	TransferPending  TransferState = "PENDING"
	TransferAccepted TransferState = "ACCEPTED"
	TransferRejected TransferState = "REJECTED"
	TransferCanceled TransferState = "CANCELED"
)

// Transfer is that one account hands a certificate to another one, in the same
// region. Until the other accepts, the certificate belongs to the first, in the
// state PENDING_TRANSFER; then it leaves that account's registry. Source: the
// pages of TransferCertificate, AcceptCertificateTransfer,
// RejectCertificateTransfer and CancelCertificateTransfer in the AWS IoT API
// Reference.
type Transfer struct {
	N           int64 // position among all transfers
	Certificate string
	From, To    string // accounts
	State       TransferState
	Message     string
	Reason      string // of a rejection
	Transferred time.Time
	Ended       time.Time // zero while pending
	// Created is when the certificate was registered by the first account.
	Created time.Time
}

// Transferable decides whether a certificate may be handed to another account,
// given what is attached to it. One that is revoked is not: in its new account
// it could be made active. What is attached is a TransferConflict fault, a
// state that forbids it CertificateState.
func (c *Certificate) Transferable(a Attached) error {
	switch {
	case c.Status == PendingTransfer:
		return fault.New(fault.CertificateState, "certificate %s is being transferred already", c.ID)
	case c.Status == Active:
		return fault.New(fault.CertificateState,
			"certificate %s is ACTIVE and must be deactivated before it is transferred", c.ID)
	case c.Status == Revoked:
		return fault.New(fault.CertificateState, "certificate %s is revoked and stays where it is", c.ID)
	case a.Policies:
		return fault.New(fault.TransferConflict, "policies must be detached from certificate %s before its transfer", c.ID)
	case a.Things:
		return fault.New(fault.TransferConflict, "things must be detached from certificate %s before its transfer", c.ID)
	}
	return nil
}

// TransferPage asks for the transfers that wait for an answer.
type TransferPage struct {
	Ascending bool  // the oldest first, instead of the newest
	After     int64 // the N that the page is behind, 0 for the first page
	Limit     int
}
