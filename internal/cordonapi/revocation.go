package cordonapi

import (
	"context"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// Revocations is what an account may do about what issuers have revoked.
type Revocations interface {
	// ImportIssuer remembers the certificate of a CA: CertificateInvalid for one
	// that is not acceptable.
	ImportIssuer(ctx context.Context, scope fleet.Scope, pem string) (*fleet.Issuer, error)
	// AddPart takes a part of a revocation list, Import the list when all are
	// there: NotFound without any, Invalid for a list that is refused.
	AddPart(ctx context.Context, scope fleet.Scope, id string, n int, data []byte) error
	Import(ctx context.Context, scope fleet.Scope, id string) (*revocation.List, error)
}

func (a *api) revocationOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.ImportIssuerCertificate, a.importIssuerCertificate),
		awswire.Op(wire.UploadRevocationListPart, a.uploadRevocationListPart),
		awswire.Op(wire.ImportRevocationList, a.importRevocationList),
		awswire.Op(wire.ListRevocationLists, a.listRevocationLists),
	}
}

func (a *api) importIssuerCertificate(ctx context.Context, in *wire.ImportIssuerCertificateRequest) (
	*wire.ImportIssuerCertificateResponse, error,
) {
	i, err := a.Revocations.ImportIssuer(ctx, scopeOf(ctx), *in.CertificatePEM)
	if err != nil {
		return nil, err
	}
	return &wire.ImportIssuerCertificateResponse{
		CertificateID: &i.ID, Subject: &i.Name, Issuer: &i.Origin.IssuerName, SerialNumber: &i.Serial,
	}, nil
}

func (a *api) uploadRevocationListPart(ctx context.Context, in *wire.UploadRevocationListPartRequest) (
	*wire.UploadRevocationListPartResponse, error,
) {
	if len(in.Data) == 0 {
		return nil, fault.New(fault.Invalid, "data must not be empty")
	}
	return nil, a.Revocations.AddPart(ctx, scopeOf(ctx), *in.ImportID, *in.PartNumber, in.Data)
}

func (a *api) importRevocationList(ctx context.Context, in *wire.ImportRevocationListRequest) (
	*wire.ImportRevocationListResponse, error,
) {
	l, err := a.Revocations.Import(ctx, scopeOf(ctx), *in.ImportID)
	if err != nil {
		return nil, err
	}
	return &wire.ImportRevocationListResponse{RevocationList: listOut(l)}, nil
}

func listOut(l *revocation.List) *wire.RevocationList {
	out := &wire.RevocationList{
		Issuer: &l.IssuerName, ThisUpdate: &l.ThisUpdate, NextUpdate: &l.NextUpdate, Entries: &l.Entries,
	}
	if n := strings.TrimLeft(l.Number, "0"); n != "" {
		out.Number = new("0x" + n)
	}
	if l.URL != "" {
		out.URL = &l.URL
	}
	return out
}

func (a *api) listRevocationLists(ctx context.Context, in *wire.ListRevocationListsRequest) (
	*wire.ListRevocationListsResponse, error,
) {
	n, after := awswire.PageSize(in.MaxResults), int64(0)
	if err := a.Pages.Open(ctx, "ListRevocationLists", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.AllRevocationLists(ctx, scopeOf(ctx), after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListRevocationListsResponse{RevocationLists: []wire.RevocationList{}}
	for i := range list {
		out.RevocationLists = append(out.RevocationLists, *listOut(&list[i]))
		after = list[i].ID
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListRevocationLists", more, after)
	return out, err
}
