package policy

import (
	"math/rand/v2"
	"slices"
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

// Who is allowed what an arbitrary other device has, whatever that is called,
// is reported as having broad access: no document passes the check that grants
// it.
func TestWhatStrangersMayDoIsBroad(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 8_000 {
		choices := make([]byte, 64)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		tp := &tape{choices}
		text := tp.document()
		doc, err := Parse(text)
		if err != nil {
			continue
		}
		c, reported := NewCompiled(doc), Broad(doc)
		for action, path := range map[string]string{"iot:Connect": "client/", "iot:Publish": "topic/$aws/things/"} {
			allowed := 0
			for _, name := range []string{"qx7", "zy9"} {
				v := Table{"iot:clientid": {name}, "iot:certificate.subject.commonname": {"cn"}, "k:n": {"5"}, "k:b": {"true"}}
				if Decide(Request{action, "arn:aws:iot:r:1:" + path + name, v}, c) == Allowed {
					allowed++
				}
			}
			if allowed < 2 {
				continue
			}
			if found++; !slices.Contains(reported, action) {
				t.Fatalf("%s is allowed to strangers by %s: got %v reported", action, text, reported)
			}
		}
	}
	if found < 200 {
		t.Errorf("got %d documents that allow it, want 200", found)
	}
}
