package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// CreatePolicy stores a new policy with the draft as version 1, in force, and
// its tags. A name that is taken is an Exists fault.
func (s *Store) CreatePolicy(ctx context.Context, sc fleet.Scope, d *fleet.PolicyDraft, tags []fleet.Tag) error {
	arn := sc.ARN("policy", d.Policy)
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		seq, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number policy: %w", err)
		}
		n, err := q.exec(ctx, `INSERT INTO policies (seq, scope, name, default_version, next_version, generation,
				created_at, modified_at)
			VALUES (@seq, @scope, @name, 1, 2, @generation, @created, @created) ON CONFLICT (scope, name) DO NOTHING`,
			args{
				"seq": seq[0], "scope": scope, "name": d.Policy, "generation": d.Generation,
				"created": d.Created.UnixMilli(),
			})
		if err != nil {
			return fmt.Errorf("store policy: %w", err)
		}
		if n == 0 {
			f := fault.New(fault.Exists, "Policy cannot be created - name already exists (name=%s)", d.Policy)
			f.ResourceID, f.ResourceARN = d.Policy, arn
			return f
		}
		if err := insertPolicyVersion(ctx, q, scope, versionOf(d, 1)); err != nil {
			return err
		}
		return setTags(ctx, q, scope, arn, tags)
	})
}

func versionOf(d *fleet.PolicyDraft, version int64) *fleet.PolicyVersion {
	return &fleet.PolicyVersion{
		Policy: d.Policy, Version: version, Document: d.Text, Created: d.Created, Blank: d.Document.IsBlank(),
		Broad: d.Verdicts.Broad, DenyWildcards: d.Verdicts.DenyWildcards, DenyBypass: d.Verdicts.DenyBypass,
	}
}

// insertPolicyVersion stores a version with what the checks need to know of
// its document.
func insertPolicyVersion(ctx context.Context, q querier, scope int64, v *fleet.PolicyVersion) error {
	_, err := q.exec(ctx, `INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions,
			deny_wildcards, deny_bypass, created_at)
		VALUES (@scope, @policy, @version, @document, @blank, @broad, @wildcards, @bypass, @created)`,
		args{
			"scope": scope, "policy": v.Policy, "version": v.Version, "document": v.Document, "blank": v.Blank,
			"broad": broadJSON(v.Broad), "wildcards": v.DenyWildcards, "bypass": v.DenyBypass,
			"created": v.Created.UnixMilli(),
		})
	if err != nil {
		return fmt.Errorf("store policy version: %w", err)
	}
	return nil
}

// CreatePolicyVersion stores the draft as the next version of its policy, in
// force if asked, and returns its number. A policy that is not there is a
// NotFound fault, one with all its versions VersionsLimit.
func (s *Store) CreatePolicyVersion(ctx context.Context, sc fleet.Scope, d *fleet.PolicyDraft, inForce bool) (
	version int64, err error,
) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		p, err := lockPolicy(ctx, q, scope, d.Policy)
		if err != nil {
			return err
		}
		if err := p.MayGrow(); err != nil {
			return err
		}
		version = p.Next
		if err := insertPolicyVersion(ctx, q, scope, versionOf(d, version)); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE policies SET next_version = next_version + 1, modified_at = @now
			WHERE scope = @scope AND name = @name`,
			args{"scope": scope, "name": d.Policy, "now": d.Created.UnixMilli()}); err != nil {
			return fmt.Errorf("count version of policy: %w", err)
		}
		if !inForce {
			return nil
		}
		return s.must(ctx, q, scope, fleet.PolicyDefault{Policy: d.Policy, From: p.Default, To: version})
	})
	return version, err
}

const policyColumns = `p.seq, p.name, p.default_version, p.next_version, p.generation, p.created_at, p.modified_at`

func scanPolicy(p *fleet.Policy, more ...any) func(scanner) (bool, error) {
	return func(r scanner) (bool, error) {
		var created, modified int64
		err := r.Scan(append([]any{&p.Seq, &p.Name, &p.Default, &p.Next, &p.Generation, &created, &modified}, more...)...)
		p.Created, p.Modified = fromMillis(created), fromMillis(modified)
		return true, err
	}
}

// lockPolicy reads a policy with the number of its versions and keeps it from
// others until the transaction ends.
func lockPolicy(ctx context.Context, q querier, scope int64, name string) (*fleet.Policy, error) {
	if err := lockRows(ctx, q, policyRows, scope, name); err != nil {
		return nil, fmt.Errorf("lock policy: %w", err)
	}
	p := &fleet.Policy{}
	_, ok, err := one(ctx, q, `SELECT `+policyColumns+`,
			(SELECT count(*) FROM policy_versions v WHERE v.scope = p.scope AND v.policy = p.name)
		FROM policies p WHERE p.scope = @scope AND p.name = @name`,
		args{"scope": scope, "name": name}, scanPolicy(p, &p.Versions))
	if err != nil {
		return nil, fmt.Errorf("find policy: %w", err)
	}
	if !ok {
		return nil, noPolicy(name)
	}
	return p, nil
}

func noPolicy(name string) error { return fault.New(fault.NotFound, "there is no policy %q", name) }

// needPolicy returns a NotFound fault when there is no such policy.
func needPolicy(ctx context.Context, q querier, scope int64, name string) error {
	n, err := count(ctx, q, `SELECT count(*) FROM policies WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name})
	if err != nil {
		return fmt.Errorf("find policy: %w", err)
	}
	if n == 0 {
		return noPolicy(name)
	}
	return nil
}

// PolicyVersion returns a version of a policy with its document, the one in
// force when version is 0, and the policy. It is a NotFound fault when there is
// no such version.
func (s *Store) PolicyVersion(ctx context.Context, sc fleet.Scope, name string, version int64) (
	p *fleet.Policy, v *fleet.PolicyVersion, err error,
) {
	p, v = &fleet.Policy{}, &fleet.PolicyVersion{Policy: name}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		var created int64
		_, ok, err := one(ctx, q, `SELECT `+policyColumns+`, v.version, v.document, v.created_at
			FROM policies p JOIN policy_versions v ON v.scope = p.scope AND v.policy = p.name
				AND v.version = CASE WHEN @version = 0 THEN p.default_version ELSE @version END
			WHERE p.scope = @scope AND p.name = @name`,
			args{"scope": scope, "name": name, "version": version}, scanPolicy(p, &v.Version, &v.Document, &created))
		switch {
		case err != nil:
			return fmt.Errorf("find policy version: %w", err)
		case !ok && version == 0:
			return noPolicy(name)
		case !ok:
			return fleet.NoPolicyVersion(name, fleet.VersionID(version))
		}
		v.Created, v.Default = fromMillis(created), v.Version == p.Default
		return nil
	})
	return p, v, err
}

// PolicyVersions lists the versions of a policy, the newest first, without
// their documents, or returns a NotFound fault.
func (s *Store) PolicyVersions(ctx context.Context, sc fleet.Scope, name string) (
	list []fleet.PolicyVersion, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT v.version, v.version = p.default_version, v.created_at
			FROM policies p JOIN policy_versions v ON v.scope = p.scope AND v.policy = p.name
			WHERE p.scope = @scope AND p.name = @name ORDER BY v.version DESC`,
			args{"scope": scope, "name": name}, func(r scanner) (fleet.PolicyVersion, error) {
				v := fleet.PolicyVersion{Policy: name}
				var created int64
				err := r.Scan(&v.Version, &v.Default, &created)
				v.Created = fromMillis(created)
				return v, err
			})
		if err != nil {
			return fmt.Errorf("list policy versions: %w", err)
		}
		if len(list) == 0 {
			return noPolicy(name)
		}
		return nil
	})
	return list, err
}

// Policies lists a page of policies, without the number of their versions.
func (s *Store) Policies(ctx context.Context, sc fleet.Scope, page fleet.PolicyPage) (list []fleet.Policy, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+policyColumns+` FROM policies p WHERE p.scope = @scope AND `+
			bySeq("p.seq", page.Ascending), args{"scope": scope, "after": page.After, "limit": page.Limit},
			func(r scanner) (p fleet.Policy, err error) {
				_, err = scanPolicy(&p)(r)
				return p, err
			})
		return err
	})
	return list, err
}

// SetDefaultPolicyVersion puts a version of a policy in force; the one that is
// already changes nothing. One that is not there is a NotFound fault.
func (s *Store) SetDefaultPolicyVersion(ctx context.Context, sc fleet.Scope, name string, version int64) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		p, err := lockPolicy(ctx, q, scope, name)
		if err != nil || p.Default == version {
			return err
		}
		if err := needVersion(ctx, q, scope, name, version); err != nil {
			return err
		}
		return s.must(ctx, q, scope, fleet.PolicyDefault{Policy: name, From: p.Default, To: version})
	})
}

func needVersion(ctx context.Context, q querier, scope int64, name string, version int64) error {
	n, err := count(ctx, q, `SELECT count(*) FROM policy_versions
		WHERE scope = @scope AND policy = @name AND version = @version`,
		args{"scope": scope, "name": name, "version": version})
	if err != nil {
		return fmt.Errorf("find policy version: %w", err)
	}
	if n == 0 {
		return fleet.NoPolicyVersion(name, fleet.VersionID(version))
	}
	return nil
}

// DeletePolicyVersion removes a version that is not in force. One that is not
// there is a NotFound fault.
func (s *Store) DeletePolicyVersion(ctx context.Context, sc fleet.Scope, name string, version int64) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		p, err := lockPolicy(ctx, q, scope, name)
		if err != nil {
			return err
		}
		if err := p.VersionDeletable(version); err != nil {
			return err
		}
		n, err := q.exec(ctx, `DELETE FROM policy_versions WHERE scope = @scope AND policy = @name AND version = @version`,
			args{"scope": scope, "name": name, "version": version})
		if err != nil {
			return fmt.Errorf("delete policy version: %w", err)
		}
		if n == 0 {
			return fleet.NoPolicyVersion(name, fleet.VersionID(version))
		}
		return nil
	})
}

// DeletePolicy removes a policy by the rule of [fleet.Policy.Deletable]. One
// that is not there is a NotFound fault.
func (s *Store) DeletePolicy(ctx context.Context, sc fleet.Scope, name string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		p, err := lockPolicy(ctx, q, scope, name)
		if err != nil {
			return err
		}
		targets, err := policyTargets(ctx, q, scope, name, fleet.TargetPage{Limit: 1})
		if err != nil {
			return err
		}
		if err := p.Deletable(len(targets) > 0); err != nil {
			return err
		}
		if err := deleteTags(ctx, q, scope, sc.ARN("policy", name)); err != nil {
			return err
		}
		_, err = q.exec(ctx, `DELETE FROM policies WHERE scope = @scope AND name = @name`, args{"scope": scope, "name": name})
		if err != nil && q.dialect().reference(err) {
			return p.Deletable(true) // attached since we looked
		}
		if err != nil {
			return fmt.Errorf("delete policy: %w", err)
		}
		return nil
	})
}
