// Package wire is Cordon's own API on the wire, by which an operator changes a
// running server: the structures of its requests and answers, and one value
// for each operation. Calls are signed for the service "cordon".
//
// The files *.gen.go are generated from the interface facts in facts/,
// which have the form of those of the AWS IoT API. So is the service model in
// docs/models, by which boto3 and the AWS CLI know this API.
package wire

//go:generate go run ../../awswire/gen -dir . -model ../../../docs/models
