package stsapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

func TestRootKnowsWhoItIs(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	client := sts.New(sts.Options{
		BaseEndpoint: aws.String(c.URL()), Region: cordontest.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(cordontest.RootID, cordontest.RootToken, ""),
	})
	got, err := client.GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Account != cordontest.Account || *got.Arn != "arn:aws:iam::000000000000:root" ||
		*got.UserId != cordontest.Account {
		t.Errorf("got %s, %s, %s", *got.Account, *got.Arn, *got.UserId)
	}
}
