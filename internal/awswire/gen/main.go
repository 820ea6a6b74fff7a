// Command gen makes the Go types of an AWS interface from its facts: types of
// all structures, their decoding, validation and encoding, and one value for
// each operation. The interface is of the protocol rest-json, query or json.
//
//	gen -dir internal/iotapi/wire
//
// reads facts/*.json in that folder and writes *.gen.go beside them. With
// -model it also writes the facts as a service model for boto3 and the AWS CLI
// below another folder. A shape
// that several files share must be the same in all; it becomes one Go type, in
// the file that names it first.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", ".", "folder of the package, with the facts in facts/")
	models := flag.String("model", "", "folder for the service model, as AWS_DATA_PATH names it; empty: none")
	flag.Parse()
	err := run(*dir)
	if err == nil && *models != "" {
		err = writeModel(filepath.Join(*dir, "facts"), *models)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.gen.go"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, kept := files[filepath.Base(name)]; kept {
			continue
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the text of each generated file of a package by its name.
func generate(dir string) (map[string][]byte, error) {
	s, err := load(filepath.Join(dir, "facts"))
	if err != nil {
		return nil, err
	}
	e, err := newEmitter(s)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, p := range s.parts {
		for kind, emit := range map[string]func(part) error{
			"types": e.types, "decode": e.decode, "check": e.check, "encode": e.encode, "operations": e.partOperations,
		} {
			text, err := e.file(p, emit)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if text != nil {
				files[p.name+"_"+kind+".gen.go"] = text
			}
		}
	}
	files["service.gen.go"], err = e.file(part{}, e.summary)
	return files, err
}
