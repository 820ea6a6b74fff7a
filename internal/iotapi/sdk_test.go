package iotapi_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/server"
)

// unset are the members that no call sets, and those that no answer has, by the
// reason. The name of a structure with a member stands for that member anywhere
// and all below it; the name of an operation for one that succeeds in no call.
var unset = map[string][]string{
	"it says how attributes change, and is nothing that is stored": {"AttributePayload.merge"},
	"there are no billing groups, and CreateThing refuses one":     {"DescribeThingResponse.billingGroupName"},
	"there are no provisioning templates, and they are refused":    {"DescribeCACertificateResponse.registrationConfig"},
	"no role is judged on the journey: TestTheRolesOfPoolsAndRoleAliasesAreAudited has them": {
		"ResourceIdentifier.cognitoIdentityPoolId", "ResourceIdentifier.iamRoleArn", "ResourceIdentifier.roleAliasArn",
	},
	"no device connects on the journey: TestAuditsOfConnections and TestTheIndexKnowsWhoIsConnected have them": {
		"ResourceIdentifier.clientId", "AuditFinding.relatedResources", "RelatedResource.resourceIdentifier",
		"RelatedResource.additionalInfo", "ThingConnectivity.connected", "ThingConnectivity.timestamp",
		"ThingConnectivity.disconnectReason",
	},
	"findings and suppressions name a certificate by its id": {"ResourceIdentifier.deviceCertificateArn"},
	"no check that is built fails with a code":               {"AuditCheckDetails.errorCode"},
	"there are no shadows, and no violations are detected": {
		"ThingDocument.shadow", "ThingDocument.deviceDefender", "ThingIndexingConfiguration.filter",
	},
	"there are no aggregation queries, which they are for": {
		"ThingIndexingConfiguration.customFields", "ThingGroupIndexingConfiguration.customFields",
	},
}

// exception is the entry of unset that is one of these names, or "".
func exception(names ...string) string {
	for _, rules := range unset {
		for _, rule := range rules {
			if slices.Contains(names, rule) {
				return rule
			}
		}
	}
	return ""
}

// journeys are the calls of each resource, in a file of its own. Each is made
// in a region of its own, where it is alone.
var journeys = []func(*journey){
	(*journey).auditing,
	(*journey).schedules,
	(*journey).things,
	(*journey).types,
	(*journey).groups,
	(*journey).indexes,
	(*journey).principals,
	(*journey).tags,
	(*journey).certificates,
	(*journey).transfers,
	(*journey).authorities,
	(*journey).policies,
	(*journey).authorization,
	(*journey).logging,
	(*journey).roleAliases,
	(*journey).endpoints,
	(*journey).findings,
	(*journey).suppressions,
	(*journey).revocations,
	(*journey).actions,
	(*journey).mitigating,
}

func TestTheSDKSetsAndReadsEveryMember(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			j := depart(t, database)
			for i, travel := range journeys {
				j.Scope = fleet.Scope{Account: cordontest.Account, Region: fmt.Sprintf("sdk-%d", i)}
				j.c = j.IoTIn(j.Region)
				travel(j)
			}
			j.arrive()
		})
	}
}

// depart begins a journey with a server whose tasks are held by gates.
func depart(t *testing.T, database string) *journey {
	t.Helper()
	j := &journey{
		T: t, facts: loadFacts(t), began: time.Now(), seen: map[string]bool{},
		audits: cordontest.NewGate("audit"), mitigations: cordontest.NewGate("mitigation"),
	}
	cfg := callable(t, database)
	cfg.AuditTimeOfDay = j.began.Add(untilSchedules).UTC().Format("15:04")
	quotas := *quota.AWS
	quotas.Rates, quotas.TypeDeletionWait = quota.Rates{}, 0
	j.Cordon = cordontest.Start(t, cfg, server.Options{
		Quotas: &quotas,
		Hook:   func(p durable.Point) { j.audits.Hook(p); j.mitigations.Hook(p) },
		Now:    func() time.Time { return time.Now().Add(time.Duration(j.ahead.Load())) },
	})
	t.Cleanup(j.audits.Open)
	t.Cleanup(j.mitigations.Open)
	return j
}

// arrive holds that every operation was called, with every member but those
// that are excepted.
func (j *journey) arrive() {
	used, count := map[string]bool{}, 0
	for _, op := range j.facts.Served() {
		if !j.seen[op.Name] {
			if used[op.Name] = exception(op.Name) != ""; !used[op.Name] {
				j.Errorf("no call of %s", op.Name)
			}
			continue
		}
		for _, m := range append(membersBelow(j.facts, op.Input, op.Name+" >", nil),
			membersBelow(j.facts, op.Output, op.Name+" <", nil)...) {
			count++
			if j.seen[m.path] {
				continue
			}
			if rule := exception(m.owners...); rule != "" {
				used[rule] = true
			} else {
				j.Errorf("no call with %s (%s)", m.path, m.owners[0])
			}
		}
	}
	exceptions := 0
	for _, reason := range sorted(unset) {
		for _, rule := range unset[reason] {
			if exceptions++; !used[rule] {
				j.Errorf("%s is set by some call, and is no exception any more (%s)", rule, reason)
			}
		}
	}
	j.Logf("%d operations with %d members, set and compared but for %d exceptions", len(j.facts.Served()), count,
		exceptions)
}
