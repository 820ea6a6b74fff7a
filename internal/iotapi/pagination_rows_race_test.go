//go:build race

package iotapi_test

// pagedRows is how many rows most lists have. The race detector makes a call
// many times slower: "make test" reads the lists of a thousand rows without it.
const pagedRows = 60
