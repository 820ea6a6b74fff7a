package iotapi_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi"
	"github.com/cordon-iot/cordon/internal/iotapi"
)

// interfaceFacts is what the interface facts say about a service. It is read
// from the files themselves, apart from the generator of the wire types, so
// that a mistake of the one does not hide in the other.
type interfaceFacts struct {
	Operations map[string]*operationFacts `json:"operations"`
	Shapes     map[string]*shapeFacts     `json:"shapes"`
}

// operationFacts are one operation with the function that serves it, nil if
// none does.
type operationFacts struct {
	name   string
	scope  string // the service that a caller signs for
	served *awswire.Served
	HTTP   struct {
		Method string `json:"method"`
		URI    string `json:"requestUri"`
	} `json:"http"`
	Input  string   `json:"input"`
	Output string   `json:"output"`
	Errors []string `json:"errors"`
}

type shapeFacts struct {
	Type     string                 `json:"type"`
	Required []string               `json:"required"`
	Members  map[string]memberFacts `json:"members"`
	Payload  string                 `json:"payload"`
	Member   memberFacts            `json:"member"`
	Key      memberFacts            `json:"key"`
	Value    memberFacts            `json:"value"`
	Min      *int64                 `json:"min"`
	Max      *int64                 `json:"max"`
	Pattern  string                 `json:"pattern"`
	Enum     []string               `json:"enum"`
}

type memberFacts struct {
	Shape            string `json:"shape"`
	Location         string `json:"location"`
	LocationName     string `json:"locationName"`
	IdempotencyToken bool   `json:"idempotencyToken"`
}

// wireName is what a member is called in a message.
func (m memberFacts) wireName(name string) string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return name
}

// loadFacts reads the facts of the AWS IoT API.
func loadFacts(t testing.TB) *interfaceFacts {
	t.Helper()
	return factsOf(t, "wire/facts", iotapi.New(iotapi.Config{}))
}

// loadCordonFacts reads the facts of Cordon's own service.
func loadCordonFacts(t testing.TB) *interfaceFacts {
	t.Helper()
	return factsOf(t, "../cordonapi/wire/facts", cordonapi.New(cordonapi.Config{}))
}

func factsOf(t testing.TB, folder string, service awswire.Service) *interfaceFacts {
	t.Helper()
	f := &interfaceFacts{Operations: map[string]*operationFacts{}, Shapes: map[string]*shapeFacts{}}
	for _, path := range must[[]string](t)(filepath.Glob(folder + "/*.json")) {
		var part interfaceFacts
		if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(path)), &part); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, op := range part.Operations {
			op.name, op.scope = name, service.SigningName
			f.Operations[name] = op
		}
		maps.Copy(f.Shapes, part.Shapes)
	}
	for _, op := range service.Operations {
		f.Operations[op.Fact().Name].served = &op
	}
	return f
}

// served are the operations that are answered, by name.
func (f *interfaceFacts) served() (list []*operationFacts) {
	for _, name := range sorted(f.Operations) {
		if op := f.Operations[name]; op.served != nil {
			list = append(list, op)
		}
	}
	return list
}
