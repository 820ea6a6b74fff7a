package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func scanManagedPolicy(r scanner) (*identity.ManagedPolicy, error) {
	p := &identity.ManagedPolicy{}
	var created, updated int64
	var tags string
	err := r.Scan(&p.Seq, &p.Account, &p.ID, &p.Name, &p.Path, &p.Description, &p.Default, &p.Attached, &p.Bounds,
		&tags, &created, &updated)
	if err != nil {
		return nil, err
	}
	p.Created, p.Updated = fromMillis(created), fromMillis(updated)
	p.Account, p.Path = policyOwner(p.Account, p.Path)
	return p, fromInfoJSON(tags, &p.Tags)
}

// importedMark stands before the path and the folded name of a policy that AWS
// manages and an account has imported. So no policy of its own has its name, and
// it is behind all that are listed.
const importedMark = identity.AWSAccount + ":"

// policyOwner returns whose a policy is that is stored for an account, and its
// path, by the path as it is stored.
func policyOwner(account, stored string) (owner, path string) {
	if path, ok := strings.CutPrefix(stored, importedMark); ok {
		return identity.AWSAccount, path
	}
	return account, stored
}

// policyFold returns the folded name that a policy of an ARN is stored under for
// an account; ok is false when the account has no policy of such an ARN.
func policyFold(account, arn string) (folded string, e identity.EntityARN, ok bool) {
	e, ok = identity.ParseARN(arn)
	switch {
	case !ok || e.Kind != "policy":
		return "", e, false
	case e.Account == identity.AWSAccount:
		return importedMark + identity.Fold(e.Name), e, true
	}
	return identity.Fold(e.Name), e, e.Account == account
}

// findManagedPolicy returns a policy of an account, or one of AWS that it has
// imported, by its ARN.
func findManagedPolicy(ctx context.Context, q querier, account, arn string) (*identity.ManagedPolicy, bool, error) {
	folded, e, ok := policyFold(account, arn)
	if !ok {
		return nil, false, nil
	}
	p, ok, err := one(ctx, q, `SELECT `+managedTable.columns+` FROM iam_policies
		WHERE account = @account AND folded = @folded AND name = @name`,
		args{"account": account, "folded": folded, "name": e.Name}, scanManagedPolicy)
	if err != nil {
		return nil, false, fmt.Errorf("find policy: %w", err)
	}
	if !ok || p.Path != e.Path {
		return nil, false, nil
	}
	return p, true, nil
}

// needManagedPolicy is findManagedPolicy that returns a NotFound fault.
func needManagedPolicy(ctx context.Context, q querier, account, arn string) (*identity.ManagedPolicy, error) {
	p, ok, err := findManagedPolicy(ctx, q, account, arn)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "Policy %s was not found.", arn)
	}
	return p, err
}

// policyUse is how a policy of an account is used: attached, or as the boundary
// of somebody's permissions.
type policyUse string

const (
	asAttached policyUse = "attached"
	asBoundary policyUse = "bounds"
)

// add counts that there is so much more use of a policy, -1 for one less. A
// policy that is not there is NotFound; "" is none. Those of AWS are not counted
// here.
func (use policyUse) add(ctx context.Context, q querier, account, arn string, n int) error {
	if arn == "" || identity.AWSPolicy(arn) != nil {
		return nil
	}
	p, ok, err := findManagedPolicy(ctx, q, account, arn)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, "Policy %s does not exist or is not attachable.", arn)
	}
	column := string(use)
	if _, err := q.exec(ctx, `UPDATE iam_policies SET `+column+` = `+column+` + @n WHERE seq = @seq`,
		args{"n": n, "seq": p.Seq}); err != nil {
		return fmt.Errorf("count uses of a policy: %w", err)
	}
	return nil
}

// CreateManagedPolicy stores a new policy with its first version and sets its
// number. A name that is taken is an Exists fault, one policy more than the
// account may have Limit.
func (s *Store) CreateManagedPolicy(ctx context.Context, p *identity.ManagedPolicy, document string) error {
	return s.writeIAM(ctx, p.Account, func(ctx context.Context, q querier) error {
		return s.insertManagedPolicy(ctx, q, p, []identity.PolicyVersion{
			{Number: p.Default, Document: document, Default: true, Created: p.Created},
		})
	})
}

// insertManagedPolicy stores a policy with its versions, of which the last has
// the highest number.
func (s *Store) insertManagedPolicy(ctx context.Context, q querier, p *identity.ManagedPolicy,
	versions []identity.PolicyVersion,
) (err error) {
	next := 1
	for _, v := range versions {
		next = max(next, v.Number+1)
	}
	p.Seq, err = managedTable.insert(ctx, q, newEntity{p.Account, p.ID, p.Name, p.Path, s.quotas.ManagedPolicies}, args{
		"description": p.Description, "default_version": p.Default, "next_version": next, "tags": infoJSON(p.Tags),
		"created_at": p.Created.UnixMilli(), "updated_at": p.Updated.UnixMilli(),
	})
	for _, v := range versions {
		if err == nil {
			err = insertOne(ctx, q, "iam_policy_versions", args{
				"policy_seq": p.Seq, "version": v.Number, "document": v.Document, "created_at": v.Created.UnixMilli(),
			})
		}
	}
	return err
}

// ManagedPolicy returns a policy of an account, or one of AWS as the account uses
// it, or a NotFound fault.
func (s *Store) ManagedPolicy(ctx context.Context, account, arn string) (*identity.ManagedPolicy, error) {
	if p := identity.AWSPolicy(arn); p != nil {
		return p, s.countAWSUses(ctx, account, p)
	}
	return needManagedPolicy(ctx, s.read, account, arn)
}

// countAWSUses sets how an account uses a policy of AWS.
func (s *Store) countAWSUses(ctx context.Context, account string, p *identity.ManagedPolicy) (err error) {
	a := args{"account": account, "arn": p.ARN()}
	p.Attached, _, err = one(ctx, s.read, `SELECT count(*) FROM iam_attachments
		WHERE account = @account AND policy_arn = @arn`, a, scalar[int])
	if err == nil {
		p.Bounds, _, err = one(ctx, s.read, `SELECT
			(SELECT count(*) FROM iam_users WHERE account = @account AND boundary = @arn AND boundary <> '') +
			(SELECT count(*) FROM iam_roles WHERE account = @account AND boundary = @arn AND boundary <> '')`,
			a, scalar[int])
	}
	if err != nil {
		return fmt.Errorf("count uses of a policy of AWS: %w", err)
	}
	return nil
}

// usageConditions are those of the indexes that hold policies in use.
var usageConditions = map[identity.PolicyUsage]string{
	identity.UsageAttached: " AND attached > 0",
	identity.UsageBoundary: " AND bounds > 0",
}

// ManagedPolicies lists the policies of an account by path and name, without
// those of AWS.
func (s *Store) ManagedPolicies(ctx context.Context, account string, p identity.EntityPage) (
	[]*identity.ManagedPolicy, error,
) {
	return managedTable.list(ctx, s.read, account, p)
}

// DeleteManagedPolicy removes a policy. One that is in use or has versions other
// than the default is a DeleteConflict fault.
func (s *Store) DeleteManagedPolicy(ctx context.Context, account, arn string) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		p, err := needManagedPolicy(ctx, q, account, arn)
		if err != nil {
			return err
		}
		if p.Attached > 0 || p.Bounds > 0 {
			return fault.New(fault.DeleteConflict, "Cannot delete a policy attached to entities.")
		}
		a := args{"seq": p.Seq}
		n, err := count(ctx, q, `SELECT count(*) FROM iam_policy_versions WHERE policy_seq = @seq`, a)
		if err != nil {
			return fmt.Errorf("count versions: %w", err)
		}
		if n > 1 {
			return fault.New(fault.DeleteConflict,
				"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "+
					"The default version is deleted with the policy.")
		}
		for _, text := range []string{
			`DELETE FROM iam_policy_versions WHERE policy_seq = @seq`, `DELETE FROM iam_policies WHERE seq = @seq`,
		} {
			if _, err := q.exec(ctx, text, a); err != nil {
				return fmt.Errorf("delete policy: %w", err)
			}
		}
		return nil
	})
}
