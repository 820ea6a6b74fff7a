package iotapi_test

import (
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// Of twenty callers that make the last version a policy may have, one does; the
// others hear that it has all of them, and so do all who come later.
func TestTheSixthVersionOfAPolicyAtOnce(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, name := cordon.IoT(), aws.String("p")
		policy(t, c, *name, narrowPolicy)
		for range 3 {
			policyVersion(t, c, *name, blankPolicy, false)
		}
		for round, made := range []int{1, 0} {
			var calls sync.WaitGroup
			outcomes := make([]want, 20)
			for i := range outcomes {
				calls.Go(func() {
					_, err := c.CreatePolicyVersion(t.Context(), &iot.CreatePolicyVersionInput{
						PolicyName: name, PolicyDocument: aws.String(blankPolicy), SetAsDefault: i%2 == 0,
					})
					outcomes[i] = outcome(err)
				})
			}
			calls.Wait()
			got := map[want]int{}
			for _, o := range outcomes {
				got[o]++
			}
			if got[fine] != made || got[versionsLimit] != len(outcomes)-made {
				t.Errorf("round %d: got %v, want %d made and the others refused by the limit", round+1, got, made)
			}
			list, err := c.ListPolicyVersions(t.Context(), &iot.ListPolicyVersionsInput{PolicyName: name})
			if err != nil || len(list.PolicyVersions) != 5 {
				t.Errorf("round %d: got %v, %v, want five versions", round+1, list, err)
			}
		}
	})
}
