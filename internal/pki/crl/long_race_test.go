//go:build race

package crl

import "testing"

// long begins a test with very many entries: the race detector has nothing to
// look at, and takes ten times as long for it. "make test" runs these tests
// without it.
func long(t *testing.T) {
	t.Helper()
	t.Skip("is run without the race detector")
}
