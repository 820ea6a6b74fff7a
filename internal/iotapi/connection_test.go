package iotapi_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

const (
	codeShared      = "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES"
	codeConflicting = "DUPLICATE_CLIENT_ID_ACROSS_CONNECTIONS"
)

// sightings are what the gateway of a test sees: events of an account, an hour
// ago.
type sightings struct {
	*cordontest.Cordon
	t     *testing.T
	scope fleet.Scope
	begun time.Time
}

func see(t *testing.T, c *cordontest.Cordon) *sightings {
	return &sightings{c, t, home, time.Now().Add(-time.Hour).Truncate(time.Millisecond)}
}

func (s *sightings) at(seconds float64) time.Time {
	return s.begun.Add(time.Duration(seconds * float64(time.Second)))
}

// connect says that a certificate connected, so many seconds after the beginning,
// and stands for the thing named like the client id.
func (s *sightings) connect(session, client, certificate string, at float64) {
	s.Seen().Observe(&gateway.Event{
		Type: gateway.EventConnect, OK: true, Time: s.at(at), Session: session, Scope: s.scope, ClientID: client,
		Certificate: certificate, Thing: client, Address: netip.MustParseAddrPort("192.0.2.1:1000"),
	})
}

func (s *sightings) disconnect(session string, at float64, reason fleet.DisconnectReason, by string) {
	s.Seen().Observe(&gateway.Event{
		Type: gateway.EventDisconnect, OK: true, Time: s.at(at), Session: session, Scope: s.scope, Disconnect: reason,
		DisplacedBy: by,
	})
}

// stored waits until everything that was seen is stored: another connection is.
func (s *sightings) stored() {
	s.t.Helper()
	last := fmt.Sprint("last-", time.Now().UnixNano())
	s.connect(last, last, strings.Repeat("0", 64), -1)
	deadline := time.Now().Add(cordontest.Deadline)
	for {
		found, err := s.Store().ConnectedSession(s.t.Context(), s.scope, last)
		if err != nil || time.Now().After(deadline) {
			s.t.Fatalf("connections were not stored: %v", err)
		}
		if found != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// judged has all that is stored judged, which the server does in its own time.
func (s *sightings) judged() {
	s.t.Helper()
	for more := true; more; {
		more = must[bool](s.t)(s.Store().JudgeConnections(s.t.Context()))
	}
}

// millis is a time as findings say it.
func (s *sightings) millis(seconds float64) string {
	return strconv.FormatInt(s.at(seconds).UnixMilli(), 10)
}

// related are the related resources of a finding, as texts.
func related(t *testing.T, c *iot.Client, finding string) (list []string) {
	t.Helper()
	pages := iot.NewListRelatedResourcesForAuditFindingPaginator(c, &iot.ListRelatedResourcesForAuditFindingInput{
		FindingId: &finding, MaxResults: new(int32(2)),
	})
	for pages.HasMorePages() {
		page := must[*iot.ListRelatedResourcesForAuditFindingOutput](t)(pages.NextPage(t.Context()))
		for _, r := range page.RelatedResources {
			list = append(list, relatedText(r))
		}
	}
	return list
}

func relatedText(r types.RelatedResource) string {
	id := r.ResourceIdentifier.ClientId
	if r.ResourceType == types.ResourceTypeDeviceCertificate {
		id = r.ResourceIdentifier.DeviceCertificateId
	}
	return fmt.Sprintf("%s %s %s %s", r.ResourceType, *id, r.AdditionalInfo["CONNECTION_TIME"],
		r.AdditionalInfo["DISCONNECTION_TIME"])
}

// findingAbout is the only finding of a check.
func findingAbout(t *testing.T, list []types.AuditFinding, check string) types.AuditFinding {
	t.Helper()
	list = slices.DeleteFunc(slices.Clone(list), func(f types.AuditFinding) bool { return *f.CheckName != check })
	if len(list) != 1 {
		t.Fatalf("got %d findings of %s, want 1", len(list), check)
	}
	return list[0]
}

func TestAuditsOfConnections(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, s := cordon.IoT(), see(t, cordon)
		shared, own := register(t, c, fixture.Template{}), register(t, c, fixture.Template{})
		s.connect("a", "pump", shared, 0)
		s.connect("b", "valve", shared, 10)
		s.disconnect("b", 100, fleet.DisconnectLost, "")
		s.connect("c", "sensor", own, 0)
		s.disconnect("c", 50, fleet.DisconnectDuplicateClient, "d")
		s.connect("d", "sensor", own, 50) // a reconnect
		s.disconnect("d", 60, fleet.DisconnectDuplicateClient, "e")
		s.connect("e", "sensor", shared, 60)
		s.disconnect("e", 62, fleet.DisconnectByClient, "")
		s.stored()

		cordontest.Enable(t, c, checkShared, checkConflicting)
		id, audit := cordontest.Audit(t, c, checkShared, checkConflicting)
		wantAudit(t, audit, types.AuditTaskStatusCompleted, map[string]types.AuditCheckRunStatus{
			checkShared:      types.AuditCheckRunStatusCompletedNonCompliant,
			checkConflicting: types.AuditCheckRunStatusCompletedNonCompliant,
		})
		for check, want := range map[string][2]int64{checkShared: {2, 1}, checkConflicting: {4, 1}} {
			d := audit.AuditDetails[check]
			if got := [2]int64{*d.TotalResourcesCount, *d.NonCompliantResourcesCount}; got != want {
				t.Errorf("%s: got %v resources and not compliant ones, want %v", check, got, want)
			}
		}
		findings := cordontest.Findings(t, c, id)
		f := findingAbout(t, findings, checkShared)
		if f.Severity != types.AuditFindingSeverityCritical || *f.ReasonForNonComplianceCode != codeShared ||
			*f.NonCompliantResource.ResourceIdentifier.DeviceCertificateId != shared {
			t.Errorf("got %+v of %s", f, shared)
		}
		inOrder(t, "what shares the certificate", related(t, c, *f.FindingId),
			fmt.Sprintf("CLIENT_ID valve %s %s", s.millis(10), s.millis(100)), fmt.Sprintf("CLIENT_ID pump %s ", s.millis(0)))
		f = findingAbout(t, findings, checkConflicting)
		if f.Severity != types.AuditFindingSeverityHigh || *f.ReasonForNonComplianceCode != codeConflicting ||
			f.NonCompliantResource.ResourceType != types.ResourceTypeClientId ||
			*f.NonCompliantResource.ResourceIdentifier.ClientId != "sensor" {
			t.Errorf("got %+v, want the client id sensor", f)
		}
		conflicting := []string{
			fmt.Sprintf("DEVICE_CERTIFICATE %s %s %s", shared, s.millis(60), s.millis(62)),
			fmt.Sprintf("DEVICE_CERTIFICATE %s %s %s", own, s.millis(50), s.millis(60)),
		}
		inOrder(t, "who fights for the client id", related(t, c, *f.FindingId), conflicting...)
		described := must[*iot.DescribeAuditFindingOutput](t)(c.DescribeAuditFinding(t.Context(),
			&iot.DescribeAuditFindingInput{FindingId: f.FindingId}))
		if got := described.Finding.RelatedResources; len(got) != 2 || relatedText(got[0]) != conflicting[0] {
			t.Errorf("got %v with the finding, want %v", got, conflicting)
		}

		action(t, c, "deactivate", deactivate())
		_, err := c.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
			TaskId: new("no"), Target: aim(id), AuditCheckToActionsMapping: mapping{checkConflicting: {"deactivate"}},
		})
		expect(t, err, invalid)
		begin(t, c, "task", aim(id), mapping{checkShared: {"deactivate"}})
		wantTask(t, cordontest.AwaitMitigation(t, c, "task"), checkShared, taskCompleted, counts{1, 1, 0, 0, 0})
		suppress(t, c, checkConflicting, &resource{ClientId: new("sensor")})
		_, audit = cordontest.Audit(t, c, checkShared, checkConflicting)
		wantAudit(t, audit, types.AuditTaskStatusCompleted, map[string]types.AuditCheckRunStatus{
			checkShared:      types.AuditCheckRunStatusCompletedCompliant, // it cannot connect any more
			checkConflicting: types.AuditCheckRunStatusCompletedCompliant,
		})
	})
}

// What connected just now may show something in some seconds: the check waits
// for it and says so.
func TestAnAuditWaitsForWhatConnectionsShow(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, s := cordon.IoT(), see(t, cordon)
		cordontest.Enable(t, c, checkShared, checkLogging)
		s.begun = time.Now()
		s.connect("a", "pump", register(t, c, fixture.Template{}), 0)
		s.stored()
		out := must[*iot.StartOnDemandAuditTaskOutput](t)(c.StartOnDemandAuditTask(t.Context(),
			&iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkShared, checkLogging}}))
		got := must[*iot.DescribeAuditTaskOutput](t)(c.DescribeAuditTask(t.Context(),
			&iot.DescribeAuditTaskInput{TaskId: out.TaskId}))
		status, n := got.AuditDetails[checkShared].CheckRunStatus, *got.TaskStatistics.WaitingForDataCollectionChecks
		if status != types.AuditCheckRunStatusWaitingForDataCollection || n != 1 {
			t.Errorf("got %s and %d that wait, want one that waits", status, n)
		}
		_, err := c.CancelAuditTask(t.Context(), &iot.CancelAuditTaskInput{TaskId: out.TaskId})
		expect(t, err, fine)
		wantAudit(t, cordontest.AwaitAudit(t, c, *out.TaskId), types.AuditTaskStatusCanceled,
			map[string]types.AuditCheckRunStatus{
				checkShared: types.AuditCheckRunStatusCanceled, checkLogging: types.AuditCheckRunStatusCanceled,
			})
	})
}

// A certificate with more connections than a slice stores has all of them
// related, each once, the newest first.
func TestMoreConnectionsThanASliceRelates(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, s := cordon.IoT(), see(t, cordon)
		const n = 1300
		first, second := register(t, c, fixture.Template{}), register(t, c, fixture.Template{})
		for i := range n {
			session := fmt.Sprintf("s%04d", i)
			s.connect(session, session, first, float64(i)/10)
			if i%3 > 0 {
				s.disconnect(session, float64(i)/10+10, fleet.DisconnectLost, "")
			}
		}
		s.connect("x", "x", second, 0)
		s.connect("y", "y", second, 0)
		s.stored()
		s.judged()
		cordontest.Enable(t, c, checkShared)
		id, _ := cordontest.Audit(t, c, checkShared)
		findings := cordontest.Findings(t, c, id)
		if len(findings) != 2 {
			t.Fatalf("got %d findings, want 2", len(findings))
		}
		for _, f := range findings {
			pages := iot.NewListRelatedResourcesForAuditFindingPaginator(c, &iot.ListRelatedResourcesForAuditFindingInput{
				FindingId: f.FindingId, MaxResults: new(int32(250)),
			})
			var clients []string
			for pages.HasMorePages() {
				page := must[*iot.ListRelatedResourcesForAuditFindingOutput](t)(pages.NextPage(t.Context()))
				for _, r := range page.RelatedResources {
					clients = append(clients, *r.ResourceIdentifier.ClientId)
				}
			}
			want := []string{"y", "x"}
			if *f.NonCompliantResource.ResourceIdentifier.DeviceCertificateId == first {
				want = nil
				for i := range n {
					want = append(want, fmt.Sprintf("s%04d", n-1-i))
				}
			}
			inOrder(t, "related client ids", clients, want...)
		}
	})
}

// Nothing that one account sees of connections is in an audit of another one,
// whose certificate and client id are the same.
func TestConnectionsOfAnotherAccountAreNotJudged(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		const account = "123123123123"
		other := cordon.NewAccount(t, account)
		pem := issue(t, fixture.Template{})
		id := registerPEM(t, cordon.IoT(), pem, types.CertificateStatusActive)
		registerPEM(t, other, pem, types.CertificateStatusActive)
		s := see(t, cordon)
		s.connect("a", "pump", id, 0)
		s.connect("b", "valve", id, 0)
		s.disconnect("b", 50, fleet.DisconnectDuplicateClient, "c")
		s.connect("c", "valve", strings.Repeat("1", 64), 50)
		s.stored()
		cordontest.Enable(t, cordon.IoT(), checkShared, checkConflicting)
		cordontest.EnableIn(t, other, account, checkShared, checkConflicting)
		for client, want := range map[*iot.Client]int{cordon.IoT(): 2, other: 0} {
			audit, _ := cordontest.Audit(t, client, checkShared, checkConflicting)
			if got := len(cordontest.Findings(t, client, audit)); got != want {
				t.Errorf("got %d findings, want %d", got, want)
			}
		}
	})
}

func TestTheIndexKnowsWhoIsConnected(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, s := cordon.IoT(), see(t, cordon)
		thing(t, c, "pump", "")
		thing(t, c, "valve", "")
		must[*iot.UpdateIndexingConfigurationOutput](t)(c.UpdateIndexingConfiguration(t.Context(),
			&iot.UpdateIndexingConfigurationInput{ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
				ThingIndexingMode:             types.ThingIndexingModeRegistry,
				ThingConnectivityIndexingMode: types.ThingConnectivityIndexingModeStatus,
			}}))
		must[*iot.CreateDynamicThingGroupOutput](t)(c.CreateDynamicThingGroup(t.Context(),
			&iot.CreateDynamicThingGroupInput{ThingGroupName: new("online"), QueryString: new("connectivity.connected:true")}))
		cordontest.AwaitGroup(t, c, "online")
		id := register(t, c, fixture.Template{})
		s.connect("a", "pump", id, 0)
		s.connect("b", "valve", id, 0)
		s.stored()
		same(t, "members", membersOf(t, c, "online"), []string{"pump", "valve"})
		s.disconnect("a", 10, fleet.DisconnectKeepAlive, "")
		s.stored()
		same(t, "members", membersOf(t, c, "online"), []string{"valve"})
		for query, want := range map[string]types.ThingConnectivity{
			"connectivity.connected:true": {Connected: new(true), Timestamp: new(s.at(0).UnixMilli())},
			"connectivity.disconnectReason:MQTT_KEEP_ALIVE_TIMEOUT": {
				Connected: new(false), Timestamp: new(s.at(10).UnixMilli()), DisconnectReason: new("MQTT_KEEP_ALIVE_TIMEOUT"),
			},
		} {
			out := must[*iot.SearchIndexOutput](t)(c.SearchIndex(t.Context(), &iot.SearchIndexInput{QueryString: &query}))
			if len(out.Things) != 1 {
				t.Errorf("%s: got %d things, want 1", query, len(out.Things))
				continue
			}
			if got := out.Things[0].Connectivity; *got.Connected != *want.Connected || *got.Timestamp != *want.Timestamp ||
				aws.ToString(got.DisconnectReason) != aws.ToString(want.DisconnectReason) {
				t.Errorf("%s: got %t since %d, want %t since %d", query, *got.Connected, *got.Timestamp, *want.Connected,
					*want.Timestamp)
			}
		}
	})
}
