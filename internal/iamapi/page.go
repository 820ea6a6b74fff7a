package iamapi

import (
	"context"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Sizes of pages: one that the caller does not limit, and the largest. Source:
// MaxItems of the IAM API, whose interface refuses more.
const defaultItems = 100

// paging is what every list is asked for and answers.
type paging struct {
	operation string
	marker    *string
	items     *int
}

// size is how many items a page has.
func (p paging) size() int {
	if p.items == nil {
		return defaultItems
	}
	return *p.items
}

// ending is how a page tells what comes behind it.
type ending struct {
	more   *bool
	marker *string
}

func (a *API) end(ctx context.Context, p paging, more bool, cursor any) (ending, error) {
	marker, err := a.Pages.Next(ctx, p.operation, more, cursor)
	return ending{&more, marker}, err
}

// entities lists a page of users, roles or policies.
func entities[T interface{ Place() identity.EntityPlace }](ctx context.Context, a *API, p paging, prefix *string,
	list func(ctx context.Context, account string, page identity.EntityPage) ([]T, error),
) ([]T, ending, error) {
	page := identity.EntityPage{Prefix: pathOf(prefix), Limit: p.size() + 1}
	if err := a.Pages.Open(ctx, p.operation, p.marker, &page.After); err != nil {
		return nil, ending{}, err
	}
	found, err := list(ctx, account(ctx), page)
	if err != nil {
		return nil, ending{}, err
	}
	found, more := awswire.CutPage(found, p.size())
	var last identity.EntityPlace
	if more {
		last = found[len(found)-1].Place()
	}
	end, err := a.end(ctx, p, more, last)
	return found, end, err
}

// few cuts a page out of a list that is bounded and in the order of a key, which
// no two items share.
func few[T any](ctx context.Context, a *API, p paging, list []T, key func(T) string) ([]T, ending, error) {
	var after string
	if err := a.Pages.Open(ctx, p.operation, p.marker, &after); err != nil {
		return nil, ending{}, err
	}
	start := 0
	if after != "" {
		start = slices.IndexFunc(list, func(item T) bool { return key(item) > after })
		if start < 0 {
			start = len(list)
		}
	}
	page, more := awswire.CutPage(list[start:], p.size())
	if more {
		after = key(page[len(page)-1])
	}
	end, err := a.end(ctx, p, more, after)
	return page, end, err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
