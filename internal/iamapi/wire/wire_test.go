package wire_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
)

type oneKey struct{}

func (oneKey) Credential(context.Context, string, string) (awswire.Key, error) {
	return awswire.Key{Account: "000000000000", Secret: "secret"}, nil
}

// serve returns a client of a server with the operations given.
func serve(t *testing.T, operations ...awswire.Served) *iam.Client {
	t.Helper()
	h, err := awswire.NewHandler(awswire.Config{
		Keys: oneKey{}, Services: []awswire.Service{wire.Service(operations)},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return iam.New(iam.Options{
		BaseEndpoint: &s.URL, Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

// awkward is text that must come through a form, and XML, as it is.
const awkward = "{\"a\": [\"<&>'+%;=\", \"é\"]}\r\n\t "

func TestARequestAndItsAnswerAreAsTheSDKHasThem(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var got *wire.CreateRoleRequest
	c := serve(t, awswire.Op(wire.CreateRole, func(_ context.Context, in *wire.CreateRoleRequest) (
		*wire.CreateRoleResponse, error,
	) {
		got = in
		return &wire.CreateRoleResponse{Role: &wire.Role{
			RoleName: in.RoleName, AssumeRolePolicyDocument: in.AssumeRolePolicyDocument, CreateDate: &at,
			MaxSessionDuration: in.MaxSessionDuration, Tags: in.Tags, Path: in.Path, RoleID: new("AROA"), ARN: new("arn:r"),
		}}, nil
	}))
	out, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: new("r"), AssumeRolePolicyDocument: new(awkward), MaxSessionDuration: new(int32(3600)), Path: new("/a/"),
		Tags: []types.Tag{{Key: new("k"), Value: new("v")}, {Key: new("empty"), Value: new("")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.CreateRoleRequest{
		RoleName: new("r"), AssumeRolePolicyDocument: new(awkward), MaxSessionDuration: new(3600), Path: new("/a/"),
		Tags: []wire.Tag{{Key: new("k"), Value: new("v")}, {Key: new("empty"), Value: new("")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got request %+v, want %+v", got, want)
	}
	if r := out.Role; *r.RoleName != "r" || *r.AssumeRolePolicyDocument != awkward || !r.CreateDate.Equal(at) ||
		*r.MaxSessionDuration != 3600 || len(r.Tags) != 2 || *r.Tags[1].Key != "empty" {
		t.Errorf("got role %+v, want the one of the request", r)
	}
}

func TestAnOperationWithoutOutputIsAnswered(t *testing.T) {
	c := serve(t, awswire.Op(wire.DeleteRole, func(context.Context, *wire.DeleteRoleRequest) (
		*wire.DeleteRoleResponse, error,
	) {
		return nil, nil
	}))
	if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("r")}); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

func TestFaultsAreErrorsOfIAM(t *testing.T) {
	var refuse error
	c := serve(t, awswire.Op(wire.GetRole, func(context.Context, *wire.GetRoleRequest) (*wire.GetRoleResponse, error) {
		return nil, refuse
	}))
	get := func(err error) error {
		refuse = err
		_, err = c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("r")})
		return err
	}
	if err := get(fault.New(fault.NotFound, "no <role>")); !errors.As(err, new(*types.NoSuchEntityException)) {
		t.Errorf("got %v, want NoSuchEntity", err)
	}
	for want, refusal := range map[string]error{
		"EntityAlreadyExists": fault.New(fault.Exists, "it is there"),
		"UnmodifiableEntity":  fault.New(fault.Invalid, "it stays").Called("UnmodifiableEntity"),
		"ValidationError":     fault.New(fault.Invalid, "no"),
		"InternalFailure":     errors.New("no fault"),
	} {
		var e smithy.APIError
		if err := get(refusal); !errors.As(err, &e) || e.ErrorCode() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
