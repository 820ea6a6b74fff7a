// Package wire is the API of Amazon Cognito identity pools on the wire: the structures of its requests
// and answers, and one value for each operation.
//
// The files *.gen.go are generated from the interface facts in facts/. A
// scalar member is a pointer, nil when it is absent; a list or map is nil when
// it is absent, and empty when it was given empty. Members without value are
// left out of an answer, empty lists and maps are not.
package wire

//go:generate go run ../../awswire/gen -dir .
