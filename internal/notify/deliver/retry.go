package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	"unicode"
)

// Retries says when a delivery that failed is tried again: after First, then
// each time twice as long, at most Most, and until Total after the first try,
// where the last one is. Source: SNS, message delivery retries: HTTP endpoints
// are tried for 3,600 seconds at most.
type Retries struct {
	First, Most, Total time.Duration
}

// next is when to try again after a try, and whether to. The random number, from
// 0 to 1, makes waiting up to half shorter, so that what failed together does not
// come back together.
func (r Retries) next(attempt int, first, now time.Time, random float64) (at time.Time, again bool) {
	end := first.Add(r.Total)
	if !now.Before(end) {
		return time.Time{}, false
	}
	wait := r.Most
	if double := attempt - 1; double < 32 && r.First<<max(0, double) < r.Most {
		wait = r.First << max(0, double)
	}
	wait -= time.Duration(random / 2 * float64(wait))
	if at = now.Add(wait); at.After(end) {
		at = end
	}
	return at, true
}

// jitter is a random number from 0 to 1.
func jitter() float64 { return rand.Float64() }

// finalError is one after which trying again is no use.
type finalError struct{ error }

// Unwrap returns the error inside.
func (e finalError) Unwrap() error { return e.error }

// Final marks an error of a delivery as one after which it is not tried again.
func Final(err error) error { return finalError{err} }

// cut is the error of a try that was given up because the node ends: it says
// nothing of the endpoint.
func cut(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// maxError bounds the text of an error that is stored, in bytes.
const maxError = 300

// clean makes a text that others wrote one that can stand in a line: of printable
// characters and bounded.
func clean(text string, most int) string {
	out, space := []rune{}, false
	size := 0
	for _, r := range text {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.IsSpace(r) {
			space = len(out) > 0
			continue
		}
		if space {
			out, size, space = append(out, ' '), size+1, false
		}
		if size += len(string(r)); size > most {
			return string(out) + "…"
		}
		out = append(out, r)
	}
	return string(out)
}
