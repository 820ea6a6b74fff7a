package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Reason codes of the key-quality checks.
const (
	codeROCA   = "CERTIFICATE_KEY_VULNERABILITY_CVE-2017-15361"
	codeDebian = "CERTIFICATE_KEY_VULNERABILITY_CVE-2008-0166"
)

// keyQuality judges a key by what was found when it was registered and by the
// lists of weak keys that are loaded now.
func keyQuality(env audit.Env, k fleet.Key) []audit.Violation {
	var v []audit.Violation
	if k.ROCA {
		v = append(v, audit.Violation{
			Code: codeROCA,
			Text: "Certificate key was made by a library that makes factorable RSA keys (CVE-2017-15361, ROCA).",
		})
	}
	if env.WeakKeys != nil && env.WeakKeys.Weak(k) {
		v = append(v, audit.Violation{
			Code: codeDebian,
			Text: "Certificate key was made by a predictable random number generator (CVE-2008-0166).",
		})
	}
	return v
}

func keyQualityUntested(env audit.Env) string {
	if env.WeakKeys != nil {
		return ""
	}
	return "CVE-2008-0166 was not tested: no list of weak keys is loaded (--weak-key-blocklist)."
}
