package main

import (
	"fmt"
	"slices"
	"strings"
)

// decode writes bind, which reads a request, for inputs, and decode, which
// reads JSON, for every structure in a body.
func (e *emitter) decode(p part) error {
	if e.metadata.query() {
		e.forms(p)
		return nil
	}
	inputs := map[string]bool{}
	for _, q := range e.parts {
		for _, op := range q.operations {
			inputs[*op.value.Input] = true
		}
	}
	for _, sh := range p.shapes {
		if sh.value.Type != "structure" || !e.in[sh.name] {
			continue
		}
		if !inputs[sh.name] {
			e.decodeBody(sh.name, sh.value.Members)
			continue
		}
		if err := e.bind(sh.name, sh.value); err != nil {
			return fmt.Errorf("shape %s: %w", sh.name, err)
		}
	}
	return nil
}

func (e *emitter) bind(name string, sh *shape) error {
	var body ordered[member]
	uses := false
	e.line("func (v *%s) bind(q *restjson.Request) {", name)
	for _, m := range sh.Members {
		source := ""
		switch m.value.Location {
		case "uri":
			source = "Label"
		case "querystring":
			source = "QueryValue"
		case "header":
			source = "HeaderValue"
			m.value.LocationName = strings.ToLower(m.value.LocationName)
		case "":
			body = append(body, m)
			continue
		default:
			return fmt.Errorf("member %s: location %q is not supported", m.name, m.value.Location)
		}
		read := scalars[e.shapes[m.value.Shape].Type]
		if read == "" || read == "Blob" {
			return fmt.Errorf("member %s: no %s outside a body", m.name, e.shapes[m.value.Shape].Type)
		}
		uses = true
		e.line("v.%s = q.%s(%q, %q).%s()", fieldName(m.name), source, m.name, m.value.LocationName, read)
	}
	payload := slices.IndexFunc(body, func(m entry[member]) bool { return m.name == sh.Payload })
	switch {
	case payload >= 0 && (len(body) > 1 || e.shapes[body[payload].value.Shape].Type != "structure"):
		return fmt.Errorf("payload %s is not the only structure in the body", sh.Payload)
	case payload >= 0:
		field, shape := fieldName(sh.Payload), body[payload].value.Shape
		e.line("q.JSON(func(r *restjson.Reader) { v.%s = restjson.Struct(r, (*%s).decode) })", field, shape)
	case body != nil:
		e.line("q.JSON(v.decode)")
	case !uses:
		e.line("_ = q // it has no members")
	}
	for _, m := range sh.Members {
		if m.value.IdempotencyToken {
			e.line("if v.%[1]s == nil {\nv.%[1]s = restjson.FreshToken()\n}", fieldName(m.name))
		}
	}
	e.line("}\n")
	if body != nil && payload < 0 {
		e.decodeBody(name, body)
	}
	return nil
}

func (e *emitter) decodeBody(name string, members ordered[member]) {
	e.line("func (v *%s) decode(r *restjson.Reader) {", name)
	e.line("r.Object(func(name string) bool {\nswitch name {")
	for _, m := range members {
		e.line("case %q:\nv.%s = %s", m.name, fieldName(m.name), e.readField(m.value.Shape))
	}
	e.line("default:\nreturn false\n}\nreturn true\n})\n}\n")
}

// readField is the expression that reads a member from r.
func (e *emitter) readField(shape string) string {
	switch sh := e.shapes[shape]; sh.Type {
	case "structure":
		return fmt.Sprintf("restjson.Struct(r, (*%s).decode)", shape)
	case "list":
		return fmt.Sprintf("restjson.List(r, %s)", e.itemReader(sh.Member.Shape))
	case "map":
		return fmt.Sprintf("restjson.Map(r, %s)", e.itemReader(sh.Value.Shape))
	default:
		return fmt.Sprintf("r.%s()", scalars[sh.Type])
	}
}

// itemReader is the function that reads a list item or map value.
func (e *emitter) itemReader(shape string) string {
	switch e.shapes[shape].Type {
	case "structure":
		return fmt.Sprintf("restjson.Item((*%s).decode)", shape)
	case "string":
		return "restjson.Text"
	default:
		return fmt.Sprintf("func(r *restjson.Reader) %s { return %s }", e.itemType(shape), e.readField(shape))
	}
}

// encode writes encode, which writes JSON, for every structure of an answer.
func (e *emitter) encode(p part) error {
	if e.metadata.query() {
		e.xml(p)
		return nil
	}
	for _, sh := range p.shapes {
		if sh.value.Type != "structure" || !e.out[sh.name] {
			continue
		}
		e.line("func (v *%s) encode(w *restjson.Writer) {", sh.name)
		e.line("w.Begin('{')")
		for _, m := range sh.value.Members {
			e.writeField(m)
		}
		e.line("w.End('}')\n}\n")
	}
	for _, op := range p.operations {
		if op.value.Output == nil {
			e.line("func (v *%sResponse) encode(w *restjson.Writer) {\nw.Begin('{')\nw.End('}')\n}\n", op.name)
		}
	}
	return nil
}

func (e *emitter) writeField(m entry[member]) {
	field, shape := fieldName(m.name), m.value.Shape
	if write, ok := scalars[e.shapes[shape].Type]; ok {
		e.line("w.%s(%q, v.%s)", write, m.name, field)
		return
	}
	e.line("if v.%s != nil {\nw.Name(%q)", field, m.name)
	e.writeItem("v."+field, shape, 0)
	e.line("}")
}

// writeItem writes a value that is there; depth tells nested loops apart.
func (e *emitter) writeItem(value, shape string, depth int) {
	switch sh := e.shapes[shape]; sh.Type {
	case "structure":
		e.line("%s.encode(w)", value)
	case "list":
		i := fmt.Sprintf("i%d", depth)
		e.line("w.Begin('[')\nfor %s := range %s {\nw.Next()", i, value)
		e.writeItem(value+"["+i+"]", sh.Member.Shape, depth+1)
		e.line("}\nw.End(']')")
	case "map":
		k, item := fmt.Sprintf("k%d", depth), fmt.Sprintf("v%d", depth)
		e.line("w.Begin('{')\nfor _, %s := range restjson.Keys(%s) {\nw.Name(%s)\n%s := %s[%s]",
			k, value, k, item, value, k)
		e.writeItem(item, sh.Value.Shape, depth+1)
		e.line("}\nw.End('}')")
	default:
		e.line("w.Text(%s)", value)
	}
}
