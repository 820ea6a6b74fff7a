// Package quota is how many of a thing an account may have in a region, and how
// often it may call.
//
// A profile holds every such number. The limits that give a resource its shape,
// such as ten groups for a thing or five versions of a policy, are the same in
// all profiles and stand with the rules of package fleet.
package quota

import (
	"fmt"
	"time"
)

// Profile is one set of numbers. Every count is for one account in one region,
// those of identities for one account.
type Profile struct {
	Name  string
	Rates Rates

	ScheduledAudits    int
	RunningAudits      int // on demand, in progress
	Suppressions       int // of audit findings
	MitigationActions  int
	RunningMitigations int // tasks in progress
	DynamicGroups      int
	ChildGroups        int // direct children of one thing group
	RoleAliases        int
	IdentityPools      int
	LoggingLevels      int // of targets other than the default
	CAsPerSubject      int // CA certificates with one subject
	Topics             int
	Subscriptions      int // of one topic

	Users            int
	UserGroups       int
	Roles            int
	ManagedPolicies  int
	GroupsPerUser    int
	AttachedPolicies int // managed policies of one user, group or role
	TrustPolicySize  int // characters of the trust policy of a role, without white space

	// TypeDeletionWait is how long a thing type is deprecated before it can be
	// deleted. AWS asks for it because its caches do not know at once.
	TypeDeletionWait time.Duration
}

// AWS has the numbers of AWS. Sources: the quota pages of AWS IoT Device
// Defender, AWS IoT Core and Amazon Cognito in the AWS General Reference, and of
// IAM. AWS names none for suppressions, and one for the subscriptions of a topic
// that no node bears.
var AWS = &Profile{
	Name:               "aws",
	Rates:              awsRates,
	ScheduledAudits:    5,
	RunningAudits:      10,
	Suppressions:       1_000,
	MitigationActions:  100,
	RunningMitigations: 10,
	DynamicGroups:      100,
	ChildGroups:        100,
	RoleAliases:        100,
	IdentityPools:      1_000,
	LoggingLevels:      1_000,
	CAsPerSubject:      10,
	Topics:             100_000,
	Subscriptions:      1_000,
	Users:              5_000,
	UserGroups:         300,
	Roles:              1_000,
	ManagedPolicies:    1_500,
	GroupsPerUser:      10,
	AttachedPolicies:   10,
	TrustPolicySize:    2_048,
	TypeDeletionWait:   5 * time.Minute,
}

// Default has the numbers that Cordon bears: they keep a mistake from filling
// the database, and no fleet from being run.
var Default = &Profile{
	Name:               "default",
	Rates:              defaultRates,
	ScheduledAudits:    100,
	RunningAudits:      50,
	Suppressions:       100_000,
	MitigationActions:  1_000,
	RunningMitigations: 50,
	DynamicGroups:      1_000,
	ChildGroups:        10_000,
	RoleAliases:        10_000,
	IdentityPools:      10_000,
	LoggingLevels:      100_000,
	CAsPerSubject:      100,
	Topics:             100_000,
	Subscriptions:      1_000,
	Users:              50_000,
	UserGroups:         5_000,
	Roles:              50_000,
	ManagedPolicies:    50_000,
	GroupsPerUser:      10,
	AttachedPolicies:   20,
	TrustPolicySize:    4_096,
}

// Find returns the profile of a name.
func Find(name string) (*Profile, error) {
	for _, p := range []*Profile{AWS, Default} {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no quota profile %q", name)
}
