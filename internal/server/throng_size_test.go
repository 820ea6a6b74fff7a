//go:build !race

package server_test

// throngSize is how many devices share a certificate, and how many have their own.
const throngSize = 5000

// connectRounds is how often devices with one client id connect at once.
const connectRounds = 300
