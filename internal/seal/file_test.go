package seal

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func write(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyFileFormats(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString(testKey)
	for _, tt := range []struct {
		name, content, want string // want is part of the error, "" for none
	}{
		{"32 raw bytes are a key", string(testKey), ""},
		{"raw bytes may end in a newline", string(testKey[:31]) + "\n", ""},
		{"base64 is a key", b64, ""},
		{"base64 with a newline is a key", b64 + "\n", ""},
		{"base64 without padding is a key", strings.TrimRight(b64, "="), ""},
		{"31 bytes are none", string(testKey[:31]), "32 raw bytes"},
		{"base64 of 31 bytes is none", base64.StdEncoding.EncodeToString(testKey[:31]), "32 raw bytes"},
		{"an empty file is none", "", "32 raw bytes"},
		{"other text is none", "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk!", "32 raw bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadKeyFile(write(t, tt.content, 0o600), true)
			checkError(t, err, tt.want)
			if err != nil && strings.Contains(err.Error(), "kkkk") {
				t.Errorf("the error %q shows the content", err)
			}
		})
	}
}

func TestRawAndBase64OfAKeyAreTheSame(t *testing.T) {
	raw, err := LoadKeyFile(write(t, string(testKey), 0o400), false)
	if err != nil {
		t.Fatal(err)
	}
	coded, err := LoadKeyFile(write(t, base64.StdEncoding.EncodeToString(testKey), 0o600), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := coded.Open(Binding{}, raw.Seal(Binding{}, []byte("x"))); string(got) != "x" {
		t.Errorf("got %q, %v; want x", got, err)
	}
}

func TestFilesThatOthersMayUseAreRefused(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601, 0o644} {
		_, err := LoadKeyFile(write(t, string(testKey), mode), true)
		checkError(t, err, "chmod 600")
	}
	if _, err := ReadPrivateFile(t.TempDir()); err == nil {
		t.Error("a directory: got no error")
	}
	_, err := ReadPrivateFile(write(t, strings.Repeat("x", maxFile+1), 0o600))
	checkError(t, err, "larger than")
}

func TestAMissingKeyFileIsMadeOnlyWhenAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadKeyFile(path, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	made, err := LoadKeyFile(path, true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %04o, want 0600", got)
	}
	loaded, err := LoadKeyFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := loaded.Open(Binding{}, made.Seal(Binding{}, []byte("x"))); string(got) != "x" {
		t.Errorf("got %q, %v; want x", got, err)
	}
}

func TestSeveralThatMakeAKeyAtOnceEndWithOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	sealers := make([]*Sealer, 8)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range sealers {
		wg.Go(func() {
			<-start
			s, err := LoadKeyFile(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			sealers[i] = s
		})
	}
	close(start)
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed := sealers[0].Seal(Binding{}, []byte("x"))
	for i, s := range sealers {
		if _, err := s.Open(Binding{}, sealed); err != nil {
			t.Errorf("sealer %d has another key: %v", i, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v in the directory; want the key alone", files, err)
	}
}

func TestCreatePrivateFileNeverReplaces(t *testing.T) {
	path := write(t, "first", 0o600)
	if err := CreatePrivateFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got, err := os.ReadFile(path); string(got) != "first" {
		t.Errorf("got %q, %v; want the first content", got, err)
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want no error", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want an error with %q", err, want)
	}
}
