package store

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// nested is a statement, or a part of one, that reads few rows of tables for
// each row before them: what it joins so is written CROSS JOIN table t ON (…).
// That is how SQLite reads it. PostgreSQL, which guesses that there is much of
// what it cannot count, is made to.
type nested struct{ sqlite, postgres string }

var nestedJoin = regexp.MustCompile(`CROSS JOIN (\w+) (\w+)\s+ON \(([^()]*)\)`)

func nest(text string) nested {
	return nested{text, nestedJoin.ReplaceAllString(text, `CROSS JOIN LATERAL (SELECT * FROM $1 $2 WHERE $3 OFFSET 0) $2`)}
}

func (n nested) text(d *dialect) string {
	if d == postgresDialect {
		return n.postgres
	}
	return n.sqlite
}

// treeText follows a table of holders in a WITH clause: n, a certificate, a
// thing and a group, each of them ” for none. Its tree is the groups that the
// thing is in, the group, and all above them; held is what the policies of a
// holder are attached to.
const treeText = `tree (n, thing, name, parent) AS (
		SELECT h.n, h.thing, g.name, g.parent FROM holders h
			CROSS JOIN group_members m ON (h.thing <> '' AND m.scope = @scope AND m.thing = h.thing)
			CROSS JOIN thing_groups g ON (g.seq = m.thing_group)
		UNION ALL
		SELECT h.n, h.thing, g.name, g.parent FROM holders h
			CROSS JOIN thing_groups g ON (h.grp <> '' AND g.scope = @scope AND g.name = h.grp)
		UNION
		SELECT below.n, below.thing, g.name, g.parent FROM tree below
			CROSS JOIN thing_groups g ON (g.scope = @scope AND g.name = below.parent)),
	held (n, thing, target) AS (
		SELECT n, '', 'cert/' || certificate FROM holders WHERE certificate <> ''
		UNION ALL
		SELECT n, thing, 'thinggroup/' || name FROM tree)`

// barsText reads the account, and certificates by refs.
const barsText = `
	SELECT 0, -1, a.status, '', '', '', '', '', '', '', FALSE, 0, 0, 0, 0, 0, 0, 0 FROM accounts a WHERE a.id = @account
	UNION ALL
	SELECT 1, r.n, c.id, c.status, c.mode, c.ca_id, c.key_type, c.debian_digest, c.badkeys_digest, c.generation, c.roca,
			c.seq, c.key_bits, c.not_before, c.not_after, c.customer_version, c.created_at, c.modified_at
		FROM refs r CROSS JOIN certificates c ON (c.scope = @scope AND c.id = r.certificate)`

var barsOnly = nest(barsText)

// devicesText reads what decides about connections, in rows of several kinds:
// see deviceRow. Of the things of a certificate it reads those alone that it can
// stand for by the rule of [fleet.StandsFor]: the one that is called like the
// client, and the one that it is attached to exclusively.
var devicesText = nest(`,
	candidates (n, thing, exclusive) AS (
		SELECT r.n, p.thing, p.exclusive FROM refs r CROSS JOIN thing_principals p
			ON (p.scope = @scope AND p.certificate = r.certificate AND p.thing = r.client)
		UNION ALL
		SELECT r.n, p.thing, p.exclusive FROM refs r CROSS JOIN thing_principals p
			ON (p.scope = @scope AND p.certificate = r.certificate AND p.exclusive AND p.thing <> r.client)),
	holders (n, certificate, thing, grp) AS (
		SELECT n, certificate, '', '' FROM refs
		UNION ALL
		SELECT n, '', thing, '' FROM candidates),
	` + treeText + barsText + `
	UNION ALL
	SELECT 2, r.n, t.name, t.id, t.thing_type, t.attributes, '', '', '', '', r.exclusive, t.version, t.created_at,
			0, 0, 0, 0, 0
		FROM candidates r CROSS JOIN things t ON (t.scope = @scope AND t.name = r.thing)
	UNION ALL
	SELECT 3, n, thing, name, '', '', '', '', '', '', FALSE, 0, 0, 0, 0, 0, 0, 0 FROM tree
	UNION ALL
	SELECT 4, h.n, h.thing, p.name, '', '', '', '', '', '', FALSE, p.seq, p.default_version, 0, 0, 0, 0, 0
		FROM held h CROSS JOIN policy_targets t ON (t.scope = @scope AND t.target = h.target)
			CROSS JOIN policies p ON (p.scope = @scope AND p.name = t.policy)
	UNION ALL
	SELECT 5, r.n, '', '', '', '', '', '', '', '', FALSE, 0, 0, 0, 0, 0, 0, 0 FROM refs r
		WHERE EXISTS (SELECT 1 FROM thing_principals p
			WHERE p.scope = @scope AND p.certificate = r.certificate AND NOT p.exclusive)`)

// The kinds of rows of devicesText.
const (
	accountRow = iota
	certificateRowKind
	thingRow
	groupRow
	policyRow
	sharedRow
)

// deviceRow is a row of devicesText: what it is about, in which order its texts
// and numbers come, is said there.
type deviceRow struct {
	kind, n int64
	text    [8]string
	flag    bool
	number  [7]int64
}

func scanDeviceRow(r scanner) (row deviceRow, err error) {
	t, i := &row.text, &row.number
	return row, r.Scan(&row.kind, &row.n, &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7], &row.flag,
		&i[0], &i[1], &i[2], &i[3], &i[4], &i[5], &i[6])
}

// Devices reads what decides about some connections of a scope, in the order of
// refs, by one statement. A scope that nothing was ever stored in has none of
// them, and an account that is not there may not connect.
func (s *Store) Devices(ctx context.Context, sc fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	return s.devices(ctx, sc, refs, devicesText)
}

// Bars reads of the same certificate and account alone.
func (s *Store) Bars(ctx context.Context, sc fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	list, err := s.devices(ctx, sc, refs, barsOnly)
	for i := range list {
		list[i].AnyClient = false // nobody looked
	}
	return list, err
}

func (s *Store) devices(ctx context.Context, sc fleet.Scope, refs []fleet.DeviceRef, what nested) (
	list []fleet.Device, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"scope": scope, "account": sc.Account}
		text := `WITH RECURSIVE ` + givenRows(q.dialect(), a, "refs", []column{
			{"certificate", collect(refs, func(r *fleet.DeviceRef) string { return r.Certificate })},
			{"client", collect(refs, func(r *fleet.DeviceRef) string { return r.ClientID })},
		}) + what.text(q.dialect())
		rows, err := all(ctx, q, text, a, scanDeviceRow)
		if err == nil {
			list, err = devicesOf(refs, rows)
		}
		if err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		return nil
	})
	return list, err
}

// devicesOf puts devices together.
func devicesOf(refs []fleet.DeviceRef, rows []deviceRow) ([]fleet.Device, error) {
	found := make([]foundDevice, len(refs))
	disabled := true
	for i := range rows {
		row := &rows[i]
		if row.kind == accountRow {
			disabled = identity.Status(row.text[0]) != identity.Active
			continue
		}
		if err := found[row.n].add(row); err != nil {
			return nil, err
		}
	}
	out := make([]fleet.Device, len(refs))
	for i := range found {
		out[i] = found[i].device(refs[i].ClientID)
		out[i].AccountDisabled = disabled
	}
	return out, nil
}

// foundDevice collects the rows of one device.
type foundDevice struct {
	certificate *fleet.Certificate
	attached    []fleet.Attachment
	things      []*fleet.Thing
	groups      []thingGroup
	policies    []thingPolicy
	shared      bool // the certificate has things that it is not attached to exclusively
}

// thingGroup is a group of a thing.
type thingGroup struct{ thing, group string }

// thingPolicy is a policy of a thing's groups or, with no thing, of the
// certificate.
type thingPolicy struct {
	thing string
	ref   fleet.PolicyRef
}

func (d *foundDevice) add(row *deviceRow) error {
	text, number := &row.text, &row.number
	switch row.kind {
	case certificateRowKind:
		d.certificate = &fleet.Certificate{
			ID: text[0], Status: fleet.Status(text[1]), Mode: fleet.Mode(text[2]), CAID: text[3],
			Key: fleet.Key{
				Type: text[4], Bits: int(number[1]), ROCA: row.flag, DebianDigest: text[5], BadkeysDigest: text[6],
			},
			Generation: text[7], Seq: number[0], NotBefore: fromMillis(number[2]), NotAfter: fromMillis(number[3]),
			CustomerVersion: number[4], Created: fromMillis(number[5]), Modified: fromMillis(number[6]),
		}
	case thingRow:
		at := fleet.Attachment{Thing: text[0], Type: fleet.NonExclusive}
		if row.flag {
			at.Type = fleet.Exclusive
		}
		t := &fleet.Thing{
			Name: text[0], ID: text[1], Type: text[2], Version: number[0], Created: fromMillis(number[1]),
		}
		d.attached, d.things = append(d.attached, at), append(d.things, t)
		return fromJSON(text[3], &t.Attributes)
	case groupRow:
		d.groups = append(d.groups, thingGroup{text[0], text[1]})
	case policyRow:
		ref := fleet.PolicyRef{Name: text[1], Seq: number[0], Version: number[1]}
		d.policies = append(d.policies, thingPolicy{text[0], ref})
	case sharedRow:
		d.shared = true
	}
	return nil
}

// device is what was found, of the thing that the certificate stands for alone.
func (d *foundDevice) device(clientID string) fleet.Device {
	out := fleet.Device{Certificate: d.certificate, AnyClient: !d.shared}
	if d.certificate == nil {
		return out
	}
	name := fleet.StandsFor(d.attached, clientID)
	for _, t := range d.things {
		if t.Name == name {
			out.Thing = t
		}
	}
	for _, g := range d.groups {
		if g.thing == name {
			out.Groups = append(out.Groups, g.group)
		}
	}
	for _, p := range d.policies {
		if p.thing == "" || p.thing == name {
			out.Policies = append(out.Policies, p.ref)
		}
	}
	slices.Sort(out.Groups)
	slices.SortFunc(out.Policies, func(a, b fleet.PolicyRef) int { return cmp.Compare(a.Name, b.Name) })
	out.Policies = slices.Compact(out.Policies)
	return out
}

var documentsText = nest(` SELECT p.seq, p.name, v.version, v.version = p.default_version, v.document, v.created_at
	FROM refs r CROSS JOIN policies p ON (p.scope = @scope AND p.name = r.name AND p.seq = r.seq)
		CROSS JOIN policy_versions v ON (v.scope = @scope AND v.policy = r.name AND v.version = r.version)`)

// PolicyDocuments reads versions of policies, with their documents, in no
// order. One that is gone is left out, and so is one of a policy that only has
// the name of the one that is meant.
func (s *Store) PolicyDocuments(ctx context.Context, sc fleet.Scope, refs []fleet.PolicyRef) (
	list []fleet.PolicyVersion, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"scope": scope}
		list, err = all(ctx, q, `WITH `+givenRows(q.dialect(), a, "refs", []column{
			{"name", collect(refs, func(r *fleet.PolicyRef) string { return r.Name })},
			{"seq", collect(refs, func(r *fleet.PolicyRef) int64 { return r.Seq })},
			{"version", collect(refs, func(r *fleet.PolicyRef) int64 { return r.Version })},
		})+documentsText.text(q.dialect()), a, scanPolicyVersion)
		if err != nil {
			return fmt.Errorf("read documents of policies: %w", err)
		}
		return nil
	})
	return list, err
}
