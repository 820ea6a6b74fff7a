package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// access says what an operation needs, given its action.
type access func(action string) awswire.Access

// part is some of what an operation needs.
type part[In any] func(ctx context.Context, action string, in *In) []awswire.Need

// needs is the access to an operation that needs several things.
func needs[In any](parts ...part[In]) access {
	return func(action string) awswire.Access {
		return awswire.On(func(ctx context.Context, in *In) (list []awswire.Need) {
			for _, p := range parts {
				list = append(list, p(ctx, action, in)...)
			}
			return list
		})
	}
}

// on is the access to an operation on one resource of the caller's scope.
func on[In any](kind string, name func(*In) *string) access { return needs(named(kind, name)) }

// made is the access to an operation that makes a resource with tags.
func made[In any](kind string, name func(*In) *string, tags func(*In) []wire.Tag) access {
	return needs(tagged(named(kind, name), tags))
}

// named is a resource that the request names.
func named[In any](kind string, name func(*In) *string) part[In] {
	return func(ctx context.Context, action string, in *In) []awswire.Need {
		return []awswire.Need{{Action: action, Resource: scope(ctx).ARN(kind, opt.Value(name(in)))}}
	}
}

// referred is a resource that the request names, or gives by its ARN, or both:
// then they must agree, and both are asked about.
func referred[In any](kind string, name, arn func(*In) *string) part[In] {
	return func(ctx context.Context, action string, in *In) (list []awswire.Need) {
		if n := name(in); n != nil || arn(in) == nil {
			list = named(kind, name)(ctx, action, in)
		}
		return append(list, given(arn, false)(ctx, action, in)...)
	}
}

// given is a resource that the request gives by its ARN, which is taken as it
// is. Without one it is every resource if anyway, and nothing else.
func given[In any](arn func(*In) *string, anyway bool) part[In] {
	return func(_ context.Context, action string, in *In) []awswire.Need {
		if arn(in) == nil && !anyway {
			return nil
		}
		return []awswire.Need{{Action: action, Resource: opt.Value(arn(in))}}
	}
}

// everything is an action that is about no resource in particular.
func everything[In any](_ context.Context, action string, _ *In) []awswire.Need {
	return []awswire.Need{{Action: action}}
}

// tagged adds the tags that a request gives to what it needs.
func tagged[In any](p part[In], tags func(*In) []wire.Tag) part[In] {
	return func(ctx context.Context, action string, in *In) []awswire.Need {
		list := p(ctx, action, in)
		for i := range list {
			list[i].Keys = tagKeys(tags(in))
		}
		return list
	}
}

// tagKeys are the condition keys about the tags that a request gives.
func tagKeys(tags []wire.Tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		awswire.AddTag(keys, opt.Value(t.Key), opt.Value(t.Value))
	}
	return keys
}

// service is whom roles are passed to.
const service = "iot.amazonaws.com"

// passing is the permission to hand a role over, for each role that a request
// gives.
func passing[In any](roles func(*In) []*string) part[In] {
	return func(_ context.Context, _ string, in *In) (list []awswire.Need) {
		for _, role := range roles(in) {
			if role != nil {
				list = append(list, awswire.Need{
					Action: "iam:PassRole", Resource: *role, Keys: map[string][]string{"iam:PassedToService": {service}},
				})
			}
		}
		return list
	}
}

// operationAccess is what the operations need that are about resources or hand
// roles over. The others need their action on everything. Source: Service
// Authorization Reference, AWS IoT. That CreateMitigationAction and
// UpdateMitigationAction need iam:PassRole is stricter than there.
func operationAccess() map[string]awswire.Access {
	table := map[string]awswire.Access{}
	for _, part := range []map[string]access{
		defenderAccess(), thingAccess(), groupAccess(), certificateAccess(), policyAccess(), settingAccess(),
	} {
		for name, a := range part {
			table[name] = a("iot:" + name)
		}
	}
	return table
}

func defenderAccess() map[string]access {
	const audit, action = "scheduledaudit", "mitigationaction"
	return map[string]access{
		"UpdateAccountAuditConfiguration": needs(everything, passing(auditRoles)),
		"CreateScheduledAudit": made(audit,
			func(in *wire.CreateScheduledAuditRequest) *string { return in.ScheduledAuditName },
			func(in *wire.CreateScheduledAuditRequest) []wire.Tag { return in.Tags }),
		"UpdateScheduledAudit": on(audit,
			func(in *wire.UpdateScheduledAuditRequest) *string { return in.ScheduledAuditName }),
		"DeleteScheduledAudit": on(audit,
			func(in *wire.DeleteScheduledAuditRequest) *string { return in.ScheduledAuditName }),
		"DescribeScheduledAudit": on(audit,
			func(in *wire.DescribeScheduledAuditRequest) *string { return in.ScheduledAuditName }),
		"CreateMitigationAction": needs(
			tagged(named(action, func(in *wire.CreateMitigationActionRequest) *string { return in.ActionName }),
				func(in *wire.CreateMitigationActionRequest) []wire.Tag { return in.Tags }),
			passing(func(in *wire.CreateMitigationActionRequest) []*string {
				return actionRoles(in.RoleARN, in.ActionParams)
			})),
		"UpdateMitigationAction": needs(
			named(action, func(in *wire.UpdateMitigationActionRequest) *string { return in.ActionName }),
			passing(func(in *wire.UpdateMitigationActionRequest) []*string {
				return actionRoles(in.RoleARN, in.ActionParams)
			})),
		"DeleteMitigationAction": on(action,
			func(in *wire.DeleteMitigationActionRequest) *string { return in.ActionName }),
		"DescribeMitigationAction": on(action,
			func(in *wire.DescribeMitigationActionRequest) *string { return in.ActionName }),
	}
}

// auditRoles are the roles that an audit configuration is given: its own, and
// those of notifications.
func auditRoles(in *wire.UpdateAccountAuditConfigurationRequest) []*string {
	roles := []*string{in.RoleARN}
	for _, target := range in.AuditNotificationTargetConfigurations {
		roles = append(roles, target.RoleARN)
	}
	return roles
}

// actionRoles are the roles that a mitigation action is given: its own, and the
// one that it hands on to logging.
func actionRoles(role *string, params *wire.MitigationActionParams) []*string {
	roles := []*string{role}
	if params != nil && params.EnableIoTLoggingParams != nil {
		roles = append(roles, params.EnableIoTLoggingParams.RoleARNForLogging)
	}
	return roles
}

func settingAccess() map[string]access {
	return map[string]access{
		"SetLoggingOptions": needs(everything, passing(func(in *wire.SetLoggingOptionsRequest) []*string {
			if in.LoggingOptionsPayload == nil {
				return nil
			}
			return []*string{in.LoggingOptionsPayload.RoleARN}
		})),
		"SetV2LoggingOptions": needs(everything, passing(func(in *wire.SetV2LoggingOptionsRequest) []*string {
			return []*string{in.RoleARN}
		})),
		"CreateRoleAlias": needs(
			tagged(named("rolealias", func(in *wire.CreateRoleAliasRequest) *string { return in.RoleAlias }),
				func(in *wire.CreateRoleAliasRequest) []wire.Tag { return in.Tags }),
			passing(func(in *wire.CreateRoleAliasRequest) []*string { return []*string{in.RoleARN} })),
		"UpdateRoleAlias": needs(
			named("rolealias", func(in *wire.UpdateRoleAliasRequest) *string { return in.RoleAlias }),
			passing(func(in *wire.UpdateRoleAliasRequest) []*string { return []*string{in.RoleARN} })),
		"DeleteRoleAlias":   on("rolealias", func(in *wire.DeleteRoleAliasRequest) *string { return in.RoleAlias }),
		"DescribeRoleAlias": on("rolealias", func(in *wire.DescribeRoleAliasRequest) *string { return in.RoleAlias }),
		"DescribeIndex":     on("index", func(in *wire.DescribeIndexRequest) *string { return thingIndex(in.IndexName) }),
		"SearchIndex":       on("index", func(in *wire.SearchIndexRequest) *string { return thingIndex(in.IndexName) }),
		"TagResource": needs(tagged(given(func(in *wire.TagResourceRequest) *string { return in.ResourceARN }, true),
			func(in *wire.TagResourceRequest) []wire.Tag { return in.Tags })),
		"UntagResource": needs(func(_ context.Context, action string, in *wire.UntagResourceRequest) []awswire.Need {
			return []awswire.Need{{
				Action: action, Resource: opt.Value(in.ResourceARN), Keys: map[string][]string{"aws:TagKeys": in.TagKeys},
			}}
		}),
		"ListTagsForResource": needs(given(
			func(in *wire.ListTagsForResourceRequest) *string { return in.ResourceARN }, true)),
	}
}

// thingIndex is the index that a request means: the one of things, if it names
// none.
func thingIndex(name *string) *string {
	if name == nil {
		return new("AWS_Things")
	}
	return name
}
