package action

import (
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/notify"
)

func TestTheListAndTheFilesAgree(t *testing.T) {
	for _, k := range All {
		if _, err := os.Stat(strings.ToLower(string(k.Type)) + ".go"); err != nil {
			t.Errorf("%s has no file of its own: %v", k.Type, err)
		}
		if k.Doc == "" || k.Plan == nil || k.Asks == nil || All.Of(k.Type) != k {
			t.Errorf("%s lacks a doc, a plan or what it asks of its role, or is in the list twice", k.Type)
		}
	}
}

// registry is the part of a fleet that a plan is made from and applied to.
type registry struct {
	certificate *fleet.Certificate
	ca          *fleet.CACertificate
	policy      *fleet.Policy
	logging     fleet.LoggingOptions
	members     map[string][]fleet.Membership // by thing
	groups      map[string]*fleet.Group
	topic       bool
	told        []string // ids of messages
}

func (r *registry) subject(f *audit.Finding) *mitigation.Subject {
	s := &mitigation.Subject{Finding: f, Groups: r.groups, TopicMissing: !r.topic, Execution: "execution/t/f/a"}
	if r.certificate != nil {
		c := *r.certificate
		s.Certificate = &c
	}
	if r.ca != nil {
		c := *r.ca
		s.CA = &c
	}
	if r.policy != nil {
		p := *r.policy
		s.Policy = &p
	}
	l := r.logging
	s.Logging = &l
	for _, name := range []string{"t1", "t2"} {
		if in, ok := r.members[name]; ok {
			in = slices.Clone(in)
			for i := range in {
				in[i].Thing = name
			}
			s.Things = append(s.Things, mitigation.ThingState{Name: name, Groups: in})
		}
	}
	return s
}

// apply makes a change true, or fails the test when its old side does not
// hold.
func (r *registry) apply(t *testing.T, c fleet.Change) {
	t.Helper()
	holds := false
	switch c := c.(type) {
	case fleet.CertificateStatus:
		holds = r.certificate.Status == c.From
		r.certificate.Status = c.To
	case fleet.CACertificateStatus:
		holds = r.ca.Status == c.From
		r.ca.Status = c.To
	case fleet.PolicyDefault:
		holds = r.policy.Default == c.From
		r.policy.Default, r.policy.Blank = c.To, c.Document != ""
		if c.Document != "" {
			r.policy.Versions, r.policy.Next = r.policy.Versions+1, r.policy.Next+1
		}
	case fleet.Logging:
		holds = r.logging == c.From
		r.logging = c.To
	case fleet.GroupMembership:
		i := slices.IndexFunc(r.members[c.Thing], func(m fleet.Membership) bool { return m.Group == c.Group })
		holds = (i < 0) == c.To
		if c.To {
			r.members[c.Thing] = append(r.members[c.Thing], c.Membership)
		} else {
			r.members[c.Thing] = slices.Delete(r.members[c.Thing], i, i+1)
		}
	case notify.Publish:
		holds = slices.Contains(r.told, c.Message.ID) == c.Withdraw
		r.told = slices.DeleteFunc(r.told, func(id string) bool { return id == c.Message.ID })
		if !c.Withdraw {
			r.told = append(r.told, c.Message.ID)
		}
	}
	if !holds {
		t.Errorf("the old side of %+v does not hold", c)
	}
}

// scenario is a state in which an action is planned.
type scenario struct {
	name    string
	kind    audit.ActionType
	params  mitigation.Params
	state   registry
	changes int
	failure string // the error code, "" for none
}

var deactivate = mitigation.Params{
	UpdateDeviceCertificate: &mitigation.UpdateCertificate{Action: "DEACTIVATE"},
	UpdateCACertificate:     &mitigation.UpdateCertificate{Action: "DEACTIVATE"},
}

func join(groups ...string) mitigation.Params {
	return mitigation.Params{AddThingsToThingGroup: &mitigation.AddThings{Groups: groups}}
}

func overriding(groups ...string) mitigation.Params {
	return mitigation.Params{AddThingsToThingGroup: &mitigation.AddThings{Groups: groups, Override: true}}
}

func groups(names ...string) map[string]*fleet.Group {
	m := map[string]*fleet.Group{}
	for _, n := range names {
		m[n] = &fleet.Group{Name: n, Place: fleet.NewPlace(numberOf(n), nil)}
		if strings.HasPrefix(n, "dynamic") {
			m[n].Dynamic = &fleet.Dynamic{Query: "*"}
		}
	}
	return m
}

// numberOf is the number of a group of that name.
func numberOf(group string) int64 { return int64(crc32.ChecksumIEEE([]byte(group))) }

func in(names ...string) []fleet.Membership {
	list := []fleet.Membership{}
	for _, n := range names {
		list = append(list, fleet.MembershipIn("", groups(n)[n]))
	}
	return list
}

var telling = mitigation.Params{
	PublishFindingToSNS: &mitigation.PublishFinding{TopicARN: "arn:aws:sns:us-east-1:000000000000:t"},
}

var logging = mitigation.Params{EnableIoTLogging: &mitigation.EnableLogging{RoleARN: "role", Level: "INFO"}}

var scenarios = []scenario{
	{"an active certificate is deactivated", audit.UpdateDeviceCertificate, deactivate,
		registry{certificate: &fleet.Certificate{ID: "c", Status: fleet.Active}}, 1, ""},
	{"an inactive certificate is as it should be", audit.UpdateDeviceCertificate, deactivate,
		registry{certificate: &fleet.Certificate{ID: "c", Status: fleet.Inactive}}, 0, ""},
	{"a revoked certificate stays revoked", audit.UpdateDeviceCertificate, deactivate,
		registry{certificate: &fleet.Certificate{ID: "c", Status: fleet.Revoked}}, 0, mitigation.InvalidState},
	{"a certificate being transferred is left alone", audit.UpdateDeviceCertificate, deactivate,
		registry{certificate: &fleet.Certificate{ID: "c", Status: fleet.PendingTransfer}}, 0, mitigation.InvalidState},
	{"a certificate that is gone fails", audit.UpdateDeviceCertificate, deactivate,
		registry{}, 0, mitigation.ResourceNotFound},

	{"an active CA is deactivated", audit.UpdateCACertificate, deactivate,
		registry{ca: &fleet.CACertificate{ID: "c", Status: fleet.Active}}, 1, ""},
	{"an inactive CA is as it should be", audit.UpdateCACertificate, deactivate,
		registry{ca: &fleet.CACertificate{ID: "c", Status: fleet.Inactive}}, 0, ""},
	{"a CA that is gone fails", audit.UpdateCACertificate, deactivate, registry{}, 0, mitigation.ResourceNotFound},

	{"a policy gets a blank default", audit.ReplaceDefaultPolicyVersion, mitigation.Params{},
		registry{policy: &fleet.Policy{Name: "p", Default: 2, Next: 4, Versions: 3}}, 1, ""},
	{"a blank policy is left as it is", audit.ReplaceDefaultPolicyVersion, mitigation.Params{},
		registry{policy: &fleet.Policy{Name: "p", Default: 5, Next: 6, Versions: 5, Blank: true}}, 0, ""},
	{"a policy with five versions fails", audit.ReplaceDefaultPolicyVersion, mitigation.Params{},
		registry{policy: &fleet.Policy{Name: "p", Default: 2, Next: 9, Versions: 5}}, 0, mitigation.LimitExceeded},
	{"a policy that is gone fails", audit.ReplaceDefaultPolicyVersion, mitigation.Params{},
		registry{}, 0, mitigation.ResourceNotFound},

	{"logging is switched on", audit.EnableIoTLogging, logging, registry{}, 1, ""},
	{"logging that is off in general is switched on", audit.EnableIoTLogging, logging, registry{
		logging: fleet.LoggingOptions{Configured: true, Role: "role", Level: "INFO", DisableAll: true},
	}, 1, ""},
	{"logging that is on is left as it is", audit.EnableIoTLogging, logging, registry{logging: fleet.LoggingOptions{
		Configured: true, Role: "role", Level: "INFO",
	}}, 0, ""},

	{"all things join all groups", audit.AddThingsToThingGroup, join("a", "b"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a", "b"),
		members: map[string][]fleet.Membership{"t1": in(), "t2": in("b")},
	}, 3, ""},
	{"a certificate without things is as it should be", audit.AddThingsToThingGroup, join("a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
	}, 0, ""},
	{"a group that is gone fails and changes nothing", audit.AddThingsToThingGroup, join("a", "gone"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
		members: map[string][]fleet.Membership{"t1": in()},
	}, 0, mitigation.ResourceNotFound},
	{"a thing in ten groups fails and the others join", audit.AddThingsToThingGroup, join("a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
		members: map[string][]fleet.Membership{
			"t1": in("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"), "t2": in("1"),
		},
	}, 1, mitigation.InvalidState},
	{"the tenth group is the last that is joined", audit.AddThingsToThingGroup, join("a", "b"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a", "b"),
		members: map[string][]fleet.Membership{"t1": in("1", "2", "3", "4", "5", "6", "7", "8", "9")},
	}, 1, mitigation.InvalidState},
	{"a thing in another group of the tree fails", audit.AddThingsToThingGroup, join("a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
		members: map[string][]fleet.Membership{"t1": {{Group: "child", Seq: 1, Root: numberOf("a")}}},
	}, 0, mitigation.InvalidState},
	{"a dynamic group fails", audit.AddThingsToThingGroup, join("dynamic", "a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("dynamic", "a"),
		members: map[string][]fleet.Membership{"t1": in()},
	}, 1, mitigation.InvalidState},
	{"a thing in ten groups keeps a dynamic one", audit.AddThingsToThingGroup, join("a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
		members: map[string][]fleet.Membership{"t1": in("1", "2", "3", "4", "5", "6", "7", "8", "9", "dynamic")},
	}, 0, mitigation.InvalidState},
	{"a thing in ten groups gives up a dynamic one when told", audit.AddThingsToThingGroup, overriding("a"), registry{
		certificate: &fleet.Certificate{ID: "c"}, groups: groups("a"),
		members: map[string][]fleet.Membership{
			"t1": in("1", "2", "3", "4", "5", "6", "7", "8", "9", "dynamic"), "t2": in("dynamic"),
		},
	}, 3, ""},
	{"a topic is told of a finding", audit.PublishFindingToSNS, telling, registry{topic: true}, 1, ""},
	{"a topic that is not there is not told", audit.PublishFindingToSNS, telling, registry{}, 0,
		mitigation.ResourceNotFound},
	{"things of a certificate that is gone fail", audit.AddThingsToThingGroup, join("a"), registry{
		groups: groups("a"),
	}, 0, mitigation.ResourceNotFound},
}

// An action plans, its plan is applied, planning again finds nothing to do, and
// the plan reversed puts everything back.
func TestPlans(t *testing.T) {
	covered := map[audit.ActionType]bool{}
	for _, tt := range scenarios {
		covered[tt.kind] = true
		t.Run(tt.name, func(t *testing.T) {
			f := &audit.Finding{Resource: audit.Resource{Key: "c"}}
			plan := func() ([]fleet.Change, string) {
				list, failure := All.Of(tt.kind).Plan(&tt.params, tt.state.subject(f))
				// A message of which there is one already is not stored again.
				list = slices.DeleteFunc(list, func(c fleet.Change) bool {
					p, ok := c.(notify.Publish)
					return ok && slices.Contains(tt.state.told, p.Message.ID)
				})
				if failure == nil {
					return list, ""
				}
				return list, failure.Code
			}
			before := rows(tt.state.subject(f))
			list, code := plan()
			if len(list) != tt.changes || code != tt.failure {
				t.Fatalf("got %d changes and failure %q, want %d and %q", len(list), code, tt.changes, tt.failure)
			}
			for _, c := range list {
				tt.state.apply(t, c)
			}
			if again, code := plan(); len(again) != 0 || code != tt.failure {
				t.Errorf("planned again: got %d changes and failure %q, want 0 and %q", len(again), code, tt.failure)
			}
			for _, c := range slices.Backward(list) {
				tt.state.apply(t, c.Reverse())
			}
			if after := rows(tt.state.subject(f)); after != before {
				t.Errorf("undone: got %s, want %s", after, before)
			}
		})
	}
	for _, k := range All {
		if !covered[k.Type] {
			t.Errorf("no scenario for %s", k.Type)
		}
	}
}

// rows says what a state is that changes can move.
func rows(s *mitigation.Subject) string {
	var b strings.Builder
	if s.Certificate != nil {
		b.WriteString(string(s.Certificate.Status))
	}
	if s.CA != nil {
		b.WriteString(string(s.CA.Status))
	}
	if s.Policy != nil {
		b.WriteString(fleet.VersionID(s.Policy.Default))
	}
	b.WriteString(fleet.Logging{To: *s.Logging}.Row().To)
	for _, th := range s.Things {
		b.WriteString(th.Name)
		for _, m := range th.Groups {
			b.WriteString(" " + m.Group)
		}
	}
	return b.String()
}
