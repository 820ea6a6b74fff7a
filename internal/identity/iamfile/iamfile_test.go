package iamfile

import (
	_ "embed" // for the file of an account
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

//go:embed testdata/account.json
var accountFile string

const account = "123456789012"

func TestReadAnAccount(t *testing.T) {
	d, err := Read(account, []byte(accountFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Users) != 2 || len(d.Groups) != 2 || len(d.Roles) != 2 || len(d.Policies) != 3 {
		t.Fatalf("got %d users, %d groups, %d roles, %d policies, want 2, 2, 2, 3",
			len(d.Users), len(d.Groups), len(d.Roles), len(d.Policies))
	}
	alice, deployer := d.Users[0], d.Users[1]
	if want := []string{"Fleet-Operators", "everybody"}; !slices.Equal(alice.Groups, want) ||
		alice.Tags["Team"] != "fleet" || alice.ARN() != "arn:aws:iam::123456789012:user/alice" ||
		alice.ID != "AIDAEXAMPLEALICE00001" ||
		!alice.Created.Equal(time.Date(2023, 4, 18, 14, 5, 11, 0, time.UTC)) {
		t.Errorf("got %+v", alice)
	}
	if deployer.Boundary != "arn:aws:iam::123456789012:policy/limits/machine-boundary" || len(deployer.Inline) != 1 ||
		!strings.HasPrefix(deployer.Inline[0].Document, `{"Version":"2012-10-17","Statement":[{"Sid":"Things"`) ||
		!slices.Equal(deployer.Attached, []string{"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}) {
		t.Errorf("got %+v", deployer)
	}
	if g := d.Groups[0]; len(g.Inline) != 2 || g.Inline[1].Name != "no-deleting" ||
		!slices.Equal(g.Attached, []string{"arn:aws:iam::123456789012:policy/audit-reader"}) {
		t.Errorf("got %+v", g)
	}
	audit, onCall := d.Roles[0], d.Roles[1]
	if audit.MaxSession != 3600 || audit.LastUsedRegion != "eu-west-1" || audit.LastUsed.IsZero() ||
		!strings.Contains(audit.Trust, "iot.amazonaws.com") {
		t.Errorf("got %+v", audit)
	}
	if want := map[string]string{"aws:cloudformation:stack-name": "on-call"}; !maps.Equal(onCall.Tags, want) ||
		!onCall.LastUsed.IsZero() || onCall.Boundary == "" {
		t.Errorf("got %+v", onCall)
	}
	if p := d.Policies[0]; p.Default != 3 || len(p.Versions) != 2 || p.Versions[0].Number != 1 || !p.Versions[1].Default {
		t.Errorf("got %+v", p)
	}
	if p := d.Policies[2]; p.Account != identity.AWSAccount || p.Default != 2 || len(p.Versions) != 1 ||
		!strings.Contains(p.Versions[0].Document, "s3:Get*") {
		t.Errorf("got %+v, want what AWS manages with the version that holds", p)
	}
}

func TestDocumentsMayBePercentEncoded(t *testing.T) {
	encoded := strings.Replace(accountFile, `{
                            "Effect": "Deny",
                            "Action": "iot:Delete*",
                            "Resource": "*"
                        }
                    }`, `1`, 1)
	i := strings.Index(encoded, `"PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": 1`)
	end := i + strings.Index(encoded[i:], "1\n")
	encoded = encoded[:i] + `"PolicyDocument": "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D"` +
		encoded[end+1:]
	d, err := Read(account, []byte(encoded))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Groups[0].Inline[1].Document, `{"Version":"2012-10-17","Statement":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPagesAreOneAccount(t *testing.T) {
	i := strings.Index(accountFile, `    "Policies": [`)
	first := accountFile[:i] + `"IsTruncated": true, "Marker": "abc"}`
	second := "{\n" + accountFile[i:]
	for _, tt := range []struct {
		name  string
		files []string
		want  string // in the fault; "" for none
	}{
		{"pages in order", []string{first, second}, ""},
		{"pages in another order", []string{second, first}, ""},
		{"the last page is missing", []string{first}, "not all there is"},
		{"another page is missing", []string{second, `{"IsTruncated": true}`}, ""},
		{"the CLI was told to stop", []string{`{"Policies": [], "NextToken": "eyJ"}`}, "not all there is"},
		{"the first page is missing, and nobody asks for it", []string{second}, ""},
		{"the policies are missing", []string{accountFile[:i] + `"IsTruncated": false}`}, "is not in the file"},
		{"a page is there twice", []string{first, second, second}, "twice"},
		{"no file", nil, "no file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var files [][]byte
			for _, f := range tt.files {
				files = append(files, []byte(f))
			}
			_, err := Read(account, files...)
			check(t, err, tt.want)
		})
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v", err)
	case want != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want an Invalid fault with %q", err, want)
	}
}

func TestWhatCannotBeRepresentedIsNamed(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"an operator that is not known", `"StringEquals": {
                                        "aws:R`, `"StringResembles": {
                                        "aws:R`, `inline policy "things"`},
		{"an element that is not known", `"Sid": "Things"`, `"Scope": "x"`, `"Scope"`},
		{"a Deny with an effect of its own", `"Effect": "Deny"`, `"Effect": "deny"`, `inline policy "no-deleting"`},
		{"a trust policy with a resource", `"Sid": "Engineers"`, `"Resource": "*"`, `role "on-call": trust policy`},
		{"a trust policy of an action of another service", `"sts:TagSession"`, `"iot:Publish"`, "trust policy"},
		{"an action that is none", `"iot:ListAudit*"`, `"iot ListAudit*"`, `policy "audit-reader" version "v3"`},
		{"a document that is null", `"PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Deny",
                            "Action": "iot:Delete*",
                            "Resource": "*"
                        }
                    }`, `"PolicyDocument": null`, "no-deleting"},
		{"a document that is a list", `"PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Deny",
                            "Action": "iot:Delete*",
                            "Resource": "*"
                        }
                    }`, `"PolicyDocument": []`, "an object or a string"},
		{"a member that is not known", `"GroupList": [],`, `"GroupList": [], "ServiceControlPolicies": [],`,
			"ServiceControlPolicies"},
		{"a list of entities that is not known", `"Policies": [`, `"SAMLProviders": [], "Policies": [`, "SAMLProviders"},
		{"a member that is there twice", `"UserPolicyList": [`, `"UserPolicyList": [], "UserPolicyList": [`, "twice"},
		{"a member that is there in another case", `"UserPolicyList": [`, `"userpolicylist": [], "UserPolicyList": [`,
			"twice"},
		{"an operator that is there twice", `"Condition": {`, `"Condition": {"StringEquals": {"aws:x": "y"},`, "twice"},
		{"a policy that is attached and missing", `policy/audit-reader"
                }`, `policy/audit-reader2"
                }`, `attached policy "audit-reader"`},
		{"a policy of AWS that is attached and missing", `/AmazonS3ReadOnlyAccess"
                }`, `/job/AmazonS3ReadOnlyAccess"
                }`, "is not in the file"},
		{"a boundary that is missing", `"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/limits/machine-boundary"
            },
            "Tags": []`, `"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/machine-boundary"
            },
            "Tags": []`, `user "deployer"`},
		{"a boundary of another type", `"PermissionsBoundaryType": "Policy"`, `"PermissionsBoundaryType": "Quota"`, "Quota"},
		{"a boundary without ARN", `"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/limits/machine-boundary"
            },
            "Tags": []`, `"PermissionsBoundaryArn": ""
            },
            "Tags": []`, "no ARN"},
		{"a group that is missing", `"Fleet-Operators",`, `"fleet operators",`, "group fleet operators is not in the file"},
		{"a group that is named twice", `"everybody"
            ]`, `"Fleet-Operators"
            ]`, "twice"},
		{"a user of another account", `:123456789012:user/alice`, `:210987654321:user/alice`, "210987654321"},
		{"an ARN with another path", `:user/alice`, `:user/x/alice`, `user "alice"`},
		{"an ARN of another kind", `:user/alice`, `:role/alice`, `user "alice"`},
		{"a role without name", `"RoleName": "on-call"`, `"RoleName": ""`, "no name"},
		{"a name that is taken", `"UserName": "alice"`, `"UserName": "deployer"`, "ARN"},
		{"an id that is taken", "AIDAEXAMPLEALICE00001", "AIDAEXAMPLEDEPLOY0001", "twice"},
		{"an id of another kind", "AIDAEXAMPLEALICE00001", "AROAEXAMPLEALICE00001", "AIDA"},
		{"an id that is none", "AIDAEXAMPLEALICE00001", "AIDA*", "AIDA"},
		{"a name of a policy that IAM does not allow", `"audit",
                    "PolicyDocument"`, `"au dit",
                    "PolicyDocument"`, "form"},
		{"a default version that is missing", `"DefaultVersionId": "v3"`, `"DefaultVersionId": "v2"`, "DefaultVersionId"},
		{"a version that is none", `"VersionId": "v1",
                    "IsDefaultVersion": false,
                    "CreateDate": "2023`, `"VersionId": "1",
                    "IsDefaultVersion": false,
                    "CreateDate": "2023`, "no version"},
		{"two defaults", `"IsDefaultVersion": false`, `"IsDefaultVersion": true`, "contradicts"},
		{"a version that is there twice", `"VersionId": "v1",
                    "IsDefaultVersion": false,
                    "CreateDate": "2023`, `"VersionId": "v3",
                    "IsDefaultVersion": true,
                    "CreateDate": "2023`, "twice"},
		{"no time", `"CreateDate": "2023-04-18T14:05:11+00:00",`, ``, "CreateDate"},
		{"a time that is none", `2023-04-18T14:05:11+00:00`, `yesterday`, "yesterday"},
		{"a tag that is there twice", `"Tags": [
                {
                    "Key": "Team",`, `"Tags": [{"Key": "TEAM", "Value": "x"},
                {
                    "Key": "Team",`, "Team"},
		{"more than one value", "{\n    \"UserDetailList\"", "{}{\n    \"UserDetailList\"", "more than one"},
		{"a value too deep", `"Tags": []`, `"Tags": ` + strings.Repeat("[", 50) + strings.Repeat("]", 50), "deeper"},
		{"no JSON", "{\n    \"UserDetailList\"", "{\n    UserDetailList", "no JSON"},
		{"a list", "{\n    \"UserDetailList\"", "[{\n    \"UserDetailList\"", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := strings.Replace(accountFile, tt.old, tt.new, 1)
			if file == accountFile {
				t.Fatalf("the file has no %q", tt.old)
			}
			_, err := Read(account, []byte(file))
			check(t, err, tt.want)
		})
	}
}

func TestNamesAndPathsHaveTheirForm(t *testing.T) {
	for old, wrong := range map[string]string{
		"deployer": "deploy er", "machines/": "mach ines/", "on-call": "on:call", "limits": strings.Repeat("x", 512),
	} {
		_, err := Read(account, []byte(strings.ReplaceAll(accountFile, old, wrong)))
		check(t, err, "form")
	}
}

// What is read is whole: all that it refers to is in it or AWS's, and it differs
// from itself in nothing.
func FuzzRead(f *testing.F) {
	f.Add(accountFile)
	f.Add(`{"UserDetailList":[],"IsTruncated":false}`)
	f.Add(`{"RoleDetailList":[{"RoleName":"x"}]}`)
	f.Fuzz(func(t *testing.T, file string) {
		d, err := Read(account, []byte(file))
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("got %v, want an Invalid fault", err)
			}
			return
		}
		there := map[string]bool{}
		for _, p := range d.Policies {
			there[p.ARN()] = true
		}
		for _, u := range d.Users {
			for _, arn := range u.Attached {
				if !there[arn] && identity.AWSPolicy(arn) == nil {
					t.Errorf("user %s has policy %s, which is not there", u.Name, arn)
				}
			}
			for _, p := range u.Inline {
				if err := identity.CheckDocument(p.Document); err != nil {
					t.Errorf("user %s has %s: %v", u.Name, p.Document, err)
				}
			}
		}
		c := identity.NewComparison(d)
		again, err := Read(account, []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		c.Have(again)
		if n := c.Missing().Len(); n != 0 || len(c.Differences) != 0 {
			t.Errorf("got %d missing, %v", n, c.Differences)
		}
	})
}
