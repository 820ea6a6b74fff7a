package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// service is the interface facts of one API: all facts files of one folder.
type service struct {
	metadata   metadata
	parts      []part
	shapes     map[string]*shape
	operations map[string]bool
}

// part is one facts file, which becomes one pair of Go files.
type part struct {
	name       string // file name without service prefix and ending
	operations ordered[operation]
	shapes     ordered[*shape] // those that no earlier part has
}

type metadata struct {
	Protocol     string `json:"protocol"`
	SigningName  string `json:"signingName"`
	Endpoint     string `json:"endpointPrefix"` // where it is the signing name
	ServiceID    string `json:"serviceId"`
	APIVersion   string `json:"apiVersion"`
	XMLNamespace string `json:"xmlNamespace"` // of the query protocol
	TargetPrefix string `json:"targetPrefix"` // of the JSON protocol
}

// signingName is the service in the credential scope.
func (m metadata) signingName() string {
	if m.SigningName == "" {
		return m.Endpoint
	}
	return m.SigningName
}

// protocols are the values of awswire.Protocol by their names in facts.
var protocols = map[string]string{"rest-json": "RESTJSON", "query": "Query", "json": "JSON"}

func (m metadata) query() bool { return m.Protocol == "query" }

type operation struct {
	HTTP struct {
		Method string `json:"method"`
		URI    string `json:"requestUri"`
	} `json:"http"`
	Input  *string `json:"input"`
	Output *string `json:"output"`
	// Wrapper is the element around the members of an answer, in the query
	// protocol. An operation without output has none.
	Wrapper string `json:"resultWrapper"`
	// Errors are for readers of the facts. Any exception may be answered.
	Errors []string `json:"errors"`
}

type shape struct {
	Type      string          `json:"type"`
	Required  []string        `json:"required"`
	Members   ordered[member] `json:"members"`
	Payload   string          `json:"payload"`
	Member    *member         `json:"member"`
	Key       *member         `json:"key"`
	Value     *member         `json:"value"`
	Min       *int64          `json:"min"`
	Max       *int64          `json:"max"`
	Pattern   string          `json:"pattern"`
	Enum      []string        `json:"enum"`
	Sensitive bool            `json:"sensitive"`

	// Exceptions are answered by the pipeline; they become no Go type.
	Exception bool            `json:"exception"`
	Error     json.RawMessage `json:"error"`
}

type member struct {
	Shape            string `json:"shape"`
	Location         string `json:"location"`
	LocationName     string `json:"locationName"`
	IdempotencyToken bool   `json:"idempotencyToken"`
}

// ordered is a JSON object that keeps the order of its names.
type ordered[T any] []entry[T]

type entry[T any] struct {
	name  string
	value T
}

// UnmarshalJSON reads the object name by name.
func (o *ordered[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		e := entry[T]{name: fmt.Sprint(name)}
		if err := d.Decode(&e.value); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		*o = append(*o, e)
	}
	return nil
}

// load reads all facts files of a folder, in the order of their names.
func load(folder string) (*service, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no facts in %s", folder)
	}
	s := &service{shapes: map[string]*shape{}, operations: map[string]bool{}}
	for _, file := range files {
		if err := s.add(file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

func (s *service) add(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var facts struct {
		Metadata   metadata           `json:"metadata"`
		Operations ordered[operation] `json:"operations"`
		Shapes     ordered[*shape]    `json:"shapes"`
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return err
	}
	if protocols[facts.Metadata.Protocol] == "" {
		return fmt.Errorf("protocol %q is not supported", facts.Metadata.Protocol)
	}
	if s.parts != nil && s.metadata != facts.Metadata {
		return fmt.Errorf("metadata differs from that of the other files")
	}
	s.metadata = facts.Metadata
	name := strings.TrimSuffix(filepath.Base(file), ".json")
	p := part{
		name:       strings.TrimPrefix(name, facts.Metadata.signingName()+"-"),
		operations: facts.Operations,
	}
	for _, op := range facts.Operations {
		if s.operations[op.name] {
			return fmt.Errorf("operation %s is given twice", op.name)
		}
		s.operations[op.name] = true
	}
	for _, e := range facts.Shapes {
		switch old := s.shapes[e.name]; {
		case old == nil:
			s.shapes[e.name] = e.value
			p.shapes = append(p.shapes, e)
		case !reflect.DeepEqual(old, e.value):
			return fmt.Errorf("shape %s differs from the one of an earlier file", e.name)
		}
	}
	s.parts = append(s.parts, p)
	return nil
}

// reach marks the structures, lists and maps below a shape.
func (s *service) reach(name string, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	sh := s.shapes[name]
	if sh == nil {
		return fmt.Errorf("shape %s is missing", name)
	}
	if !slices.Contains(types, sh.Type) {
		return fmt.Errorf("shape %s: type %q is not supported", name, sh.Type)
	}
	seen[name] = true
	for _, m := range sh.Members {
		if err := s.reach(m.value.Shape, seen); err != nil {
			return err
		}
	}
	for _, m := range []*member{sh.Member, sh.Key, sh.Value} {
		if m == nil {
			continue
		}
		if err := s.reach(m.Shape, seen); err != nil {
			return err
		}
	}
	return nil
}

// types are the types of shapes that the generator knows.
var types = []string{
	"structure", "list", "map", "string", "boolean", "integer", "long", "timestamp", "blob",
}
