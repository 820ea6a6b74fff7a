package hook_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// rabbit is a RabbitMQ of a test.
type rabbit struct {
	environment []string
	*cordontest.Program
}

// startRabbit starts a RabbitMQ with a configuration and plug-ins.
func startRabbit(t *testing.T, dir, config, plugins string) *rabbit {
	t.Helper()
	mapper, distribution := cordontest.FreePort(t), cordontest.FreePort(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	r := &rabbit{environment: []string{
		fmt.Sprintf("RABBITMQ_NODENAME=cordon-test-%d@localhost", distribution), "RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_LOGS=-", "RABBITMQ_MNESIA_BASE=" + in("mnesia"), "RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"), "RABBITMQ_ADVANCED_CONFIG_FILE=" + in("none"),
		"RABBITMQ_CONFIG_FILE=" + write(t, dir, "rabbitmq.conf", config),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + write(t, dir, "enabled_plugins", plugins),
		fmt.Sprintf("ERL_EPMD_PORT=%d", mapper), "ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", distribution),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}}
	// Erlang would start its port mapper by itself, and leave it behind.
	cordontest.StartProgram(t, dir, r.environment, "epmd", "-port", fmt.Sprint(mapper), "-address", "127.0.0.1").
		AwaitPort(t, mapper)
	r.Program = cordontest.StartProgram(t, dir, r.environment, cordontest.RabbitMQ(t, "rabbitmq-server"))
	r.AwaitLog(t, "Server startup complete")
	return r
}

// startAsking starts a RabbitMQ that asks at a URL with a token, and says where
// devices of a CA reach it.
func startAsking(t *testing.T, ca *fixture.CA, url, token string) *site {
	t.Helper()
	dir := cordontest.ProgramDir(t)
	s := &site{dir: dir, ca: write(t, dir, "ca.pem", ca.PEM), port: cordontest.FreePort(t)}
	own := serverOf(t, dir, ca)
	config := documented(t, "rabbitmq-beside.conf", map[string]string{
		"0.0.0.0:8883": fmt.Sprintf("127.0.0.1:%d", s.port), "/etc/rabbitmq/cordon/device-ca.pem": s.ca,
		"/etc/rabbitmq/cordon/server.pem": own.pem, "/etc/rabbitmq/cordon/server.key": own.key,
		"http://127.0.0.1:8083": url, "TOKEN": token,
	})
	startRabbit(t, dir, config, documented(t, "rabbitmq-beside.enabled_plugins", nil))
	return s
}

// ownTopics lets a device connect under its name, and talk about what is below
// its name.
const ownTopics = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "iot:Connect", 
		"Resource": "arn:aws:iot:*:*:client/${iot:Certificate.Subject.CommonName}*"},
	{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
		"Resource": "arn:aws:iot:*:*:topic/${iot:Certificate.Subject.CommonName}/*"},
	{"Effect": "Allow", "Action": "iot:Subscribe",
		"Resource": "arn:aws:iot:*:*:topicfilter/${iot:Certificate.Subject.CommonName}/*"}]}`

// noTopics lets a device do nothing.
const noTopics = `{"Version": "2012-10-17", "Statement": []}`

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
	r := startAsking(t, ca, c.HookURL(), text)
	pump := deviceOf(t, c.IoT(), r.dir, "pump", ca)
	valve := deviceOf(t, c.IoT(), r.dir, "valve", ca)
	attach(t, c.IoT(), pump, "own", ownTopics)
	attach(t, c.IoT(), valve, "none", noTopics)

	sub := r.subscribe(t, pump, "pump-sub", "pump/+")
	sub.AwaitLog(t, "Subscribed")
	r.wantPublished(t, pump, "pump-1", "pump/state")
	sub.AwaitLog(t, "pump/state hello")

	r.wantNotPublished(t, pump, "pump-1", "valve/state")
	r.wantNotPublished(t, pump, "other-client", "pump/state")
	r.wantNotPublished(t, valve, "valve", "valve/state")
	// Whose name it is, a password does not say.
	r.wantNotPublished(t, valve, "pump-1", "pump/state", "-u", "pump", "-P", "any")
	denied := r.subscribe(t, pump, "pump-2", "valve/#")
	cordontest.Await(t, "who subscribes to what is denied is thrown out, and comes back", func() bool {
		return strings.Count(denied.Log(t), "received CONNACK (0)") > 1
	})
	if log := denied.Log(t); strings.Contains(log, "Subscribed") {
		t.Errorf("got %s, want no subscription", log)
	}

	setStatus(t, c.IoT(), pump, types.CertificateStatusInactive)
	r.wantNotPublished(t, pump, "pump-1", "pump/state")
	setStatus(t, c.IoT(), pump, types.CertificateStatusActive)
	r.wantPublished(t, pump, "pump-1", "pump/state")
	if err := c.Store().DeleteHookToken(t.Context(), here, token.ID); err != nil {
		t.Fatal(err)
	}
	cordontest.Await(t, "nobody connects without the token", func() bool {
		_, err := r.publish(t, pump, "pump-1", "pump/state")
		return err != nil
	})
}

// TestDevicesTalkThroughARealRabbitMQ runs the configuration of
// docs/brokers/rabbitmq.md behind the gateway.
func TestDevicesTalkThroughARealRabbitMQ(t *testing.T) {
	cordontest.RabbitMQ(t, "rabbitmq-server")
	cordontest.MosquittoClient(t, "mosquitto_pub")
	dir, port := cordontest.ProgramDir(t), cordontest.FreePort(t)
	config := documented(t, "rabbitmq-behind.conf", map[string]string{"127.0.0.1:1883": fmt.Sprintf("127.0.0.1:%d", port)})
	startRabbit(t, dir, config, "[rabbitmq_mqtt].")
	wantTalk(t, dir, fmt.Sprintf("tcp://127.0.0.1:%d", port))
}
