package iotapi_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func TestLevelsOfLogs(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		set := func(kind types.LogTargetType, name *string, level types.LogLevel) error {
			_, err := c.SetV2LoggingLevel(ctx, &iot.SetV2LoggingLevelInput{
				LogTarget: &types.LogTarget{TargetType: kind, TargetName: name}, LogLevel: level,
			})
			return err
		}
		levels := func() map[string]types.LogLevel {
			out := must[*iot.ListV2LoggingLevelsOutput](t)(c.ListV2LoggingLevels(ctx, &iot.ListV2LoggingLevelsInput{}))
			got := map[string]types.LogLevel{}
			for _, l := range out.LogTargetConfigurations {
				name := ""
				if l.LogTarget.TargetName != nil {
					name = *l.LogTarget.TargetName
				}
				got[string(l.LogTarget.TargetType)+" "+name] = l.LogLevel
			}
			return got
		}
		group(t, c, "g", "")
		for kind, name := range map[types.LogTargetType]*string{
			types.LogTargetTypeDefault: nil, types.LogTargetTypeThingGroup: new("g"),
		} {
			expect(t, set(kind, name, types.LogLevelInfo), notConfigured)
		}
		_, err := c.ListV2LoggingLevels(ctx, &iot.ListV2LoggingLevelsInput{})
		expect(t, err, notConfigured)
		_, err = c.SetV2LoggingOptions(ctx, &iot.SetV2LoggingOptionsInput{
			RoleArn: new(cordontest.RoleARN), DefaultLogLevel: types.LogLevelError,
		})
		expect(t, err, fine)
		for _, l := range []struct {
			kind types.LogTargetType
			name *string
			want want
		}{
			{types.LogTargetTypeDefault, nil, fine},
			{types.LogTargetTypeDefault, new("x"), invalid},
			{types.LogTargetTypeThingGroup, new("g"), fine},
			{types.LogTargetTypeThingGroup, new("none"), invalid},
			{types.LogTargetTypeThingGroup, nil, invalid},
			{types.LogTargetTypeSourceIp, new("10.1.2.3"), fine},
			{types.LogTargetTypeSourceIp, new("somewhere"), invalid},
			{types.LogTargetTypePrincipalId, new(strings.Repeat("ab", 32)), fine},
		} {
			expect(t, set(l.kind, l.name, types.LogLevelDebug), l.want)
		}
		want := map[string]types.LogLevel{
			"DEFAULT ": types.LogLevelDebug, "THING_GROUP g": types.LogLevelDebug, "SOURCE_IP 10.1.2.3": types.LogLevelDebug,
			"PRINCIPAL_ID " + strings.Repeat("ab", 32): types.LogLevelDebug,
		}
		if got := levels(); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		options := must[*iot.GetV2LoggingOptionsOutput](t)(c.GetV2LoggingOptions(ctx, &iot.GetV2LoggingOptionsInput{}))
		if options.DefaultLogLevel != types.LogLevelDebug {
			t.Errorf("got default level %s, want that of the target DEFAULT", options.DefaultLogLevel)
		}
		_, err = c.DeleteV2LoggingLevel(ctx, &iot.DeleteV2LoggingLevelInput{
			TargetType: types.LogTargetTypeDefault, TargetName: new("x"),
		})
		expect(t, err, invalid)
		_, err = c.DeleteV2LoggingLevel(ctx, &iot.DeleteV2LoggingLevelInput{
			TargetType: types.LogTargetTypeSourceIp, TargetName: new("10.1.2.3"),
		})
		expect(t, err, fine)
		_, err = c.DeleteThingGroup(ctx, &iot.DeleteThingGroupInput{ThingGroupName: new("g")})
		expect(t, err, fine)
		delete(want, "SOURCE_IP 10.1.2.3")
		delete(want, "THING_GROUP g")
		if got := levels(); !maps.Equal(got, want) {
			t.Errorf("after deletions: got %v, want %v", got, want)
		}
	})
}
