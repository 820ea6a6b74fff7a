package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// maxRawInline bounds the bytes of all inline policies of an owner, with the
// white space that the quota does not count.
const maxRawInline = 1 << 18

func noSuchInline(o identity.Owner, name string) error {
	return fault.New(fault.NotFound, "The %s policy with name %s cannot be found.", o.Kind, name)
}

// PutInlinePolicy stores a policy of an owner, in place of one with its name.
// More than the policies of an owner may have of characters is a Limit fault.
func (s *Store) PutInlinePolicy(ctx context.Context, o identity.Owner, p identity.InlinePolicy) error {
	return s.writeIAM(ctx, o.Account, func(ctx context.Context, q querier) error { return putInline(ctx, q, o, p) })
}

func putInline(ctx context.Context, q querier, o identity.Owner, p identity.InlinePolicy) error {
	seq, err := ownerSeq(ctx, q, o)
	if err != nil {
		return err
	}
	a := args{"kind": string(o.Kind), "seq": seq}
	others, err := all(ctx, q, `SELECT document FROM iam_inline_policies
		WHERE owner_kind = @kind AND owner_seq = @seq AND name <> @name`,
		args{"kind": string(o.Kind), "seq": seq, "name": p.Name}, scalar[string])
	if err != nil {
		return fmt.Errorf("measure inline policies: %w", err)
	}
	size, raw, most := 0, 0, identity.MaxInlineSize(o.Kind)
	for _, document := range append(others, p.Document) {
		size, raw = size+identity.DocumentSize(document), raw+len(document)
	}
	if size > most || raw > maxRawInline {
		return fault.New(fault.Limit, "Maximum policy size of %d bytes exceeded for %s %s", most, o.Kind, o.Name)
	}
	a["name"], a["document"] = p.Name, p.Document
	if _, err := q.exec(ctx, `INSERT INTO iam_inline_policies (owner_kind, owner_seq, name, document)
		VALUES (@kind, @seq, @name, @document)
		ON CONFLICT (owner_kind, owner_seq, name) DO UPDATE SET document = excluded.document`, a); err != nil {
		return fmt.Errorf("store inline policy: %w", err)
	}
	return nil
}

// InlinePolicy returns a policy of an owner, or a NotFound fault.
func (s *Store) InlinePolicy(ctx context.Context, o identity.Owner, name string) (*identity.InlinePolicy, error) {
	list, err := s.InlinePolicies(ctx, o)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == name {
			return &list[i], nil
		}
	}
	return nil, noSuchInline(o, name)
}

// InlinePolicies lists the policies of an owner by name. Their size together is
// bounded.
func (s *Store) InlinePolicies(ctx context.Context, o identity.Owner) ([]identity.InlinePolicy, error) {
	seq, err := ownerSeq(ctx, s.read, o)
	if err != nil {
		return nil, err
	}
	list, err := all(ctx, s.read, `SELECT name, document FROM iam_inline_policies
		WHERE owner_kind = @kind AND owner_seq = @seq ORDER BY name`, args{"kind": string(o.Kind), "seq": seq},
		func(r scanner) (p identity.InlinePolicy, err error) { return p, r.Scan(&p.Name, &p.Document) })
	if err != nil {
		return nil, fmt.Errorf("list inline policies: %w", err)
	}
	return list, nil
}

// DeleteInlinePolicy removes a policy of an owner, or is NotFound.
func (s *Store) DeleteInlinePolicy(ctx context.Context, o identity.Owner, name string) error {
	return s.writeIAM(ctx, o.Account, func(ctx context.Context, q querier) error {
		seq, err := ownerSeq(ctx, q, o)
		if err != nil {
			return err
		}
		n, err := q.exec(ctx, `DELETE FROM iam_inline_policies
			WHERE owner_kind = @kind AND owner_seq = @seq AND name = @name`,
			args{"kind": string(o.Kind), "seq": seq, "name": name})
		if err != nil {
			return fmt.Errorf("delete inline policy: %w", err)
		}
		if n == 0 {
			return noSuchInline(o, name)
		}
		return nil
	})
}
