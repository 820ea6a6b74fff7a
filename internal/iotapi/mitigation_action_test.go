package iotapi_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// kinds are the types of action that are built, with parameters for each.
var kinds = []struct {
	kind   types.MitigationActionType
	params types.MitigationActionParams
}{
	{types.MitigationActionTypeAddThingsToThingGroup, joining("one", "two")},
	{types.MitigationActionTypeEnableIotLogging, logging(types.LogLevelWarn)},
	{types.MitigationActionTypeReplaceDefaultPolicyVersion, blanking()},
	{types.MitigationActionTypeUpdateCaCertificate, deactivateCA()},
	{types.MitigationActionTypeUpdateDeviceCertificate, deactivate()},
}

// described is what is said about an action.
func described(t *testing.T, c *iot.Client, name string) *iot.DescribeMitigationActionOutput {
	t.Helper()
	out, err := c.DescribeMitigationAction(t.Context(), &iot.DescribeMitigationActionInput{ActionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	out.ResultMetadata = middleware.Metadata{}
	return out
}

// actionNames lists actions two at a time.
func actionNames(t *testing.T, c *iot.Client, kind types.MitigationActionType) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListMitigationActions(ctx, &iot.ListMitigationActionsInput{
			ActionType: kind, NextToken: token, MaxResults: new(int32(2)),
		})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for _, a := range out.ActionIdentifiers {
			if *a.ActionArn != "arn:aws:iot:us-east-1:000000000000:mitigationaction/"+*a.ActionName || a.CreationDate == nil {
				t.Errorf("got %+v, want an ARN and a date", a)
			}
			names = append(names, *a.ActionName)
		}
		return names, out.NextToken, nil
	})
}

func TestMitigationActions(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		var names []string
		for i, k := range kinds {
			name := fmt.Sprintf("action_%d-x", i)
			out, err := c.CreateMitigationAction(ctx, &iot.CreateMitigationActionInput{
				ActionName: &name, RoleArn: new(cordontest.RoleARN), ActionParams: &k.params,
				Tags: []types.Tag{{Key: new("team"), Value: new("red")}},
			})
			if err != nil {
				t.Fatal(err)
			}
			d := described(t, c, name)
			if *d.ActionName != name || d.ActionType != k.kind || *d.ActionId != *out.ActionId ||
				*d.ActionArn != *out.ActionArn ||
				*d.RoleArn != cordontest.RoleARN || !reflect.DeepEqual(*d.ActionParams, k.params) || len(*d.ActionId) != 36 ||
				!d.CreationDate.Equal(*d.LastModifiedDate) || time.Since(*d.CreationDate).Abs() > time.Minute {
				t.Errorf("got %+v, want what was given", d)
			}
			if got := actionNames(t, c, k.kind); !slices.Equal(got, []string{name}) {
				t.Errorf("got %v of type %s, want %s", got, k.kind, name)
			}
			names = append(names, name)
		}
		if got := actionNames(t, c, ""); !slices.Equal(got, names) {
			t.Errorf("got %v, want all by name", got)
		}
		for range 2 { // what is gone is deleted again
			_, err := c.DeleteMitigationAction(ctx, &iot.DeleteMitigationActionInput{ActionName: &names[0]})
			expect(t, err, fine)
		}
		_, err := c.DescribeMitigationAction(ctx, &iot.DescribeMitigationActionInput{ActionName: &names[0]})
		expect(t, err, notFound)
		if got := actionNames(t, c, ""); !slices.Equal(got, names[1:]) {
			t.Errorf("got %v, want all but the first", got)
		}
	})
}

func TestAMitigationActionIsCreatedOnce(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		in := func() *iot.CreateMitigationActionInput {
			p := joining("one")
			return &iot.CreateMitigationActionInput{
				ActionName: new("join"), RoleArn: new(cordontest.RoleARN), ActionParams: &p,
				Tags: []types.Tag{{Key: new("a"), Value: new("1")}},
			}
		}
		first := must[*iot.CreateMitigationActionOutput](t)(c.CreateMitigationAction(ctx, in()))
		before := described(t, c, "join")
		again, err := c.CreateMitigationAction(ctx, in())
		if err != nil || *again.ActionId != *first.ActionId {
			t.Errorf("got %v, %v for the same action again, want the first one", again, err)
		}
		for _, tt := range []struct {
			name   string
			change func(*iot.CreateMitigationActionInput)
		}{
			{"other parameters", func(in *iot.CreateMitigationActionInput) { in.ActionParams = new(joining("two")) }},
			{"another type", func(in *iot.CreateMitigationActionInput) { in.ActionParams = new(deactivate()) }},
			{"another role", func(in *iot.CreateMitigationActionInput) { in.RoleArn = new(cordontest.RoleARN + "2") }},
			{"other tags", func(in *iot.CreateMitigationActionInput) { in.Tags = nil }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				other := in()
				tt.change(other)
				_, err := c.CreateMitigationAction(ctx, other)
				expect(t, err, exists)
				var e *types.ResourceAlreadyExistsException
				if !errors.As(err, &e) || *e.ResourceId != "join" || *e.ResourceArn != *first.ActionArn {
					t.Errorf("got %v, want what is in the way", err)
				}
				if got := described(t, c, "join"); !reflect.DeepEqual(got, before) {
					t.Errorf("got %+v after a refusal, want %+v", got, before)
				}
			})
		}
	})
}

func TestUpdateMitigationAction(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		action(t, c, "act", joining("one"))
		before := described(t, c, "act")
		role := "arn:aws:iam::000000000000:role/Another"
		update := func(role *string, p *types.MitigationActionParams) error {
			out, err := c.UpdateMitigationAction(ctx, &iot.UpdateMitigationActionInput{
				ActionName: new("act"), RoleArn: role, ActionParams: p,
			})
			if err == nil && (*out.ActionId != *before.ActionId || *out.ActionArn != *before.ActionArn) {
				t.Errorf("got %+v, want the id and ARN kept", out)
			}
			return err
		}
		expect(t, update(&role, nil), fine)
		got := described(t, c, "act")
		if *got.RoleArn != role || !reflect.DeepEqual(got.ActionParams, before.ActionParams) ||
			got.LastModifiedDate.Before(*before.LastModifiedDate) || !got.CreationDate.Equal(*before.CreationDate) {
			t.Errorf("got %+v, want another role alone", got)
		}
		expect(t, update(nil, new(deactivate())), fine)
		got = described(t, c, "act")
		if *got.RoleArn != role || got.ActionType != types.MitigationActionTypeUpdateDeviceCertificate ||
			!reflect.DeepEqual(*got.ActionParams, deactivate()) {
			t.Errorf("got %+v, want other parameters and their type", got)
		}
		expect(t, update(nil, &types.MitigationActionParams{}), invalid)
		expect(t, update(nil, new(logging(types.LogLevelDisabled))), invalid)
		if after := described(t, c, "act"); !reflect.DeepEqual(after, got) {
			t.Errorf("got %+v after refusals, want %+v", after, got)
		}
		_, err := c.UpdateMitigationAction(ctx, &iot.UpdateMitigationActionInput{ActionName: new("none"), RoleArn: &role})
		expect(t, err, notFound)
	})
}

func TestMitigationActionsAreRefused(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	two := deactivate()
	two.UpdateCACertificateParams = deactivateCA().UpdateCACertificateParams
	for _, tt := range []struct {
		name   string
		action string
		params types.MitigationActionParams
		text   string
	}{
		{"no parameters", "a", types.MitigationActionParams{}, "exactly one"},
		{"two parameters", "a", two, "exactly one"},
		{"publishing to what is no topic", "a", publishing("arn:aws:sqs:us-east-1:000000000000:t"), "topicArn"},
		{"publishing to an ordered topic", "a", publishing("arn:aws:sns:us-east-1:000000000000:t.fifo"), "topicArn"},
		{"publishing to another account", "a", publishing("arn:aws:sns:us-east-1:111111111111:t"), "this account"},
		{"logging nothing", "a", logging(types.LogLevelDisabled), "DISABLED"},
		{"a group named twice", "a", joining("one", "two", "one"), "twice"},
		{"no group", "a", joining(), "thingGroupNames"},
		{"eleven groups", "a", joining("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"), "thingGroupNames"},
		{"a name with a space", "a b", deactivate(), "actionName"},
		{"an unknown way to update", "a", types.MitigationActionParams{
			UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{Action: "REVOKE"},
		}, "REVOKE"},
		{"an unknown template", "a", types.MitigationActionParams{
			ReplaceDefaultPolicyVersionParams: &types.ReplaceDefaultPolicyVersionParams{TemplateName: "RED_POLICY"},
		}, "RED_POLICY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.CreateMitigationAction(ctx, &iot.CreateMitigationActionInput{
				ActionName: &tt.action, RoleArn: new(cordontest.RoleARN), ActionParams: &tt.params,
			})
			expect(t, err, invalid)
			saying(t, err, tt.text)
		})
	}
	if got := actionNames(t, c, ""); len(got) != 0 {
		t.Errorf("got %v after refusals, want none", got)
	}
}

func TestAHundredMitigationActions(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		for i := range 100 {
			action(t, c, fmt.Sprintf("a%d", i), deactivate())
		}
		create := func(c *iot.Client, name string) error {
			_, err := c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
				ActionName: &name, RoleArn: new(cordontest.RoleARN), ActionParams: new(deactivate()),
			})
			return err
		}
		expect(t, create(c, "one-more"), limitExceeded)
		expect(t, create(c, "a7"), fine) // the same again
		expect(t, create(cordon.IoTIn("eu-west-1"), "one-more"), fine)
		if got := len(actionNames(t, c, "")); got != 100 {
			t.Errorf("got %d actions, want 100", got)
		}
	})
}

// publishing is the parameters of an action that tells a topic of findings.
func publishing(topic string) types.MitigationActionParams {
	return types.MitigationActionParams{PublishFindingToSnsParams: &types.PublishFindingToSnsParams{TopicArn: &topic}}
}
