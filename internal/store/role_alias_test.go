package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func testAlias(name string) *fleet.RoleAlias {
	return &fleet.RoleAlias{Name: name, RoleARN: "role of " + name, Seconds: 900, Created: testNow, Modified: testNow}
}

func TestRoleAliasComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, want := context.Background(), testAlias("a")
		arn := here.ARN("rolealias", "a")
		ok(t, s.CreateRoleAlias(ctx, here, want, []fleet.Tag{{Key: "k", Value: "v"}}))
		ok(t, s.CreateRoleAlias(ctx, there, testAlias("a"), nil))
		wantFault(t, s.CreateRoleAlias(ctx, here, want, nil), fault.Exists, `"a"`)
		u := fleet.RoleAliasUpdate{RoleARN: new("another")}
		ok(t, s.UpdateRoleAlias(ctx, here, "a", func(r *fleet.RoleAlias) { r.Update(u, testNow.Add(time.Hour)) }))
		want.Update(u, testNow.Add(time.Hour))
		got, err := s.RoleAlias(ctx, here, "a")
		ok(t, err)
		if *got != *want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got, err = s.RoleAlias(ctx, there, "a"); err != nil || *got != *testAlias("a") {
			t.Errorf("got %+v, %v in the other account, want it as it was", got, err)
		}
		if tags, err := s.Tags(ctx, here, arn, "", 9); err != nil || len(tags) != 1 {
			t.Errorf("got tags %v, %v, want one", tags, err)
		}
		ok(t, s.DeleteRoleAlias(ctx, here, "a"))
		wantFault(t, s.DeleteRoleAlias(ctx, here, "a"), fault.NotFound, `"a"`)
		wantFault(t, s.UpdateRoleAlias(ctx, here, "a", nil), fault.NotFound, `"a"`)
		ok(t, s.CreateRoleAlias(ctx, here, testAlias("a"), nil))
		if tags, err := s.Tags(ctx, here, arn, "", 9); err != nil || len(tags) != 0 {
			t.Errorf("got tags %v, %v of a new alias, want none", tags, err)
		}
	})
}

func TestRoleAliasesAreListedBothWays(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for _, name := range []string{"b", "B", "a", "=", "c"} {
			ok(t, s.CreateRoleAlias(context.Background(), here, testAlias(name), nil))
		}
		want := []string{"=", "B", "a", "b", "c"}
		for _, ascending := range []bool{true, false} {
			var got []string
			for p := (fleet.RoleAliasPage{Ascending: ascending, Limit: 2}); ; {
				names, err := s.RoleAliases(context.Background(), here, p)
				ok(t, err)
				got = append(got, names...)
				if len(names) < p.Limit {
					break
				}
				p.After = names[len(names)-1]
			}
			if wantNames(t, got, want); ascending {
				slices.Reverse(want)
			}
		}
	})
}

func TestTheNumberOfRoleAliasesIsBounded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		errs := make([]error, s.quotas.RoleAliases+8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = s.CreateRoleAlias(context.Background(), here, testAlias(fmt.Sprint(i)), nil) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				wantFault(t, err, fault.Limit, "100 role aliases")
				refused++
			}
		}
		if refused != 8 {
			t.Errorf("got %d refused, want 8", refused)
		}
		ok(t, s.CreateRoleAlias(context.Background(), there, testAlias("a"), nil))
	})
}
