package iotapi_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

type notificationTarget = types.AuditNotificationTarget

// notify patches the notification target.
func notify(t *testing.T, c *iot.Client, kind string, target notificationTarget) error {
	t.Helper()
	_, err := c.UpdateAccountAuditConfiguration(t.Context(), &iot.UpdateAccountAuditConfigurationInput{
		AuditNotificationTargetConfigurations: map[string]notificationTarget{kind: target},
	})
	return err
}

func TestNotificationTarget(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		topic, other := new("arn:aws:sns:us-east-1:000000000000:audits"), new("arn:aws:sns:eu-west-1:000000000000:o.fifo")
		role := new("arn:aws:iam::000000000000:role/service/Publisher")
		target := func() map[string]notificationTarget {
			return must[*iot.DescribeAccountAuditConfigurationOutput](t)(c.DescribeAccountAuditConfiguration(ctx,
				&iot.DescribeAccountAuditConfigurationInput{})).AuditNotificationTargetConfigurations
		}
		wantTarget := func(what, want string) {
			t.Helper()
			if got := words(t, target()); got != want {
				t.Errorf("%s: got %s, want %s", what, got, want)
			}
		}
		wantTarget("without a configuration", "null")
		expect(t, notify(t, c, "SNS", notificationTarget{TargetArn: topic, RoleArn: role, Enabled: true}), invalid)
		cordontest.Enable(t, c, checkLogging)
		wantTarget("with none set", "null")
		expect(t, notify(t, c, "SNS", notificationTarget{Enabled: true}), invalid)
		expect(t, notify(t, c, "SNS", notificationTarget{TargetArn: topic}), fine)
		wantTarget("half of it, off", words(t, map[string]notificationTarget{"SNS": {TargetArn: topic}}))
		expect(t, notify(t, c, "SNS", notificationTarget{Enabled: true}), invalid)
		expect(t, notify(t, c, "SNS", notificationTarget{RoleArn: role, Enabled: true}), fine)
		whole := words(t, map[string]notificationTarget{"SNS": {TargetArn: topic, RoleArn: role, Enabled: true}})
		wantTarget("the topic kept and the role added", whole)
		expect(t, configure(ctx, c, "", map[string]types.AuditCheckConfiguration{checkAge: enabled(nil)}), fine)
		wantTarget("after a call about something else", whole)
		expect(t, notify(t, c, "SNS", notificationTarget{TargetArn: other}), fine)
		wantTarget("switched off", words(t, map[string]notificationTarget{"SNS": {TargetArn: other, RoleArn: role}}))
	})
}

func TestNotificationTargetsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	cordontest.Enable(t, c, checkLogging)
	const topic, role = "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:iam::000000000000:role/R"
	for _, tt := range []struct{ name, kind, topic, role, text string }{
		{"another type", "SQS", topic, role, "auditNotificationTargetConfigurations"},
		{"a type in small letters", "sns", topic, role, "auditNotificationTargetConfigurations"},
		{"a topic of another account", "SNS", strings.Replace(topic, "000000000000", "999999999999", 1), role, "targetArn"},
		{"a queue", "SNS", strings.Replace(topic, "sns", "sqs", 1), role, "targetArn"},
		{"a word", "SNS", "topic", role, "targetArn"},
		{"a subscription", "SNS", topic + ":0b1c", role, "targetArn"},
		{"a topic without name", "SNS", topic[:len(topic)-1], role, "targetArn"},
		{"a topic without region", "SNS", strings.Replace(topic, "us-east-1", "", 1), role, "targetArn"},
		{"a topic with a dot", "SNS", topic + ".x", role, "targetArn"},
		{"a topic too long", "SNS", topic + strings.Repeat("x", 2048), role, "targetArn"},
		{"a user", "SNS", topic, "arn:aws:iam::000000000000:user/Somebody", "roleArn"},
		{"a role too short", "SNS", topic, "role/R", "roleArn"},
		{"a role without name", "SNS", topic, "arn:aws:iam::000000000000:role/", "roleArn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := notify(t, c, tt.kind, notificationTarget{TargetArn: &tt.topic, RoleArn: &tt.role, Enabled: true})
			expect(t, err, invalid)
			saying(t, err, tt.text)
		})
	}
}
