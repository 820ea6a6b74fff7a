package hook

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const documentation = "../../docs/brokers"

// TestTheDocumentedConfigurationsAreTheTestedOnes compares the files that tests
// start brokers with to what the pages show.
func TestTheDocumentedConfigurationsAreTheTestedOnes(t *testing.T) {
	pages := ""
	files := map[string]string{}
	list, err := os.ReadDir(documentation)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		text, err := os.ReadFile(filepath.Join(documentation, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(entry.Name()) == ".md" {
			pages += string(text)
		} else {
			files[entry.Name()] = string(text)
		}
	}
	for name, text := range files {
		if !strings.Contains(pages, "```\n"+text+"```\n") && !strings.Contains(pages, "```sh\n"+text+"```\n") {
			t.Errorf("got another text in the pages of docs/brokers than that of %s, want them to be equal", name)
		}
	}
	if len(files) < 8 || pages == "" {
		t.Errorf("got %d files, want the configurations of all brokers", len(files))
	}
}

var (
	templateBody   = regexp.MustCompile(`(?s)url = "http://[^/]+(/[^"]+)".*?headers \{(.*?)\}.*?body \{(.*?)\n *\}\n`)
	templateHeader = regexp.MustCompile(`"([\w-]+)" = "([^"]*)"`)
	templateField  = regexp.MustCompile(`(\w+) = "\$\{([\w.]+)\}"`)
)

// question is what EMQX sends by a template.
type question struct {
	path   string
	header http.Header
	fields map[string]string // placeholders by member
}

// templates are those of the documented configuration.
func templates(t *testing.T) (list []question) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(documentation, "emqx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range templateBody.FindAllStringSubmatch(string(text), -1) {
		q := question{path: found[1], header: http.Header{}, fields: map[string]string{}}
		for _, header := range templateHeader.FindAllStringSubmatch(found[2], -1) {
			q.header.Set(header[1], strings.ReplaceAll(header[2], "TOKEN", hereToken))
		}
		for _, field := range templateField.FindAllStringSubmatch(found[3], -1) {
			q.fields[field[1]] = field[2]
		}
		list = append(list, q)
	}
	return list
}

// ask fills a template in as EMQX does: a value that there is not is empty.
func (q *question) ask(t *testing.T, h http.Handler, values map[string]string) map[string]any {
	t.Helper()
	fields := map[string]string{}
	for member, placeholder := range q.fields {
		fields[member] = values[placeholder]
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := strings.CutPrefix(q.header.Get("Authorization"), "Bearer ")
	w := post(h, q.path, token, string(body))
	out := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %s, %v, want an answer in JSON", w.Code, w.Body, err)
	}
	return out
}

func TestTheDocumentedTemplatesOfEMQXAreUnderstood(t *testing.T) {
	list := templates(t)
	if len(list) != 2 {
		t.Fatalf("got %d templates in docs/brokers/emqx.conf, want two", len(list))
	}
	w := newWorld(t)
	h := w.handler(io.Discard)
	values := map[string]string{
		"cert_pem": base64.StdEncoding.EncodeToString(w.parsed.DER), "clientid": "pump-7", "peerhost": "192.0.2.1",
	}
	in := list[0].ask(t, h, values)
	attributes, _ := in["client_attrs"].(map[string]any)
	if in["result"] != "allow" || len(attributes) != 1 {
		t.Fatalf("got %v, want the device allowed and remembered", in)
	}
	for name, value := range attributes {
		values["client_attrs."+name] = value.(string)
	}
	w.policies = []string{document(mayConnect, allow("iot:Publish", "topic/a"))}
	for _, tt := range []struct{ topic, retain, want string }{
		{"a", "false", "allow"}, {"a", "true", "deny"}, {"b", "false", "deny"},
	} {
		values["action"], values["topic"], values["qos"], values["retain"] = "publish", tt.topic, "1", tt.retain
		if got := list[1].ask(t, h, values); got["result"] != tt.want {
			t.Errorf("got %v for %s, retain %s, want %s", got, tt.topic, tt.retain, tt.want)
		}
	}
	delete(values, "client_attrs.cordon_certificate")
	if got := list[1].ask(t, h, values); got["result"] != "deny" {
		t.Errorf("got %v for a device that nobody remembers, want deny", got)
	}
	delete(values, "cert_pem")
	if got := list[0].ask(t, h, values); got["result"] != "deny" {
		t.Errorf("got %v for a device without a certificate, want deny", got)
	}
}
