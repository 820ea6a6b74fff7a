package server_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/server"
)

func TestCallsBeyondTheRateAreThrottled(t *testing.T) {
	still := time.Now()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{
		Quotas: quota.AWS, Now: func() time.Time { return still },
	})
	describe := func(c *iot.Client) error {
		_, err := c.DescribeAccountAuditConfiguration(t.Context(), &iot.DescribeAccountAuditConfigurationInput{})
		return err
	}
	c := cordon.IoT()
	for i := range 5 {
		if err := describe(c); err != nil {
			t.Fatalf("call %d of a second: %v", i+1, err)
		}
	}
	var e smithy.APIError
	if err := describe(c); !errors.As(err, &e) || e.ErrorCode() != "ThrottlingException" {
		t.Errorf("got %v for the sixth call of a second, want ThrottlingException", err)
	}
	if err := describe(cordon.IoTIn("eu-west-1")); err != nil {
		t.Errorf("got %v in another region, want none", err)
	}
	if err := describe(cordon.NewAccount(t, "111111111111")); err != nil {
		t.Errorf("got %v in another account, want none", err)
	}
	if _, err := c.GetRegistrationCode(t.Context(), &iot.GetRegistrationCodeInput{}); err != nil {
		t.Errorf("got %v from another operation, want none", err)
	}
}
