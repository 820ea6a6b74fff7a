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
}
