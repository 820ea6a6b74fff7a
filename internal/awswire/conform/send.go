package conform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cordon-iot/cordon/internal/awswire"
)

// Endpoint is where calls go, and who makes them.
type Endpoint struct {
	URL, Region string
	Key         aws.Credentials
	Ahead       time.Duration // of the clock that calls are signed by
}

// Answer is what came back for a call.
type Answer struct {
	Code   string // of the exception, "" for none
	Status int
	Text   string // of the exception
	Body   []byte
}

// Send signs and makes a call with an input, by member.
func (f *Facts) Send(ctx context.Context, to Endpoint, operation string, input map[string]any) (Answer, error) {
	op := f.Operations[operation]
	method, path, header, body, err := f.message(op, input)
	if err != nil {
		return Answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, method, to.URL+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	r.Header = header
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, to.Key, r, hex.EncodeToString(sum[:]), f.service.SigningName, to.Region,
		time.Now().Add(to.Ahead))
	if err != nil {
		return Answer{}, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	a := Answer{Code: resp.Header.Get("X-Amzn-Errortype"), Status: resp.StatusCode}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		return Answer{}, err
	}
	said := struct {
		Message string
		Error   struct{ Code, Message string }
	}{}
	if f.inForms() {
		err = xml.Unmarshal(a.Body, &said)
		a.Text = said.Error.Message
		if err == nil && said.Error.Code != a.Code {
			err = fmt.Errorf("the answer names %q and %q", a.Code, said.Error.Code)
		}
		return a, err
	}
	err = json.Unmarshal(a.Body, &said)
	a.Text = said.Message
	return a, err
}

// message is a request as its protocol carries it.
func (f *Facts) message(op *Operation, input map[string]any) (
	method, path string, h http.Header, body []byte, err error,
) {
	switch f.service.Protocol {
	case awswire.Query:
		form := url.Values{"Action": {op.Name}, "Version": {f.service.Version}}
		f.flatten(form, "", op.Input, input)
		h = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		return op.HTTP.Method, op.HTTP.URI, h, []byte(form.Encode()), nil
	case awswire.JSON:
		h = http.Header{"X-Amz-Target": {f.service.Target + "." + op.Name}, "Content-Type": {"application/x-amz-json-1.1"}}
		body, err = json.Marshal(input)
		return op.HTTP.Method, op.HTTP.URI, h, body, err
	}
	path, h, body, err = f.parts(op, input)
	return op.HTTP.Method, path, h, body, err
}

// flatten writes a value as members of a form. A value that is not of its shape
// is written as it stands.
func (f *Facts) flatten(form url.Values, name, shape string, value any) {
	sh := f.Shapes[shape]
	under := func(more string) string { return strings.TrimPrefix(name+"."+more, ".") }
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 && name != "" {
			form.Set(name, "")
		}
		for i, key := range sorted(v) {
			if sh.Type == "structure" {
				f.flatten(form, under(key), sh.Members[key].Shape, v[key])
				continue
			}
			entry := under(fmt.Sprintf("entry.%d.", i+1))
			form.Set(entry+sh.Key.wireName("key"), key)
			f.flatten(form, entry+sh.Value.wireName("value"), sh.Value.Shape, v[key])
		}
	case []any:
		if len(v) == 0 {
			form.Set(name, "")
		}
		for i, item := range v {
			f.flatten(form, under(fmt.Sprintf("member.%d", i+1)), sh.Member.Shape, item)
		}
	default:
		form.Set(name, plain(value))
	}
}

// parts puts the members of a request of REST-JSON where the facts say.
func (f *Facts) parts(op *Operation, input map[string]any) (path string, header http.Header, body []byte, err error) {
	path, header = op.HTTP.URI, http.Header{}
	query, inner := url.Values{}, map[string]any(nil)
	if op.Input == "" {
		return path, header, nil, nil
	}
	sh := f.Shapes[op.Input]
	for _, name := range sorted(sh.Members) {
		m := sh.Members[name]
		value, given := input[name]
		if m.Location == "" && inner == nil {
			inner = map[string]any{}
		}
		switch {
		case !given:
		case m.Location == "":
			inner[m.wireName(name)] = value
		case m.Location == "uri":
			path = strings.ReplaceAll(path, "{"+m.wireName(name)+"}", url.PathEscape(plain(value)))
		case m.Location == "querystring":
			query.Set(m.wireName(name), plain(value))
		case m.Location == "header":
			header.Set(m.wireName(name), plain(value))
		default:
			return "", nil, nil, fmt.Errorf("%s: no place for %s", op.Name, m.Location)
		}
	}
	if sh.Payload != "" {
		inner, _ = inner[sh.Payload].(map[string]any)
	}
	if inner != nil {
		body, err = json.Marshal(inner)
	}
	return path + "?" + query.Encode(), header, body, err
}

// plain is a value outside of a body, and in a form.
func plain(value any) string {
	if at, ok := value.(timestamp); ok {
		return time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(value)
}

// Input is the smallest input of an operation that keeps to its constraints,
// with known values for the texts of the input that have their names, in lower
// case, whether they are required or not.
func (f *Facts) Input(t testing.TB, operation string, known map[string]any) map[string]any {
	t.Helper()
	op := f.Operations[operation]
	if op.Input == "" {
		return map[string]any{}
	}
	input := f.least(t, op.Input).(map[string]any)
	for name, m := range f.Shapes[op.Input].Members {
		if value, ok := known[strings.ToLower(name)]; ok && f.Shapes[m.Shape].Type == "string" {
			input[name] = value
		}
	}
	return input
}

// Labels is an input of an operation with nothing but what its path must have.
func (f *Facts) Labels(t testing.TB, operation string) map[string]any {
	t.Helper()
	op, input := f.Operations[operation], map[string]any{}
	if op.Input == "" {
		return input
	}
	for name, m := range f.Shapes[op.Input].Members {
		if m.Location == "uri" {
			input[name] = f.least(t, m.Shape)
		}
	}
	return input
}
