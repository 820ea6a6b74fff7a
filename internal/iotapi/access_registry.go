package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func thingAccess() map[string]access {
	const thing, kind = "thing", "thingtype"
	return map[string]access{
		"CreateThing":   on(thing, func(in *wire.CreateThingRequest) *string { return in.ThingName }),
		"UpdateThing":   on(thing, func(in *wire.UpdateThingRequest) *string { return in.ThingName }),
		"DeleteThing":   on(thing, func(in *wire.DeleteThingRequest) *string { return in.ThingName }),
		"DescribeThing": on(thing, func(in *wire.DescribeThingRequest) *string { return in.ThingName }),
		"ListThingGroupsForThing": on(thing,
			func(in *wire.ListThingGroupsForThingRequest) *string { return in.ThingName }),
		"ListThingPrincipals": on(thing, func(in *wire.ListThingPrincipalsRequest) *string { return in.ThingName }),
		"ListThingPrincipalsV2": on(thing,
			func(in *wire.ListThingPrincipalsV2Request) *string { return in.ThingName }),
		"AttachThingPrincipal": needs(thingKey(
			func(in *wire.AttachThingPrincipalRequest) *string { return in.ThingName })),
		"DetachThingPrincipal": needs(thingKey(
			func(in *wire.DetachThingPrincipalRequest) *string { return in.ThingName })),
		"CreateThingType": made(kind,
			func(in *wire.CreateThingTypeRequest) *string { return in.ThingTypeName },
			func(in *wire.CreateThingTypeRequest) []wire.Tag { return in.Tags }),
		"UpdateThingType":    on(kind, func(in *wire.UpdateThingTypeRequest) *string { return in.ThingTypeName }),
		"DeprecateThingType": on(kind, func(in *wire.DeprecateThingTypeRequest) *string { return in.ThingTypeName }),
		"DeleteThingType":    on(kind, func(in *wire.DeleteThingTypeRequest) *string { return in.ThingTypeName }),
		"DescribeThingType":  on(kind, func(in *wire.DescribeThingTypeRequest) *string { return in.ThingTypeName }),
	}
}

// thingKey is an action on everything with the thing as a condition key.
func thingKey[In any](name func(*In) *string) part[In] {
	return func(ctx context.Context, action string, in *In) []awswire.Need {
		return []awswire.Need{{
			Action: action, Keys: map[string][]string{"iot:thingArn": {scope(ctx).ARN("thing", opt.Value(name(in)))}},
		}}
	}
}

func groupAccess() map[string]access {
	const thing, group = "thing", "thinggroup"
	return map[string]access{
		"CreateThingGroup": made(group,
			func(in *wire.CreateThingGroupRequest) *string { return in.ThingGroupName },
			func(in *wire.CreateThingGroupRequest) []wire.Tag { return in.Tags }),
		"UpdateThingGroup":   on(group, func(in *wire.UpdateThingGroupRequest) *string { return in.ThingGroupName }),
		"DeleteThingGroup":   on(group, func(in *wire.DeleteThingGroupRequest) *string { return in.ThingGroupName }),
		"DescribeThingGroup": on(group, func(in *wire.DescribeThingGroupRequest) *string { return in.ThingGroupName }),
		"ListThingsInThingGroup": on(group,
			func(in *wire.ListThingsInThingGroupRequest) *string { return in.ThingGroupName }),
		"CreateDynamicThingGroup": made(group,
			func(in *wire.CreateDynamicThingGroupRequest) *string { return in.ThingGroupName },
			func(in *wire.CreateDynamicThingGroupRequest) []wire.Tag { return in.Tags }),
		"UpdateDynamicThingGroup": on(group,
			func(in *wire.UpdateDynamicThingGroupRequest) *string { return in.ThingGroupName }),
		"DeleteDynamicThingGroup": on(group,
			func(in *wire.DeleteDynamicThingGroupRequest) *string { return in.ThingGroupName }),
		"AddThingToThingGroup": needs(
			referred(thing,
				func(in *wire.AddThingToThingGroupRequest) *string { return in.ThingName },
				func(in *wire.AddThingToThingGroupRequest) *string { return in.ThingARN }),
			referred(group,
				func(in *wire.AddThingToThingGroupRequest) *string { return in.ThingGroupName },
				func(in *wire.AddThingToThingGroupRequest) *string { return in.ThingGroupARN })),
		"RemoveThingFromThingGroup": needs(
			referred(thing,
				func(in *wire.RemoveThingFromThingGroupRequest) *string { return in.ThingName },
				func(in *wire.RemoveThingFromThingGroupRequest) *string { return in.ThingARN }),
			referred(group,
				func(in *wire.RemoveThingFromThingGroupRequest) *string { return in.ThingGroupName },
				func(in *wire.RemoveThingFromThingGroupRequest) *string { return in.ThingGroupARN })),
		"UpdateThingGroupsForThing": needs(
			named(thing, func(in *wire.UpdateThingGroupsForThingRequest) *string { return in.ThingName }),
			func(ctx context.Context, action string, in *wire.UpdateThingGroupsForThingRequest) (list []awswire.Need) {
				for _, names := range [][]string{in.ThingGroupsToAdd, in.ThingGroupsToRemove} {
					for _, name := range names {
						list = append(list, awswire.Need{Action: action, Resource: scope(ctx).ARN(group, name)})
					}
				}
				return list
			}),
	}
}

func certificateAccess() map[string]access {
	const cert, ca = "cert", "cacert"
	return map[string]access{
		"UpdateCertificate":   on(cert, func(in *wire.UpdateCertificateRequest) *string { return in.CertificateID }),
		"DeleteCertificate":   on(cert, func(in *wire.DeleteCertificateRequest) *string { return in.CertificateID }),
		"DescribeCertificate": on(cert, func(in *wire.DescribeCertificateRequest) *string { return in.CertificateID }),
		"TransferCertificate": on(cert, func(in *wire.TransferCertificateRequest) *string { return in.CertificateID }),
		"AcceptCertificateTransfer": on(cert,
			func(in *wire.AcceptCertificateTransferRequest) *string { return in.CertificateID }),
		"RejectCertificateTransfer": on(cert,
			func(in *wire.RejectCertificateTransferRequest) *string { return in.CertificateID }),
		"CancelCertificateTransfer": on(cert,
			func(in *wire.CancelCertificateTransferRequest) *string { return in.CertificateID }),
		"RegisterCACertificate": needs(
			tagged(everything, func(in *wire.RegisterCACertificateRequest) []wire.Tag { return in.Tags }),
			passing(func(in *wire.RegisterCACertificateRequest) []*string { return configRole(in.RegistrationConfig) })),
		"UpdateCACertificate": needs(
			named(ca, func(in *wire.UpdateCACertificateRequest) *string { return in.CertificateID }),
			passing(func(in *wire.UpdateCACertificateRequest) []*string { return configRole(in.RegistrationConfig) })),
		"DeleteCACertificate": on(ca, func(in *wire.DeleteCACertificateRequest) *string { return in.CertificateID }),
		"DescribeCACertificate": on(ca,
			func(in *wire.DescribeCACertificateRequest) *string { return in.CertificateID }),
		"ListPrincipalThings": needs(given(
			func(in *wire.ListPrincipalThingsRequest) *string { return in.Principal }, true)),
		"ListPrincipalThingsV2": needs(given(
			func(in *wire.ListPrincipalThingsV2Request) *string { return in.Principal }, true)),
	}
}

func configRole(c *wire.RegistrationConfig) []*string {
	if c == nil {
		return nil
	}
	return []*string{c.RoleARN}
}

func policyAccess() map[string]access {
	const policy = "policy"
	return map[string]access{
		"CreatePolicy": made(policy,
			func(in *wire.CreatePolicyRequest) *string { return in.PolicyName },
			func(in *wire.CreatePolicyRequest) []wire.Tag { return in.Tags }),
		"GetPolicy":           on(policy, func(in *wire.GetPolicyRequest) *string { return in.PolicyName }),
		"DeletePolicy":        on(policy, func(in *wire.DeletePolicyRequest) *string { return in.PolicyName }),
		"CreatePolicyVersion": on(policy, func(in *wire.CreatePolicyVersionRequest) *string { return in.PolicyName }),
		"GetPolicyVersion":    on(policy, func(in *wire.GetPolicyVersionRequest) *string { return in.PolicyName }),
		"DeletePolicyVersion": on(policy, func(in *wire.DeletePolicyVersionRequest) *string { return in.PolicyName }),
		"ListPolicyVersions":  on(policy, func(in *wire.ListPolicyVersionsRequest) *string { return in.PolicyName }),
		"SetDefaultPolicyVersion": on(policy,
			func(in *wire.SetDefaultPolicyVersionRequest) *string { return in.PolicyName }),
		"ListTargetsForPolicy": on(policy, func(in *wire.ListTargetsForPolicyRequest) *string { return in.PolicyName }),
		"AttachPolicy":         needs(given(func(in *wire.AttachPolicyRequest) *string { return in.Target }, true)),
		"DetachPolicy":         needs(given(func(in *wire.DetachPolicyRequest) *string { return in.Target }, true)),
		"AttachPrincipalPolicy": needs(given(
			func(in *wire.AttachPrincipalPolicyRequest) *string { return in.Principal }, true)),
		"DetachPrincipalPolicy": needs(given(
			func(in *wire.DetachPrincipalPolicyRequest) *string { return in.Principal }, true)),
		"GetEffectivePolicies": needs(given(
			func(in *wire.GetEffectivePoliciesRequest) *string { return in.Principal }, true)),
		"TestAuthorization": needs(given(
			func(in *wire.TestAuthorizationRequest) *string { return in.Principal }, true)),
	}
}
