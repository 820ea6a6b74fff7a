//go:build !race

package store

import "testing"

// long begins a test that does one thing after the other with many rows.
func long(*testing.T) {}
