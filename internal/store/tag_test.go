package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// tagMaker makes a resource with tags, and deletes it.
type tagMaker struct {
	name   string
	create func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag)
	remove func(s *Store, sc fleet.Scope) error
}

// tagMakers has one for each kind that carries tags.
var tagMakers = map[string]tagMaker{
	"cacert": {testCA(1, "s").ID,
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			c := testCA(1, "s")
			c.Status = fleet.Inactive
			ok(t, s.RegisterCACertificate(context.Background(), sc, c, tags))
		},
		func(s *Store, sc fleet.Scope) error {
			return s.DeleteCACertificate(context.Background(), sc, testCA(1, "s").ID)
		}},
	"mitigationaction": {"a",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			_, err := s.CreateMitigationAction(context.Background(), sc, &mitigation.Action{
				Name: "a", ID: "1", RoleARN: "r", Type: audit.EnableIoTLogging, Created: testNow, Modified: testNow,
				Params: mitigation.Params{EnableIoTLogging: &mitigation.EnableLogging{RoleARN: "l", Level: "INFO"}},
			}, tags)
			ok(t, err)
		},
		func(s *Store, sc fleet.Scope) error { return s.DeleteMitigationAction(context.Background(), sc, "a") }},
	"policy": {"p",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			ok(t, s.CreatePolicy(context.Background(), sc, testDraft(t, "p", broadDocument), tags))
		},
		func(s *Store, sc fleet.Scope) error { return s.DeletePolicy(context.Background(), sc, "p") }},
	"thinggroup": {"g:1",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			_, _, err := s.CreateGroup(context.Background(), sc, testGroup(t, "g:1", ""), tags)
			ok(t, err)
		},
		func(s *Store, sc fleet.Scope) error {
			_, err := s.DeleteGroup(context.Background(), sc, fleet.GroupDeletion{Name: "g:1"})
			return err
		}},
	roleAliasKind: {"r",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			ok(t, s.CreateRoleAlias(context.Background(), sc, &fleet.RoleAlias{
				Name: "r", RoleARN: "arn", Seconds: 900, Created: testNow, Modified: testNow,
			}, tags))
		},
		func(s *Store, sc fleet.Scope) error { return s.DeleteRoleAlias(context.Background(), sc, "r") }},
	scheduleKind: {"s",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			ok(t, s.CreateSchedule(context.Background(), sc, &audit.Schedule{Name: "s", NextRun: testNow}, tags,
				func(*audit.Configuration) error { return nil }))
		},
		func(s *Store, sc fleet.Scope) error { return s.DeleteSchedule(context.Background(), sc, "s") }},
	"thingtype": {"t",
		func(t *testing.T, s *Store, sc fleet.Scope, tags []fleet.Tag) {
			kind := testType(t, "t")
			kind.Deprecated = testNow.Add(-time.Hour)
			_, err := s.CreateThingType(context.Background(), sc, kind, tags)
			ok(t, err)
		},
		func(s *Store, sc fleet.Scope) error { return s.DeleteThingType(context.Background(), sc, "t") }},
}

func TestEveryTaggedKindHasATest(t *testing.T) {
	got, want := slices.Sorted(maps.Keys(tagMakers)), slices.Sorted(maps.Keys(tagged))
	if !slices.Equal(got, want) {
		t.Errorf("got tests of %v, want of %v", got, want)
	}
}

// forEachTagged runs a test on each kind of resource that carries tags, in an
// empty store.
func forEachTagged(t *testing.T, run func(t *testing.T, s *Store, m tagMaker, arn string)) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for kind, m := range tagMakers {
			t.Run(kind, func(t *testing.T) { run(t, s, m, here.ARN(kind, m.name)) })
		}
	})
}

func wantTags(t *testing.T, s *Store, sc fleet.Scope, arn string, want ...fleet.Tag) {
	t.Helper()
	got, err := s.Tags(context.Background(), sc, arn, "", 100)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestTagsOfAResource(t *testing.T) {
	forEachTagged(t, func(t *testing.T, s *Store, m tagMaker, arn string) {
		ctx := context.Background()
		wantFault(t, s.TagResource(ctx, here, arn, []fleet.Tag{{Key: "k"}}), fault.NotFound, arn)
		wantFault(t, s.UntagResource(ctx, here, arn, []string{"k"}), fault.NotFound, arn)
		_, err := s.Tags(ctx, here, arn, "", 1)
		wantFault(t, err, fault.NotFound, arn)

		m.create(t, s, here, []fleet.Tag{{Key: "b", Value: "1"}, {Key: "B", Value: "2"}})
		m.create(t, s, there, []fleet.Tag{{Key: "b", Value: "theirs"}})
		wantTags(t, s, here, arn, fleet.Tag{Key: "B", Value: "2"}, fleet.Tag{Key: "b", Value: "1"})
		ok(t, s.TagResource(ctx, here, arn, []fleet.Tag{{Key: "b", Value: "3"}, {Key: "é", Value: ""}}))
		wantTags(t, s, here, arn, fleet.Tag{Key: "B", Value: "2"}, fleet.Tag{Key: "b", Value: "3"}, fleet.Tag{Key: "é"})
		page, err := s.Tags(ctx, here, arn, "B", 1)
		if err != nil || len(page) != 1 || page[0].Key != "b" {
			t.Errorf("got %v, %v, want the one behind B", page, err)
		}
		ok(t, s.UntagResource(ctx, here, arn, []string{"B", "b", "never", "b"}))
		wantTags(t, s, here, arn, fleet.Tag{Key: "é"})
		ok(t, s.UntagResource(ctx, here, arn, nil))

		// From elsewhere it is not there.
		wantFault(t, s.TagResource(ctx, there, arn, []fleet.Tag{{Key: "k"}}), fault.NotFound, arn)
		wantFault(t, s.UntagResource(ctx, there, arn, []string{"k"}), fault.NotFound, arn)
		_, err = s.Tags(ctx, there, arn, "", 1)
		wantFault(t, err, fault.NotFound, arn)

		ok(t, m.remove(s, here))
		m.create(t, s, here, nil)
		wantTags(t, s, here, arn)
		ok(t, m.remove(s, here))
		wantLeft(t, s, 1) // that of the other scope
		ok(t, m.remove(s, there))
	})
}

// wantLeft checks how many tags there are in all.
func wantLeft(t *testing.T, s *Store, want int64) {
	t.Helper()
	n, err := count(context.Background(), s.read, `SELECT count(*) FROM tags`, nil)
	if err != nil || n != want {
		t.Errorf("got %d tags, %v, want %d", n, err, want)
	}
}

func TestTwentyCallersCannotPassTheMostTags(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, arn := context.Background(), here.ARN("policy", "p")
		makePolicies(t, s, here, "p")
		var most []fleet.Tag
		for i := range 40 {
			most = append(most, fleet.Tag{Key: fmt.Sprintf("k%02d", i)})
		}
		ok(t, s.TagResource(ctx, here, arn, most))
		if n := together(t, 20, func(i int) error {
			return s.TagResource(ctx, here, arn, []fleet.Tag{{Key: fmt.Sprintf("more%02d", i)}})
		}, fault.Limit); n != 10 {
			t.Errorf("got %d of 20 calls done, want 10", n)
		}
		got, err := s.Tags(ctx, here, arn, "", 100)
		if err != nil || len(got) != fleet.MaxTags {
			t.Errorf("got %d tags, %v, want %d", len(got), err, fleet.MaxTags)
		}
		// What is full may still be told otherwise.
		ok(t, s.TagResource(ctx, here, arn, []fleet.Tag{{Key: "k00", Value: "new"}}))
	})
}

func TestTagsDoNotOutliveTheirResource(t *testing.T) {
	forEachTagged(t, func(t *testing.T, s *Store, m tagMaker, arn string) {
		for range 5 {
			m.create(t, s, here, nil)
			together(t, 8, func(i int) error {
				if i == 4 {
					return m.remove(s, here)
				}
				return s.TagResource(context.Background(), here, arn, []fleet.Tag{{Key: fmt.Sprint(i)}})
			}, fault.NotFound)
			_, err := s.Tags(context.Background(), here, arn, "", 1)
			wantFault(t, err, fault.NotFound, arn)
			wantLeft(t, s, 0)
		}
	})
}

func TestWhatHasNoTags(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeThings(t, s, here, "pump")
		for _, tt := range []struct {
			name, arn string
			code      fault.Code
		}{
			{"a thing", here.ARN("thing", "pump"), fault.Invalid},
			{"a kind that does not exist", here.ARN("moon", "1"), fault.Invalid},
			{"a table", here.ARN("tags", "1"), fault.Invalid},
			{"a word", "policy/p", fault.Invalid},
			{"nothing", "", fault.Invalid},
			{"another account", there.ARN("policy", "p"), fault.NotFound},
			{"another region", fleet.Scope{Account: here.Account, Region: "us-east-1"}.ARN("policy", "p"), fault.NotFound},
			{"another service", "arn:aws:sns:" + here.Region + ":" + here.Account + ":policy/p", fault.Invalid},
		} {
			t.Run(tt.name, func(t *testing.T) {
				err := s.TagResource(context.Background(), here, tt.arn, []fleet.Tag{{Key: "k"}})
				if f := fault.From(err); f == nil || f.Code != tt.code {
					t.Errorf("got %v, want %s", err, tt.code)
				}
			})
		}
	})
}
