package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/bench/swarm"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

const (
	// kickGoal is how long a change may take until the last of the connections that
	// it ends has ended, and singleGoal the same for one, 99 times of 100.
	kickGoal   = 500.0
	singleGoal = 50.0
	// kickPatience is how long is waited for that.
	kickPatience = time.Minute
	// singleKicks is how many are deactivated one by one, while the devices publish
	// loadRate messages a second.
	singleKicks = 100
	loadRate    = 500
	// permissive finds policies that allow everything.
	permissive = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
	roleARN    = "arn:aws:iam::000000000000:role/Bench"
)

// connectOthers connects a device for every certificate: those who must not lose
// their connection by what happens to others.
func (g *gatewayRig) connectOthers(ctx context.Context) (err error) {
	g.others, _, err = swarm.ConnectAll(ctx, g.contenders[0].target, identities(g.ids), parallel)
	if err != nil {
		return err
	}
	return subscribeAll(g.others)
}

// kicks takes their right away from many connections at once, in three ways, and
// holds that no other connection ends.
func (g *gatewayRig) kicks(ctx context.Context) error {
	for _, k := range []struct {
		name string
		// prepare registers the certificate and returns the call to be measured.
		prepare func(context.Context, identity) (func(context.Context) error, error)
	}{
		{"UpdateCertificate", g.deactivation},
		{"REPLACE_DEFAULT_POLICY_VERSION", g.replacement},
		{"RemoveThingFromThingGroup", g.removal},
	} {
		var rounds []kicked
		for round := range g.spec.Rounds {
			one, err := g.kick(ctx, fmt.Sprintf("%s-%d", k.name, round), k.prepare)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			rounds = append(rounds, one)
		}
		g.seen.Kicks = append(g.seen.Kicks, kickOf(k.name, len(g.ids), rounds))
	}
	return nil
}

// kicked is one round of a kick, in milliseconds; sinceSlice is 0 where there was
// no task.
type kicked struct{ sinceCall, sinceAnswer, sinceSlice, cpu, told float64 }

func kickOf(name string, connections int, rounds []kicked) Kick {
	of := func(value func(kicked) float64) Spread {
		list := make([]float64, len(rounds))
		for i := range rounds {
			list[i] = value(rounds[i])
		}
		return spreadOf(list)
	}
	return Kick{
		Name: name, Connections: connections,
		SinceCall:   of(func(k kicked) float64 { return k.sinceCall }),
		SinceAnswer: of(func(k kicked) float64 { return k.sinceAnswer }),
		SinceSlice:  of(func(k kicked) float64 { return k.sinceSlice }),
		CPU:         of(func(k kicked) float64 { return k.cpu }),
		Told:        of(func(k kicked) float64 { return k.told }),
	}
}

// kick connects devices with one certificate and measures how fast all of them
// lose their connection.
func (g *gatewayRig) kick(ctx context.Context, name string,
	prepare func(context.Context, identity) (func(context.Context) error, error),
) (k kicked, err error) {
	made, err := g.issue(name, 1)
	if err != nil {
		return k, err
	}
	call, err := prepare(ctx, made[0])
	if err != nil {
		return k, err
	}
	defer func() { g.finding = "" }()
	list := make([]swarm.Identity, len(g.ids))
	for i := range list {
		list[i] = swarm.Identity{ClientID: fmt.Sprintf("%s-%05d", name, i), Certificate: made[0].Certificate}
		if i%2 > 0 { // of MQTT 5 devices are told why
			list[i].Version = mqtt.V5
		}
	}
	devices, _, err := swarm.ConnectAll(ctx, g.contenders[0].target, list, parallel)
	if err != nil {
		return k, err
	}
	defer swarm.CloseAll(devices)
	if n := down(devices); n > 0 {
		return k, fmt.Errorf("wrong result: %d connections ended before the change", n)
	}
	var began, answered, last time.Time
	micros, err := g.contenders[0].spent(1, func() (err error) {
		began = time.Now()
		if err := call(ctx); err != nil {
			return err
		}
		answered = time.Now()
		last, err = lastEnd(devices)
		return err
	})
	if err != nil {
		return k, err
	}
	if n := down(g.others); n > 0 {
		return k, fmt.Errorf("wrong result: %d of %d other connections ended", n, len(g.others))
	}
	k = kicked{
		sinceCall: milliseconds(last.Sub(began)), sinceAnswer: milliseconds(max(0, last.Sub(answered))), cpu: micros / 1000,
		told: told(devices),
	}
	if g.finding != "" {
		var slice time.Time
		slice, err = g.executed(ctx, made[0].ClientID)
		k.sinceSlice = milliseconds(last.Sub(slice))
	}
	return k, err
}

// told is the share of the devices of MQTT 5 that heard of the end before it came.
func told(devices []*swarm.Device) float64 {
	all, heard := 0, 0
	for _, d := range devices {
		if d.Version == mqtt.V5 {
			all++
		}
		if d.Told() {
			heard++
		}
	}
	return float64(heard) / float64(max(all, 1))
}

// executed is when the slice began that executed the one action of a mitigation
// task: it commits behind that.
func (g *gatewayRig) executed(ctx context.Context, task string) (time.Time, error) {
	out, err := g.api.ListAuditMitigationActionsExecutions(ctx, &iot.ListAuditMitigationActionsExecutionsInput{
		TaskId: &task, FindingId: &g.finding,
	})
	if err != nil {
		return time.Time{}, err
	}
	if len(out.ActionsExecutions) != 1 || out.ActionsExecutions[0].StartTime == nil {
		return time.Time{}, fmt.Errorf("wrong result: %d executions of one action", len(out.ActionsExecutions))
	}
	return *out.ActionsExecutions[0].StartTime, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// down counts the connections that have ended.
func down(devices []*swarm.Device) (n int) {
	for _, d := range devices {
		if !d.Up() {
			n++
		}
	}
	return n
}

// lastEnd waits until all connections have ended and returns when the last did.
func lastEnd(devices []*swarm.Device) (last time.Time, err error) {
	end := time.After(kickPatience)
	for _, d := range devices {
		select {
		case <-d.Ended():
		case <-end:
			return last, fmt.Errorf("wrong result: %d of %d connections live on after %s",
				len(devices)-down(devices), len(devices), kickPatience)
		}
		if d.EndedAt().After(last) {
			last = d.EndedAt()
		}
	}
	return last, nil
}

// deactivation sets a certificate to INACTIVE.
func (g *gatewayRig) deactivation(ctx context.Context, id identity) (func(context.Context) error, error) {
	return func(ctx context.Context) error { return g.deactivate(ctx, id) },
		g.registerAll(ctx, []identity{id}, "all")
}

func (g *gatewayRig) deactivate(ctx context.Context, id identity) error {
	_, err := g.api.UpdateCertificate(ctx, &iot.UpdateCertificateInput{
		CertificateId: &id.certificate, NewStatus: types.CertificateStatusInactive,
	})
	return err
}

// replacement gives the policy of a certificate another default version, by a
// mitigation task on the finding that it is too broad.
func (g *gatewayRig) replacement(ctx context.Context, id identity) (func(context.Context) error, error) {
	policy, action := "broad-"+id.ClientID, "blank-"+id.ClientID
	if err := g.createPolicy(ctx, policy); err != nil {
		return nil, err
	}
	if err := g.registerAll(ctx, []identity{id}, policy); err != nil {
		return nil, err
	}
	finding, err := g.findPolicy(ctx, policy)
	if err != nil {
		return nil, err
	}
	g.finding = finding
	_, err = g.api.CreateMitigationAction(ctx, &iot.CreateMitigationActionInput{
		ActionName: &action, RoleArn: aws.String(roleARN),
		ActionParams: &types.MitigationActionParams{
			ReplaceDefaultPolicyVersionParams: &types.ReplaceDefaultPolicyVersionParams{
				TemplateName: types.PolicyTemplateNameBlankPolicy,
			},
		},
	})
	return func(ctx context.Context) error {
		_, err := g.api.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
			TaskId: &id.ClientID, Target: &types.AuditMitigationActionsTaskTarget{FindingIds: []string{finding}},
			AuditCheckToActionsMapping: map[string][]string{permissive: {action}},
		})
		return err
	}, err
}

// findPolicy audits policies and returns the finding on one of them.
func (g *gatewayRig) findPolicy(ctx context.Context, policy string) (string, error) {
	if _, err := g.api.UpdateAccountAuditConfiguration(ctx, &iot.UpdateAccountAuditConfigurationInput{
		RoleArn:                  aws.String(roleARN),
		AuditCheckConfigurations: map[string]types.AuditCheckConfiguration{permissive: {Enabled: true}},
	}); err != nil {
		return "", err
	}
	started, err := g.api.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{
		TargetCheckNames: []string{permissive},
	})
	if err != nil {
		return "", err
	}
	for {
		t, err := g.api.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: started.TaskId})
		if err != nil {
			return "", err
		}
		if t.TaskStatus != types.AuditTaskStatusInProgress {
			break
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	out, err := g.api.ListAuditFindings(ctx, &iot.ListAuditFindingsInput{TaskId: started.TaskId})
	if err != nil {
		return "", err
	}
	for _, f := range out.Findings {
		v := f.NonCompliantResource.ResourceIdentifier.PolicyVersionIdentifier
		if v != nil && aws.ToString(v.PolicyName) == policy {
			return aws.ToString(f.FindingId), nil
		}
	}
	return "", fmt.Errorf("wrong result: the audit did not find the policy %s", policy)
}

// removal takes the thing that a certificate stands for out of the group that has
// the policy.
func (g *gatewayRig) removal(ctx context.Context, id identity) (func(context.Context) error, error) {
	thing, group := aws.String("shared-"+id.ClientID), aws.String("members-"+id.ClientID)
	if err := g.registerAll(ctx, []identity{id}, ""); err != nil {
		return nil, err
	}
	if _, err := g.api.CreateThing(ctx, &iot.CreateThingInput{ThingName: thing}); err != nil {
		return nil, err
	}
	if _, err := g.api.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
		ThingName: thing, Principal: aws.String(scope.ARN("cert", id.certificate)),
		ThingPrincipalType: types.ThingPrincipalTypeExclusiveThing,
	}); err != nil {
		return nil, err
	}
	made, err := g.api.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: group})
	if err != nil {
		return nil, err
	}
	if _, err := g.api.AttachPolicy(ctx, &iot.AttachPolicyInput{
		PolicyName: aws.String("all"), Target: made.ThingGroupArn,
	}); err != nil {
		return nil, err
	}
	_, err = g.api.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingName: thing, ThingGroupName: group})
	return func(ctx context.Context) error {
		_, err := g.api.RemoveThingFromThingGroup(ctx, &iot.RemoveThingFromThingGroupInput{
			ThingName: thing, ThingGroupName: group,
		})
		return err
	}, err
}

// singles deactivates certificates one by one, while all devices publish.
func (g *gatewayRig) singles(ctx context.Context) (err error) {
	n := min(singleKicks, len(g.others)/2)
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	sent := 0
	work.Go(func() { sent = publishOn(ctx, g.others) })
	defer work.Wait()
	defer cancel()
	var sinceCall, sinceAnswer latencies
	began := time.Now()
	for i := range n {
		began := time.Now()
		if err := g.deactivate(ctx, g.ids[i]); err != nil {
			return err
		}
		answered := time.Now()
		end, err := lastEnd(g.others[i : i+1])
		if err != nil {
			return err
		}
		sinceCall = append(sinceCall, end.Sub(began))
		sinceAnswer = append(sinceAnswer, max(0, end.Sub(answered)))
	}
	took := time.Since(began)
	cancel()
	work.Wait()
	if lost := down(g.others); lost != n {
		return fmt.Errorf("wrong result: %d connections ended, want the %d whose certificates are inactive", lost, n)
	}
	g.seen.Singles = Singles{
		Deactivations: n, Connections: len(g.others), MessagesPerSecond: float64(sent) / took.Seconds(),
		SinceCall: *sinceCall.quantiles(), SinceAnswer: *sinceAnswer.quantiles(),
	}
	_, err = swarm.Connect(context.WithoutCancel(ctx), g.contenders[0].target, g.ids[0].Identity)
	if err == nil {
		return errors.New("wrong result: a device whose certificate is inactive was let in")
	}
	return nil
}

// publishOn has devices publish in turn until ctx ends, and returns how many
// messages were sent.
func publishOn(ctx context.Context, devices []*swarm.Device) (sent int) {
	tick := time.NewTicker(time.Second / loadRate)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return sent
		case <-tick.C:
		}
		d := devices[sent%len(devices)]
		// One that was just thrown out cannot.
		_ = d.Publish(&mqtt.Publish{Topic: ownTopic(d), QoS: 1, ID: 1, Payload: make([]byte, size)})
		sent++
	}
}
