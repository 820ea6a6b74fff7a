package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// userStore is what the operations on users need. What is not there is NotFound.
type userStore interface {
	// CreateUser is Exists when the name is taken, whatever its case, and Limit
	// when there are too many.
	CreateUser(ctx context.Context, u *identity.User) error
	User(ctx context.Context, account, name string) (*identity.User, error)
	Users(ctx context.Context, account string, p identity.EntityPage) ([]*identity.User, error)
	// DeleteUser is DeleteConflict while the user has keys, policies or groups.
	DeleteUser(ctx context.Context, account, name string) error
}

func (a *API) userOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateUser, a.createUser),
		awswire.Op(wire.GetUser, a.getUser),
		awswire.Op(wire.ListUsers, a.listUsers),
		awswire.Op(wire.DeleteUser, a.deleteUser),
	}
}

// caller is who signed a call.
func caller(ctx context.Context) identity.Principal {
	p, _ := awswire.CallerFrom(ctx).Principal.(identity.Principal)
	return p
}

// userName is the user that a call is about: the one it names or, without a name,
// the one who calls, "" where the caller is none.
func userName(ctx context.Context, given *string) string {
	if given != nil {
		return *given
	}
	if p := caller(ctx); p.Kind == identity.KindUser {
		return p.Name
	}
	return ""
}

// needUserName refuses callers who must say which user they mean.
func needUserName(ctx context.Context, given *string) (string, error) {
	name := userName(ctx, given)
	if name == "" {
		return "", fault.New(fault.Invalid, "Must specify userName when calling with non-User credentials")
	}
	return name, nil
}

func (a *API) createUser(ctx context.Context, in *wire.CreateUserRequest) (*wire.CreateUserResponse, error) {
	tags, err := tagged(in.Tags)
	if err != nil {
		return nil, err
	}
	u := identity.NewUser(account(ctx), pathOf(in.Path), *in.UserName, a.Now())
	u.Tags, u.Boundary = tags, opt.Value(in.PermissionsBoundary)
	if err := a.Store.CreateUser(ctx, u); err != nil {
		return nil, err
	}
	return &wire.CreateUserResponse{User: userOf(u)}, nil
}

// userOf is the wire form of a user as one is told of.
func userOf(u *identity.User) *wire.User {
	out := listedUser(u)
	out.PermissionsBoundary, out.Tags = boundaryOf(u.Boundary), tagsOf(u.Tags)
	return out
}

// listedUser leaves out what lists of IAM do not tell.
func listedUser(u *identity.User) *wire.User {
	return &wire.User{
		Path: &u.Path, UserName: &u.Name, UserID: &u.ID, ARN: new(u.ARN()), CreateDate: &u.Created,
	}
}

func (a *API) getUser(ctx context.Context, in *wire.GetUserRequest) (*wire.GetUserResponse, error) {
	if p := caller(ctx); in.UserName == nil && p.Kind == identity.KindRoot {
		return &wire.GetUserResponse{User: &wire.User{UserID: &p.ID, ARN: &p.ARN, CreateDate: &p.Account.Created}}, nil
	}
	name, err := needUserName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	u, err := a.Store.User(ctx, account(ctx), name)
	if err != nil {
		return nil, err
	}
	return &wire.GetUserResponse{User: userOf(u)}, nil
}

func (a *API) listUsers(ctx context.Context, in *wire.ListUsersRequest) (*wire.ListUsersResponse, error) {
	list, end, err := entities(ctx, a, paging{"ListUsers", in.Marker, in.MaxItems}, in.PathPrefix, a.Store.Users)
	out := &wire.ListUsersResponse{Users: []wire.User{}, IsTruncated: end.more, Marker: end.marker}
	for _, u := range list {
		out.Users = append(out.Users, *listedUser(u))
	}
	return out, err
}

func (a *API) deleteUser(ctx context.Context, in *wire.DeleteUserRequest) (*wire.DeleteUserResponse, error) {
	return nil, a.Store.DeleteUser(ctx, account(ctx), *in.UserName)
}
