package server_test

import (
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// farewells counts the devices that should hear why they lose their connection,
// and those that heard nothing: the gateway leaves out a DISCONNECT that cannot be
// written within milliseconds, as happens on a machine with much else to do.
var farewells struct{ all, silent atomic.Int64 }

// farewellsHeard reports whether most devices heard why they lost their
// connection.
func farewellsHeard() bool {
	all, silent := farewells.all.Load(), farewells.silent.Load()
	return all < 20 || silent <= all/4
}

// loses fails unless a device loses its connection, with a reason in MQTT 5 if
// there was time for one.
func loses(t *testing.T, d *mqtttest.Client, want mqtt.ReasonCode) {
	t.Helper()
	got, err := d.Ended()
	if err != nil {
		t.Fatalf("the connection did not end: %v", err)
	}
	if d.Version != mqtt.V5 {
		return
	}
	farewells.all.Add(1)
	switch got {
	case want:
	case 0:
		farewells.silent.Add(1)
	default:
		t.Errorf("got a DISCONNECT with %s, want %s", got, want)
	}
}

// keeps fails unless a device is still connected.
func keeps(t *testing.T, d *mqtttest.Client) {
	t.Helper()
	if err := d.Ping(); err != nil {
		t.Errorf("the connection ended: %v", err)
	}
}

func TestDevicesTalkAndLoseTheirConnection(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		client := c.IoT()
		cordontest.Policy(t, client, "all", cordontest.AllowAll)
		good, bad := cordontest.NewDevice(t, client, "all"), cordontest.NewDevice(t, client, "all")
		a := c.MustConnect(t, good, cordontest.Hello(mqtt.V5, "a"))
		b := c.MustConnect(t, bad, cordontest.Hello(mqtt.V311, "b"))
		if codes, err := a.Subscribe(1, "x/#"); err != nil || codes[0] > 1 {
			t.Fatalf("got %v, %v, want a granted subscription", codes, err)
		}
		if err := b.Publish("x/y", "hello", 1); err != nil {
			t.Fatal(err)
		}
		if m, err := a.Message(); err != nil || string(m.Payload) != "hello" {
			t.Fatalf("got %q, %v, want the message", m.Payload, err)
		}
		bad.SetStatus(t, client, types.CertificateStatusInactive)
		loses(t, b, 0)
		keeps(t, a)
		if _, err := c.Connect(t, bad, cordontest.Hello(mqtt.V311, "b")); err == nil {
			t.Error("a deactivated certificate was let in")
		}
		bad.SetStatus(t, client, types.CertificateStatusActive)
		c.MustConnect(t, bad, cordontest.Hello(mqtt.V311, "b"))
	})
}

func TestTheEndpointIsWhereDevicesConnect(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	out, err := c.IoT().DescribeEndpoint(t.Context(), &iot.DescribeEndpointInput{EndpointType: aws.String("iot:Data-ATS")})
	if err != nil {
		t.Fatal(err)
	}
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	d := cordontest.NewDevice(t, c.IoT(), "all")
	cfg := c.DeviceTLS(t, d, cordontest.Home)
	cfg.ServerName = *out.EndpointAddress
	device, err := c.ConnectTo(t, cfg, cordontest.Hello(mqtt.V5, "d"))
	if err != nil || device.Connack.Code != mqtt.Success {
		t.Errorf("got %v, want to be let in", err)
	}
}
