// Package conform holds the services of an endpoint to their interface facts:
// for every operation that is served it sends requests that just keep to a
// constraint, which no rule may refuse, and requests that just do not, which
// must be refused by a message that names the member and the rule.
//
// It supports tests. The facts are read from the files themselves, apart from
// the generator of the wire types, so that a mistake of the one does not hide
// in the other.
package conform

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
)

// Facts is what the interface facts say about a service.
type Facts struct {
	Operations map[string]*Operation `json:"operations"`
	Shapes     map[string]*Shape     `json:"shapes"`

	// Unions are the structures of which exactly one member is given: the facts
	// do not mark them.
	Unions []string `json:"-"`
	// Bases are members without which an operation refuses a request before it
	// looks at a union.
	Bases map[string]map[string]any `json:"-"`
	// Sound are values of members of unions that nothing else is wrong with,
	// where the smallest ones are not.
	Sound map[string]any `json:"-"`
	// Invalid and Unsupported are what a request that breaks a rule, and one
	// with a member that is not honoured, are refused as, with status 400.
	Invalid, Unsupported string `json:"-"`
	// Common are the exceptions that every operation may answer with, beside
	// those that it declares.
	Common []string `json:"-"`

	service awswire.Service
}

// Operation is one operation with the function that serves it, nil if none
// does.
type Operation struct {
	Name   string
	Served *awswire.Served
	HTTP   struct {
		Method string `json:"method"`
		URI    string `json:"requestUri"`
	} `json:"http"`
	Input  string   `json:"input"`
	Output string   `json:"output"`
	Errors []string `json:"errors"`
}

// Shape is the type of a value.
type Shape struct {
	Type     string            `json:"type"`
	Required []string          `json:"required"`
	Members  map[string]Member `json:"members"`
	Payload  string            `json:"payload"`
	Member   Member            `json:"member"`
	Key      Member            `json:"key"`
	Value    Member            `json:"value"`
	Min      *int64            `json:"min"`
	Max      *int64            `json:"max"`
	Pattern  string            `json:"pattern"`
	Enum     []string          `json:"enum"`
	Error    struct {
		Code string `json:"code"`
	} `json:"error"`
}

// Member is a member of a structure, or the items of a list or map.
type Member struct {
	Shape            string `json:"shape"`
	Location         string `json:"location"`
	LocationName     string `json:"locationName"`
	IdempotencyToken bool   `json:"idempotencyToken"`
}

// wireName is what a member is called in a message.
func (m Member) wireName(name string) string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return name
}

// Load reads the files of facts in a folder.
func Load(folder string, service awswire.Service) (*Facts, error) {
	f := &Facts{
		Operations: map[string]*Operation{}, Shapes: map[string]*Shape{}, service: service,
		Invalid: "InvalidRequestException", Unsupported: "InvalidRequestException",
	}
	files, err := filepath.Glob(folder + "/*.json")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no facts in %s (%v)", folder, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var part Facts
		if err := json.Unmarshal(text, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for name, op := range part.Operations {
			op.Name = name
			f.Operations[name] = op
		}
		maps.Copy(f.Shapes, part.Shapes)
	}
	for _, op := range service.Operations {
		f.Operations[op.Fact().Name].Served = &op
	}
	return f, nil
}

// Served are the operations that are answered, by name.
func (f *Facts) Served() (list []*Operation) {
	for _, name := range sorted(f.Operations) {
		if op := f.Operations[name]; op.Served != nil {
			list = append(list, op)
		}
	}
	return list
}

// declares reports whether an operation may be answered with an exception.
func (f *Facts) declares(op *Operation, code string) bool {
	return slices.Contains(f.Common, code) || slices.ContainsFunc(op.Errors, func(name string) bool {
		return code == name || code == f.Shapes[name].Error.Code
	})
}

// inForms reports whether requests are forms.
func (f *Facts) inForms() bool { return f.service.Protocol == awswire.Query }

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
