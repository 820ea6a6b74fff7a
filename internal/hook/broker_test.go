package hook_test

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// documented is a configuration of docs/brokers with its places replaced by
// those of a test. Each must be in it.
func documented(t *testing.T, name string, replace map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/brokers", name))
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for old, value := range replace {
		if !strings.Contains(out, old) {
			t.Fatalf("got no %q in docs/brokers/%s, where the test has another place for it", old, name)
		}
		out = strings.ReplaceAll(out, old, value)
	}
	return out
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// identity is a certificate with its key in files.
type identity struct {
	name, id, pem, key string
}

// identityOf writes what a CA issued into a directory.
func identityOf(t *testing.T, dir, name string, leaf *fixture.Leaf, id string) identity {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return identity{name, id, write(t, dir, name+".pem", leaf.PEM), write(t, dir, name+".key", key)}
}

// serverOf is the certificate of a broker on loopback.
func serverOf(t *testing.T, dir string, ca *fixture.CA) identity {
	t.Helper()
	leaf, err := ca.Issue(fixture.Template{CommonName: "localhost", Edit: func(c *x509.Certificate) {
		c.DNSNames = []string{"localhost"}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, dir, "server", leaf, "")
}

// deviceOf is a device whose certificate a CA issued and the registry has.
func deviceOf(t *testing.T, c *iot.Client, dir, name string, ca *fixture.CA) identity {
	t.Helper()
	leaf, err := ca.Issue(fixture.Template{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.RegisterCertificateWithoutCA(t.Context(), &iot.RegisterCertificateWithoutCAInput{
		CertificatePem: &leaf.PEM, Status: types.CertificateStatusActive,
	})
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, dir, name, leaf, *out.CertificateId)
}

func setStatus(t *testing.T, c *iot.Client, d identity, status types.CertificateStatus) {
	t.Helper()
	_, err := c.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{CertificateId: &d.id, NewStatus: status})
	if err != nil {
		t.Fatal(err)
	}
}

// attach gives a device a policy of its own.
func attach(t *testing.T, c *iot.Client, d identity, name, document string) {
	t.Helper()
	if _, err := c.CreatePolicy(t.Context(), &iot.CreatePolicyInput{
		PolicyName: &name, PolicyDocument: &document,
	}); err != nil {
		t.Fatal(err)
	}
	arn := fmt.Sprintf("arn:aws:iot:%s:%s:cert/%s", cordontest.Region, cordontest.Account, d.id)
	if _, err := c.AttachPolicy(t.Context(), &iot.AttachPolicyInput{PolicyName: &name, Target: &arn}); err != nil {
		t.Fatal(err)
	}
}

// site is a broker and where its clients' files are.
type site struct {
	dir, ca string
	host    string // localhost when empty
	port    int
}

// arguments are those of a Mosquitto client that connects as a device.
func (s *site) arguments(d identity, clientID string, more ...string) []string {
	return append([]string{
		"-h", cmp.Or(s.host, "localhost"), "-p", fmt.Sprint(s.port), "--cafile", s.ca,
		"--cert", d.pem, "--key", d.key, "-i", clientID, "-q", "1",
	}, more...)
}

// publish sends a message and returns what the client said, and its error.
func (s *site) publish(t *testing.T, d identity, clientID, topic string, more ...string) (string, error) {
	t.Helper()
	args := s.arguments(d, clientID, append([]string{"-t", topic, "-m", "hello"}, more...)...)
	return cordontest.RunProgram(t, s.dir, nil, cordontest.MosquittoClient(t, "mosquitto_pub"), args...)
}

func (s *site) wantPublished(t *testing.T, d identity, clientID, topic string) {
	t.Helper()
	if out, err := s.publish(t, d, clientID, topic); err != nil {
		t.Errorf("got %v when %s publishes to %s, want it accepted: %s", err, clientID, topic, out)
	}
}

func (s *site) wantNotPublished(t *testing.T, d identity, clientID, topic string, more ...string) {
	t.Helper()
	if out, err := s.publish(t, d, clientID, topic, more...); err == nil {
		t.Errorf("got a message of %s to %s accepted, want it refused: %s", clientID, topic, out)
	}
}

// subscribe starts a subscriber that shows what it gets.
func (s *site) subscribe(t *testing.T, d identity, clientID, filter string, more ...string) *cordontest.Program {
	t.Helper()
	// Into a file it would write a block at a time.
	args := append([]string{"-oL", cordontest.MosquittoClient(t, "mosquitto_sub"), "-v", "-d", "-t", filter},
		s.arguments(d, clientID, more...)...)
	return cordontest.StartProgram(t, s.dir, nil, "stdbuf", args...)
}

// here is the scope of the server of a test.
var here = fleet.Scope{Account: cordontest.Account, Region: cordontest.Region}
