package server_test

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

const (
	nothing = `{"Version":"2012-10-17","Statement":[]}`
	// inZone allows everything to devices whose thing is in zone 1.
	inZone = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*",
		"Condition":{"StringEquals":{"iot:Connection.Thing.Attributes[zone]":"1"}}}]}`
	// asThing allows everything to devices that stand for a thing.
	asThing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*",
		"Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}}]}`
	noSubscriptions = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],"Resource":"*"}]}`
	noPublishing = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe","iot:Receive"],"Resource":"*"}]}`
)

// owned is a device with a thing in a group, as its owner sees it.
type owned struct {
	t      *testing.T
	client *iot.Client
	scope  fleet.Scope
	device *cordontest.Device
}

func (o *owned) call(_ any, err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// thing gives the device a thing "d" in a group "g", with attributes.
func (o *owned) thing(attributes map[string]string) {
	o.t.Helper()
	ctx := o.t.Context()
	o.call(o.client.CreateThing(ctx, &iot.CreateThingInput{
		ThingName: aws.String("d"), AttributePayload: &types.AttributePayload{Attributes: attributes},
	}))
	o.call(o.client.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{
		ThingName: aws.String("d"), Principal: &o.device.ARN,
	}))
	o.call(o.client.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: aws.String("above")}))
	o.call(o.client.CreateThingGroup(ctx, &iot.CreateThingGroupInput{
		ThingGroupName: aws.String("g"), ParentGroupName: aws.String("above"),
	}))
	o.call(o.client.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{
		ThingGroupName: aws.String("g"), ThingName: aws.String("d"),
	}))
}

// version gives the policy "mine" another version, which is in force.
func (o *owned) version(document string) {
	o.t.Helper()
	o.call(o.client.CreatePolicyVersion(o.t.Context(), &iot.CreatePolicyVersionInput{
		PolicyName: aws.String("mine"), PolicyDocument: &document, SetAsDefault: true,
	}))
}

func (o *owned) group(name string) string {
	return o.scope.ARN("thinggroup", name)
}

// losses are changes that take the rights of a device away.
var losses = []struct {
	name     string
	document string // of the policy "mine"
	target   string // group that has the policy instead of the certificate
	change   func(o *owned)
	want     mqtt.ReasonCode
}{
	{"deactivation", cordontest.AllowAll, "", func(o *owned) {
		o.device.SetStatus(o.t, o.client, types.CertificateStatusInactive)
	}, mqtt.AdministrativeAction},
	{"revocation", cordontest.AllowAll, "", func(o *owned) {
		o.device.SetStatus(o.t, o.client, types.CertificateStatusRevoked)
	}, mqtt.AdministrativeAction},
	{"a default version that allows nothing", cordontest.AllowAll, "", func(o *owned) { o.version(nothing) },
		mqtt.NotAuthorized},
	{"a default version that takes a subscription", cordontest.AllowAll, "",
		func(o *owned) { o.version(noSubscriptions) }, mqtt.NotAuthorized},
	{"going back to a version that allows nothing", nothing, "", func(o *owned) {
		o.call(o.client.SetDefaultPolicyVersion(o.t.Context(), &iot.SetDefaultPolicyVersionInput{
			PolicyName: aws.String("mine"), PolicyVersionId: aws.String("1"),
		}))
	}, mqtt.NotAuthorized},
	{"detaching the policy", cordontest.AllowAll, "", func(o *owned) {
		o.call(o.client.DetachPolicy(o.t.Context(), &iot.DetachPolicyInput{
			PolicyName: aws.String("mine"), Target: &o.device.ARN,
		}))
	}, mqtt.NotAuthorized},
	{"detaching the policy from the group", cordontest.AllowAll, "g", func(o *owned) {
		o.call(o.client.DetachPolicy(o.t.Context(), &iot.DetachPolicyInput{
			PolicyName: aws.String("mine"), Target: aws.String(o.group("g")),
		}))
	}, mqtt.NotAuthorized},
	{"detaching the policy from the group above", cordontest.AllowAll, "above", func(o *owned) {
		o.call(o.client.DetachPolicy(o.t.Context(), &iot.DetachPolicyInput{
			PolicyName: aws.String("mine"), Target: aws.String(o.group("above")),
		}))
	}, mqtt.NotAuthorized},
	{"leaving the group", cordontest.AllowAll, "g", func(o *owned) {
		o.call(o.client.RemoveThingFromThingGroup(o.t.Context(), &iot.RemoveThingFromThingGroupInput{
			ThingGroupName: aws.String("g"), ThingName: aws.String("d"),
		}))
	}, mqtt.NotAuthorized},
	{"another attribute of the thing", inZone, "", func(o *owned) {
		o.call(o.client.UpdateThing(o.t.Context(), &iot.UpdateThingInput{
			ThingName:        aws.String("d"),
			AttributePayload: &types.AttributePayload{Attributes: map[string]string{"zone": "2"}},
		}))
	}, mqtt.NotAuthorized},
	{"detaching the thing", asThing, "", func(o *owned) {
		o.call(o.client.DetachThingPrincipal(o.t.Context(), &iot.DetachThingPrincipalInput{
			ThingName: aws.String("d"), Principal: &o.device.ARN,
		}))
	}, mqtt.NotAuthorized},
	{"a policy that denies, on the group", cordontest.AllowAll, "", func(o *owned) {
		cordontest.Policy(o.t, o.client, "deny",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:Connect","Resource":"*"}]}`)
		cordontest.Attach(o.t, o.client, "deny", o.group("above"))
	}, mqtt.NotAuthorized},
}

func TestEachLossOfARightDropsWhomItMust(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		for i, tt := range losses {
			t.Run(tt.name, func(t *testing.T) {
				scope := fleet.Scope{Account: cordontest.Account, Region: "region-" + strconv.Itoa(i)}
				o := &owned{t, c.IoTIn(scope.Region), scope, nil}
				o.device = cordontest.NewDevice(t, o.client)
				o.thing(map[string]string{"zone": "1"})
				cordontest.Policy(t, o.client, "mine", tt.document)
				if tt.document == nothing {
					o.version(cordontest.AllowAll)
				}
				target := o.device.ARN
				if tt.target != "" {
					target = o.group(tt.target)
				}
				cordontest.Attach(t, o.client, "mine", target)
				cordontest.Policy(t, o.client, "all", cordontest.AllowAll)
				other := cordontest.NewDevice(t, o.client, "all")

				d, bystander := o.connect(c, o.device, "d"), o.connect(c, other, "bystander")
				if codes, err := d.Subscribe(0, "x/y"); err != nil || codes[0] != 0 {
					t.Fatalf("got %v, %v, want a granted subscription", codes, err)
				}
				tt.change(o)
				loses(t, d, tt.want)
				keeps(t, bystander)
			})
		}
	})
}

// connect connects a device to the endpoint of its scope.
func (o *owned) connect(c *cordontest.Cordon, device *cordontest.Device, clientID string) *mqtttest.Client {
	o.t.Helper()
	d, err := c.ConnectTo(o.t, c.DeviceTLS(o.t, device, o.scope), cordontest.Hello(mqtt.V5, clientID))
	if err != nil {
		o.t.Fatal(err)
	}
	if d.Connack.Code != mqtt.Success {
		o.t.Fatalf("got a CONNACK with %s, want success", d.Connack.Code)
	}
	return d
}

func TestALostRightToPublishIsFeltAtTheNextMessage(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		o := &owned{t, c.IoT(), cordontest.Home, nil}
		cordontest.Policy(t, o.client, "mine", cordontest.AllowAll)
		o.device = cordontest.NewDevice(t, o.client, "mine")
		d := c.MustConnect(t, o.device, cordontest.Hello(mqtt.V5, "d"))
		watcher := c.MustConnect(t, o.device, cordontest.Hello(mqtt.V5, "w"))
		if codes, err := watcher.Subscribe(0, "x"); err != nil || codes[0] != 0 {
			t.Fatal(codes, err)
		}
		if err := d.Publish("x", "before", 1); err != nil {
			t.Fatal(err)
		}
		if m, err := watcher.Message(); err != nil || string(m.Payload) != "before" {
			t.Fatalf("got %q, %v, want the message", m.Payload, err)
		}
		// The change has come to the gateway when a device that was there before it
		// feels it.
		first := c.MustConnect(t, o.device, cordontest.Hello(mqtt.V5, "f"))
		o.version(noPublishing)
		keeps(t, d)
		cordontest.Await(t, "the change is felt", func() bool { return first.Publish("y", "", 1) != nil })
		_ = d.Publish("x", "after", 0)
		loses(t, d, mqtt.NotAuthorized)
		if len(watcher.Inbox) != 0 {
			t.Errorf("got %d messages more, want none", len(watcher.Inbox))
		}
		keeps(t, watcher)
		if len(watcher.Inbox) != 0 {
			t.Errorf("got the message %q, want none", watcher.Inbox[0].Payload)
		}
	})
}

func TestADisabledAccountLosesItsDevicesAndNoOther(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		const account = "222222222222"
		theirs := c.NewAccount(t, account)
		scope := fleet.Scope{Account: account, Region: cordontest.Region}
		cordontest.Policy(t, theirs, "all", cordontest.AllowAll)
		cordontest.Policy(t, c.IoT(), "all", cordontest.AllowAll)
		there, here := cordontest.NewDevice(t, theirs, "all"), cordontest.NewDevice(t, c.IoT(), "all")
		d, err := c.ConnectTo(t, c.DeviceTLS(t, there, scope), cordontest.Hello(mqtt.V5, "d"))
		if err != nil || d.Connack.Code != mqtt.Success {
			t.Fatalf("got %v, want to be let in", err)
		}
		if _, err := c.Connect(t, there, cordontest.Hello(mqtt.V5, "d")); err == nil {
			t.Error("a device of another account was let in at the endpoint of the default one")
		}
		bystander := c.MustConnect(t, here, cordontest.Hello(mqtt.V5, "d"))
		keeps(t, d)
		if err := c.Store().DisableAccount(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		loses(t, d, mqtt.AdministrativeAction)
		keeps(t, bystander)
		if _, err := c.ConnectTo(t, c.DeviceTLS(t, there, scope), cordontest.Hello(mqtt.V5, "d")); err == nil {
			t.Error("a device of a disabled account was let in")
		}
	})
}
