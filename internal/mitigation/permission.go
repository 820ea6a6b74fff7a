package mitigation

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// acting returns the role of an action, as it is in the slice's transaction, or
// nil where roles are not judged.
func (s *slice) acting(a *Action) (*identity.Acting, error) {
	if s.e.Roles == nil {
		return nil, nil
	}
	if known := s.roles[a.Name]; known != nil {
		return known, nil
	}
	role, err := s.e.Roles.Act(s.ctx, s.tx, identity.RoleFor{
		Account: s.task.Scope.Account, Region: s.task.Scope.Region, ARN: a.RoleARN,
		Source: s.task.Scope.ARN("mitigationaction", a.Name),
	})
	if err != nil {
		return nil, fmt.Errorf("role of mitigation action %s: %w", a.Name, err)
	}
	if s.roles == nil {
		s.roles = map[string]*identity.Acting{}
	}
	s.roles[a.Name] = role
	return role, nil
}

// plan plans an action for each subject. What the action's role does not allow
// is a failure, and nothing is planned.
func (s *slice) plan(a *Action, subjects []Subject, made func(i int, changes []fleet.Change, failure *Failure)) error {
	role, err := s.acting(a)
	if err != nil {
		return err
	}
	kind := s.e.Kinds.Of(a.Type)
	for i := range subjects {
		subject := &subjects[i]
		if role != nil {
			refusal, err := role.Refusal(kind.Asks(s.task.Scope, &a.Params, subject))
			if err != nil {
				return err
			}
			if refusal != "" {
				made(i, nil, &Failure{InsufficientPermissions, refusal})
				continue
			}
		}
		changes, failure := kind.Plan(&a.Params, subject)
		made(i, changes, failure)
	}
	return nil
}
