package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestThingsAndTheirCertificates(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeThings(t, s, here, "a", "b", "B")
		register(t, s, here, 3)
		attach := func(sc fleet.Scope, thing string, n int, kind fleet.PrincipalType) error {
			return s.AttachThing(ctx, sc, fleet.Attachment{Thing: thing, Certificate: certificateID(n), Type: kind})
		}
		ok(t, attach(here, "a", 1, fleet.NonExclusive))
		ok(t, attach(here, "a", 1, fleet.NonExclusive)) // again
		ok(t, attach(here, "b", 1, fleet.NonExclusive))
		ok(t, attach(here, "B", 1, fleet.NonExclusive))
		ok(t, attach(here, "b", 2, fleet.Exclusive))
		wantFault(t, attach(here, "a", 2, fleet.NonExclusive), fault.Invalid, "exclusively")
		wantFault(t, attach(here, "b", 2, fleet.NonExclusive), fault.Invalid, "detach")
		wantFault(t, attach(here, "none", 3, fleet.Exclusive), fault.NotFound, "none")
		wantFault(t, attach(here, "a", 4, fleet.Exclusive), fault.NotFound, certificateID(4))
		makeThings(t, s, there, "a")
		wantFault(t, attach(there, "a", 1, fleet.NonExclusive), fault.NotFound, certificateID(1))
		wantFault(t, s.DetachThing(ctx, there, "a", certificateID(1)), fault.NotFound, certificateID(1))

		for _, tt := range []struct {
			name   string
			things bool // of a certificate, not certificates of a thing
			query  fleet.AttachmentQuery
			want   []string
		}{
			{"the certificates of a thing", false, fleet.AttachmentQuery{Of: "b"},
				[]string{certificateID(1), certificateID(2)}},
			{"those it has alone", false, fleet.AttachmentQuery{Of: "b", Type: fleet.Exclusive}, []string{certificateID(2)}},
			{"those it may share", false, fleet.AttachmentQuery{Of: "b", Type: fleet.NonExclusive},
				[]string{certificateID(1)}},
			{"a later page", false, fleet.AttachmentQuery{Of: "b", After: certificateID(1)}, []string{certificateID(2)}},
			{"the things of a certificate", true, fleet.AttachmentQuery{Of: certificateID(1)}, []string{"B", "a", "b"}},
			{"its later things", true, fleet.AttachmentQuery{Of: certificateID(1), After: "a"}, []string{"b"}},
			{"a certificate without things", true, fleet.AttachmentQuery{Of: certificateID(3)}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.query.Limit = 10
				list := s.PrincipalsOf
				if tt.things {
					list = s.ThingsOfPrincipal
				}
				found, err := list(ctx, here, tt.query)
				ok(t, err)
				var got []string
				for _, at := range found {
					if tt.things {
						got = append(got, at.Thing)
					} else {
						got = append(got, at.Certificate)
					}
				}
				wantNames(t, got, tt.want)
			})
		}
		_, err := s.PrincipalsOf(ctx, here, fleet.AttachmentQuery{Of: "none", Limit: 10})
		wantFault(t, err, fault.NotFound, "none")
		_, err = s.ThingsOfPrincipal(ctx, there, fleet.AttachmentQuery{Of: certificateID(1), Limit: 10})
		wantFault(t, err, fault.NotFound, certificateID(1))

		ok(t, s.DetachThing(ctx, here, "b", certificateID(2)))
		ok(t, s.DetachThing(ctx, here, "b", certificateID(2))) // again
		ok(t, attach(here, "a", 2, fleet.Exclusive))
		wantFault(t, s.DetachThing(ctx, here, "a", certificateID(4)), fault.NotFound, certificateID(4))
		wantFault(t, s.DetachThing(ctx, here, "none", certificateID(1)), fault.NotFound, "none")
	})
}

func TestAttachingAtOnceKeepsTheRules(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 1)
		for i := range 20 {
			makeThings(t, s, here, fmt.Sprintf("t%d", i))
		}
		kinds := [2]fleet.PrincipalType{fleet.Exclusive, fleet.Exclusive}
		for _, second := range []fleet.PrincipalType{fleet.Exclusive, fleet.NonExclusive} {
			kinds[1] = second
			done := together(t, 20, func(i int) error {
				return s.AttachThing(ctx, here, fleet.Attachment{
					Thing: fmt.Sprintf("t%d", i), Certificate: certificateID(1), Type: kinds[i%2],
				})
			}, fault.Invalid)
			list, err := s.ThingsOfPrincipal(ctx, here, fleet.AttachmentQuery{Of: certificateID(1), Limit: 30})
			ok(t, err)
			if len(list) != done {
				t.Errorf("got %d attachments after %d calls succeeded", len(list), done)
			}
			for _, at := range list {
				if at.Type == fleet.Exclusive && len(list) > 1 {
					t.Errorf("got an exclusive attachment among %d", len(list))
				}
				ok(t, s.DetachThing(ctx, here, at.Thing, at.Certificate))
			}
		}
	})
}

func TestAttachingWhatIsBeingDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 10)
		allow := func(*fleet.Thing) error { return nil }
		for round := range 10 {
			at := fleet.Attachment{
				Thing: fmt.Sprintf("t%d", round), Certificate: certificateID(round + 1), Type: fleet.NonExclusive,
			}
			makeThings(t, s, here, at.Thing)
			together(t, 6, func(i int) error {
				switch i {
				case 0:
					return s.DeleteThing(ctx, here, at.Thing, allow)
				case 1:
					return s.DeleteCertificate(ctx, here, at.Certificate, true)
				}
				return s.AttachThing(ctx, here, at)
			}, fault.NotFound, fault.Invalid, fault.DeleteConflict)
			_, thing := s.Thing(ctx, here, at.Thing)
			_, certificate := s.Certificate(ctx, here, at.Certificate)
			list, err := s.PrincipalsOf(ctx, here, fleet.AttachmentQuery{Of: at.Thing, Limit: 10})
			if thing != nil {
				wantFault(t, err, fault.NotFound, at.Thing)
			}
			if attached := len(list) > 0; attached && (thing != nil || certificate != nil) {
				t.Errorf("got an attachment of a thing (%v) and a certificate (%v) that are not both there", thing, certificate)
			}
		}
	})
}
