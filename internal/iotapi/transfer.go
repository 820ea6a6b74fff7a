package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// transferStore is what the operations on transfers between accounts need.
type transferStore interface {
	// TransferCertificate offers a certificate to another account. It is
	// NotFound, or what fleet's rule says.
	TransferCertificate(ctx context.Context, scope fleet.Scope, t *fleet.Transfer) error
	// CancelTransfer, RejectTransfer and AcceptTransfer end a transfer. They are
	// NotFound without one, TransferCompleted for one that has ended.
	CancelTransfer(ctx context.Context, scope fleet.Scope, certificate string) error
	RejectTransfer(ctx context.Context, scope fleet.Scope, certificate, reason string) error
	AcceptTransfer(ctx context.Context, scope fleet.Scope, certificate string, active bool) error
	// TransferOf returns the last transfer of a certificate, or nil.
	TransferOf(ctx context.Context, scope fleet.Scope, certificate string) (*fleet.Transfer, error)
	// OfferedCertificate returns a certificate that is offered to the scope, or
	// NotFound.
	OfferedCertificate(ctx context.Context, scope fleet.Scope, certificate string) (*fleet.Certificate, error)
	// OutgoingTransfers lists the transfers that wait for an answer.
	OutgoingTransfers(ctx context.Context, scope fleet.Scope, p fleet.TransferPage) ([]*fleet.Transfer, error)
}

func (a *API) transferOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.TransferCertificate, a.transferCertificate),
		awswire.Op(wire.AcceptCertificateTransfer, a.acceptCertificateTransfer),
		awswire.Op(wire.RejectCertificateTransfer, a.rejectCertificateTransfer),
		awswire.Op(wire.CancelCertificateTransfer, a.cancelCertificateTransfer),
		awswire.Op(wire.ListOutgoingCertificates, a.listOutgoingCertificates),
	}
}

func (a *API) transferCertificate(ctx context.Context, in *wire.TransferCertificateRequest) (
	*wire.TransferCertificateResponse, error,
) {
	s := scope(ctx)
	t := &fleet.Transfer{
		Certificate: opt.Value(in.CertificateID), To: opt.Value(in.TargetAwsAccount), Message: opt.Value(in.TransferMessage),
	}
	if t.To == s.Account {
		return nil, fault.New(fault.Invalid, "targetAwsAccount is the account that has the certificate")
	}
	if err := a.Store.TransferCertificate(ctx, s, t); err != nil {
		return nil, err
	}
	there := fleet.Scope{Account: t.To, Region: s.Region}
	return &wire.TransferCertificateResponse{TransferredCertificateARN: new(there.ARN("cert", t.Certificate))}, nil
}

func (a *API) acceptCertificateTransfer(ctx context.Context, in *wire.AcceptCertificateTransferRequest) (
	*wire.AcceptCertificateTransferResponse, error,
) {
	return nil, a.Store.AcceptTransfer(ctx, scope(ctx), opt.Value(in.CertificateID), opt.Value(in.SetAsActive))
}

func (a *API) rejectCertificateTransfer(ctx context.Context, in *wire.RejectCertificateTransferRequest) (
	*wire.RejectCertificateTransferResponse, error,
) {
	return nil, a.Store.RejectTransfer(ctx, scope(ctx), opt.Value(in.CertificateID), opt.Value(in.RejectReason))
}

func (a *API) cancelCertificateTransfer(ctx context.Context, in *wire.CancelCertificateTransferRequest) (
	*wire.CancelCertificateTransferResponse, error,
) {
	return nil, a.Store.CancelTransfer(ctx, scope(ctx), opt.Value(in.CertificateID))
}

func (a *API) listOutgoingCertificates(ctx context.Context, in *wire.ListOutgoingCertificatesRequest) (
	*wire.ListOutgoingCertificatesResponse, error,
) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.TransferPage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListOutgoingCertificates", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.OutgoingTransfers(ctx, scope(ctx), p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListOutgoingCertificatesResponse{OutgoingCertificates: make([]wire.OutgoingCertificate, len(list))}
	for i, t := range list {
		out.OutgoingCertificates[i] = wire.OutgoingCertificate{
			CertificateARN: new(scope(ctx).ARN("cert", t.Certificate)), CertificateID: &t.Certificate, TransferredTo: &t.To,
			TransferDate: &t.Transferred, TransferMessage: opt.Text(t.Message), CreationDate: &t.Created,
		}
		p.After = t.N
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListOutgoingCertificates", more, p.After)
	return out, err
}

// owners are the account that a certificate belongs to, as one of the two sides
// of its last transfer sees it, and the one before.
func owners(account string, t *fleet.Transfer) (owner, before string) {
	switch {
	case t == nil || t.To != account:
		return account, ""
	case t.State == fleet.TransferPending:
		return t.From, ""
	}
	return account, t.From
}

// transferData is the wire form of a transfer; nil stays nil.
func transferData(t *fleet.Transfer) *wire.TransferData {
	if t == nil {
		return nil
	}
	d := &wire.TransferData{
		TransferMessage: opt.Text(t.Message), RejectReason: opt.Text(t.Reason), TransferDate: &t.Transferred,
	}
	switch t.State {
	case fleet.TransferAccepted:
		d.AcceptDate = &t.Ended
	case fleet.TransferRejected:
		d.RejectDate = &t.Ended
	}
	return d
}
