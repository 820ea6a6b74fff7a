// Package fleet is the registry: things, groups, certificates, certificate
// authorities and policies as values, the rules they obey, and every change
// that can be made to them.
//
// It knows neither SQL nor the wire. What a change needs from a database is
// declared by whoever calls it.
package fleet

import (
	"regexp"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Scope is one account in one region. Nothing of one scope is visible in
// another.
type Scope struct {
	Account, Region string
}

// ARN names a resource of this scope, such as ("cert", "<certificate id>").
func (s Scope) ARN(kind, name string) string {
	return "arn:aws:iot:" + s.Region + ":" + s.Account + ":" + kind + "/" + name
}

// arnKind is the form of the kind in an ARN.
var arnKind = regexp.MustCompile(`^[a-z]+$`)

// maxARN is how many bytes the ARN of a resource has at most: none that exists
// is longer, and a longer text is not repeated to the caller.
const maxARN = 256

// ParseARN splits an ARN of this scope into kind and name. One of another
// account or region is refused as if it did not exist, by a NotFound fault; a
// text that is no ARN of AWS IoT is an Invalid one.
func (s Scope) ParseARN(arn string) (kind, name string, err error) {
	if len(arn) > maxARN {
		return "", "", fault.New(fault.Invalid, "a text of %d bytes is not the ARN of an AWS IoT resource", len(arn))
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[1] == "aws" && parts[2] == "iot" {
		kind, name, ok := strings.Cut(parts[5], "/")
		if ok && name != "" && arnKind.MatchString(kind) {
			if parts[3] != s.Region || parts[4] != s.Account {
				return "", "", fault.New(fault.NotFound, "the resource %q is not in this account and region", arn)
			}
			return kind, name, nil
		}
	}
	return "", "", fault.New(fault.Invalid, "%q is not the ARN of an AWS IoT resource", arn)
}
