package conform

import (
	"testing"
	"unicode/utf8"
)

func TestTextsAreMadeFromPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern string
		n             int
		possible      bool
		outside       bool
	}{
		{"a class repeated", `[a-zA-Z0-9:_-]+`, 128, true, true},
		{"an optional beginning", `(0x)?[a-fA-F0-9]+`, 64, true, true},
		{"an optional end", `[A-Za-z0-9+/]+={0,2}`, 1024, true, true},
		{"alternatives", `^([1-9]|[12][0-9]|3[01])$|^LAST$`, 2, true, true},
		{"alternatives without one of this length", `^([1-9]|[12][0-9]|3[01])$|^LAST$`, 3, false, false},
		{"a class of everything", `[\s\S]*`, 10, true, false},
		{"a class of Java", `[\p{Graph}\x20]*`, 1000, true, true},
		{"letters of all languages", `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, 128, true, true},
		{"characters as Java writes them", `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, 512, true, true},
		{"nothing", `[a-z]+`, 0, false, false},
	} {
		f := newTextForm(tt.pattern)
		if text, ok := f.inside(tt.n); ok != tt.possible {
			t.Errorf("%s: got %q, %v, want a text: %v", tt.name, text, ok, tt.possible)
		}
		list := f.outside(tt.n)
		if (len(list) > 0) != tt.outside {
			t.Errorf("%s: got %q outside, want some: %v", tt.name, list, tt.outside)
		}
		for _, text := range list {
			if f.whole.MatchString(text) || utf8.RuneCountInString(text) != tt.n {
				t.Errorf("%s: got %q, want %d characters that do not match", tt.name, text, tt.n)
			}
		}
	}
}
