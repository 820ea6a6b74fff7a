package policy

import (
	_ "embed"
	"strings"
)

// actionNames holds the names of the AWS IoT actions, one a line, sorted:
// those of the Service Authorization Reference and the four that device
// policies may name besides (three of the jobs data plane, and
// AssumeRoleWithCertificate).
//
//go:embed actions.txt
var actionNames string

// Actions returns the known AWS IoT actions, sorted, in their canonical
// spelling with the prefix "iot:". A policy may name others; they grant
// nothing that is known. Source: Service Authorization Reference, AWS IoT.
func Actions() []string {
	names := strings.Fields(actionNames)
	for i, name := range names {
		names[i] = "iot:" + name
	}
	return names
}
