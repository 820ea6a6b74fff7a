package iotapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

const (
	pagedItems = 7 // of a page
	churnEvery = 3 // pages, between changes
)

// pagedList is a list operation that is read to its end.
type pagedList struct {
	name string
	rows int // that stand for the whole time
	in   any // the input of a first page
	// pages reads page after page by the paginator of the SDK, or by tokens
	// where it has none.
	pages func() pager
	// churn adds a row, and says how it is removed again. Nil of it, or of
	// what it returns, is what the API cannot do.
	churn func(i int) (remove func())
}

// pager returns the next page, or nil behind the last.
type pager func(ctx context.Context) (any, error)

// sdkPaginator is a paginator of the SDK.
type sdkPaginator[Out any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*iot.Options)) (*Out, error)
}

// paginated is a list that the SDK has a paginator for.
func paginated[Client, In, Opt, Out any, P sdkPaginator[Out]](w *pagedWorld, rows int,
	make func(Client, *In, ...func(*Opt)) P, in *In, churn func(int) func(),
) pagedList {
	setSize(in, pagedItems, false)
	return pagedList{name: operation(in), rows: rows, in: in, churn: churn, pages: func() pager {
		p := make(any(w.c).(Client), in)
		return func(ctx context.Context) (any, error) {
			if !p.HasMorePages() {
				return nil, nil
			}
			return p.NextPage(ctx)
		}
	}}
}

// tokenPaged is a list that the SDK has no paginator for.
func tokenPaged(w *pagedWorld, rows int, in any, churn func(int) func()) pagedList {
	setSize(in, pagedItems, false)
	return pagedList{name: operation(in), rows: rows, in: in, churn: churn, pages: func() pager {
		in, more := clone(in), true
		return func(context.Context) (any, error) {
			if !more {
				return nil, nil
			}
			out, err := call(w, w.c, in)
			if err != nil {
				return nil, err
			}
			token := tokenOf(out)
			setToken(in, token)
			more = token != nil
			return out, nil
		}
	}}
}

// setSize sets how many items a page has, unless it is set or cannot be.
func setSize(in any, n int32, anew bool) {
	for _, name := range []string{"MaxResults", "PageSize"} {
		if f := reflect.ValueOf(in).Elem().FieldByName(name); f.IsValid() && (anew || f.IsNil()) {
			f.Set(reflect.ValueOf(&n))
		}
	}
}

// clone is a copy of an input.
func clone(in any) any {
	c := reflect.New(reflect.TypeOf(in).Elem())
	c.Elem().Set(reflect.ValueOf(in).Elem())
	return c.Interface()
}

// itemsOf are the items of an answer, each as the texts in it.
func itemsOf(t testing.TB, out any) (list []string) {
	t.Helper()
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			for k := range f.Len() {
				list = append(list, strings.Join(textsOf(f.Index(k)), " "))
			}
		}
	}
	return list
}

// textsOf are the texts in a value, sorted. Times and numbers are left out:
// clients show them each in a way of its own.
func textsOf(v reflect.Value) (list []string) {
	switch v.Kind() {
	case reflect.String:
		if v.String() != "" {
			list = append(list, v.String())
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*time.Time]() {
			list = textsOf(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			list = append(list, textsOf(v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = append(list, textsOf(v.Index(i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			list = append(list, textsOf(v.MapIndex(key))...)
		}
	}
	slices.Sort(list)
	return list
}

// standing reads a list in large pages while nothing changes: its rows, in
// their order.
func (l *pagedList) standing(t testing.TB, c *iot.Client) (rows []string) {
	t.Helper()
	in := clone(l.in)
	setSize(in, 250, true)
	for more := true; more; {
		out, err := call(t, c, in)
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		rows = append(rows, itemsOf(t, out)...)
		token := tokenOf(out)
		setToken(in, token)
		more = token != nil
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(rows))); len(rows) < l.rows || len(distinct) != len(rows) {
		t.Errorf("%s: got %d rows, %d of them different, want %d or more", l.name, len(rows), len(distinct), l.rows)
	}
	return rows
}

// changing reads a list while rows are added and removed between its pages,
// and returns what was read.
func (l *pagedList) changing(t testing.TB) (rows []string) {
	t.Helper()
	var removals []func()
	defer func() {
		for _, remove := range removals {
			remove()
		}
	}()
	next, tokens := l.pages(), map[string]bool{}
	for n := 0; ; n++ {
		page, err := next(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		if page == nil || reflect.ValueOf(page).IsNil() {
			return rows
		}
		rows = append(rows, itemsOf(t, page)...)
		if token := tokenOf(page); token != nil && tokens[*token] {
			t.Fatalf("%s: got a token twice, at which clients stop", l.name)
		} else if token != nil {
			tokens[*token] = true
		}
		if l.churn == nil || n%churnEvery != 0 && l.rows >= pagedRows {
			continue
		}
		if len(removals) > 0 {
			removals[0]()
			removals = removals[1:]
		}
		if remove := l.churn(n); remove != nil {
			removals = append(removals, remove)
		}
	}
}

// complete holds that every row which stood was read once, and no row twice.
func complete(t testing.TB, what string, got, standing []string) {
	t.Helper()
	times := map[string]int{}
	for _, row := range got {
		if times[row]++; times[row] == 2 {
			t.Errorf("%s: got %s twice", what, row)
		}
	}
	missing := 0
	for _, row := range standing {
		if times[row] == 0 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%s: got all but %d of %d rows that stood, want all", what, missing, len(standing))
	}
}

func TestEveryListIsPaged(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			w, strange := newPagedWorld(t, database), ""
			for _, l := range w.lists() {
				t.Run(l.name, func(t *testing.T) {
					standing := l.standing(t, w.c)
					complete(t, l.name, l.changing(t), standing)
					l.otherWay(t, standing)
					strange = l.tokens(t, w.c, strange)
				})
			}
		})
	}
}

// otherWay reads a list that has two directions in the other. The SDK cannot
// ask for suppressions in another order than the usual one, ascending.
func (l *pagedList) otherWay(t *testing.T, standing []string) {
	t.Helper()
	order := reflect.ValueOf(l.in).Elem().FieldByName("AscendingOrder")
	if !order.IsValid() || l.name == "ListAuditSuppressions" {
		return
	}
	order.SetBool(!order.Bool())
	rows := l.changing(t)
	complete(t, l.name+" in the other direction", rows, standing)
	kept := slices.DeleteFunc(rows, func(row string) bool { return !slices.Contains(standing, row) })
	slices.Reverse(kept)
	if !slices.Equal(kept, standing) {
		t.Errorf("%s: got another order, want the one of before, backwards", l.name)
	}
}

// tokens holds that a token can be used again, is not to be changed, and is
// good for this list alone: strange is one of another. It returns one of this.
func (l *pagedList) tokens(t *testing.T, c *iot.Client, strange string) string {
	t.Helper()
	in := clone(l.in)
	first, err := call(t, c, in)
	if err != nil {
		t.Fatal(err)
	}
	token := *tokenOf(first)
	read := func(token string) (string, error) {
		setToken(in, &token)
		out, err := call(t, c, in)
		if err != nil {
			return "", err
		}
		return strings.Join(itemsOf(t, out), "\n"), nil
	}
	one, err := read(token)
	expect(t, err, fine)
	other, err := read(token)
	expect(t, err, fine)
	if one != other || one == "" {
		t.Errorf("got %q, then %q for one token, want the same page", one, other)
	}
	changed := []byte(token)
	if changed[len(changed)/2]++; changed[len(changed)/2] > 'z' || changed[len(changed)/2] == ':' {
		changed[len(changed)/2] = 'A'
	}
	for _, bad := range []string{
		string(changed), token[:len(token)-4], strings.ToLower(token), "bm90IGEgdG9rZW4=", strange,
	} {
		if _, err := read(bad); bad != "" {
			expect(t, err, invalid)
		}
	}
	return token
}

func TestEveryListOfTheInterfaceIsPagedInATest(t *testing.T) {
	t.Parallel()
	var tried, want []string
	for _, l := range (&pagedWorld{T: t}).lists() {
		tried = append(tried, l.name)
	}
	f := loadFacts(t)
	for _, op := range f.Served() {
		if op.Input != "" {
			members := f.Shapes[op.Input].Members
			if members["nextToken"].Shape != "" || members["marker"].Shape != "" {
				want = append(want, op.Name)
			}
		}
	}
	same(t, "lists", tried, want)
}

// TestAccountsArePaged reads the list of Cordon's own service, which no SDK has
// a paginator for, while accounts are added. They cannot be removed.
func TestAccountsArePaged(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	f := loadCordonFacts(t)
	ask := func(operation string, input map[string]any) (out struct {
		Accounts  []struct{ AccountID string }
		NextToken string
	}) {
		t.Helper()
		a, err := f.Send(t.Context(), endpoint(cordon), operation, input)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: got %v %s, %v", operation, a.Code, a.Body, err)
		}
		if err := json.Unmarshal(a.Body, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	w := &pagedWorld{T: t, Cordon: cordon}
	w.copies("accounts", `operator`, map[string]string{"id": `'999999' || (i * 10)`, "operator": `FALSE`})
	standing := []string{cordontest.Account}
	for i := range pagedRows - 1 {
		standing = append(standing, fmt.Sprint(999999100010+10*i))
	}
	var rows []string
	input := map[string]any{"maxResults": pagedItems}
	for n, more := 0, true; more; n++ {
		page := ask("ListAccounts", input)
		for _, account := range page.Accounts {
			rows = append(rows, account.AccountID)
		}
		if n%churnEvery == 0 {
			ask("CreateAccount", map[string]any{"accountId": fmt.Sprint(999999100015 + n*60)})
		}
		input["nextToken"], more = page.NextToken, page.NextToken != ""
	}
	complete(t, "ListAccounts", rows, standing)
}
