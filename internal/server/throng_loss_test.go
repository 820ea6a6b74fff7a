package server_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

// throngLoss takes the rights of a certificate that many share: a mitigation
// action for a finding, or a change by its owner.
type throngLoss struct {
	name    string
	check   string // of the finding
	action  types.MitigationActionParams
	change  func(o *owned)
	restore func(o *owned)
}

var throngLosses = []throngLoss{
	{"UPDATE_DEVICE_CERTIFICATE", checkShared, types.MitigationActionParams{
		UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{
			Action: types.DeviceCertificateUpdateActionDeactivate,
		},
	}, nil, func(o *owned) { o.device.SetStatus(o.t, o.client, types.CertificateStatusActive) }},
	{"REPLACE_DEFAULT_POLICY_VERSION", checkPermissive, types.MitigationActionParams{
		ReplaceDefaultPolicyVersionParams: &types.ReplaceDefaultPolicyVersionParams{
			TemplateName: types.PolicyTemplateNameBlankPolicy,
		},
	}, nil, func(o *owned) {
		o.call(o.client.SetDefaultPolicyVersion(o.t.Context(), &iot.SetDefaultPolicyVersionInput{
			PolicyName: aws.String("mine"), PolicyVersionId: aws.String("1"),
		}))
	}},
	{"ADD_THINGS_TO_THING_GROUP", checkShared, types.MitigationActionParams{
		AddThingsToThingGroupParams: &types.AddThingsToThingGroupParams{ThingGroupNames: []string{"quarantine"}},
	}, nil, func(o *owned) {
		// What is next is allowed by a group alone.
		cordontest.Attach(o.t, o.client, "mine", o.group("allowed"))
		o.call(o.client.DetachPolicy(o.t.Context(), &iot.DetachPolicyInput{
			PolicyName: aws.String("mine"), Target: &o.device.ARN,
		}))
		o.call(o.client.AddThingToThingGroup(o.t.Context(), &iot.AddThingToThingGroupInput{
			ThingGroupName: aws.String("allowed"), ThingName: aws.String("d"),
		}))
		o.leave("quarantine")
	}},
	{"leaving a group", "", types.MitigationActionParams{}, func(o *owned) { o.leave("allowed") }, nil},
}

// leave takes the thing of the device out of a group.
func (o *owned) leave(group string) {
	o.t.Helper()
	o.call(o.client.RemoveThingFromThingGroup(o.t.Context(), &iot.RemoveThingFromThingGroupInput{
		ThingGroupName: &group, ThingName: aws.String("d"),
	}))
}

// TestAThrongLosesItsConnectionsAndNobodyElse connects devices that share a
// certificate beside as many others, and takes the rights of the shared one by
// mitigations and by a change of its group; then certificates of some others.
func TestAThrongLosesItsConnectionsAndNobodyElse(t *testing.T) {
	g := newThrong(t)
	together := g.connectShared(t)
	g.connectAlone(t)
	g.find(t)
	for i, l := range throngLosses {
		if i > 0 {
			together = g.connectShared(t)
		}
		g.lose(t, together, &l)
	}
	g.loseSingly(t)
	g.p.terminate(t)
}

// lose takes the rights of the shared certificate, and gives them back when all
// that must be true has been seen.
func (g *throng) lose(t *testing.T, devices []*mqtttest.Client, l *throngLoss) {
	t.Helper()
	o := &owned{t, g.iot, cordontest.Home, g.shared}
	returning := g.remembered(t)
	ended, errs := make([]time.Time, len(devices)), make([]error, len(devices))
	var ends sync.WaitGroup
	for i, d := range devices {
		ends.Go(func() {
			_, errs[i] = d.Ended()
			ended[i] = time.Now()
			_ = d.Conn.Close() // for what comes next needs its file descriptor
		})
	}
	began := time.Now()
	if l.check == "" {
		l.change(o)
	} else {
		began = g.mitigate(t, l)
	}
	ends.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s: the connection of device %d did not end: %v", l.name, i, err)
		}
	}
	t.Logf("%s: %d connections ended after it was done: %s", l.name, len(devices), spread(began, ended))
	g.wantAlone(t, 0)
	for _, cfg := range returning {
		g.wantRefused(t, l, cfg)
	}
	if l.restore != nil {
		l.restore(o)
	}
}

// mitigate runs the action of a loss on the finding, and returns when it was
// done, which is just before it was committed.
func (g *throng) mitigate(t *testing.T, l *throngLoss) time.Time {
	t.Helper()
	id := strings.ReplaceAll(l.name, "_", "-")
	must[*iot.StartAuditMitigationActionsTaskOutput](t)(g.iot.StartAuditMitigationActionsTask(t.Context(),
		&iot.StartAuditMitigationActionsTaskInput{
			TaskId: &id, Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &g.audit},
			AuditCheckToActionsMapping: map[string][]string{l.check: {l.name}},
		}))
	task := cordontest.AwaitMitigation(t, g.iot, id)
	if task.TaskStatus != types.AuditMitigationActionsTaskStatusCompleted {
		t.Fatalf("%s: got a task that is %s, want COMPLETED", l.name, task.TaskStatus)
	}
	for _, f := range cordontest.Findings(t, g.iot, g.audit) {
		if *f.CheckName != l.check {
			continue
		}
		list := must[*iot.ListAuditMitigationActionsExecutionsOutput](t)(g.iot.ListAuditMitigationActionsExecutions(
			t.Context(), &iot.ListAuditMitigationActionsExecutionsInput{TaskId: &id, FindingId: f.FindingId}))
		if len(list.ActionsExecutions) != 1 {
			t.Fatalf("%s: got %d executions, want 1", l.name, len(list.ActionsExecutions))
		}
		return *list.ActionsExecutions[0].EndTime
	}
	t.Fatalf("there is no finding of %s", l.check)
	return time.Time{}
}

// remembered are settings with which the shared certificate resumes a session of
// TLS, in both versions.
func (g *throng) remembered(t *testing.T) (list []*tls.Config) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := g.tls.Clone()
		cfg.MaxVersion, cfg.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for _, resumes := range []bool{false, true} {
			d, err := enters(t, g.p.mqtt, cfg, quiet(mqtt.V5, "returns"))
			if err != nil {
				t.Fatal(err)
			}
			if got := resumed(d); got != resumes {
				t.Errorf("TLS %x: got a session that is resumed: %t, want %t", version, got, resumes)
			}
			_ = d.Disconnect()
		}
		list = append(list, cfg)
	}
	return list
}

func resumed(d *mqtttest.Client) bool {
	conn, _ := d.Conn.(*tls.Conn)
	return conn != nil && conn.ConnectionState().DidResume
}

// wantRefused fails when the shared certificate is let in with a session of TLS
// that it resumes, or anew.
func (g *throng) wantRefused(t *testing.T, l *throngLoss, cfg *tls.Config) {
	t.Helper()
	if _, ok := cfg.ClientSessionCache.Get(cfg.ServerName); !ok {
		t.Errorf("%s: there is no session of TLS to resume", l.name)
	}
	if _, err := enters(t, g.p.mqtt, cfg, quiet(mqtt.V5, "returns")); err == nil {
		t.Errorf("%s: let in with a session of TLS %x from before", l.name, cfg.MaxVersion)
	}
	anew := cfg.Clone()
	anew.ClientSessionCache = nil
	if _, err := enters(t, g.p.mqtt, anew, quiet(mqtt.V311, "comes")); err == nil {
		t.Errorf("%s: let in again with TLS %x", l.name, cfg.MaxVersion)
	}
}

// spread is how long things took: half of them, nearly all, and all.
func spread(began time.Time, ended []time.Time) string {
	took := make([]time.Duration, len(ended))
	for i, at := range ended {
		took[i] = at.Sub(began)
	}
	return quantiles(took)
}

func quantiles(took []time.Duration) string {
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)-1)*percent/100].Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p99 %s, all %s", at(50), at(99), at(100))
}

// loseSingly deactivates certificates of devices one by one while others talk.
func (g *throng) loseSingly(t *testing.T) {
	t.Helper()
	const singles, talkers = 100, 8
	var talking sync.WaitGroup
	var stop atomic.Bool
	var said atomic.Int64
	for i := singles; i < singles+talkers; i++ {
		talking.Go(func() {
			for !stop.Load() {
				if err := g.alone[i].Publish(alone(i)+"/x", "hello", 1); err != nil {
					t.Errorf("a message of device %d: %v", i, err)
					return
				}
				said.Add(1)
			}
		})
	}
	asked, answered := make([]time.Duration, singles), make([]time.Duration, singles)
	began := time.Now()
	for i := range singles {
		asked[i], answered[i] = g.loseOne(t, i)
	}
	took := time.Since(began)
	stop.Store(true)
	talking.Wait()
	t.Logf("%d single deactivations beside %d connections and %.0f messages a second", singles, throngSize-singles,
		float64(said.Load())/took.Seconds())
	t.Logf("connections ended after the call: %s; after its answer: %s", quantiles(asked), quantiles(answered))
	g.wantAlone(t, singles)
}

// loseOne deactivates the certificate of a device, and returns how long it took
// from the call and from its answer, between which it was committed, until the
// connection ended.
func (g *throng) loseOne(t *testing.T, i int) (asked, answered time.Duration) {
	t.Helper()
	ended := make(chan time.Time, 1)
	go func() {
		if _, err := g.alone[i].Ended(); err != nil {
			t.Errorf("the connection of device %d did not end: %v", i, err)
		}
		ended <- time.Now()
	}()
	sum := sha256.Sum256(g.own[i].Leaf.Raw)
	device := cordontest.Device{ID: hex.EncodeToString(sum[:])}
	began := time.Now()
	device.SetStatus(t, g.iot, types.CertificateStatusInactive)
	answer := time.Now()
	at := <-ended
	return at.Sub(began), at.Sub(answer)
}
