//lint:file-ignore SA1019 what AWS deprecates is served all the same

package iotapi_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// The older calls act on the attachments that the newer ones make.
func TestOlderCallsAboutPoliciesOfPrincipals(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		principal := new(certARN(register(t, c, in(400))))
		other := new(certARN(strings.Repeat("0", 64)))
		policy(t, c, "b", narrowPolicy)
		policy(t, c, "a", narrowPolicy)
		group(t, c, "g", "")
		_, err := c.AttachPrincipalPolicy(ctx, &iot.AttachPrincipalPolicyInput{PolicyName: new("b"), Principal: principal})
		expect(t, err, fine)
		for _, target := range []*string{principal, new(home.ARN("thinggroup", "g"))} {
			_, err = c.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: new("a"), Target: target})
			expect(t, err, fine)
		}
		attached := must[*iot.ListAttachedPoliciesOutput](t)(c.ListAttachedPolicies(ctx,
			&iot.ListAttachedPoliciesInput{Target: principal})).Policies
		if len(attached) != 2 {
			t.Errorf("got %s, want both policies", words(t, attached))
		}
		for ascending, want := range map[bool][]string{true: {"b", "a"}, false: {"a", "b"}} {
			out := must[*iot.ListPrincipalPoliciesOutput](t)(c.ListPrincipalPolicies(ctx,
				&iot.ListPrincipalPoliciesInput{Principal: principal, AscendingOrder: ascending}))
			var got []string
			for _, p := range out.Policies {
				got = append(got, *p.PolicyName)
			}
			inOrder(t, "policies of the principal", got, want...)
		}
		principals := func(name string) []string {
			return must[*iot.ListPolicyPrincipalsOutput](t)(c.ListPolicyPrincipals(ctx,
				&iot.ListPolicyPrincipalsInput{PolicyName: &name})).Principals
		}
		inOrder(t, "principals of the policy", principals("a"), *principal)
		_, err = c.DetachPrincipalPolicy(ctx, &iot.DetachPrincipalPolicyInput{PolicyName: new("a"), Principal: principal})
		expect(t, err, fine)
		inOrder(t, "principals of a detached policy", principals("a"))

		for _, tt := range []struct {
			name, policy string
			principal    *string
			want         want
		}{
			{"no such policy", "none", principal, notFound},
			{"no such certificate", "a", other, notFound},
			{"a thing group", "a", new(home.ARN("thinggroup", "g")), invalid},
			{"no ARN", "a", new("us-east-1:identity"), invalid},
			{"another account", "a", new("arn:aws:iot:us-east-1:999999999999:cert/" + strings.Repeat("0", 64)), notFound},
		} {
			t.Run(tt.name, func(t *testing.T) {
				_, err := c.AttachPrincipalPolicy(ctx, &iot.AttachPrincipalPolicyInput{
					PolicyName: &tt.policy, Principal: tt.principal,
				})
				expect(t, err, tt.want)
				_, err = c.DetachPrincipalPolicy(ctx, &iot.DetachPrincipalPolicyInput{
					PolicyName: &tt.policy, Principal: tt.principal,
				})
				expect(t, err, tt.want)
			})
		}
		_, err = c.ListPolicyPrincipals(ctx, &iot.ListPolicyPrincipalsInput{PolicyName: new("none")})
		expect(t, err, notFound)
		_, err = c.ListPrincipalPolicies(ctx, &iot.ListPrincipalPoliciesInput{Principal: other})
		expect(t, err, notFound)
	})
}
