package iotdata_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/server"
)

// deletes makes a signed call of DeleteConnection in a region, and returns the
// exception that comes back, "" for none.
func deletes(t *testing.T, c *cordontest.Cordon, region, client, query string) (exception string) {
	t.Helper()
	path := c.URL() + "/connections/" + url.PathEscape(client) + query
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	key := aws.Credentials{AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken}
	err = v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "iotdata", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if exception = resp.Header.Get("X-Amzn-Errortype"); exception == "" && resp.StatusCode != http.StatusOK {
		t.Errorf("got %d without an exception", resp.StatusCode)
	}
	if !json.Valid(body) && len(body) > 0 {
		t.Errorf("got %q, want JSON", body)
	}
	return exception
}

func TestDeleteConnectionEndsAConnection(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		client := c.IoT()
		cordontest.Policy(t, client, "all", cordontest.AllowAll)
		d := cordontest.NewDevice(t, client, "all")
		watcher := c.MustConnect(t, d, cordontest.Hello(mqtt.V5, "watcher"))
		if _, err := watcher.Subscribe(1, "wills/#"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, client, query string
			will                string // that is sent
		}{
			{"a connection", "one", "", "wills/one"},
			{"with a name that has a slash", "a/b c", "", "wills/a/b c"},
			{"without its will", "two", "?preventWillMessage=true", ""},
			{"with its session", "three", "?cleanSession=true&preventWillMessage=false", "wills/three"},
		} {
			hello := cordontest.Hello(mqtt.V5, tt.client)
			hello.Will = &mqtt.Will{Topic: "wills/" + tt.client, Payload: []byte("gone")}
			device := c.MustConnect(t, d, hello)
			if got := deletes(t, c, cordontest.Region, tt.client, tt.query); got != "" {
				t.Errorf("%s: got %s, want it deleted", tt.name, got)
			}
			if got, err := device.Ended(); err != nil || got != mqtt.AdministrativeAction {
				t.Errorf("%s: got a DISCONNECT with %s, %v, want %s", tt.name, got, err, mqtt.AdministrativeAction)
			}
			if tt.will == "" {
				continue // the next will would come second
			}
			if m, err := watcher.Message(); err != nil || m.Topic != tt.will {
				t.Errorf("%s: got %+v, %v, want the will on %s", tt.name, m, err, tt.will)
			}
		}
		if err := watcher.Ping(); err != nil {
			t.Errorf("another connection ended: %v", err)
		}
		for _, tt := range []struct{ name, region, client, want string }{
			{"nobody of that name", cordontest.Region, "nobody", "ResourceNotFoundException"},
			{"a connection in another region", "eu-west-1", "watcher", "ResourceNotFoundException"},
			{"a name that is too long", cordontest.Region, strings.Repeat("x", 129), "InvalidRequestException"},
			{"a name of AWS", cordontest.Region, "$x", "InvalidRequestException"},
		} {
			if got := deletes(t, c, tt.region, tt.client, ""); got != tt.want {
				t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
			}
		}
	})
}

// An order reaches a gateway of another node that shares the database.
func TestDeleteConnectionReachesOtherNodes(t *testing.T) {
	settings := cordontest.Settings(t, "postgres")
	one := cordontest.Start(t, settings, server.Options{})
	settings.DataDir = t.TempDir()
	other := cordontest.Start(t, settings, server.Options{})
	client := one.IoT()
	cordontest.Policy(t, client, "all", cordontest.AllowAll)
	d := cordontest.NewDevice(t, client, "all")
	device := other.MustConnect(t, d, cordontest.Hello(mqtt.V5, "far"))
	if got := deletes(t, one, cordontest.Region, "far", ""); got != "" {
		t.Errorf("got %s, want it deleted", got)
	}
	if got, err := device.Ended(); err != nil || got != mqtt.AdministrativeAction {
		t.Errorf("got a DISCONNECT with %s, %v, want %s", got, err, mqtt.AdministrativeAction)
	}
}
