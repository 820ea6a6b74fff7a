package main

import "fmt"

// forms writes form, which reads a form of the query protocol, for every
// structure of a request.
func (e *emitter) forms(p part) {
	e.methods(p, e.in, "form(%s*query.Value)", "q ", func(m entry[member]) {
		e.line("v.%s = %s", fieldName(m.name), e.formField(fmt.Sprintf("q.Member(%q)", m.name), m.value.Shape))
	})
}

// methods writes a method for every structure that is reached, with what each
// writes for a member of one. The signature has a place for the parameter's name,
// which is missing where there is no member.
func (e *emitter) methods(p part, reached map[string]bool, signature, parameter string, each func(entry[member])) {
	for _, sh := range p.shapes {
		if sh.value.Type != "structure" || !reached[sh.name] {
			continue
		}
		if len(sh.value.Members) == 0 {
			e.line("func (*%s) "+signature+" {}\n", sh.name, "")
			continue
		}
		e.line("func (v *%s) "+signature+" {", sh.name, parameter)
		for _, m := range sh.value.Members {
			each(m)
		}
		e.line("}\n")
	}
}

// formField is the expression that reads a member from a value of a form.
func (e *emitter) formField(value, shape string) string {
	switch sh := e.shapes[shape]; sh.Type {
	case "structure":
		return fmt.Sprintf("query.Struct(%s, (*%s).form)", value, shape)
	case "list":
		return fmt.Sprintf("query.List(%s, %s)", value, e.formItem(sh.Member.Shape))
	case "map":
		key, item := entryNames(sh)
		return fmt.Sprintf("query.Map(%s, %q, %q, %s)", value, key, item, e.formItem(sh.Value.Shape))
	default:
		return fmt.Sprintf("%s.%s()", value, scalars[sh.Type])
	}
}

// formItem is the function that reads a list item or map value.
func (e *emitter) formItem(shape string) string {
	switch e.shapes[shape].Type {
	case "structure":
		return fmt.Sprintf("query.Item((*%s).form)", shape)
	case "string":
		return "query.Text"
	default:
		return fmt.Sprintf("func(q *query.Value) %s { return %s }", e.itemType(shape), e.formField("q", shape))
	}
}

// entryNames are what the key and the value of a map are called.
func entryNames(sh *shape) (key, value string) {
	key, value = "key", "value"
	if sh.Key.LocationName != "" {
		key = sh.Key.LocationName
	}
	if sh.Value.LocationName != "" {
		value = sh.Value.LocationName
	}
	return key, value
}

// xml writes xml, which writes the members of a structure, for every structure
// of an answer.
func (e *emitter) xml(p part) {
	e.methods(p, e.out, "xml(%s*query.Writer)", "w ", func(m entry[member]) {
		field, shape := fieldName(m.name), m.value.Shape
		if write, ok := scalars[e.shapes[shape].Type]; ok {
			e.line("w.%s(%q, v.%s)", write, m.name, field)
			return
		}
		e.line("if v.%s != nil {", field)
		e.xmlItem(m.name, "v."+field, shape, 0)
		e.line("}")
	})
	for _, op := range p.operations {
		if op.value.Output == nil {
			e.line("func (*%sResponse) xml(*query.Writer) {}\n", op.name)
		}
	}
}

// xmlItem writes a value that is there as an element; depth tells nested loops
// apart.
func (e *emitter) xmlItem(name, value, shape string, depth int) {
	sh := e.shapes[shape]
	if write, ok := scalars[sh.Type]; ok {
		if write == "String" {
			e.line("w.Element(%q, %s)", name, value)
		} else {
			e.line("w.%s(%q, &%s)", write, name, value)
		}
		return
	}
	e.line("w.Begin(%q)", name)
	switch sh.Type {
	case "structure":
		e.line("%s.xml(w)", value)
	case "list":
		i := fmt.Sprintf("i%d", depth)
		e.line("for %s := range %s {", i, value)
		e.xmlItem("member", value+"["+i+"]", sh.Member.Shape, depth+1)
		e.line("}")
	case "map":
		k, item := fmt.Sprintf("k%d", depth), fmt.Sprintf("v%d", depth)
		keyName, valueName := entryNames(sh)
		e.line("for _, %s := range restjson.Keys(%s) {\n%s := %s[%s]", k, value, item, value, k)
		e.line("w.Begin(\"entry\")\nw.Element(%q, %s)", keyName, k)
		e.xmlItem(valueName, item, sh.Value.Shape, depth+1)
		e.line("w.End(\"entry\")\n}")
	}
	e.line("w.End(%q)", name)
}
