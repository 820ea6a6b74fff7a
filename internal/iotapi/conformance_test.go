package iotapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// request makes the HTTP request of a variant: members go where the facts say.
func (f *interfaceFacts) request(t testing.TB, endpoint string, v variant) (*http.Request, []byte) {
	t.Helper()
	path, query, header, body := v.op.HTTP.URI, url.Values{}, http.Header{}, map[string]any(nil)
	if v.op.Input != "" {
		sh := f.Shapes[v.op.Input]
		for _, name := range sorted(sh.Members) {
			m := sh.Members[name]
			value, given := v.input[name]
			switch {
			case m.Location == "" && body == nil:
				body = map[string]any{}
				fallthrough
			case m.Location == "":
				if given {
					body[m.wireName(name)] = value
				}
			case !given:
			case m.Location == "uri":
				path = strings.ReplaceAll(path, "{"+m.wireName(name)+"}", url.PathEscape(plain(value)))
			case m.Location == "querystring":
				query.Set(m.wireName(name), plain(value))
			case m.Location == "header":
				header.Set(m.wireName(name), plain(value))
			default:
				t.Fatalf("%s: no place for %s", v.op.name, m.Location)
			}
		}
		if sh.Payload != "" {
			body, _ = body[sh.Payload].(map[string]any)
		}
	}
	var text []byte
	if body != nil {
		text = must[[]byte](t)(json.Marshal(body))
	}
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), v.op.HTTP.Method,
		endpoint+path+"?"+query.Encode(), bytes.NewReader(text)))
	r.Header = header
	return r, text
}

// plain is a value outside of a body.
func plain(value any) string {
	if at, ok := value.(timestamp); ok {
		return time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(value)
}

// send signs and makes the call of a variant.
func (f *interfaceFacts) send(t testing.TB, endpoint string, v variant) (answer, error) {
	t.Helper()
	r, text := f.request(t, endpoint, v)
	sum := sha256.Sum256(text)
	key := aws.Credentials{AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken}
	err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), v.op.scope, cordontest.Region,
		time.Now())
	if err != nil {
		return answer{}, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{want: want{resp.Header.Get("X-Amzn-Errortype"), resp.StatusCode}}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return answer{}, err
	}
	said := struct{ Message string }{}
	err = json.Unmarshal(a.body, &said)
	a.text = said.Message
	return a, err
}

// tally counts the variants and how they were answered.
type tally struct{ kept, broken, refused, succeeded atomic.Int64 }

// wrongness is what is wrong with an answer to a variant, or "".
func (v variant) wrongness(a answer, n *tally) string {
	for _, path := range v.op.served.Refused() {
		if v.rule != ruleType && gives(v.input, strings.Split(path, ".")) {
			n.refused.Add(1)
			if a.want == invalid && strings.Contains(a.text, "Member '"+path+"' of "+v.op.name+" is not supported") {
				return ""
			}
			return "want the member " + path + " refused by name"
		}
	}
	if v.rule != "" {
		n.broken.Add(1)
		return v.wrongRefusal(a)
	}
	n.kept.Add(1)
	switch {
	case a.status == http.StatusOK:
		n.succeeded.Add(1)
	case strings.Contains(a.text, "validation error") || strings.Contains(a.text, "Value at '"):
		return "want no constraint to be broken"
	case a.code == "InternalFailureException" || !slices.Contains(v.op.Errors, a.code):
		return "want an exception that the operation declares"
	}
	return ""
}

// violation is a broken constraint in a message.
var violation = regexp.MustCompile(`at '([^']*)' failed to satisfy constraint: `)

// wrongRefusal is what is wrong with the answer to a variant that does not
// keep to a constraint, or "": its message must name the member, no other, and
// the rule.
func (v variant) wrongRefusal(a answer) string {
	wrong := fmt.Sprintf("want a refusal that names '%s' alone and says %q", v.at, v.about+v.rule)
	if a.want != invalid {
		return wrong
	}
	if v.rule == ruleType {
		if strings.Contains(a.text, "'"+v.at+v.rule) {
			return ""
		}
		return wrong
	}
	if v.rule == ruleUnion {
		// Unions are rules of the features, in words of theirs.
		if !strings.Contains(a.text, v.at[strings.LastIndex(v.at, ".")+1:]) {
			return wrong
		}
		return ""
	}
	found := violation.FindAllStringSubmatch(a.text, -1)
	alone := !slices.ContainsFunc(found, func(one []string) bool { return one[1] != v.at })
	if found == nil || !alone || !strings.Contains(a.text, v.about) || !strings.Contains(a.text, v.rule) {
		return wrong
	}
	return ""
}

func TestConstraintsOfTheInterfaceHold(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	action(t, cordon.IoT(), baseAction, deactivate())
	for _, service := range []struct {
		name  string
		facts *interfaceFacts
	}{{"AWS IoT", loadFacts(t)}, {"Cordon", loadCordonFacts(t)}} {
		t.Run(service.name, func(t *testing.T) { service.facts.conform(t, cordon) })
	}
}

// conform sends all variants of all operations that are served.
func (f *interfaceFacts) conform(t *testing.T, cordon *cordontest.Cordon) {
	t.Helper()
	var n tally
	var workers errgroup.Group
	workers.SetLimit(4)
	for _, op := range f.served() {
		workers.Go(func() error {
			for _, v := range f.variants(t, op) {
				a, err := f.send(t, cordon.URL(), v)
				if err != nil {
					return fmt.Errorf("%s, %s at %s: %w", op.name, v.what, v.at, err)
				}
				if wrong := v.wrongness(a, &n); wrong != "" {
					t.Errorf("%s, %s at '%s': got %v %q, %s", op.name, v.what, v.at, a.want, a.text, wrong)
				}
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations: %d requests that just keep to a constraint (%d of them succeed), %d that just do not, "+
		"%d with a member that is refused by name", len(f.served()), n.kept.Load(), n.succeeded.Load(), n.broken.Load(),
		n.refused.Load())
}
