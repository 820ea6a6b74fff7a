package fleet

import "time"

// DefaultCredentialDuration is how long the credentials that a device gets by a
// role alias hold, in seconds, unless its owner says otherwise. Source:
// CreateRoleAlias of the AWS IoT API.
const DefaultCredentialDuration = 3600

// RoleAlias is a name by which devices ask for the credentials of a role.
type RoleAlias struct {
	Name     string
	RoleARN  string // what audits judge; devices get no credentials here
	Seconds  int    // how long credentials hold
	Created  time.Time
	Modified time.Time
}

// RoleAliasUpdate is what an owner wants done to a role alias: what is nil
// stays as it is.
type RoleAliasUpdate struct {
	RoleARN *string
	Seconds *int
}

// Update changes a role alias.
func (r *RoleAlias) Update(u RoleAliasUpdate, now time.Time) {
	if u.RoleARN != nil {
		r.RoleARN = *u.RoleARN
	}
	if u.Seconds != nil {
		r.Seconds = *u.Seconds
	}
	r.Modified = now
}

// RoleAliasPage asks for role aliases by name.
type RoleAliasPage struct {
	Ascending bool
	After     string // the name that the page is behind, "" for the first page
	Limit     int
}
