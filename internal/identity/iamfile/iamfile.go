// Package iamfile reads what "aws iam get-account-authorization-details" prints:
// the users, groups, roles and policies of an account.
//
// It is strict. A member that it does not know, a policy that Cordon does not
// evaluate, and one that is attached and not there each refuse the whole file:
// what is passed over could have been a Deny. What it leaves out by intent can
// permit nothing: instance profiles, which hand roles to machines of another
// service, and counts. It knows no I/O.
package iamfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// page is one answer of GetAccountAuthorizationDetails. The AWS CLI writes all
// as one, unless it is told otherwise. NextToken is the CLI's own.
type page struct {
	UserDetailList  []user
	GroupDetailList []group
	RoleDetailList  []role
	Policies        []managedPolicy

	IsTruncated      bool
	Marker           *string
	NextToken        *string
	ResponseMetadata json.RawMessage // of boto3; says nothing about the account
}

func (p *page) truncated() bool { return p.IsTruncated || p.NextToken != nil }

type user struct {
	Path, UserName, UserId, Arn string //nolint:revive // as the file spells it
	CreateDate                  *time.Time
	UserPolicyList              []inlinePolicy
	GroupList                   []string
	AttachedManagedPolicies     []attachedPolicy
	PermissionsBoundary         *boundary
	Tags                        []tag
}

type group struct {
	Path, GroupName, GroupId, Arn string //nolint:revive // as the file spells it
	CreateDate                    *time.Time
	GroupPolicyList               []inlinePolicy
	AttachedManagedPolicies       []attachedPolicy
}

type role struct {
	Path, RoleName, RoleId, Arn string //nolint:revive // as the file spells it
	CreateDate                  *time.Time
	AssumeRolePolicyDocument    document
	InstanceProfileList         json.RawMessage
	RolePolicyList              []inlinePolicy
	AttachedManagedPolicies     []attachedPolicy
	PermissionsBoundary         *boundary
	Tags                        []tag
	RoleLastUsed                *struct {
		LastUsedDate *time.Time
		Region       string
	}
	// Roles have these elsewhere; the details do not tell them yet.
	Description        string
	MaxSessionDuration int
}

type managedPolicy struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId, Description string //nolint:revive // as the file spells it
	AttachmentCount, PermissionsBoundaryUsageCount                 int
	IsAttachable                                                   *bool
	CreateDate, UpdateDate                                         *time.Time
	PolicyVersionList                                              []policyVersion
	Tags                                                           []tag
}

type policyVersion struct {
	Document         document
	VersionId        string //nolint:revive // as the file spells it
	IsDefaultVersion bool
	CreateDate       *time.Time
}

type inlinePolicy struct {
	PolicyName     string
	PolicyDocument document
}

type attachedPolicy struct{ PolicyName, PolicyArn string }

type boundary struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

type tag struct{ Key, Value string }

// document is a policy document: an object, as the AWS CLI writes it, or a
// string, percent-encoded or not, as the API has it.
type document string

// UnmarshalJSON reads either form.
func (d *document) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		*d = compact(string(data))
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New("a policy document must be an object or a string")
	}
	if strings.HasPrefix(text, "%") {
		decoded, err := url.PathUnescape(text)
		if err != nil {
			return errors.New("a policy document is not percent-encoded rightly")
		}
		text = decoded
	}
	*d = compact(text)
	return nil
}

// compact leaves white space between tokens out, so that the same document is
// the same text in either form. What is no JSON is refused later.
func compact(text string) document {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return document(text)
	}
	return document(out.String())
}

// Read reads the pages of an account's details, in any order. It returns them
// as the account's own, or a fault that names the file and what in it cannot be
// represented. A policy that AWS manages and Cordon has of its own is left out
// of the result; others of AWS are in it with the version that holds.
func Read(account string, files ...[]byte) (*identity.Details, error) {
	if len(files) == 0 {
		return nil, fault.New(fault.Invalid, "there is no file")
	}
	r := reader{account: account, out: &identity.Details{}, seen: map[string]bool{}}
	whole := false
	for i, file := range files {
		p, err := readPage(file)
		if err != nil {
			return nil, fault.New(fault.Invalid, "file %d: %v", i+1, err)
		}
		whole = whole || !p.truncated()
		r.page(p)
	}
	if !whole {
		return nil, fault.New(fault.Invalid,
			"the files are not all there is: every page says that another one follows. Give all of them")
	}
	r.references()
	return r.out, r.err
}

func readPage(file []byte) (*page, error) {
	if err := checkMembers(file); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	p := &page{}
	if err := d.Decode(p); err != nil {
		return nil, explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON value")
	}
	return p, nil
}

// explain says what is wrong with JSON in words of the file.
func explain(err error) error {
	if e := new(json.UnmarshalTypeError); errors.As(err, &e) {
		return fmt.Errorf("%s cannot be a %s", e.Field, e.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// maxDepth is how deep objects and lists may nest: a document in it takes six
// levels.
const maxDepth = 20

// checkMembers refuses an object with two members of one name: the later one
// would take the place of the other. Case does not tell them apart.
func checkMembers(file []byte) error {
	d := json.NewDecoder(bytes.NewReader(file))
	// Of each object that is open the names that were read, nil for a list.
	var open []map[string]bool
	name := false // the next string is a name
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
		delim, _ := token.(json.Delim)
		switch {
		case len(open) > maxDepth:
			return fmt.Errorf("it is nested deeper than %d levels", maxDepth)
		case delim == '{':
			open = append(open, map[string]bool{})
		case delim == '[':
			open = append(open, nil)
		case delim != 0:
			open = open[:len(open)-1]
		case name:
			folded := strings.ToLower(token.(string))
			if open[len(open)-1][folded] {
				return fmt.Errorf("member %q is there twice", token)
			}
			open[len(open)-1][folded] = true
			name = false
			continue
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}
