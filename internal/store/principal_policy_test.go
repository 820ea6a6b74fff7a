package store

import (
	"context"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestPoliciesAndPrincipalsAreListedBothWays(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		made := []string{"c", "a", "b"}
		makePolicies(t, s, here, made...)
		register(t, s, here, 4)
		makeGroups(t, s, here, "g")
		var ids []string
		for n := 1; n <= 3; n++ {
			ids = append(ids, certificateID(n))
		}
		slices.Sort(ids)
		one := ids[0]
		for _, name := range made {
			ok(t, s.AttachPolicy(ctx, here, name, fleet.Target{Kind: fleet.TargetCertificate, Name: one}))
		}
		for _, id := range ids[1:] {
			ok(t, s.AttachPolicy(ctx, here, "a", fleet.Target{Kind: fleet.TargetCertificate, Name: id}))
		}
		ok(t, s.AttachPolicy(ctx, here, "a", fleet.Target{Kind: fleet.TargetGroup, Name: "g"})) // no principal
		for _, ascending := range []bool{true, false} {
			var policies, principals []string
			for p := (fleet.PolicyPage{Ascending: ascending, Limit: 1}); ; {
				page, err := s.PrincipalPolicies(ctx, here, one, p)
				ok(t, err)
				if len(page) == 0 {
					break
				}
				policies, p.After = append(policies, page[0].Name), page[0].Seq
			}
			for p := (fleet.PrincipalPage{Ascending: ascending, Limit: 1}); ; {
				page, err := s.PolicyPrincipals(ctx, here, "a", p)
				ok(t, err)
				if len(page) == 0 {
					break
				}
				principals, p.After = append(principals, page[0]), page[0]
			}
			wantNames(t, policies, made)
			wantNames(t, principals, ids)
			slices.Reverse(made)
			slices.Reverse(ids)
		}
		_, err := s.PrincipalPolicies(ctx, here, certificateID(9), fleet.PolicyPage{Limit: 1})
		wantFault(t, err, fault.NotFound, certificateID(9))
		_, err = s.PolicyPrincipals(ctx, here, "none", fleet.PrincipalPage{Limit: 1})
		wantFault(t, err, fault.NotFound, `"none"`)
	})
}
