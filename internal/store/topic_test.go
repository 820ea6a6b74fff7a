package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// makeTopic stores a topic of that name.
func makeTopic(t *testing.T, s *Store, sc fleet.Scope, name string) *notify.Topic {
	t.Helper()
	topic, err := s.CreateTopic(t.Context(), &notify.Topic{
		ARN: notify.TopicARN{Scope: sc, Name: name}, Created: testNow,
	}, nil)
	ok(t, err)
	return topic
}

// subscribed stores a subscription of a topic in some state.
func subscribed(t *testing.T, s *Store, topic *notify.Topic, endpoint string, state notify.SubscriptionState,
) *notify.Subscription {
	t.Helper()
	u, err := s.Subscribe(t.Context(), notify.Subscription{
		ARN: notify.SubscriptionARN{Topic: topic.ARN, ID: uuid.NewString()}, Protocol: notify.HTTPS, Endpoint: endpoint,
		State: state, Created: testNow,
	})
	ok(t, err)
	return u
}

func TestATopicIsReadBackAsItWasStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		want := &notify.Topic{
			ARN: notify.TopicARN{Scope: here, Name: "alarms"}, Policy: "{}", Created: testNow,
			Attributes: notify.TopicAttributes{DisplayName: "Alarms"},
		}
		_, err := s.CreateTopic(ctx, want, []fleet.Tag{{Key: "k", Value: "v"}})
		ok(t, err)
		makeTopic(t, s, there, "alarms")
		got, err := s.TopicByARN(ctx, want.ARN)
		if !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		again := *want
		again.Seq, again.Attributes, again.Policy = 0, notify.TopicAttributes{}, ""
		if got, err := s.CreateTopic(ctx, &again, nil); err != nil || got.Seq != want.Seq {
			t.Errorf("got %+v, %v for the topic once more, want the same", got, err)
		}
		_, err = s.CreateTopic(ctx, &again, []fleet.Tag{{Key: "k", Value: "other"}})
		wantFault(t, err, fault.Invalid, "different tags")
		again.Attributes.DisplayName = "other"
		_, err = s.CreateTopic(ctx, &again, nil)
		wantFault(t, err, fault.Invalid, "different attributes")

		ok(t, s.UpdateTopic(ctx, want.ARN, func(t *notify.Topic) error { t.Policy = "p"; return nil }))
		ok(t, s.TagTopic(ctx, want.ARN, []fleet.Tag{{Key: "l", Value: "w"}}))
		ok(t, s.UntagTopic(ctx, want.ARN, []string{"k"}))
		if got, err := s.TopicByARN(ctx, want.ARN); err != nil || got.Policy != "p" {
			t.Errorf("got %+v, %v, want the policy that was set", got, err)
		}
		tags, err := s.TopicTags(ctx, want.ARN)
		if !slices.Equal(tags, []fleet.Tag{{Key: "l", Value: "w"}}) || err != nil {
			t.Errorf("got %v, %v, want the tag that was put", tags, err)
		}
		ok(t, s.DeleteTopic(ctx, want.ARN))
		ok(t, s.DeleteTopic(ctx, want.ARN))
		_, err = s.TopicByARN(ctx, want.ARN)
		wantFault(t, err, fault.NotFound, "Topic")
		wantFault(t, s.TagTopic(ctx, want.ARN, nil), fault.NotFound, "alarms")
		list, err := s.Topics(ctx, there, "", 5)
		if len(list) != 1 || list[0].Scope != there || err != nil {
			t.Errorf("got %v, %v in the other scope, want its topic", list, err)
		}
	})
}

func TestASubscriptionIsConfirmedByATokenOfItsTopic(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		topic, other := makeTopic(t, s, here, "a"), makeTopic(t, s, there, "a")
		u := subscribed(t, s, topic, "https://e", notify.Unconfirmed)
		text, hash := notify.NewToken()
		ok(t, s.AddToken(ctx, u.Seq, hash, testNow.Add(time.Hour)))
		old, oldHash := notify.NewToken()
		ok(t, s.AddToken(ctx, u.Seq, oldHash, testNow))
		for name, c := range map[string]struct {
			topic notify.TopicARN
			token string
		}{
			"another text": {topic.ARN, text + "x"}, "an old one": {topic.ARN, old}, "of another topic": {other.ARN, text},
			"of no topic": {notify.TopicARN{Scope: here, Name: "b"}, text},
		} {
			_, err := s.Confirm(ctx, c.topic, notify.Confirmation{Hash: notify.HashToken(c.token), Now: testNow})
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v for %s, want Invalid", err, name)
			}
		}
		for _, guarded := range []bool{true, false} { // the second changes nothing
			got, err := s.Confirm(ctx, topic.ARN, notify.Confirmation{Hash: hash, Guarded: guarded, Now: testNow})
			if err != nil || got.ARN != u.ARN || got.State != notify.Confirmed || !got.Guarded {
				t.Errorf("got %+v, %v, want it confirmed", got, err)
			}
		}
		if due, err := s.DueSubscriptions(ctx, testNow, -1, 5); len(due) > 0 || err != nil {
			t.Errorf("got %v, %v, want nobody asked for what is confirmed", due, err)
		}
		wantFault(t, s.AddToken(ctx, u.Seq, "h", testNow), fault.NotFound, "Subscription")
		confirmed, pending, err := s.CountSubscriptions(ctx, topic.Seq)
		if confirmed != 1 || pending != 0 || err != nil {
			t.Errorf("got %d, %d, %v, want one confirmed", confirmed, pending, err)
		}
	})
}

func TestAnEndpointIsSubscribedOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		topic := makeTopic(t, s, here, "a")
		u := subscribed(t, s, topic, "https://e", notify.Unconfirmed)
		if again := subscribed(t, s, topic, "https://e", notify.Unconfirmed); again.ARN != u.ARN {
			t.Errorf("got %v, want %v again", again.ARN, u.ARN)
		}
		c := notify.Claim{Subscription: u.Seq, Now: testNow, Until: testNow.Add(time.Minute), Limit: 10}
		list, err := s.ClaimDeliveries(ctx, c)
		if len(list) != 1 || list[0].Kind != notify.DeliverConfirmation || list[0].Receiver.Seq != u.Seq || err != nil {
			t.Fatalf("got %+v, %v, want one request to confirm", list, err)
		}
		ok(t, s.SettleDeliveries(ctx, []notify.Outcome{{Delivery: list[0], State: notify.Delivered, At: testNow}}))
		subscribed(t, s, topic, "https://e", notify.Unconfirmed)
		if list, err := s.ClaimDeliveries(ctx, c); len(list) != 1 || err != nil {
			t.Errorf("got %+v, %v, want another request to confirm", list, err)
		}
		_, err = s.Subscribe(ctx, notify.Subscription{
			ARN: notify.SubscriptionARN{Topic: topic.ARN, ID: uuid.NewString()}, Protocol: notify.HTTPS,
			Endpoint: "https://e", State: notify.Unconfirmed, Settings: notify.Settings{Raw: true},
		})
		wantFault(t, err, fault.Invalid, "different attributes")
		missing := u.ARN
		missing.Topic.Name = "b"
		elsewhere := notify.SubscriptionARN{Topic: notify.TopicARN{Scope: there, Name: "a"}, ID: u.ARN.ID}
		for _, arn := range []notify.SubscriptionARN{missing, elsewhere} {
			_, err := s.SubscriptionByARN(ctx, arn)
			wantFault(t, err, fault.NotFound, "Subscription")
			wantFault(t, s.Unsubscribe(ctx, arn), fault.NotFound, "Subscription")
		}
		refuse := func(*notify.Subscription) error { return fault.New(fault.Denied, "no") }
		wantFault(t, s.Suspend(ctx, u.ARN, refuse), fault.Denied, "no")
		ok(t, s.UpdateSubscription(ctx, u.ARN, func(u *notify.Subscription) error { u.Settings.Raw = true; return nil }))
		if got, err := s.SubscriptionByARN(ctx, u.ARN); err != nil || !got.Settings.Raw {
			t.Errorf("got %+v, %v, want the setting that was made", got, err)
		}
		ok(t, s.Unsubscribe(ctx, u.ARN))
		if got, err := s.TopicByARN(ctx, topic.ARN); err != nil || got.Ended != 1 {
			t.Errorf("got %+v, %v, want one that ended", got, err)
		}
	})
}

// One that was ended by its link waits to be restored, and nothing else comes to
// its endpoint meanwhile.
func TestASubscriptionThatIsSuspendedWaitsForItsEndpoint(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		topic := makeTopic(t, s, here, "a")
		u := subscribed(t, s, topic, "https://e", notify.Confirmed)
		_, err := s.FanOut(ctx, fanOutTo(enqueued(t, s, topic.ARN, 3), 0, u.Seq))
		ok(t, err)
		s.now = func() time.Time { return testNow.Add(time.Hour) }
		ok(t, s.Suspend(ctx, u.ARN, func(*notify.Subscription) error { return nil }))
		claim := notify.Claim{Subscription: u.Seq, Now: s.now(), Until: s.now().Add(time.Minute), Limit: 10}
		list, err := s.ClaimDeliveries(ctx, claim)
		if len(list) != 1 || list[0].Kind != notify.DeliverEnding || list[0].Receiver.ARN != u.ARN || err != nil {
			t.Fatalf("got %+v, %v, want what tells of the end, and no message", list, err)
		}
		got, err := s.SubscriptionByARN(ctx, u.ARN)
		if err != nil || got.State != notify.Unconfirmed || !got.Created.Equal(s.now()) {
			t.Errorf("got %+v, %v, want it unconfirmed from now on", got, err)
		}
		ok(t, s.AddToken(ctx, u.Seq, notify.HashToken("t"), s.now().Add(notify.TokenLife)))
		got, err = s.Confirm(ctx, topic.ARN, notify.Confirmation{Hash: notify.HashToken("t"), Now: s.now()})
		if err != nil || got.ARN != u.ARN || got.State != notify.Confirmed {
			t.Errorf("got %+v, %v, want it restored", got, err)
		}
		claim.Now = claim.Until.Add(time.Second)
		if list, err := s.ClaimDeliveries(ctx, claim); len(list) != 0 || err != nil {
			t.Errorf("got %+v, %v, want nothing said of an end any more", list, err)
		}
		if got, err := s.TopicByARN(ctx, topic.ARN); err != nil || got.Ended != 1 {
			t.Errorf("got %+v, %v, want one that ended", got, err)
		}
	})
}

func TestASubscriptionThatNobodyConfirmsIsForgotten(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		topic := makeTopic(t, s, here, "a")
		subscribed(t, s, topic, "https://confirmed", notify.Confirmed)
		subscribed(t, s, topic, "https://pending", notify.Unconfirmed)
		purge := func() {
			p := s.NewPurge("n", testNow.AddDate(-1, 0, 0))
			for more := true; more; {
				var err error
				more, err = p.Step(t.Context())
				ok(t, err)
			}
		}
		s.now = func() time.Time { return testNow.Add(notify.TokenLife) }
		purge()
		wantEndpoints(t, s, topic, "https://confirmed", "https://pending")
		s.now = func() time.Time { return testNow.Add(notify.TokenLife + time.Second) }
		purge()
		wantEndpoints(t, s, topic, "https://confirmed")
	})
}

func wantEndpoints(t *testing.T, s *Store, topic *notify.Topic, want ...string) {
	t.Helper()
	list, err := s.SubscriptionsOfTopic(t.Context(), topic.Seq, 0, 10)
	ok(t, err)
	if got := collect(list, func(u *notify.Subscription) string { return u.Endpoint }); !slices.Equal(got, want) {
		t.Errorf("got endpoints %v, want %v", got, want)
	}
}

// enqueued stores n messages for a topic.
func enqueued(t *testing.T, s *Store, arn notify.TopicARN, n int) []notify.Message {
	t.Helper()
	var list []notify.Message
	for i := range n {
		list = append(list, notify.Message{
			ID: fmt.Sprintf("m%d", i), TopicARN: arn.String(), Body: "b", Created: testNow,
			Attributes: map[string]notify.Attribute{"a": {Type: "String", Value: fmt.Sprint(i)}},
		})
	}
	for range 2 { // the second time nothing is new
		ok(t, s.EnqueueMessages(t.Context(), arn.Scope, list))
	}
	list, err := s.PendingMessages(t.Context(), 0, n+1)
	ok(t, err)
	if len(list) != n {
		t.Fatalf("got %d pending messages, want %d", len(list), n)
	}
	return list
}

func fanOutTo(list []notify.Message, rate int, subscriptions ...int64) (out []notify.FanOut) {
	for _, m := range list {
		out = append(out, notify.FanOut{Message: m, Subscriptions: subscriptions, Rate: rate})
	}
	return out
}

func TestAMessageIsDeliveredToEachSubscriptionOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		topic := makeTopic(t, s, here, "a")
		one := subscribed(t, s, topic, "https://1", notify.Confirmed)
		two := subscribed(t, s, topic, "https://2", notify.Confirmed)
		messages := enqueued(t, s, topic.ARN, 3)
		out := fanOutTo(messages, 0, one.Seq, two.Seq, 999)
		out[2] = notify.FanOut{Message: messages[2], Refused: "may not"}
		for i, want := range []int{3, 0} {
			if n, err := s.FanOut(ctx, out); n != want || err != nil {
				t.Errorf("got %d, %v for time %d, want %d", n, err, i, want)
			}
		}
		if due, err := s.DueSubscriptions(ctx, testNow, -1, 5); !slices.Equal(due, []int64{one.Seq, two.Seq}) || err != nil {
			t.Errorf("got %v, %v due, want both", due, err)
		}
		claim := notify.Claim{Subscription: one.Seq, Now: testNow, Until: testNow.Add(time.Minute), Limit: 5}
		list, err := s.ClaimDeliveries(ctx, claim)
		if len(list) != 2 || err != nil || !reflect.DeepEqual(*list[0].Message, messages[0]) ||
			!reflect.DeepEqual(list[0].Receiver, one) || list[0].Attempt != 1 || list[0].Scope != here {
			t.Fatalf("got %+v, %v, want the first two messages", list, err)
		}
		if again, err := s.ClaimDeliveries(ctx, claim); len(again) > 0 || err != nil {
			t.Errorf("got %+v, %v, want nothing claimed twice", again, err)
		}
		claim.Now, claim.Until = claim.Until, claim.Until.Add(time.Minute)
		late, err := s.ClaimDeliveries(ctx, claim)
		if len(late) != 2 || late[0].Attempt != 2 || !late[0].First.Equal(testNow) || err != nil {
			t.Fatalf("got %+v, %v, want what nobody settled again", late, err)
		}
		ok(t, s.SettleDeliveries(ctx, []notify.Outcome{ // of the first claim, which is lost
			{Delivery: list[0], State: notify.Dead, At: testNow, Error: "lost"},
		}))
		ok(t, s.SettleDeliveries(ctx, []notify.Outcome{
			{Delivery: late[0], State: notify.Delivered, At: testNow},
			{Delivery: late[1], State: notify.Dead, At: testNow, Error: "no answer"},
		}))
		dead, last, err := s.DeadLetters(ctx, here, 0, 1)
		if len(dead) != 1 || dead[0].Seq != late[1].Seq || dead[0].Error != "no answer" || last != dead[0].Seq || err != nil {
			t.Errorf("got %+v, %d, %v, want the dead one", dead, last, err)
		}
		if dead, _, err := s.DeadLetters(ctx, there, 0, 5); len(dead) > 0 || err != nil {
			t.Errorf("got %+v, %v in another scope, want none", dead, err)
		}
		if b, err := s.Backlog(ctx, 100); b != (notify.Backlog{Waiting: 2, Dead: 1, Oldest: testNow}) || err != nil {
			t.Errorf("got %+v, %v, want two that wait and one dead", b, err)
		}
		if n, err := s.Replay(ctx, there, nil, testNow, 5); n != 0 || err != nil {
			t.Errorf("got %d, %v replayed for another scope, want none", n, err)
		}
		for _, want := range []int{1, 0} {
			if n, err := s.Replay(ctx, here, []int64{late[0].Seq, late[1].Seq}, testNow, 5); n != want || err != nil {
				t.Errorf("got %d, %v replayed, want %d", n, err, want)
			}
		}
		if list, err := s.ClaimDeliveries(ctx, claim); len(list) != 1 || list[0].Attempt != 1 || err != nil {
			t.Errorf("got %+v, %v, want what was replayed as if new", list, err)
		}
	})
}

func TestDeliveriesEndWithTheirTopic(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		topic := makeTopic(t, s, here, "a")
		u := subscribed(t, s, topic, "https://1", notify.Confirmed)
		_, err := s.FanOut(ctx, fanOutTo(enqueued(t, s, topic.ARN, 3), 0, u.Seq))
		ok(t, err)
		ok(t, s.DeleteTopic(ctx, topic.ARN))
		list, err := s.ClaimDeliveries(ctx, notify.Claim{Subscription: u.Seq, Now: testNow, Until: testNow, Limit: 5})
		if len(list) > 0 || err != nil {
			t.Errorf("got %+v, %v, want nothing to deliver", list, err)
		}
		if b, err := s.Backlog(ctx, 100); b != (notify.Backlog{}) || err != nil {
			t.Errorf("got %+v, %v, want nothing left", b, err)
		}
	})
}

func TestMessagesOfATopicTakeTurns(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		topic := makeTopic(t, s, here, "a")
		u := subscribed(t, s, topic, "https://1", notify.Confirmed)
		messages := enqueued(t, s, topic.ARN, 5)
		for _, part := range [][]notify.Message{messages[:3], messages[3:]} {
			_, err := s.FanOut(ctx, fanOutTo(part, 2, u.Seq))
			ok(t, err)
		}
		got, err := all(ctx, s.read, `SELECT next_at - @now FROM topic_deliveries ORDER BY seq`,
			args{"now": testNow.UnixMilli()}, scalar[int64])
		if want := []int64{0, 500, 1000, 1500, 2000}; !slices.Equal(got, want) || err != nil {
			t.Errorf("got turns after %v ms, %v, want %v", got, err, want)
		}
	})
}

func TestMessagesOfBeforeWaitForDelivery(t *testing.T) {
	forEachUpgrade(t, 19, slices.Concat(scopesOfTests, []string{
		`INSERT INTO outgoing_messages (seq, scope, id, topic_arn, role_arn, payload, state, created_at)
			VALUES (7, 2, 'audit/x', 'topic', 'role', '{}', 'PENDING', 5)`,
	}), func(t *testing.T, s *Store) {
		want := []notify.Message{{
			Seq: 7, Scope: there, ID: "audit/x", TopicARN: "topic", RoleARN: "role", Body: "{}", Created: fromMillis(5),
		}}
		if got, err := s.PendingMessages(t.Context(), 0, 5); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
}
