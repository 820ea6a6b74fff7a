// Package layout holds what the source tree promises: every package has a
// place in a layer, imports go down, and the budgets of style are kept. Its
// test fails on the first commit that breaks one.
//
// A new package gets a place in layers; nothing else here needs to change.
package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the import path of the tree.
const module = "github.com/cordon-iot/cordon"

// layers is every package, from the bottom up. A package imports only from
// layers below its own.
var layers = [][]string{
	{"internal/fault"},
	{"internal/policy/tree"},
	{"internal/quota", "internal/seal", "internal/mqtt", "internal/fleetfile", "internal/guard", "internal/policy",
		"internal/fleetindex",
		"internal/pki/keyquality", "internal/awswire/opt",
		"internal/awswire/restjson", "internal/awswire/query", "internal/awswire/sigv4", "internal/awswire/pagetoken"},
	{"internal/pki", "internal/awswire", "internal/config", "internal/ops", "internal/durable", "internal/mqtt/mqtttest"},
	{"internal/iotapi/wire", "internal/iotdata/wire", "internal/cordonapi/wire", "internal/awswire/gen",
		"internal/awswire/conform",
		"internal/stsapi/wire", "internal/iamapi/wire", "internal/snsapi/wire", "internal/cognitoapi/wire",
		"internal/pki/fixture",
		"internal/pki/crl", "internal/pki/ocsp"},
	{"internal/fleet", "internal/identity", "internal/calllog"},
	{"internal/identity/iamfile", "internal/notify"},
	{"internal/audit"},
	{"internal/audit/check", "internal/mitigation", "internal/revocation", "internal/gateway/broker",
		"internal/notify/deliver"},
	{"internal/notify/forward", "internal/mitigation/action", "internal/gateway/enforce", "internal/gateway/hostcert",
		"internal/gateway/webstream"},
	{"internal/gateway"},
	{"internal/gateway/seen"},
	{"internal/store/storetest/pgtest", "internal/store/storetest/litetest", "internal/store/storetest/feedtest"},
	{"internal/store", "internal/iotapi", "internal/iotdata", "internal/cordonapi", "internal/iamapi", "internal/stsapi",
		"internal/snsapi", "internal/cognitoapi", "internal/iotlog", "internal/hook", "internal/pkiweb"},
	{"internal/store/storetest"},
	{"internal/server"},
	{"internal/cordontest", "internal/bench/swarm", "internal/bench/rival", "internal/demo"},
	{"internal/bench"},
	{"internal/cli"},
	{"cmd/cordon"},
	{"internal/layout"},
}

var (
	rules = []string{"internal/policy", "internal/policy/tree", "internal/mqtt", "internal/fleetindex", "internal/pki",
		"internal/pki/keyquality",
		"internal/pki/crl", "internal/pki/ocsp",
		"internal/audit/check", "internal/mitigation/action"}
	features = []string{"internal/fleet", "internal/identity", "internal/calllog", "internal/audit", "internal/notify",
		"internal/mitigation"}
	parts = []string{"internal/durable", "internal/store", "internal/awswire", "internal/iotapi", "internal/iotdata",
		"internal/cordonapi", "internal/iamapi", "internal/snsapi"}
	wires = []string{module + "/internal/awswire", module + "/internal/iotapi", module + "/internal/cordonapi",
		module + "/internal/stsapi", module + "/internal/iamapi", module + "/internal/snsapi",
		module + "/internal/cognitoapi"}
	sql = []string{"database/sql", "github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose"}
)

// ban keeps some packages from importing some paths and what lies below them.
type ban struct {
	why      string
	packages []string
	imports  []string
}

var bans = []ban{
	{"rules know no I/O", rules, append([]string{"os", "net/http", "log", "path/filepath"}, sql...)},
	{"features know no SQL", features, sql},
	{"features know no wire", features, append([]string{"net/http"}, wires...)},
	{"the store knows no wire", []string{"internal/store"}, append([]string{"net/http"}, wires...)},
	{"the server hands settings and metrics down", slices.Concat(rules, features, parts),
		[]string{module + "/internal/config", module + "/internal/ops"}},
	{"front doors know no SQL",
		[]string{"internal/iotapi", "internal/iotdata", "internal/cordonapi", "internal/iamapi", "internal/snsapi",
			"internal/hook", "internal/awswire"}, sql},
}

// owners are the only packages that import a module, so that it can be
// replaced in one place.
var owners = map[string][]string{
	"github.com/dbos-inc/dbos-transact-golang": {"internal/durable"},
	"github.com/prometheus/client_golang":      {"internal/ops"},
	"github.com/alecthomas/kong":               {"internal/config", "internal/cli"},
	"github.com/titanous/rocacheck":            {"internal/pki/keyquality", "internal/pki/fixture"},
	"github.com/mochi-mqtt/server":             {"internal/gateway/broker"},
}

// support is what only tests may import, and the packages that show or measure
// Cordon on fleets they make up.
var (
	support = []string{"internal/awswire/conform", "internal/pki/fixture",
		"internal/mqtt/mqtttest", "internal/store/storetest",
		"internal/store/storetest/pgtest", "internal/store/storetest/litetest", "internal/cordontest",
		"internal/bench/swarm", "internal/bench/rival"}
	supposed = append([]string{"internal/bench", "internal/demo"}, support...)
)

// file is a parsed source file of the tree.
type file struct {
	path      string // from the root of the tree, with slashes
	pkg       string // directory, likewise
	test      bool
	generated bool
	source    string
	set       *token.FileSet
	ast       *ast.File
}

// line returns the place of a position, for messages.
func (f *file) line(p token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(p).Line)
}

// Check returns what is wrong with a source tree, each as one line that names
// the place and the rule, in the order of paths. The error is that of reading
// or parsing.
func Check(tree fs.FS) ([]string, error) {
	files, err := load(tree)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, check := range []func([]*file) []string{
		places, packageDocs, imports, exportedDocs, names, texts, sizes,
	} {
		wrong = append(wrong, check(files)...)
	}
	return wrong, nil
}

// load parses the Go files below cmd and internal. Directories named testdata
// hold no packages.
func load(tree fs.FS) ([]*file, error) {
	var files []*file
	for _, top := range []string{"cmd", "internal"} {
		err := fs.WalkDir(tree, top, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return fs.SkipDir
			case entry.IsDir() || path.Ext(name) != ".go":
				return nil
			}
			f, err := parse(tree, name)
			files = append(files, f)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the source tree: %w", err)
		}
	}
	return files, nil
}

func parse(tree fs.FS, name string) (*file, error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &file{
		path:      name,
		pkg:       path.Dir(name),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(parsed),
		source:    string(source),
		set:       set,
		ast:       parsed,
	}, nil
}

// layer returns the index of a package in layers, or -1.
func layer(pkg string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
}

func places(files []*file) []string {
	var wrong []string
	for _, pkg := range packages(files) {
		if layer(pkg) < 0 {
			wrong = append(wrong, pkg+": has no place: add it to layers in internal/layout")
		}
	}
	return wrong
}

// packages returns the directories that hold more than tests, sorted.
func packages(files []*file) []string {
	var all []string
	for _, f := range files {
		if !f.test && !slices.Contains(all, f.pkg) {
			all = append(all, f.pkg)
		}
	}
	slices.Sort(all)
	return all
}

// imports judges all files but tests: a test may build what it tests from
// anything.
func imports(files []*file) []string {
	var wrong []string
	for _, f := range files {
		if f.test {
			continue
		}
		for _, spec := range f.ast.Imports {
			target := strings.Trim(spec.Path.Value, `"`)
			if why := refused(f.pkg, target); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s: imports %s: %s", f.line(spec.Pos()), target, why))
			}
		}
	}
	return wrong
}

// refused says why a package may not import a path, or nothing if it may.
func refused(pkg, target string) string {
	if own, found := strings.CutPrefix(target, module+"/"); found {
		if layer(own) >= layer(pkg) {
			return "imports go down, see layers in internal/layout"
		}
		if slices.Contains(support, own) && !slices.Contains(supposed, pkg) {
			return "it is for tests only"
		}
	}
	for _, b := range bans {
		if slices.Contains(b.packages, pkg) && slices.ContainsFunc(b.imports, below(target)) {
			return b.why
		}
	}
	for name, allowed := range owners {
		if below(target)(name) && !slices.Contains(allowed, pkg) {
			return "only " + strings.Join(allowed, " and ") + " may"
		}
	}
	return ""
}

// below returns whether an import is a path or lies below it.
func below(target string) func(string) bool {
	return func(top string) bool { return target == top || strings.HasPrefix(target, top+"/") }
}
