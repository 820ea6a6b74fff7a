package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds a private file: a key, a password or a configuration.
const maxFile = 1 << 20

// LoadKeyFile returns the sealer under the master key in a private file (see
// [ReadPrivateFile]). The file holds either exactly 32 raw bytes, or 32 bytes
// in standard base64, with or without padding and white space around it, as
// "openssl rand -base64 32" prints them.
//
// With create set, a missing file is made with a random key. Of several
// processes that do so at once one wins, and all return a sealer under its key.
func LoadKeyFile(path string, create bool) (*Sealer, error) {
	content, err := ReadPrivateFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		content, err = createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	key, err := parseKey(content)
	if err != nil {
		return nil, fmt.Errorf("master key in %s: %w", path, err)
	}
	return New(key)
}

func createKey(path string) ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	content := base64.StdEncoding.AppendEncode(nil, key)
	err := CreatePrivateFile(path, append(content, '\n'))
	if errors.Is(err, fs.ErrExist) {
		return ReadPrivateFile(path)
	}
	return content, err
}

// errKeyFormat does not say what was found: it may be most of a key.
var errKeyFormat = fmt.Errorf("want %d raw bytes, or as many in base64 (openssl rand -base64 %d)", KeySize, KeySize)

func parseKey(content []byte) ([]byte, error) {
	if len(content) == KeySize {
		return content, nil
	}
	text := bytes.TrimRight(bytes.TrimSpace(content), "=")
	key, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil || len(key) != KeySize {
		return nil, errKeyFormat
	}
	return key, nil
}

// ReadPrivateFile returns the content of a file that holds a secret, of at
// most 1 MiB. A file that its group or others may read, write or execute is
// refused, and so is what is not a regular file.
func ReadPrivateFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case mode.Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s holds a secret, and others than its owner may use it (mode %04o): chmod 600 %s",
			path, mode.Perm(), path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return content, nil
}

// CreatePrivateFile makes a file of mode 0600 that appears with its whole
// content or not at all, and survives a power cut once the call returns. It
// never replaces one: if the path is taken the error is [fs.ErrExist]. The
// file system must know hard links.
func CreatePrivateFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		// Unlike a rename, a link does not replace what is there.
		err = os.Link(temp.Name(), path)
	}
	if err = errors.Join(err, os.Remove(temp.Name())); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
