package demo

import (
	"crypto/tls"
	"embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// Names of checks that mitigation is asked for.
const (
	caExpiring     = "CA_CERTIFICATE_EXPIRING_CHECK"
	caKeyQuality   = "CA_CERTIFICATE_KEY_QUALITY_CHECK"
	age            = "DEVICE_CERTIFICATE_AGE_CHECK"
	certExpiring   = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
	keyQuality     = "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK"
	permissive     = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
	misconfigured  = "IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK"
	loggingOff     = "LOGGING_DISABLED_CHECK"
	pastExpiration = "CERTIFICATE_PAST_EXPIRATION"
)

// checks are those that are enabled.
var checks = []string{
	caExpiring, caKeyQuality, age, certExpiring, keyQuality, permissive, misconfigured, loggingOff,
}

// policyFiles holds a document for each policy.
//
//go:embed policies/*.json
var policyFiles embed.FS

// policies are the policies of the fleet, with the check that each offends.
var policies = []struct{ name, offends string }{
	{"sensor", ""},
	{"gateway", ""},
	{"first-prototype", permissive},
	{"shadow-writer", permissive},
	{"building", misconfigured},
}

// The groups that things are in: one of the sites, and the quarantine.
const (
	allSites   = "all-sites"
	quarantine = "quarantine"
)

var sites = []string{"site-berlin", "site-lyon", "site-porto"}

// condition is the state that a device's certificate is made in.
type condition int

const (
	sound    condition = iota
	expiring           // within the 30 days of the check
	expired
	weak // its RSA key has the structure of CVE-2017-15361
)

// device is a thing with its certificate.
type device struct {
	thing, site, policy string
	condition           condition
	number              int // of its condition, from 0
	certificate         string
	identity            *tls.Certificate // of one that connects
}

// authority is a CA whose certificate is registered.
type authority struct {
	*fixture.CA
	id string
}

// fleet is what is registered, and with it what must be found. Certificates and
// CAs have their ids once they are registered.
type fleet struct {
	devices []device
	// current signs for sound devices; legacy expires within days and signed
	// what expired or will.
	current, legacy authority
}

// maxWeak bounds how many weak keys are made: each takes a tenth of a second.
const maxWeak = 12

// newFleet deals faults out over n devices, the same way each time.
func newFleet(n int) *fleet {
	f := &fleet{devices: make([]device, n)}
	for i := range f.devices {
		f.devices[i] = device{
			thing: fmt.Sprintf("device-%06d", i+1), site: sites[i%len(sites)], policy: policyOf(i),
		}
	}
	rest := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for _, deal := range []struct {
		condition condition
		n         int
	}{
		{weak, min(max(n/400, 1), maxWeak)},
		{expired, n / 20},
		{expiring, n * 3 / 50},
	} {
		for number, i := range rest[:deal.n] {
			f.devices[i].condition, f.devices[i].number = deal.condition, number
		}
		rest = rest[deal.n:]
	}
	return f
}

// policyOf spreads the policies: most devices have a good one.
func policyOf(i int) string {
	switch {
	case i%10 == 3:
		return "gateway"
	case i%10 == 7:
		return "first-prototype"
	case i%20 == 9:
		return "shadow-writer"
	case i%20 == 19:
		return "building"
	}
	return "sensor"
}

// newAuthorities makes the keys and certificates of the CAs.
func (f *fleet) newAuthorities(now time.Time) (err error) {
	f.current.CA, err = fixture.NewCA(fixture.Template{CommonName: "Fleet CA 2"})
	if err != nil {
		return err
	}
	f.legacy.CA, err = fixture.NewCA(fixture.Template{
		CommonName: "Fleet CA 1", NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(0, 0, 20),
	})
	return err
}

// issue makes the certificate of a device.
func (f *fleet) issue(d *device, now time.Time) (*fixture.Leaf, error) {
	t := fixture.Template{CommonName: d.thing}
	issuer := f.legacy
	switch d.condition {
	case expired:
		t.NotBefore, t.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(0, 0, -1-d.number%90)
	case expiring:
		t.NotBefore, t.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(0, 0, 2+d.number%18)
	case weak:
		key := fixture.ROCAKey(uint64(d.number))
		t.Key = key.Public()
		leaf, err := f.current.Issue(t)
		if err == nil {
			leaf.Key = key
		}
		return leaf, err
	default:
		issuer = f.current
	}
	return issuer.Issue(t)
}

// with returns the devices whose certificates are in one of the conditions.
func (f *fleet) with(conditions ...condition) []*device {
	var list []*device
	for i := range f.devices {
		if slices.Contains(conditions, f.devices[i].condition) {
			list = append(list, &f.devices[i])
		}
	}
	return list
}

// certificates returns the ids of the certificates of devices.
func certificates(devices []*device) []string {
	ids := make([]string, len(devices))
	for i, d := range devices {
		ids[i] = d.certificate
	}
	return ids
}

// things returns the names of devices.
func things(devices []*device) []string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.thing
	}
	return names
}

// offending returns the names of the policies that offend a check, or any check
// if none is named.
func offending(check string) []string {
	var names []string
	for _, p := range policies {
		if p.offends != "" && (check == "" || p.offends == check) {
			names = append(names, p.name)
		}
	}
	return names
}

// fault is a resource that must be found by a check.
type fault struct{ check, resource string }

// planted returns every fault of the fleet.
func (f *fleet) planted() []fault {
	faults := []fault{{caExpiring, f.legacy.id}, {loggingOff, account}}
	for _, id := range certificates(f.with(weak)) {
		faults = append(faults, fault{keyQuality, id})
	}
	for _, p := range policies {
		if p.offends != "" {
			faults = append(faults, fault{p.offends, p.name})
		}
	}
	for _, id := range certificates(f.with(expired)) {
		faults = append(faults, fault{certExpiring, id})
	}
	return append(faults, f.remaining()...)
}

// remaining returns the faults that mitigation leaves: certificates that still
// work and want to be renewed.
func (f *fleet) remaining() []fault {
	var faults []fault
	for _, id := range certificates(f.with(expiring)) {
		faults = append(faults, fault{certExpiring, id})
	}
	return faults
}

// document returns the document of a policy.
func document(policy string) (string, error) {
	text, err := policyFiles.ReadFile("policies/" + policy + ".json")
	return string(text), err
}
