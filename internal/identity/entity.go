package identity

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// User is somebody in an account who has access keys and permissions of its
// own. Its name is unique in the account without regard to case; it is found by
// the exact name alone, as the ARN has it.
type User struct {
	Seq      int64
	Account  string
	ID       string // AIDA…: a user made anew under the name has another
	Name     string
	Path     string // "/" or "/division/team/"
	Boundary string // the ARN of the policy that bounds its permissions, or ""
	Tags     map[string]string
	Created  time.Time
}

// Group gives its policies to the users in it. Its name is unique as that of a
// [User].
type Group struct {
	Seq     int64
	Account string
	ID      string // AGPA…
	Name    string
	Path    string
	Created time.Time
}

// Role is what those may act as whom its trust policy names. Its name is unique
// as that of a [User].
type Role struct {
	Seq            int64
	Account        string
	ID             string // AROA…
	Name           string
	Path           string
	Trust          string // the document that says who may assume it
	Description    string
	MaxSession     int // seconds
	Boundary       string
	Tags           map[string]string
	Created        time.Time
	LastUsed       time.Time // zero for never
	LastUsedRegion string
}

// ManagedPolicy is a policy that may be attached to any number of users, groups
// and roles. It has up to five versions, of which one holds. Its name is unique
// as that of a [User].
type ManagedPolicy struct {
	Seq         int64 // 0 for those of AWS
	Account     string
	ID          string // ANPA…
	Name        string
	Path        string
	Description string
	Default     int // the version that holds
	Attached    int // users, groups and roles that have it
	Bounds      int // users and roles whose permissions it bounds
	Tags        map[string]string
	Created     time.Time
	Updated     time.Time
}

// PolicyVersion is one version of a managed policy.
type PolicyVersion struct {
	Number   int
	Document string
	Default  bool
	Created  time.Time
}

// InlinePolicy is a policy of one owner, with which it is deleted by hand.
type InlinePolicy struct {
	Name     string
	Document string
}

// OwnerKind is what has policies.
type OwnerKind string

// The kinds of owners, as their ARNs name them.
const (
	OwnerUser  OwnerKind = "user"
	OwnerGroup OwnerKind = "group"
	OwnerRole  OwnerKind = "role"
)

// Owner names a user, group or role of an account.
type Owner struct {
	Kind    OwnerKind
	Account string
	Name    string
}

// KeyStatus says whether calls may be signed with an access key, equal to the
// wire value.
type KeyStatus string

// The states of an access key.
const (
	KeyActive   KeyStatus = "Active"
	KeyInactive KeyStatus = "Inactive"
)

// UserKey is an access key of a user, without its secret.
type UserKey struct {
	ID      string
	Status  KeyStatus
	Created time.Time
}

// KeyUse is when and for what an access key was used last. At is zero where it
// never was.
type KeyUse struct {
	User            string // its name; "" is the root of the account
	Account         string
	At              time.Time
	Service, Region string
}

// EntityPage is a page of a list of users, groups, roles or policies, in the
// order of path and name.
type EntityPage struct {
	Prefix string // of the path
	After  EntityPlace
	Limit  int
	// Usage is for policies alone.
	Usage PolicyUsage
}

// EntityPlace is where something stands in a list: by its path and its name
// without case or, where these are long, by its number.
type EntityPlace struct {
	Path string `json:"p,omitempty"`
	Name string `json:"n,omitempty"`
	Seq  int64  `json:"s,omitempty"`
}

// maxPlace is how many bytes of JSON a place may have: the markers of IAM have at
// most 320 characters.
const maxPlace = 180

func placeOf(seq int64, path, name string) EntityPlace {
	p := EntityPlace{Path: path, Name: Fold(name)}
	if text, err := json.Marshal(p); err != nil || len(text) > maxPlace {
		return EntityPlace{Seq: seq}
	}
	return p
}

// PolicyUsage narrows a list of policies.
type PolicyUsage string

// The usages. The empty one is every policy.
const (
	UsageAttached PolicyUsage = "PermissionsPolicy"
	UsageBoundary PolicyUsage = "PermissionsBoundary"
)

// AWSAccount stands for an account in the ARNs of the policies that AWS manages.
const AWSAccount = "aws"

// ARN returns arn:aws:iam::A:user/path/name.
func (u *User) ARN() string { return entityARN(u.Account, "user", u.Path, u.Name) }

// ARN returns arn:aws:iam::A:group/path/name.
func (g *Group) ARN() string { return entityARN(g.Account, "group", g.Path, g.Name) }

// ARN returns arn:aws:iam::A:role/path/name.
func (r *Role) ARN() string { return entityARN(r.Account, "role", r.Path, r.Name) }

// ARN returns arn:aws:iam::A:policy/path/name.
func (p *ManagedPolicy) ARN() string { return entityARN(p.Account, "policy", p.Path, p.Name) }

// Place is where the user stands in lists.
func (u *User) Place() EntityPlace { return placeOf(u.Seq, u.Path, u.Name) }

// Place is where the group stands in lists.
func (g *Group) Place() EntityPlace { return placeOf(g.Seq, g.Path, g.Name) }

// Place is where the role stands in lists.
func (r *Role) Place() EntityPlace { return placeOf(r.Seq, r.Path, r.Name) }

// Place is where the policy stands in lists.
func (p *ManagedPolicy) Place() EntityPlace { return placeOf(p.Seq, p.Path, p.Name) }

// Fold is a name without case, in which it is unique. Names are ASCII.
func Fold(name string) string { return strings.ToLower(name) }

func entityARN(account, kind, path, name string) string {
	return "arn:aws:iam::" + account + ":" + kind + path + name
}

// EntityARN is what an ARN of IAM names.
type EntityARN struct {
	Account, Kind string
	Path, Name    string
}

// ParseARN reads arn:aws:iam::A:kind/path/name and reports whether it is one.
func ParseARN(arn string) (EntityARN, bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	if !ok {
		return EntityARN{}, false
	}
	account, rest, ok := strings.Cut(rest, ":")
	kind, rest, slash := strings.Cut(rest, "/")
	if !ok || !slash || account == "" || kind == "" {
		return EntityARN{}, false
	}
	i := strings.LastIndexByte(rest, '/') + 1
	e := EntityARN{Account: account, Kind: kind, Path: "/" + rest[:i], Name: rest[i:]}
	return e, e.Name != ""
}

// The prefixes of ids, by which AWS tells what they name.
const (
	prefixUser   = "AIDA"
	prefixGroup  = "AGPA"
	prefixRole   = "AROA"
	prefixPolicy = "ANPA"
)

// newEntityID makes a random id in the form of AWS: a prefix and 17 characters
// of base32.
func newEntityID(prefix string) string { return prefix + rand.Text()[:17] }
