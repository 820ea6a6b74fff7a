package cordonapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/identity/iamfile"
)

// identityImportStore is what imports of identities need.
type identityImportStore interface {
	// ImportDetails stores what is not there, all or none, and returns how many.
	// What is there and differs is a Conflict fault.
	ImportDetails(ctx context.Context, account string, d *identity.Details) (made int, err error)
}

// identityImportNeeds is what it takes to import identities: what it takes to
// make them one by one, whatever they are. Who may import, but not give
// permissions, would else give himself all.
func identityImportNeeds(context.Context, *wire.ImportIdentitiesRequest) []awswire.Need {
	needs := []awswire.Need{{Action: "cordon:ImportIdentities"}}
	for _, action := range []string{
		"AddUserToGroup", "AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy", "CreateGroup", "CreatePolicy",
		"CreatePolicyVersion", "CreateRole", "CreateUser", "PutGroupPolicy", "PutRolePermissionsBoundary", "PutRolePolicy",
		"PutUserPermissionsBoundary", "PutUserPolicy", "TagRole", "TagUser",
	} {
		needs = append(needs, awswire.Need{Action: "iam:" + action})
	}
	return needs
}

// importIdentities makes users, groups, roles and policies of the details of an
// account.
func (a *api) importIdentities(ctx context.Context, in *wire.ImportIdentitiesRequest) (
	*wire.ImportIdentitiesResponse, error,
) {
	account := awswire.CallerFrom(ctx).Account
	pages := make([][]byte, len(in.Pages))
	for i, p := range in.Pages {
		pages[i] = []byte(p)
	}
	details, err := iamfile.Read(account, pages...)
	if err != nil {
		return nil, err
	}
	made, err := a.Store.ImportDetails(ctx, account, details)
	if err != nil {
		return nil, err
	}
	return &wire.ImportIdentitiesResponse{Imported: &made, Unchanged: new(details.Len() - made)}, nil
}
