package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// stays is a CONNECT that resumes a session, and has it stored.
func stays(v mqtt.Version, clientID string) *mqtt.Connect {
	c := cordontest.Hello(v, clientID)
	c.CleanStart = false
	if v == mqtt.V5 {
		c.Properties = c.Properties.AddNumber(mqtt.SessionExpiry, 600)
	}
	return c
}

func TestAStoredSessionIsJudgedByTheCertificateThatResumesIt(t *testing.T) {
	const onlyA = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],"Resource":"*"},
		{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:us-east-1:000000000000:topicfilter/a"},
		{"Effect":"Allow","Action":"iot:Receive","Resource":"*"}]}`
	for name, v := range map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5} {
		t.Run(name, func(t *testing.T) {
			c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
			client := c.IoT()
			cordontest.Policy(t, client, "all", cordontest.AllowAll)
			cordontest.Policy(t, client, "only-a", onlyA)
			strong, weak := cordontest.NewDevice(t, client, "all"), cordontest.NewDevice(t, client, "only-a")
			d := c.MustConnect(t, strong, stays(v, "d"))
			if codes, err := d.Subscribe(1, "a", "b"); err != nil || codes[0] != 1 || codes[1] != 1 {
				t.Fatalf("got %v, %v, want granted subscriptions", codes, err)
			}
			_ = d.Disconnect()
			p := c.MustConnect(t, strong, cordontest.Hello(v, "p"))
			gone(t, c, "d")
			for _, topic := range []string{"b", "a"} {
				if err := p.Publish(topic, topic, 1); err != nil {
					t.Fatal(err)
				}
			}
			d = c.MustConnect(t, weak, stays(v, "d"))
			if !d.Connack.SessionPresent {
				t.Error("got no session, want the stored one")
			}
			if m, err := d.Message(); err != nil || m.Topic != "a" {
				t.Fatalf("got a message of %q, %v, want that of a", m.Topic, err)
			}
			if err := p.Publish("b", "again", 1); err != nil {
				t.Fatal(err)
			}
			keeps(t, d)
			if len(d.Inbox) != 0 {
				t.Errorf("got a message of %q, want none but that of a", d.Inbox[0].Topic)
			}
		})
	}
}

// gone waits until a client is not connected any more.
func gone(t *testing.T, c *cordontest.Cordon, clientID string) {
	t.Helper()
	deadline := time.Now().Add(cordontest.Deadline)
	for c.Gateway().Connected(cordontest.Home, clientID) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still connected", clientID)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTheNewerOfTwoWithOneClientIDStays(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	one, two := cordontest.NewDevice(t, c.IoT(), "all"), cordontest.NewDevice(t, c.IoT(), "all")
	a := c.MustConnect(t, one, cordontest.Hello(mqtt.V5, "d"))
	b := c.MustConnect(t, two, cordontest.Hello(mqtt.V5, "d"))
	loses(t, a, mqtt.SessionTakenOver)
	keeps(t, b)
}

// TestTheNewerOfTwoStaysOnAllNodes connects a client id to one node and then to
// another that shares its database.
func TestTheNewerOfTwoStaysOnAllNodes(t *testing.T) {
	cfg := cordontest.Settings(t, "postgres")
	first := cordontest.Start(t, cfg, server.Options{})
	second := cordontest.Start(t, cfg, server.Options{})
	cordontest.Policy(t, first.IoT(), "all", cordontest.AllowAll)
	device := cordontest.NewDevice(t, first.IoT(), "all")
	// A connection is newer than another from its claim on, which is written when
	// the device was let in.
	claims := 0
	comes := func(c *cordontest.Cordon) *mqtttest.Client {
		d := c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "d"))
		claims++
		cordontest.Await(t, "the claim is written", func() (there bool) {
			err := c.Store().Postgres().QueryRow(t.Context(), `SELECT count(*) >= $1 FROM right_changes WHERE kind = 'client'`,
				claims).Scan(&there)
			return err == nil && there
		})
		return d
	}
	for range 3 {
		a := comes(first)
		b := comes(second)
		loses(t, a, mqtt.SessionTakenOver)
		keeps(t, b)
		a = comes(first)
		loses(t, b, mqtt.SessionTakenOver)
		keeps(t, a)
	}
	// A right that is taken at one node is gone at the other.
	b := second.MustConnect(t, device, cordontest.Hello(mqtt.V5, "other"))
	device.SetStatus(t, first.IoT(), "INACTIVE")
	loses(t, b, mqtt.AdministrativeAction)
}

func TestAnOrderEndsTheConnectionOfAClient(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
		device := cordontest.NewDevice(t, c.IoT(), "all")
		d := c.MustConnect(t, device, stays(mqtt.V5, "d"))
		bystander := c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "e"))
		if _, err := d.Subscribe(1, "x"); err != nil {
			t.Fatal(err)
		}
		order := func(o fleet.ClientOrder) {
			t.Helper()
			if _, err := c.Store().WriteClientOrder(t.Context(), cordontest.Home, []string{"d"}, o); err != nil {
				t.Fatal(err)
			}
		}
		order(fleet.ClientOrder{})
		loses(t, d, mqtt.AdministrativeAction)
		gone(t, c, "d")
		if d = c.MustConnect(t, device, stays(mqtt.V5, "d")); !d.Connack.SessionPresent {
			t.Error("got no session, want the stored one")
		}
		order(fleet.ClientOrder{CleanSession: true})
		loses(t, d, mqtt.AdministrativeAction)
		gone(t, c, "d")
		if d = c.MustConnect(t, device, stays(mqtt.V5, "d")); d.Connack.SessionPresent {
			t.Error("got the stored session, want it ended")
		}
		keeps(t, bystander)
	})
}

func TestAGatewayThatStopsSaysSo(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
	device := cordontest.NewDevice(t, c.IoT(), "all")
	var devices []*mqtttest.Client
	for _, id := range strings.Split("abcdefgh", "") {
		devices = append(devices, c.MustConnect(t, device, cordontest.Hello(mqtt.V5, id)))
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		loses(t, d, mqtt.ServerShuttingDown)
	}
}

func TestRetainedMessagesNeedTheirOwnRight(t *testing.T) {
	const noRetain = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":"iot:RetainPublish","Resource":"*"}]}`
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "no-retain", noRetain)
	device := cordontest.NewDevice(t, c.IoT(), "no-retain")
	d := c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "d"))
	if err := d.Publish("x", "", 1); err != nil {
		t.Fatal(err)
	}
	if err := d.Send(&mqtt.Publish{Topic: "x", Retain: true, Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	loses(t, d, mqtt.NotAuthorized)
}

func TestValuesThatAClientChoseAreLiteralText(t *testing.T) {
	const own = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
		{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:000000000000:topic/${iot:ClientId}/x"}]}`
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "own", own)
	device := cordontest.NewDevice(t, c.IoT(), "own")
	d := c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "*"))
	if err := d.Publish("*/x", "", 1); err != nil {
		t.Errorf("its own topic: %v", err)
	}
	if err := d.Publish("other/x", "", 1); err == nil {
		t.Error("a client named * could publish for another one")
	}
}

func TestHowAClientConnectsCanBeACondition(t *testing.T) {
	const noWills = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*",
		"Condition":{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}}]}`
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	cordontest.Policy(t, c.IoT(), "no-wills", noWills)
	device := cordontest.NewDevice(t, c.IoT(), "no-wills")
	c.MustConnect(t, device, stays(mqtt.V311, "d"))
	c.MustConnect(t, device, cordontest.Hello(mqtt.V5, "e"))
	with := cordontest.Hello(mqtt.V5, "f")
	with.Will = &mqtt.Will{Topic: "x"}
	d, err := c.Connect(t, device, with)
	if err != nil {
		t.Fatal(err)
	}
	if d.Connack.Code != mqtt.NotAuthorized {
		t.Errorf("got %s, want %s", d.Connack.Code, mqtt.NotAuthorized)
	}
}

func TestAccountsAndRegionsNeverMeet(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	const account = "222222222222"
	var devices []*mqtttest.Client
	for scope, client := range map[fleet.Scope]*iot.Client{
		cordontest.Home: c.IoT(),
		{Account: account, Region: cordontest.Region}:      c.NewAccount(t, account),
		{Account: cordontest.Account, Region: "eu-west-1"}: c.IoTIn("eu-west-1"),
	} {
		cordontest.Policy(t, client, "all", cordontest.AllowAll)
		o := &owned{t, client, scope, cordontest.NewDevice(t, client, "all")}
		d := o.connect(c, o.device, "d")
		if codes, err := d.Subscribe(1, "#", "$share/g/#"); err != nil || codes[0] != 1 || codes[1] != 1 {
			t.Fatalf("got %v, %v, want granted subscriptions", codes, err)
		}
		if err := d.Send(&mqtt.Publish{Topic: "x", Retain: true, Payload: []byte(scope.EndpointName())}); err != nil {
			t.Fatal(err)
		}
		keeps(t, d)
		devices = append(devices, d)
	}
	for _, d := range devices {
		keeps(t, d)
		own := map[string]bool{}
		for _, m := range d.Inbox {
			own[string(m.Payload)] = true
		}
		if len(own) != 1 {
			t.Errorf("got the messages of %d accounts and regions, want those of its own", len(own))
		}
	}
}
