package identity

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Kinds of identities of a pool, equal to the wire values.
const (
	Authenticated   = "authenticated"
	Unauthenticated = "unauthenticated"
)

// Types of role mappings, equal to the wire values.
const (
	MappingRules = "Rules" // roles by the claims of a token
	MappingToken = "Token" // a role that the token names
)

// Pool is an identity pool of Amazon Cognito: what gives users of an
// application, and those that nobody knows, the roles of an account. Cordon
// keeps pools so that audits can judge their roles; it hands no identity out.
type Pool struct {
	ID       string // region:uuid
	Settings PoolSettings
	Roles    PoolRoles
	Created  time.Time
}

// PoolSettings is what the owner of a pool has set, as given.
type PoolSettings struct {
	Name                 string            `json:"name"`
	AllowUnauthenticated bool              `json:"allowUnauthenticated,omitempty"`
	AllowClassic         *bool             `json:"allowClassic,omitempty"`
	LoginProviders       map[string]string `json:"loginProviders,omitempty"`
	DeveloperProvider    string            `json:"developerProvider,omitempty"`
	OpenIDProviders      []string          `json:"openIdProviders,omitempty"`
	Providers            []PoolProvider    `json:"providers,omitempty"`
	SAMLProviders        []string          `json:"samlProviders,omitempty"`
	Tags                 map[string]string `json:"tags,omitempty"`
}

// PoolProvider is a user pool of Amazon Cognito whose users a pool knows.
type PoolProvider struct {
	Name            string `json:"name,omitempty"`
	ClientID        string `json:"clientId,omitempty"`
	ServerSideCheck *bool  `json:"serverSideCheck,omitempty"`
}

// PoolRoles is who gets which role of a pool. Source: SetIdentityPoolRoles of
// the Amazon Cognito identity pools API.
type PoolRoles struct {
	ByKind   map[string]string      `json:"byKind,omitempty"`   // ARNs, by Authenticated or Unauthenticated
	Mappings map[string]RoleMapping `json:"mappings,omitempty"` // by provider
}

// RoleMapping is how users of one provider get other roles than the one of all
// authenticated users.
type RoleMapping struct {
	Type      string        `json:"type"`
	Ambiguous string        `json:"ambiguous,omitempty"`
	Rules     []MappingRule `json:"rules,omitempty"`
}

// MappingRule gives a role to users whose token has a claim.
type MappingRule struct {
	Claim   string `json:"claim"`
	Match   string `json:"match"`
	Value   string `json:"value"`
	RoleARN string `json:"role"`
}

// Check refuses roles that AWS refuses too: the fault is Invalid.
func (r PoolRoles) Check() error {
	for kind := range r.ByKind {
		if kind != Authenticated && kind != Unauthenticated {
			return fault.New(fault.Invalid, "Roles has the key %q; it may have authenticated and unauthenticated", kind)
		}
	}
	for _, provider := range slices.Sorted(maps.Keys(r.Mappings)) {
		m := r.Mappings[provider]
		switch {
		case m.Ambiguous == "":
			return fault.New(fault.Invalid, "RoleMappings: %s lacks AmbiguousRoleResolution", provider)
		case m.Type == MappingRules && len(m.Rules) == 0:
			return fault.New(fault.Invalid, "RoleMappings: %s is of type Rules and lacks RulesConfiguration", provider)
		case m.Type == MappingToken && len(m.Rules) > 0:
			return fault.New(fault.Invalid, "RoleMappings: %s is of type Token and has a RulesConfiguration", provider)
		}
	}
	for _, arn := range r.All() {
		if err := checkRole(arn); err != nil {
			return err
		}
	}
	return nil
}

// checkRole refuses what is not the ARN of a role: the fault is Invalid.
func checkRole(arn string) error {
	if e, ok := ParseARN(arn); !ok || e.Kind != string(OwnerRole) {
		return fault.New(fault.Invalid, "%.256q is not the ARN of a role", arn)
	}
	return nil
}

// All lists the ARNs of all roles that the pool can give, each once, sorted.
func (r PoolRoles) All() []string {
	list := slices.Concat(r.Of(Authenticated), r.Of(Unauthenticated))
	slices.Sort(list)
	return slices.Compact(list)
}

// Of lists the ARNs of the roles that identities of a kind can get, each once,
// sorted. Mappings are for authenticated ones.
func (r PoolRoles) Of(kind string) []string {
	var list []string
	if arn := r.ByKind[kind]; arn != "" {
		list = append(list, arn)
	}
	if kind == Authenticated {
		for _, m := range r.Mappings {
			for _, rule := range m.Rules {
				list = append(list, rule.RoleARN)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// FromToken returns the first provider whose tokens name the role themselves,
// so that it is not known which, or "".
func (r PoolRoles) FromToken() string {
	for _, provider := range slices.Sorted(maps.Keys(r.Mappings)) {
		if r.Mappings[provider].Type == MappingToken {
			return provider
		}
	}
	return ""
}

// NewPoolID makes an id for a pool of a region.
func NewPoolID(region string) string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%s:%x-%x-%x-%x-%x", region, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// CheckPoolID refuses what is not the id of a pool of a region: region, colon
// and a UUID. The fault is Invalid.
func CheckPoolID(region, id string) error {
	uuid, ok := strings.CutPrefix(id, region+":")
	if !ok || len(uuid) != 36 || strings.Trim(uuid, "0123456789abcdef-") != "" {
		return fault.New(fault.Invalid, "%.128q is not the id of an identity pool of the region %s", id, region)
	}
	return nil
}

// ImportedPool is a pool of which only the roles are known, with a name made of
// its id.
func ImportedPool(id string, roles PoolRoles, now time.Time) *Pool {
	_, uuid, _ := strings.Cut(id, ":")
	return &Pool{ID: id, Roles: roles, Created: now, Settings: PoolSettings{
		Name: "imported-" + uuid, AllowUnauthenticated: roles.ByKind[Unauthenticated] != "",
	}}
}
