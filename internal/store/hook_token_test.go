package store

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestAHookTokenStandsForItsScopeUntilItIsDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		token, text := fleet.NewHookToken("rabbit", testNow)
		other, _ := fleet.NewHookToken("", testNow)
		ok(t, s.AddHookToken(ctx, here, &token))
		ok(t, s.AddHookToken(ctx, there, &other))
		if got, found, err := s.HookScope(ctx, fleet.HashHookToken(text)); got != here || !found || err != nil {
			t.Errorf("got %v, %t, %v for the token, want %v", got, found, err, here)
		}
		if _, found, err := s.HookScope(ctx, fleet.HashHookToken(text+"x")); found || err != nil {
			t.Errorf("got %t, %v for another text, want none", found, err)
		}
		list, err := s.HookTokens(ctx, here, "", 10)
		if want := []fleet.HookToken{token}; !reflect.DeepEqual(list, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", list, err, want)
		}
		if list, err := s.HookTokens(ctx, here, token.ID, 10); len(list) != 0 || err != nil {
			t.Errorf("got %+v, %v behind the last token, want none", list, err)
		}
		wantFault(t, s.DeleteHookToken(ctx, there, token.ID), fault.NotFound, token.ID)
		ok(t, s.DeleteHookToken(ctx, here, token.ID))
		wantFault(t, s.DeleteHookToken(ctx, here, token.ID), fault.NotFound, token.ID)
		if _, found, err := s.HookScope(ctx, token.Hash); found || err != nil {
			t.Errorf("got %t, %v for a token that was deleted, want none", found, err)
		}
	})
}

func TestAScopeHasOnlySoManyHookTokens(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		var callers sync.WaitGroup
		errs := make(chan error, fleet.MaxHookTokens+5)
		for range cap(errs) {
			callers.Go(func() {
				token, _ := fleet.NewHookToken("", testNow)
				errs <- s.AddHookToken(ctx, here, &token)
			})
		}
		callers.Wait()
		refused := 0
		for range cap(errs) {
			if err := <-errs; fault.Is(err, fault.Limit) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 5 {
			t.Errorf("got %d refusals of %d callers at once, want 5", refused, cap(errs))
		}
		one, _ := fleet.NewHookToken("", testNow)
		ok(t, s.AddHookToken(ctx, there, &one))
	})
}
