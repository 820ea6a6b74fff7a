package cli

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
)

// rootKeys knows the root key that the tests sign with.
type rootKeys struct{}

func (rootKeys) Credential(_ context.Context, id, _ string) (awswire.Key, error) {
	if id != rootKey[1] {
		return awswire.Key{}, fault.New(fault.NotFound, "no such key")
	}
	return awswire.Key{Account: "000000000000", Secret: rootKey[3], Operator: true}, nil
}

// TestTheServersOwnWireUnderstandsTheCommands lets the pipeline of the server
// verify the signatures, and decode and validate what the commands send.
func TestTheServersOwnWireUnderstandsTheCommands(t *testing.T) {
	at := time.UnixMilli(1_500)
	create := func(_ context.Context, in *wire.CreateAccountRequest) (*wire.CreateAccountResponse, error) {
		id, secret := "AKIANEW", "s3cret"
		return &wire.CreateAccountResponse{AccountID: in.AccountID, AccessKeyID: &id, SecretAccessKey: &secret}, nil
	}
	list := func(_ context.Context, in *wire.ListAccountsRequest) (*wire.ListAccountsResponse, error) {
		id, active, next := "000000000000", "ACTIVE", "a/b+c="
		out := &wire.ListAccountsResponse{Accounts: []wire.AccountSummary{{AccountID: &id, Status: &active, CreatedAt: &at}}}
		if in.NextToken == nil {
			out.NextToken = &next
		}
		return out, nil
	}
	disable := func(_ context.Context, in *wire.DisableAccountRequest) (*wire.DisableAccountResponse, error) {
		return nil, fault.New(fault.NotFound, "no account %s", *in.AccountID)
	}
	handler, err := awswire.NewHandler(awswire.Config{
		Keys: rootKeys{},
		Services: []awswire.Service{{
			SigningName: wire.SigningName,
			Known:       wire.Facts,
			Operations: []awswire.Served{
				awswire.Op(wire.CreateAccount, create),
				awswire.Op(wire.ListAccounts, list),
				awswire.Op(wire.DisableAccount, disable),
			},
		}},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	defer s.Close()
	stranger := []string{rootKey[0], rootKey[1], rootKey[2], "another-secret-key"}
	for _, tt := range []struct {
		name   string
		args   []string
		env    []string
		code   int
		output string // part of either stream
	}{
		{"create", []string{"create", "--account-id=123456789012", "--name=Lab 1"}, rootKey, ok,
			"export AWS_SECRET_ACCESS_KEY=s3cret"},
		{"an account id that breaks a rule", []string{"create", "--account-id=12"}, rootKey, failed,
			"InvalidRequestException: 1 validation error detected"},
		{"list two pages", []string{"list"}, rootKey, ok, "ACTIVE  1970-01-01T00:00:01Z  \n000000000000"},
		{"disable what is not there", []string{"disable", "--account-id=123456789012"}, rootKey, failed,
			"ResourceNotFoundException: no account 123456789012"},
		{"a wrong secret", []string{"list"}, stranger, failed, "AKIAIOSFODNN7EXAMPLE from CORDON_ROOT_ACCESS_KEY_ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"account"}, append(tt.args, "--endpoint", s.URL)...)
			code, stdout, stderr := run(t, Process{Env: environment(tt.env...)}, args...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.output) {
				t.Errorf("got exit code %d, %q, %q; want %d and %q", code, stdout, stderr, tt.code, tt.output)
			}
		})
	}
}
