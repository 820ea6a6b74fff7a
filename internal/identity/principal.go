package identity

import "time"

// Kind is what a principal is, in the words of CloudTrail's userIdentity.
type Kind string

// The kinds of principals that sign calls.
const (
	KindRoot        Kind = "Root"
	KindUser        Kind = "User"
	KindAssumedRole Kind = "AssumedRole"
)

// Principal is who makes a call, as it was read when the call began.
type Principal struct {
	Account Account
	Kind    Kind
	// ARN is arn:aws:iam::A:root, arn:aws:iam::A:user/path/name or
	// arn:aws:sts::A:assumed-role/Role/Session.
	ARN string
	// ID is aws:userid: the account of root, the AIDA… of a user, the
	// AROA…:Session of a role.
	ID    string
	Name  string // of the user (aws:username) or of the role; "" for root
	KeyID string // the access key that signed the call
	// Tags are those of the user or role, with those of the session over them.
	Tags    map[string]string
	Session *Session // of an assumed role; nil for others
	// State is the version of the account's identities and policies when the
	// principal was read. What is remembered of a principal is good for one
	// State.
	State int64
}

// Session is a role that somebody assumed, for a time. It is stored nowhere but
// in its token.
type Session struct {
	RoleARN  string `json:"roleArn"`
	RoleID   string `json:"roleId"` // AROA…: a role made anew under the name is another
	RoleName string `json:"roleName"`
	Name     string `json:"name"`
	// Policy and PolicyARNs are the session policies: the session may do what
	// the role and one of them allow. None of either: what the role may.
	Policy            string            `json:"policy,omitempty"`
	PolicyARNs        []string          `json:"policyArns,omitempty"`
	Issued            time.Time         `json:"issued"`
	Expires           time.Time         `json:"expires"`
	Tags              map[string]string `json:"tags,omitempty"`
	TransitiveTagKeys []string          `json:"transitiveTagKeys,omitempty"` // of Tags, kept when roles are chained
	SourceIdentity    string            `json:"sourceIdentity,omitempty"`
}

// Credential is what an access key, with a session token if it needs one,
// stands for.
type Credential struct {
	Principal Principal
	Secret    string
	Disabled  bool // the key or its account: the call is refused as with an unknown key
	Expired   bool // the session is over
}
