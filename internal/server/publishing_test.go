package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
)

// oneRole is the policies of an account with one role and one topic.
type oneRole struct{ trust, policy, topic string }

func (r oneRole) Grants(_ context.Context, _ durable.Tx, of identity.Grantee) (*identity.Grants, error) {
	if of.Account != "111111111111" || !strings.HasSuffix(of.ARN, "role/tells") {
		return nil, nil
	}
	return &identity.Grants{
		Role:     &identity.Role{Account: of.Account, ID: "AROA1", Name: "tells", Path: "/", Trust: r.trust},
		Policies: []identity.GrantedPolicy{{Name: "p", Document: r.policy}},
	}, nil
}

func (r oneRole) ResourcePolicy(context.Context, durable.Tx, string) (string, error) {
	return r.topic, nil
}

func (r oneRole) ResourceTags(context.Context, durable.Tx, string) (map[string]string, error) {
	return nil, nil
}

func TestTheRoleOfNotificationsIsJudged(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:111111111111:audits"
	trust := func(service, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":%q},`+
			`"Action":"sts:AssumeRole"%s}}`, service, condition)
	}
	statement := func(effect, action, resource, who string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q%s,"Action":%q,"Resource":%q}}`,
			effect, who, action, resource)
	}
	iot := trust("iot.amazonaws.com", "")
	allowed := statement("Allow", "sns:Publish", topic, "")
	for _, tt := range []struct {
		name, role string
		oneRole
		want string // what the reason says, "" for none
	}{
		{"a role that is trusting and permitted publishes", "tells", oneRole{iot, allowed, ""}, ""},
		{"a role that is not there does not", "gone", oneRole{iot, allowed, ""}, "does not exist"},
		{"a role of another service does not", "tells", oneRole{trust("lambda.amazonaws.com", ""), allowed, ""}, "trust"},
		{"a role for this account alone does", "tells", oneRole{trust("iot.amazonaws.com",
			`,"Condition":{"StringEquals":{"aws:SourceAccount":"111111111111"},`+
				`"ArnLike":{"aws:SourceArn":"arn:aws:iot:eu-west-1:111111111111:*"}}`), allowed, ""}, ""},
		{"a role for this audit alone does", "tells", oneRole{trust("iot.amazonaws.com",
			`,"Condition":{"StringEquals":{"aws:SourceArn":"arn:aws:iot:eu-west-1:111111111111:audittask/a1"}}`),
			allowed, ""}, ""},
		{"a role for another account alone does not", "tells", oneRole{trust("iot.amazonaws.com",
			`,"Condition":{"StringEquals":{"aws:SourceAccount":"222222222222"}}`), allowed, ""}, "trust"},
		{"a role for another action does not", "tells",
			oneRole{iot, statement("Allow", "sns:Subscribe", topic, ""), ""}, "sns:Publish"},
		{"a role for another topic does not", "tells",
			oneRole{iot, statement("Allow", "sns:Publish", topic+"2", ""), ""}, "sns:Publish"},
		{"a role that is denied does not", "tells", oneRole{iot, statement("Deny", "sns:*", "*", ""), ""}, "sns:Publish"},
		{"a role that the topic denies does not", "tells", oneRole{iot, allowed,
			statement("Deny", "sns:Publish", topic, `,"Principal":"*"`)}, "sns:Publish"},
		{"a role that the topic permits does", "tells", oneRole{iot, statement("Allow", "iot:*", "*", ""),
			statement("Allow", "sns:Publish", topic, `,"Principal":{"AWS":"arn:aws:iam::111111111111:role/tells"}`)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := publishers{&identity.Service{Policies: tt.oneRole, Now: time.Now}}
			got, err := p.MayPublish(t.Context(), &notify.Message{
				Scope: fleet.Scope{Account: "111111111111", Region: "eu-west-1"}, ID: "audit/a1", TopicARN: topic,
				RoleARN: "arn:aws:iam::111111111111:role/" + tt.role,
			})
			if err != nil || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, %v, want a reason with %q", got, err, tt.want)
			}
		})
	}
}
