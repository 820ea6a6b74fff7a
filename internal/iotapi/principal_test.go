package iotapi

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func TestCertificatePrincipal(t *testing.T) {
	id := strings.Repeat("ab", 32)
	elsewhere := fleet.Scope{Account: testScope.Account, Region: "us-east-1"}
	for _, tt := range []struct {
		name, principal, want string
		wantFault             fault.Code
	}{
		{"a certificate", testScope.ARN("cert", id), id, ""},
		{"a certificate of another region", elsewhere.ARN("cert", id), "", fault.NotFound},
		{"a thing", testScope.ARN("thing", "pump"), "", fault.Invalid},
		{"an identity of Amazon Cognito", "eu-central-1:6694b816-a8f8-41f6-ab0e-a125390c20a5", "", fault.Invalid},
		{"a bare id", id, "", fault.Invalid},
		{"nothing", "", "", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := certificatePrincipal(testScope, tt.principal)
			if got != tt.want || (err == nil) != (tt.wantFault == "") || err != nil && !fault.Is(err, tt.wantFault) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.wantFault)
			}
		})
	}
}

func TestThingsOfAPrincipalArePaged(t *testing.T) {
	f := &fakeRegistry{attachments: []fleet.Attachment{
		{Thing: "a", Certificate: "c", Type: fleet.NonExclusive}, {Thing: "b", Certificate: "c", Type: fleet.NonExclusive},
	}}
	a := fakeAPI(t, f)
	in := wire.ListPrincipalThingsV2Request{
		Principal: new(testScope.ARN("cert", "c")), MaxResults: new(1), ThingPrincipalType: new("NON_EXCLUSIVE_THING"),
	}
	out, err := a.listPrincipalThingsV2(testContext(), &in)
	if err != nil || len(out.PrincipalThingObjects) != 1 || out.NextToken == nil {
		t.Fatalf("got %+v, %v, want one thing and a token", out, err)
	}
	if got := out.PrincipalThingObjects[0]; *got.ThingName != "a" || *got.ThingPrincipalType != "NON_EXCLUSIVE_THING" {
		t.Errorf("got %q as %q", *got.ThingName, *got.ThingPrincipalType)
	}
	in.NextToken = out.NextToken
	if _, err := a.listPrincipalThingsV2(testContext(), &in); err != nil {
		t.Fatal(err)
	}
	want := []fleet.AttachmentQuery{
		{Of: "c", Type: fleet.NonExclusive, Limit: 2}, {Of: "c", Type: fleet.NonExclusive, After: "a", Limit: 2},
	}
	if !reflect.DeepEqual(f.queries, want) {
		t.Errorf("got %+v, want %+v", f.queries, want)
	}
	v1 := wire.ListPrincipalThingsRequest{Principal: in.Principal, NextToken: in.NextToken}
	if _, err := a.listPrincipalThings(testContext(), &v1); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want the token of another operation refused", err)
	}
}
