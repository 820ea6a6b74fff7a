package iotapi_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// journey is a client that calls every operation and keeps which members were
// set in requests and came back in answers.
type journey struct {
	*testing.T
	*cordontest.Cordon
	fleet.Scope
	facts *conform.Facts
	c     *iot.Client
	began time.Time
	seen  map[string]bool // by operation, direction and path

	audits, mitigations *cordontest.Gate
	ahead               atomic.Int64 // how far the clock is put forward
}

// must stops a journey whose preparation fails.
func (j *journey) must(text string, err error) string {
	j.Helper()
	if err != nil {
		j.Fatal(err)
	}
	return text
}

func (j *journey) arn(kind, name string) *string { return new(j.ARN(kind, name)) }

// Values that stand for any in a wanted answer.
var (
	some    = "any text but the empty one"
	now     = time.Unix(1, 0) // any time since the journey began
	someSum = "any text of 64 hexadecimal digits"
)

// step makes a call that must succeed with an answer of exactly these members.
// Nil is an answer without any.
func step[Out any](j *journey, in any, want *Out) *Out {
	j.Helper()
	got, err := call(j, j.c, in)
	if err != nil {
		j.Fatalf("%s: %v", words(j, in), err)
	}
	if want == nil {
		want = new(Out)
	}
	name := operation(in)
	for _, wrong := range j.differences(name, reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()) {
		j.Errorf("%s", wrong)
	}
	op := j.facts.Operations[name]
	if op.Input != "" {
		j.note(name+" >", reflect.ValueOf(in), op.Input, true)
	}
	if op.Output != "" {
		j.note(name+" <", reflect.ValueOf(got), op.Output, false)
	}
	j.seen[name] = true
	return got.(*Out)
}

// pages makes a call twice: for its first page, and with the token of that for
// the page behind it, which is the last.
func pages[Out any](j *journey, in any, first, last *Out) {
	j.Helper()
	setToken(first, &some)
	got := step(j, in, first)
	setToken(in, tokenOf(got))
	step(j, in, last)
}

// setToken sets the member of a request or answer that is its page token.
func setToken(message any, token *string) {
	for _, name := range []string{"NextToken", "Marker", "NextMarker"} {
		if f := reflect.ValueOf(message).Elem().FieldByName(name); f.IsValid() {
			f.Set(reflect.ValueOf(token))
		}
	}
}

// refused makes a call with a member that the server refuses by name.
func (j *journey) refused(member string, in any) {
	j.Helper()
	_, err := call(j, j.c, in)
	name := operation(in)
	if text := "Member '" + member + "' of " + name + " is not supported"; outcome(err) != invalid ||
		!strings.Contains(err.Error(), text) {
		j.Errorf("%s: got %v, want %q", name, err, text)
	}
	if !slices.Contains(j.facts.Operations[name].Served.Refused(), member) {
		j.Errorf("%s does not say that it refuses %s", name, member)
	}
	for _, one := range membersBelow(j.facts, j.facts.Operations[name].Input, name+" >", nil) {
		if strings.HasPrefix(one.path+".", name+" > "+member+".") {
			j.seen[one.path] = true
		}
	}
}

// note keeps which members of a message are there: in a request those that are
// set, in an answer those that are more than zero.
func (j *journey) note(path string, v reflect.Value, shape string, request bool) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch sh := j.facts.Shapes[shape]; sh.Type {
	case "list":
		for i := range v.Len() {
			j.note(path, v.Index(i), sh.Member.Shape, request)
		}
	case "map":
		for _, key := range v.MapKeys() {
			j.note(path, v.MapIndex(key), sh.Value.Shape, request)
		}
	case "structure":
		for name, m := range sh.Members {
			f := v.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
			if !f.IsValid() {
				j.Fatalf("the SDK has no member %s %s", path, name)
			}
			inner := below(path, name)
			there := !f.IsZero() && (request || f.Kind() != reflect.Pointer || !f.Elem().IsZero()) &&
				(f.Kind() != reflect.Slice && f.Kind() != reflect.Map || f.Len() > 0)
			if there {
				j.seen[inner] = true
				j.note(inner, f, m.Shape, request)
			}
		}
	}
}

// below is the path of a member: "CreateThing > attributePayload.merge" for a
// request, with "<" for an answer.
func below(path, name string) string {
	if strings.HasSuffix(path, ">") || strings.HasSuffix(path, "<") {
		return path + " " + name
	}
	return path + "." + name
}

// factMember is a member of a message.
type factMember struct {
	path   string
	owners []string // structure and name, of the member and of those that it is in
}

// membersBelow lists all members of a shape at any depth. Owners are of the members
// that the shape lies in.
func membersBelow(f *conform.Facts, shape, path string, owners []string) (list []factMember) {
	inside := func(owner string) bool { return strings.HasPrefix(owner, shape+".") }
	if shape == "" || slices.ContainsFunc(owners, inside) {
		return nil
	}
	switch sh := f.Shapes[shape]; sh.Type {
	case "list":
		return membersBelow(f, sh.Member.Shape, path, owners)
	case "map":
		return membersBelow(f, sh.Value.Shape, path, owners)
	case "structure":
		for _, name := range sorted(sh.Members) {
			m := factMember{below(path, name), append([]string{shape + "." + name}, owners...)}
			list = append(list, m)
			list = append(list, membersBelow(f, sh.Members[name].Shape, m.path, m.owners)...)
		}
	}
	return list
}

// differences is what an answer has otherwise than it is wanted.
func (j *journey) differences(path string, got, want reflect.Value) (list []string) {
	if want.Kind() == reflect.Pointer || want.Kind() == reflect.Interface {
		if got.IsNil() || want.IsNil() {
			if got.IsNil() != want.IsNil() {
				list = append(list, fmt.Sprintf("%s: got %s, want %s", path, words(j, got.Interface()), words(j, want.Interface())))
			}
			return list
		}
		got, want = got.Elem(), want.Elem()
	}
	if at, ok := want.Interface().(time.Time); ok {
		if is := got.Interface().(time.Time); !is.Equal(at) &&
			(at != now || is.Before(j.began.Truncate(time.Second)) || is.After(time.Now().Add(untilSchedules+time.Second))) {
			return []string{fmt.Sprintf("%s: got %v, want %v", path, is, at)}
		}
		return nil
	}
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			if name := want.Type().Field(i).Name; name != "ResultMetadata" && name != "noSmithyDocumentSerde" {
				list = append(list, j.differences(path+"."+name, got.Field(i), want.Field(i))...)
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() {
			return []string{fmt.Sprintf("%s: got %s, want %s", path, words(j, got.Interface()), words(j, want.Interface()))}
		}
		for i := range want.Len() {
			list = append(list, j.differences(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i))...)
		}
	case reflect.Map:
		for _, key := range slices.Concat(want.MapKeys(), got.MapKeys()) {
			one, other := got.MapIndex(key), want.MapIndex(key)
			if !one.IsValid() || !other.IsValid() {
				list = append(list, fmt.Sprintf("%s: got %s, want %s", path, words(j, got.Interface()), words(j, want.Interface())))
				break
			}
			list = append(list, j.differences(fmt.Sprintf("%s[%s]", path, key), one, other)...)
		}
	case reflect.String:
		if !sameText(got.String(), want.String()) {
			list = append(list, fmt.Sprintf("%s: got %q, want %q", path, got, want))
		}
	default:
		if !got.Equal(want) {
			list = append(list, fmt.Sprintf("%s: got %v, want %v", path, got, want))
		}
	}
	return list
}

func sameText(got, want string) bool {
	switch want {
	case some:
		return got != ""
	case someSum:
		return len(got) == 64 && strings.Trim(got, "0123456789abcdef") == ""
	}
	return got == want
}
