package fleetindex

import (
	"cmp"
	"strconv"
	"strings"
)

// maxNumber is how many characters a number has at most behind its sign. With
// more digits, two numbers that differ could be equal as floating point.
const maxNumber = 15

// Number returns the number that a text is: digits, with a point among them and
// a minus sign before them or not, 15 characters without the sign at most.
// Anything else, and what is longer, is a text that is no number.
func Number(text string) (n float64, ok bool) {
	digits := strings.TrimPrefix(text, "-")
	if len(digits) == 0 || len(digits) > maxNumber || digits[0] == '.' || digits[len(digits)-1] == '.' {
		return 0, false
	}
	points := 0
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.' && points == 0:
			points++
		case c < '0' || c > '9':
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

func (r *Range) contains(value string) bool {
	if !r.Numeric {
		return r.Low.above(strings.Compare(value, r.Low.text())) && r.High.above(strings.Compare(r.High.text(), value))
	}
	n, ok := Number(value)
	return ok && (r.Low == nil || r.Low.above(cmp.Compare(n, r.Low.Number))) &&
		(r.High == nil || r.High.above(cmp.Compare(r.High.Number, n)))
}

// above decides on how a value compares with the bound, counted towards the
// inside of the range.
func (b *Bound) above(sign int) bool { return b == nil || sign > 0 || sign == 0 && b.Inclusive }

func (b *Bound) text() string {
	if b == nil {
		return ""
	}
	return b.Text
}
