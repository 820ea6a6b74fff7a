package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) logging() {
	role := new(cordontest.RoleARN)
	step[iot.SetLoggingOptionsOutput](j, &iot.SetLoggingOptionsInput{LoggingOptionsPayload: &types.LoggingOptionsPayload{
		RoleArn: role, LogLevel: types.LogLevelWarn,
	}}, nil)
	step(j, &iot.GetLoggingOptionsInput{}, &iot.GetLoggingOptionsOutput{RoleArn: role, LogLevel: types.LogLevelWarn})
	events := []types.LogEventConfiguration{{
		EventType: new("Connect"), LogLevel: types.LogLevelDebug, LogDestination: new("cordon/connects"),
	}}
	step[iot.SetV2LoggingOptionsOutput](j, &iot.SetV2LoggingOptionsInput{
		RoleArn: role, DefaultLogLevel: types.LogLevelInfo, DisableAllLogs: true, EventConfigurations: events,
	}, nil)
	step(j, &iot.GetV2LoggingOptionsInput{Verbose: true}, &iot.GetV2LoggingOptionsOutput{
		RoleArn: role, DefaultLogLevel: types.LogLevelInfo, DisableAllLogs: true, EventConfigurations: events,
	})
	j.logLevels()
}

func (j *journey) logLevels() {
	group(j.T, j.c, "sdk-lab", "")
	target := func(kind types.LogTargetType, name string) *types.LogTarget {
		return &types.LogTarget{TargetType: kind, TargetName: &name}
	}
	first := target(types.LogTargetTypeClientId, "sdk-1")
	for _, at := range []*types.LogTarget{
		first, target(types.LogTargetTypeClientId, "sdk-2"), target(types.LogTargetTypeThingGroup, "sdk-lab"),
	} {
		step[iot.SetV2LoggingLevelOutput](j, &iot.SetV2LoggingLevelInput{LogTarget: at, LogLevel: types.LogLevelError}, nil)
	}
	listed := func(name string) *iot.ListV2LoggingLevelsOutput {
		return &iot.ListV2LoggingLevelsOutput{LogTargetConfigurations: []types.LogTargetConfiguration{{
			LogTarget: target(types.LogTargetTypeClientId, name), LogLevel: types.LogLevelError,
		}}}
	}
	list := &iot.ListV2LoggingLevelsInput{TargetType: types.LogTargetTypeClientId, MaxResults: new(int32(1))}
	pages(j, list, listed("sdk-1"), listed("sdk-2"))
	step[iot.DeleteV2LoggingLevelOutput](j, &iot.DeleteV2LoggingLevelInput{
		TargetType: first.TargetType, TargetName: first.TargetName,
	}, nil)
	list.NextToken = nil
	step(j, list, listed("sdk-2"))
}
