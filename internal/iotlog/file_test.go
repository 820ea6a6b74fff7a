package iotlog

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestTheFileIsBoundedAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "iot.log")
	if err := os.WriteFile(path, []byte("from before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	for range 35 {
		if err := f.write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{path: 600, path + ".1": 1000} {
		info, err := os.Stat(name)
		if err != nil || info.Size() != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v; want %d private bytes", filepath.Base(name), info, err, want)
		}
	}
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != 2 {
		t.Errorf("got %v, %v; want two files", all, err)
	}
}

func TestALogIsAFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, filepath.Join(dir, "missing", "iot.log")} {
		if f, err := openFile(path, 1000); err == nil {
			t.Errorf("%s was opened as %v", path, f.path)
		}
	}
}

func TestALogThatCannotTurnGoesOnLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "iot.log")
	f, err := openFile(path, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.write([]byte("12345678\n")); err != nil {
		t.Fatal(err)
	}
	if err := f.write([]byte("12345678\n")); err == nil {
		t.Fatal("the file grew beyond its bound")
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.write([]byte("later\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "later\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
