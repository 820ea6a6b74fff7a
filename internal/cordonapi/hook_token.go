package cordonapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// hookTokenStore is what the operations on hook tokens need.
type hookTokenStore interface {
	// AddHookToken stores a token of a scope: Limit for one too many.
	AddHookToken(ctx context.Context, scope fleet.Scope, t *fleet.HookToken) error
	// HookTokens lists the tokens of a scope by id, behind one.
	HookTokens(ctx context.Context, scope fleet.Scope, after string, limit int) ([]fleet.HookToken, error)
	// DeleteHookToken ends a token, or is NotFound.
	DeleteHookToken(ctx context.Context, scope fleet.Scope, id string) error
}

func (a *api) hookTokenOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateHookToken, a.createHookToken),
		awswire.Op(wire.ListHookTokens, a.listHookTokens),
		awswire.Op(wire.DeleteHookToken, a.deleteHookToken),
	}
}

func (a *api) createHookToken(ctx context.Context, in *wire.CreateHookTokenRequest) (
	*wire.CreateHookTokenResponse, error,
) {
	name := ""
	if in.Name != nil {
		name = *in.Name
	}
	t, text := fleet.NewHookToken(name, a.Now())
	if err := a.Store.AddHookToken(ctx, scopeOf(ctx), &t); err != nil {
		return nil, err
	}
	return &wire.CreateHookTokenResponse{TokenID: &t.ID, Name: in.Name, CreatedAt: &t.Created, Token: &text}, nil
}

func (a *api) listHookTokens(ctx context.Context, in *wire.ListHookTokensRequest) (
	*wire.ListHookTokensResponse, error,
) {
	after, n := "", awswire.PageSize(in.MaxResults)
	if err := a.Pages.Open(ctx, "ListHookTokens", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.HookTokens(ctx, scopeOf(ctx), after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListHookTokensResponse{HookTokens: []wire.HookToken{}}
	for i := range list {
		t := wire.HookToken{TokenID: &list[i].ID, CreatedAt: &list[i].Created}
		if list[i].Name != "" {
			t.Name = &list[i].Name
		}
		out.HookTokens = append(out.HookTokens, t)
		after = list[i].ID
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListHookTokens", more, after)
	return out, err
}

func (a *api) deleteHookToken(ctx context.Context, in *wire.DeleteHookTokenRequest) (
	*wire.DeleteHookTokenResponse, error,
) {
	return nil, a.Store.DeleteHookToken(ctx, scopeOf(ctx), *in.TokenID)
}
