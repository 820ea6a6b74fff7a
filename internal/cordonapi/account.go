// Package cordonapi is the front door of Cordon's own service: what its
// operator does that AWS has no call for.
package cordonapi

import (
	"context"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
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
	roleImportStore
	identityImportStore
	hookTokenStore
	deadLetterStore
	// AllRevocationLists lists the revocation lists of a scope behind one.
	AllRevocationLists(ctx context.Context, scope fleet.Scope, after int64, limit int) ([]revocation.List, error)
}

// Config is what the API is made of. All members must be given.
type Config struct {
	Accounts    Accounts
	Revocations Revocations
	CallLog     CallLog
	Store       Store
	Pages       awswire.Pages
	Now         func() time.Time
}

type api struct{ Config }

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &api{cfg}
	s := wire.Service(slices.Concat([]awswire.Served{
		awswire.Op(wire.CreateAccount, a.createAccount),
		awswire.Op(wire.ListAccounts, a.listAccounts),
		awswire.Op(wire.DisableAccount, a.disableAccount),
		awswire.Op(wire.ImportDevices, a.importDevices).Taking(maxImportBody),
		awswire.Op(wire.ListImportBatches, a.listImportBatches),
		awswire.Op(wire.DeleteImport, a.deleteImport),
		awswire.Op(wire.ImportIdentities, a.importIdentities).Taking(maxImportBody),
	}, a.revocationOperations(), a.hookTokenOperations(), a.deadLetterOperations(), a.roleImportOperations(),
		a.callLogOperations()))
	s.Access = map[string]awswire.Access{
		"ImportIdentities":        awswire.On(identityImportNeeds),
		"ImportIdentityPoolRoles": awswire.On(poolImportNeeds),
	}
	return s
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
	key, err := a.Accounts.CreateAccount(ctx, *in.AccountID, opt.Value(in.Name))
	if err != nil {
		return nil, err
	}
	return &wire.CreateAccountResponse{
		AccountID: in.AccountID, Name: in.Name, CreatedAt: &key.Account.Created,
		Status: new(string(key.Account.Status)), AccessKeyID: &key.ID, SecretAccessKey: &key.Secret,
	}, nil
}

func (a *api) listAccounts(ctx context.Context, in *wire.ListAccountsRequest) (*wire.ListAccountsResponse, error) {
	if err := operator(ctx); err != nil {
		return nil, err
	}
	after, n := "", awswire.PageSize(in.MaxResults)
	if err := a.Pages.Open(ctx, "ListAccounts", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Accounts(ctx, after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListAccountsResponse{Accounts: []wire.AccountSummary{}}
	for _, l := range list {
		out.Accounts = append(out.Accounts, wire.AccountSummary{
			AccountID: &l.ID, Name: &l.Name, Status: new(string(l.Status)), CreatedAt: &l.Created,
		})
		after = l.ID
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAccounts", more, after)
	return out, err
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
	return &wire.DisableAccountResponse{AccountID: in.AccountID, Status: new(string(identity.Disabled))}, nil
}
