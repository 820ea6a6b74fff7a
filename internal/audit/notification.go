package audit

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// NotifySNS is the one type of notification target that there is: a topic.
const NotifySNS = "SNS"

// NotificationTarget is a topic that hears when an audit ends, and the role
// under which it is written to.
type NotificationTarget struct {
	TopicARN string `json:"topicArn,omitempty"`
	RoleARN  string `json:"roleArn,omitempty"`
	Enabled  bool   `json:"enabled"`
}

// apply returns the target with a change: texts that are not given stay.
func (t NotificationTarget) apply(change NotificationTarget) NotificationTarget {
	t.Enabled = change.Enabled
	if change.TopicARN != "" {
		t.TopicARN = change.TopicARN
	}
	if change.RoleARN != "" {
		t.RoleARN = change.RoleARN
	}
	return t
}

var (
	// topicName is a name of the SNS API, CreateTopic.
	topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	// rolePath is a path and name of the IAM API, CreateRole.
	rolePath = regexp.MustCompile(`^role/([!-~]{1,510}/)?[A-Za-z0-9_+=,.@-]{1,64}$`)
)

// validate refuses, by an Invalid fault that names the member, what is not
// enabled whole or does not belong to the account. The topic may be in any
// region.
func (t NotificationTarget) validate(kind string, scope fleet.Scope) error {
	if kind != NotifySNS {
		return fault.New(fault.Invalid, "auditNotificationTargetConfigurations takes the key %s alone", NotifySNS)
	}
	const member = "auditNotificationTargetConfigurations.SNS"
	if arn := strings.SplitN(t.TopicARN, ":", 6); t.TopicARN != "" {
		if len(arn) != 6 || arn[0] != "arn" || arn[1] != "aws" || arn[2] != "sns" || arn[3] == "" ||
			!topicName.MatchString(strings.TrimSuffix(arn[5], ".fifo")) {
			return fault.New(fault.Invalid, "%s.targetArn is not the ARN of an SNS topic", member)
		}
		if arn[4] != scope.Account {
			return fault.New(fault.Invalid, "%s.targetArn is not a topic of this account", member)
		}
	}
	if arn := strings.SplitN(t.RoleARN, ":", 6); t.RoleARN != "" {
		if len(arn) != 6 || arn[0] != "arn" || arn[1] != "aws" || arn[2] != "iam" || arn[3] != "" ||
			!rolePath.MatchString(arn[5]) {
			return fault.New(fault.Invalid, "%s.roleArn is not the ARN of a role", member)
		}
		if arn[4] != scope.Account {
			return fault.New(fault.Invalid, "%s.roleArn is not a role of this account", member)
		}
	}
	return nil
}

// complete refuses a target that is switched on and lacks something.
func (t NotificationTarget) complete() error {
	if t.Enabled && (t.TopicARN == "" || t.RoleARN == "") {
		return fault.New(fault.Invalid,
			"auditNotificationTargetConfigurations.SNS needs targetArn and roleArn to be enabled")
	}
	return nil
}

// completed is the message about an audit that has ended. Source: the schema
// arn:aws:iot:::schema:auditnotification/1.0 of the developer guide; times are
// milliseconds since the epoch.
type completed struct {
	AccountID          string           `json:"accountId"`
	TaskID             string           `json:"taskId"`
	TaskStatus         TaskStatus       `json:"taskStatus"`
	TaskType           TaskType         `json:"taskType"`
	ScheduledAuditName string           `json:"scheduledAuditName,omitempty"`
	Failed             int              `json:"failedChecksCount"`
	Canceled           int              `json:"canceledChecksCount"`
	NonCompliant       int              `json:"nonCompliantChecksCount"`
	Compliant          int              `json:"compliantChecksCount"`
	Total              int              `json:"totalChecksCount"`
	TaskStartTime      int64            `json:"taskStartTime"`
	AuditDetails       []completedCheck `json:"auditDetails"`
}

// completedCheck is one check in the message. The name of the suppressed
// resources' member is not published; it is that of DescribeAuditTask.
type completedCheck struct {
	CheckName    string      `json:"checkName"`
	Status       CheckStatus `json:"checkRunStatus"`
	NonCompliant int64       `json:"nonCompliantResourcesCount"`
	Total        int64       `json:"totalResourcesCount"`
	Suppressed   int64       `json:"suppressedNonCompliantResourcesCount"`
	Message      string      `json:"message,omitempty"`
	ErrorCode    string      `json:"errorCode,omitempty"`
}

// MessagePrefix begins the id of a message about an audit that has ended; the
// id of the audit ends it.
const MessagePrefix = "audit/"

// CompletedMessage is what the account's topic hears of an audit that has
// ended: one JSON object.
func (t *Task) CompletedMessage() string {
	m := completed{
		AccountID: t.Scope.Account, TaskID: t.ID, TaskStatus: t.Status, TaskType: t.Type,
		ScheduledAuditName: t.ScheduledName, Total: len(t.Checks), TaskStartTime: t.Started.UnixMilli(),
		AuditDetails: []completedCheck{},
	}
	counts := map[CheckStatus]*int{
		CheckFailed: &m.Failed, CheckCanceled: &m.Canceled,
		CheckNonCompliant: &m.NonCompliant, CheckCompliant: &m.Compliant,
	}
	for _, name := range t.Checks {
		state := t.States[name]
		if n := counts[state.Status]; n != nil {
			*n++
		}
		m.AuditDetails = append(m.AuditDetails, completedCheck{
			CheckName: name, Status: state.Status, NonCompliant: state.NonCompliant, Total: state.Total,
			Suppressed: state.Suppressed, Message: state.Message, ErrorCode: state.ErrorCode,
		})
	}
	return encoded(m)
}

// encoded is a message as it is sent: one JSON object.
func encoded(message any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(message); err != nil {
		panic(err) // values of our own types, which always marshal
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// published is the message about one finding. Times are milliseconds since the
// epoch. Source: messages of PUBLISH_FINDING_TO_SNS; the members are those of
// AuditFinding in the AWS IoT API.
type published struct {
	FindingID     string              `json:"findingId"`
	FindingTime   int64               `json:"findingTime"`
	Severity      Severity            `json:"severity,omitempty"`
	TaskStartTime int64               `json:"taskStartTime"`
	Resource      publishedResource   `json:"nonCompliantResource"`
	Related       []publishedResource `json:"relatedResources,omitempty"`
	TaskID        string              `json:"taskId"`
	Check         string              `json:"checkName"`
	ReasonCode    string              `json:"reasonForNonComplianceCode,omitempty"`
	Reason        string              `json:"reasonForNonCompliance,omitempty"`
	Suppressed    bool                `json:"isSuppressed,omitempty"`
}

type publishedResource struct {
	Type       ResourceType      `json:"resourceType"`
	Identifier map[string]any    `json:"resourceIdentifier"`
	Info       map[string]string `json:"additionalInfo,omitempty"`
}

// PublishedMessage is what a topic hears of a finding: one JSON object.
func (f *Finding) PublishedMessage() string {
	m := published{
		FindingID: f.ID, FindingTime: f.Found.UnixMilli(), Severity: f.Severity, TaskStartTime: f.TaskStarted.UnixMilli(),
		Resource: f.Resource.published(), TaskID: f.TaskID, Check: f.Check, ReasonCode: f.ReasonCode, Reason: f.Reason,
		Suppressed: f.Suppressed,
	}
	for _, r := range f.Related {
		m.Related = append(m.Related, r.published())
	}
	return encoded(m)
}

func (r Resource) published() publishedResource {
	return publishedResource{Type: r.Type, Identifier: r.identifier(), Info: r.Info}
}

// identifier is the ResourceIdentifier of the AWS IoT API: one member, by the
// type.
func (r Resource) identifier() map[string]any {
	switch r.Type {
	case IoTPolicy:
		name, version := SplitPolicyKey(r.Key)
		return map[string]any{"policyVersionIdentifier": map[string]string{
			"policyName": name, "policyVersionId": version,
		}}
	case IssuerCertificate:
		id, serial, subject := SplitIssuerKey(r.Key)
		members := map[string]string{
			"issuerId": id, "issuerCertificateSerialNumber": serial, "issuerCertificateSubject": subject,
		}
		maps.DeleteFunc(members, func(_, text string) bool { return text == "" })
		return map[string]any{"issuerCertificateIdentifier": members}
	}
	return map[string]any{identifierMembers[r.Type]: r.Key}
}

// identifierMembers are those that hold one text.
var identifierMembers = map[ResourceType]string{
	DeviceCertificate: "deviceCertificateId", CACertificate: "caCertificateId", AccountSettings: "account",
	ClientID: "clientId", CognitoIdentityPool: "cognitoIdentityPoolId", RoleAlias: "roleAliasArn", IAMRole: "iamRoleArn",
}
