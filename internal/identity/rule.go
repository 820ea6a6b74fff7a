package identity

import (
	"maps"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/policy"
)

// Limits that give users, roles and policies their shape. Source: IAM and STS
// quotas; IAM object quotas that nobody may have raised.
const (
	MaxUserKeys       = 2
	MaxVersions       = 5     // of a managed policy
	MaxManagedSize    = 6_144 // characters of a version of a managed policy
	maxUserInline     = 2_048 // characters of all inline policies of a user
	maxGroupInline    = 5_120
	maxRoleInline     = 10_240
	maxTags           = 50
	reservedTag       = "aws:"
	DefaultMaxSession = 3600 // seconds
)

// DocumentSize is the number of characters of a policy document as quotas count
// them: white space between the tokens is free.
func DocumentSize(document string) int { return policy.Size(document) }

// MaxInlineSize is how large the inline policies of an owner may be together.
func MaxInlineSize(kind OwnerKind) int {
	switch kind {
	case OwnerUser:
		return maxUserInline
	case OwnerGroup:
		return maxGroupInline
	default:
		return maxRoleInline
	}
}

// CheckManagedDocument decides whether a document may be a version of a managed
// policy. The faults are MalformedPolicy and Limit.
func CheckManagedDocument(document string) error {
	if err := CheckDocument(document); err != nil {
		return err
	}
	if DocumentSize(document) > MaxManagedSize {
		return fault.New(fault.Limit, "Cannot exceed quota for PolicySize: %d", MaxManagedSize)
	}
	return nil
}

// CheckDocument decides whether a document may be a policy of a user, group or
// role. What is not evaluated is refused. The fault is MalformedPolicy.
func CheckDocument(document string) error {
	_, err := policy.ParseIdentity(document)
	return err
}

// CheckTrust decides whether a document may say who assumes a role. The fault is
// MalformedPolicy.
func CheckTrust(document string) error {
	_, err := policy.ParseTrust(document)
	return err
}

// Tag is a key and value of a user, role or policy, as a caller gives it.
type Tag struct {
	Key, Value string
}

// Tags decides whether a new user, role or policy may carry these tags, and
// returns them by key: no more than fifty, no key twice, whatever its case, and
// none that is reserved. The faults are Invalid and Limit. Source: tagging of
// IAM resources.
func Tags(list []Tag) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) > maxTags {
		return nil, fault.New(fault.Limit, "Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	tags, seen := make(map[string]string, len(list)), map[string]bool{}
	for _, t := range list {
		folded := strings.ToLower(t.Key)
		if seen[folded] {
			return nil, fault.New(fault.Invalid, "Duplicate tag keys found. Tag keys are case insensitive: %.128q", t.Key)
		}
		if strings.HasPrefix(folded, reservedTag) {
			return nil, fault.New(fault.Invalid, "The tag key %.128q begins with %s, which is reserved.", t.Key, reservedTag)
		}
		seen[folded], tags[t.Key] = true, t.Value
	}
	return tags, nil
}

// Retag returns what tags become when some are added: a key that is there
// already, in whatever case, gives way to the new one. The faults are those of
// Tags. Source: tagging of IAM resources.
func Retag(old map[string]string, list []Tag) (map[string]string, error) {
	added, err := Tags(list)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(added))
	for key := range added {
		keys = append(keys, key)
	}
	tags := Untag(old, keys)
	maps.Copy(tags, added)
	if len(tags) > maxTags {
		return nil, fault.New(fault.Limit, "Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	return tags, nil
}

// Untag returns what is left of tags without those of some keys, in whatever
// case. A key that there is not changes nothing.
func Untag(old map[string]string, keys []string) map[string]string {
	gone := make(map[string]bool, len(keys))
	for _, key := range keys {
		gone[strings.ToLower(key)] = true
	}
	left := make(map[string]string, len(old))
	for key, value := range old {
		if !gone[strings.ToLower(key)] {
			left[key] = value
		}
	}
	return left
}

// NewUser is a user that nobody has stored yet.
func NewUser(account, path, name string, now time.Time) *User {
	return &User{Account: account, ID: newEntityID(prefixUser), Path: path, Name: name, Created: now}
}

// NewGroup is a group that nobody has stored yet.
func NewGroup(account, path, name string, now time.Time) *Group {
	return &Group{Account: account, ID: newEntityID(prefixGroup), Path: path, Name: name, Created: now}
}

// NewRole is a role that nobody has stored yet.
func NewRole(account, path, name string, now time.Time) *Role {
	return &Role{
		Account: account, ID: newEntityID(prefixRole), Path: path, Name: name, MaxSession: DefaultMaxSession, Created: now,
	}
}

// NewManagedPolicy is a policy that nobody has stored yet.
func NewManagedPolicy(account, path, name string, now time.Time) *ManagedPolicy {
	return &ManagedPolicy{
		Account: account, ID: newEntityID(prefixPolicy), Path: path, Name: name, Default: 1, Created: now, Updated: now,
	}
}

// CheckKeyStatus decides whether a caller may give an access key a status. The
// fault is Invalid.
func CheckKeyStatus(status KeyStatus) error {
	if status != KeyActive && status != KeyInactive {
		return fault.New(fault.Invalid, "An access key is made %s or %s, not %s.", KeyActive, KeyInactive, status)
	}
	return nil
}
