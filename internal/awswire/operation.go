package awswire

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire/query"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/fault"
)

// Fact is what the interface facts of a service say about the form of one
// operation.
type Fact struct {
	Name    string
	Method  string
	Path    string   // with labels in braces: /things/{thingName}
	Headers []string // the headers that members are read from, in lower case
	Result  string   // the element around an answer of the query protocol; "" is none
}

// Operation is one operation of a service with its wire types. Values are
// generated from the interface facts. Form and XML are for the query protocol,
// Decode and Encode for the others.
type Operation[In, Out any] struct {
	Fact
	Decode   func(*In, *restjson.Request)
	Form     func(*In, *query.Value)
	Validate func(*In, *restjson.Checker)
	Encode   func(*Out, *restjson.Writer)
	XML      func(*Out, *query.Writer)
}

// message is a request as its protocol carries it.
type message struct {
	rest restjson.Request
	form *query.Form // of the query protocol
}

// Served is an operation together with the function that answers it.
type Served struct {
	fact     Fact
	input    reflect.Type
	refused  []string
	maxBody  int64
	note     string
	open     bool
	unsigned bool
	form     bool // it is of the query protocol
	decode   func(*message) (any, error)
	validate func(any) error
	call     func(context.Context, any) (any, error)
	encode   func(any) []byte
}

// Op serves an operation by fn. Its input is decoded and valid; an error of fn
// that is a fault is answered as the exception of its code, any other as an
// internal failure. A nil output is answered as one without members.
func Op[In, Out any](op Operation[In, Out], fn func(context.Context, *In) (*Out, error)) Served {
	return Served{
		fact: op.Fact, maxBody: MaxBody,
		input: reflect.TypeFor[In](),
		form:  op.Form != nil,
		decode: func(m *message) (any, error) {
			in := new(In)
			if op.Form != nil {
				op.Form(in, m.form.Root())
				return in, m.form.Err()
			}
			op.Decode(in, &m.rest)
			return in, m.rest.Err()
		},
		validate: func(in any) error {
			var c restjson.Checker
			op.Validate(in.(*In), &c)
			return c.Err()
		},
		call: func(ctx context.Context, in any) (any, error) {
			return fn(ctx, in.(*In))
		},
		encode: func(out any) []byte {
			v := out.(*Out)
			if v == nil {
				v = new(Out)
			}
			if op.XML != nil {
				var w query.Writer
				op.XML(v, &w)
				return w.Bytes()
			}
			var w restjson.Writer
			op.Encode(v, &w)
			return w.Bytes()
		},
	}
}

// Fact returns what the operation looks like on the wire.
func (s Served) Fact() Fact { return s.fact }

// Refusing names members that the interface has and this operation does not
// honour. A request that gives one is refused as [fault.Unsupported]; the
// member is never dropped. A dotted path names a member of a structure, also
// of one in a list or map. NewHandler reports a path that does not exist.
func (s Served) Refusing(members ...string) Served {
	s.refused = append(s.refused[:len(s.refused):len(s.refused)], members...)
	return s
}

// Refused returns the members that [Served.Refusing] names.
func (s Served) Refused() []string { return s.refused }

// Noting adds what a caller should know about the operation to its row in
// docs/coverage.md.
func (s Served) Noting(text string) Served {
	s.note = text
	return s
}

// Note returns what [Served.Noting] says.
func (s Served) Note() string { return s.note }

// Taking lets the body of a request be larger than [MaxBody]. It is read before
// its caller is known.
func (s Served) Taking(bytes int64) Served {
	s.maxBody = bytes
	return s
}

// Open marks an operation that everybody may call who signs.
func (s Served) Open() Served {
	s.open = true
	return s
}

// IsOpen reports whether the operation is marked by [Served.Open].
func (s Served) IsOpen() bool { return s.open }

// Anonymous marks an operation that may be called without a signature, as by
// following a link. Its caller then has neither key nor account. A call that is
// signed needs its permission like every other.
func (s Served) Anonymous() Served {
	s.unsigned = true
	return s
}

// IsAnonymous reports whether the operation is marked by [Served.Anonymous].
func (s Served) IsAnonymous() bool { return s.unsigned }

// checkRefused returns an error for a refused member that does not exist.
func (s Served) checkRefused() error {
	for _, path := range s.refused {
		t := s.input
		for name := range strings.SplitSeq(path, ".") {
			i, ok := field(t, name)
			if !ok {
				return fmt.Errorf("operation %s refuses %q, which is no member", s.fact.Name, path)
			}
			t = element(t.Field(i).Type)
		}
	}
	return nil
}

// refusal returns a fault for the first refused member that in gives.
func (s Served) refusal(in any) error {
	for _, path := range s.refused {
		if given(reflect.ValueOf(in).Elem(), strings.Split(path, ".")) {
			return fault.New(fault.Unsupported, "Member '%s' of %s is not supported by this Cordon", path, s.fact.Name)
		}
	}
	return nil
}

// given reports whether v has a member at path.
func given(v reflect.Value, path []string) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && (len(path) == 0 || given(v.Elem(), path))
	case reflect.Slice, reflect.Map:
		if v.IsNil() || len(path) == 0 {
			return !v.IsNil()
		}
		for _, item := range v.Seq2() {
			if given(item, path) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return true
	}
	i, ok := field(v.Type(), path[0])
	return ok && given(v.Field(i), path[1:])
}

// field finds the field of a wire structure by the name of its member.
func field(t reflect.Type, member string) (int, bool) {
	if t.Kind() != reflect.Struct {
		return 0, false
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("wire") == member {
			return i, true
		}
	}
	return 0, false
}

// element is the type below pointers, lists and maps.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}
