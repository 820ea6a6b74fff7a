package store

import (
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// store writes what the devices come to.
func (im *importing) store() error {
	if err := insertThings(im.ctx, im.q, im.scope, im.newThings); err != nil {
		return err
	}
	if err := insertCertificates(im.ctx, im.q, im.scope, im.newCerts); err != nil {
		return err
	}
	if err := im.attach(); err != nil {
		return err
	}
	if err := im.attachPolicies(); err != nil {
		return err
	}
	if err := noteRights(im.ctx, im.q, im.scope, fleet.RightCertificate, im.changedCertificates()...); err != nil {
		return err
	}
	for _, changes := range apart(im.joins) {
		refused, err := im.s.apply(im.ctx, im.q, im.scope, changes)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			return fault.New(fault.Exists, "a thing joined or left a group at this moment")
		}
	}
	changed := slices.Concat(movedThings(im.joins),
		collect(im.newThings, func(t **fleet.Thing) string { return (*t).Name }))
	slices.Sort(changed)
	return im.s.judge(im.ctx, im.q, im.scope, slices.Compact(changed))
}

// changedCertificates are those that are new, or get a thing or a policy.
func (im *importing) changedCertificates() []string {
	changed := map[string]bool{}
	for i := range im.newCerts {
		changed[im.newCerts[i].ID] = true
	}
	for _, at := range im.newAttachments {
		changed[at.Certificate] = true
	}
	for _, p := range im.newTargets {
		changed[p[0]] = true
	}
	return sortedKeys(changed)
}

// apart parts changes into lists in which no thing joins a group twice: a set
// of changes has one of each resource.
func apart(changes []fleet.Change) (lists [][]fleet.Change) {
	nth := map[string]int{} // by thing
	for _, c := range changes {
		thing := c.(fleet.GroupMembership).Thing
		n := nth[thing]
		nth[thing]++
		if n == len(lists) {
			lists = append(lists, nil)
		}
		lists[n] = append(lists[n], c)
	}
	return lists
}

func (im *importing) attach() error {
	list := im.newAttachments
	err := insertRows(im.ctx, im.q, "thing_principals", []column{
		{"scope", repeat(im.scope, len(list))},
		{"certificate", collect(list, func(a *fleet.Attachment) string { return a.Certificate })},
		{"thing", collect(list, func(a *fleet.Attachment) string { return a.Thing })},
		{"exclusive", repeat(false, len(list))}, {"created_at", repeat(im.s.millis(), len(list))},
	})
	if err != nil {
		return fmt.Errorf("attach principals: %w", err)
	}
	return nil
}

func (im *importing) attachPolicies() error {
	list := im.newTargets
	err := insertRows(im.ctx, im.q, "policy_targets", []column{
		{"scope", repeat(im.scope, len(list))},
		{"policy", collect(list, func(p *[2]string) string { return p[1] })},
		{"target", collect(list, func(p *[2]string) string {
			return fleet.Target{Kind: fleet.TargetCertificate, Name: p[0]}.String()
		})},
		{"created_at", repeat(im.s.millis(), len(list))},
	})
	if err != nil {
		return fmt.Errorf("attach policies: %w", err)
	}
	return nil
}
