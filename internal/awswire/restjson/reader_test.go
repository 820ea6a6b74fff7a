package restjson

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// sample has a member of each type, in the form of generated code.
type sample struct {
	Name  *string
	Flag  *bool
	Count *int
	Size  *int64
	When  *time.Time
	Data  []byte
	Inner *sample
	Items []sample
	Words []string
	Tags  map[string]string
	Lists map[string][]string
}

func (v *sample) decode(r *Reader) {
	r.Object(func(name string) bool {
		switch name {
		case "name":
			v.Name = r.String()
		case "flag":
			v.Flag = r.Bool()
		case "count":
			v.Count = r.Int()
		case "size":
			v.Size = r.Long()
		case "when":
			v.When = r.Time()
		case "data":
			v.Data = r.Blob()
		case "inner":
			v.Inner = Struct(r, (*sample).decode)
		case "items":
			v.Items = List(r, Item((*sample).decode))
		case "words":
			v.Words = List(r, Text)
		case "tags":
			v.Tags = Map(r, Text)
		case "lists":
			v.Lists = Map(r, func(r *Reader) []string { return List(r, Text) })
		default:
			return false
		}
		return true
	})
}

func (v *sample) encode(w *Writer) {
	w.Begin('{')
	w.String("name", v.Name)
	w.Bool("flag", v.Flag)
	w.Int("count", v.Count)
	w.Long("size", v.Size)
	w.Time("when", v.When)
	w.Blob("data", v.Data)
	if v.Inner != nil {
		w.Name("inner")
		v.Inner.encode(w)
	}
	if v.Items != nil {
		w.Name("items")
		w.Begin('[')
		for i := range v.Items {
			w.Next()
			v.Items[i].encode(w)
		}
		w.End(']')
	}
	w.End('}')
}

func decode(body string) (sample, error) {
	var v sample
	q := &Request{Body: []byte(body)}
	q.JSON(v.decode)
	return v, q.Err()
}

func TestBodyIsRead(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name string
		body string
		want sample
	}{
		{"no body is an empty one", "", sample{}},
		{"space is an empty one", " \n", sample{}},
		{"a string", `{"name": "x"}`, sample{Name: new("x")}},
		{"escapes", `{"name": "\u00e9\n\"\\\/"}`, sample{Name: new("é\n\"\\/")}},
		{"an escaped member name", `{"\u006eame": "x"}`, sample{Name: new("x")}},
		{"null is absent", `{"name": null, "inner": null, "words": null, "tags": null, "flag": null, "when": null}`,
			sample{}},
		{"booleans", `{"flag":false}`, sample{Flag: new(false)}},
		{"integers", `{"count": -3 , "size":9223372036854775807}`, sample{Count: new(-3), Size: new(int64(1<<63 - 1))}},
		{"whole seconds", `{"when": 1767323045}`, sample{When: &day}},
		{"a fraction of seconds", `{"when": 1767323045.123}`, sample{When: new(day.Add(123 * time.Millisecond))}},
		{"seconds with an exponent", `{"when": 1.767323045E9}`, sample{When: &day}},
		{"a time before the epoch", `{"when": -1.5}`, sample{When: new(time.UnixMilli(-1500).UTC())}},
		{"base64", `{"data": "AAEC"}`, sample{Data: []byte{0, 1, 2}}},
		{"structures in structures and lists", `{"inner": {"count": 1}, "items": [{"count": 2}, {}]}`,
			sample{Inner: &sample{Count: new(1)}, Items: []sample{{Count: new(2)}, {}}}},
		{"an empty list is not an absent one", `{"words": []}`, sample{Words: []string{}}},
		{"maps", `{"tags": {"a": "1", "A": "2"}, "lists": {"x": ["y"], "z": []}}`,
			sample{Tags: map[string]string{"a": "1", "A": "2"}, Lists: map[string][]string{"x": {"y"}, "z": {}}}},
		{"unknown members are ignored", `{"other": {"name": [1, {"a": "]}"}]}, "name": "x", "z": 1e3}`,
			sample{Name: new("x")}},
		{"names match by case", `{"Name": "x", "NAME": "y"}`, sample{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(tt.body)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestBodyIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want string
	}{
		{"malformed JSON", `{"name": }`, "not valid JSON"},
		{"trailing garbage", `{"name": "x"} x`, "not valid JSON"},
		{"a second value", `{} {}`, "not valid JSON"},
		{"a trailing comma", `{"name": "x",}`, "not valid JSON"},
		{"invalid UTF-8", "{\"name\": \"\xff\"}", "not valid UTF-8"},
		{"a NUL in a string", `{"name": "a\u0000b"}`, "Value at 'name' must not have the NUL character"},
		{"a NUL in a key", `{"lists": {"a\u0000": []}}`, "must not have the NUL character"},
		{"a list as body", `[]`, "must be a JSON object"},
		{"null as body", `null`, "must be a JSON object"},
		{"a number for a string", `{"name": 1}`, "Value at 'name' must be a string"},
		{"a string for a boolean", `{"flag": "true"}`, "Value at 'flag' must be a boolean"},
		{"a string for an integer", `{"count": "1"}`, "Value at 'count' must be an integer"},
		{"a fraction for an integer", `{"count": 1.5}`, "Value at 'count' must be an integer"},
		{"more than 32 bits", `{"count": 2147483648}`, "Value at 'count' must be an integer of 32 bits"},
		{"more than 64 bits", `{"size": 9223372036854775808}`, "Value at 'size' must be an integer of 64 bits"},
		{"an ISO time", `{"when": "2026-01-02T03:04:05Z"}`, "Value at 'when' must be a number of seconds"},
		{"a time after the year 9999", `{"when": 1e300}`, "Value at 'when' is not a time"},
		{"bad base64", `{"data": "?"}`, "Value at 'data' must be base64"},
		{"a list for a structure", `{"inner": []}`, "Value at 'inner' must be an object"},
		{"a structure for a list", `{"items": {}}`, "Value at 'items' must be a list"},
		{"a wrong type deep inside", `{"items": [{}, {"inner": {"count": true}}]}`,
			"Value at 'items.2.member.inner.count' must be an integer"},
		{"a wrong type in a map", `{"lists": {"k": [1]}}`, "Value at 'lists.k.member.1.member' must be a string"},
		{"null in a list", `{"words": ["a", null]}`, "'words.2.member' must not be null"},
		{"null in a map", `{"tags": {"a": null}}`, "'tags.a.member' must not be null"},
		{"a member twice", `{"name": "x", "name": "x"}`, "Member 'name' is given more than once"},
		{"a member twice, once null", `{"name": null, "name": "x"}`, "Member 'name' is given more than once"},
		{"a member twice, once escaped", `{"name": "x", "\u006eame": "y"}`, "Member 'name' is given more than once"},
		{"a map key twice", `{"tags": {"a": "1", "a": "2"}}`, "Member 'tags.a' is given more than once"},
		{"a member twice in an unknown one", `{"z": [{"b": 1, "b": 2}]}`, "Member 'z.b' is given more than once"},
		{"deep nesting", `{"z":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested more than 32"},
		{"deep nesting of known members", strings.Repeat(`{"inner":`, 40) + "{}" + strings.Repeat("}", 40),
			"nested more than 32"},
		{"very deep nesting", `{"z":` + strings.Repeat("[", 200_000), "not valid JSON"},
		{"PEM where a message would repeat it", `{"tags": {"-----BEGIN KEY-----": 1}}`, "Value at '<PEM>' must be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(tt.body)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want a fault with %q", got, err, tt.want)
			}
		})
	}
}

func TestDuplicatesAreFoundAmongManyMembers(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `"m%d": 1, `, i)
	}
	if _, err := decode("{" + b.String() + `"last": 1}`); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if _, err := decode("{" + b.String() + `"m7": 1}`); err == nil {
		t.Error("got no error, want the second m7 refused")
	}
}

func TestBoundValues(t *testing.T) {
	q := &Request{
		Labels: map[string]string{"id": "a/b"},
		Query: url.Values{
			"n": {"7"}, "flag": {"true"}, "at": {"2026-01-02T03:04:05.25Z"}, "zone": {"2026-01-02T04:04:05+01:00"},
		},
		Header: http.Header{"X-Amzn-Principal": {"p"}},
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"a label", q.Label("id", "id").String(), new("a/b")},
		{"an absent label", q.Label("x", "x").String(), (*string)(nil)},
		{"an integer", q.QueryValue("n", "n").Int(), new(7)},
		{"a long", q.QueryValue("n", "n").Long(), new(int64(7))},
		{"an absent integer", q.QueryValue("m", "m").Int(), (*int)(nil)},
		{"a boolean", q.QueryValue("flag", "flag").Bool(), new(true)},
		{"a time with a fraction", q.QueryValue("at", "at").Time(), new(at.Add(250 * time.Millisecond))},
		{"a time in another zone", q.QueryValue("zone", "zone").Time(), &at},
		{"a header", q.HeaderValue("p", "x-amzn-principal").String(), new("p")},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if q.Err() != nil {
		t.Errorf("got %v, want no error", q.Err())
	}
}

func TestBoundValuesAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		read   func(Bound)
		want   string
	}{
		{"given twice", []string{"1", "1"}, func(b Bound) { b.String() }, "is given more than once"},
		{"not UTF-8", []string{"\xff"}, func(b Bound) { b.String() }, "must be UTF-8"},
		{"a NUL", []string{"a\x00b"}, func(b Bound) { b.String() }, "must not have the NUL character"},
		{"no integer", []string{"x"}, func(b Bound) { b.Int() }, "must be an integer of 32 bits"},
		{"too great", []string{"2147483648"}, func(b Bound) { b.Int() }, "must be an integer of 32 bits"},
		{"empty", []string{""}, func(b Bound) { b.Long() }, "must be an integer of 64 bits"},
		{"no boolean", []string{"True"}, func(b Bound) { b.Bool() }, "must be true or false"},
		{"seconds since the epoch", []string{"1767323045"}, func(b Bound) { b.Time() }, "must be a time such as"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := &Request{Query: url.Values{"m": tt.values}}
			tt.read(q.QueryValue("m", "m"))
			if err := q.Err(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Value at 'm' "+tt.want) {
				t.Errorf("got %v, want a fault with %q", err, tt.want)
			}
		})
	}
}

func TestAnswerIsWritten(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name string
		v    sample
		want string
	}{
		{"absent members are left out", sample{}, `{}`},
		{"an empty list is written", sample{Items: []sample{}}, `{"items":[]}`},
		{"scalars", sample{Name: new("x"), Flag: new(false), Count: new(0), Size: new(int64(-1)), Data: []byte{0, 1, 2}},
			`{"name":"x","flag":false,"count":0,"size":-1,"data":"AAEC"}`},
		{"whole seconds", sample{When: &at}, `{"when":1767323045}`},
		{"milliseconds", sample{When: new(at.Add(7 * time.Millisecond))}, `{"when":1767323045.007}`},
		{"less than a millisecond is cut", sample{When: new(at.Add(7 * time.Microsecond))}, `{"when":1767323045}`},
		{"before the epoch", sample{When: new(time.UnixMilli(-1500))}, `{"when":-1.500}`},
		{"characters to escape", sample{Name: new("\"\\\n\t\x01é\u2028")}, `{"name":"\"\\\n\u0009\u0001é` + "\u2028" + `"}`},
		{"bytes that are not UTF-8", sample{Name: new("a\xffb")}, `{"name":"a` + "\ufffd" + `b"}`},
		{"a value that ends in a brace", sample{Name: new("{"), Items: []sample{{Name: new("[")}, {}}},
			`{"name":"{","items":[{"name":"["},{}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w Writer
			tt.v.encode(&w)
			if got := string(w.Bytes()); got != tt.want || !json.Valid(w.Bytes()) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFreshTokensDiffer(t *testing.T) {
	a, b := *FreshToken(), *FreshToken()
	if a == b || len(a) != 36 || a[14] != '4' {
		t.Errorf("got %s and %s, want two UUIDs of version 4", a, b)
	}
}

// FuzzDecode compares with encoding/json, which takes all that this reader
// takes and reads the same strings.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name": "x", "flag": true, "count": 1, "size": 2, "when": 1.5, "data": "AAEC"}`,
		`{"inner": {"items": [{"words": ["a", "\u00e9"]}]}, "tags": {"a": "b"}, "lists": {"a": []}}`,
		`{"z": [[], {}, null, 1e5, "\"", {"a": {"a": 1}}], "name": null}`,
		`{"name": "x", "name": "y"}`, `[`, ``, `{"name": "\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := decode(body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, want a fault %s", err, fault.Invalid)
			}
			return
		}
		if strings.TrimSpace(body) == "" {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("got %q decoded, which encoding/json refuses: %v", body, err)
		}
		name, ok := want["name"].(string)
		if ok != (got.Name != nil) || ok && *got.Name != name {
			t.Errorf("got name %v from %q, want %q", got.Name, body, name)
		}
		var w Writer
		got.encode(&w)
		if again, err := decode(string(w.Bytes())); err != nil || !reflect.DeepEqual(again.Name, got.Name) {
			t.Errorf("got %v, %v from %s, want what was written", again, err, w.Bytes())
		}
	})
}
