package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// signedBy is a device whose certificate nobody registered.
func signedBy(t *testing.T, ca *fixture.CA) *cordontest.Device {
	t.Helper()
	leaf, err := ca.Issue(fixture.Template{CommonName: "device"})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(leaf.DER)
	if err != nil {
		t.Fatal(err)
	}
	return &cordontest.Device{Certificate: tls.Certificate{
		Certificate: [][]byte{leaf.DER}, PrivateKey: leaf.Key, Leaf: parsed,
	}}
}

func TestADeviceOfAKnownCAIsRegisteredWhenItComesAndLetInWhenItIsActivated(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		client := c.IoT()
		template := fixture.Template{CommonName: "Factory CA"}
		ca, err := fixture.NewCA(template)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.RegisterCACertificate(t.Context(), &iot.RegisterCACertificateInput{
			CaCertificate: &ca.PEM, CertificateMode: types.CertificateModeSniOnly, SetAsActive: true,
			AllowAutoRegistration: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		cordontest.Policy(t, client, "all", cordontest.AllowAll)
		watcher := c.MustConnect(t, cordontest.NewDevice(t, client, "all"), cordontest.Hello(mqtt.V5, "watcher"))
		if codes, err := watcher.Subscribe(0, "$aws/events/certificates/registered/+"); err != nil || codes[0] != 0 {
			t.Fatal(codes, err)
		}
		impostor, err := fixture.NewCA(template)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Connect(t, signedBy(t, impostor), cordontest.Hello(mqtt.V5, "d")); err == nil {
			t.Error("a device of a CA that has the name of a known one was let in")
		}
		device := signedBy(t, ca)
		for range 2 {
			if _, err := c.Connect(t, device, cordontest.Hello(mqtt.V5, "d")); err == nil {
				t.Fatal("a device was let in that its owner did not activate")
			}
		}
		m, err := watcher.Message()
		if err != nil {
			t.Fatal(err)
		}
		event := map[string]any{}
		if err := json.Unmarshal(m.Payload, &event); err != nil {
			t.Fatal(err)
		}
		device.ID, _ = event["certificateId"].(string)
		out, err := client.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &device.ID})
		if err != nil {
			t.Fatal(err)
		}
		if got := out.CertificateDescription.Status; got != types.CertificateStatusPendingActivation {
			t.Errorf("got %s, want PENDING_ACTIVATION", got)
		}
		list, err := client.ListCertificates(t.Context(), &iot.ListCertificatesInput{})
		if err != nil || len(list.Certificates) != 2 {
			t.Errorf("got %d certificates, %v, want that of the watcher and the new one", len(list.Certificates), err)
		}
		cordontest.Attach(t, client, "all", *out.CertificateDescription.CertificateArn)
		device.SetStatus(t, client, types.CertificateStatusActive)
		c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "d"))
		keeps(t, watcher)
		if len(watcher.Inbox) != 0 {
			t.Errorf("got %d events more, want one registration", len(watcher.Inbox))
		}
	})
}
