package server_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/server"
)

const (
	checkShared      = "DEVICE_CERTIFICATE_SHARED_CHECK"
	checkConflicting = "CONFLICTING_CLIENT_IDS_CHECK"
)

// forward is a clock that a test sets forward.
type forward struct{ by atomic.Int64 }

func (f *forward) now() time.Time { return time.Now().Add(time.Duration(f.by.Load())) }

// indexed has connections indexed.
func indexed(t *testing.T, c *iot.Client) {
	t.Helper()
	_, err := c.UpdateIndexingConfiguration(t.Context(), &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode:             types.ThingIndexingModeRegistry,
			ThingConnectivityIndexingMode: types.ThingConnectivityIndexingModeStatus,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// awaitThings waits until so many things match a query.
func awaitThings(t *testing.T, c *iot.Client, query string, n int) {
	t.Helper()
	deadline := time.Now().Add(cordontest.Deadline)
	for {
		found := 0
		for token := (*string)(nil); ; {
			out, err := c.SearchIndex(t.Context(), &iot.SearchIndexInput{QueryString: &query, NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			found += len(out.Things)
			if token = out.NextToken; token == nil {
				break
			}
		}
		if found == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d things that match %s, want %d", found, query, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// standIns makes things and devices, each with a certificate attached to a thing.
func standIns(t *testing.T, c *iot.Client, n int) []*cordontest.Device {
	t.Helper()
	cordontest.Policy(t, c, "all", cordontest.AllowAll)
	devices := make([]*cordontest.Device, n)
	for i := range devices {
		devices[i] = cordontest.NewDevice(t, c, "all")
		name := fmt.Sprint("thing-", i)
		if _, err := c.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: &name}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AttachThingPrincipal(t.Context(), &iot.AttachThingPrincipalInput{
			ThingName: &name, Principal: &devices[i].ARN,
		}); err != nil {
			t.Fatal(err)
		}
	}
	return devices
}

// wantCheck holds the status of a check and how many findings there are.
func wantCheck(t *testing.T, audit *iot.DescribeAuditTaskOutput, check string, findings int64) {
	t.Helper()
	want := types.AuditCheckRunStatusCompletedCompliant
	if findings > 0 {
		want = types.AuditCheckRunStatusCompletedNonCompliant
	}
	d := audit.AuditDetails[check]
	if d.CheckRunStatus != want || *d.NonCompliantResourcesCount != findings {
		t.Errorf("%s: got %s with %d not compliant, want %s with %d", check, d.CheckRunStatus,
			*d.NonCompliantResourcesCount, want, findings)
	}
}

// TestAnAuditFindsWhatDevicesDid has devices share a certificate and fight for a
// client id, and looks at it some seconds later.
func TestAnAuditFindsWhatDevicesDid(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			var clock forward
			c := cordontest.Start(t, cordontest.Settings(t, database), server.Options{Now: clock.now})
			client := c.IoT()
			indexed(t, client)
			devices := standIns(t, client, 3)
			shared, one, other := devices[0], devices[1], devices[2]
			c.MustConnect(t, shared, cordontest.Hello(mqtt.V5, "thing-0"))
			c.MustConnect(t, shared, cordontest.Hello(mqtt.V311, "copy"))
			first := c.MustConnect(t, one, cordontest.Hello(mqtt.V5, "thing-1"))
			c.MustConnect(t, one, cordontest.Hello(mqtt.V5, "thing-1")) // a reconnect
			loses(t, first, mqtt.SessionTakenOver)
			second := c.MustConnect(t, other, cordontest.Hello(mqtt.V5, "thing-2"))
			c.MustConnect(t, one, cordontest.Hello(mqtt.V5, "thing-2"))
			loses(t, second, mqtt.SessionTakenOver)
			awaitThings(t, client, "connectivity.connected:true", 2)
			clock.by.Store(int64(30 * time.Second))
			cordontest.Enable(t, client, checkShared, checkConflicting)
			id, audit := cordontest.Audit(t, client, checkShared, checkConflicting)
			wantCheck(t, audit, checkShared, 2) // thing-1 and thing-2 are connected with one certificate too
			wantCheck(t, audit, checkConflicting, 1)
			for _, f := range cordontest.Findings(t, client, id) {
				list, err := client.ListRelatedResourcesForAuditFinding(t.Context(),
					&iot.ListRelatedResourcesForAuditFindingInput{FindingId: f.FindingId})
				if err != nil || len(list.RelatedResources) != 2 {
					t.Errorf("%s: got %d connections, %v, want 2", *f.CheckName, len(list.RelatedResources), err)
				}
			}
		})
	}
}
