package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleetindex"
)

const (
	// mostCandidates is how many things are looked at one by one. More of them
	// are found as quickly by looking at things in the order of their names.
	mostCandidates = 1000
	// mostNames is up to how many names of attributes a term without a field is
	// looked up in the values of each.
	mostNames = 32
)

// candidates are the only things that can match a part of a query.
type candidates struct {
	ctx   context.Context
	q     querier
	scope int64
}

// of returns the candidates for a part of a query; ok is false when there are
// too many, or when no index tells.
func (c candidates) of(n fleetindex.Node) (things map[string]bool, ok bool, err error) {
	switch n := n.(type) {
	case fleetindex.And:
		return c.fewest(n)
	case fleetindex.Or:
		return c.together(n)
	case *fleetindex.Term:
		return c.term(n)
	}
	return nil, false, nil // what does not match can be anything
}

func (c candidates) fewest(parts []fleetindex.Node) (best map[string]bool, ok bool, err error) {
	for _, part := range parts {
		things, known, err := c.of(part)
		if err != nil {
			return nil, false, err
		}
		if known && (!ok || len(things) < len(best)) {
			best, ok = things, true
		}
	}
	return best, ok, nil
}

func (c candidates) together(parts []fleetindex.Node) (map[string]bool, bool, error) {
	all := map[string]bool{}
	for _, part := range parts {
		things, known, err := c.of(part)
		if err != nil || !known {
			return nil, false, err
		}
		if maps.Copy(all, things); len(all) > mostCandidates {
			return nil, false, nil
		}
	}
	return all, true, nil
}

// lookup is a statement that finds things by an index.
type lookup struct {
	text string
	args args
}

func (c candidates) term(t *fleetindex.Term) (map[string]bool, bool, error) {
	lookups, ok, err := c.lookups(t)
	if err != nil || !ok {
		return nil, false, err
	}
	things := map[string]bool{}
	for _, l := range lookups {
		a := args{"scope": c.scope, "limit": mostCandidates + 1}
		maps.Copy(a, l.args)
		names, err := all(c.ctx, c.q, l.text+` LIMIT @limit`, a, scalar[string])
		if err != nil {
			return nil, false, fmt.Errorf("look up things: %w", err)
		}
		for _, name := range names {
			things[name] = true
		}
		if len(things) > mostCandidates || len(names) > mostCandidates {
			return nil, false, nil
		}
	}
	return things, true, nil
}

// reach is from where to where the values lie that can fit a term; narrow is
// false when that is everywhere.
func reach(t *fleetindex.Term) (low, high any, narrow bool) {
	if t.Range == nil {
		prefix := t.Pattern.Prefix()
		if text, ok := t.Pattern.Exact(); ok {
			return text, text, true
		}
		return prefix, prefix + lastText, prefix != ""
	}
	if t.Range.Numeric {
		low, high = -1e15, 1e15 // beyond every number
	} else {
		low, high = "", lastText
	}
	if b := t.Range.Low; b != nil {
		low = boundary(t.Range, b)
	}
	if b := t.Range.High; b != nil {
		high = boundary(t.Range, b)
	}
	return low, high, true
}

func boundary(r *fleetindex.Range, b *fleetindex.Bound) any {
	if r.Numeric {
		return b.Number
	}
	return b.Text
}

// The statements of lookups. All but the last find the things whose values lie
// from @low to @high. Names of things and values of attributes that are in lower
// case, as most are, are found by the indexes on them as they are; only the
// others are in those on what they are in lower case.
const (
	byName      = `SELECT name FROM things WHERE scope = @scope AND name >= @low AND name <= @high`
	byMixedName = `SELECT name FROM things WHERE scope = @scope AND lower(name) >= @low AND lower(name) <= @high
		AND lower(name) <> name`
	byID   = `SELECT name FROM things WHERE scope = @scope AND lower(id) >= @low AND lower(id) <= @high`
	byType = `SELECT t.name FROM thing_types y JOIN things t ON t.scope = y.scope AND t.thing_type = y.name
			AND t.thing_type <> ''
		WHERE y.scope = @scope AND lower(y.name) >= @low AND lower(y.name) <= @high`
	byGroup = `SELECT m.thing FROM thing_groups g JOIN group_members m ON m.thing_group = g.seq
		WHERE g.scope = @scope AND lower(g.name) >= @low AND lower(g.name) <= @high`
	byValue = `SELECT thing FROM thing_attributes WHERE scope = @scope AND name = @name AND value >= @low
		AND value <= @high`
	byMixedValue = `SELECT thing FROM thing_attributes WHERE scope = @scope AND name = @name AND folded >= @low
		AND folded <= @high AND folded <> value`
	byNumber = `SELECT thing FROM thing_attributes WHERE scope = @scope AND name = @name AND number >= @low
		AND number <= @high`
	everConnected = `SELECT thing FROM thing_connectivity WHERE scope = @scope`
)

// lookups are the statements that find the candidates for a term together.
func (c candidates) lookups(t *fleetindex.Term) (list []lookup, ok bool, err error) {
	low, high, narrow := reach(t)
	ends := args{"low": low, "high": high}
	switch t.Field {
	case fleetindex.ThingName:
		return []lookup{{byName, ends}, {byMixedName, ends}}, narrow, nil
	case fleetindex.ThingID:
		return []lookup{{byID, ends}}, narrow, nil
	case fleetindex.ThingTypeName:
		return []lookup{{byType, ends}}, true, nil
	case fleetindex.ThingGroupNames:
		return []lookup{{byGroup, ends}}, true, nil
	case fleetindex.Connected:
		// Things that never were are not connected, too.
		text, _ := t.Pattern.Exact()
		return []lookup{{text: everConnected}}, text == "true", nil
	case fleetindex.Timestamp, fleetindex.DisconnectReason:
		return []lookup{{text: everConnected}}, true, nil
	case fleetindex.Any:
		if !narrow {
			return nil, false, nil
		}
		return c.everywhere(ends)
	}
	name, ok := t.Field.Attribute()
	ends["name"] = name
	if t.Range != nil && t.Range.Numeric {
		return []lookup{{byNumber, ends}}, ok, nil
	}
	return []lookup{{byValue, ends}, {byMixedValue, ends}}, ok, nil
}

// everywhere are the lookups for a term without a field.
func (c candidates) everywhere(ends args) ([]lookup, bool, error) {
	names, err := c.attributeNames()
	if err != nil || len(names) > mostNames {
		return nil, false, err
	}
	list := []lookup{{byName, ends}, {byMixedName, ends}, {byID, ends}, {byType, ends}, {byGroup, ends}}
	for _, name := range names {
		of := args{"name": name, "low": ends["low"], "high": ends["high"]}
		list = append(list, lookup{byValue, of}, lookup{byMixedValue, of})
	}
	return list, true, nil
}

// attributeNames lists names of attributes that things have, up to one more
// than mostNames. Each costs one look into the index.
func (c candidates) attributeNames() (names []string, err error) {
	for after := ""; len(names) <= mostNames; {
		name, ok, err := one(c.ctx, c.q, `SELECT name FROM thing_attributes WHERE scope = @scope AND name > @after
			ORDER BY name LIMIT 1`, args{"scope": c.scope, "after": after}, scalar[string])
		if err != nil {
			return nil, fmt.Errorf("list names of attributes: %w", err)
		}
		if !ok {
			break
		}
		names, after = append(names, name), name
	}
	return names, nil
}

// sortedAfter lists things behind a name.
func sortedAfter(things map[string]bool, after string) []string {
	names := sortedKeys(things)
	at, found := slices.BinarySearch(names, after)
	if found {
		at++
	}
	return names[at:]
}
