package identity

// Details is the identities of an account and their policies, or a part of
// them, as GetAccountAuthorizationDetails tells them.
type Details struct {
	Users    []UserDetail
	Groups   []GroupDetail
	Roles    []RoleDetail
	Policies []PolicyDetail
}

// Holding is the policies that a user, group or role holds.
type Holding struct {
	Inline   []InlinePolicy // by name
	Attached []string       // ARNs, in order
}

// UserDetail is a user with the names of its groups, in order.
type UserDetail struct {
	User
	Holding
	Groups []string
}

// GroupDetail is a group.
type GroupDetail struct {
	Group
	Holding
}

// RoleDetail is a role.
type RoleDetail struct {
	Role
	Holding
}

// PolicyDetail is a managed policy with its versions, by number.
type PolicyDetail struct {
	ManagedPolicy
	Versions []PolicyVersion
}

// DetailKind is a kind of what an account has, in the order that details tell
// them.
type DetailKind string

// The kinds. Policies of AWS are those that the account uses.
const (
	DetailUser      DetailKind = "user"
	DetailGroup     DetailKind = "group"
	DetailRole      DetailKind = "role"
	DetailPolicy    DetailKind = "policy"
	DetailAWSPolicy DetailKind = "aws"
)

// DetailKinds is all kinds, in order.
var DetailKinds = []DetailKind{DetailUser, DetailGroup, DetailRole, DetailPolicy, DetailAWSPolicy}

// DetailPlace is where something stands in an account's details: behind what is
// of earlier kinds, and within its kind by path and name. The name of a policy
// of AWS is its ARN.
type DetailPlace struct {
	Kind DetailKind `json:"k"`
	EntityPlace
}

// DetailPage is a page of an account's details.
type DetailPage struct {
	Kinds []DetailKind // those that are wanted, in order
	After DetailPlace  // the zero value is the beginning
	Limit int
}

// Len is how many users, groups, roles and policies there are.
func (d *Details) Len() int { return len(d.Users) + len(d.Groups) + len(d.Roles) + len(d.Policies) }
