//go:build !race

package iotapi_test

// pagedRows is how many rows most lists have.
const pagedRows = 1000
