package fleet

import (
	"strconv"
	"time"
)

// MaxPolicyVersions is how many versions a policy may have at a time.
const MaxPolicyVersions = 5

// Policy is a named policy without its documents.
type Policy struct {
	Seq        int64
	Name       string
	Default    int64 // the version in force
	Next       int64 // the number the next version gets; never used again
	Versions   int   // how many there are
	Blank      bool  // the default version grants nothing and has no statement
	Generation string
	Created    time.Time
	Modified   time.Time
}

// PolicyVersion is one document of a policy with what was found in it when it
// was stored.
type PolicyVersion struct {
	Seq      int64 // the policy's
	Policy   string
	Version  int64
	Default  bool
	Document string
	Created  time.Time
	// Broad lists the data plane actions it grants too broadly.
	Broad []string
	// DenyWildcards says that a Deny has MQTT wildcards in a resource.
	DenyWildcards bool
	// DenyBypass says that a denied topic is reached by a wildcard filter.
	DenyBypass bool
	Blank      bool
}

// VersionID is the wire form of a version number.
func VersionID(n int64) string { return strconv.FormatInt(n, 10) }
