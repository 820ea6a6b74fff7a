package iotapi_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestPoliciesAndTheirVersions(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		name := aws.String("p=+,.@-_")
		policy(t, c, *name, narrowPolicy)
		_, err := c.CreatePolicy(t.Context(), &iot.CreatePolicyInput{
			PolicyName: name, PolicyDocument: aws.String(narrowPolicy),
		})
		expect(t, err, exists)
		_, err = c.CreatePolicy(t.Context(), &iot.CreatePolicyInput{
			PolicyName: aws.String("q"), PolicyDocument: aws.String("{}"),
		})
		expect(t, err, malformedPolicy)
		if v := policyVersion(t, c, *name, broadPolicy, true); v != "2" {
			t.Errorf("got version %s, want 2", v)
		}
		if v, document := inForce(t, c, *name); v != "2" || document != broadPolicy {
			t.Errorf("got version %s, %s, want the second", v, document)
		}
		for range 3 {
			policyVersion(t, c, *name, blankPolicy, false)
		}
		_, err = c.CreatePolicyVersion(t.Context(), &iot.CreatePolicyVersionInput{
			PolicyName: name, PolicyDocument: aws.String(blankPolicy),
		})
		expect(t, err, versionsLimit)
		if err == nil || !strings.Contains(err.Error(), "already has the maximum number of versions (5)") {
			t.Errorf("got %v, want the text of the limit", err)
		}
		for _, tt := range []struct {
			name, version string
			want          want
		}{
			{"the default", "2", invalid}, {"an old one", "1", fine}, {"a deleted one", "1", notFound},
			{"none", "007", notFound},
		} {
			_, err := c.DeletePolicyVersion(t.Context(), &iot.DeletePolicyVersionInput{
				PolicyName: name, PolicyVersionId: &tt.version,
			})
			if got := outcome(err); got != tt.want {
				t.Errorf("delete %s: got %v, want %v", tt.name, got, tt.want)
			}
		}
		_, err = c.SetDefaultPolicyVersion(t.Context(), &iot.SetDefaultPolicyVersionInput{
			PolicyName: name, PolicyVersionId: aws.String("4"),
		})
		expect(t, err, fine)
		list, err := c.ListPolicyVersions(t.Context(), &iot.ListPolicyVersionsInput{PolicyName: name})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, v := range list.PolicyVersions {
			if ids = append(ids, *v.VersionId); v.IsDefaultVersion {
				ids = append(ids, "in force")
			}
		}
		if got := strings.Join(ids, " "); got != "5 4 in force 3 2" {
			t.Errorf("got %s, want 5 4 in force 3 2", got)
		}
		v, err := c.GetPolicyVersion(t.Context(), &iot.GetPolicyVersionInput{
			PolicyName: name, PolicyVersionId: aws.String("2"),
		})
		if err != nil || *v.PolicyDocument != broadPolicy || v.IsDefaultVersion {
			t.Errorf("got %+v, %v, want version 2, not in force", v, err)
		}
		_, err = c.DeletePolicy(t.Context(), &iot.DeletePolicyInput{PolicyName: name})
		expect(t, err, deleteConflict)
	})
}

func TestPoliciesAreAttached(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := aws.String(certARN(register(t, c, fixture.Template{})))
		group, err := c.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{ThingGroupName: aws.String("a:b")})
		if err != nil {
			t.Fatal(err)
		}
		child, err := c.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{
			ThingGroupName: aws.String("child"), ParentGroupName: aws.String("a:b"),
		})
		if err != nil {
			t.Fatal(err)
		}
		policy(t, c, "p", narrowPolicy)
		policy(t, c, "q", blankPolicy)
		for _, tt := range []struct {
			name, policy, target string
			want                 want
		}{
			{"to a certificate", "p", *cert, fine},
			{"again", "p", *cert, fine},
			{"to a group", "p", *group.ThingGroupArn, fine},
			{"to its child", "q", *child.ThingGroupArn, fine},
			{"one that is not there", "none", *cert, notFound},
			{"to what is not there", "p", certARN(strings.Repeat("0", 64)), notFound},
			{"to another account's", "p", strings.Replace(*cert, cordontest.Account, "999999999999", 1), notFound},
			{"to a thing", "p", strings.Replace(*cert, ":cert/", ":thing/", 1), invalid},
			{"to a Cognito identity", "p", "us-east-1:0ccadf3c-9a0e-4d5c-8f2e-0e3f1c1e9b3a", invalid},
		} {
			_, err := c.AttachPolicy(t.Context(), &iot.AttachPolicyInput{PolicyName: &tt.policy, Target: &tt.target})
			if got := outcome(err); got != tt.want {
				t.Errorf("attach %s: got %v (%v), want %v", tt.name, got, err, tt.want)
			}
		}
		if got := attached(t, c, *child.ThingGroupArn, false); got != "q" {
			t.Errorf("got %q, want the child's own", got)
		}
		if got := attached(t, c, *child.ThingGroupArn, true); got != "p q" {
			t.Errorf("got %q, want the parent's too", got)
		}
		targets, err := c.ListTargetsForPolicy(t.Context(), &iot.ListTargetsForPolicyInput{
			PolicyName: aws.String("p"), PageSize: aws.Int32(1),
		})
		if err != nil || len(targets.Targets) != 1 || targets.Targets[0] != *cert || targets.NextMarker == nil {
			t.Errorf("got %+v, %v, want the certificate and another page", targets, err)
		}
		_, err = c.DeletePolicy(t.Context(), &iot.DeletePolicyInput{PolicyName: aws.String("p")})
		expect(t, err, deleteConflict)
		for _, target := range []string{*cert, *group.ThingGroupArn, *cert} {
			_, err = c.DetachPolicy(t.Context(), &iot.DetachPolicyInput{PolicyName: aws.String("p"), Target: &target})
			expect(t, err, fine)
		}
		_, err = c.DeletePolicy(t.Context(), &iot.DeletePolicyInput{PolicyName: aws.String("p")})
		expect(t, err, fine)
	})
}

// attached are the names of the policies of a target, one a page.
func attached(t *testing.T, c *iot.Client, target string, recursive bool) string {
	t.Helper()
	var names []string
	in := &iot.ListAttachedPoliciesInput{Target: &target, Recursive: recursive, PageSize: aws.Int32(1)}
	pages := iot.NewListAttachedPoliciesPaginator(c, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Policies {
			names = append(names, *p.PolicyName)
		}
	}
	return strings.Join(names, " ")
}
