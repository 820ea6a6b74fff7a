package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// proof is a claim and whether the registry bears it out.
type proof struct {
	Claim  string `json:"claim"`
	Holds  bool   `json:"holds"`
	Detail string `json:"detail,omitempty"` // what does not fit
}

// observed is what was read back, by whatever names the resources.
type observed struct {
	found, left      []fault // by the two audits
	status           string  // of the mitigation task
	succeeded        int64   // findings
	failed           int64
	certificates     map[string]string // status by id
	cas              map[string]string // likewise
	quarantined      []string          // things
	blank, unchanged []string          // policies by their default versions
	logging          string            // level and role

	refusedAtFirst, lost, refusedAgain, heard []string // things that connect
}

// prove reads the registry and compares it with what it should be.
func (d *demo) prove(ctx context.Context) error {
	d.screen.heading("Prove it: read the registry back, and ask the devices")
	if d.meddle != nil {
		if err := d.meddle(ctx, d.client); err != nil {
			return err
		}
	}
	o := observed{
		found: d.report.Audit.found, left: d.report.AuditAfter.found, status: d.report.Mitigation.Status,
		succeeded: d.report.Mitigation.Succeeded, failed: d.report.Mitigation.Failed,
	}
	for _, read := range []func(context.Context, *iot.Client) error{
		o.readCertificates, o.readCAs, o.readQuarantine, o.readPolicies, o.readLogging,
	} {
		if err := read(ctx, d.client); err != nil {
			return err
		}
	}
	if err := o.readDevices(ctx, &d.swarm); err != nil {
		return err
	}
	d.report.Proofs, d.report.Holds = judge(d.fleet, &o), true
	for _, p := range d.report.Proofs {
		d.report.Holds = d.report.Holds && p.Holds
		d.screen.proof(p)
	}
	return nil
}

// judge compares what was read back with the fleet that was registered.
func judge(f *fleet, o *observed) []proof {
	hit, kept := f.with(expired, weak), f.with(sound, expiring)
	acted := len(f.planted()) - len(f.remaining())
	expect := map[string]string{}
	for _, id := range certificates(hit) {
		expect[id] = string(types.CertificateStatusInactive)
	}
	for _, id := range certificates(kept) {
		expect[id] = string(types.CertificateStatusActive)
	}
	var good []string
	for _, p := range policies {
		if p.offends == "" {
			good = append(good, p.name)
		}
	}
	blanked := same("", offending(""), o.blank)
	if blanked.Holds {
		blanked = same("", good, o.unchanged)
	}
	blanked.Claim = fmt.Sprintf("%d policies grant nothing now, the other %d are as they were",
		len(offending("")), len(good))
	proofs := []proof{
		same(fmt.Sprintf("The audit found the %s faults that were planted, and nothing else", count(len(f.planted()))),
			f.planted(), o.found),
		mitigated(acted, o),
		states(fmt.Sprintf("%s certificates are INACTIVE, the other %s ACTIVE", count(len(hit)), count(len(kept))),
			expect, o.certificates),
		same(fmt.Sprintf("Their %s things are in the group %s, and no others", count(len(hit)), quarantine),
			things(hit), o.quarantined),
		blanked,
		states("The CA that soon expires is INACTIVE, the other ACTIVE",
			map[string]string{f.legacy.id: "INACTIVE", f.current.id: "ACTIVE"}, o.cas),
		same("Logging is on", []string{string(loggingLevel) + " " + loggingRole}, []string{o.logging}),
		same(fmt.Sprintf("The second audit finds the %s certificates to renew, and nothing else",
			count(len(f.remaining()))), f.remaining(), o.left),
	}
	return append(proofs, judgeDevices(f, o)...)
}

// judgeDevices compares what became of the devices that connect with what should
// have.
func judgeDevices(f *fleet, o *observed) []proof {
	var never, lose, keep []string
	for i := range f.devices {
		switch d := &f.devices[i]; {
		case !f.isLive(i):
		case d.condition == expired:
			never = append(never, d.thing)
		case d.keeps():
			keep = append(keep, d.thing)
		default:
			lose = append(lose, d.thing)
		}
	}
	dropped := same("", lose, o.lost)
	if dropped.Holds {
		dropped = same("", lose, o.refusedAgain)
	}
	dropped.Claim = fmt.Sprintf("%s connected devices lost their right: their connections ended, and they are refused now",
		count(len(lose)))
	return []proof{
		same(fmt.Sprintf("%s devices with expired certificates were never let in", count(len(never))),
			never, o.refusedAtFirst),
		dropped,
		same(fmt.Sprintf("The other %s are still connected, and heard", count(len(keep))), keep, o.heard),
	}
}

// mitigated judges the statistics of the task.
func mitigated(faults int, o *observed) proof {
	p := proof{Claim: fmt.Sprintf("The task mitigated the %s findings it was to, none failed", count(faults))}
	p.Holds = o.status == string(types.AuditMitigationActionsTaskStatusCompleted) &&
		o.failed == 0 && o.succeeded == int64(faults)
	if !p.Holds {
		p.Detail = fmt.Sprintf("the task is %s with %d findings mitigated and %d not", o.status, o.succeeded, o.failed)
	}
	return p
}

// same judges that two lists hold the same, in any order.
func same[T comparable](claim string, want, got []T) proof {
	missing, extra := without(want, got), without(got, want)
	p := proof{Claim: claim, Holds: len(missing)+len(extra) == 0 && len(got) == len(want)}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, fmt.Sprintf("%d missing, such as %v", len(missing), missing[0]))
	}
	if len(extra) > 0 {
		parts = append(parts, fmt.Sprintf("%d too many, such as %v", len(extra), extra[0]))
	}
	if !p.Holds && len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d instead of %d: some twice", len(got), len(want)))
	}
	p.Detail = strings.Join(parts, "; ")
	return p
}

// without returns what is in the first list and not in the second.
func without[T comparable](list, other []T) []T {
	in := make(map[T]bool, len(other))
	for _, v := range other {
		in[v] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return in[v] })
}

// states judges that resources have the states that they should have.
func states(claim string, want, got map[string]string) proof {
	return same(claim, pairs(want), pairs(got))
}

// pairs lists a map.
func pairs(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for id, state := range m {
		list = append(list, id+" "+state)
	}
	slices.Sort(list)
	return list
}

func (o *observed) readCertificates(ctx context.Context, client *iot.Client) error {
	o.certificates = map[string]string{}
	pages := iot.NewListCertificatesPaginator(client, &iot.ListCertificatesInput{PageSize: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.Certificates {
			o.certificates[aws.ToString(c.CertificateId)] = string(c.Status)
		}
	}
	return nil
}

func (o *observed) readCAs(ctx context.Context, client *iot.Client) error {
	o.cas = map[string]string{}
	pages := iot.NewListCACertificatesPaginator(client, &iot.ListCACertificatesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.Certificates {
			o.cas[aws.ToString(c.CertificateId)] = string(c.Status)
		}
	}
	return nil
}

func (o *observed) readQuarantine(ctx context.Context, client *iot.Client) error {
	pages := iot.NewListThingsInThingGroupPaginator(client, &iot.ListThingsInThingGroupInput{
		ThingGroupName: aws.String(quarantine), MaxResults: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		o.quarantined = append(o.quarantined, page.Things...)
	}
	return nil
}

// readPolicies reads which policies are blank, and which are as they were
// created.
func (o *observed) readPolicies(ctx context.Context, client *iot.Client) error {
	pages := iot.NewListPoliciesPaginator(client, &iot.ListPoliciesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range page.Policies {
			name := aws.ToString(p.PolicyName)
			out, err := client.GetPolicy(ctx, &iot.GetPolicyInput{PolicyName: &name})
			if err != nil {
				return err
			}
			text := aws.ToString(out.PolicyDocument)
			if created, err := document(name); err == nil && text == created {
				o.unchanged = append(o.unchanged, name)
			} else if grantsNothing(text) {
				o.blank = append(o.blank, name)
			}
		}
	}
	return nil
}

// grantsNothing reports whether a policy document has no statement.
func grantsNothing(text string) bool {
	var document struct{ Statement *[]json.RawMessage }
	err := json.Unmarshal([]byte(text), &document)
	return err == nil && document.Statement != nil && len(*document.Statement) == 0
}

func (o *observed) readLogging(ctx context.Context, client *iot.Client) error {
	out, err := client.GetV2LoggingOptions(ctx, &iot.GetV2LoggingOptionsInput{})
	switch {
	case errors.As(err, new(*types.NotConfiguredException)):
		o.logging = "not configured"
	case err != nil:
		return err
	case out.DisableAllLogs:
		o.logging = "switched off"
	default:
		o.logging = string(out.DefaultLogLevel) + " " + aws.ToString(out.RoleArn)
	}
	return nil
}
