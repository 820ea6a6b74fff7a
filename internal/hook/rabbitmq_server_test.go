package hook_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// rabbit is a RabbitMQ with the configuration of docs/brokers.
type rabbit struct {
	site
	environment []string
	node        string
	*cordontest.Program
}

// startRabbit starts a RabbitMQ that asks at a URL with a token.
func startRabbit(t *testing.T, ca *fixture.CA, url, token string) *rabbit {
	t.Helper()
	path := cordontest.RabbitMQ(t, "rabbitmq-server")
	dir := cordontest.ProgramDir(t)
	r := &rabbit{site: site{dir: dir, ca: write(t, dir, "ca.pem", ca.PEM), port: cordontest.FreePort(t)}}
	own := serverOf(t, dir, ca)
	mapper, distribution := cordontest.FreePort(t), cordontest.FreePort(t)
	r.node = fmt.Sprintf("cordon-test-%d@localhost", r.port)
	in := func(name string) string { return filepath.Join(dir, name) }
	r.environment = []string{
		"RABBITMQ_NODENAME=" + r.node, "RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_LOGS=-",
		"RABBITMQ_MNESIA_BASE=" + in("mnesia"), "RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"), "RABBITMQ_ADVANCED_CONFIG_FILE=" + in("none"),
		"RABBITMQ_CONFIG_FILE=" + write(t, dir, "rabbitmq.conf", documented(t, "rabbitmq.conf", map[string]string{
			"0.0.0.0:8883": fmt.Sprintf("127.0.0.1:%d", r.port), "/etc/rabbitmq/cordon/device-ca.pem": r.ca,
			"/etc/rabbitmq/cordon/server.pem": own.pem, "/etc/rabbitmq/cordon/server.key": own.key,
			"http://127.0.0.1:8083": url, "TOKEN": token,
		})),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + write(t, dir, "enabled_plugins", documented(t, "enabled_plugins", nil)),
		fmt.Sprintf("ERL_EPMD_PORT=%d", mapper), "ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", distribution),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
	// Erlang would start its port mapper by itself, and leave it behind.
	cordontest.StartProgram(t, dir, r.environment, "epmd", "-port", fmt.Sprint(mapper), "-address", "127.0.0.1").
		AwaitPort(t, mapper)
	r.Program = cordontest.StartProgram(t, dir, r.environment, path)
	r.AwaitLog(t, "Server startup complete")
	return r
}

// ownTopics lets a device connect under its name, and talk about what is below
// its name.
const ownTopics = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:Certificate.Subject.CommonName}*"},
	{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
		"Resource": "arn:aws:iot:*:*:topic/${iot:Certificate.Subject.CommonName}/*"},
	{"Effect": "Allow", "Action": "iot:Subscribe",
		"Resource": "arn:aws:iot:*:*:topicfilter/${iot:Certificate.Subject.CommonName}/*"}]}`

func TestARealRabbitMQObeysTheHooks(t *testing.T) {
	cordontest.RabbitMQ(t, "rabbitmq-server")
	cordontest.MosquittoClient(t, "mosquitto_pub")
	settings := cordontest.Settings(t, "sqlite")
	settings.HookListen = "127.0.0.1:0"
	c := cordontest.Start(t, settings, server.Options{})
	token, text := fleet.NewHookToken("rabbitmq", time.Now())
	if err := c.Store().AddHookToken(t.Context(), here, &token); err != nil {
		t.Fatal(err)
	}
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Factory CA"})
	if err != nil {
		t.Fatal(err)
	}
	r := startRabbit(t, ca, c.HookURL(), text)
	pump := deviceOf(t, c.IoT(), r.dir, "pump", ca)
	valve := deviceOf(t, c.IoT(), r.dir, "valve", ca)
	attach(t, c.IoT(), pump, "own", ownTopics)
	attach(t, c.IoT(), valve, "none", `{"Version": "2012-10-17", "Statement": []}`)

	sub := r.subscribe(t, pump, "pump-sub", "pump/+")
	sub.AwaitLog(t, "Subscribed")
	r.wantPublished(t, pump, "pump-1", "pump/state")
	sub.AwaitLog(t, "pump/state hello")

	r.wantNotPublished(t, pump, "pump-1", "valve/state")
	r.wantNotPublished(t, pump, "other-client", "pump/state")
	r.wantNotPublished(t, valve, "valve", "valve/state")
	r.wantNotPublished(t, valve, "pump-1", "pump/state", "-u", "pump", "-P", "any")
	denied := r.subscribe(t, pump, "pump-2", "valve/#", "-C", "1")
	denied.AwaitLog(t, "received CONNACK (0)")
	denied.AwaitLog(t, "received CONNACK (0)")

	setStatus(t, c.IoT(), pump, types.CertificateStatusInactive)
	r.wantNotPublished(t, pump, "pump-1", "pump/state")
	setStatus(t, c.IoT(), pump, types.CertificateStatusActive)
	r.wantPublished(t, pump, "pump-1", "pump/state")

	out, err := cordontest.RunProgram(t, r.dir, r.environment, cordontest.RabbitMQ(t, "rabbitmqctl"), "-n", r.node,
		"close_all_user_connections", "pump", "the certificate was deactivated")
	t.Logf("%s %v", out, err)
	t.Log(sub.Log(t))
	t.Log(denied.Log(t))
	t.Log(r.Log(t))
}
