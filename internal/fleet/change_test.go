package fleet

import (
	"testing"
)

// changes is one of each kind.
var changes = []Change{
	CertificateStatus{ID: "c1", From: Active, To: Inactive},
	CACertificateStatus{ID: "c2", From: Active, To: Inactive},
	PolicyDefault{Policy: "p", From: 2, To: 1},
	PolicyDefault{Policy: "p", From: 1, To: 2, Document: "{\n\"Version\": \"2012-10-17\"}"},
	GroupMembership{Membership: Membership{Thing: "t:1", Group: "g"}, To: true},
	Logging{From: LoggingOptions{V1Role: "v"}, To: LoggingOptions{Configured: true, Role: "r", Level: "INFO"}},
}

func TestAStoredChangeReadsBackAsItWas(t *testing.T) {
	for _, c := range changes {
		got, err := ParseChange(c.Row())
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if got != c {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}

func TestAChangeReversedSwapsItsSides(t *testing.T) {
	for _, c := range changes {
		if p, ok := c.(PolicyDefault); ok && p.Document != "" {
			// The version that was made stays: undoing only puts the old one in force.
			if got, want := c.Reverse(), (PolicyDefault{Policy: "p", From: 2, To: 1}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			continue
		}
		r := c.Reverse().Row()
		if row := c.Row(); r.From != row.To || r.To != row.From || r.Resource != row.Resource || r.Kind != row.Kind {
			t.Errorf("got %+v, want the sides of %+v swapped", r, row)
		}
		if c.Reverse().Reverse() != c {
			t.Errorf("got %+v, want %+v", c.Reverse().Reverse(), c)
		}
	}
}

func TestADamagedChangeIsAnError(t *testing.T) {
	for _, r := range []ChangeRow{
		{Kind: "no-such-kind"},
		{Kind: KindPolicyDefault, Resource: "p", From: "x", To: "1"},
		{Kind: KindPolicyDefault, Resource: "p", From: "1", To: ""},
		{Kind: KindMembership, Resource: "no separator"},
		{Kind: KindLogging, From: "{", To: "{}"},
	} {
		if c, err := ParseChange(r); err == nil {
			t.Errorf("%+v: got %+v, want an error", r, c)
		}
	}
}
