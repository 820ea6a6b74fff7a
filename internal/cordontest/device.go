package cordontest

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// AllowAll is a policy that allows everything.
const AllowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// Home is the default account and region.
var Home = fleet.Scope{Account: Account, Region: Region}

// Device is what a device has: a registered certificate and its key.
type Device struct {
	ID, ARN     string
	Certificate tls.Certificate
}

// NewDevice has an account sign a certificate for a new key, ACTIVE, with the
// policies named attached.
func NewDevice(t testing.TB, c *iot.Client, policies ...string) *Device {
	t.Helper()
	key, err := fixture.ECKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := fixture.Request(pkix.Name{CommonName: "device"}, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.CreateCertificateFromCsr(t.Context(), &iot.CreateCertificateFromCsrInput{
		CertificateSigningRequest: &csr, SetAsActive: true,
	})
	if err != nil {
		t.Fatalf("create certificate: %v", err)
	}
	d := &Device{ID: *out.CertificateId, ARN: *out.CertificateArn, Certificate: pair(t, *out.CertificatePem, key)}
	for _, name := range policies {
		Attach(t, c, name, d.ARN)
	}
	return d
}

func pair(t testing.TB, text string, key *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("the certificate is not PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key, Leaf: leaf}
}

// Policy makes a policy.
func Policy(t testing.TB, c *iot.Client, name, document string) {
	t.Helper()
	_, err := c.CreatePolicy(t.Context(), &iot.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		t.Fatalf("create policy: %v", err)
	}
}

// Attach attaches a policy to a target.
func Attach(t testing.TB, c *iot.Client, policy, target string) {
	t.Helper()
	_, err := c.AttachPolicy(t.Context(), &iot.AttachPolicyInput{PolicyName: &policy, Target: &target})
	if err != nil {
		t.Fatalf("attach policy: %v", err)
	}
}

// SetStatus changes the state of a device's certificate.
func (d *Device) SetStatus(t testing.TB, c *iot.Client, status types.CertificateStatus) {
	t.Helper()
	_, err := c.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{
		CertificateId: aws.String(d.ID), NewStatus: status,
	})
	if err != nil {
		t.Fatalf("set the status of a certificate: %v", err)
	}
}

// GatewayCA is the CA that devices know the gateway by, as PEM.
func (c *Cordon) GatewayCA(t testing.TB) string {
	t.Helper()
	ca, err := c.Identity().GatewayAuthority(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return ca.Certificate().PEM
}

// DeviceTLS is how a device connects to the endpoint of a scope.
func (c *Cordon) DeviceTLS(t testing.TB, d *Device, scope fleet.Scope) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.GatewayCA(t)))
	return &tls.Config{
		Certificates: []tls.Certificate{d.Certificate}, RootCAs: roots,
		ServerName: scope.EndpointName() + "." + EndpointDomain,
	}
}

// Connect connects a device to the endpoint of the default scope. That it was
// refused is an error, or a Connack with a code, by when it was.
func (c *Cordon) Connect(t testing.TB, d *Device, connect *mqtt.Connect) (*mqtttest.Client, error) {
	t.Helper()
	return c.ConnectTo(t, c.DeviceTLS(t, d, Home), connect)
}

// ConnectTo is Connect with settings of TLS.
func (c *Cordon) ConnectTo(t testing.TB, cfg *tls.Config, connect *mqtt.Connect) (*mqtttest.Client, error) {
	t.Helper()
	conn, err := mqtttest.Dial(c.MQTTAddr(), cfg)
	if err != nil {
		return nil, err
	}
	device, err := mqtttest.Connect(conn, connect)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return device, nil
}

// MustConnect connects a device that must be let in.
func (c *Cordon) MustConnect(t testing.TB, d *Device, connect *mqtt.Connect) *mqtttest.Client {
	t.Helper()
	device, err := c.Connect(t, d, connect)
	if err != nil {
		t.Fatal(err)
	}
	if device.Connack.Code != mqtt.Success {
		t.Fatalf("got a CONNACK with %s, want success", device.Connack.Code)
	}
	return device
}

// Hello is a CONNECT with a clean session.
func Hello(v mqtt.Version, clientID string) *mqtt.Connect {
	return &mqtt.Connect{Version: v, CleanStart: true, KeepAlive: 60, ClientID: clientID}
}
