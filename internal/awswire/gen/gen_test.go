package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packages are the folders that this command generates.
var packages = []string{
	"../../iotapi/wire", "../../iotdata/wire", "../../cordonapi/wire",
	"../../stsapi/wire", "../../iamapi/wire", "../../snsapi/wire", "../../cognitoapi/wire",
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	for _, dir := range packages {
		files, err := generate(dir)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for name, want := range files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s is not what the facts give (%v): run go generate %s", dir, name, err, dir)
			}
		}
		kept, err := filepath.Glob(filepath.Join(dir, "*.gen.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) != len(files) {
			t.Errorf("got %d generated files in %s, want %d: run go generate %s", len(kept), dir, len(files), dir)
		}
	}
}

func TestTheServiceModelIsUpToDate(t *testing.T) {
	path, want, err := model("../../cordonapi/wire/facts")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("../../../docs/models", path))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/models/%s is not what the facts give (%v): run make generate", path, err)
	}
}

func TestFieldName(t *testing.T) {
	for wire, want := range map[string]string{
		"taskId":                 "TaskID",
		"findingIds":             "FindingIDs",
		"caCertificatePem":       "CACertificatePEM",
		"updateCACertificate":    "UpdateCACertificate",
		"enableIoTLoggingParams": "EnableIoTLoggingParams",
		"iamRoleArn":             "IAMRoleARN",
		"mqtt5Configuration":     "MQTT5Configuration",
		"publishFindingToSns":    "PublishFindingToSNS",
		"Key":                    "Key",
		"id":                     "ID",
		"identity":               "Identity",
	} {
		if got := fieldName(wire); got != want {
			t.Errorf("fieldName(%q): got %q, want %q", wire, got, want)
		}
	}
}

func TestPatternsAreTranslated(t *testing.T) {
	for _, tt := range []struct {
		java, yes, no string
	}{
		{`[\p{Graph}\x20]*`, "a ~!", "é"},
		{`[\u0020-\u00FF]+`, "é", "\u0100"},
		{`[\\u0020]+`, `\u02`, "z"},
		{`[a-zA-Z0-9-_]+`, "a-_", "."},
	} {
		re, err := regexp.Compile(`^(?:` + goPattern(tt.java) + `)$`)
		if err != nil {
			t.Errorf("%s: %v", tt.java, err)
			continue
		}
		if !re.MatchString(tt.yes) || re.MatchString(tt.no) {
			t.Errorf("%s became %s: want a match of %q and none of %q", tt.java, re, tt.yes, tt.no)
		}
	}
}

const head = `{"metadata": {"protocol": "rest-json", "signingName": "x", "serviceId": "X"}, `

// op is facts with one operation and the shapes given.
func op(uri, shapes string) string {
	return head + `"operations": {"Do": {"http": {"method": "GET", "requestUri": "` + uri +
		`"}, "input": "DoRequest", "output": null}}, "shapes": {` + shapes + `}}`
}

func TestFactsAreRefused(t *testing.T) {
	const empty = `"DoRequest": {"type": "structure", "members": {}}`
	for _, tt := range []struct {
		name  string
		files []string
		want  string
	}{
		{"when two files differ on a shape", []string{
			head + `"operations": {}, "shapes": {"A": {"type": "string", "max": 1}}}`,
			head + `"operations": {}, "shapes": {"A": {"type": "string", "max": 2}}}`,
		}, "differs"},
		{"when an operation is given twice", []string{op("/", empty), op("/", empty)}, "twice"},
		{"when a shape is missing", []string{op("/", `"Other": {"type": "string"}`)}, "missing"},
		{"when a type is not known", []string{
			op("/", `"DoRequest": {"type": "structure", "members": {"a": {"shape": "A"}}}, "A": {"type": "double"}`),
		}, "not supported"},
		{"when a location is not known", []string{
			op("/", `"DoRequest": {"type": "structure", "members": {"a": {"shape": "A", "location": "headers"}}},`+
				`"A": {"type": "string"}`),
		}, "not supported"},
		{"when a trait is not known", []string{op("/", `"DoRequest": {"type": "structure", "members": {}, "box": 1}`)},
			"unknown field"},
		{"when a path has a query", []string{op("/a?b", empty)}, "not supported"},
		{"when two members have one Go name", []string{
			op("/", `"DoRequest": {"type": "structure", "members": {"aId": {"shape": "A"}, "aID": {"shape": "A"}}},`+
				`"A": {"type": "string"}`),
		}, "one Go name"},
		{"when the name of an empty response is taken", []string{op("/", empty+`, "DoResponse": {"type": "string"}`)},
			"taken"},
		{"when the protocol is another", []string{strings.ReplaceAll(op("/", empty), "rest-json", "ec2")},
			"not supported"},
		{"when an answer has an element around it that the protocol does not know", []string{
			strings.Replace(op("/", empty), `"output": null`, `"output": null, "resultWrapper": "R"`, 1),
		}, "wrapper"},
		{"when there are none", nil, "no facts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "facts"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i, text := range tt.files {
				file := filepath.Join(dir, "facts", "x-"+string(rune('a'+i))+".json")
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := generate(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
