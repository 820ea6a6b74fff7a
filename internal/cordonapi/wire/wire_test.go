package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
)

func TestCreateAccountIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want string // "" for accepted
	}{
		{"an account id alone", `{"accountId": "000000000001"}`, ""},
		{"with a name", `{"accountId": "000000000001", "name": "Plant 7"}`, ""},
		{"without an account id", `{"name": "Plant 7"}`, "Value null at 'accountId'"},
		{"an account id of 11 digits", `{"accountId": "00000000001"}`, "length greater than or equal to 12"},
		{"an account id that is no number", `{"accountId": "00000000000a"}`, "pattern: [0-9]+"},
		{"an empty name", `{"accountId": "000000000001", "name": ""}`, "at 'name'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in wire.CreateAccountRequest
			q := restjson.Request{Body: []byte(tt.body)}
			if wire.CreateAccount.Decode(&in, &q); q.Err() != nil {
				t.Fatal(q.Err())
			}
			var c restjson.Checker
			wire.CreateAccount.Validate(&in, &c)
			got := ""
			if err := c.Err(); err != nil {
				got = err.Error()
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListAccountsAnswer(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	out := wire.ListAccountsResponse{Accounts: []wire.AccountSummary{
		{AccountID: new("000000000001"), Status: new("ACTIVE"), CreatedAt: &created},
	}}
	var w restjson.Writer
	wire.ListAccounts.Encode(&out, &w)
	const want = `{"accounts":[{"accountId":"000000000001","status":"ACTIVE","createdAt":1767323045}]}`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestServiceIsAccepted(t *testing.T) {
	if _, err := awswire.NewHandler(awswire.Config{Services: []awswire.Service{wire.Service(nil)}}); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
