//go:build race

package server_test

// throngSize is how many devices share a certificate, and how many have their own.
// "make test" has the numbers of the other file without the race detector.
const throngSize = 500
