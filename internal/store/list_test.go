package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// listCase is one way to ask for a page of a list, in the filled scope.
type listCase struct {
	name string
	// window is how many rows a page looks at, 0 for hardly more than it has.
	window int
	call   func(ctx context.Context, s *Store) (n int, err error)
}

// calls is a case that calls a method which no query is passed to.
func calls[T any](name string, call func(ctx context.Context, s *Store) ([]T, error)) listCase {
	return listCase{name: name, call: func(ctx context.Context, s *Store) (int, error) {
		list, err := call(ctx, s)
		return len(list), err
	}}
}

// eachPage is a case for each of some queries that a method is called with.
func eachPage[Q, T any](method func(*Store, context.Context, fleet.Scope, Q) ([]T, error), queries ...Q,
) (list []listCase) {
	for _, q := range queries {
		list = append(list, calls(fmt.Sprintf("%+v", q), func(ctx context.Context, s *Store) ([]T, error) {
			return method(s, ctx, here, q)
		}))
	}
	return list
}

// eachPageOf is the same for methods that are also told of what they list.
func eachPageOf[Q, T any](of string, method func(*Store, context.Context, fleet.Scope, string, Q) ([]T, error),
	queries ...Q,
) (list []listCase) {
	for _, q := range queries {
		list = append(list, calls(fmt.Sprintf("%s %+v", of, q), func(ctx context.Context, s *Store) ([]T, error) {
			return method(s, ctx, here, of, q)
		}))
	}
	return list
}

// inWindow says that cases look at more rows than they list.
func inWindow(rows int, list ...listCase) []listCase {
	for i := range list {
		list[i].window = rows
	}
	return list
}

// mid is a place in the middle of every list.
const mid = 900

// groupPlace is where a child of the group "all" stands in lists.
func groupPlace(i int) fleet.GroupPosition {
	return fleet.GroupPosition{Name: filledName("b", i), Path: allPath + fmt.Sprintf("%016x", numbered+i)}
}

func memberPlace(path string, thing int) fleet.MemberPosition {
	return fleet.MemberPosition{Path: path, Thing: filledName("t", thing)}
}

var allPath = fmt.Sprintf("%016x", numbered)

func deadLetters(after int64) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]notify.Delivery, error) {
		list, _, err := s.DeadLetters(ctx, here, after, 5)
		return list, err
	})
}

func subscriptionPage(after int64) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]notify.Subscription, error) {
		return s.Subscriptions(ctx, here, after, 5)
	})
}

func topicPage(after string) listCase {
	return calls(after, func(ctx context.Context, s *Store) ([]notify.TopicARN, error) {
		return s.Topics(ctx, here, after, 5)
	})
}

var topicOfTests = notify.TopicARN{Scope: here, Name: filledName("n", 1)}

// listCalls are the methods of [Store] that list: first pages and pages in the
// middle, each filter, and both orders.
var listCalls = map[string][]listCase{
	"AccountDetails": accountDetails(),
	"Accounts": {
		calls("first", func(ctx context.Context, s *Store) ([]identity.Account, error) { return s.Accounts(ctx, "", 5) }),
		calls("middle", func(ctx context.Context, s *Store) ([]identity.Account, error) {
			return s.Accounts(ctx, filledName("0000", mid), 5)
		}),
	},
	"AttachedManagedPolicies": {ofOwner((*Store).AttachedManagedPolicies)},
	"AttachedPolicies": slices.Concat(
		eachPage(attachedPolicies(fleet.TargetCertificate, filledCertificate(7)),
			fleet.AttachedPage{Limit: 5}, fleet.AttachedPage{After: "p1", Limit: 5}),
		eachPage(attachedPolicies(fleet.TargetGroup, "all"),
			fleet.AttachedPage{Limit: 5}, fleet.AttachedPage{After: "p1", Limit: 5}),
		eachPage(attachedPolicies(fleet.TargetGroup, filledName("b", 3)), fleet.AttachedPage{Parents: true, Limit: 5}),
	),
	"AllRevocationLists": {revocationLists(0), revocationLists(numbered + mid)},
	"Audits": eachPage((*Store).Audits,
		audit.TaskQuery{From: atMillis(0), To: atMillis(1e9), Limit: 5},
		audit.TaskQuery{From: atMillis(0), To: atMillis(1e9), Before: numbered + mid, Limit: 5},
		audit.TaskQuery{From: atMillis(mid), To: atMillis(mid + 20), Limit: 5},
		audit.TaskQuery{From: atMillis(0), To: atMillis(1e9), Type: audit.Scheduled, Before: numbered + mid, Limit: 5},
		audit.TaskQuery{From: atMillis(0), To: atMillis(1e9), Status: audit.TaskFailed, Limit: 1},
		audit.TaskQuery{From: atMillis(0), To: atMillis(1e9), Status: audit.TaskFailed, Type: audit.OnDemand, Limit: 5},
	),
	"AuthoritiesOf": eachPage((*Store).AuthoritiesOf,
		[]string{filledCertificate(7), filledCertificate(mid), "e7", "missing"}),
	"CACertificates": eachPage((*Store).CACertificates,
		fleet.CACertificatePage{Limit: 5}, fleet.CACertificatePage{After: numbered + mid, Limit: 5},
		fleet.CACertificatePage{Ascending: true, Limit: 5},
		fleet.CACertificatePage{After: numbered + mid, Ascending: true, Limit: 5}),
	"CACertificatesOfSubject": eachPage((*Store).CACertificatesOfSubject, "s7"),
	"CallBatches": {
		callBatches(calllog.BatchQuery{To: 1e9, Limit: 5}),
		callBatches(calllog.BatchQuery{From: mid, Seq: mid, To: 1e9, Limit: 5}),
	},
	"CallChain": {callChain(0), callChain(mid)},
	"Certificates": eachPage((*Store).Certificates,
		fleet.CertificatePage{Limit: 5}, fleet.CertificatePage{Ascending: true, Limit: 5},
		fleet.CertificatePage{After: 1<<scopeShift + numbered + mid, Limit: 5},
		fleet.CertificatePage{After: 1<<scopeShift + numbered + mid, Ascending: true, Limit: 5},
		fleet.CertificatePage{CA: "ca", Limit: 5}, fleet.CertificatePage{CA: "ca", Ascending: true, Limit: 5},
		fleet.CertificatePage{CA: "ca", After: 1<<scopeShift + numbered + mid, Limit: 5},
		fleet.CertificatePage{CA: "ca", After: 1<<scopeShift + numbered + mid, Ascending: true, Limit: 5}),
	"DueSchedules": {calls("due", func(ctx context.Context, s *Store) ([]audit.Planned, error) {
		return s.DueSchedules(ctx, atMillis(mid), 5)
	})},
	"ConfirmedSubscriptions": {
		calls("first", func(ctx context.Context, s *Store) ([]notify.Subscription, error) {
			return s.ConfirmedSubscriptions(ctx, numbered+1, 0, 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]notify.Subscription, error) {
			return s.ConfirmedSubscriptions(ctx, numbered+1, numbered+mid, 5)
		}),
	},
	"DeadLetters": {deadLetters(0), deadLetters(numbered + mid)},
	"DueSubscriptions": {
		calls("first", func(ctx context.Context, s *Store) ([]int64, error) {
			return s.DueSubscriptions(ctx, atMillis(mid), -1, 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]int64, error) {
			return s.DueSubscriptions(ctx, atMillis(mid), numbered+4, 5)
		}),
	},
	"Bars": eachPage((*Store).Bars, []fleet.DeviceRef{
		{Certificate: filledCertificate(1), ClientID: filledName("t", mid)},
		{Certificate: filledCertificate(mid), ClientID: "c"}, {Certificate: filledCertificate(9), ClientID: "t10000001"},
	}),
	"Devices": eachPage((*Store).Devices, []fleet.DeviceRef{
		{Certificate: filledCertificate(1), ClientID: filledName("t", mid)},
		{Certificate: filledCertificate(mid), ClientID: "c"}, {Certificate: filledCertificate(9), ClientID: "t10000001"},
	}),
	"EffectivePolicies": eachPage((*Store).EffectivePolicies,
		fleet.Holders{Certificate: filledCertificate(7), Thing: filledName("t", 2), Group: "all"}),
	"Ended": {
		calls("first", func(ctx context.Context, s *Store) ([]fleet.Issued, error) { return s.Ended(ctx, 1, "", 5) }),
		calls("middle", func(ctx context.Context, s *Store) ([]fleet.Issued, error) {
			return s.Ended(ctx, 1, filledName("e", mid), 5)
		}),
	},
	"ExecutionChanges": {executionChanges(0), executionChanges(mid)},
	"Executions": {calls("of a finding", func(ctx context.Context, s *Store) ([]mitigation.Execution, error) {
		return s.Executions(ctx, &mitigation.Task{Scope: here, Seq: numbered + 1},
			&audit.Finding{FindingRef: audit.FindingRef{Audit: numbered + 1, N: mid}})
	})},
	"Findings": findingPages(),
	"Group": {calls("with ancestors", func(ctx context.Context, s *Store) ([]string, error) {
		_, above, err := s.Group(ctx, here, filledName("b", mid))
		return above, err
	})},
	"Groups": slices.Concat(eachPage((*Store).Groups,
		fleet.GroupQuery{Limit: 5},
		fleet.GroupQuery{After: fleet.GroupPosition{Name: filledName("r", mid)}, Limit: 5},
		fleet.GroupQuery{Prefix: "r100009", Limit: 5},
		fleet.GroupQuery{Deep: true, Limit: 5},
		fleet.GroupQuery{Deep: true, After: groupPlace(mid), Limit: 5},
		fleet.GroupQuery{Deep: true, Prefix: "r", Limit: 5},
		fleet.GroupQuery{Parent: "all", Limit: 5},
		fleet.GroupQuery{Parent: "all", After: groupPlace(mid), Limit: 5},
		fleet.GroupQuery{Parent: "all", Prefix: "b100009", Limit: 5},
		fleet.GroupQuery{Parent: "all", Deep: true, Limit: 5},
		fleet.GroupQuery{Parent: "all", Deep: true, After: groupPlace(mid), Limit: 5},
	), inWindow(planRows, eachPage((*Store).Groups, // all below the parent, in the order of their paths
		fleet.GroupQuery{Parent: "all", Deep: true, Prefix: "b10001", Limit: 5},
	)...)),
	"GroupsOf": {
		calls("first", func(ctx context.Context, s *Store) ([]string, error) {
			return s.GroupsOf(ctx, here, filledName("t", 9), "", 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]string, error) {
			return s.GroupsOf(ctx, here, filledName("t", 9), "all", 5)
		}),
	},
	"GroupsOfUser": {calls("one of many", func(ctx context.Context, s *Store) ([]string, error) {
		return s.GroupsOfUser(ctx, here.Account, filledName("u", mid))
	})},
	"HookTokens": {
		calls("first", func(ctx context.Context, s *Store) ([]fleet.HookToken, error) {
			return s.HookTokens(ctx, here, "", 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]fleet.HookToken, error) {
			return s.HookTokens(ctx, here, filledName("h", mid), 5)
		}),
	},
	"ImportBatches":  {importBatches(0), importBatches(mid)},
	"InlinePolicies": {ofOwner((*Store).InlinePolicies)},
	"IssuersNamed":   eachPage((*Store).IssuersNamed, "s7"),
	"LooseCalls": {calls("of a node", func(ctx context.Context, s *Store) ([]calllog.Loose, error) {
		return s.LooseCalls(ctx, "n10000001", time.Second, 5)
	})},
	"LogLevels": eachPage((*Store).LogLevels,
		fleet.LogLevelPage{Limit: 5}, fleet.LogLevelPage{After: logTarget(mid), Limit: 5},
		fleet.LogLevelPage{Type: fleet.LogGroup, Limit: 5},
		fleet.LogLevelPage{Type: fleet.LogGroup, After: logTarget(mid), Limit: 5}),
	"ManagedPolicies": slices.Concat(entityPages((*Store).ManagedPolicies, "p", 4*numbered, ""),
		entityPages((*Store).ManagedPolicies, "p", 4*numbered, identity.UsageAttached),
		entityPages((*Store).ManagedPolicies, "p", 4*numbered, identity.UsageBoundary)),
	"ManagedVersions": {calls("of a policy", func(ctx context.Context, s *Store) ([]identity.PolicyVersion, error) {
		return s.ManagedVersions(ctx, here.Account, "arn:aws:iam::111111111111:policy/0/"+filledName("p", mid))
	})},
	"Members": eachPage((*Store).Members,
		fleet.MemberQuery{Group: "all", Limit: 5},
		fleet.MemberQuery{Group: "all", After: memberPlace(allPath, mid), Limit: 5},
		fleet.MemberQuery{Group: "all", Deep: true, Limit: 5},
		fleet.MemberQuery{Group: "all", Deep: true, After: memberPlace(allPath, mid), Limit: 5},
		fleet.MemberQuery{Group: "all", Deep: true, After: memberPlace(groupPlace(mid).Path, 8*mid), Limit: 5}),
	"MitigationActions": {
		actionPage("", ""), actionPage("", filledName("m", mid)), actionPage(audit.UpdateDeviceCertificate, ""),
		actionPage(audit.EnableIoTLogging, filledName("m", mid)),
	},
	"Mitigations": eachPage((*Store).Mitigations, mitigationQueries()...),
	"OutgoingTransfers": eachPage((*Store).OutgoingTransfers,
		fleet.TransferPage{Limit: 5}, fleet.TransferPage{After: 2*numbered + mid, Limit: 5},
		fleet.TransferPage{Ascending: true, Limit: 5},
		fleet.TransferPage{Ascending: true, After: 2*numbered + mid, Limit: 5}),
	"PendingMessages": {
		calls("first", func(ctx context.Context, s *Store) ([]notify.Message, error) { return s.PendingMessages(ctx, 0, 5) }),
		calls("middle", func(ctx context.Context, s *Store) ([]notify.Message, error) {
			return s.PendingMessages(ctx, numbered+mid, 5)
		}),
	},
	"Policies": eachPage((*Store).Policies,
		fleet.PolicyPage{Limit: 5}, fleet.PolicyPage{After: numbered + mid, Limit: 5},
		fleet.PolicyPage{Ascending: true, Limit: 5}, fleet.PolicyPage{Ascending: true, After: numbered + mid, Limit: 5}),
	"PolicyDocuments": eachPage((*Store).PolicyDocuments, []fleet.PolicyRef{
		{Name: filledName("p", 1), Seq: numbered + 1, Version: 1},
		{Name: filledName("p", mid), Seq: numbered + mid, Version: 1},
	}),
	"PolicyPrincipals": eachPageOf(filledName("p", 1), (*Store).PolicyPrincipals,
		fleet.PrincipalPage{Limit: 5}, fleet.PrincipalPage{After: filledCertificate(mid), Limit: 5},
		fleet.PrincipalPage{Ascending: true, Limit: 5},
		fleet.PrincipalPage{Ascending: true, After: filledCertificate(mid), Limit: 5}),
	"PolicyTargets": eachPageOf(filledName("p", 1), (*Store).PolicyTargets,
		fleet.TargetPage{Limit: 5}, fleet.TargetPage{After: "cert/" + filledCertificate(mid), Limit: 5}),
	"PolicyVersions": eachPage((*Store).PolicyVersions, filledName("p", 9)),
	"Pools":          {pools(""), pools(filledName("eu-central-1:", mid))},
	"PrincipalPolicies": eachPageOf(filledCertificate(7), (*Store).PrincipalPolicies,
		fleet.PolicyPage{Limit: 5}, fleet.PolicyPage{After: numbered + mid, Limit: 5},
		fleet.PolicyPage{Ascending: true, Limit: 5}, fleet.PolicyPage{Ascending: true, After: numbered + 1, Limit: 5}),
	"PrincipalsOf":     eachPage((*Store).PrincipalsOf, attachmentQueries(filledName("t", 1), filledCertificate(mid))...),
	"RelatedResources": {relatedResources(0), relatedResources(mid)},
	"RevocationLists": eachPage(func(s *Store, ctx context.Context, sc fleet.Scope, keys []string,
	) ([]revocation.List, error) {
		return s.RevocationLists(ctx, sc, keys, "u")
	}, []string{"k7", "k9"}),
	"RoleAliases": eachPage((*Store).RoleAliases,
		fleet.RoleAliasPage{Limit: 5}, fleet.RoleAliasPage{After: filledName("a", mid), Limit: 5},
		fleet.RoleAliasPage{Ascending: true, Limit: 5},
		fleet.RoleAliasPage{Ascending: true, After: filledName("a", mid), Limit: 5}),
	"Roles": entityPages((*Store).Roles, "r", 3*numbered, ""),
	"Schedules": {
		calls("first", func(ctx context.Context, s *Store) ([]*audit.Schedule, error) {
			return s.Schedules(ctx, here, "", 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]*audit.Schedule, error) {
			return s.Schedules(ctx, here, filledName("s", mid), 5)
		}),
	},
	"SearchGroups": groupSearches("parentGroupNames:all", "b10000900", "thingGroupName:r*"),
	"SearchThings": thingSearches(
		"*", "t10000900", "t1000090*", "thingName:t10000900", "thingId:i90*", "thingTypeName:y*", "thingGroupNames:all",
		"thingGroupNames:b10000009", "attributes.site:s7", "attributes.k>5", `attributes.k:["5" TO *]`,
		"NOT attributes.site:s8", "connectivity.connected:false", "connectivity.timestamp>1 OR thingName:*p",
		"attributes.site:* (thingTypeName:* OR NOT thingGroupNames:north)"),
	"StaleSources": {calls("oldest", func(ctx context.Context, s *Store) ([]revocation.Source, error) {
		return s.StaleSources(ctx, here, atMillis(mid), 5)
	})},
	"StandsFor": {calls("one of many", func(ctx context.Context, s *Store) ([]*fleet.Thing, error) {
		thing, err := s.StandsFor(ctx, here, filledCertificate(1), filledName("t", mid))
		return []*fleet.Thing{thing}, err
	})},
	"Subscriptions": {subscriptionPage(0), subscriptionPage(numbered + mid)},
	"SubscriptionsOfTopic": {
		calls("first", func(ctx context.Context, s *Store) ([]notify.Subscription, error) {
			return s.SubscriptionsOfTopic(ctx, numbered+1, 0, 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]notify.Subscription, error) {
			return s.SubscriptionsOfTopic(ctx, numbered+1, numbered+mid, 5)
		}),
	},
	"Suppressions": eachPage((*Store).Suppressions, suppressionQueries()...),
	"Tags": {
		calls("first", func(ctx context.Context, s *Store) ([]fleet.Tag, error) {
			return s.Tags(ctx, here, here.ARN("policy", filledName("p", 1)), "", 5)
		}),
		calls("middle", func(ctx context.Context, s *Store) ([]fleet.Tag, error) {
			return s.Tags(ctx, here, here.ARN("policy", filledName("p", 1)), "k2", 5)
		}),
	},
	"ThingTypes": eachPage((*Store).ThingTypes,
		fleet.TypeQuery{Limit: 5}, fleet.TypeQuery{After: filledName("y", mid), Limit: 5},
		fleet.TypeQuery{Prefix: "y1", After: filledName("y", mid), Limit: 5}),
	"UnnamedCalls": {
		calls("all", func(ctx context.Context, s *Store) ([]calllog.Head, error) { return s.UnnamedCalls(ctx, "n", 5) }),
	},
	"Things": eachPage((*Store).Things, thingQueries()...),
	"ThingsOfPrincipal": eachPage((*Store).ThingsOfPrincipal,
		attachmentQueries(filledCertificate(1), filledName("t", mid))...),
	"TopicTags": {calls("all", func(ctx context.Context, s *Store) ([]fleet.Tag, error) {
		return s.TopicTags(ctx, topicOfTests)
	})},
	"Topics":     {topicPage(""), topicPage(filledName("n", mid))},
	"UserGroups": entityPages((*Store).UserGroups, "g", 2*numbered, ""),
	"UserKeys": {calls("of a user", func(ctx context.Context, s *Store) ([]identity.UserKey, error) {
		return s.UserKeys(ctx, here.Account, filledName("u", mid))
	})},
	"Users":     entityPages((*Store).Users, "u", numbered, ""),
	"Withdrawn": {withdrawn(""), withdrawn(filledName("s", mid))},
}

// entityPages are pages of a list of identities: the first, one in the middle,
// and those below a path.
func entityPages[T any](method func(*Store, context.Context, string, identity.EntityPage) ([]*T, error), name string,
	seq int64, usage identity.PolicyUsage,
) (list []listCase) {
	for _, p := range []identity.EntityPage{
		{Prefix: "/"}, {Prefix: "/", After: identity.EntityPlace{Path: "/2/", Name: filledName(name, mid)}},
		{Prefix: "/", After: identity.EntityPlace{Seq: seq + 2}},
		{Prefix: "/3/"}, {Prefix: "/3/", After: identity.EntityPlace{Path: "/3/", Name: filledName(name, mid)}},
	} {
		p.Limit, p.Usage = 5, usage
		list = append(list, calls(fmt.Sprintf("%+v", p), func(ctx context.Context, s *Store) ([]*T, error) {
			return method(s, ctx, here.Account, p)
		}))
	}
	return list
}

// accountDetails lists each kind of what an account has, from the beginning and
// from the middle.
func accountDetails() (list []listCase) {
	for kind, name := range map[identity.DetailKind]string{
		identity.DetailUser: "u", identity.DetailGroup: "g", identity.DetailRole: "r", identity.DetailPolicy: "p",
		identity.DetailAWSPolicy: "",
	} {
		place := identity.EntityPlace{Path: "/2/", Name: filledName(name, mid)}
		if name == "" {
			place = identity.EntityPlace{Name: "arn:aws:iam::aws:policy/IAM"}
		}
		for _, after := range []identity.EntityPlace{{}, place} {
			p := identity.DetailPage{
				Kinds: []identity.DetailKind{kind}, Limit: 5,
				After: identity.DetailPlace{Kind: kind, EntityPlace: after},
			}
			list = append(list, listCase{
				name: fmt.Sprintf("%+v", p), call: func(ctx context.Context, s *Store) (int, error) {
					d, _, err := s.AccountDetails(ctx, here.Account, p)
					return d.Len(), err
				},
			})
		}
	}
	return list
}

// ofOwner is a case that lists what a role has.
func ofOwner[T any](method func(*Store, context.Context, identity.Owner) ([]T, error)) listCase {
	return calls("of a role", func(ctx context.Context, s *Store) ([]T, error) {
		return method(s, ctx, identity.Owner{Kind: identity.OwnerRole, Account: here.Account, Name: filledName("r", mid)})
	})
}

func withdrawn(after string) listCase {
	return calls("after "+after, func(ctx context.Context, s *Store) ([]fleet.Issued, error) {
		list, next, err := s.Withdrawn(ctx, 1, after, 5)
		if err == nil && next == "" {
			err = errors.New("got no certificates behind " + after)
		}
		return list, err
	})
}

func atMillis(ms int64) time.Time { return time.UnixMilli(ms) }

func attachedPolicies(kind fleet.TargetKind, name string,
) func(*Store, context.Context, fleet.Scope, fleet.AttachedPage) ([]string, error) {
	return func(s *Store, ctx context.Context, sc fleet.Scope, p fleet.AttachedPage) ([]string, error) {
		return s.AttachedPolicies(ctx, sc, fleet.Target{Kind: kind, Name: name}, p)
	}
}

func executionChanges(after int) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]fleet.ChangeRow, error) {
		ref := audit.FindingRef{Audit: numbered + 1, N: 1}
		return s.ExecutionChanges(ctx, &mitigation.Task{Scope: here, Seq: numbered + 1},
			&mitigation.Execution{Finding: ref}, after, 5)
	})
}

// findingQueries ask for findings of a window and of an audit, with each filter.
// One finding in a thousand has the check RARE, and one is suppressed.
func findingQueries() (list []audit.FindingQuery) {
	no, yes := false, true
	for _, q := range []audit.FindingQuery{{From: atMillis(0), To: atMillis(1e9)}, {TaskID: filledAudit(1)}} {
		q.Limit = 5
		middle := q
		middle.Before = audit.FindingPosition{
			FindingRef: audit.FindingRef{Audit: numbered + 1, N: 5 * mid}, Found: atMillis(1_000_000 + 5*mid),
		}
		list = append(list, q, middle)
		for _, q := range []audit.FindingQuery{q, middle} {
			q.Suppressed = &no
			list = append(list, q)
			q.Suppressed = &yes
			list = append(list, q)
			q.Suppressed, q.Check = nil, "OFTEN"
			list = append(list, q)
			q.Check = "RARE"
			list = append(list, q)
			q.Suppressed = &yes // there is none
			list = append(list, q)
			q.Check, q.Suppressed = "", nil
			q.Resource = audit.Resource{Type: audit.DeviceCertificate, Key: filledCertificate(mid)}
			list = append(list, q)
		}
	}
	return list
}

func findingPages() (list []listCase) {
	for _, q := range findingQueries() {
		c := calls(fmt.Sprintf("%+v", q), func(ctx context.Context, s *Store) ([]audit.Finding, error) {
			list, _, err := s.Findings(ctx, here, q)
			return list, err
		})
		if q.Check != "" || q.Suppressed != nil || q.Resource.Key != "" {
			c.window = findingWindow
		}
		list = append(list, c)
	}
	return list
}

func callBatches(q calllog.BatchQuery) listCase {
	return calls(fmt.Sprintf("%+v", q), func(ctx context.Context, s *Store) ([]*calllog.Batch, error) {
		return s.CallBatches(ctx, q)
	})
}

func callChain(after int64) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]*calllog.Batch, error) {
		return s.CallChain(ctx, "n10000001", after, 5)
	})
}

func importBatches(after int64) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]*fleet.ImportOutcome, error) {
		_, list, err := s.ImportBatches(ctx, here, "import", after, 5)
		return list, err
	})
}

func logTarget(i int) fleet.LogTarget {
	return fleet.LogTarget{Type: fleet.LogGroup, Name: filledName("l", i)}
}

func actionPage(kind audit.ActionType, after string) listCase {
	return calls(fmt.Sprint(kind, after), func(ctx context.Context, s *Store) ([]*mitigation.Action, error) {
		return s.MitigationActions(ctx, here, kind, after, 2)
	})
}

func mitigationQueries() []mitigation.TaskQuery {
	all := mitigation.TaskQuery{From: atMillis(0), To: atMillis(1e9), Limit: 5}
	middle := all
	middle.Before = numbered + mid
	window, failed, ofAudit, ofFinding, middleOfAudit := all, all, all, all, middle
	window.From, window.To = atMillis(mid), atMillis(mid+20)
	failed.Status, failed.Limit = mitigation.TaskFailed, 1
	ofAudit.AuditID, middleOfAudit.AuditID = filledAudit(1), filledAudit(mid/2)
	ofFinding.FindingID = audit.FindingID(filledPrefix(1), mid)
	return []mitigation.TaskQuery{all, middle, window, failed, ofAudit, middleOfAudit, ofFinding}
}

func attachmentQueries(of, middle string) []fleet.AttachmentQuery {
	return []fleet.AttachmentQuery{
		{Of: of, Limit: 5}, {Of: of, After: middle, Limit: 5}, {Of: of, Type: fleet.NonExclusive, Limit: 5},
		{Of: of, Type: fleet.NonExclusive, After: middle, Limit: 5}, {Of: of, Type: fleet.Exclusive, Limit: 5},
	}
}

func relatedResources(after int) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]audit.Resource, error) {
		return s.RelatedResources(ctx, here, audit.FindingID(filledPrefix(1), 1), after, 5)
	})
}

func revocationLists(after int64) listCase {
	return calls(fmt.Sprint(after), func(ctx context.Context, s *Store) ([]revocation.List, error) {
		return s.AllRevocationLists(ctx, here, after, 5)
	})
}

// groupSearches look at windows of groups, in the order of their names.
func groupSearches(queries ...string) (list []listCase) {
	for _, text := range queries {
		c := calls(text, func(ctx context.Context, s *Store) ([]*fleetindex.GroupDocument, error) {
			q, err := fleetindex.ParseGroups(text)
			if err != nil {
				return nil, err
			}
			found, _, err := s.SearchGroups(ctx, here, fleetindex.Search{Query: q, After: filledName("b", 800), Limit: 5})
			return found, err
		})
		list = append(list, inWindow(groupWindow, c)...)
	}
	return list
}

func pools(after string) listCase {
	return calls("behind "+after, func(ctx context.Context, s *Store) ([]identity.Pool, error) {
		return s.Pools(ctx, here, after, 5)
	})
}

// thingSearches look at windows of things, in the order of their names.
func thingSearches(queries ...string) (list []listCase) {
	for _, text := range queries {
		c := calls(text, func(ctx context.Context, s *Store) ([]*fleetindex.Document, error) {
			q, err := fleetindex.Parse(text)
			if err != nil {
				return nil, err
			}
			found, _, err := s.SearchThings(ctx, here, fleetindex.Search{Query: q, After: filledName("t", 800), Limit: 5})
			return found, err
		})
		list = append(list, inWindow(searchWindow, c)...)
	}
	return list
}

func suppressionQueries() (list []audit.SuppressionQuery) {
	for _, q := range []audit.SuppressionQuery{
		{}, {Descending: true}, {Check: "OFTEN"}, {Check: "RARE", Descending: true}, {Type: audit.AccountSettings, Key: "u1"},
		{Check: "OFTEN", Type: audit.AccountSettings, Key: "u1"}, {Check: "OFTEN", Descending: true},
	} {
		q.Limit = 2
		middle := q
		middle.After.Seq = numbered + mid + 100
		list = append(list, q, middle)
	}
	return list
}

func thingQueries() (list []fleet.ThingQuery) {
	for _, filter := range []fleet.AttributeFilter{
		{}, {Name: "site", Value: "s8"}, {Name: "site", Prefix: true}, {Name: "site", Value: "s8", Prefix: true},
	} {
		for _, kind := range []string{"", filledName("y", 1)} {
			q := fleet.ThingQuery{Type: kind, Filter: filter, Limit: 5}
			list = append(list, q)
			q.After = fleet.ThingPosition{Value: "s8", Thing: filledName("t", mid)}
			list = append(list, q)
		}
	}
	return list
}

// TestListsAreReadByIndex asks for pages of every list in a store that has much
// of everything, and looks at how they are read.
func TestListsAreReadByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fleetFills)
		fillStore(t, s, planRows, otherFills)
		for _, method := range slices.Sorted(maps.Keys(listCalls)) {
			for _, c := range listCalls[method] {
				t.Run(method+"/"+c.name, func(t *testing.T) {
					wantNarrow(t, s, c.window, func() {
						_, err := c.call(context.Background(), s)
						ok(t, err)
					})
				})
			}
		}
	})
}

// notLists are methods that return several values, or take them, and list
// nothing that a caller asks for.
var notLists = map[string]string{
	"CallSeal":        "a seal",
	"CallsPurged":     "a time and its proof",
	"Apply":           "the positions of changes",
	"ClaimDeliveries": "the deliveries that it claimed",
	"ClaimSilent":     "the nodes that it claimed",
	"Import":          "what became of what it was given",
	"Secret":          "one text",
}

func TestEveryListIsLookedAt(t *testing.T) {
	slice := reflect.TypeFor[durable.Tx]()
	for m := range reflect.TypeFor[*Store]().Methods() {
		inSlice := slices.ContainsFunc(slices.Collect(m.Type.Ins()), func(in reflect.Type) bool { return in == slice })
		lists := slices.ContainsFunc(slices.Collect(m.Type.Outs()), func(out reflect.Type) bool {
			return out.Kind() == reflect.Slice
		})
		_, listed := listCalls[m.Name]
		_, other := notLists[m.Name]
		if lists && !inSlice && !listed && !other {
			t.Errorf("got no page of %s in listCalls", m.Name)
		}
	}
	for name := range listCalls {
		if _, found := reflect.TypeFor[*Store]().MethodByName(name); !found {
			t.Errorf("got %s in listCalls, of which there is no method", name)
		}
	}
}
