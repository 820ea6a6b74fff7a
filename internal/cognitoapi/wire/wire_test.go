package wire_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cognitoapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
)

type oneKey struct{}

func (oneKey) Credential(context.Context, string, string) (awswire.Key, error) {
	return awswire.Key{Account: "000000000000", Secret: "secret"}, nil
}

// serve returns a client of a server with the operations given.
func serve(t *testing.T, operations ...awswire.Served) *cognitoidentity.Client {
	t.Helper()
	h, err := awswire.NewHandler(awswire.Config{Keys: oneKey{}, Services: []awswire.Service{wire.Service(operations)}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return cognitoidentity.New(cognitoidentity.Options{
		BaseEndpoint: &s.URL, Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

func TestARequestAndItsAnswerAreAsTheSDKHasThem(t *testing.T) {
	var got *wire.IdentityPool
	c := serve(t, awswire.Op(wire.UpdateIdentityPool, func(_ context.Context, in *wire.IdentityPool) (
		*wire.IdentityPool, error,
	) {
		got = in
		return in, nil
	}))
	out, err := c.UpdateIdentityPool(t.Context(), &cognitoidentity.UpdateIdentityPoolInput{
		IdentityPoolId: new("us-east-1:0a"), IdentityPoolName: new("p"), AllowUnauthenticatedIdentities: true,
		SupportedLoginProviders: map[string]string{"x": "y"}, SamlProviderARNs: []string{},
	})
	if err != nil || *out.IdentityPoolName != "p" || out.SupportedLoginProviders["x"] != "y" {
		t.Fatalf("got %+v, %v, want the pool of the request", out, err)
	}
	want := &wire.IdentityPool{
		IdentityPoolID: new("us-east-1:0a"), IdentityPoolName: new("p"), AllowUnauthenticatedIdentities: new(true),
		SupportedLoginProviders: map[string]string{"x": "y"}, SamlProviderARNs: []string{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got request %+v, want %+v", got, want)
	}
}

func TestFaultsAreErrorsOfIdentityPools(t *testing.T) {
	var refuse error
	c := serve(t, awswire.Op(wire.DescribeIdentityPool, func(context.Context, *wire.DescribeIdentityPoolInput) (
		*wire.IdentityPool, error,
	) {
		return nil, refuse
	}))
	for want, refusal := range map[string]error{
		"ResourceNotFoundException":   fault.New(fault.NotFound, "none"),
		"InvalidParameterException":   fault.New(fault.Invalid, "no"),
		"AccessDeniedException":       fault.New(fault.Denied, "no"),
		"TooManyRequestsException":    fault.New(fault.Throttled, "slowly"),
		"ServiceUnavailableException": fault.New(fault.Unavailable, "later"),
	} {
		refuse = refusal
		var e smithy.APIError
		_, err := c.DescribeIdentityPool(t.Context(), &cognitoidentity.DescribeIdentityPoolInput{
			IdentityPoolId: new("us-east-1:0a"),
		})
		if !errors.As(err, &e) || e.ErrorCode() != want || e.ErrorMessage() != refusal.Error() {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refuse = nil
	_, err := c.ListIdentityPools(t.Context(), &cognitoidentity.ListIdentityPoolsInput{MaxResults: new(int32(1))})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "UnknownOperationException" {
		t.Errorf("got %v for an operation that is not served, want UnknownOperationException", err)
	}
	_, err = c.DescribeIdentityPool(t.Context(), &cognitoidentity.DescribeIdentityPoolInput{IdentityPoolId: new("?")})
	if !errors.As(err, new(*types.InvalidParameterException)) {
		t.Errorf("got %v for an id that breaks a rule, want InvalidParameterException", err)
	}
}
