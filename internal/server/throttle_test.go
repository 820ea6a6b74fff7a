package server_test

import (
	"errors"
	"net/http"
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

func TestLinksThatAreNotSignedAreThrottledByThemselves(t *testing.T) {
	still := time.Now()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{
		Quotas: quota.AWS, Now: func() time.Time { return still },
	})
	link := "/?Action=ConfirmSubscription&Token=t&TopicArn=arn:aws:sns:us-east-1:000000000000:t"
	follow := func() string {
		r, err := http.NewRequestWithContext(t.Context(), "GET", cordon.URL()+link, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.Header.Get("X-Amzn-Errortype")
	}
	for i := range 10 {
		if got := follow(); got == "Throttling" || got == "MissingAuthenticationToken" {
			t.Fatalf("link %d of a second: got %s", i+1, got)
		}
	}
	if got := follow(); got != "Throttling" {
		t.Errorf("got %q for the eleventh link of a second, want Throttling", got)
	}
	if _, err := cordon.IoT().GetRegistrationCode(t.Context(), &iot.GetRegistrationCodeInput{}); err != nil {
		t.Errorf("got %v from an account, want none", err)
	}
}
