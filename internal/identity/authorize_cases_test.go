package identity_test

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// authorization is one case: who, by which policies, asks for what. Its name is
// the reason of the verdict.
type authorization struct {
	name     string
	who      identity.Principal // alice, when there is none
	policies []statement        // of the user with its groups, or of the role
	raw      []string           // more of them, as they are written
	boundary []statement
	session  []statement // of a policy that bounds the session by ARN
	on       []statement // the policy of the resource
	tags     map[string]string
	action   string // iot:DescribeThing, when there is none
	resource string // the thing, when there is none
	keys     policy.Table
	call     *identity.Call
	want     string
}

func (c authorization) situation() situation {
	s := situation{who: c.who, tags: c.tags, call: fromOffice, policies: c.raw}
	if s.who.Kind == "" {
		s.who = alice
	}
	if len(c.policies) > 0 {
		s.policies = append(s.policies, document(c.policies...))
	}
	if c.boundary != nil {
		s.boundary = document(c.boundary...)
	}
	if c.session != nil {
		s.session = []string{document(c.session...)}
	}
	if len(c.on) > 0 {
		s.resource = document(c.on...)
	}
	if c.call != nil {
		s.call = *c.call
	}
	s.ask = identity.Ask{Action: c.action, Resource: c.resource}
	if c.action == "" {
		s.ask.Action = "iot:DescribeThing"
	}
	if c.resource == "" {
		s.ask.Resource = thingARN
	}
	if c.keys != nil {
		s.ask.Values = c.keys
	}
	return s
}

// What verdict says.
const (
	allowed        = ""
	noIdentity     = "no identity-based policy"
	noBoundary     = "no permissions boundary"
	noSession      = "no session policy"
	noResource     = "no resource-based policy"
	deniedIdentity = "deny: identity-based policy"
	deniedBoundary = "deny: permissions boundary"
	deniedSession  = "deny: session policy"
	deniedResource = "deny: resource-based policy"
)

var authorizations = slices.Concat(
	identityCases, matchingCases, boundaryCases, sessionCases, topicCases, trustCases, passRoleCases,
	conditionCases, variableCases, keyCases, tagCases,
)

// one is a list of one statement.
func one(s statement) []statement { return []statement{s} }

var everything = allow("*", "*")

var identityCases = []authorization{
	{name: "without policies nothing is allowed", want: noIdentity},
	{name: "an Allow allows", policies: one(allow("iot:DescribeThing", thingARN))},
	{name: "an Allow of something else does not", policies: one(allow("iot:UpdateThing", thingARN)), want: noIdentity},
	{name: "an Allow on something else does not",
		policies: one(allow("iot:DescribeThing", thingARN+"0")), want: noIdentity},
	{name: "a Deny beats every Allow, behind it",
		policies: []statement{everything, deny("iot:*", "*")}, want: deniedIdentity},
	{name: "a Deny beats every Allow, before it",
		policies: []statement{deny("iot:*", "*"), everything}, want: deniedIdentity},
	{name: "a Deny in another policy beats an Allow, as that of a group",
		policies: one(everything), raw: []string{document(deny("iot:Describe*", "*"))}, want: deniedIdentity},
	{name: "an Allow of a group is an Allow of the user", raw: []string{document(), document(everything)}},
	{name: "a Deny of something else is nobody's Deny", policies: []statement{everything, deny("iot:Update*", "*")}},
	{name: "a Deny on something else is nobody's Deny", policies: []statement{everything, deny("iot:*", thingARN+"?")}},
	{name: "a Deny alone allows nothing else", policies: one(deny("iot:Update*", "*")), want: noIdentity},
	{name: "a policy without statements grants nothing", raw: []string{document()}, want: noIdentity},
	{name: "root needs no policy in its account", who: root},
	{name: "where no policy of a resource could allow it, root is left to the operation, which finds nothing", who: root,
		resource: "arn:aws:iot:eu-west-1:" + other + ":thing/x"},
	{name: "root of an account without a policy of the far resource is refused", who: root,
		action: "sns:Publish", resource: farTopic, want: noResource},
	{name: "root is not bound by a permissions boundary", who: root, boundary: []statement{}},
	{name: "what AWS manages is of every account", policies: one(allow("iam:GetPolicy", "*")), action: "iam:GetPolicy",
		resource: "arn:aws:iam::aws:policy/AdministratorAccess"},
	{name: "an administrator may not reach into another account", policies: one(everything),
		resource: "arn:aws:iot:eu-west-1:" + other + ":thing/x", want: noResource},
	{name: "an account that is a wildcard in the request is no account of the caller's", policies: one(everything),
		resource: "arn:aws:iot:eu-west-1:*:thing/x", want: noResource},
	{name: "another region of the account is decided by the policies",
		policies: one(allow("iot:*", "arn:aws:iot:eu-west-1:*:*")),
		resource: "arn:aws:iot:us-east-1:" + home + ":thing/x", want: noIdentity},
	{name: "a principal of no kind has no rights", who: identity.Principal{Account: homeAccount, Kind: "Federated"},
		policies: one(everything), want: noIdentity},
	{name: "a session has the rights of its role", who: nightly, policies: one(allow("iot:Describe*", "*"))},
	{name: "a session without rights of its role has none", who: nightly, want: noIdentity},
}

var matchingCases = []authorization{
	{name: "actions have no case", policies: one(allow("IOT:describething", "*"))},
	{name: "a * in an action stands for any run", policies: one(allow("iot:De*Thing", "*"))},
	{name: "a * alone stands for every action", policies: one(allow("*", "*"))},
	{name: "*:* stands for every action", policies: one(allow("*:*", "*"))},
	{name: "a ? in an action stands for one character", policies: one(allow("iot:DescribeThin?", "*"))},
	{name: "a ? in an action stands for no fewer", policies: one(allow("iot:DescribeThing?", "*")), want: noIdentity},
	{name: "an action of another service is another action",
		policies: one(allow("iotdata:DescribeThing", "*")), want: noIdentity},
	{name: "an action is not matched by its beginning", policies: one(allow("iot:Describe", "*")), want: noIdentity},
	{name: "resources have case",
		policies: one(allow("iot:*", "arn:aws:iot:eu-west-1:"+home+":thing/PUMP-1")), want: noIdentity},
	{name: "a * in a name goes over slashes", policies: one(allow("iam:*", "arn:aws:iam::"+home+":user/*")),
		action: "iam:GetUser", resource: "arn:aws:iam::" + home + ":user/a/b/c"},
	{name: "a * in a name goes over colons", policies: one(allow("sns:*", "arn:aws:sns:eu-west-1:"+home+":al*")),
		action: "sns:Unsubscribe", resource: topicARN + ":0b2c"},
	{name: "a * before the name stays in its part", policies: one(allow("sns:*", "arn:aws:sns:*:alarms")),
		action: "sns:Publish", resource: topicARN, want: noIdentity},
	{name: "a * in the account stays in its part", policies: one(allow("iot:*", "arn:aws:iot:eu-west-1:*:thing/pump-1"))},
	{name: "a * as the last part stands for all behind it", policies: one(allow("iot:*", "arn:aws:iot:*"))},
	{name: "a path is a part of the name", policies: one(allow("iam:*", "arn:aws:iam::"+home+":role/auditor")),
		action: "iam:GetRole", resource: "arn:aws:iam::" + home + ":role/service-role/auditor", want: noIdentity},
	{name: "an identity pool is named with its region", policies: one(allow("cognito-identity:*",
		"arn:aws:cognito-identity:eu-west-1:"+home+":identitypool/eu-west-1:*")),
		action:   "cognito-identity:DescribeIdentityPool",
		resource: "arn:aws:cognito-identity:eu-west-1:" + home + ":identitypool/eu-west-1:0b2c"},
	{name: "an action without a resource is on everything", policies: one(allow("iot:ListThings", "*")),
		action: "iot:ListThings", resource: "*"},
	{name: "an action without a resource is not allowed on ARNs",
		policies: one(allow("iot:ListThings", "arn:aws:iot:*:*:*")),
		action:   "iot:ListThings", resource: "*", want: noIdentity},
	{name: "an action without a resource is denied by a Deny of all but some ARNs",
		action: "iot:ListThings", resource: "*",
		policies: []statement{everything, deny("iot:*", "*").with("NotResource", thingARN)}, want: deniedIdentity},
	{name: "NotAction allows the others", policies: one(allow("", "*").with("NotAction", "iot:UpdateThing"))},
	{name: "NotAction does not allow what it names",
		policies: one(allow("", "*").with("NotAction", []string{"s3:*", "iot:De*"})),
		want:     noIdentity},
	{name: "NotAction allows other services too",
		policies: one(allow("", "*").with("NotAction", "iam:*")), action: "sns:Publish",
		resource: topicARN},
	{name: "a Deny with NotAction spares what it names",
		policies: []statement{everything, deny("", "*").with("NotAction", "iot:Describe*")}},
	{name: "a Deny with NotAction denies the others",
		policies: []statement{everything, deny("", "*").with("NotAction", "iot:Update*")}, want: deniedIdentity},
	{name: "NotResource allows other resources",
		policies: one(allow("iot:*", "").with("NotResource", "arn:aws:iot:*:*:thing/valve*"))},
	{name: "NotResource does not allow what it names",
		policies: one(allow("iot:*", "").with("NotResource", "arn:aws:iot:*:*:thing/pump*")), want: noIdentity},
	{name: "a Deny with NotResource spares what it names",
		policies: []statement{everything, deny("iot:*", "").with("NotResource", []string{"arn:aws:iot:*:*:thing/pump*"})}},
	{name: "a Deny with NotResource denies the others", want: deniedIdentity,
		policies: []statement{everything, deny("iot:*", "").with("NotResource", "arn:aws:iot:*:*:thing/valve*")}},
	{name: "one statement of several is enough",
		policies: []statement{allow("iot:UpdateThing", "*"), allow("iot:DescribeThing", "*")}},
	{name: "action and resource must be of one statement", want: noIdentity,
		policies: []statement{allow("iot:UpdateThing", "*"), allow("iot:DescribeThing", thingARN+"x")}},
}

var boundaryCases = []authorization{
	{name: "a boundary alone grants nothing", boundary: one(everything), want: noIdentity},
	{name: "what policies and boundary allow is allowed", policies: one(everything), boundary: one(allow("iot:*", "*"))},
	{name: "what the boundary does not allow is not allowed",
		policies: one(everything), boundary: one(allow("sns:*", "*")),
		want: noBoundary},
	{name: "what the boundary denies is denied", policies: one(everything), want: deniedBoundary,
		boundary: []statement{everything, deny("iot:Describe*", "*")}},
	{name: "a boundary without statements allows nothing",
		policies: one(everything), boundary: []statement{}, want: noBoundary},
	{name: "a Deny of the policies comes before the boundary", want: deniedIdentity,
		policies: []statement{everything, deny("iot:*", "*")}, boundary: one(allow("sns:*", "*"))},
	{name: "a boundary bounds what groups grant", raw: []string{document(everything), document(allow("iot:*", "*"))},
		boundary: one(allow("iot:Update*", "*")), want: noBoundary},
	{name: "a boundary bounds a role",
		who: nightly, policies: one(everything), boundary: one(allow("sns:*", "*")), want: noBoundary},
	{name: "the boundary's condition must hold", policies: one(everything), want: noBoundary,
		boundary: one(everything.when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))},
	{name: "a boundary bounds what a topic grants to everybody", boundary: one(allow("iot:*", "*")),
		on: one(allow("sns:Publish", topicARN).to("AWS", "*")), action: "sns:Publish", resource: topicARN, want: noBoundary},
	{name: "a boundary bounds what a topic grants to the role", who: nightly, boundary: one(allow("iot:*", "*")),
		on: one(allow("sns:Publish", topicARN).to("AWS", roleARN)), action: "sns:Publish", resource: topicARN,
		want: noBoundary},
	{name: "a boundary does not bound what a topic grants to exactly this user", boundary: one(allow("iot:*", "*")),
		on: one(allow("sns:Publish", topicARN).to("AWS", aliceARN)), action: "sns:Publish", resource: topicARN},
	{name: "nor to exactly this session", who: nightly, boundary: one(allow("iot:*", "*")),
		on: one(allow("sns:Publish", topicARN).to("AWS", sessionARN)), action: "sns:Publish", resource: topicARN},
	{name: "but its Deny holds for a user that the topic names", boundary: one(deny("sns:*", "*")),
		on:     one(allow("sns:Publish", topicARN).to("AWS", aliceARN)),
		action: "sns:Publish", resource: topicARN, want: deniedBoundary},
}

var sessionCases = []authorization{
	{name: "a session policy alone grants nothing", who: bounded(nightly, document(everything)), want: noIdentity},
	{name: "a session may do what role and session policy allow", who: bounded(nightly, document(allow("iot:*", "*"))),
		policies: one(everything)},
	{name: "a session may not do what its policy does not allow", who: bounded(nightly, document(allow("sns:*", "*"))),
		policies: one(everything), want: noSession},
	{name: "a session may not do what its policy denies", policies: one(everything), want: deniedSession,
		who: bounded(nightly, document(everything, deny("iot:*", "*")))},
	{name: "a policy by ARN bounds a session", who: bounded(nightly, "", "arn:aws:iam::"+home+":policy/p"),
		session: one(allow("sns:*", "*")), policies: one(everything), want: noSession},
	{name: "a policy by ARN lets a session do what it allows", who: bounded(nightly, "", "arn:aws:iam::"+home+":policy/p"),
		session: one(allow("iot:*", "*")), policies: one(everything)},
	{name: "the session policies count together", policies: one(everything), session: one(allow("iot:*", "*")),
		who: bounded(nightly, document(allow("sns:*", "*")), "arn:aws:iam::"+home+":policy/p")},
	{name: "a Deny of one of them holds", policies: one(everything), session: one(deny("iot:*", "*")), want: deniedSession,
		who: bounded(nightly, document(everything), "arn:aws:iam::"+home+":policy/p")},
	{name: "a session policy whose ARN is of nothing allows nothing", policies: one(everything), want: noSession,
		who: bounded(nightly, "", "arn:aws:iam::"+home+":policy/gone")},
	{name: "the boundary bounds the session of the role too", who: bounded(nightly, document(everything)),
		policies: one(everything), boundary: one(allow("sns:*", "*")), want: noBoundary},
	{name: "boundary, role and session must all allow", who: bounded(nightly, document(allow("iot:D*", "*"))),
		policies: one(allow("iot:*", "*")), boundary: one(allow("iot:*Thing", "*"))},
	{name: "a Deny of the role holds in its session", who: bounded(nightly, document(everything)),
		policies: []statement{everything, deny("iot:Describe*", "*")}, want: deniedIdentity},
	{name: "a session policy bounds what a topic grants to the role", who: bounded(nightly, document(allow("iot:*", "*"))),
		on: one(allow("sns:Publish", topicARN).to("AWS", roleARN)), action: "sns:Publish", resource: topicARN,
		want: noSession},
	{name: "a session policy does not bound what a topic grants to exactly this session",
		who: bounded(nightly, document(allow("iot:*", "*"))),
		on:  one(allow("sns:Publish", topicARN).to("AWS", sessionARN)), action: "sns:Publish", resource: topicARN},
	{name: "but its Deny holds there", who: bounded(nightly, document(deny("sns:*", "*"))), want: deniedSession,
		on: one(allow("sns:Publish", topicARN).to("AWS", sessionARN)), action: "sns:Publish", resource: topicARN},
}

var topicCases = []authorization{
	{name: "a topic without a policy is used by the identity's policies", policies: one(allow("sns:Publish", topicARN)),
		action: "sns:Publish", resource: topicARN},
	{name: "within an account the topic's policy is enough, to the user by name",
		action: "sns:Publish", resource: topicARN,
		on: one(allow("sns:Publish", topicARN).to("AWS", aliceARN))},
	{name: "within an account the topic's policy is enough, to everybody", action: "sns:Publish", resource: topicARN,
		on: one(allow("sns:Publish", topicARN).to("AWS", "*"))},
	{name: "to the account leaves it to the account's policies",
		action: "sns:Publish", resource: topicARN, want: noIdentity,
		on: one(allow("sns:Publish", topicARN).to("AWS", home))},
	{name: "to the account's root is to the account", action: "sns:Publish", resource: topicARN, want: noIdentity,
		on: one(allow("sns:Publish", topicARN).to("AWS", "arn:aws:iam::"+home+":root"))},
	{name: "to the account, and the account's policies allow", policies: one(allow("sns:Publish", "*")),
		on: one(allow("sns:Publish", topicARN).to("AWS", home)), action: "sns:Publish", resource: topicARN},
	{name: "to a role is to its sessions", who: nightly, on: one(allow("sns:Publish", topicARN).to("AWS", roleARN)),
		action: "sns:Publish", resource: topicARN},
	{name: "to one session is not to another of its role", who: nightly, action: "sns:Publish", resource: topicARN,
		on: one(allow("sns:Publish", topicARN).to("AWS", sessionARN+"2")), want: noIdentity},
	{name: "to another user is not to this one", action: "sns:Publish", resource: topicARN, want: noIdentity,
		on: one(allow("sns:Publish", topicARN).to("AWS", "arn:aws:iam::"+home+":user/alice"))},
	{name: "to the id of a user is to this user", on: one(allow("sns:Publish", topicARN).to("AWS", alice.ID)),
		action: "sns:Publish", resource: topicARN},
	{name: "to a service is to no user", on: one(allow("sns:Publish", topicARN).to("Service", "iot.amazonaws.com")),
		action: "sns:Publish", resource: topicARN, want: noIdentity},
	{name: "to an identity provider is to no user", action: "sns:Publish", resource: topicARN, want: noIdentity,
		on: one(allow("sns:Publish", topicARN).to("Federated", "cognito-identity.amazonaws.com"))},
	{name: "a topic's Deny beats an administrator", policies: one(everything), action: "sns:Publish", resource: topicARN,
		on: one(deny("sns:*", topicARN).to("AWS", "*")), want: deniedResource},
	{name: "a topic's Deny to the account is to its users",
		policies: one(everything), action: "sns:Publish", resource: topicARN,
		on: one(deny("sns:*", topicARN).to("AWS", home)), want: deniedResource},
	{name: "a topic's Deny to another user is not to this one", policies: one(everything), action: "sns:Publish",
		resource: topicARN, on: one(deny("sns:*", topicARN).to("AWS", "arn:aws:iam::"+home+":user/bob"))},
	{name: "a topic's Deny to a role is to its sessions", who: nightly, policies: one(everything), action: "sns:Publish",
		resource: topicARN, on: one(deny("sns:*", topicARN).to("AWS", roleARN)), want: deniedResource},
	{name: "a Deny of the identity beats the topic's Allow", policies: one(deny("sns:*", "*")), action: "sns:Publish",
		resource: topicARN, on: one(allow("sns:Publish", topicARN).to("AWS", aliceARN)), want: deniedIdentity},
	{name: "a topic's Allow of something else is none", action: "sns:Publish", resource: topicARN, want: noIdentity,
		on: one(allow("sns:Subscribe", topicARN).to("AWS", aliceARN))},
	{name: "a topic's Allow under a condition that does not hold is none", action: "sns:Publish", resource: topicARN,
		on:   one(allow("sns:Publish", topicARN).to("AWS", "*").when("StringEquals", "AWS:SourceOwner", home)),
		want: noIdentity},
	{name: "a Deny with NotPrincipal spares whom it names in every way", policies: one(everything), action: "sns:Publish",
		resource: topicARN, on: one(deny("sns:*", topicARN).with("NotPrincipal", map[string]any{"AWS": []string{aliceARN,
			home}}))},
	{name: "a Deny with NotPrincipal denies whom it names by account alone",
		policies: one(everything), action: "sns:Publish",
		resource: topicARN, on: one(deny("sns:*", topicARN).with("NotPrincipal", map[string]any{"AWS": home})),
		want: deniedResource},
	{name: "a Deny with NotPrincipal spares a session with its role and account", who: nightly, policies: one(everything),
		action: "sns:Publish", resource: topicARN, on: one(deny("sns:*", topicARN).with("NotPrincipal",
			map[string]any{"AWS": []string{sessionARN, roleARN, home}}))},
	{name: "a Deny with NotPrincipal denies a session whose role alone it names", who: nightly, policies: one(everything),
		action: "sns:Publish", resource: topicARN, want: deniedResource,
		on: one(deny("sns:*", topicARN).with("NotPrincipal", map[string]any{"AWS": []string{roleARN, home}}))},
	{name: "across accounts the topic alone is not enough", action: "sns:Publish", resource: farTopic, want: noIdentity,
		on: one(allow("sns:Publish", farTopic).to("AWS", aliceARN))},
	{name: "across accounts the identity alone is not enough", action: "sns:Publish", resource: farTopic,
		policies: one(allow("sns:Publish", "*")), want: noResource},
	{name: "across accounts both are needed, and enough", policies: one(allow("sns:Publish", "*")), action: "sns:Publish",
		resource: farTopic, on: one(allow("sns:Publish", farTopic).to("AWS", aliceARN))},
	{name: "across accounts the topic may name the caller's account", policies: one(allow("sns:Publish", "*")),
		action: "sns:Publish", resource: farTopic, on: one(allow("sns:Publish", farTopic).to("AWS", home))},
	{name: "across accounts the topic's own account is not the caller's", policies: one(everything), action: "sns:Publish",
		resource: farTopic, on: one(allow("sns:Publish", farTopic).to("AWS", other)), want: noResource},
	{name: "across accounts the boundary counts, though the user is named",
		policies: one(everything), action: "sns:Publish",
		resource: farTopic, boundary: one(allow("iot:*", "*")), want: noBoundary,
		on: one(allow("sns:Publish", farTopic).to("AWS", aliceARN))},
	{name: "across accounts the session policy counts", who: bounded(nightly, document(allow("iot:*", "*"))),
		policies: one(everything), action: "sns:Publish", resource: farTopic, want: noSession,
		on: one(allow("sns:Publish", farTopic).to("AWS", sessionARN))},
	{name: "across accounts root needs the topic's policy", who: root, action: "sns:Publish", resource: farTopic,
		on: one(allow("sns:Publish", farTopic).to("AWS", home))},
	{name: "across accounts root obeys the topic's Deny", who: root, action: "sns:Publish", resource: farTopic,
		on: one(deny("sns:Publish", farTopic).to("AWS", "*")), want: deniedResource},
}

var trustCases = []authorization{
	{name: "a role that trusts the user by name is assumed without more", action: "sts:AssumeRole", resource: roleARN,
		on: one(assumed("AWS", aliceARN))},
	{name: "a role that trusts the account needs the user's own permission", action: "sts:AssumeRole", resource: roleARN,
		on: one(assumed("AWS", home)), want: noIdentity},
	{name: "a role that trusts the account is assumed by whom the account permits",
		action: "sts:AssumeRole", resource: roleARN,
		policies: one(allow("sts:AssumeRole", roleARN)), on: one(assumed("AWS", home))},
	{name: "a role that does not trust the user is not assumed, whatever its policies", action: "sts:AssumeRole",
		resource: roleARN, policies: one(everything), on: one(assumed("AWS", "arn:aws:iam::"+home+":user/bob")),
		want: noResource},
	{name: "a role that trusts a service is assumed by no user", action: "sts:AssumeRole", resource: roleARN,
		policies: one(everything), on: one(assumed("Service", "iot.amazonaws.com")), want: noResource},
	{name: "a role that there is not is not assumed", action: "sts:AssumeRole", resource: roleARN + "x",
		policies: one(everything), want: noResource},
	{name: "a role of another account needs both, and has one", action: "sts:AssumeRole", want: noIdentity,
		resource: "arn:aws:iam::" + other + ":role/r", on: one(assumed("AWS", aliceARN))},
	{name: "a role of another account needs both, and has the other", action: "sts:AssumeRole", want: noResource,
		resource: "arn:aws:iam::" + other + ":role/r", policies: one(everything), on: one(assumed("AWS", other))},
	{name: "a role of another account is assumed with both", action: "sts:AssumeRole", policies: one(everything),
		resource: "arn:aws:iam::" + other + ":role/r", on: one(assumed("AWS", home))},
	{name: "the external id must be the one of the trust policy", action: "sts:AssumeRole", policies: one(everything),
		resource: "arn:aws:iam::" + other + ":role/r", keys: policy.Table{"sts:externalid": {"wrong"}},
		on: one(assumed("AWS", home).when("StringEquals", "sts:ExternalId", "secret")), want: noResource},
	{name: "with the external id the role is assumed", action: "sts:AssumeRole", policies: one(everything),
		resource: "arn:aws:iam::" + other + ":role/r", keys: policy.Table{"sts:externalid": {"secret"}},
		on: one(assumed("AWS", home).when("StringEquals", "sts:ExternalId", "secret"))},
	{name: "without an external id the condition does not hold", action: "sts:AssumeRole", policies: one(everything),
		resource: "arn:aws:iam::" + other + ":role/r", want: noResource,
		on: one(assumed("AWS", home).when("StringEquals", "sts:ExternalId", "secret"))},
	{name: "a trust policy may deny",
		action: "sts:AssumeRole", resource: roleARN, policies: one(everything), want: deniedResource,
		on: []statement{assumed("AWS", aliceARN), assumed("AWS", home).with("Effect", "Deny")}},
	{name: "a session assumes the next role, when that trusts its role", who: nightly, action: "sts:AssumeRole",
		resource: roleARN + "2", on: one(assumed("AWS", roleARN))},
	{name: "tags in a session need their own trust", action: "sts:TagSession", resource: roleARN,
		policies: one(everything), on: one(assumed("AWS", aliceARN)), want: noResource},
	{name: "and their own trust is enough", action: "sts:TagSession", resource: roleARN,
		on: one(assumed("AWS", aliceARN).with("Action", []string{"sts:AssumeRole", "sts:TagSession"}))},
	{name: "a trust policy may ask for the name of the session", action: "sts:AssumeRole", resource: roleARN,
		keys: policy.Table{"sts:rolesessionname": {"mallory"}}, want: noIdentity,
		on: one(assumed("AWS", aliceARN).when("StringEquals", "sts:RoleSessionName", "${aws:username}"))},
}

// assumed is a statement of a trust policy.
func assumed(kind string, who ...string) statement {
	s := allow("sts:AssumeRole", "").to(kind, who...)
	delete(s, "Resource")
	return s
}

var passRoleCases = []authorization{
	{name: "a role is passed by iam:PassRole", policies: one(allow("iam:PassRole", roleARN)), action: "iam:PassRole",
		resource: roleARN, keys: toIoT},
	{name: "iot:* does not pass roles", policies: one(allow("iot:*", "*")), action: "iam:PassRole", resource: roleARN,
		keys: toIoT, want: noIdentity},
	{name: "another role is not passed", policies: one(allow("iam:PassRole", roleARN)), action: "iam:PassRole",
		resource: roleARN + "s", keys: toIoT, want: noIdentity},
	{name: "a role of another account is never passed", policies: one(everything), action: "iam:PassRole",
		resource: "arn:aws:iam::" + other + ":role/r", keys: toIoT, want: noResource},
	{name: "root passes a role of its account", who: root, action: "iam:PassRole", resource: roleARN, keys: toIoT},
	{name: "root does not pass a role of another account", who: root, action: "iam:PassRole", keys: toIoT,
		resource: "arn:aws:iam::" + other + ":role/r", want: noResource},
	{name: "a role is passed to the service that the policy names", action: "iam:PassRole", resource: roleARN, keys: toIoT,
		policies: one(allow("iam:PassRole", "*").when("StringEquals", "iam:PassedToService", "iot.amazonaws.com"))},
	{name: "a role is not passed to another service",
		action: "iam:PassRole", resource: roleARN, keys: toIoT, want: noIdentity,
		policies: one(allow("iam:PassRole", "*").when("StringEquals", "iam:PassedToService", "lambda.amazonaws.com"))},
	{name: "a role is passed by its path", policies: one(allow("iam:PassRole", "arn:aws:iam::*:role/service-role/*")),
		action: "iam:PassRole", resource: "arn:aws:iam::" + home + ":role/service-role/audit", keys: toIoT},
	{name: "a role is passed by its tags",
		policies: one(allow("iam:PassRole", "*").when("StringEquals", "iam:ResourceTag/use", "iot")),
		tags:     map[string]string{"use": "iot"}, action: "iam:PassRole", resource: roleARN, keys: toIoT},
	{name: "PassRole is bounded too",
		policies: one(everything), boundary: one(allow("iot:*", "*")), action: "iam:PassRole",
		resource: roleARN, keys: toIoT, want: noBoundary},
	{name: "attaching is bound to some policies", action: "iam:AttachRolePolicy", resource: roleARN, want: noIdentity,
		keys: policy.Table{"iam:policyarn": {"arn:aws:iam::aws:policy/AdministratorAccess"}},
		policies: one(allow("iam:AttachRolePolicy", "*").when("ArnLike", "iam:PolicyARN",
			"arn:aws:iam::aws:policy/service-role/*"))},
	{name: "creating is bound to a boundary", action: "iam:CreateUser", resource: aliceARN,
		keys: policy.Table{"iam:permissionsboundary": {"arn:aws:iam::" + home + ":policy/limit"}},
		policies: one(allow("iam:CreateUser", "*").when("StringEquals", "iam:PermissionsBoundary",
			"arn:aws:iam::"+home+":policy/limit"))},
	{name: "creating without that boundary is refused", action: "iam:CreateUser", resource: aliceARN, want: noIdentity,
		policies: one(allow("iam:CreateUser", "*").when("StringEquals", "iam:PermissionsBoundary",
			"arn:aws:iam::"+home+":policy/limit"))},
}

var toIoT = policy.Table{"iam:passedtoservice": {"iot.amazonaws.com"}}
