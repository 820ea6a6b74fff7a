package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/notify"
)

var publishFindingToSNS = mitigation.Kind{
	Type:  audit.PublishFindingToSNS,
	Doc:   "Publishes the finding to a topic, once for each execution: the topic's subscriptions hear of it.",
	Needs: mitigation.NeedsFinding,
	Asks: func(_ fleet.Scope, p *mitigation.Params, _ *mitigation.Subject) []identity.Ask {
		return []identity.Ask{{Action: "sns:Publish", Resource: p.PublishFindingToSNS.TopicARN}}
	},
	Plan: func(p *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		topic := p.PublishFindingToSNS.TopicARN
		if s.TopicMissing {
			return nil, &mitigation.Failure{
				Code: mitigation.ResourceNotFound, Message: fmt.Sprintf("the topic %q does not exist", topic),
			}
		}
		return []fleet.Change{notify.Publish{Message: notify.Message{
			ID: s.Execution, TopicARN: topic, Body: s.Finding.PublishedMessage(), Created: s.Now,
		}}}, nil
	},
}
