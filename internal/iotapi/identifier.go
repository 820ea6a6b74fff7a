package iotapi

import (
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// maxKey is how many bytes the key of a resource has at most, so that it fits
// into an index of either database.
const maxKey = 2048

// identifier is the wire form of what names a resource: one member, by its
// type.
func identifier(r audit.Resource) *wire.ResourceIdentifier {
	switch key := r.Key; r.Type {
	case audit.DeviceCertificate:
		return &wire.ResourceIdentifier{DeviceCertificateID: &key}
	case audit.CACertificate:
		return &wire.ResourceIdentifier{CACertificateID: &key}
	case audit.AccountSettings:
		return &wire.ResourceIdentifier{Account: &key}
	case audit.ClientID:
		return &wire.ResourceIdentifier{ClientID: &key}
	case audit.CognitoIdentityPool:
		return &wire.ResourceIdentifier{CognitoIdentityPoolID: &key}
	case audit.RoleAlias:
		return &wire.ResourceIdentifier{RoleAliasARN: &key}
	case audit.IAMRole:
		return &wire.ResourceIdentifier{IAMRoleARN: &key}
	case audit.IoTPolicy:
		name, version := audit.SplitPolicyKey(key)
		return &wire.ResourceIdentifier{PolicyVersionIdentifier: &wire.PolicyVersionIdentifier{
			PolicyName: &name, PolicyVersionID: &version,
		}}
	case audit.IssuerCertificate:
		id, serial, subject := audit.SplitIssuerKey(key)
		return &wire.ResourceIdentifier{IssuerCertificateIdentifier: &wire.IssuerCertificateIdentifier{
			IssuerID: opt.Text(id), IssuerCertificateSerialNumber: opt.Text(serial), IssuerCertificateSubject: opt.Text(subject),
		}}
	}
	return nil
}

// naming is one member of a resource identifier, and the resource it names.
type naming struct {
	member string
	audit.Resource
}

// namings are the members that an identifier has, with keys as findings have
// them.
func namings(sc fleet.Scope, id *wire.ResourceIdentifier) (list []naming, err error) {
	for _, m := range []struct {
		member string
		kind   audit.ResourceType
		key    *string
	}{
		{"deviceCertificateId", audit.DeviceCertificate, lower(id.DeviceCertificateID)},
		{"caCertificateId", audit.CACertificate, lower(id.CACertificateID)},
		{"account", audit.AccountSettings, id.Account},
		{"clientId", audit.ClientID, id.ClientID},
		{"cognitoIdentityPoolId", audit.CognitoIdentityPool, id.CognitoIdentityPoolID},
		{"roleAliasArn", audit.RoleAlias, id.RoleAliasARN},
		{"iamRoleArn", audit.IAMRole, id.IAMRoleARN},
	} {
		if m.key != nil {
			list = append(list, naming{m.member, audit.Resource{Type: m.kind, Key: *m.key}})
		}
	}
	if p := id.PolicyVersionIdentifier; p != nil {
		if p.PolicyName == nil || p.PolicyVersionID == nil {
			return nil, fault.New(fault.Invalid, "policyVersionIdentifier must have policyName and policyVersionId")
		}
		key := audit.PolicyKey(*p.PolicyName, *p.PolicyVersionID)
		list = append(list, naming{"policyVersionIdentifier", audit.Resource{Type: audit.IoTPolicy, Key: key}})
	}
	if i := id.IssuerCertificateIdentifier; i != nil {
		key := audit.IssuerKey(opt.Value(i.IssuerID), opt.Value(i.IssuerCertificateSerialNumber),
			opt.Value(i.IssuerCertificateSubject))
		list = append(list, naming{"issuerCertificateIdentifier", audit.Resource{Type: audit.IssuerCertificate, Key: key}})
	}
	if arn := id.DeviceCertificateARN; arn != nil {
		kind, name, err := sc.ParseARN(*arn)
		if err != nil || kind != "cert" {
			return nil, fault.New(fault.Invalid, "deviceCertificateArn names no certificate of this account and region")
		}
		list = append(list, naming{"deviceCertificateArn", audit.Resource{Type: audit.DeviceCertificate, Key: name}})
	}
	for _, n := range list {
		if n.Key == "" || len(n.Key) > maxKey {
			return nil, fault.New(fault.Invalid, "%s must have from 1 to %d bytes", n.member, maxKey)
		}
	}
	return list, nil
}

func lower(id *string) *string {
	if id == nil {
		return nil
	}
	return new(strings.ToLower(*id))
}

// resourceOf reads what names a resource: exactly one member, or the id of a
// certificate and its ARN.
func resourceOf(sc fleet.Scope, id *wire.ResourceIdentifier) (audit.Resource, error) {
	list, err := namings(sc, id)
	if err != nil {
		return audit.Resource{}, err
	}
	distinct := slices.CompactFunc(slices.Clone(list), func(a, b naming) bool {
		return a.Type == b.Type && a.Key == b.Key
	})
	if len(distinct) != 1 {
		return audit.Resource{}, fault.New(fault.Invalid,
			"resourceIdentifier must have exactly one member, and has %d", len(list))
	}
	return distinct[0].Resource, nil
}

// suppressible reads what names a resource in a suppression: the one member
// that findings of the check have. Source: the table of the page on audit
// finding suppressions of the AWS IoT Device Defender Developer Guide.
func suppressible(sc fleet.Scope, check *audit.Check, id *wire.ResourceIdentifier) (audit.SuppressionKey, error) {
	list, err := namings(sc, id)
	if err != nil {
		return audit.SuppressionKey{}, err
	}
	kind, members := check.Resource(), []string{}
	for _, n := range list {
		members = append(members, n.member)
	}
	if len(list) != 1 || list[0].member != identifying[kind] {
		return audit.SuppressionKey{}, fault.New(fault.Invalid,
			"the resourceIdentifier of %s must have the member %s alone; this one has: %s", check.Name, identifying[kind],
			strings.Join(members, ", "))
	}
	return audit.SuppressionKey{Check: check.Name, Type: kind, Key: list[0].Key}, mayExist(sc, list[0])
}

// mayExist refuses what no resource of the account can be named by: it would
// suppress nothing, and nobody would hear of it.
func mayExist(sc fleet.Scope, n naming) error {
	switch n.Type {
	case audit.AccountSettings:
		if n.Key != sc.Account {
			return fault.New(fault.Invalid, "account is not the account of this call")
		}
	case audit.DeviceCertificate, audit.CACertificate:
		if strings.HasPrefix(n.Key, "0x") {
			return fault.New(fault.Invalid, "%s must have 64 hexadecimal digits, without 0x before them", n.member)
		}
	case audit.CognitoIdentityPool:
		return identity.CheckPoolID(sc.Region, n.Key)
	case audit.RoleAlias:
		if kind, _, err := sc.ParseARN(n.Key); err != nil || kind != "rolealias" {
			return fault.New(fault.Invalid, "roleAliasArn names no role alias of this account and region")
		}
	case audit.IoTPolicy:
		policy, version := audit.SplitPolicyKey(n.Key)
		if _, err := fleet.ParseVersionID(policy, version); err != nil {
			return fault.New(fault.Invalid, "policyVersionId must be a number from 1 without zeros before it")
		}
	}
	return nil
}

// identifying is the member of a resource identifier by the type of resource.
var identifying = map[audit.ResourceType]string{
	audit.DeviceCertificate:   "deviceCertificateId",
	audit.CACertificate:       "caCertificateId",
	audit.AccountSettings:     "account",
	audit.ClientID:            "clientId",
	audit.CognitoIdentityPool: "cognitoIdentityPoolId",
	audit.RoleAlias:           "roleAliasArn",
	audit.IAMRole:             "iamRoleArn",
	audit.IoTPolicy:           "policyVersionIdentifier",
	audit.IssuerCertificate:   "issuerCertificateIdentifier",
}
