package bench

import (
	"context"

	"github.com/cordon-iot/cordon/internal/store"
)

// fewer is a home whose fleets lose a certificate, or a finding, before
// anything is measured.
type fewer struct{ home }

// settle deletes.
func (h fewer) settle(ctx context.Context, r *rig) error {
	for _, text := range []string{
		`DELETE FROM findings WHERE n = 1`,
		`DELETE FROM certificates WHERE NOT EXISTS (SELECT 1 FROM findings) AND roca`,
	} {
		if _, err := r.sqlite().ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return h.home.settle(ctx, r)
}

// ending is a home in which the first copy is the last thing that happens.
type ending struct {
	home
	cancel context.CancelFunc
}

// copy copies and ends.
func (h ending) copy(ctx context.Context, from, to string) (store.Options, error) {
	o, err := h.home.copy(ctx, from, to)
	h.cancel()
	return o, err
}
