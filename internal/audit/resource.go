package audit

import (
	"strings"
)

// ResourceType says what a finding is about, equal to the wire value.
type ResourceType string

// The resource types.
const (
	DeviceCertificate   ResourceType = "DEVICE_CERTIFICATE"
	CACertificate       ResourceType = "CA_CERTIFICATE"
	IoTPolicy           ResourceType = "IOT_POLICY"
	CognitoIdentityPool ResourceType = "COGNITO_IDENTITY_POOL"
	ClientID            ResourceType = "CLIENT_ID"
	AccountSettings     ResourceType = "ACCOUNT_SETTINGS"
	RoleAlias           ResourceType = "ROLE_ALIAS"
	IAMRole             ResourceType = "IAM_ROLE"
	IssuerCertificate   ResourceType = "ISSUER_CERTIFICATE"
)

// Resource names what a finding is about. Key is its identifier as one text:
// an id, a name, an ARN, or for a policy its name and version.
type Resource struct {
	Type ResourceType
	Key  string
	// Seq is the number that the resource had when it was found, or 0: with it,
	// it is found again faster.
	Seq  int64
	Info map[string]string // additionalInfo
}

// PolicyKey is the key of a policy version. Policy names have no colon.
func PolicyKey(name, version string) string { return name + ":" + version }

// SplitPolicyKey is the reverse of PolicyKey.
func SplitPolicyKey(key string) (name, version string) {
	name, version, _ = strings.Cut(key, ":")
	return name, version
}

// IssuerKey is the key of the certificate of an issuer. Its id and serial number
// are hex, in any case, and have no slash.
func IssuerKey(id, serial, subject string) string {
	return strings.ToLower(id) + "/" + strings.ToLower(serial) + "/" + subject
}

// SplitIssuerKey is the reverse of IssuerKey.
func SplitIssuerKey(key string) (id, serial, subject string) {
	id, rest, _ := strings.Cut(key, "/")
	serial, subject, _ = strings.Cut(rest, "/")
	return id, serial, subject
}
