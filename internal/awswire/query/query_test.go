package query

import (
	"encoding/xml"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tag and request are structures in the form of generated code.
type tag struct {
	Key, Value *string
}

func (t *tag) form(v *Value) {
	t.Key = v.Member("Key").String()
	t.Value = v.Member("Value").String()
}

type request struct {
	Name *string
	Size *int
	Long *int64
	Loud *bool
	At   *time.Time
	Blob []byte
	Tags []tag
	Keys []string
	Map  map[string]string
	Tag  *tag
}

func (r *request) form(v *Value) {
	r.Name = v.Member("Name").String()
	r.Size = v.Member("Size").Int()
	r.Long = v.Member("Long").Long()
	r.Loud = v.Member("Loud").Bool()
	r.At = v.Member("At").Time()
	r.Blob = v.Member("Blob").Blob()
	r.Tags = List(v.Member("Tags"), Item((*tag).form))
	r.Keys = List(v.Member("Keys"), Text)
	r.Map = Map(v.Member("Map"), "Name", "Value", Text)
	r.Tag = Struct(v.Member("Tag"), (*tag).form)
}

func read(texts ...string) (request, error) {
	var r request
	f, err := Parse(texts...)
	if err != nil {
		return r, err
	}
	r.form(f.Root())
	return r, f.Err()
}

func TestMembersAreRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)
	for _, tt := range []struct {
		name, form string
		want       request
	}{
		{"nothing", "", request{}},
		{"scalars", "Name=a%20b+c%C3%A9&Size=-3&Long=9000000000&Loud=true&Blob=AP8%3D&At=2026-01-02T03:04:05.25Z", request{
			Name: new("a b cé"), Size: new(-3), Long: new(int64(9_000_000_000)), Loud: new(true), Blob: []byte{0, 255}, At: &at,
		}},
		{"an empty text", "Name=", request{Name: new("")}},
		{"a time of another zone", "At=2026-01-02T04:04:05.250999%2B01:00", request{At: &at}},
		{"structures in a list, in the order of their numbers",
			"Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=", request{
				Tags: []tag{{new("a"), new("")}, {new("b"), nil}},
			}},
		{"texts in a list", "Keys.member.1=a&Keys.member.2=", request{Keys: []string{"a", ""}}},
		{"an empty list", "Tags=&Keys=", request{Tags: []tag{}, Keys: []string{}}},
		{"a structure of no members in a list", "Tags.member.1=", request{Tags: []tag{{}}}},
		{"a map", "Map.entry.1.Name=a&Map.entry.1.Value=b&Map.entry.2.Name=&Map.entry.2.Value=", request{
			Map: map[string]string{"a": "b", "": ""},
		}},
		{"an empty map", "Map=", request{Map: map[string]string{}}},
		{"a structure", "Tag.Key=k", request{Tag: &tag{Key: new("k")}}},
		{"what is not known, what is signed", "Other=1&Other2.member.x=1&X-Amz-Signature=1&Name=a&name=b",
			request{Name: new("a")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := read(tt.form); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	if got, err := read("Name=a", "Size=1"); err != nil || *got.Name != "a" || *got.Size != 1 {
		t.Errorf("got %+v, %v of a query and a body, want both", got, err)
	}
}

func TestFormsAreRefused(t *testing.T) {
	many := strings.Repeat("&Name=a", MaxMembers)
	for _, tt := range []struct {
		name, form, want string
	}{
		{"that are no form", "Name=%zz", "well-formed"},
		{"with a semicolon", "Name=a;Size=1", "well-formed"},
		{"with a member twice", "Name=a&Name=a", "'Name' is given more than once"},
		{"with too many members", many, "more than 5000 members"},
		{"with too many empty members", strings.Repeat("&", MaxMembers), "more than 5000 members"},
		{"that are nested too deep", strings.Repeat("a.", MaxDepth) + "a=1", "more than 12 parts"},
		{"with a name that is too long", strings.Repeat("n", maxName+1) + "=1", "longer than 1024"},
		{"that are not UTF-8", "Name=%ff", "'Name' has a character"},
		{"with a name that is not UTF-8", "N%ff=", "The name of a member has a character"},
		{"with NUL", "Name=a%00", "'Name' has a character that XML 1.0 cannot hold"},
		{"with an escape character", "Unknown=%1b", "cannot hold"},
		{"with half of a surrogate pair", "Name=%ED%A0%80", "cannot hold"},
		{"with U+FFFE", "Name=%EF%BF%BE", "cannot hold"},
		{"with a word for a number", "Size=one", "'Size' must be an integer of 32 bits"},
		{"with a large number", "Size=2147483648", "'Size' must be an integer of 32 bits"},
		{"with a larger number", "Long=9223372036854775808", "'Long' must be an integer of 64 bits"},
		{"with an empty number", "Size=", "'Size' must be an integer"},
		{"with a fraction", "Size=1.0", "'Size' must be an integer"},
		{"with another truth", "Loud=TRUE", "'Loud' must be true or false"},
		{"with seconds for a time", "At=1767322800", "'At' must be a time"},
		{"with bytes that are not base64", "Blob=%2A", "'Blob' must be base64"},
		{"with members of a text", "Name.a=1", "'Name' must be a string"},
		{"with a text that has members too", "Name=a&Name.a=1", "'Name' must be a string"},
		{"with a text for a list", "Tags=a", "'Tags' must be a list"},
		{"with a list in another form", "Tags.1.Key=a", "'Tags' must be a list"},
		{"with a list in two forms", "Tags.member.1.Key=a&Tags.entry.1.Key=b", "'Tags' must be a list"},
		{"with an empty list that has items", "Tags=&Tags.member.1.Key=a", "'Tags' must be a list"},
		{"with a list without numbers", "Tags.member=a", "'Tags' must be a list"},
		{"with a gap in a list", "Tags.member.1.Key=a&Tags.member.3.Key=a", "'Tags.member' must be numbered from 1"},
		{"with a list from 0", "Tags.member.0.Key=a", "numbered from 1"},
		{"with a list of huge numbers", "Tags.member.2000000000.Key=a", "numbered from 1"},
		{"with a number in another form", "Tags.member.01.Key=a", "numbered from 1"},
		{"with a text for a structure in a list", "Tags.member.1=a", "'Tags.member.1' must be a structure"},
		{"with a text for a structure", "Tag=a", "'Tag' must be a structure"},
		{"with a structure for a text in a list", "Keys.member.1.a=b", "'Keys.member.1' must be a string"},
		{"with a key without value", "Map.entry.1.Name=a", "'Map.entry.1' must have Name and Value"},
		{"with a value without key", "Map.entry.1.Value=a", "'Map.entry.1' must have Name and Value"},
		{"with a key twice", "Map.entry.1.Name=a&Map.entry.1.Value=&Map.entry.2.Name=a&Map.entry.2.Value=",
			"'Map.entry.2.Name' is given more than once"},
		{"with a map in another form", "Map.member.1.Name=a", "'Map' must be a map"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(tt.form); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a refusal with %q", err, tt.want)
			}
		})
	}
	if _, err := read("Name=a", "Name=a"); err == nil {
		t.Error("got no refusal of a member in query and body, want one")
	}
}

// TestALongNameIsNotRepeatedWhole bounds what a message says of a request.
func TestALongNameIsNotRepeatedWhole(t *testing.T) {
	_, err := read(strings.Repeat("é", 500) + "=%00")
	if err == nil || len(err.Error()) > 400 || !strings.Contains(err.Error(), "...") {
		t.Errorf("got %v, want the beginning of the name", err)
	}
}

func TestAnswersAreXML(t *testing.T) {
	var w Writer
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	w.BeginIn("R", `http://x/?a&"b"`)
	w.String("Absent", nil)
	w.String("Name", new("<a & \"b\">\r\n\t\x00\x1b\ufffe\xff'é😀"))
	w.Int("Size", new(-3))
	w.Long("Long", new(int64(1<<40)))
	w.Bool("Loud", new(false))
	w.Time("At", &at)
	w.Blob("Blob", []byte{0, 255})
	w.Append([]byte("<x></x>"))
	w.End("R")
	var got struct {
		XMLName                          xml.Name
		Name, Size, Long, Loud, At, Blob string
		Absent                           *string
	}
	if err := xml.Unmarshal(w.Bytes(), &got); err != nil {
		t.Fatalf("got %v for %s, want XML", err, w.Bytes())
	}
	want := got
	want.XMLName = xml.Name{Space: `http://x/?a&"b"`, Local: "R"}
	want.Name = "<a & \"b\">\r\n\t\ufffd\ufffd\ufffd\ufffd'é😀"
	want.Size, want.Long, want.Loud, want.Blob = "-3", strconv.Itoa(1<<40), "false", "AP8="
	want.At, want.Absent = "2026-01-02T03:04:05.006Z", nil
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// FuzzText holds every text to what a reader of XML makes of it, and every form
// to not panicking.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "<&>\"'\r\n\t", "\x00\x1f\x7f", "\ufffe\uffff\xed\xa0\x80\xff", "😀]]>",
		"Tags.member.1.Key=a&Map.entry.1.Name=b&Map.entry.1.Value=c", "Tags.member..1=&.=&=", "Tags.=&Tags.member.=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = read(text)
		var w Writer
		w.Element("T", text)
		var got string
		if err := xml.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("got %v for %q, want XML", err, w.Bytes())
		}
		if holdable(text) && got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}
