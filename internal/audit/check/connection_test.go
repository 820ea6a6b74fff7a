package check

import (
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestWhatConnectionsShowInTheWindow(t *testing.T) {
	e := audit.Env{Now: now, WindowFrom: now.Add(-31 * day)}
	for _, tt := range []struct {
		name string
		at   time.Time
		want bool
	}{
		{"nothing was seen", time.Time{}, false},
		{"it was seen before the window", now.Add(-31*day - time.Millisecond), false},
		{"it was seen when the window begins", now.Add(-31 * day), true},
		{"it is going on", now, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared, conflicting := "", ""
			if tt.want {
				shared, conflicting = "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES", "DUPLICATE_CLIENT_ID_ACROSS_CONNECTIONS"
			}
			if got := codes(deviceCertificateShared.Certificate(e, &fleet.Certificate{Shared: tt.at})); got != shared {
				t.Errorf("certificate: got %q, want %q", got, shared)
			}
			if got := codes(conflictingClientIDs.Client(e, &fleet.Client{Conflict: tt.at})); got != conflicting {
				t.Errorf("client id: got %q, want %q", got, conflicting)
			}
		})
	}
}

// A certificate that cannot connect any more is shared no more.
func TestOnlyCertificatesInUseAreShared(t *testing.T) {
	for status, want := range map[fleet.Status]bool{
		fleet.Active: true, fleet.PendingTransfer: true, fleet.Inactive: false, fleet.Revoked: false,
	} {
		if got := deviceCertificateShared.Covers(&fleet.Certificate{Status: status}); got != want {
			t.Errorf("%s: got %t, want %t", status, got, want)
		}
	}
}
