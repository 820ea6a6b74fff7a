package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// AttachManagedPolicy gives an owner a policy of the account or of AWS, if it
// does not have it. A policy that is not there is NotFound, one more than an
// owner may have Limit.
func (s *Store) AttachManagedPolicy(ctx context.Context, o identity.Owner, arn string) error {
	return s.writeIAM(ctx, o.Account, func(ctx context.Context, q querier) error { return s.attach(ctx, q, o, arn) })
}

func (s *Store) attach(ctx context.Context, q querier, o identity.Owner, arn string) error {
	seq, err := ownerSeq(ctx, q, o)
	if err != nil {
		return err
	}
	a := args{"kind": string(o.Kind), "seq": seq, "arn": arn, "account": o.Account}
	n, err := q.exec(ctx, `INSERT INTO iam_attachments (owner_kind, owner_seq, policy_arn, account)
		VALUES (@kind, @seq, @arn, @account) ON CONFLICT (owner_kind, owner_seq, policy_arn) DO NOTHING`, a)
	if err != nil {
		return fmt.Errorf("attach policy: %w", err)
	}
	if n == 0 {
		return nil
	}
	if err := asAttached.add(ctx, q, o.Account, arn, 1); err != nil {
		return err
	}
	have, err := count(ctx, q, `SELECT count(*) FROM iam_attachments WHERE owner_kind = @kind AND owner_seq = @seq`,
		args{"kind": string(o.Kind), "seq": seq})
	if err != nil {
		return fmt.Errorf("count attached policies: %w", err)
	}
	if have > int64(s.quotas.AttachedPolicies) {
		return fault.New(fault.Limit, "Cannot exceed quota for %s: %d", ownerTables[o.Kind].quota,
			s.quotas.AttachedPolicies)
	}
	return nil
}

// DetachManagedPolicy takes a policy from an owner. One that it does not have is
// NotFound.
func (s *Store) DetachManagedPolicy(ctx context.Context, o identity.Owner, arn string) error {
	return s.writeIAM(ctx, o.Account, func(ctx context.Context, q querier) error {
		seq, err := ownerSeq(ctx, q, o)
		if err != nil {
			return err
		}
		n, err := q.exec(ctx, `DELETE FROM iam_attachments
			WHERE owner_kind = @kind AND owner_seq = @seq AND policy_arn = @arn`,
			args{"kind": string(o.Kind), "seq": seq, "arn": arn})
		if err != nil {
			return fmt.Errorf("detach policy: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "Policy %s was not found.", arn)
		}
		return asAttached.add(ctx, q, o.Account, arn, -1)
	})
}

// AttachedManagedPolicies lists the ARNs of the policies that an owner has, in
// their order: as many as the account may attach.
func (s *Store) AttachedManagedPolicies(ctx context.Context, o identity.Owner) ([]string, error) {
	seq, err := ownerSeq(ctx, s.read, o)
	if err != nil {
		return nil, err
	}
	list, err := all(ctx, s.read, `SELECT policy_arn FROM iam_attachments
		WHERE owner_kind = @kind AND owner_seq = @seq ORDER BY policy_arn`,
		args{"kind": string(o.Kind), "seq": seq}, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("list attached policies: %w", err)
	}
	return list, nil
}
