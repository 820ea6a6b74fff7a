package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// check writes a rule for each scalar with constraints, a function for each
// list and map with constraints somewhere below, and a method for each
// structure of a request.
func (e *emitter) check(p part) error {
	for _, sh := range p.shapes {
		if !e.in[sh.name] {
			continue
		}
		switch sh.value.Type {
		case "structure":
			e.checkStructure(sh.name, sh.value)
		case "list", "map":
			if e.constrained(sh.name, nil) {
				e.checkItems(sh.name, sh.value)
			}
		case "string":
			if e.constrained(sh.name, nil) {
				e.textRule(sh.name, sh.value)
			}
		case "integer", "long":
			if e.constrained(sh.name, nil) {
				e.line("var rule%s = restjson.RangeRule{Min: %s, Max: %s}\n",
					e.ident(sh.name), limit(sh.value.Min), limit(sh.value.Max))
			}
		}
	}
	return nil
}

// ident is the name of a shape within a Go name, which shapes that begin in
// lower case do not share with those that do not.
func (e *emitter) ident(shape string) string {
	if upper := strings.ToUpper(shape[:1]) + shape[1:]; e.shapes[upper] == nil {
		return upper
	}
	return shape
}

// shown is the name of a member in the messages of validation. Services of the
// query protocol write it in camel case there.
func (e *emitter) shown(member string) string {
	if e.metadata.query() {
		return strings.ToLower(member[:1]) + member[1:]
	}
	return member
}

func limit(n *int64) string {
	if n == nil {
		return "nil"
	}
	return fmt.Sprintf("new(int64(%d))", *n)
}

// constrained reports whether a value of the shape can break a constraint.
func (e *emitter) constrained(name string, above []string) bool {
	if slices.Contains(above, name) {
		return false
	}
	above = append(above, name)
	sh := e.shapes[name]
	if sh.Type == "boolean" || sh.Type == "timestamp" || sh.Type == "blob" {
		return false
	}
	number := sh.Type == "integer" || sh.Type == "long"
	if sh.Min != nil && (number || *sh.Min > 0) || sh.Max != nil ||
		goPattern(sh.Pattern) != "" || sh.Enum != nil || sh.Required != nil {
		return true
	}
	for _, m := range sh.Members {
		if e.constrained(m.value.Shape, above) {
			return true
		}
	}
	for _, m := range []*member{sh.Member, sh.Key, sh.Value} {
		if m != nil && e.constrained(m.Shape, above) {
			return true
		}
	}
	return false
}

func (e *emitter) textRule(name string, sh *shape) {
	e.line("var rule%s = restjson.TextRule{", e.ident(name))
	if sh.Min != nil && *sh.Min > 0 {
		e.line("Min: %d,", *sh.Min)
	}
	if sh.Max != nil {
		e.line("Max: %d,", *sh.Max)
	}
	if re := goPattern(sh.Pattern); re != "" {
		e.line("Pattern: restjson.MustPattern(%s, %s),", literal(sh.Pattern), literal(re))
	}
	if sh.Enum != nil {
		e.line("Enum: []string{")
		for _, v := range sh.Enum {
			e.line("%q,", v)
		}
		e.line("},")
	}
	if sh.Sensitive {
		e.line("Sensitive: true,")
	}
	e.line("}\n")
}

// literal prefers a raw string, which leaves patterns readable.
func literal(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

// goPattern translates a pattern of Java to one of Go. It is empty for a
// pattern that every text matches.
func goPattern(java string) string {
	if java == `[\s\S]*` {
		return ""
	}
	java = strings.ReplaceAll(java, `\p{Graph}`, `\x21-\x7E`)
	var b strings.Builder
	for i := 0; i < len(java); i++ {
		if strings.HasPrefix(java[i:], `\u`) && i+6 <= len(java) {
			b.WriteString(`\x{` + java[i+2:i+6] + `}`)
			i += 5
			continue
		}
		b.WriteByte(java[i])
		if java[i] == '\\' && i+1 < len(java) {
			i++
			b.WriteByte(java[i])
		}
	}
	return b.String()
}

func (e *emitter) checkStructure(name string, sh *shape) {
	receiver, checker := "v", "c"
	if !e.constrained(name, nil) {
		receiver, checker = "", ""
	}
	e.line("func (%s *%s) check(%s *restjson.Checker) {", receiver, name, checker)
	for _, m := range sh.Members {
		field := fieldName(m.name)
		if slices.Contains(sh.Required, m.name) {
			e.line("c.Required(%q, v.%s == nil)", e.shown(m.name), field)
		}
		if !e.constrained(m.value.Shape, nil) {
			continue
		}
		switch e.shapes[m.value.Shape].Type {
		case "string":
			e.line("c.Text(%q, v.%s, &rule%s)", e.shown(m.name), field, e.ident(m.value.Shape))
		case "integer", "long":
			e.line("restjson.Range(c, %q, v.%s, &rule%s)", e.shown(m.name), field, e.ident(m.value.Shape))
		default:
			e.line("if v.%s != nil {\nc.In(%q)", field, e.shown(m.name))
			e.checkItem("v."+field, m.value.Shape)
			e.line("c.Out()\n}")
		}
	}
	e.line("}\n")
}

// checkItem checks a structure, list or map that is there, at the path that
// the checker stands at.
func (e *emitter) checkItem(value, shape string) {
	if e.shapes[shape].Type == "structure" {
		e.line("%s.check(c)", value)
		return
	}
	e.line("check%s(c, %s)", e.ident(shape), value)
}

func (e *emitter) checkItems(name string, sh *shape) {
	e.line("func check%s(c *restjson.Checker, v %s) {", e.ident(name), e.itemType(name))
	if sh.Min != nil || sh.Max != nil {
		var lo, hi int64
		if sh.Min != nil {
			lo = *sh.Min
		}
		if sh.Max != nil {
			hi = *sh.Max
		}
		e.line("c.Size(len(v), %d, %d)", lo, hi)
	}
	if sh.Type == "list" {
		e.checkList(sh.Member.Shape)
	} else {
		e.checkMap(sh)
	}
	e.line("}\n")
}

func (e *emitter) checkList(item string) {
	switch {
	case !e.constrained(item, nil):
	case e.shapes[item].Type == "string":
		e.line("c.Texts(v, &rule%s)", e.ident(item))
	default:
		e.line("for i := range v {\nc.Index(i)")
		e.checkItem("v[i]", item)
		e.line("c.Out()\n}")
	}
}

func (e *emitter) checkMap(sh *shape) {
	if e.constrained(sh.Key.Shape, nil) {
		e.line("c.MapKeys(restjson.Keys(v), &rule%s)", e.ident(sh.Key.Shape))
	}
	value := sh.Value.Shape
	switch {
	case !e.constrained(value, nil):
	case e.shapes[value].Type == "string":
		e.line("c.MapTexts(v, &rule%s)", e.ident(value))
	default:
		e.line("for _, key := range restjson.Keys(v) {\nitem := v[key]\nc.Key(key)")
		e.checkItem("item", value)
		e.line("c.Out()\n}")
	}
}
