package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

func TestLoggingOptions(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		_, err := c.GetV2LoggingOptions(t.Context(), &iot.GetV2LoggingOptionsInput{})
		expect(t, err, notConfigured)
		old, err := c.GetLoggingOptions(t.Context(), &iot.GetLoggingOptionsInput{})
		if err != nil || old.RoleArn != nil {
			t.Errorf("got %+v, %v, want nothing set", old, err)
		}
		_, err = c.SetV2LoggingOptions(t.Context(), &iot.SetV2LoggingOptionsInput{DefaultLogLevel: types.LogLevelInfo})
		expect(t, err, invalid)
		_, err = c.SetV2LoggingOptions(t.Context(), &iot.SetV2LoggingOptionsInput{
			RoleArn: aws.String(cordontest.RoleARN), DefaultLogLevel: types.LogLevelWarn,
			EventConfigurations: []types.LogEventConfiguration{
				{EventType: aws.String("Connect"), LogLevel: types.LogLevelDebug},
			},
		})
		expect(t, err, fine)
		_, err = c.SetLoggingOptions(t.Context(), &iot.SetLoggingOptionsInput{
			LoggingOptionsPayload: &types.LoggingOptionsPayload{
				RoleArn: aws.String(cordontest.RoleARN), LogLevel: types.LogLevelError,
			},
		})
		expect(t, err, fine)
		got, err := c.GetV2LoggingOptions(t.Context(), &iot.GetV2LoggingOptionsInput{})
		if err != nil || *got.RoleArn != cordontest.RoleARN || got.DefaultLogLevel != types.LogLevelWarn ||
			got.DisableAllLogs || len(got.EventConfigurations) != 1 || *got.EventConfigurations[0].EventType != "Connect" {
			t.Errorf("got %+v, %v, want what was set", got, err)
		}
		old, err = c.GetLoggingOptions(t.Context(), &iot.GetLoggingOptionsInput{})
		if err != nil || *old.RoleArn != cordontest.RoleARN || old.LogLevel != types.LogLevelError {
			t.Errorf("got %+v, %v, want what was set", old, err)
		}
	})
}

func TestNoEndpointIsServedWithoutAGateway(t *testing.T) {
	cfg := cordontest.Settings(t, "sqlite")
	cfg.MQTTListen = ""
	c := cordontest.Start(t, cfg, server.Options{}).IoT()
	for _, kind := range []*string{nil, aws.String("iot:Data-ATS"), aws.String("iot:Nonsense")} {
		_, err := c.DescribeEndpoint(t.Context(), &iot.DescribeEndpointInput{EndpointType: kind})
		expect(t, err, invalid)
	}
}
