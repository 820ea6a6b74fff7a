package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Keys makes access keys.
type Keys interface {
	// CreateUserKey makes a key for a user, whose secret is never shown again. It
	// is Limit when the user has too many.
	CreateUserKey(ctx context.Context, account, user string) (*identity.AccessKey, error)
}

// keyStore is what the operations on access keys of users need. A key that is
// not that user's is NotFound.
type keyStore interface {
	UserKeys(ctx context.Context, account, user string) ([]identity.UserKey, error)
	SetKeyStatus(ctx context.Context, account, user, id string, status identity.KeyStatus) error
	DeleteUserKey(ctx context.Context, account, user, id string) error
	// KeyUse knows the keys of the account alone.
	KeyUse(ctx context.Context, account, id string) (*identity.KeyUse, error)
}

func (a *API) keyOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateAccessKey, a.createAccessKey).Noting("of users: the root key is the operator's to change"),
		awswire.Op(wire.ListAccessKeys, a.listAccessKeys).Noting("of users"),
		awswire.Op(wire.UpdateAccessKey, a.updateAccessKey).Noting("of users"),
		awswire.Op(wire.DeleteAccessKey, a.deleteAccessKey).Noting("of users"),
		awswire.Op(wire.GetAccessKeyLastUsed, a.getAccessKeyLastUsed),
	}
}

func (a *API) createAccessKey(ctx context.Context, in *wire.CreateAccessKeyRequest) (
	*wire.CreateAccessKeyResponse, error,
) {
	name, err := needUserName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := a.Keys.CreateUserKey(ctx, account(ctx), name)
	if err != nil {
		return nil, err
	}
	return &wire.CreateAccessKeyResponse{AccessKey: &wire.AccessKey{
		UserName: &name, AccessKeyID: &k.ID, Status: new(string(k.Status)), SecretAccessKey: &k.Secret,
		CreateDate: new(a.Now()),
	}}, nil
}

func (a *API) listAccessKeys(ctx context.Context, in *wire.ListAccessKeysRequest) (
	*wire.ListAccessKeysResponse, error,
) {
	name, err := needUserName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.UserKeys(ctx, account(ctx), name)
	if err != nil {
		return nil, err
	}
	list, end, err := few(ctx, a, paging{"ListAccessKeys", in.Marker, in.MaxItems}, list,
		func(k identity.UserKey) string { return k.ID })
	out := &wire.ListAccessKeysResponse{
		AccessKeyMetadata: []wire.AccessKeyMetadata{}, IsTruncated: end.more, Marker: end.marker,
	}
	for _, k := range list {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, wire.AccessKeyMetadata{
			UserName: &name, AccessKeyID: &k.ID, Status: new(string(k.Status)), CreateDate: &k.Created,
		})
	}
	return out, err
}

func (a *API) updateAccessKey(ctx context.Context, in *wire.UpdateAccessKeyRequest) (
	*wire.UpdateAccessKeyResponse, error,
) {
	status := identity.KeyStatus(*in.Status)
	if err := identity.CheckKeyStatus(status); err != nil {
		return nil, invalidInput("%s", fault.From(err).Text)
	}
	name, err := needUserName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.SetKeyStatus(ctx, account(ctx), name, *in.AccessKeyID, status)
}

func (a *API) deleteAccessKey(ctx context.Context, in *wire.DeleteAccessKeyRequest) (
	*wire.DeleteAccessKeyResponse, error,
) {
	name, err := needUserName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteUserKey(ctx, account(ctx), name, *in.AccessKeyID)
}

// getAccessKeyLastUsed says N/A of a key that was never used, as AWS does.
func (a *API) getAccessKeyLastUsed(ctx context.Context, in *wire.GetAccessKeyLastUsedRequest) (
	*wire.GetAccessKeyLastUsedResponse, error,
) {
	use, err := a.Store.KeyUse(ctx, account(ctx), *in.AccessKeyID)
	if err != nil {
		return nil, err
	}
	last := &wire.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}
	if !use.At.IsZero() {
		last = &wire.AccessKeyLastUsed{LastUsedDate: &use.At, ServiceName: &use.Service, Region: &use.Region}
	}
	return &wire.GetAccessKeyLastUsedResponse{UserName: opt.Text(use.User), AccessKeyLastUsed: last}, nil
}
