//go:build !race

package server_test

// throngSize is how many devices share a certificate, and how many have their own.
const throngSize = 5000
