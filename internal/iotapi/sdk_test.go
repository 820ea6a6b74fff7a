package iotapi_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/server"
)

// unset are the members that no call sets, and those that no answer has, with
// the reason. The name of a structure with a member stands for that member
// anywhere, and all below it; the name of an operation for one that succeeds in
// no call.
var unset = map[string]string{
	"DescribeEndpoint":       "there is no gateway, and each of its types is refused",
	"AttributePayload.merge": "it says how attributes change, and is nothing that is stored",

	"DescribeThingResponse.billingGroupName":                                          "there are no billing groups: CreateThing refuses one",
	"DescribeCACertificateResponse.registrationConfig":                                "there are no provisioning templates: they are refused",
	"MitigationActionParams.publishFindingToSnsParams":                                "findings are not delivered to topics: the action is refused",
	"DescribeAccountAuditConfigurationResponse.auditNotificationTargetConfigurations": "notifications are refused",

	"DescribeThingResponse.thingTypeName":               "there are no thing types: CreateThing refuses one",
	"ThingAttribute.thingTypeName":                      "there are no thing types: CreateThing refuses one",
	"DescribeThingGroupResponse.indexName":              "there are no dynamic groups",
	"DescribeThingGroupResponse.queryString":            "there are no dynamic groups",
	"DescribeThingGroupResponse.queryVersion":           "there are no dynamic groups",
	"DescribeThingGroupResponse.status":                 "there are no dynamic groups",
	"AddThingsToThingGroupParams.overrideDynamicGroups": "there are no dynamic groups, and it is refused",
	"DescribeAuditTaskResponse.scheduledAuditName":      "there are no scheduled audits",

	"ResourceIdentifier.clientId":                    "no check that is built judges clients",
	"ResourceIdentifier.cognitoIdentityPoolId":       "no check that is built judges identity pools",
	"ResourceIdentifier.iamRoleArn":                  "no check that is built judges roles",
	"ResourceIdentifier.roleAliasArn":                "no check that is built judges role aliases",
	"ResourceIdentifier.issuerCertificateIdentifier": "no check that is built judges issuers",
	"ResourceIdentifier.deviceCertificateArn":        "findings and suppressions name a certificate by its id",

	"AuditFinding.relatedResources":                                "no check that is built finds related resources",
	"ListRelatedResourcesForAuditFindingResponse.relatedResources": "no check that is built finds related resources",
	"ListRelatedResourcesForAuditFindingResponse.nextToken":        "no check that is built finds related resources",
	"ListRelatedResourcesForAuditFindingRequest.nextToken":         "no check that is built finds related resources",
	"AuditCheckDetails.errorCode":                                  "no check that is built has codes of its own",
	"TaskStatistics.failedChecks":                                  "no check that is built fails",
	"TaskStatistics.waitingForDataCollectionChecks":                "no check that is built waits for data",
}

// exception is the entry of unset for a member, or "".
func exception(m factMember) string {
	for _, rule := range sorted(unset) {
		if slices.Contains(m.owners, rule) {
			return rule
		}
	}
	return ""
}

// journeys are the calls of each resource, in a file of its own. Each is made
// in a region of its own, where it is alone.
var journeys = []func(*journey){
	(*journey).things,
	(*journey).groups,
	(*journey).principals,
	(*journey).tags,
	(*journey).certificates,
	(*journey).transfers,
	(*journey).authorities,
	(*journey).policies,
	(*journey).logging,
	(*journey).auditing,
	(*journey).findings,
	(*journey).suppressions,
	(*journey).actions,
	(*journey).mitigating,
}

func TestTheSDKSetsAndReadsEveryMember(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			audits, mitigations := cordontest.NewGate("audit"), cordontest.NewGate("mitigation")
			cordon := cordontest.Start(t, cordontest.Settings(t, database), server.Options{
				Hook: func(p durable.Point) { audits.Hook(p); mitigations.Hook(p) },
			})
			t.Cleanup(audits.Open)
			t.Cleanup(mitigations.Open)
			j := &journey{T: t, Cordon: cordon, facts: loadFacts(t), began: time.Now(), seen: map[string]bool{},
				audits: audits, mitigations: mitigations}
			for i, travel := range journeys {
				j.Scope = fleet.Scope{Account: cordontest.Account, Region: fmt.Sprintf("sdk-%d", i)}
				j.c = cordon.IoTIn(j.Region)
				travel(j)
			}
			j.arrive()
		})
	}
}

// arrive holds that every operation was called, with every member but those
// that are excepted.
func (j *journey) arrive() {
	used, count := map[string]bool{}, 0
	for _, op := range j.facts.served() {
		if !j.seen[op.name] {
			if used[op.name] = unset[op.name] != ""; !used[op.name] {
				j.Errorf("no call of %s", op.name)
			}
			continue
		}
		for _, m := range append(j.facts.members(op.Input, op.name+" >", nil),
			j.facts.members(op.Output, op.name+" <", nil)...) {
			count++
			if j.seen[m.path] {
				continue
			}
			if rule := exception(m); rule != "" {
				used[rule] = true
			} else {
				j.Errorf("no call with %s (%s)", m.path, m.owners[0])
			}
		}
	}
	for _, name := range sorted(unset) {
		if !used[name] {
			j.Errorf("%s is set by some call: it is no exception any more (%s)", name, unset[name])
		}
	}
	j.Logf("%d operations with %d members, set and compared but for %d exceptions", len(j.facts.served()), count,
		len(unset))
}
