package cordonapi_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// What one account imports is neither seen nor used in another.
func TestImportedListsAreOfOneAccount(t *testing.T) {
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	made, err := c.Identity().CreateAccount(t.Context(), "123456789012", "")
	if err != nil {
		t.Fatal(err)
	}
	stranger := aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Issuer"})
	if err != nil {
		t.Fatal(err)
	}
	der, err := ca.CRL(fixture.Revocations{})
	if err != nil {
		t.Fatal(err)
	}
	part := map[string]string{"data": base64.StdEncoding.EncodeToString(der)}
	for _, tt := range []struct {
		name         string
		key          aws.Credentials
		method, path string
		body         any
		want         string
	}{
		{"the issuer", root, http.MethodPost, "/issuer-certificates", map[string]string{"certificatePem": ca.PEM}, ""},
		{"a part", root, http.MethodPut, "/revocation-list-imports/x/parts/0", part, ""},
		{"a stranger ends it", stranger, http.MethodPost, "/revocation-list-imports/x", nil, "ResourceNotFoundException"},
		{"a stranger's own part", stranger, http.MethodPut, "/revocation-list-imports/x/parts/0", part, ""},
		{"whose issuer he does not know", stranger, http.MethodPost, "/revocation-list-imports/x", nil,
			"InvalidRequestException"},
		{"the owner ends it", root, http.MethodPost, "/revocation-list-imports/x", nil, ""},
		{"once", root, http.MethodPost, "/revocation-list-imports/x", nil, "ResourceNotFoundException"},
		{"an empty part", root, http.MethodPut, "/revocation-list-imports/y/parts/0", map[string]string{"data": ""},
			"InvalidRequestException"},
		{"a part too many", root, http.MethodPut, "/revocation-list-imports/y/parts/4096", part, "InvalidRequestException"},
	} {
		if _, out := call(t, tt.key, tt.method, c.URL()+tt.path, tt.body); out["exception"] != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, out, tt.want)
		}
	}
	for key, want := range map[aws.Credentials]int{root: 1, stranger: 0} {
		_, out := call(t, key, http.MethodGet, c.URL()+"/revocation-lists", nil)
		if list, ok := out["revocationLists"].([]any); !ok || len(list) != want {
			t.Errorf("got %v, want %d lists", out, want)
		}
	}
}
