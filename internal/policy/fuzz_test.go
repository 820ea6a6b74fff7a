package policy

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

// FuzzParse: nothing panics, a refusal is always a MalformedPolicy fault, and
// what is accepted means the same without its white space.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		Blank, `{}`, `[]`, `{"Statement":{}}`, with(fine), with(fine + `,"Condition":{"Bool":{"a:b":true}}`),
		with(`"Effect":"Deny","NotAction":["iot:*"],"NotResource":["arn:aws:iot:*"]`),
		with(`"Effect":"Allow","Action":"*","Resource":["arn:aws:iot:*:*:client/${iot:ClientId}","arn:*?*?${*}"]`),
		with(`"Effect":"Deny","Action":"iot:Subscribe","Resource":"arn:aws:iot:a:b:topicfilter/\u0023/${x}/+"`),
		with(fine + `,"Condition":{"ForAnyValue:ArnLikeIfExists":{"a:b":["arn:*",1,true]}}`),
		`{"Statement":[],"Statement":[]}`, strings.Repeat("[", 100), `{"Id":"\ud800","Statement":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		doc, err := Parse(document)
		if err != nil {
			if !fault.Is(err, fault.MalformedPolicy) {
				t.Fatalf("got %v, want a malformed-policy fault", err)
			}
			return
		}
		analysis := Analyze(doc)
		if !slices.IsSorted(analysis.Broad) || doc.IsBlank() && analysis.Broad != nil {
			t.Errorf("got %v", analysis)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(document)); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(compact.String())
		if err != nil || !reflect.DeepEqual(again, doc) {
			t.Errorf("without white space: got %+v, %v, want %+v", again, err, doc)
		}
	})
}

// FuzzCompare: Covers and Overlaps keep their promises about Match.
func FuzzCompare(f *testing.F) {
	f.Add("a*", "a?b", "axb", "v")
	f.Add("*?*", "?*${v}", "xyz", "*")
	f.Add("${v}/${w}", "*/${v}", "a/a", "a")
	f.Add("é*ö", "é??ö", "éabö", "")
	f.Fuzz(func(t *testing.T, first, second, s, value string) {
		if len(first)+len(second)+len(s) > MaxSize || len(value) > 64 {
			return // the cost is quadratic, and Parse takes no more
		}
		a, err := Compile(first)
		if err != nil {
			return
		}
		b, err := Compile(second)
		if err != nil {
			return
		}
		lookup := Table{"v": {value}}
		inA, inB := a.Match(s, lookup), b.Match(s, lookup)
		if inB && !inA && Covers(a, b) {
			t.Errorf("%q covers %q, but does not match %q", first, second, s)
		}
		if inA && inB && !Overlaps(a, b) {
			t.Errorf("%q and %q both match %q and do not overlap", first, second, s)
		}
		if !Covers(a, a) {
			t.Errorf("%q does not cover itself", first)
		}
	})
}
