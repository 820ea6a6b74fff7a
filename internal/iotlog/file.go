package iotlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// file is a file that nobody else reads, with a bound on its size: beyond it the
// file becomes the old one, in place of the one before, and a new one begins.
type file struct {
	path string
	most int64 // bytes, 0: no bound, for standard output
	file *os.File
	size int64
	torn bool // a line was left incomplete
}

// standardOutput is the path that means it.
const standardOutput = "-"

func openFile(path string, most int64) (*file, error) {
	if path == standardOutput {
		return &file{file: os.Stdout}, nil
	}
	f := &file{path: path, most: most}
	return f, f.open()
}

// open opens the file, which may be there, and keeps others from reading it.
func (f *file) open() error {
	// Opening a pipe would wait for its reader.
	if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.path)
	}
	opened, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := opened.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = opened.Chmod(0o600)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open log: %w", err), opened.Close())
	}
	if f.file != nil {
		_ = f.file.Close() // Everything is written; there is nothing that closing could lose.
	}
	f.file, f.size = opened, info.Size()
	return nil
}

// write appends whole lines.
func (f *file) write(lines []byte) error {
	if f.most > 0 && f.size > 0 && f.size+int64(len(lines)) > f.most {
		if err := f.turn(); err != nil {
			return err
		}
	}
	if f.torn {
		lines = append([]byte("\n"), lines...)
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	f.torn = err != nil && (n > 0 || f.torn)
	if err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// turn makes the file the old one. After an error it may be called again.
func (f *file) turn() error {
	if err := os.Rename(f.path, f.path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate log: %w", err)
	}
	if err := f.open(); err != nil {
		return err
	}
	f.torn = false
	return nil
}

func (f *file) close() error {
	if f.path == "" {
		return nil
	}
	return f.file.Close()
}
