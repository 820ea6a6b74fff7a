package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// principalStore is what the operations on the principals of things need.
type principalStore interface {
	// AttachThing attaches a certificate to a thing; one attached so already
	// is fine. What is not there is NotFound, what fleet.MayAttach forbids
	// Invalid.
	AttachThing(ctx context.Context, scope fleet.Scope, at fleet.Attachment) error
	// DetachThing takes a certificate from a thing; one not attached is fine.
	// What is not there is NotFound.
	DetachThing(ctx context.Context, scope fleet.Scope, thing, certificate string) error
	// PrincipalsOf lists the certificates of a thing by id, or is NotFound.
	PrincipalsOf(ctx context.Context, scope fleet.Scope, q fleet.AttachmentQuery) ([]fleet.Attachment, error)
	// ThingsOfPrincipal lists the things of a certificate by name, or is
	// NotFound.
	ThingsOfPrincipal(ctx context.Context, scope fleet.Scope, q fleet.AttachmentQuery) ([]fleet.Attachment, error)
}

// certificatePrincipal reads the certificate that a principal is: other kinds
// there are not.
func certificatePrincipal(sc fleet.Scope, principal string) (id string, err error) {
	kind, id, err := sc.ParseARN(principal)
	if err != nil {
		return "", err
	}
	if kind != "cert" {
		return "", fault.New(fault.Invalid, "the principal %q is not the ARN of a certificate", principal)
	}
	return id, nil
}

func (a *API) principalOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.AttachThingPrincipal, a.attachThingPrincipal),
		awswire.Op(wire.DetachThingPrincipal, a.detachThingPrincipal),
		awswire.Op(wire.ListThingPrincipals, a.listThingPrincipals),
		awswire.Op(wire.ListThingPrincipalsV2, a.listThingPrincipalsV2),
		awswire.Op(wire.ListPrincipalThings, a.listPrincipalThings),
		awswire.Op(wire.ListPrincipalThingsV2, a.listPrincipalThingsV2),
	}
}

func (a *API) attachThingPrincipal(ctx context.Context, in *wire.AttachThingPrincipalRequest) (
	*wire.AttachThingPrincipalResponse, error,
) {
	id, err := certificatePrincipal(scope(ctx), *in.Principal)
	if err != nil {
		return nil, err
	}
	at := fleet.Attachment{Thing: *in.ThingName, Certificate: id, Type: fleet.NonExclusive}
	if in.ThingPrincipalType != nil {
		at.Type = fleet.PrincipalType(*in.ThingPrincipalType)
	}
	return nil, a.Store.AttachThing(ctx, scope(ctx), at)
}

func (a *API) detachThingPrincipal(ctx context.Context, in *wire.DetachThingPrincipalRequest) (
	*wire.DetachThingPrincipalResponse, error,
) {
	id, err := certificatePrincipal(scope(ctx), *in.Principal)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DetachThing(ctx, scope(ctx), *in.ThingName, id)
}

// attachmentPage is one call of a list of attachments.
type attachmentPage struct {
	operation string
	of        string
	kind      *string
	max       *int
	token     *string
	list      func(context.Context, fleet.Scope, fleet.AttachmentQuery) ([]fleet.Attachment, error)
	// other is what a page is ordered by: the side that is not given.
	other func(fleet.Attachment) string
}

// attachments reads a page of attachments and makes the token for the next.
func (a *API) attachments(ctx context.Context, p attachmentPage) (list []fleet.Attachment, token *string, err error) {
	n := awswire.PageSize(p.max)
	q := fleet.AttachmentQuery{Of: p.of, Type: fleet.PrincipalType(opt.Value(p.kind)), Limit: n + 1}
	if err := a.Pages.Open(ctx, p.operation, p.token, &q.After); err != nil {
		return nil, nil, err
	}
	if list, err = p.list(ctx, scope(ctx), q); err != nil {
		return nil, nil, err
	}
	list, more := awswire.CutPage(list, n)
	token, err = a.Pages.Next(ctx, p.operation, more, p.other(last(list)))
	return list, token, err
}

func certificateOf(at fleet.Attachment) string { return at.Certificate }

func thingOf(at fleet.Attachment) string { return at.Thing }

func (a *API) listThingPrincipals(ctx context.Context, in *wire.ListThingPrincipalsRequest) (
	*wire.ListThingPrincipalsResponse, error,
) {
	list, token, err := a.attachments(ctx, attachmentPage{
		operation: "ListThingPrincipals", of: *in.ThingName, max: in.MaxResults, token: in.NextToken,
		list: a.Store.PrincipalsOf, other: certificateOf,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.ListThingPrincipalsResponse{Principals: make([]string, len(list)), NextToken: token}
	for i, at := range list {
		out.Principals[i] = scope(ctx).ARN("cert", at.Certificate)
	}
	return out, nil
}

func (a *API) listThingPrincipalsV2(ctx context.Context, in *wire.ListThingPrincipalsV2Request) (
	*wire.ListThingPrincipalsV2Response, error,
) {
	list, token, err := a.attachments(ctx, attachmentPage{
		operation: "ListThingPrincipalsV2", of: *in.ThingName, kind: in.ThingPrincipalType, max: in.MaxResults,
		token: in.NextToken, list: a.Store.PrincipalsOf, other: certificateOf,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.ListThingPrincipalsV2Response{ThingPrincipalObjects: []wire.ThingPrincipalObject{}, NextToken: token}
	for _, at := range list {
		out.ThingPrincipalObjects = append(out.ThingPrincipalObjects, wire.ThingPrincipalObject{
			Principal: new(scope(ctx).ARN("cert", at.Certificate)), ThingPrincipalType: opt.Text(at.Type),
		})
	}
	return out, nil
}

func (a *API) listPrincipalThings(ctx context.Context, in *wire.ListPrincipalThingsRequest) (
	*wire.ListPrincipalThingsResponse, error,
) {
	id, err := certificatePrincipal(scope(ctx), *in.Principal)
	if err != nil {
		return nil, err
	}
	list, token, err := a.attachments(ctx, attachmentPage{
		operation: "ListPrincipalThings", of: id, max: in.MaxResults, token: in.NextToken,
		list: a.Store.ThingsOfPrincipal, other: thingOf,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.ListPrincipalThingsResponse{Things: make([]string, len(list)), NextToken: token}
	for i, at := range list {
		out.Things[i] = at.Thing
	}
	return out, nil
}

func (a *API) listPrincipalThingsV2(ctx context.Context, in *wire.ListPrincipalThingsV2Request) (
	*wire.ListPrincipalThingsV2Response, error,
) {
	id, err := certificatePrincipal(scope(ctx), *in.Principal)
	if err != nil {
		return nil, err
	}
	list, token, err := a.attachments(ctx, attachmentPage{
		operation: "ListPrincipalThingsV2", of: id, kind: in.ThingPrincipalType, max: in.MaxResults, token: in.NextToken,
		list: a.Store.ThingsOfPrincipal, other: thingOf,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.ListPrincipalThingsV2Response{PrincipalThingObjects: []wire.PrincipalThingObject{}, NextToken: token}
	for _, at := range list {
		out.PrincipalThingObjects = append(out.PrincipalThingObjects, wire.PrincipalThingObject{
			ThingName: &at.Thing, ThingPrincipalType: opt.Text(at.Type),
		})
	}
	return out, nil
}
