// Package check holds the audit checks, a file each: a value with one pure
// rule over one kind of resource.
package check

import (
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// All are the checks of AWS IoT Device Defender, all seventeen.
var All = audit.Checks{
	&caCertificateExpiring,
	&caCertificateKeyQuality,
	&deviceCertificateAge,
	&deviceCertificateExpiring,
	&deviceCertificateKeyQuality,
	&policyOverlyPermissive,
	&policyPotentialMisconfiguration,
	&loggingDisabled,
	&revokedCACertificate,
	&revokedDeviceCertificate,
	&intermediateCARevoked,
	&deviceCertificateShared,
	&conflictingClientIDs,
	&authenticatedCognitoRole,
	&unauthenticatedCognitoRole,
	&roleAliasOverlyPermissive,
	&roleAliasUnusedServices,
}

// onDeviceCertificates are the actions that suit findings on a device
// certificate.
var onDeviceCertificates = []audit.ActionType{audit.UpdateDeviceCertificate, audit.AddThingsToThingGroup}

// onCACertificates are the actions that suit findings on a CA certificate.
var onCACertificates = []audit.ActionType{audit.UpdateCACertificate}

// inUse is the population of the certificate checks.
func inUse(c *fleet.Certificate) bool {
	return c.Status == fleet.Active || c.Status == fleet.PendingTransfer
}

// caInUse is the population of the CA checks.
func caInUse(c *fleet.CACertificate) bool { return c.Status == fleet.Active }

func one(code, text string, info map[string]string) []audit.Violation {
	return []audit.Violation{{Code: code, Text: text, Info: info}}
}

// at is a time in additionalInfo: milliseconds since the epoch, as text.
func at(key string, t time.Time) map[string]string {
	return map[string]string{key: strconv.FormatInt(t.UnixMilli(), 10)}
}
