package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var addThingsToThingGroup = mitigation.Kind{
	Type:  audit.AddThingsToThingGroup,
	Doc:   "Puts every thing that the certificate is attached to into the groups named.",
	Needs: mitigation.NeedsThings,
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
			planned, err := joinGroups(thing, p.AddThingsToThingGroup.Groups, s.Groups)
			changes = append(changes, planned...)
			if err != nil && failure == nil {
				failure = &mitigation.Failure{Code: mitigation.InvalidState, Message: err.Error()}
			}
		}
		return changes, failure
	},
}

// joinGroups plans one thing's way into the groups. A group it may not join
// does not keep it out of the others.
func joinGroups(t mitigation.ThingState, names []string, groups map[string]*fleet.Group) (
	changes []fleet.Change, failed error,
) {
	in := t.Groups
	for _, name := range names {
		m := fleet.Membership{Thing: t.Name, Group: name, Root: groups[name].Root}
		need, err := fleet.MayJoin(m, in)
		if err != nil && failed == nil {
			failed = err
		}
		if err == nil && need {
			in = append(in[:len(in):len(in)], m)
			changes = append(changes, fleet.GroupMembership{Membership: m, To: true})
		}
	}
	return changes, failed
}
