package notify

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	// maxDisplayName is in characters. Source: SNS, CreateTopic.
	maxDisplayName = 100
	// MaxPolicy is how long the policy of a topic may be, in bytes. Source: SNS
	// quotas.
	MaxPolicy = 30 << 10
)

// Set sets an attribute of a topic by its name in the API. What Cordon does not
// honour is refused by an Invalid fault.
func (t *Topic) Set(name, value string) error {
	switch name {
	case "DisplayName":
		if utf8.RuneCountInString(value) > maxDisplayName || !isLine(value) {
			return invalid("DisplayName Reason: it is one line of at most %d characters", maxDisplayName)
		}
		t.Attributes.DisplayName = value
		return nil
	case "Policy":
		if value != "" {
			if err := checkPolicy(value); err != nil {
				return err
			}
		}
		t.Policy = value
		return nil
	case "FifoTopic":
		return only(name, value, "false")
	case "SignatureVersion":
		return only(name, value, "2")
	case "TracingConfig":
		return only(name, value, "PassThrough")
	}
	return unknownAttribute(name)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "Invalid parameter: "+format, args...)
}

// only refuses every value of an attribute but the one that Cordon has.
func only(name, value, have string) error {
	if value != have {
		return invalid("%s Reason: this Cordon has %s alone", name, have)
	}
	return nil
}

// unsupported are attributes of SNS that Cordon does not honour.
var unsupported = []string{
	"ArchivePolicy", "ContentBasedDeduplication", "DataProtectionPolicy", "DeliveryPolicy", "FifoThroughputScope",
	"KmsMasterKeyId", "RedrivePolicy", "ReplayPolicy", "SubscriptionRoleArn",
}

func unknownAttribute(name string) error {
	for _, known := range unsupported {
		if name == known || strings.HasSuffix(name, "FeedbackRoleArn") || strings.HasSuffix(name, "FeedbackSampleRate") {
			return invalid("%.64s Reason: the attribute is not supported by this Cordon", name)
		}
	}
	return invalid("AttributeName")
}

// isLine reports whether a text has no line breaks and control characters.
func isLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 })
}

// checkPolicy refuses a policy of a topic that cannot be evaluated, or that is
// about something other than topics.
func checkPolicy(document string) error {
	if len(document) > MaxPolicy {
		return invalid("Policy Reason: it is longer than %d bytes", MaxPolicy)
	}
	doc, err := policy.ParseResource(document)
	if f := fault.From(err); f != nil {
		return invalid("Policy Reason: %s", f.Text)
	}
	if err != nil {
		return err
	}
	for _, s := range doc.Statements {
		for _, action := range s.Actions {
			if service, _, _ := strings.Cut(action.String(), ":"); !strings.EqualFold(service, "sns") {
				return invalid("Policy statement action out of service scope!")
			}
		}
	}
	return nil
}

// EffectivePolicy is the policy of the topic, or the one that every topic
// begins with. That one is for services that act for the account: nobody who
// calls is permitted anything by it.
func (t *Topic) EffectivePolicy() string {
	if t.Policy != "" {
		return t.Policy
	}
	return `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID",` +
		`"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes",` +
		`"SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic",` +
		`"SNS:Publish"],"Resource":"` + t.ARN.String() + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` +
		t.ARN.Account + `"}}}]}`
}

// Values are the attributes of a topic by their names in the API, with how many
// subscriptions it has.
func (t *Topic) Values(confirmed, pending int64) map[string]string {
	return map[string]string{
		"TopicArn": t.ARN.String(), "Owner": t.ARN.Account, "DisplayName": t.Attributes.DisplayName,
		"Policy": t.EffectivePolicy(), "SignatureVersion": "2", "TracingConfig": "PassThrough",
		"SubscriptionsConfirmed": strconv.FormatInt(confirmed, 10),
		"SubscriptionsPending":   strconv.FormatInt(pending, 10),
		"SubscriptionsDeleted":   strconv.FormatInt(t.Ended, 10),
	}
}

// Set sets an attribute of a subscription by its name in the API. What Cordon
// does not honour is refused by an Invalid fault.
func (s *Settings) Set(name, value string) error {
	switch name {
	case "RawMessageDelivery":
		raw, err := boolean(name, value)
		s.Raw = raw
		return err
	case "FilterPolicy":
		if value == "" || value == "{}" {
			s.FilterPolicy = ""
			return nil
		}
		s.FilterPolicy = value
	case "FilterPolicyScope":
		if scope := FilterScope(value); scope != ByAttributes && scope != ByBody {
			return invalid("FilterPolicyScope Reason: %s or %s", ByAttributes, ByBody)
		}
		s.FilterScope = FilterScope(value)
	default:
		return unknownAttribute(name)
	}
	return nil
}

func boolean(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid("%s Reason: true or false", name)
}

// check refuses settings that do not fit each other.
func (s *Settings) check(p Protocol) error {
	if s.FilterPolicy != "" {
		if _, err := ParseFilter(s.FilterPolicy, s.FilterScope); err != nil {
			return err
		}
	}
	if s.Raw && p == Email {
		return invalid("RawMessageDelivery Reason: protocol %s has no raw delivery", p)
	}
	return nil
}

// Values are the attributes of a subscription by their names in the API.
func (u *Subscription) Values() map[string]string {
	list := map[string]string{
		"SubscriptionArn": u.ARN.String(), "TopicArn": u.ARN.Topic.String(), "Owner": u.ARN.Topic.Account,
		"Protocol": string(u.Protocol), "Endpoint": u.Endpoint,
		"PendingConfirmation":          strconv.FormatBool(u.State != Confirmed),
		"ConfirmationWasAuthenticated": strconv.FormatBool(u.Guarded),
		"RawMessageDelivery":           strconv.FormatBool(u.Settings.Raw),
	}
	if u.Settings.FilterPolicy != "" {
		list["FilterPolicy"], list["FilterPolicyScope"] = u.Settings.FilterPolicy, string(ByAttributes)
		if u.Settings.FilterScope != "" {
			list["FilterPolicyScope"] = string(u.Settings.FilterScope)
		}
	}
	return list
}
