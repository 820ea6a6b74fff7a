// Package cordonapi is the front door of Cordon's own service: what its
// operator does that AWS has no call for.
package cordonapi

import (
	"context"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/pagetoken"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// Accounts is what the operations need of accounts.
type Accounts interface {
	// Create makes an account with its root key; a taken id is an Exists fault.
	CreateAccount(ctx context.Context, id, name string) (identity.AccessKey, error)
}

// Store reads and changes accounts.
type Store interface {
	// Accounts lists accounts by id, behind the one named.
	Accounts(ctx context.Context, after string, limit int) ([]identity.Account, error)
	// DisableAccount is NotFound for an unknown account and Invalid for the
	// operator's own.
	DisableAccount(ctx context.Context, id string) error
	importStore
	hookTokenStore
	// AllRevocationLists lists the revocation lists of a scope behind one.
	AllRevocationLists(ctx context.Context, scope fleet.Scope, after int64, limit int) ([]revocation.List, error)
}

// Config is what the API is made of. All members must be given.
type Config struct {
	Accounts    Accounts
	Revocations Revocations
	Store       Store
	Tokens      *pagetoken.Sealer
	Now         func() time.Time
}

type api struct{ Config }

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &api{cfg}
	return wire.Service(slices.Concat([]awswire.Served{
		awswire.Op(wire.CreateAccount, a.createAccount),
		awswire.Op(wire.ListAccounts, a.listAccounts),
		awswire.Op(wire.DisableAccount, a.disableAccount),
		awswire.Op(wire.ImportDevices, a.importDevices).Taking(maxImportBody),
		awswire.Op(wire.ListImportBatches, a.listImportBatches),
		awswire.Op(wire.DeleteImport, a.deleteImport),
	}, a.revocationOperations(), a.hookTokenOperations()))
}

// operator refuses a caller who is not the operator.
func operator(ctx context.Context) error {
	if !awswire.CallerFrom(ctx).Operator {
		return fault.New(fault.Denied, "only the operator's root key may do this")
	}
	return nil
}

func (a *api) createAccount(ctx context.Context, in *wire.CreateAccountRequest) (*wire.CreateAccountResponse, error) {
	if err := operator(ctx); err != nil {
		return nil, err
	}
	name := ""
	if in.Name != nil {
		name = *in.Name
	}
	key, err := a.Accounts.CreateAccount(ctx, *in.AccountID, name)
	if err != nil {
		return nil, err
	}
	out := &wire.CreateAccountResponse{
		AccountID: in.AccountID, Name: in.Name, CreatedAt: &key.Account.Created,
		AccessKeyID: &key.ID, SecretAccessKey: &key.Secret,
	}
	status := string(key.Account.Status)
	out.Status = &status
	return out, nil
}

const (
	defaultPage = 25
	maxPage     = 250
)

// pageSize is how many rows a page has.
func pageSize(asked *int) int {
	if asked == nil {
		return defaultPage
	}
	return min(*asked, maxPage)
}

func (a *api) listAccounts(ctx context.Context, in *wire.ListAccountsRequest) (*wire.ListAccountsResponse, error) {
	if err := operator(ctx); err != nil {
		return nil, err
	}
	caller := awswire.CallerFrom(ctx)
	binding := pagetoken.Binding{Account: caller.Account, Region: caller.Region, Operation: "ListAccounts"}
	after, n := "", pageSize(in.MaxResults)
	if in.NextToken != nil {
		if err := a.Tokens.Open(binding, *in.NextToken, &after); err != nil {
			return nil, err
		}
	}
	list, err := a.Store.Accounts(ctx, after, n+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListAccountsResponse{Accounts: []wire.AccountSummary{}}
	for i := range list[:min(n, len(list))] {
		status := string(list[i].Status)
		out.Accounts = append(out.Accounts, wire.AccountSummary{
			AccountID: &list[i].ID, Name: &list[i].Name, Status: &status, CreatedAt: &list[i].Created,
		})
	}
	if len(list) > n {
		token, err := a.Tokens.Seal(binding, list[n-1].ID)
		if err != nil {
			return nil, err
		}
		out.NextToken = &token
	}
	return out, nil
}

func (a *api) disableAccount(ctx context.Context, in *wire.DisableAccountRequest) (
	*wire.DisableAccountResponse, error,
) {
	if err := operator(ctx); err != nil {
		return nil, err
	}
	if err := a.Store.DisableAccount(ctx, *in.AccountID); err != nil {
		return nil, err
	}
	status := string(identity.Disabled)
	return &wire.DisableAccountResponse{AccountID: in.AccountID, Status: &status}, nil
}
