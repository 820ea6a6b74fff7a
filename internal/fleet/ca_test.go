package fleet_test

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// registered is a CA certificate as the registry has it.
func registered(t *testing.T, pem string, status fleet.Status) fleet.CACertificate {
	t.Helper()
	c, err := fleet.NewCACertificate(parse(t, pem), fleet.ModeDefault, now)
	if err != nil {
		t.Fatal(err)
	}
	c.Status = status
	return *c
}

func TestNewCACertificate(t *testing.T) {
	ca := newCA(t, "Fleet CA")
	parsed := parse(t, ca.PEM)
	got, err := fleet.NewCACertificate(parsed, fleet.ModeSNIOnly, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != parsed.ID || got.Status != fleet.Inactive || got.Mode != fleet.ModeSNIOnly ||
		got.AutoRegistration != fleet.AutoRegistrationDisabled || got.Subject != parsed.SubjectMatch ||
		got.SubjectKeyID != parsed.SubjectKeyID || got.Key.Type != "EC" || got.PEM != parsed.PEM || got.CustomerVersion != 1 {
		t.Errorf("got %+v, want an inactive CA with what the certificate says", got)
	}
	_, err = fleet.NewCACertificate(device(t, ca, fixture.Template{}), fleet.ModeDefault, now)
	if code(t, err) != fault.CertificateInvalid {
		t.Errorf("got %v for a device certificate, want it refused", err)
	}
}

func TestIssuerOf(t *testing.T) {
	ca, stranger := newCA(t, "Fleet CA"), newCA(t, "Fleet CA")
	template := fixture.Template{CommonName: "Fleet CA", NotBefore: now, NotAfter: now.AddDate(9, 0, 0)}
	renewed, err := fixture.NewCAWithKey(template, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := device(t, ca, fixture.Template{CommonName: "d"})
	old, young, other := parse(t, ca.PEM), parse(t, renewed.PEM), parse(t, stranger.PEM)
	const active, inactive = fleet.Active, fleet.Inactive
	for _, tt := range []struct {
		name       string
		named      *pki.Certificate
		registered []fleet.CACertificate
		want       string
		code       fault.Code
	}{
		{"the one that signed it", nil, []fleet.CACertificate{
			registered(t, stranger.PEM, active), registered(t, ca.PEM, active)}, old.ID, ""},
		{"none is registered", nil, nil, "", fault.CertificateInvalid},
		{"none that is registered signed it", nil, []fleet.CACertificate{registered(t, stranger.PEM, active)},
			"", fault.CertificateInvalid},
		{"the one that signed it is not active", nil, []fleet.CACertificate{registered(t, ca.PEM, inactive)},
			"", fault.CertificateState},
		{"a CA and its renewal both fit", nil, []fleet.CACertificate{
			registered(t, ca.PEM, active), registered(t, renewed.PEM, active)}, "", fault.CertificateConflict},
		{"of a CA and its renewal one is active", nil, []fleet.CACertificate{
			registered(t, ca.PEM, inactive), registered(t, renewed.PEM, active)}, young.ID, ""},
		{"of a CA and its renewal one is named", old, []fleet.CACertificate{
			registered(t, ca.PEM, active), registered(t, renewed.PEM, active)}, old.ID, ""},
		{"the one named is not active", old, []fleet.CACertificate{
			registered(t, ca.PEM, inactive), registered(t, renewed.PEM, active)}, "", fault.CertificateState},
		{"the one named is not registered", old, []fleet.CACertificate{registered(t, renewed.PEM, active)},
			"", fault.CertificateInvalid},
		{"the one named did not sign it", other, []fleet.CACertificate{
			registered(t, ca.PEM, active), registered(t, stranger.PEM, active)}, "", fault.CertificateInvalid},
		{"the one named did not sign it and is not registered", other, nil, "", fault.CertificateInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fleet.IssuerOf(c, tt.named, tt.registered)
			if code(t, err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if err == nil && got.ID != tt.want {
				t.Errorf("got %s, want %s", got.ID, tt.want)
			}
		})
	}
}

func TestCACertificateDeletable(t *testing.T) {
	if got := code(t, (&fleet.CACertificate{Status: fleet.Active}).Deletable()); got != fault.CertificateState {
		t.Errorf("got %q for an active one, want %q", got, fault.CertificateState)
	}
	if err := (&fleet.CACertificate{Status: fleet.Inactive}).Deletable(); err != nil {
		t.Errorf("got %v for an inactive one, want none", err)
	}
}

func TestRegistrationCodesAreNew(t *testing.T) {
	a, b := fleet.NewRegistrationCode(), fleet.NewRegistrationCode()
	if len(a) != 64 || a == b {
		t.Errorf("got %q and %q, want two codes of 64 digits", a, b)
	}
}
