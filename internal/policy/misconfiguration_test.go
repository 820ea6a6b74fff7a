package policy

import "testing"

type misconfigurationCase struct {
	name              string
	given             []stmt
	wildcards, bypass bool
}

func testMisconfiguration(t *testing.T, cases []misconfigurationCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			got := Analyze(document(t, tt.given...))
			if got.DenyWildcards != tt.wildcards {
				t.Errorf("wildcards in a deny: got %v, want %v", got.DenyWildcards, tt.wildcards)
			}
			if got.DenyBypass != tt.bypass {
				t.Errorf("deny that can be got around: got %v, want %v", got.DenyBypass, tt.bypass)
			}
		})
	}
}

// The building of AWS's examples, with a control room that devices are meant
// not to hear.
var (
	subscribeBuilding = allowing("iot:Subscribe", "topicfilter/building/*")
	receiveBuilding   = allowing("iot:Receive", "topic/building/*")
	denySubscribing   = denying("iot:Subscribe", "topicfilter/building/control_room/*")
	denyReceiving     = denying("iot:Receive", "topic/building/control_room/*")
)

func TestMisconfigurationDocumented(t *testing.T) {
	testMisconfiguration(t, []misconfigurationCase{
		{"MQTT wildcards in a deny",
			[]stmt{subscribeBuilding, denying("iot:Subscribe", "topicfilter/building/control_room/#"), receiveBuilding},
			true, false},
		{"topic filters denied that wildcards allow",
			[]stmt{subscribeBuilding, denySubscribing, receiveBuilding}, false, true},
		{"receiving is denied too",
			[]stmt{subscribeBuilding, denySubscribing, receiveBuilding, denyReceiving}, false, false},
	})
}

func TestDenyWildcards(t *testing.T) {
	testMisconfiguration(t, []misconfigurationCase{
		{"a plus in a filter", []stmt{denying("iot:Subscribe", "topicfilter/a/+/b")}, true, false},
		{"a hash in a topic", []stmt{denying("iot:Publish", "topic/a/#")}, true, false},
		{"a plus within a level", []stmt{denying("iot:Publish", "topic/a+b")}, true, false},
		{"one of several resources", []stmt{denying("iot:*", list("topic/a", "topic/#"))}, true, false},
		{"behind a type that is a wildcard", []stmt{denying("iot:*", "*/a/#")}, true, false},
		{"behind an ARN cut short", []stmt{denying("iot:*", "arn:aws:iot:*/a/#")}, true, false},
		{"in what a deny leaves out", []stmt{denying("iot:Subscribe", "topicfilter/a/#").exceptResource()}, true, false},
		{"with a condition", []stmt{denying("iot:Subscribe", "topicfilter/#").when(attached)}, true, false},
		{"in an allow they are meant literally", []stmt{allowing("iot:Subscribe", "topicfilter/a/#")}, false, false},
		{"a client id may hold them", []stmt{denying("iot:Connect", "client/a+b#")}, false, false},
		{"a thing group has no topic", []stmt{denying("iot:*", "thinggroup/a+b")}, false, false},
		{"another service", []stmt{denying("*", "arn:aws:s3:::topic/#")}, false, false},
		{"the name of a variable",
			[]stmt{denying("iot:Publish", "topic/${iot:Connection.Thing.Attributes[a#+]}")}, false, false},
		{"policy wildcards", []stmt{denying("iot:*", "topic/a/*/b?")}, false, false},
	})
}

func TestDenyBypass(t *testing.T) {
	when := func(s stmt) stmt { return s.when(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`) }
	testMisconfiguration(t, []misconfigurationCase{
		{"one statement allows all", []stmt{allowing("iot:*", "*"), denySubscribing}, false, true},
		{"one topic is denied", []stmt{subscribeBuilding, receiveBuilding,
			denying("iot:Subscribe", "topicfilter/building/safe")}, false, true},
		{"the filter of one room is in the middle", []stmt{allowing("iot:Subscribe", "topicfilter/*/temperature"),
			allowing("iot:Receive", "topic/*"), denying("iot:Subscribe", "topicfilter/safe/temperature")}, false, true},
		{"the denied filters are the device's own", []stmt{allowing("iot:*", "*"),
			denying("iot:Subscribe", "topicfilter/private/${iot:ClientId}")}, false, true},
		{"the allow has no deny beside", []stmt{subscribeBuilding, receiveBuilding}, false, false},
		{"the allow is no wider", []stmt{allowing("iot:Subscribe", "topicfilter/building/control_room/*"),
			receiveBuilding, denySubscribing}, false, false},
		{"the allow is no wider, and the deny has a condition",
			[]stmt{allowing("iot:Subscribe", "topicfilter/building/control_room/*"), receiveBuilding, when(denySubscribing)},
			false, false},
		{"the deny names what it leaves out", []stmt{subscribeBuilding, receiveBuilding,
			denying("iot:Subscribe", "topicfilter/building/hall/*").exceptResource()}, false, false},
		{"the allow is narrower", []stmt{allowing("iot:Subscribe", "topicfilter/building/control_room/a/*"),
			receiveBuilding, denySubscribing}, false, false},
		{"the allow is elsewhere", []stmt{allowing("iot:Subscribe", "topicfilter/garden/*"),
			receiveBuilding, denySubscribing}, false, false},
		{"the allow of another action is wider", []stmt{allowing("iot:Publish", "*"), receiveBuilding, denySubscribing},
			false, false},
		{"nothing may be received", []stmt{subscribeBuilding, denySubscribing}, false, false},
		{"only other topics may be received",
			[]stmt{subscribeBuilding, denySubscribing, allowing("iot:Receive", "topic/building/hall/*")}, false, false},
		{"a part of the topics may be received",
			[]stmt{subscribeBuilding, denySubscribing, allowing("iot:Receive", "topic/building/control_room/a")}, false, true},
		{"things may be received from, topics not",
			[]stmt{subscribeBuilding, denying("iot:Subscribe", "topicfilter/building/${iot:ClientId}"),
				allowing("iot:Receive", "thing/*")}, false, false},
		{"one deny for both", []stmt{allowing("iot:*", "*"), denying(list("iot:Subscribe", "iot:Receive"),
			list("topicfilter/building/control_room/*", "topic/building/control_room/*"))}, false, false},
		{"receiving a part is denied", []stmt{subscribeBuilding, receiveBuilding, denySubscribing,
			denying("iot:Receive", "topic/building/control_room/a/*")}, false, true},
		{"receiving more is denied", []stmt{subscribeBuilding, receiveBuilding, denySubscribing,
			denying("iot:Receive", "topic/*")}, false, false},
		{"receiving from filters is denied, which are no topics", []stmt{subscribeBuilding, receiveBuilding,
			denying(list("iot:Subscribe", "iot:Receive"), "topicfilter/building/control_room/*")}, false, true},
		{"both denies have one condition",
			[]stmt{subscribeBuilding, receiveBuilding, when(denySubscribing), when(denyReceiving)}, false, false},
		{"receiving is denied on a condition only",
			[]stmt{subscribeBuilding, receiveBuilding, denySubscribing, when(denyReceiving)}, false, true},
		{"receiving is denied always, subscribing on a condition",
			[]stmt{subscribeBuilding, receiveBuilding, when(denySubscribing), denyReceiving}, false, false},
		{"all subscribing is denied besides",
			[]stmt{subscribeBuilding, receiveBuilding, denySubscribing, denying("iot:Subscribe", "*")}, false, false},
		{"all subscribing is denied on a condition",
			[]stmt{subscribeBuilding, receiveBuilding, denySubscribing, when(denying("iot:Subscribe", "*"))}, false, true},
		{"the deny is for all actions but some",
			[]stmt{subscribeBuilding, receiveBuilding,
				denying("iot:Receive", "topicfilter/building/control_room/*").exceptAction()}, false, true},
		{"receiving is denied on all but other topics", []stmt{subscribeBuilding, receiveBuilding, denySubscribing,
			denying("iot:Receive", "topic/building/hall/*").exceptResource()}, false, false},
		{"receiving is denied on all but some of these topics", []stmt{subscribeBuilding, receiveBuilding, denySubscribing,
			denying("iot:Receive", "topic/building/control_room/a").exceptResource()}, false, true},
		{"all filters but others are allowed", []stmt{allowing("iot:Subscribe", "topicfilter/x").exceptResource(),
			receiveBuilding, denySubscribing}, false, true},
		{"no filters are allowed", []stmt{allowing("iot:Subscribe", "arn:aws:iot:*:*:topicfilter/*").exceptResource(),
			receiveBuilding, denySubscribing}, false, false},
		{"all topics but these may be received", []stmt{subscribeBuilding, denySubscribing,
			allowing("iot:Receive", "topic/building/control_room/*").exceptResource()}, false, false},
		{"all topics but others may be received", []stmt{subscribeBuilding, denySubscribing,
			allowing("iot:Receive", "topic/building/hall/*").exceptResource()}, false, true},
	})
}
