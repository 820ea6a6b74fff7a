//go:build !race

package crl

import "testing"

// long begins a test with very many entries.
func long(*testing.T) {}
