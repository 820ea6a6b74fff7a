package identity

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/policy"
)

// IoTService is the service that a role must trust which Cordon is to act as.
const IoTService = "iot.amazonaws.com"

// Acting is a role that Cordon acts as on behalf of an account, as it stood when
// it was read.
type Acting struct {
	arn     string
	refusal string // why it may do nothing, or ""
	grant   *RoleGrant
}

// Roles finds roles to act as.
type Roles interface {
	// Act returns a role of an account for what source names by its ARN, such as
	// a mitigation action. It reads on tx unless that is nil.
	Act(ctx context.Context, tx durable.Tx, role RoleFor) (*Acting, error)
}

// RoleFor says who acts as a role: on behalf of which account, and for what.
type RoleFor struct {
	Account string
	Region  string // of what is acted on, where its ARN has none: aws:RequestedRegion
	ARN     string
	Source  string // an ARN: aws:SourceArn
}

// Act returns the role. One that does not exist, or does not trust
// [IoTService] with this aws:SourceArn and aws:SourceAccount, may do nothing.
func (s *Service) Act(ctx context.Context, tx durable.Tx, role RoleFor) (*Acting, error) {
	grant, err := s.Role(ctx, tx, role)
	if err != nil {
		return nil, err
	}
	a := &Acting{arn: role.ARN, grant: grant}
	values := policy.Table{}
	values.Set("aws:SourceAccount", role.Account)
	values.Set("aws:SourceArn", role.Source)
	switch {
	case role.ARN == "":
		a.refusal = "no role is configured"
	case grant == nil:
		a.refusal = fmt.Sprintf("the role %s does not exist", role.ARN)
	case !grant.Trusts(IoTService, values):
		a.refusal = fmt.Sprintf("the role %s does not trust %s", role.ARN, IoTService)
	}
	return a, nil
}

// Refusal says why the role may not do all of what is asked: it names the first
// permission that it does not have, and the resource. It is "" when the role has
// all of them. An error is that nothing was decided.
func (a *Acting) Refusal(asks []Ask) (string, error) {
	if a.refusal != "" {
		return a.refusal, nil
	}
	for _, ask := range asks {
		v, err := a.grant.Decide(ask)
		if err != nil {
			return "", fmt.Errorf("decide what the role %s may do: %w", a.arn, err)
		}
		if v.Decision != policy.Allowed {
			return v.sentence("the role "+a.arn, ask), nil
		}
	}
	return "", nil
}

// passRole is the action of handing a role over. No operation is called so.
const passRole = "iam:PassRole"

// Pass is the permission to hand a role over to [IoTService].
func Pass(roleARN string) Ask {
	values := policy.Table{}
	values.Set("iam:PassedToService", IoTService)
	return Ask{Action: passRole, Resource: roleARN, Values: values}
}
