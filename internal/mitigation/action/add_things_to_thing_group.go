package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var addThingsToThingGroup = mitigation.Kind{
	Type:  audit.AddThingsToThingGroup,
	Doc:   "Puts every thing that the certificate is attached to into the groups named.",
	Needs: mitigation.NeedsThings,
	Asks:  asksToJoin,
	Plan: func(p *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		if s.Certificate == nil {
			return nil, gone(s)
		}
		for _, name := range p.AddThingsToThingGroup.Groups {
			if s.Groups[name] == nil {
				return nil, &mitigation.Failure{
					Code:    mitigation.ResourceNotFound,
					Message: fmt.Sprintf("the thing group %q does not exist", name),
				}
			}
		}
		var changes []fleet.Change
		var failure *mitigation.Failure
		for _, thing := range s.Things {
			planned, err := joinGroups(thing, p.AddThingsToThingGroup, s.Groups)
			changes = append(changes, planned...)
			if err != nil && failure == nil {
				failure = &mitigation.Failure{Code: mitigation.InvalidState, Message: err.Error()}
			}
		}
		return changes, failure
	},
}

// asksToJoin asks for what joining takes: to list the things, and to add each of
// them to each group, on both.
func asksToJoin(scope fleet.Scope, p *mitigation.Params, s *mitigation.Subject) []identity.Ask {
	asks := []identity.Ask{{Action: "iot:ListPrincipalThings", Resource: scope.ARN("cert", s.Finding.Resource.Key)}}
	const add = "iot:AddThingToThingGroup"
	for _, name := range p.AddThingsToThingGroup.Groups {
		asks = append(asks, identity.Ask{Action: add, Resource: scope.ARN("thinggroup", name)})
	}
	for _, thing := range s.Things {
		asks = append(asks, identity.Ask{Action: add, Resource: scope.ARN("thing", thing.Name)})
	}
	return asks
}

// joinGroups plans one thing's way into the groups. A group it may not join
// does not keep it out of the others.
func joinGroups(t mitigation.ThingState, p *mitigation.AddThings, groups map[string]*fleet.Group) (
	changes []fleet.Change, failed error,
) {
	for _, name := range p.Groups {
		m := fleet.MembershipIn(t.Name, groups[name])
		more, err := fleet.Join(m, fleet.After(t.Groups, changes), p.Override)
		if err != nil && failed == nil {
			failed = err
		}
		changes = append(changes, more...)
	}
	return changes, failed
}
