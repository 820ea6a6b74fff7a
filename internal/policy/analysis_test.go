package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

// base begins the ARNs of these tests.
const base = "arn:aws:iot:us-east-1:123456789012:"

// thingName is the variable that a device cannot choose.
const thingName = "${iot:Connection.Thing.ThingName}"

// stmt is a statement of a test: effect, actions, resources and condition.
type stmt struct {
	effect    Effect
	action    any // string or []string
	resource  any
	condition string // JSON
	notAction bool
	notRes    bool
}

func allowing(action, resource any) stmt {
	return stmt{effect: Allow, action: action, resource: resource}
}
func denying(action, resource any) stmt {
	return stmt{effect: Deny, action: action, resource: resource}
}

func (s stmt) when(condition string) stmt { s.condition = condition; return s }
func (s stmt) exceptAction() stmt         { s.notAction = true; return s }
func (s stmt) exceptResource() stmt       { s.notRes = true; return s }

// document parses the statements. A resource that is neither "*" nor an ARN
// gets base in front.
func document(t testing.TB, statements ...stmt) *Document {
	t.Helper()
	list := []any{}
	for _, s := range statements {
		m := map[string]any{"Effect": s.effect}
		m[negated("Action", s.notAction)] = s.action
		m[negated("Resource", s.notRes)] = fullARNs(s.resource)
		if s.condition != "" {
			m["Condition"] = json.RawMessage(s.condition)
		}
		list = append(list, m)
	}
	text, err := json.Marshal(map[string]any{"Version": Version2012, "Statement": list})
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(text))
}

func negated(name string, not bool) string {
	if not {
		return "Not" + name
	}
	return name
}

func fullARNs(resource any) any {
	if list, ok := resource.([]string); ok {
		full := []any{}
		for _, r := range list {
			full = append(full, fullARNs(r))
		}
		return full
	}
	if r := resource.(string); r != "*" && !strings.HasPrefix(r, "arn:") {
		return base + r
	}
	return resource
}

func list(names ...string) []string { return names }

const (
	attached      = `{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}`
	mqttAndShadow = "iot:Connect iot:DeleteThingShadow iot:GetThingShadow iot:Publish iot:Subscribe iot:UpdateThingShadow"
	thingActions  = "iot:DeleteThingShadow iot:DescribeJobExecution iot:GetPendingJobExecutions iot:GetThingShadow " +
		"iot:StartNextPendingJobExecution iot:UpdateJobExecution iot:UpdateThingShadow"
)

type broadCase struct {
	name  string
	given []stmt
	want  string // the actions with spaces between
}

func testBroad(t *testing.T, cases []broadCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			doc := document(t, tt.given...)
			if got := strings.Join(Broad(doc), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The rows of AWS's pages on the check.
func TestBroadDocumented(t *testing.T) {
	thingList := strings.Fields(thingActions)
	testBroad(t, []broadCase{
		{"connecting as any client", []stmt{allowing("iot:Connect", "client/*")}, "iot:Connect"},
		{"connecting as the id the client chose",
			[]stmt{allowing("iot:Connect", "client/${iot:ClientId}")}, "iot:Connect"},
		{"connecting as the id the client chose, when attached",
			[]stmt{allowing("iot:Connect", "client/${iot:ClientId}").when(attached)}, ""},
		{"connecting as the thing, when attached",
			[]stmt{allowing("iot:Connect", "client/"+thingName).when(attached)}, ""},
		{"publishing to all things", []stmt{allowing("iot:Publish", "topic/$aws/things/*")}, "iot:Publish"},
		{"publishing to all shadows",
			[]stmt{allowing("iot:Publish", "topic/$aws/things/*/shadow/update")}, "iot:Publish"},
		{"publishing to the thing's own shadow",
			[]stmt{allowing("iot:Publish", "topic/$aws/things/"+thingName+"/shadow/*")}, ""},
		{"subscribing to all things", []stmt{allowing("iot:Subscribe", "topicfilter/$aws/things/*")}, "iot:Subscribe"},
		{"subscribing to all things by MQTT",
			[]stmt{allowing("iot:Subscribe", "topicfilter/$aws/things/#")}, "iot:Subscribe"},
		{"subscribing to all shadows by MQTT",
			[]stmt{allowing("iot:Subscribe", "topicfilter/$aws/things/+/shadow/update")}, "iot:Subscribe"},
		{"subscribing to the thing's own shadow and jobs",
			[]stmt{allowing("iot:Subscribe", list("topicfilter/$aws/things/"+thingName+"/shadow/*",
				"topicfilter/$aws/things/"+thingName+"/jobs/*"))}, ""},
		{"receiving from all things", []stmt{allowing("iot:Receive", "topic/$aws/things/*")}, ""},
		{"shadows and jobs of all things", []stmt{allowing(thingList, "thing/*")}, thingActions},
		{"shadows and jobs of named things", []stmt{allowing(thingList, list("thing/MyThing1", "thing/MyThing2"))}, ""},
		{"shadows and jobs of things with a name's beginning", []stmt{allowing(thingList, "thing/MyThing*")}, ""},
		// The policies that FreeRTOS and Greengrass v1 made in every account.
		{"the classic FreeRTOS policy", []stmt{
			allowing("iot:Connect", "*"), allowing("iot:Publish", "*"),
			allowing("iot:Subscribe", "*"), allowing("iot:Receive", "*"),
		}, "iot:Connect iot:Publish iot:Subscribe"},
		{"the classic Greengrass policy", []stmt{
			allowing(list("iot:Publish", "iot:Subscribe", "iot:Connect", "iot:Receive"), "*"),
			allowing(list("iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"), "*"),
			allowing("greengrass:*", "*"),
		}, mqttAndShadow},
		{"account-wide ARNs", []stmt{
			allowing("iot:Connect", "client/*"), allowing(list("iot:Publish", "iot:Receive"), "topic/*"),
			allowing("iot:Subscribe", "topicfilter/*"),
		}, "iot:Connect iot:Publish iot:Subscribe"},
		{"the blank document", nil, ""},
	})
}

func TestBroadActions(t *testing.T) {
	all := strings.Join([]string{"iot:Connect", "iot:DeleteThingShadow", "iot:DescribeJobExecution",
		"iot:GetPendingJobExecutions", "iot:GetThingShadow", "iot:Publish", "iot:RetainPublish",
		"iot:StartNextPendingJobExecution", "iot:Subscribe", "iot:UpdateJobExecution", "iot:UpdateThingShadow"}, " ")
	testBroad(t, []broadCase{
		{"every action", []stmt{allowing("*", "*")}, all},
		{"every action of the service", []stmt{allowing("iot:*", "*")}, all},
		{"case does not matter, and the canonical spelling is reported",
			[]stmt{allowing("IOT:pUBLISH", "*")}, "iot:Publish"},
		{"wildcards in the name", []stmt{allowing("iot:?et*Shadow", "*")}, "iot:GetThingShadow"},
		{"another service", []stmt{allowing("greengrass:*", "*")}, ""},
		{"administrative actions are not the data plane's", []stmt{allowing("iot:CreateThing", "*")}, ""},
		{"RetainPublish counts as Publish", []stmt{allowing("iot:RetainPublish", "topic/*")}, "iot:RetainPublish"},
		{"all actions but some", []stmt{allowing(list("iot:*Thing*", "iot:*Job*"), "*").exceptAction()},
			"iot:Connect iot:Publish iot:RetainPublish iot:Subscribe"},
		{"all actions but every one of the service", []stmt{allowing("iot:*", "*").exceptAction()}, ""},
		{"all actions but one of another service",
			[]stmt{allowing("s3:GetObject", "client/*").exceptAction()}, "iot:Connect"},
	})
}

func TestBroadResources(t *testing.T) {
	testBroad(t, []broadCase{
		{"an ARN that ends before the type", []stmt{allowing("iot:Publish", "arn:aws:iot:*")}, "iot:Publish"},
		{"a type that is a wildcard", []stmt{allowing("iot:Publish", "arn:aws:iot:*:*:*")}, "iot:Publish"},
		{"a type that ends in a wildcard", []stmt{allowing("iot:Publish", "top*")}, "iot:Publish"},
		{"a character of the type is a wildcard", []stmt{allowing("iot:Connect", "c?ient/*")}, "iot:Connect"},
		{"the type of another action", []stmt{allowing("iot:Publish", "client/*")}, ""},
		{"topics are not filters", []stmt{allowing("iot:Subscribe", "topic/*")}, ""},
		{"another service", []stmt{allowing("*", "arn:aws:s3:::*")}, ""},
		{"another service, cut short", []stmt{allowing("*", "arn:aws:s3:*")}, ""},
		{"another partition", []stmt{allowing("iot:Connect", "arn:aws-cn:iot:*:*:client/*")}, "iot:Connect"},
		{"a region that is a variable", []stmt{allowing("iot:Connect", "arn:aws:iot:${r}:1:client/*")}, "iot:Connect"},
		{"one of several resources", []stmt{allowing("iot:Connect", list("client/a", "client/*"))}, "iot:Connect"},
		// The slash makes it a resource that does not exist.
		{"a stray slash before the type", []stmt{allowing("iot:GetThingShadow", "/thing/*")}, ""},

		{"a client id's beginning", []stmt{allowing("iot:Connect", "client/sensor-*")}, ""},
		{"a client id's end", []stmt{allowing("iot:Connect", "client/*-sensor")}, "iot:Connect"},
		{"client ids of one character at least", []stmt{allowing("iot:Connect", "client/?*")}, "iot:Connect"},
		{"a star that is escaped", []stmt{allowing("iot:Connect", "client/${*}")}, ""},
		{"the chosen id and more", []stmt{allowing("iot:Connect", "client/${iot:ClientId}*")}, "iot:Connect"},
		{"the chosen id in other letters", []stmt{allowing("iot:Connect", "client/${IOT:clientid}")}, "iot:Connect"},
		{"the chosen id behind a fixed beginning", []stmt{allowing("iot:Connect", "client/a${iot:ClientId}")}, ""},
		{"the chosen id and a fixed end", []stmt{allowing("iot:Connect", "client/${iot:ClientId}a")}, ""},
		{"the thing's name and more", []stmt{allowing("iot:Connect", "client/"+thingName+"*")}, ""},
		{"a name that only contains the variable's", []stmt{allowing("iot:Connect", "client/${iot:ClientIdX}")}, ""},

		{"topics beside the things'", []stmt{allowing("iot:Publish", "topic/factory/*")}, ""},
		{"topics of one thing", []stmt{allowing("iot:Publish", "topic/$aws/things/lamp/*")}, ""},
		{"topics of things with a name's beginning", []stmt{allowing("iot:Publish", "topic/$aws/things/lamp*")}, ""},
		{"a wildcard above the things", []stmt{allowing("iot:Publish", "topic/$aws/*")}, "iot:Publish"},
		{"a wildcard that takes in the things' level",
			[]stmt{allowing("iot:Publish", "topic/*/shadow/update")}, "iot:Publish"},
		{"a wildcard in a fixed level above", []stmt{allowing("iot:Publish", "topic/$aws/th?ngs/*")}, "iot:Publish"},
		{"other reserved topics", []stmt{allowing("iot:Publish", "topic/$aws/rules/*")}, ""},
		{"MQTT wildcards mean nothing to a publisher", []stmt{allowing("iot:Publish", "topic/$aws/things/+/shadow")}, ""},
		{"topics of the chosen id", []stmt{allowing("iot:Publish", "topic/$aws/things/${iot:ClientId}/*")}, ""},

		{"the filter for everything", []stmt{allowing("iot:Subscribe", "topicfilter/#")}, "iot:Subscribe"},
		{"MQTT wildcards above the things' level",
			[]stmt{allowing("iot:Subscribe", "topicfilter/+/things/+/shadow/get")}, "iot:Subscribe"},
		{"a plus that ends above the things' level", []stmt{allowing("iot:Subscribe", "topicfilter/$aws/+")}, ""},
		{"a plus in another tree", []stmt{allowing("iot:Subscribe", "topicfilter/building/+/temperature")}, ""},
		{"a plus above another tree", []stmt{allowing("iot:Subscribe", "topicfilter/+/jobs/#")}, ""},
		{"a plus within a level is no MQTT wildcard",
			[]stmt{allowing("iot:Subscribe", "topicfilter/$a+/things/*")}, ""},
		{"a hash below one thing", []stmt{allowing("iot:Subscribe", "topicfilter/$aws/things/lamp/#")}, ""},
		// One character: it matches the filters "#" and "+".
		{"a level of one character that may be a hash", []stmt{allowing("iot:Subscribe", "topicfilter/?")}, "iot:Subscribe"},
		{"a level of one character that may be a plus",
			[]stmt{allowing("iot:Subscribe", "topicfilter/?/things/?/shadow")}, "iot:Subscribe"},
		{"one character within a level is no MQTT wildcard",
			[]stmt{allowing("iot:Subscribe", "topicfilter/$aws?")}, ""},

		{"a thing name's end", []stmt{allowing("iot:GetThingShadow", "thing/*-lamp")}, "iot:GetThingShadow"},
		{"named shadows of one thing", []stmt{allowing("iot:GetThingShadow", "thing/lamp/*")}, ""},
		{"the thing's own shadow", []stmt{allowing("iot:GetThingShadow", "thing/"+thingName)}, ""},
		{"things are not thing groups", []stmt{allowing("iot:GetThingShadow", "thinggroup/*")}, ""},

		{"all but one client", []stmt{allowing("iot:Connect", "client/admin").exceptResource()}, "iot:Connect"},
		{"all but the clients", []stmt{allowing("iot:*", "arn:aws:iot:*:*:client/*").exceptResource()},
			"iot:DeleteThingShadow iot:DescribeJobExecution iot:GetPendingJobExecutions iot:GetThingShadow iot:Publish " +
				"iot:RetainPublish iot:StartNextPendingJobExecution iot:Subscribe iot:UpdateJobExecution iot:UpdateThingShadow"},
		{"all but everything", []stmt{allowing("iot:*", "*").exceptResource()}, ""},
	})
}

func TestBroadConditions(t *testing.T) {
	connect := allowing("iot:Connect", "client/*")
	for _, tt := range []struct {
		name, condition string
		pinned          bool
	}{
		{"text", `{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}`, true},
		{"a list", `{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}`, true},
		{"a boolean", `{"Bool":{"iot:Connection.Thing.IsAttached":true}}`, true},
		{"other letters", `{"Bool":{"IOT:connection.thing.isattached":"TRUE"}}`, true},
		{"text compared", `{"StringEquals":{"iot:Connection.Thing.IsAttached":"true"}}`, true},
		{"any of the values", `{"ForAnyValue:Bool":{"iot:Connection.Thing.IsAttached":"true"}}`, true},
		{"beside another condition",
			`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"Bool":{"iot:Connection.Thing.IsAttached":"true"}}`, true},
		{"false", `{"Bool":{"iot:Connection.Thing.IsAttached":"false"}}`, false},
		{"true or false", `{"Bool":{"iot:Connection.Thing.IsAttached":["true","false"]}}`, false},
		{"text in letters that are never equal", `{"StringEquals":{"iot:Connection.Thing.IsAttached":"True"}}`, false},
		// Both hold when the key has no value, so that nothing is established.
		{"only if the key is there", `{"BoolIfExists":{"iot:Connection.Thing.IsAttached":"true"}}`, false},
		{"all of no values", `{"ForAllValues:Bool":{"iot:Connection.Thing.IsAttached":"true"}}`, false},
		{"a value at all", `{"Null":{"iot:Connection.Thing.IsAttached":"false"}}`, false},
		{"anything but false", `{"StringNotEquals":{"iot:Connection.Thing.IsAttached":"false"}}`, false},
		{"another key", `{"Bool":{"aws:SecureTransport":"true"}}`, false},
		{"no condition in the object", `{}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := len(Broad(document(t, connect.when(tt.condition)))) == 0
			if got != tt.pinned {
				t.Errorf("got pinned %v, want %v", got, tt.pinned)
			}
		})
	}
	testBroad(t, []broadCase{
		{"the condition is asked of connecting only", []stmt{allowing("iot:*", "*").when(attached)},
			"iot:DeleteThingShadow iot:DescribeJobExecution iot:GetPendingJobExecutions iot:GetThingShadow iot:Publish " +
				"iot:RetainPublish iot:StartNextPendingJobExecution iot:Subscribe iot:UpdateJobExecution iot:UpdateThingShadow"},
		{"the condition of one statement does not help another",
			[]stmt{connect.when(attached), allowing("iot:Connect", "client/*")}, "iot:Connect"},
	})
}

func TestBroadDenies(t *testing.T) {
	connect := allowing("iot:Connect", "client/*")
	testBroad(t, []broadCase{
		{"a deny of the same", []stmt{connect, denying("iot:Connect", "client/*")}, ""},
		{"a deny before the allow", []stmt{denying("iot:Connect", "client/*"), connect}, ""},
		{"a deny of everything", []stmt{connect, denying("*", "*")}, ""},
		{"a deny of the type in every region", []stmt{connect, denying("iot:Con*", "arn:aws:iot:*:*:client/*")}, ""},
		{"a deny of the type takes back an allow of everything",
			[]stmt{allowing("iot:Connect", "*"), denying("iot:Connect", "arn:aws:iot:*:*:client/*")}, ""},
		{"a deny of one account does not take back an allow of every one",
			[]stmt{allowing("iot:Connect", "*"), denying("iot:Connect", "client/*")}, "iot:Connect"},
		{"a deny of another action", []stmt{connect, denying("iot:Publish", "*")}, "iot:Connect"},
		{"a deny of a part", []stmt{connect, denying("iot:Connect", "client/admin*")}, "iot:Connect"},
		{"a deny that is a character short", []stmt{connect, denying("iot:Connect", "client/?*")}, "iot:Connect"},
		{"a deny with a condition", []stmt{connect,
			denying("iot:Connect", "client/*").when(`{"Bool":{"aws:SecureTransport":"false"}}`)}, "iot:Connect"},
		{"a deny of the chosen id takes back an allow of it",
			[]stmt{allowing("iot:Connect", "client/${iot:ClientId}"), denying("iot:Connect", "client/${iot:ClientId}")}, ""},
		{"a deny of every other action", []stmt{connect, denying("iot:Publish", "*").exceptAction()}, ""},
		{"a deny that leaves out the action", []stmt{connect, denying("iot:Connect", "*").exceptAction()}, "iot:Connect"},
		{"a deny of all but other resources", []stmt{connect, denying("*", "topic/*").exceptResource()}, ""},
		{"a deny of all but resources of another service",
			[]stmt{connect, denying("*", "arn:aws:s3:::*").exceptResource()}, ""},
		{"a deny of all but one client", []stmt{connect, denying("*", "client/admin").exceptResource()}, ""},
		{"a deny of all but most clients", []stmt{connect, denying("*", "client/?*").exceptResource()}, "iot:Connect"},
		{"a deny that covers each of several resources",
			[]stmt{allowing("iot:Connect", list("client/*", "client/?*")), denying("iot:Connect", "client/*")}, ""},
		{"denies that cover together only do not count",
			[]stmt{connect, denying("iot:Connect", list("client/?*", "client/"))}, "iot:Connect"},
		{"a deny for one of two actions",
			[]stmt{allowing(list("iot:Publish", "iot:Subscribe"), "*"), denying("iot:Publish", "*")}, "iot:Subscribe"},
	})
}
