package awswire

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire/pagetoken"
)

// Page sizes of lists: one that the caller does not limit, and the largest.
const (
	defaultPage = 25
	maxPage     = 250
)

// PageSize is how many items a page has when the caller asked for so many, or
// for nothing.
func PageSize(asked *int) int {
	if asked == nil {
		return defaultPage
	}
	return min(*asked, maxPage)
}

// CutPage takes off the item behind a page of n, which was read only to know
// whether there is more.
func CutPage[T any](list []T, n int) (page []T, more bool) {
	if len(list) > n {
		return list[:n], true
	}
	return list, false
}

// Pages hands out the positions between the pages of lists. A position is good
// for the account and region of the caller that it was given to, and for the
// operation.
type Pages struct {
	Sealer *pagetoken.Sealer
}

// Open reads the position that a token stands for; without a token cursor stays
// as it is. A token from elsewhere is an Invalid fault.
func (p Pages) Open(ctx context.Context, operation string, token *string, cursor any) error {
	if token == nil {
		return nil
	}
	return p.Sealer.Open(binding(ctx, operation), *token, cursor)
}

// Next makes the token for the page behind cursor, or nil when there is no more.
func (p Pages) Next(ctx context.Context, operation string, more bool, cursor any) (*string, error) {
	if !more {
		return nil, nil
	}
	token, err := p.Sealer.Seal(binding(ctx, operation), cursor)
	return &token, err
}

func binding(ctx context.Context, operation string) pagetoken.Binding {
	c := CallerFrom(ctx)
	return pagetoken.Binding{Account: c.Account, Region: c.Region, Operation: operation}
}
