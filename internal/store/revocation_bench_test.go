package store

import (
	"context"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// The import of a list of a million entries: sent in parts, verified, and
// stored.
func BenchmarkImportAMillionRevocations(b *testing.B) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Issuer"})
	if err != nil {
		b.Fatal(err)
	}
	service := &revocation.Service{Store: s, Now: time.Now}
	if _, err := service.ImportIssuer(ctx, here, ca.PEM); err != nil {
		b.Fatal(err)
	}
	for n := int64(1); b.Loop(); n++ {
		b.StopTimer()
		der, err := ca.CRL(fixture.Revocations{Number: big.NewInt(n), Entries: millionEntries})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		const size = 700 << 10
		for i := 0; i*size < len(der); i++ {
			if err := service.AddPart(ctx, here, "x", i, der[i*size:min(len(der), (i+1)*size)]); err != nil {
				b.Fatal(err)
			}
		}
		l, err := service.Import(ctx, here, "x")
		if err != nil || l.Entries != 1_000_000 {
			b.Fatalf("got %+v, %v", l, err)
		}
	}
	b.Log(peakMemory(b), "with the list itself in memory")
}

// millionEntries are in no order, as serial numbers are.
func millionEntries(yield func(fixture.Revoked) bool) {
	serial, step := new(big.Int).Lsh(big.NewInt(1), 125), big.NewInt(0x5deece66d)
	step.Mul(step, step).Mul(step, step)
	modulus := new(big.Int).Lsh(big.NewInt(1), 126)
	for range 1_000_000 {
		serial = new(big.Int).Add(serial, step)
		if !yield(fixture.Revoked{Serial: serial.Mod(serial, modulus), Reason: 1}) {
			return
		}
	}
}

// peakMemory is the line of the process's status about its peak.
func peakMemory(b *testing.B) string {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "peak unknown"
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			return strings.TrimSpace(line)
		}
	}
	return "peak unknown"
}
