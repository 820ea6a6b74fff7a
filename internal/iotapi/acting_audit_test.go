package iotapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// The checks of an audit, one for every kind of thing that is looked at, by an
// action that it takes. Connections take none.
var askedFor = map[string]string{
	checkLogging: "iot:GetV2LoggingOptions", checkCAExpiring: "iot:DescribeCACertificate",
	checkExpiring: "iot:DescribeCertificate", checkBroad: "iot:GetPolicy",
	"AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK": "cognito-identity:GetIdentityPoolRoles",
	"IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK":             "iam:GenerateServiceLastAccessedDetails",
	checkConflicting:                                     "",
}

// auditAs runs an audit of all those checks as a role, and returns which of them
// it was refused, with the message.
func (s *stage) auditAs(t *testing.T, role string) (refused map[string]string, id string) {
	t.Helper()
	_, err := s.c.UpdateAccountAuditConfiguration(t.Context(), &iot.UpdateAccountAuditConfigurationInput{RoleArn: &role})
	if err != nil {
		t.Fatal(err)
	}
	id, task := cordontest.Audit(t, s.c, slices.Collect(maps.Keys(askedFor))...)
	refused = map[string]string{}
	for name, check := range task.AuditDetails {
		code := ""
		if check.ErrorCode != nil {
			code = *check.ErrorCode
		}
		failed := check.CheckRunStatus == types.AuditCheckRunStatusFailed
		if failed != (code == "INSUFFICIENT_PERMISSIONS") || failed && check.Message == nil {
			t.Errorf("%s: got %s, code %q, want a result or a refusal", name, check.CheckRunStatus, code)
		} else if failed {
			refused[name] = *check.Message
		}
	}
	want := types.AuditTaskStatusCompleted
	if len(refused) == len(askedFor) {
		want = types.AuditTaskStatusFailed
	}
	if task.TaskStatus != want {
		t.Errorf("got an audit that is %s, want %s", task.TaskStatus, want)
	}
	return refused, id
}

// TestAnAuditRunsAsItsRole audits as roles that may and may not.
func TestAnAuditRunsAsItsRole(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	cordontest.Enable(t, s.c, slices.Collect(maps.Keys(askedFor))...)
	_, err := s.c.UpdateAccountAuditConfiguration(t.Context(), &iot.UpdateAccountAuditConfigurationInput{
		AuditNotificationTargetConfigurations: map[string]types.AuditNotificationTarget{"SNS": {
			TargetArn: &s.topic, RoleArn: new(cordontest.RoleARN), Enabled: true,
		}},
	})
	expect(t, err, fine)
	needing := slices.DeleteFunc(slices.Sorted(maps.Keys(askedFor)), func(c string) bool { return askedFor[c] == "" })
	all := slices.Sorted(maps.Keys(askedFor))

	t.Run("with the policy of AWS", func(t *testing.T) {
		refused, _ := s.auditAs(t, cordontest.RoleARN)
		same(t, "refused", sorted(refused), nil)
	})
	for check, action := range askedFor {
		if action == "" {
			continue
		}
		t.Run("without "+action, func(t *testing.T) {
			name := "no-" + strings.ToLower(strings.ReplaceAll(action, ":", "-"))
			role := s.role(t, name, trustIoT, denying(action))
			s.attach(t, name, auditPolicy)
			refused, id := s.auditAs(t, role)
			same(t, "refused", sorted(refused), []string{check})
			want := "the role " + role + " is not authorized to perform: " + action + " on resource: "
			if got := refused[check]; !strings.HasPrefix(got, want) ||
				!strings.HasSuffix(got, " with an explicit deny in an identity-based policy") {
				t.Errorf("got %q, want it to begin with %q", got, want)
			}
			s.wantTold(t, id, check, refused[check])
		})
	}
	t.Run("without any", func(t *testing.T) {
		refused, _ := s.auditAs(t, s.role(t, "bare", trustIoT))
		same(t, "refused", sorted(refused), needing)
	})
	t.Run("without trust", func(t *testing.T) {
		role := s.role(t, "untrusting", trustOther, everything)
		refused, _ := s.auditAs(t, role)
		same(t, "refused", sorted(refused), all)
		for check, message := range refused {
			if want := "the role " + role + " does not trust iot.amazonaws.com"; message != want {
				t.Errorf("%s: got %q, want %q", check, message, want)
			}
		}
	})
	t.Run("trusted for mitigation actions alone", func(t *testing.T) {
		refused, _ := s.auditAs(t, s.role(t, "actor", trustActions, everything))
		same(t, "refused", sorted(refused), all)
	})
	t.Run("without the role", func(t *testing.T) {
		refused, _ := s.auditAs(t, cordontest.RoleARN+"2")
		same(t, "refused", sorted(refused), all)
	})
	t.Run("with a role that loses its policy after the first slice", func(t *testing.T) {
		role := s.role(t, "losing", trustIoT, everything)
		s.between.Store(&event{"audit", "after", func() { s.take(t, "losing") }})
		refused, _ := s.auditAs(t, role)
		same(t, "refused", sorted(refused), slices.DeleteFunc(slices.Clone(needing), func(check string) bool {
			return check == checkLogging // was done
		}))
	})
}

// wantTold holds that the topic is told of the check that was refused.
func (s *stage) wantTold(t *testing.T, audit, check, message string) {
	t.Helper()
	var body string
	if err := s.Store().SQLite().QueryRowContext(t.Context(), `SELECT body FROM topic_messages WHERE id = $1`,
		"audit/"+audit).Scan(&body); err != nil {
		t.Fatal(err)
	}
	var told struct {
		FailedChecksCount int
		AuditDetails      []struct{ CheckName, CheckRunStatus, ErrorCode, Message string }
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatal(err)
	}
	for _, d := range told.AuditDetails {
		if d.CheckName == check {
			if told.FailedChecksCount != 1 || d.CheckRunStatus != "FAILED" || d.ErrorCode != "INSUFFICIENT_PERMISSIONS" ||
				d.Message != message {
				t.Errorf("got %+v of %d that failed, want it to be told as it is", d, told.FailedChecksCount)
			}
			return
		}
	}
	t.Errorf("got %s, want it to tell of %s", body, check)
}
