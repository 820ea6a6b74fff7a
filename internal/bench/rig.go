package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/audit/check"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/guard"
	principals "github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/mitigation/action"
	"github.com/cordon-iot/cordon/internal/ops"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
	"github.com/cordon-iot/cordon/internal/revocation"
	"github.com/cordon-iot/cordon/internal/store"
)

// drainTime is how long a slice in hand may go on after the end.
const drainTime = 10 * time.Second

// rig is a Cordon without its front doors.
type rig struct {
	store   *store.Store
	durable *durable.Engine
	audits  *audit.Service
	engine  *mitigation.Engine
	slices  chan struct{} // receives after a slice
}

// openRig opens a database. Its clock is the system's.
func openRig(ctx context.Context, o store.Options, log *slog.Logger) (_ *rig, err error) {
	o.Now, o.Log = time.Now, log
	r := &rig{slices: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.store, err = store.Open(ctx, o); err != nil {
		return nil, err
	}
	r.durable, err = durable.New(durable.Config{
		SQLite: r.store.SQLite(), Postgres: r.store.Postgres(), Node: "bench", Log: log, Hook: r.hook,
	})
	if err != nil {
		return nil, err
	}
	metrics := ops.NewMetrics()
	roles := &principals.Service{Policies: r.store, Now: time.Now}
	r.engine = &mitigation.Engine{Store: r.store, Kinds: action.All, Roles: roles, Observer: metrics, Now: time.Now}
	r.durable.Register(mitigation.WorkflowKind, r.engine)
	r.durable.Register(audit.WorkflowKind, &audit.Engine{
		Store: r.store, Checks: check.All, Observer: metrics, Now: time.Now, Collector: collector(r.store),
		Gateway: true, Roles: roles,
	})
	r.audits = &audit.Service{
		Store: r.store, Workflows: r.durable, Checks: check.All, TimeOfDay: audit.Spread, Now: time.Now,
	}
	return r, r.durable.Launch()
}

// collector looks for what issuers have revoked. The fleet names no address, so
// nothing is fetched.
func collector(s *store.Store) *revocation.Collector {
	return &revocation.Collector{
		Store: s, Downloads: &guard.Downloads{Client: guard.New(guard.Options{}), Max: crl.MaxSize}, Now: time.Now,
		Own: func(context.Context, string) (*pki.Certificate, error) { return nil, nil },
	}
}

// actAs makes the role of the audit and of the mitigation action, with the
// policies of AWS for both, and the account that has it.
func (r *rig) actAs(ctx context.Context, roleARN string) error {
	arn, _ := principals.ParseARN(roleARN)
	err := r.store.CreateAccount(ctx, principals.SealedKey{
		ID: "AKIABENCHBENCHBENCH0", Sealed: []byte{0}, Created: time.Now(),
		Account: principals.Account{ID: arn.Account, Status: principals.Active},
	})
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	role := principals.NewRole(arn.Account, arn.Path, arn.Name, time.Now())
	role.Trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"Service":"` + principals.IoTService + `"}}}`
	if err := r.store.CreateRole(ctx, role); err != nil {
		return fmt.Errorf("create role: %w", err)
	}
	owner := principals.Owner{Account: arn.Account, Kind: principals.OwnerRole, Name: arn.Name}
	for _, name := range []string{"Audit", "UpdateDeviceCertMitigationAction"} {
		policy := "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefender" + name
		if err := r.store.AttachManagedPolicy(ctx, owner, policy); err != nil {
			return fmt.Errorf("attach policy: %w", err)
		}
	}
	return nil
}

// hook wakes whoever waits for a task.
func (r *rig) hook(p durable.Point) {
	if p.Place == "after" {
		select {
		case r.slices <- struct{}{}:
		default:
		}
	}
}

// await waits until done says so. It asks after every slice.
func (r *rig) await(ctx context.Context, done func() (bool, error)) error {
	for {
		if ended, err := done(); err != nil || ended {
			return err
		}
		select {
		case <-r.slices:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close ends everything, the engine before the store whose handle it shares.
func (r *rig) close() error {
	var errs []error
	if r.store != nil {
		r.store.StopWrites()
	}
	if r.durable != nil {
		errs = append(errs, r.durable.Close(drainTime))
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}

// sqlite is the connection that tasks run on, nil on PostgreSQL.
func (r *rig) sqlite() *sql.DB { return r.store.SQLite() }

// postgres is the pool that tasks run on, nil on SQLite.
func (r *rig) postgres() *pgxpool.Pool { return r.store.Postgres() }

// number reads one number. Arguments are $1, $2 and so on.
func (r *rig) number(ctx context.Context, text string, args ...any) (n int64, err error) {
	if db := r.sqlite(); db != nil {
		err = db.QueryRowContext(ctx, text, args...).Scan(&n)
	} else {
		err = r.postgres().QueryRow(ctx, text, args...).Scan(&n)
	}
	return n, err
}

// expect reads one number that must be as it should.
func (r *rig) expect(ctx context.Context, want int, what, text string, args ...any) error {
	got, err := r.number(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("count %s: %w", what, err)
	}
	if got != int64(want) {
		return fmt.Errorf("wrong result: got %d %s, want %d", got, what, want)
	}
	return nil
}
