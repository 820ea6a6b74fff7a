package fleet

import (
	"strconv"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/policy"
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

// ParseVersionID reads the wire form of a version number. One that no version
// can have is NotFound.
func ParseVersionID(policy, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || VersionID(n) != text {
		return 0, NoPolicyVersion(policy, text)
	}
	return n, nil
}

// NoPolicyVersion is the fault that a policy, or this version of it, does not
// exist.
func NoPolicyVersion(policy, version string) error {
	return fault.New(fault.NotFound, "there is no version %s of a policy %q", version, policy)
}

// PolicyDraft is a document that was read and found right, to be stored as a
// version of a policy.
type PolicyDraft struct {
	Policy     string
	Generation string // of the policy, if it is new
	Text       string
	Document   *policy.Document
	// Verdicts are those on the document. Hostile ones take milliseconds, so
	// that they are made before anything is locked.
	Verdicts policy.Analysis
	Created  time.Time
}

// NewPolicyDraft reads a document. The fault is MalformedPolicy.
func NewPolicyDraft(name, text string, now time.Time) (*PolicyDraft, error) {
	document, err := policy.Parse(text)
	if err != nil {
		return nil, err
	}
	return &PolicyDraft{
		Policy: name, Generation: newGeneration(), Text: text, Document: document, Verdicts: policy.Analyze(document),
		Created: now,
	}, nil
}

// VersionDeletable decides whether a version of a policy may be removed.
func (p *Policy) VersionDeletable(version int64) error {
	if version == p.Default {
		return fault.New(fault.Invalid, "Cannot delete the default version of a policy")
	}
	return nil
}

// MayGrow decides whether a policy may get another version.
func (p *Policy) MayGrow() error {
	if p.Versions >= MaxPolicyVersions {
		return fault.New(fault.VersionsLimit, "The policy %s already has the maximum number of versions (%d)",
			p.Name, MaxPolicyVersions)
	}
	return nil
}

// Deletable decides whether a policy may be removed: it must not be attached
// and have its default version alone.
func (p *Policy) Deletable(attached bool) error {
	switch {
	case attached:
		return fault.New(fault.DeleteConflict,
			"The policy must be detached from all targets before deletion (name=%s)", p.Name)
	case p.Versions > 1:
		return fault.New(fault.DeleteConflict,
			"The versions of the policy other than the default must be deleted before the policy (name=%s)", p.Name)
	}
	return nil
}

// TargetKind is a kind of resource that a policy is attached to, as an ARN
// spells it.
type TargetKind string

// The kinds of targets. A thing group hands its policies down to its children.
const (
	TargetCertificate TargetKind = "cert"
	TargetGroup       TargetKind = "thinggroup"
)

// Target is what a policy is attached to.
type Target struct {
	Kind TargetKind
	Name string // the id of the certificate, or the name of the group
}

// ParseTarget reads the target of a policy from its ARN. Targets of another
// scope are NotFound, other resources Invalid. An identity of Amazon Cognito
// is Unsupported: there are no identity pools.
func ParseTarget(scope Scope, text string) (Target, error) {
	if !strings.HasPrefix(text, "arn:") {
		return Target{}, fault.New(fault.Unsupported,
			"a policy is attached to the ARN of a certificate or thing group; Amazon Cognito identities are not supported yet")
	}
	kind, name, err := scope.ParseARN(text)
	if err != nil {
		return Target{}, err
	}
	t := Target{Kind: TargetKind(kind), Name: name}
	if t.Kind != TargetCertificate && t.Kind != TargetGroup {
		return Target{}, fault.New(fault.Invalid, "policies are attached to certificates and thing groups, not to a %s", kind)
	}
	return t, nil
}

// String is the target as an ARN ends: "cert/…" or "thinggroup/…".
func (t Target) String() string { return string(t.Kind) + "/" + t.Name }

// MayCarry decides whether a target that has some policies may get another.
func (t Target) MayCarry(policies int) error {
	most := MaxPoliciesPerCert
	if t.Kind == TargetGroup {
		most = MaxPoliciesPerGroup
	}
	if policies >= most {
		return fault.New(fault.Limit, "%s has %d policies, which is the most", t, most)
	}
	return nil
}

// PolicyPage asks for policies in order of creation.
type PolicyPage struct {
	Ascending bool  // the oldest first, instead of the newest
	After     int64 // the Seq that the page is behind, 0 for the first page
	Limit     int
}

// AttachedPage asks for the policies of a target by name.
type AttachedPage struct {
	// Parents also asks for what a thing group gets from its ancestors.
	Parents bool
	After   string // the name that the page is behind
	Limit   int
}

// PrincipalPage asks for the certificates that a policy is attached to by id.
type PrincipalPage struct {
	Ascending bool
	After     string // the id that the page is behind, "" for the first page
	Limit     int
}

// TargetPage asks for the targets of a policy in the order of their texts.
type TargetPage struct {
	After string // the text that the page is behind
	Limit int
}
