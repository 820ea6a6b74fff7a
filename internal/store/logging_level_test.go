package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func level(kind fleet.LogTargetType, name, level string) fleet.LogLevel {
	return fleet.LogLevel{LogTarget: fleet.LogTarget{Type: kind, Name: name}, Level: level}
}

// logTo makes the logging options of a scope.
func logTo(t *testing.T, s *Store, sc fleet.Scope, level string) {
	t.Helper()
	ok(t, s.UpdateLoggingOptions(context.Background(), sc, func(l *fleet.LoggingOptions) error {
		return l.Update(fleet.LoggingUpdate{Role: new("role"), Level: &level})
	}))
}

// levels reads a list two at a time.
func levels(t *testing.T, s *Store, p fleet.LogLevelPage) string {
	t.Helper()
	var out []string
	for p.Limit = 2; ; {
		list, err := s.LogLevels(context.Background(), here, p)
		ok(t, err)
		for _, l := range list {
			out = append(out, strings.TrimRight(fmt.Sprintf("%s/%s", l.Type, l.Name), "/")+"="+l.Level)
			p.After = l.LogTarget
		}
		if len(list) < p.Limit {
			return strings.Join(out, " ")
		}
	}
}

func TestLevelsOfLogs(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		wantFault(t, s.SetLogLevel(ctx, here, level(fleet.LogClientID, "c", "INFO")), fault.NotConfigured, "not configured")
		_, err := s.LogLevels(ctx, here, fleet.LogLevelPage{Limit: 2})
		wantFault(t, err, fault.NotConfigured, "not configured")
		logTo(t, s, here, "ERROR")
		logTo(t, s, there, "ERROR")
		makeGroups(t, s, here, "g")
		wantFault(t, s.SetLogLevel(ctx, here, level(fleet.LogGroup, "none", "INFO")), fault.Invalid, `"none"`)
		for _, l := range []fleet.LogLevel{
			level(fleet.LogPrincipal, "p", "INFO"), level(fleet.LogClientID, "b", "INFO"), level(fleet.LogGroup, "g", "WARN"),
			level(fleet.LogClientID, "a", "INFO"), level(fleet.LogSourceIP, "10.0.0.1", "DEBUG"),
			level(fleet.LogClientID, "a", "DISABLED"), // in place of the one before
		} {
			ok(t, s.SetLogLevel(ctx, here, l))
		}
		ok(t, s.SetLogLevel(ctx, there, level(fleet.LogClientID, "elsewhere", "INFO")))
		for _, tt := range []struct {
			kind fleet.LogTargetType
			want string
		}{
			{"", "DEFAULT=ERROR CLIENT_ID/a=DISABLED CLIENT_ID/b=INFO PRINCIPAL_ID/p=INFO SOURCE_IP/10.0.0.1=DEBUG " +
				"THING_GROUP/g=WARN"},
			{fleet.LogClientID, "CLIENT_ID/a=DISABLED CLIENT_ID/b=INFO"},
			{fleet.LogDefault, "DEFAULT=ERROR"},
		} {
			if got := levels(t, s, fleet.LogLevelPage{Type: tt.kind}); got != tt.want {
				t.Errorf("of type %q: got %s, want %s", tt.kind, got, tt.want)
			}
		}
		ok(t, s.DeleteLogLevel(ctx, here, fleet.LogTarget{Type: fleet.LogClientID, Name: "a"}))
		ok(t, s.DeleteLogLevel(ctx, here, fleet.LogTarget{Type: fleet.LogClientID, Name: "a"}))
		dropGroup(t, s, here, "g")
		makeGroups(t, s, here, "g")
		if got, want := levels(t, s, fleet.LogLevelPage{}),
			"DEFAULT=ERROR CLIENT_ID/b=INFO PRINCIPAL_ID/p=INFO SOURCE_IP/10.0.0.1=DEBUG"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestTheNumberOfLevelsIsBounded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		profile := *s.quotas
		profile.LoggingLevels = 5
		s.quotas = &profile
		logTo(t, s, here, "ERROR")
		errs := make([]error, 9)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				errs[i] = s.SetLogLevel(context.Background(), here, level(fleet.LogClientID, fmt.Sprint(i), "INFO"))
			})
		}
		wg.Wait()
		refused, taken := 0, ""
		for i, err := range errs {
			if err == nil {
				taken = fmt.Sprint(i)
				continue
			}
			wantFault(t, err, fault.Limit, "5 targets")
			refused++
		}
		if refused != 4 {
			t.Errorf("got %d refused, want 4", refused)
		}
		ok(t, s.SetLogLevel(context.Background(), here, level(fleet.LogClientID, taken, "WARN"))) // not another one
	})
}

// The level of a group goes with the group, whichever call comes first.
func TestNoGroupIsDeletedWithoutItsLevel(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		logTo(t, s, here, "ERROR")
		for i := range 20 {
			name := fmt.Sprint(i)
			makeGroups(t, s, here, name)
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := s.SetLogLevel(context.Background(), here, level(fleet.LogGroup, name, "INFO")); err != nil {
					wantFault(t, err, fault.Invalid, "there is no thing group")
				}
			})
			wg.Go(func() { dropGroup(t, s, here, name) })
			wg.Wait()
		}
		if got := levels(t, s, fleet.LogLevelPage{Type: fleet.LogGroup}); got != "" {
			t.Errorf("got %s of groups that are gone", got)
		}
	})
}
