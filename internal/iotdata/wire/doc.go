// Package wire is the AWS IoT data plane API on the wire: the structures of its
// requests and answers, and one value for each operation. Calls are signed for
// the service "iotdata".
//
// The files *.gen.go are generated from the interface facts in facts/, of which
// internal/iotapi/wire says more.
package wire

//go:generate go run ../../awswire/gen -dir .
