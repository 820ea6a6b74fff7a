package store

import (
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/fleetindex"
)

// searchText turns a query of fleet indexing into a condition on things t. What
// stands in the query gets into the arguments only.
type searchText struct {
	args args
	n    int
}

// condition returns the condition for a part of a query. It is true or false
// for every thing, never NULL, so that NOT is the opposite.
//
// What hangs on a thing is counted, where EXISTS would do: a planner makes a
// join of EXISTS, and reads too much in the wrong order when it does not know
// how much there is. A count it makes thing by thing, by the key.
func (c *searchText) condition(n fleetindex.Node) string {
	switch n := n.(type) {
	case fleetindex.And:
		return c.join(n, " AND ")
	case fleetindex.Or:
		return c.join(n, " OR ")
	case fleetindex.Not:
		return "NOT " + c.condition(n.Of)
	}
	return "(" + c.term(n.(*fleetindex.Term)) + ")"
}

func (c *searchText) join(parts []fleetindex.Node, word string) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = c.condition(part)
	}
	return "(" + strings.Join(texts, word) + ")"
}

// arg makes an argument and returns how it stands in the text.
func (c *searchText) arg(v any) string {
	c.n++
	name := fmt.Sprintf("q%d", c.n)
	c.args[name] = v
	return "@" + name
}

func (c *searchText) term(t *fleetindex.Term) string {
	switch t.Field {
	case fleetindex.Any:
		if t.Pattern.All() {
			return "1 = 1"
		}
		return strings.Join([]string{
			c.fits("lower(t.name)", t), c.fits("lower(t.id)", t), c.fits("lower(t.thing_type)", t), c.group(t),
			c.attribute("", t),
		}, " OR ")
	case fleetindex.ThingName:
		return c.fits("lower(t.name)", t)
	case fleetindex.ThingID:
		return c.fits("lower(t.id)", t)
	case fleetindex.ThingTypeName:
		return c.fits("lower(t.thing_type)", t)
	case fleetindex.ThingGroupNames:
		return c.group(t)
	case fleetindex.Connected:
		return c.connected(t)
	case fleetindex.Timestamp:
		return c.connectivity(c.fits("CAST(c.changed_at AS DOUBLE PRECISION)", t))
	case fleetindex.DisconnectReason:
		return c.connectivity(c.fits("lower(c.reason)", t))
	}
	name, _ := t.Field.Attribute()
	return c.attribute(name, t)
}

// fits is the condition that a column, in lower case, fits a term. The column
// of a numeric range is a number.
func (c *searchText) fits(column string, t *fleetindex.Term) string {
	if t.Range != nil {
		return c.between(column, t.Range)
	}
	if text, ok := t.Pattern.Exact(); ok {
		return column + " = " + c.arg(text)
	}
	if t.Pattern.All() {
		if t.Field == fleetindex.Timestamp {
			return column + " <> 0"
		}
		return column + " <> ''"
	}
	return column + " LIKE " + c.arg(t.Pattern.Like()) + ` ESCAPE '\'`
}

func (c *searchText) between(column string, r *fleetindex.Range) string {
	var ends []string
	end := func(b *fleetindex.Bound, operator string) {
		if b == nil {
			return
		}
		if b.Inclusive {
			operator += "="
		}
		var v any = b.Text
		if r.Numeric {
			v = b.Number
		}
		ends = append(ends, column+" "+operator+" "+c.arg(v))
	}
	end(r.Low, ">")
	end(r.High, "<")
	if !r.Numeric {
		ends = append(ends, column+" <> ''") // no value is below every bound
	}
	return strings.Join(ends, " AND ")
}

// attribute is the condition on an attribute, or on any without a name. The
// name is compared in a form that no index has, so that the few attributes of
// the thing are read and not those of all things that are called so.
func (c *searchText) attribute(name string, t *fleetindex.Term) string {
	text := `(SELECT count(*) FROM thing_attributes a WHERE a.scope = t.scope AND a.thing = t.name`
	if name != "" {
		text += " AND a.name || '' = " + c.arg(name)
	}
	column := "a.folded"
	if t.Range != nil && t.Range.Numeric {
		column = "a.number"
	}
	return text + " AND " + c.fits(column, t) + ") > 0"
}

func (c *searchText) group(t *fleetindex.Term) string {
	return `(SELECT count(*) FROM group_members m JOIN thing_groups g ON g.seq = m.thing_group
		WHERE m.scope = t.scope AND m.thing = t.name AND ` + c.fits("lower(g.name)", t) + ") > 0"
}

func (c *searchText) connectivity(condition string) string {
	return `(SELECT count(*) FROM thing_connectivity c WHERE c.scope = t.scope AND c.thing = t.name AND ` + condition +
		") > 0"
}

func (c *searchText) connected(t *fleetindex.Term) string {
	switch value, _ := t.Pattern.Exact(); value {
	case "true":
		return c.connectivity("c.connected")
	case "false":
		return "NOT (" + c.connectivity("c.connected") + ")"
	}
	return "1 = 1"
}
