package policy

import (
	"math/rand/v2"
	"testing"
)

// Random documents and requests are decided as the oracle decides them, and
// each decision comes often enough for that to mean something.
func TestDecideLikeTheOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[Decision]int{}
	for range 5_000 {
		choices := make([]byte, 96)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		seen[compareWithOracle(t, &tape{choices})]++
	}
	for _, d := range []Decision{Allowed, ExplicitDeny, ImplicitDeny} {
		if seen[d] < 250 {
			t.Errorf("got %s %d times of %v, want 250", d, seen[d], seen)
		}
	}
}
