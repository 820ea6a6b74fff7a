package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func scanManagedVersion(r scanner) (v identity.PolicyVersion, err error) {
	var created int64
	err = r.Scan(&v.Number, &v.Document, &v.Default, &created)
	v.Created = fromMillis(created)
	return v, err
}

const managedVersions = `SELECT v.version, v.document, v.version = p.default_version, v.created_at
	FROM iam_policies p JOIN iam_policy_versions v ON v.policy_seq = p.seq WHERE p.seq = @seq`

func noSuchVersion(arn string, number int) error {
	return fault.New(fault.NotFound, "Policy %s version v%d does not exist or is not attachable.", arn, number)
}

// AddManagedVersion stores one more version of a policy, with the number that it
// sets, and makes it the default if v says so. One more than a policy may have is
// a Limit fault.
func (s *Store) AddManagedVersion(ctx context.Context, account, arn string, v *identity.PolicyVersion) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		p, err := needManagedPolicy(ctx, q, account, arn)
		if err != nil {
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM iam_policy_versions WHERE policy_seq = @seq`,
			args{"seq": p.Seq})
		if err != nil {
			return fmt.Errorf("count versions: %w", err)
		}
		if have >= identity.MaxVersions {
			return fault.New(fault.Limit, "A managed policy can have up to %d versions. "+
				"Before you create a new version, you must delete an existing version.", identity.MaxVersions)
		}
		next, _, err := one(ctx, q, `SELECT next_version FROM iam_policies WHERE seq = @seq`, args{"seq": p.Seq},
			scalar[int])
		if err != nil {
			return fmt.Errorf("number version: %w", err)
		}
		v.Number = next
		if v.Default {
			p.Default = next
		}
		err = insertOne(ctx, q, "iam_policy_versions", args{
			"policy_seq": p.Seq, "version": next, "document": v.Document, "created_at": v.Created.UnixMilli(),
		})
		if err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE iam_policies
			SET next_version = @next, default_version = @default, updated_at = @now WHERE seq = @seq`,
			args{"seq": p.Seq, "next": next + 1, "default": p.Default, "now": s.millis()}); err != nil {
			return fmt.Errorf("store policy: %w", err)
		}
		return nil
	})
}

// ManagedVersion returns a version of a policy of the account or of AWS, or a
// NotFound fault.
func (s *Store) ManagedVersion(ctx context.Context, account, arn string, number int) (*identity.PolicyVersion, error) {
	list, err := s.ManagedVersions(ctx, account, arn)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Number == number {
			return &list[i], nil
		}
	}
	return nil, noSuchVersion(arn, number)
}

// ManagedVersions lists the versions of a policy of the account or of AWS, the
// newest first, or returns a NotFound fault.
func (s *Store) ManagedVersions(ctx context.Context, account, arn string) ([]identity.PolicyVersion, error) {
	if v := identity.AWSPolicyVersion(arn); v != nil {
		return []identity.PolicyVersion{*v}, nil
	}
	p, err := needManagedPolicy(ctx, s.read, account, arn)
	if err != nil {
		return nil, err
	}
	list, err := all(ctx, s.read, managedVersions+` ORDER BY v.version DESC`, args{"seq": p.Seq}, scanManagedVersion)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return list, nil
}

// SetDefaultManagedVersion makes a version of a policy the one that holds.
func (s *Store) SetDefaultManagedVersion(ctx context.Context, account, arn string, number int) error {
	return s.changeVersion(ctx, account, arn, number, func(ctx context.Context, q querier, v managedVersion) error {
		_, err := q.exec(ctx, `UPDATE iam_policies SET default_version = @version, updated_at = @now WHERE seq = @seq`,
			args{"seq": v.policy, "version": number, "now": s.millis()})
		return err
	})
}

// DeleteManagedVersion removes a version of a policy. The default is a
// DeleteConflict fault.
func (s *Store) DeleteManagedVersion(ctx context.Context, account, arn string, number int) error {
	return s.changeVersion(ctx, account, arn, number, func(ctx context.Context, q querier, v managedVersion) error {
		if v.holds {
			return fault.New(fault.DeleteConflict, "Cannot delete the default version of a policy.")
		}
		_, err := q.exec(ctx, `DELETE FROM iam_policy_versions WHERE policy_seq = @seq AND version = @version`,
			args{"seq": v.policy, "version": number})
		return err
	})
}

// managedVersion is a version of the policy with a number.
type managedVersion struct {
	policy int64
	holds  bool
}

func (s *Store) changeVersion(ctx context.Context, account, arn string, number int,
	change func(ctx context.Context, q querier, v managedVersion) error,
) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		p, err := needManagedPolicy(ctx, q, account, arn)
		if err != nil {
			return err
		}
		v, ok, err := one(ctx, q, managedVersions+` AND v.version = @version`,
			args{"seq": p.Seq, "version": number}, scanManagedVersion)
		if err == nil && !ok {
			return noSuchVersion(arn, number)
		}
		if err == nil {
			err = change(ctx, q, managedVersion{p.Seq, v.Default})
		}
		if err != nil {
			return fmt.Errorf("change version: %w", err)
		}
		return nil
	})
}
