package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// sourceImport is where a report comes from that somebody brought. There is no
// other yet: Cordon gives devices no credentials whose use it could see.
const sourceImport = "IMPORT"

// ImportAccessReport stores what a role has used in place of what was known of
// that. An older report than the one that is there is a Conflict fault.
func (s *Store) ImportAccessReport(ctx context.Context, r *identity.AccessReport) error {
	key := args{"account": r.Account, "role": r.RoleARN}
	return s.write(ctx, func(ctx context.Context, q querier) error {
		n, err := q.exec(ctx, `INSERT INTO access_reports (account, role_arn, source, reported_at, stored_at)
			VALUES (@account, @role, @source, @reported, @now)
			ON CONFLICT (account, role_arn) DO UPDATE SET source = excluded.source, reported_at = excluded.reported_at,
				stored_at = excluded.stored_at WHERE access_reports.reported_at <= excluded.reported_at`,
			args{
				"account": r.Account, "role": r.RoleARN, "source": sourceImport, "reported": r.Reported.UnixMilli(),
				"now": s.millis(),
			})
		if err != nil {
			return fmt.Errorf("store report: %w", err)
		}
		if n == 0 {
			return fault.New(fault.Conflict, "a later report of the role is stored already")
		}
		if _, err := q.exec(ctx, `DELETE FROM access_services WHERE account = @account AND role_arn = @role`,
			key); err != nil {
			return fmt.Errorf("delete services: %w", err)
		}
		type service = identity.ServiceAccess
		err = insertRows(ctx, q, "access_services", []column{
			{"account", repeat(r.Account, len(r.Services))},
			{"role_arn", repeat(r.RoleARN, len(r.Services))},
			{"namespace", collect(r.Services, func(a *service) string { return a.Namespace })},
			{"name", collect(r.Services, func(a *service) string { return a.Name })},
			{"last_at", collect(r.Services, func(a *service) *int64 { return nullMillis(a.Last) })},
			{"entity", collect(r.Services, func(a *service) string { return a.Entity })},
			{"region", collect(r.Services, func(a *service) string { return a.Region })},
			{"entities", collect(r.Services, func(a *service) int64 { return int64(a.Entities) })},
		})
		if err != nil {
			return fmt.Errorf("store services: %w", err)
		}
		return nil
	})
}

// deleteAccessReport forgets what a role has used, which is deleted: another one
// of its name has used nothing.
func deleteAccessReport(ctx context.Context, q querier, account, role string) error {
	for _, table := range []string{"access_services", "access_reports"} {
		_, err := q.exec(ctx, `DELETE FROM `+table+` WHERE account = @account AND role_arn = @role`,
			args{"account": account, "role": role})
		if err != nil {
			return fmt.Errorf("delete report: %w", err)
		}
	}
	return nil
}

// AccessReport returns what is known of the services that a role has used, with
// a page of them by namespace, behind one. It is nil where nothing is known.
func (s *Store) AccessReport(ctx context.Context, account, role, after string, limit int) (
	*identity.AccessReport, error,
) {
	r, ok, err := one(ctx, s.read, `SELECT account, role_arn, reported_at FROM access_reports
		WHERE account = @account AND role_arn = @role`, args{"account": account, "role": role}, scanReport)
	if err != nil || !ok {
		return nil, err
	}
	r.Services, err = all(ctx, s.read, `SELECT namespace, name, last_at, entity, region, entities FROM access_services
		WHERE account = @account AND role_arn = @role AND namespace > @after ORDER BY namespace LIMIT @limit`,
		args{"account": account, "role": role, "after": after, "limit": limit},
		func(r scanner) (a identity.ServiceAccess, err error) {
			var last *int64
			err = r.Scan(&a.Namespace, &a.Name, &last, &a.Entity, &a.Region, &a.Entities)
			a.Last = fromNullMillis(last)
			return a, err
		})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	return r, nil
}

func scanReport(r scanner) (*identity.AccessReport, error) {
	report := &identity.AccessReport{}
	var reported int64
	err := r.Scan(&report.Account, &report.RoleARN, &reported)
	report.Reported = fromMillis(reported)
	return report, err
}

// AccessReports returns, inside a slice, which services some roles have used.
// Roles of which nothing is known are not in the answer.
func (s *Store) AccessReports(ctx context.Context, tx durable.Tx, account string, roles []string) (
	map[string]*identity.AccessReport, error,
) {
	q, a := s.slice(tx), args{"account": account}
	in := q.dialect().in("role_arn", "roles", a, roles)
	list, err := all(ctx, q, `SELECT account, role_arn, reported_at FROM access_reports
		WHERE account = @account AND `+in, a, scanReport)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	found := make(map[string]*identity.AccessReport, len(list))
	for _, r := range list {
		found[r.RoleARN] = r
	}
	type row struct {
		role string
		identity.ServiceAccess
	}
	services, err := all(ctx, q, `SELECT role_arn, namespace, last_at FROM access_services
		WHERE account = @account AND `+in, a, func(r scanner) (v row, err error) {
		var last *int64
		err = r.Scan(&v.role, &v.Namespace, &last)
		v.Last = fromNullMillis(last)
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("read services: %w", err)
	}
	for _, v := range services {
		found[v.role].Services = append(found[v.role].Services, v.ServiceAccess)
	}
	return found, nil
}

// maxAccessJobs is how many jobs an account may have in the time that they are
// kept.
const maxAccessJobs = 10_000

// CreateAccessJob stores a job and forgets those of the account that are too
// old. One too many is a Limit fault.
func (s *Store) CreateAccessJob(ctx context.Context, j identity.AccessJob) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		if _, err := q.exec(ctx, `DELETE FROM access_jobs WHERE account = @account AND created_at < @before`,
			args{"account": j.Account, "before": j.Created.Add(-identity.AccessJobRetention).UnixMilli()}); err != nil {
			return fmt.Errorf("delete old jobs: %w", err)
		}
		have, err := count(ctx, q, `SELECT count(*) FROM access_jobs WHERE account = @account`,
			args{"account": j.Account})
		if err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
		if have >= maxAccessJobs {
			return fault.New(fault.Limit, "the account has %d jobs of the last seven days, which is the most", have)
		}
		_, err = q.exec(ctx, `INSERT INTO access_jobs (account, id, role_arn, created_at)
			VALUES (@account, @id, @role, @created)`,
			args{"account": j.Account, "id": j.ID, "role": j.RoleARN, "created": j.Created.UnixMilli()})
		if err != nil {
			return fmt.Errorf("store job: %w", err)
		}
		return nil
	})
}

// AccessJob returns a job of an account that is kept, or a NotFound fault.
func (s *Store) AccessJob(ctx context.Context, account, id string) (identity.AccessJob, error) {
	j, ok, err := one(ctx, s.read, `SELECT account, id, role_arn, created_at FROM access_jobs
		WHERE account = @account AND id = @id AND created_at >= @since`,
		args{"account": account, "id": id, "since": s.now().Add(-identity.AccessJobRetention).UnixMilli()},
		func(r scanner) (j identity.AccessJob, err error) {
			var created int64
			err = r.Scan(&j.Account, &j.ID, &j.RoleARN, &created)
			j.Created = fromMillis(created)
			return j, err
		})
	if err != nil {
		return j, fmt.Errorf("find job: %w", err)
	}
	if !ok {
		return j, fault.New(fault.NotFound, "The job %.64s cannot be found.", id)
	}
	return j, nil
}
