package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
)

// publishers judges the roles under which audits tell topics of their ends, as
// the roles of audits and mitigation actions are judged.
type publishers struct{ roles identity.Roles }

// MayPublish says why the role of a message may not publish it, or "". What the
// role is taken on for is the audit that the message is about.
func (p publishers) MayPublish(ctx context.Context, m *notify.Message) (string, error) {
	role, err := p.roles.Act(ctx, nil, identity.RoleFor{
		Account: m.Scope.Account, Region: m.Scope.Region, ARN: m.RoleARN,
		Source: m.Scope.ARN("audittask", strings.TrimPrefix(m.ID, audit.MessagePrefix)),
	})
	if err != nil {
		return "", fmt.Errorf("read role of notifications: %w", err)
	}
	return role.Refusal([]identity.Ask{{Action: "sns:Publish", Resource: m.TopicARN}})
}
