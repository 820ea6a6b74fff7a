package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// importing is one batch of an import on its way into the database: what it
// touches is read and locked as sets, judged device by device with what the
// devices before it come to, and written as sets.
type importing struct {
	ctx     context.Context
	s       *Store
	q       querier
	scope   int64
	devices []fleet.ImportDevice

	// What is there, and what will be.
	things   map[string]*fleet.Thing
	types    map[string]error // why a type cannot be given
	groups   map[string]*fleet.Group
	member   map[string][]fleet.Membership // by thing
	certs    map[string]*fleet.Certificate // by id
	cas      map[string]error              // why a CA signs no certificates, by id
	attached map[string][]fleet.Attachment // by certificate
	policies map[string]bool               // by name
	carried  map[string][]string           // policies by certificate

	newThings      []*fleet.Thing
	newCerts       []fleet.Certificate
	newAttachments []fleet.Attachment
	newTargets     [][2]string // certificate and policy
	joins          []fleet.Change
}

func newImporting(ctx context.Context, s *Store, q querier, scope int64, devices []fleet.ImportDevice) *importing {
	return &importing{
		ctx: ctx, s: s, q: q, scope: scope, devices: devices,
		things: map[string]*fleet.Thing{}, types: map[string]error{}, groups: map[string]*fleet.Group{},
		member: map[string][]fleet.Membership{}, certs: map[string]*fleet.Certificate{}, cas: map[string]error{},
		attached: map[string][]fleet.Attachment{}, policies: map[string]bool{}, carried: map[string][]string{},
	}
}

// named collects what the devices that are not refused name.
func (im *importing) named(of func(*fleet.ImportDevice) []string) []string {
	set := map[string]bool{}
	for i := range im.devices {
		if d := &im.devices[i]; d.Refused == "" {
			for _, name := range of(d) {
				if name != "" {
					set[name] = true
				}
			}
		}
	}
	return sortedKeys(set)
}

func thingOf(d *fleet.ImportDevice) []string {
	if d.Thing == nil {
		return nil
	}
	return []string{d.Thing.Name}
}

func typeOf(d *fleet.ImportDevice) []string {
	if d.Thing == nil {
		return nil
	}
	return []string{d.Thing.Type}
}

func certificateOf(d *fleet.ImportDevice) []string {
	if d.Certificate == nil {
		return nil
	}
	return []string{d.Certificate.ID}
}

func caOfDevice(d *fleet.ImportDevice) []string {
	if d.Certificate == nil {
		return nil
	}
	return []string{d.Certificate.CAID}
}

// look reads and locks what the batch touches.
func (im *importing) look() error {
	for _, step := range []func() error{
		im.lookAtThings, im.lookAtGroups, im.lookAtCertificates, im.lookAtPolicies,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("look at what is imported: %w", err)
		}
	}
	return nil
}

// read reads rows by a set of keys.
func read[T any](im *importing, text, column string, keys []string, scan func(scanner) (T, error)) ([]T, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	a := args{"scope": im.scope}
	return all(im.ctx, im.q, text+im.q.dialect().in(column, "keys", a, keys), a, scan)
}

func (im *importing) lookAtThings() error {
	names := im.named(thingOf)
	if err := lockRows(im.ctx, im.q, thingRows, im.scope, names...); err != nil {
		return err
	}
	list, err := read(im, `SELECT `+thingColumns+` FROM things t WHERE t.scope = @scope AND `, "t.name", names, scanThing)
	if err != nil {
		return err
	}
	there := make([]string, len(list))
	for i, t := range list {
		im.things[t.Name], there[i] = t, t.Name
	}
	for _, name := range im.named(typeOf) {
		err := giveType(im.ctx, im.q, im.scope, name)
		if err != nil && fault.From(err) == nil {
			return err
		}
		im.types[name] = err
	}
	in, err := lockMemberships(im.ctx, im.q, im.scope, there)
	for thing, list := range in {
		im.member[thing] = list
	}
	return err
}

func (im *importing) lookAtGroups() error {
	names := im.named(func(d *fleet.ImportDevice) []string { return d.Groups })
	if err := lockRows(im.ctx, im.q, groupRows, im.scope, names...); err != nil {
		return err
	}
	list, err := read(im, `SELECT `+groupColumns+` FROM thing_groups g WHERE g.scope = @scope AND `, "g.name", names,
		scanGroup)
	for _, g := range list {
		im.groups[g.Name] = g
	}
	return err
}

func (im *importing) lookAtCertificates() error {
	ids := im.named(certificateOf)
	if err := lockRows(im.ctx, im.q, certificateRows, im.scope, ids...); err != nil {
		return err
	}
	list, err := read(im, `SELECT `+certificateColumns+` FROM certificates c WHERE c.scope = @scope AND `, "c.id", ids,
		scanCertificate())
	if err != nil {
		return err
	}
	there := make([]string, len(list))
	targets := make([]string, len(list))
	for i, c := range list {
		im.certs[c.ID], there[i] = c, c.ID
		targets[i] = fleet.Target{Kind: fleet.TargetCertificate, Name: c.ID}.String()
	}
	for _, id := range im.named(caOfDevice) {
		err := activeCA(im.ctx, im.q, im.scope, id)
		if err != nil && fault.From(err) == nil {
			return err
		}
		im.cas[id] = err
	}
	attached, err := read(im, `SELECT thing, certificate, exclusive FROM thing_principals WHERE scope = @scope AND `,
		"certificate", there, scanAttachment)
	if err != nil {
		return err
	}
	for _, at := range attached {
		im.attached[at.Certificate] = append(im.attached[at.Certificate], at)
	}
	carried, err := read(im, `SELECT target, policy FROM policy_targets WHERE scope = @scope AND `, "target", targets,
		func(r scanner) (p [2]string, err error) { return p, r.Scan(&p[0], &p[1]) })
	for _, p := range carried {
		id := strings.TrimPrefix(p[0], string(fleet.TargetCertificate)+"/")
		im.carried[id] = append(im.carried[id], p[1])
	}
	return err
}

func (im *importing) lookAtPolicies() error {
	names := im.named(func(d *fleet.ImportDevice) []string { return d.Policies })
	list, err := read(im, `SELECT name FROM policies WHERE scope = @scope AND `, "name", names, scalar[string])
	for _, name := range list {
		im.policies[name] = true
	}
	return err
}

// judge decides what a device comes to, and notes it. It reports whether that
// is anything. A fault refuses the device; nothing of it is noted then.
func (im *importing) judge(d *fleet.ImportDevice) (changed bool, err error) {
	if d.Refused != "" {
		return false, fault.New(fault.Invalid, "%s", d.Refused)
	}
	var p planned
	for _, step := range []func(*fleet.ImportDevice, *planned) error{
		im.judgeThing, im.judgeCertificate, im.judgeAttachment, im.judgeGroups, im.judgePolicies,
	} {
		if err := step(d, &p); err != nil {
			return false, err
		}
	}
	return im.note(d, &p), nil
}

// planned is what one device comes to.
type planned struct {
	thing, certificate, attachment bool
	joins                          []fleet.Change
	policies                       []string
}

func (im *importing) judgeThing(d *fleet.ImportDevice, p *planned) error {
	if d.Thing == nil {
		return nil
	}
	have := im.things[d.Thing.Name]
	if have != nil {
		if !d.Thing.Same(have) {
			return fault.New(fault.Exists, "a thing %q exists with another type or other attributes", have.Name)
		}
		return nil
	}
	p.thing = true
	return im.types[d.Thing.Type]
}

func (im *importing) judgeCertificate(d *fleet.ImportDevice, p *planned) error {
	if d.Certificate == nil {
		return nil
	}
	have := im.certs[d.Certificate.ID]
	if have != nil {
		if have.Status != d.Certificate.Status {
			return fault.New(fault.Exists, "certificate %s is registered and %s, not %s", have.ID, have.Status,
				d.Certificate.Status)
		}
		return nil
	}
	p.certificate = true
	return im.cas[d.Certificate.CAID]
}

func (im *importing) judgeAttachment(d *fleet.ImportDevice, p *planned) (err error) {
	if d.Thing == nil || d.Certificate == nil {
		return nil
	}
	at := fleet.Attachment{Thing: d.Thing.Name, Certificate: d.Certificate.ID, Type: fleet.NonExclusive}
	var own, other *fleet.Attachment
	for i, have := range im.attached[at.Certificate] {
		if have.Thing == at.Thing {
			own = &im.attached[at.Certificate][i]
		} else {
			other = &im.attached[at.Certificate][i]
		}
	}
	p.attachment, err = fleet.MayAttach(at, own, other)
	return err
}

func (im *importing) judgeGroups(d *fleet.ImportDevice, p *planned) error {
	if len(d.Groups) == 0 {
		return nil
	}
	for _, name := range d.Groups {
		if im.groups[name] == nil {
			return noGroup(name)
		}
	}
	r := fleet.Regrouping{Thing: d.Thing.Name, Join: d.Groups}
	joins, err := r.Plan(im.member[d.Thing.Name], im.groups)
	p.joins = joins
	return err
}

func (im *importing) judgePolicies(d *fleet.ImportDevice, p *planned) error {
	for _, name := range d.Policies {
		have := im.carried[d.Certificate.ID]
		switch {
		case !im.policies[name]:
			return noPolicy(name)
		case slices.Contains(have, name) || slices.Contains(p.policies, name):
			continue
		}
		t := fleet.Target{Kind: fleet.TargetCertificate, Name: d.Certificate.ID}
		if err := t.MayCarry(len(have) + len(p.policies)); err != nil {
			return err
		}
		p.policies = append(p.policies, name)
	}
	if c := d.Certificate; c != nil && im.certs[c.ID] != nil && im.certs[c.ID].Status == fleet.PendingTransfer &&
		(p.attachment || len(p.policies) > 0) {
		return fault.New(fault.Invalid, "certificate %s is being transferred to another account", c.ID)
	}
	return nil
}

// note takes what a device comes to into what will be there.
func (im *importing) note(d *fleet.ImportDevice, p *planned) (changed bool) {
	if p.thing {
		im.things[d.Thing.Name] = d.Thing
		im.newThings = append(im.newThings, d.Thing)
	}
	if p.certificate {
		im.certs[d.Certificate.ID] = d.Certificate
		im.newCerts = append(im.newCerts, *d.Certificate)
	}
	if p.attachment {
		at := fleet.Attachment{Thing: d.Thing.Name, Certificate: d.Certificate.ID, Type: fleet.NonExclusive}
		im.attached[at.Certificate] = append(im.attached[at.Certificate], at)
		im.newAttachments = append(im.newAttachments, at)
	}
	for _, c := range p.joins {
		m := c.(fleet.GroupMembership).Membership
		im.member[m.Thing] = append(im.member[m.Thing], m)
		im.joins = append(im.joins, c)
	}
	for _, name := range p.policies {
		im.carried[d.Certificate.ID] = append(im.carried[d.Certificate.ID], name)
		im.newTargets = append(im.newTargets, [2]string{d.Certificate.ID, name})
	}
	return p.thing || p.certificate || p.attachment || len(p.joins) > 0 || len(p.policies) > 0
}
