package server_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// burst is how many devices come at the same moment.
const burst = 8

// TestOfManyConnectsAtOnceExactlyOneSurvives has devices with two certificates,
// both versions, and sessions that are stored or not, send CONNECT with one
// client id at once.
func TestOfManyConnectsAtOnceExactlyOneSurvives(t *testing.T) {
	t.Parallel()
	const rounds = 300
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	var settings [2]*tls.Config
	for i := range settings {
		settings[i] = c.DeviceTLS(t, cordontest.NewDevice(t, c.IoT(), "all"), cordontest.Home)
		settings[i].ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	busy := 0
	for round := 0; round < rounds+busy; round++ {
		id := fmt.Sprint("d-", round)
		var connections [burst]net.Conn
		for i := range connections {
			connections[i] = must[net.Conn](t)(mqtttest.Dial(c.MQTTAddr(), settings[i%2]))
		}
		devices := connectAtOnce(connections, id, round)
		let, living := 0, 0
		for _, d := range devices {
			if d != nil {
				let++
			}
			if d != nil && d.Ping() == nil {
				living++
			}
		}
		if let == 0 {
			// A machine with much else to do could not read their rights in time: the
			// round does not count.
			if busy++; busy > rounds/10 {
				t.Fatalf("nobody was let in in %d rounds", busy)
			}
		} else if living != 1 || !c.Gateway().Connected(cordontest.Home, id) {
			t.Fatalf("round %d: got %d devices that live, want 1 that the gateway knows", round, living)
		}
		for _, conn := range connections {
			_ = conn.Close()
		}
	}
}

// connectAtOnce sends a CONNECT over each connection at the same moment, and
// returns the devices that were let in.
func connectAtOnce(connections [burst]net.Conn, id string, round int) (devices [burst]*mqtttest.Client) {
	var coming sync.WaitGroup
	begin := make(chan struct{})
	for i, conn := range connections {
		v := mqtt.V311
		if (i+round)/2%2 == 0 {
			v = mqtt.V5
		}
		hello := cordontest.Hello(v, id)
		if i/4 == round%2 {
			hello = stays(v, id)
		}
		coming.Go(func() {
			<-begin
			if d, err := mqtttest.Connect(conn, hello); err == nil && d.Connack.Code == mqtt.Success {
				devices[i] = d
			}
		})
	}
	close(begin)
	coming.Wait()
	return devices
}

// phases brings devices to the point where they dial, where the handshake is
// done, and where they are connected, and lets all go on at once.
func phases(t *testing.T, c *cordontest.Cordon, cfg *tls.Config, begin <-chan struct{}) (
	coming *sync.WaitGroup, let func() []*mqtttest.Client,
) {
	t.Helper()
	coming = &sync.WaitGroup{}
	devices := make([]*mqtttest.Client, burst)
	for i := range devices {
		hello := cordontest.Hello(mqtt.V5, fmt.Sprint("d-", i))
		var conn net.Conn
		if i%3 > 0 {
			conn = must[net.Conn](t)(mqtttest.Dial(c.MQTTAddr(), cfg))
		}
		if i%3 == 2 {
			devices[i] = must[*mqtttest.Client](t)(mqtttest.Connect(conn, hello))
		}
		coming.Go(func() {
			<-begin
			var err error
			if conn == nil {
				if conn, err = mqtttest.Dial(c.MQTTAddr(), cfg); err != nil {
					return
				}
			}
			t.Cleanup(func() { _ = conn.Close() })
			if devices[i] != nil {
				return
			}
			if d, err := mqtttest.Connect(conn, hello); err == nil && d.Connack.Code == mqtt.Success {
				devices[i] = d
			}
		})
	}
	return coming, func() (list []*mqtttest.Client) {
		for _, d := range devices {
			if d != nil {
				list = append(list, d)
			}
		}
		return list
	}
}

// TestADeactivationLeavesNobodyWhateverTheyWereAbout deactivates a certificate,
// twice at once, while its devices are in every phase of connecting.
func TestADeactivationLeavesNobodyWhateverTheyWereAbout(t *testing.T) {
	t.Parallel()
	whileConnecting(t, 10, types.CertificateStatusInactive, types.CertificateStatusInactive)
}

// TestADeactivationAgainstAReactivationEndsAsTheRegistrySays is the same with a
// reactivation at the same moment.
func TestADeactivationAgainstAReactivationEndsAsTheRegistrySays(t *testing.T) {
	t.Parallel()
	whileConnecting(t, 10, types.CertificateStatusInactive, types.CertificateStatusActive)
}

// whileConnecting sets states of a certificate at once while its devices
// connect, and wants what the registry says at the end to hold for all of them.
func whileConnecting(t *testing.T, rounds int, states ...types.CertificateStatus) {
	t.Helper()
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		client := c.IoT()
		cordontest.Policy(t, client, "all", cordontest.AllowAll)
		for range rounds {
			device := cordontest.NewDevice(t, client, "all")
			cfg := c.DeviceTLS(t, device, cordontest.Home)
			begin := make(chan struct{})
			coming, let := phases(t, c, cfg, begin)
			for _, state := range states {
				coming.Go(func() {
					<-begin
					device.SetStatus(t, client, state)
				})
			}
			close(begin)
			coming.Wait()
			out := must[*iot.DescribeCertificateOutput](t)(client.DescribeCertificate(t.Context(),
				&iot.DescribeCertificateInput{CertificateId: &device.ID}))
			if out.CertificateDescription.Status == types.CertificateStatusActive {
				keeps(t, c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "late")))
				continue
			}
			for _, d := range let() {
				// A DISCONNECT that cannot be written at once is left out.
				if code, err := d.Ended(); err != nil || code != 0 && code != mqtt.AdministrativeAction {
					t.Errorf("got %s, %v, want the end", code, err)
				}
			}
			if _, err := c.Connect(t, device, cordontest.Hello(mqtt.V5, "late")); err == nil {
				t.Fatal("a device with an inactive certificate was let in")
			}
		}
	})
}
