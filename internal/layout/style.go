package layout

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The budgets. A tab counts as one column.
const (
	maxColumns       = 120
	maxFileLines     = 700
	maxParameters    = 5
	longFunction     = 60    // lines
	maxLongFunctions = 0.025 // of all functions
)

// vague are names that say nothing about what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "models", "misc", "pkg"}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME)\b`)

func packageDocs(files []*file) []string {
	documented := map[string]bool{}
	for _, f := range files {
		if !f.test && f.ast.Doc != nil {
			documented[f.pkg] = true
		}
	}
	var wrong []string
	for _, pkg := range packages(files) {
		if !documented[pkg] {
			wrong = append(wrong, pkg+": the package has no doc comment")
		}
	}
	return wrong
}

func exportedDocs(files []*file) []string {
	var wrong []string
	for _, f := range files {
		if f.test || f.generated {
			continue
		}
		for _, decl := range f.ast.Decls {
			for _, name := range undocumented(decl) {
				wrong = append(wrong, fmt.Sprintf("%s: %s has no doc comment", f.line(name.Pos()), name.Name))
			}
		}
	}
	return wrong
}

// undocumented returns the exported names of a declaration that nothing
// explains: no comment of their own and none on their group.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return nil
		}
		var names []*ast.Ident
		for _, spec := range d.Specs {
			names = append(names, undocumentedSpec(spec)...)
		}
		return slices.DeleteFunc(names, func(name *ast.Ident) bool { return !name.IsExported() })
	}
	return nil
}

func undocumentedSpec(spec ast.Spec) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Doc == nil && s.Comment == nil {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if s.Doc == nil && s.Comment == nil {
			return slices.Clone(s.Names)
		}
	}
	return nil
}

// exportedReceiver reports whether a function is no method, or one of a type
// that others can name.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	receiver := d.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

func names(files []*file) []string {
	var wrong []string
	for _, f := range files {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if slices.Contains(vague, base) || slices.Contains(vague, path.Base(f.pkg)) {
			wrong = append(wrong, f.path+": the name does not say what is inside")
		}
	}
	return wrong
}

func texts(files []*file) []string {
	var wrong []string
	for _, f := range files {
		if f.generated {
			continue
		}
		n := 0
		for line := range strings.Lines(f.source) {
			n++
			if columns := utf8.RuneCountInString(strings.TrimRight(line, "\n")); columns > maxColumns {
				wrong = append(wrong, fmt.Sprintf("%s:%d: has %d columns, at most %d are allowed", f.path, n, columns, maxColumns))
			}
		}
		if n > maxFileLines && !f.test {
			wrong = append(wrong, fmt.Sprintf("%s: has %d lines, at most %d are allowed", f.path, n, maxFileLines))
		}
		for _, group := range f.ast.Comments {
			if word := unfinished.FindString(group.Text()); word != "" {
				wrong = append(wrong, fmt.Sprintf("%s: %s: finish it, or open an issue", f.line(group.Pos()), word))
			}
		}
	}
	return wrong
}

// sizes judges functions of all files but tests, whose tables are long.
func sizes(files []*file) []string {
	var wrong, long []string
	all := 0
	for _, f := range files {
		if f.test || f.generated {
			continue
		}
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			all++
			place := f.line(d.Pos()) + ": " + d.Name.Name
			if d.Name.Name == "init" && d.Recv == nil {
				wrong = append(wrong, place+" runs unseen: make it a call")
			}
			if n := d.Type.Params.NumFields(); n > maxParameters {
				wrong = append(wrong, fmt.Sprintf("%s has %d parameters, at most %d are allowed: make a struct",
					place, n, maxParameters))
			}
			if n := f.set.Position(d.End()).Line - f.set.Position(d.Pos()).Line + 1; n > longFunction {
				long = append(long, fmt.Sprintf("%s has %d lines, and too many functions have more than %d",
					place, n, longFunction))
			}
		}
	}
	if float64(len(long)) > maxLongFunctions*float64(all) {
		wrong = append(wrong, long...)
	}
	return wrong
}
