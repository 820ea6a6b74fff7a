//go:build race

package store

import "testing"

// long begins a test that does one thing after the other with many rows: the
// race detector has nothing to look at, and takes ten times as long for it.
// "make test" runs these tests without it.
func long(t *testing.T) {
	t.Helper()
	t.Skip("is run without the race detector")
}

// much is how much a test does, whose name "make test" knows, with the race
// detector and without it.
func much(with, _ int) int { return with }
