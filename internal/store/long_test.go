//go:build !race

package store

import "testing"

// long begins a test that does one thing after the other with many rows.
func long(*testing.T) {}

// much is how much a test does, whose name "make test" knows, with the race
// detector and without it.
func much(_, without int) int { return without }
