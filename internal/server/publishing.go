package server

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// publishers judges the roles under which audits tell topics of their ends: a
// role must exist, trust AWS IoT, and may publish to the topic by its policies,
// or the topic's.
type publishers struct{ identity *identity.Service }

// iotService is who takes the roles.
const iotService = "iot.amazonaws.com"

// MayPublish says why a role of an account may not publish to a topic, or "".
func (p publishers) MayPublish(ctx context.Context, scope fleet.Scope, roleARN, topicARN string) (string, error) {
	role, err := p.identity.Role(ctx, nil, scope.Account, roleARN)
	if err != nil {
		return "", fmt.Errorf("read role of notifications: %w", err)
	}
	if role == nil {
		return fmt.Sprintf("the role %s does not exist", roleARN), nil
	}
	source := policy.Table{}
	source.Set("aws:SourceAccount", scope.Account)
	source.Set("aws:SourceArn", fmt.Sprintf("arn:aws:iot:%s:%s:*", scope.Region, scope.Account))
	if !role.Trusts(iotService, source) {
		return fmt.Sprintf("the role %s does not trust %s", roleARN, iotService), nil
	}
	document, err := p.identity.Policies.ResourcePolicy(ctx, topicARN)
	if err != nil {
		return "", fmt.Errorf("read policy of topic: %w", err)
	}
	q := policy.Request{Action: "sns:Publish", Resource: topicARN, Values: policy.Table{}}
	if role.DecideOn(q, document) != policy.Allowed {
		return fmt.Sprintf("the role %s is not permitted sns:Publish on %s", roleARN, topicARN), nil
	}
	return "", nil
}
