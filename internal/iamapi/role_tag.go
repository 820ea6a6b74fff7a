package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

func (a *API) roleTagOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.TagRole, a.tagRole),
		awswire.Op(wire.UntagRole, a.untagRole),
		awswire.Op(wire.ListRoleTags, a.listRoleTags),
	}
}

func (a *API) tagRole(ctx context.Context, in *wire.TagRoleRequest) (*wire.TagRoleResponse, error) {
	err := a.Store.UpdateRole(ctx, account(ctx), *in.RoleName, func(role *identity.Role) (err error) {
		role.Tags, err = identity.Retag(role.Tags, given(in.Tags))
		return err
	})
	return nil, tagFault(err)
}

func (a *API) untagRole(ctx context.Context, in *wire.UntagRoleRequest) (*wire.UntagRoleResponse, error) {
	return nil, a.Store.UpdateRole(ctx, account(ctx), *in.RoleName, func(role *identity.Role) error {
		role.Tags = identity.Untag(role.Tags, in.TagKeys)
		return nil
	})
}

// listRoleTags lists tags by their keys, as one transaction has them; a page after
// a change goes on behind the last key that was told.
func (a *API) listRoleTags(ctx context.Context, in *wire.ListRoleTagsRequest) (*wire.ListRoleTagsResponse, error) {
	role, err := a.Store.Role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	p := paging{"ListRoleTags", in.Marker, in.MaxItems}
	keys, end, err := few(ctx, a, p, sortedKeys(role.Tags), func(key string) string { return key })
	out := &wire.ListRoleTagsResponse{Tags: make([]wire.Tag, len(keys)), IsTruncated: end.more, Marker: end.marker}
	for i, key := range keys {
		out.Tags[i] = wire.Tag{Key: &key, Value: new(role.Tags[key])}
	}
	return out, err
}
