package server_test

import (
	"encoding/pem"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

// elsewhere is an account beside the default one.
var elsewhere = fleet.Scope{Account: "222222222222", Region: cordontest.Region}

// inBoth registers a device's certificate in another account too, where it is
// ACTIVE, and returns a client of that account.
func inBoth(t *testing.T, c *cordontest.Cordon, device *cordontest.Device) (
	theirs *iot.Client, there *cordontest.Device,
) {
	t.Helper()
	theirs = c.NewAccount(t, elsewhere.Account)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: device.Certificate.Leaf.Raw}))
	out := must[*iot.RegisterCertificateWithoutCAOutput](t)(theirs.RegisterCertificateWithoutCA(t.Context(),
		&iot.RegisterCertificateWithoutCAInput{CertificatePem: &text, Status: types.CertificateStatusActive}))
	cordontest.Policy(t, theirs, "all", cordontest.AllowAll)
	cordontest.Attach(t, theirs, "all", *out.CertificateArn)
	return theirs, &cordontest.Device{ID: *out.CertificateId, ARN: *out.CertificateArn, Certificate: device.Certificate}
}

func TestOneCertificateIsWhatTheAccountOfTheEndpointSays(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
		here := cordontest.NewDevice(t, c.IoT(), "all")
		theirs, there := inBoth(t, c, here)
		at := func(scope fleet.Scope) (*mqtttest.Client, error) {
			return enters(t, c.MQTTAddr(), c.DeviceTLS(t, here, scope), cordontest.Hello(mqtt.V5, "d"))
		}
		mine := must[*mqtttest.Client](t)(at(cordontest.Home))
		other := must[*mqtttest.Client](t)(at(elsewhere))
		keeps(t, mine)

		there.SetStatus(t, theirs, types.CertificateStatusInactive)
		loses(t, other, mqtt.AdministrativeAction)
		keeps(t, mine)
		if _, err := at(elsewhere); err == nil {
			t.Error("let in by an account in which the certificate is inactive")
		}
		_ = must[*mqtttest.Client](t)(at(cordontest.Home)).Disconnect()

		there.SetStatus(t, theirs, types.CertificateStatusActive)
		here.SetStatus(t, c.IoT(), types.CertificateStatusInactive)
		if _, err := at(cordontest.Home); err == nil {
			t.Error("let in by the default account, in which the certificate is inactive now")
		}
		keeps(t, must[*mqtttest.Client](t)(at(elsewhere)))
	})
}

func TestEqualClientsOfTwoAccountsNeverMeet(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
		device := cordontest.NewDevice(t, c.IoT(), "all")
		inBoth(t, c, device)
		var sides [2]*mqtttest.Client
		for i, scope := range []fleet.Scope{cordontest.Home, elsewhere} {
			hello := stays(mqtt.V5, "d")
			hello.Will = &mqtt.Will{Topic: "will", Payload: []byte(scope.Account)}
			sides[i] = must[*mqtttest.Client](t)(enters(t, c.MQTTAddr(), c.DeviceTLS(t, device, scope), hello))
			if codes, err := sides[i].Subscribe(1, "#", "+/x", "$share/g/y"); err != nil || codes[0] != 1 || codes[2] != 1 {
				t.Fatalf("got %v, %v, want granted subscriptions", codes, err)
			}
		}
		here, there := sides[0], sides[1]
		for _, topic := range []string{"a", "a/x", "y", "222222222222/us-east-1/a"} {
			if err := here.Publish(topic, "of mine", 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.Send(&mqtt.Publish{Topic: "kept", Retain: true, Payload: []byte("of mine")}); err != nil {
			t.Fatal(err)
		}
		keeps(t, here)
		if len(here.Inbox) == 0 {
			t.Error("got no messages of its own account, want them")
		}
		keeps(t, there)
		late := cordontest.Hello(mqtt.V5, "late")
		third := must[*mqtttest.Client](t)(enters(t, c.MQTTAddr(), c.DeviceTLS(t, device, elsewhere), late))
		if _, err := third.Subscribe(1, "#"); err != nil {
			t.Fatal(err)
		}
		// A will, and messages of its own account after all that it must not get.
		_ = here.Conn.Close()
		gone(t, c, "d")
		if err := third.Publish("last", "of theirs", 1); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*mqtttest.Client{there, third} {
			if m, err := d.Message(); err != nil || m.Topic != "last" {
				t.Errorf("got the message %q of %q, %v, want none but that of its own account", m.Payload, m.Topic, err)
			}
		}
	})
}
