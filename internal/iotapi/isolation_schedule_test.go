package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// schedulePart is what scheduled audits and their notifications add to a world.
var schedulePart = part{
	furnish: func(t *testing.T, w *world) {
		w.make(t, &iot.UpdateAccountAuditConfigurationInput{
			AuditNotificationTargetConfigurations: map[string]types.AuditNotificationTarget{"SNS": {
				Enabled: true, TargetArn: new("arn:aws:sns:" + w.Region + ":" + w.Account + ":home-" + w.note),
				RoleArn: new("arn:aws:iam::" + w.Account + ":role/" + w.note),
			}},
		})
		for _, name := range []string{"home-daily", "home-weekly"} {
			w.make(t, &iot.CreateScheduledAuditInput{
				ScheduledAuditName: &name, Frequency: types.AuditFrequencyWeekly, DayOfWeek: types.DayOfWeekMon,
				TargetCheckNames: []string{checkExpiring}, Tags: []types.Tag{{Key: new("note"), Value: &w.note}},
			})
		}
	},
	reads: func(*world) []attempt {
		return []attempt{
			{&iot.DescribeScheduledAuditInput{ScheduledAuditName: new("home-daily")}, notFound, fine},
			{&iot.ListScheduledAuditsInput{}, fine, fine},
		}
	},
	writes: func(*world) []attempt {
		return []attempt{
			{&iot.UpdateScheduledAuditInput{
				ScheduledAuditName: new("home-daily"), Frequency: types.AuditFrequencyDaily,
			}, notFound, fine},
			{&iot.CreateScheduledAuditInput{
				ScheduledAuditName: new("home-new"), Frequency: types.AuditFrequencyDaily,
				TargetCheckNames: []string{checkExpiring},
			}, invalid, fine}, // a stranger has no checks enabled
			{&iot.DeleteScheduledAuditInput{ScheduledAuditName: new("home-daily")}, notFound, fine},
			{&iot.DeleteScheduledAuditInput{ScheduledAuditName: new("home-weekly")}, notFound, fine},
			{&iot.DeleteScheduledAuditInput{ScheduledAuditName: new("home-new")}, notFound, fine},
		}
	},
}
