// Package litetest copies the files of SQLite databases for tests.
package litetest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Template is a directory of databases that others begin as copies of: what
// every test would have to make in an empty one is made once in a process.
type Template struct {
	// Make fills the directory, which is empty, and leaves no file in it open.
	Make func(dir string) error

	once  sync.Once
	files map[string][]byte
	err   error
}

// Copy puts the databases into a directory. The first call makes the template.
func (p *Template) Copy(t testing.TB, dir string) {
	t.Helper()
	p.once.Do(func() { p.files, p.err = p.make() })
	err := p.err
	for name, content := range p.files {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
	}
	if err != nil {
		t.Fatalf("copy databases: %v", err)
	}
}

func (p *Template) make() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "cordon-tables-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := p.Make(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		// A log that is left belongs to its database.
		if name := e.Name(); strings.Contains(name, ".db") && !strings.HasSuffix(name, ".lock") {
			if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
