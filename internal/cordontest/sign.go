package cordontest

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Sign signs a call of a service in [Region] as it stands, with the signer of the
// AWS SDK. The body must be one that can be read again.
func Sign(t testing.TB, r *http.Request, key aws.Credentials, service string) {
	t.Helper()
	sum := sha256.New()
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err == nil {
			_, err = io.Copy(sum, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if err := v4.NewSigner().SignHTTP(r.Context(), key, r, digest, service, Region, time.Now()); err != nil {
		t.Fatal(err)
	}
}
