package bench

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// loadBatch is how many certificates are registered by one call.
const loadBatch = 10_000

const day = 24 * time.Hour

// load registers the fleet and returns how many certificates a second.
func (m *measurement) load(ctx context.Context, r *rig) (float64, error) {
	// The same fleet every time. Ids are hashes in the real world: without order.
	random := rand.NewChaCha8([32]byte{})
	if err := r.actAs(ctx, roleARN); err != nil {
		return 0, err
	}
	began, made := time.Now(), 0
	for made < m.spec.Certificates {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		batch := make([]fleet.Certificate, min(loadBatch, m.spec.Certificates-made))
		for i := range batch {
			batch[i] = m.certificate(made+i, random)
		}
		if err := r.store.RegisterCertificates(ctx, scope, batch); err != nil {
			return 0, fmt.Errorf("load the fleet: %w", err)
		}
		made += len(batch)
	}
	return float64(made) / time.Since(began).Seconds(), nil
}

// origin is that of all certificates of the fleet.
var origin = &fleet.Origin{Issuer: "00", IssuerName: "CN=Factory CA", KeyID: "00"}

// certificate makes the i-th certificate. The ones that do not comply are
// spread evenly over the fleet, and over four reasons.
func (m *measurement) certificate(i int, random *rand.ChaCha8) fleet.Certificate {
	var id [32]byte
	random.Read(id[:]) // never fails
	c := fleet.Certificate{
		ID: hex.EncodeToString(id[:]), Status: fleet.Active, Mode: fleet.ModeSNIOnly,
		Key:       fleet.Key{Type: "RSA", Bits: 2048},
		NotBefore: m.now.Add(-100 * day), NotAfter: m.now.Add(1000 * day),
		Generation: hex.EncodeToString(id[:13]), CustomerVersion: 1,
		Created: m.now.Add(-100 * day), Modified: m.now.Add(-100 * day),
		Provenance: &fleet.Provenance{Serial: hex.EncodeToString(id[16:]), Origin: origin},
	}
	nth := i * m.spec.Findings / m.spec.Certificates
	if nth == (i+1)*m.spec.Findings/m.spec.Certificates {
		return c
	}
	switch nth % 4 {
	case 0:
		c.NotAfter = m.now.Add(-day)
	case 1:
		c.NotAfter = m.now.Add(day)
	case 2:
		c.Created = m.now.Add(-4000 * day)
	case 3:
		c.Key.ROCA = true
	}
	return c
}
