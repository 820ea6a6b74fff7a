package quota

import "strings"

// Rates is how many calls a second an account may make in a region: a number
// for each operation.
type Rates struct {
	Operations map[string]float64
	Other      float64 // for an operation without a number of its own
}

// Of returns the calls a second of an operation. 0 is no limit.
func (r Rates) Of(operation string) float64 {
	if n, ok := r.Operations[operation]; ok {
		return n
	}
	return r.Other
}

// awsRates are those of the AWS General Reference (Device Defender) and of the
// AWS IoT Developer Guide (registry). An operation without a published number
// has ten, which is the number of most.
var awsRates = Rates{Other: 10, Operations: rates(map[float64]string{
	5: `CreateScheduledAudit UpdateScheduledAudit DeleteScheduledAudit DescribeScheduledAudit ListScheduledAudits
		UpdateAccountAuditConfiguration DescribeAccountAuditConfiguration DeleteAccountAuditConfiguration
		CreateDynamicThingGroup`,
	15: `AttachPolicy DetachPolicy AttachThingPrincipal DetachThingPrincipal GetPolicyVersion CreateThing DeleteThing
		RemoveThingFromThingGroup UpdateThingGroup`,
	25: `DescribeAuditTask DescribeAuditFinding DescribeAuditMitigationActionsTask DescribeMitigationAction
		CreateThingGroup ListThingsInThingGroup`,
	60:  `AddThingToThingGroup`,
	100: `DescribeThingGroup`,
	350: `DescribeThing`,
})}

// defaultRates keep one account from taking a machine for itself. What costs
// much, the making of a key, a search or the start of a task, has less.
var defaultRates = Rates{Other: 50_000, Operations: rates(map[float64]string{
	100: `CreateKeysAndCertificate`,
	200: `StartOnDemandAuditTask StartAuditMitigationActionsTask TestAuthorization`,
	500: `SearchIndex CreateDynamicThingGroup UpdateDynamicThingGroup`,
})}

// rates turns lists of operations by rate into a table by operation.
func rates(by map[float64]string) map[string]float64 {
	out := map[string]float64{}
	for rate, list := range by {
		for operation := range strings.FieldsSeq(list) {
			out[operation] = rate
		}
	}
	return out
}
