package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func scanRole(r scanner) (*identity.Role, error) {
	role := &identity.Role{}
	var created, used int64
	var tags string
	err := r.Scan(&role.Seq, &role.Account, &role.ID, &role.Name, &role.Path, &role.Trust, &role.Description,
		&role.MaxSession, &role.Boundary, &tags, &created, &used, &role.LastUsedRegion)
	if err != nil {
		return nil, err
	}
	role.Created, role.LastUsed = fromMillis(created), fromZero(used)
	return role, fromInfoJSON(tags, &role.Tags)
}

func findRole(ctx context.Context, q querier, account, name string) (*identity.Role, error) {
	role, ok, err := roleTable.find(ctx, q, account, name)
	if err == nil && !ok {
		err = noSuchEntity("role", name)
	}
	return role, err
}

// CreateRole stores a new role and sets its number. A name that is taken is an
// Exists fault, a boundary that is not there NotFound, one role more than the
// account may have and a trust policy that is too long Limit.
func (s *Store) CreateRole(ctx context.Context, role *identity.Role) error {
	return s.writeIAM(ctx, role.Account, func(ctx context.Context, q querier) error {
		return s.insertRole(ctx, q, role)
	})
}

func (s *Store) insertRole(ctx context.Context, q querier, role *identity.Role) (err error) {
	if err := s.checkTrustSize(role); err != nil {
		return err
	}
	if err := asBoundary.add(ctx, q, role.Account, role.Boundary, 1); err != nil {
		return err
	}
	role.Seq, err = roleTable.insert(ctx, q, newEntity{role.Account, role.ID, role.Name, role.Path, s.quotas.Roles}, args{
		"trust": role.Trust, "description": role.Description, "max_session": role.MaxSession, "boundary": role.Boundary,
		"tags": infoJSON(role.Tags), "created_at": role.Created.UnixMilli(),
	})
	return err
}

func (s *Store) checkTrustSize(role *identity.Role) error {
	if identity.DocumentSize(role.Trust) > s.quotas.TrustPolicySize {
		return fault.New(fault.Limit, "Cannot exceed quota for ACLSizePerRole: %d", s.quotas.TrustPolicySize)
	}
	return nil
}

// Role returns a role by its exact name, or a NotFound fault.
func (s *Store) Role(ctx context.Context, account, name string) (*identity.Role, error) {
	return findRole(ctx, s.read, account, name)
}

// Roles lists roles by path and name.
func (s *Store) Roles(ctx context.Context, account string, p identity.EntityPage) ([]*identity.Role, error) {
	return roleTable.list(ctx, s.read, account, p)
}

// UpdateRole stores what change makes of a role's trust policy, description,
// duration and tags, or returns a NotFound fault, or what change refuses. A trust
// policy that is too long is a Limit fault.
func (s *Store) UpdateRole(ctx context.Context, account, name string, change func(*identity.Role) error) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		role, err := findRole(ctx, q, account, name)
		if err != nil {
			return err
		}
		if err := change(role); err != nil {
			return err
		}
		if err := s.checkTrustSize(role); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE iam_roles
			SET trust = @trust, description = @description, max_session = @max, tags = @tags WHERE seq = @seq`,
			args{
				"trust": role.Trust, "description": role.Description, "max": role.MaxSession,
				"tags": infoJSON(role.Tags), "seq": role.Seq,
			}); err != nil {
			return fmt.Errorf("store role: %w", err)
		}
		return nil
	})
}

// DeleteRole removes a role and what is known of the services that it has used.
// One that has policies is a DeleteConflict fault.
func (s *Store) DeleteRole(ctx context.Context, account, name string) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		role, err := findRole(ctx, q, account, name)
		if err != nil {
			return err
		}
		o := identity.Owner{Kind: identity.OwnerRole, Account: account, Name: name}
		if err := deleteAccessReport(ctx, q, account, role.ARN()); err != nil {
			return err
		}
		return deleteOwner(ctx, q, o, role.Seq, role.Boundary)
	})
}
