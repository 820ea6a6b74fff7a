package keyquality

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func text(name, content string) File { return File{name, strings.NewReader(content)} }

// block is an entry of a badkeys list for a number of a key.
func block(number []byte, list byte) string {
	sum := sha256.Sum256(number)
	return string(sum[:15]) + string(list)
}

// badkeys is a badkeys list with these blocks.
func badkeys(blocks ...string) File {
	slices.Sort(blocks)
	return text("blocklist.dat", strings.Join(blocks, ""))
}

// debianBlock is the block of fixture.DebianKey as worked out with openssl,
// xxd and sha256sum.
func debianBlock(t *testing.T) string {
	t.Helper()
	b, err := hex.DecodeString("31c152529eb033a010f8c272fd8d42" + "01")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func load(t *testing.T, files ...File) *Blocklist {
	t.Helper()
	l, err := Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWeak(t *testing.T) {
	debian := fixture.DebianKey()
	p256 := soundEC(t, elliptic.P256())
	x, _ := coordinateX(p256)
	otherBlock := block([]byte("another"), 1)
	for _, tt := range []struct {
		name string
		list *Blocklist
		key  crypto.PublicKey
		want bool
	}{
		{"no list holds nothing", nil, debian, false},
		{"a list of no files holds nothing", load(t), debian, false},
		{"a text list holds its key", load(t, text("blacklist.RSA-2048", "b7ead9492dfd921fc4f9\n")), debian, true},
		{"upper case and Windows line ends are read",
			load(t, text("RSA-2048", "#\r\nB7EAD9492DFD921FC4F9\r\n")), debian, true},
		{"a list of other keys does not hold it", load(t, text("RSA-1024", "00006aa0ce2cd60e6660")), debian, false},
		{"a badkeys list holds its key", load(t, badkeys(debianBlock(t), otherBlock)), debian, true},
		{"a key listed for another reason is not of CVE-2008-0166",
			load(t, badkeys(block(debian.N.Bytes(), 9), otherBlock)), debian, false},
		{"a badkeys list holds an EC key by its x",
			load(t, badkeys(block(bytes.TrimLeft(x, "\x00"), 1))), p256, true},
		{"a sound EC key is not on the list", load(t, badkeys(otherBlock)), p256, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.list.Weak(Digests(tt.key)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWeakTakesWholeDigestsOnly(t *testing.T) {
	l := load(t, text("RSA-2048", "b7ead9492dfd921fc4f9\n"))
	for _, digest := range []string{"", "b7", "b7ead9492dfd921fc4f900", "zzead9492dfd921fc4f9"} {
		if l.Weak(digest, digest) {
			t.Errorf("got %q on the list, want it not to be", digest)
		}
	}
}

func TestDigests(t *testing.T) {
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name             string
		key              crypto.PublicKey
		openssl, badkeys string
	}{
		// By openssl, sha1sum, xxd and sha256sum.
		{"an RSA key has both", fixture.DebianKey(), "b7ead9492dfd921fc4f9", "31c152529eb033a010f8"},
		{"an Ed25519 key has none", edwards, "", ""},
		{"a key without modulus has none", &rsa.PublicKey{}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if o, b := Digests(tt.key); o != tt.openssl || b != tt.badkeys {
				t.Errorf("got %q and %q, want %q and %q", o, b, tt.openssl, tt.badkeys)
			}
		})
	}
	if o, b := Digests(soundEC(t, elliptic.P384())); o != "" || len(b) != 20 {
		t.Errorf("got %q and %q for an EC key, want none and 20 digits", o, b)
	}
}

func TestLoadRefuses(t *testing.T) {
	other := block([]byte("another"), 1)
	broken := iotest.ErrReader(errors.New("disk on fire"))
	for _, tt := range []struct {
		name string
		file File
		want []string
	}{
		{"an empty file", text("a", ""), []string{"a", "empty"}},
		{"a text file that does not tell the key size", text("weak.txt", "00006aa0ce2cd60e6660\n"),
			[]string{"weak.txt", "key size"}},
		{"a line that is too short", text("RSA-1024", "# c\n\n00006aa0ce2cd60e66\n"), []string{"RSA-1024", "line 3"}},
		{"a whole SHA-1",
			text("RSA-1024", "a6d0fdec21d718b7f75eb7ead9492dfd921fc4f9\n"), []string{"line 1", "40 characters"}},
		{"a line that is not hexadecimal", text("RSA-1024", "zz006aa0ce2cd60e6660\n"), []string{"line 1", "hex"}},
		{"a line without end", text("RSA-1024", strings.Repeat("a", maxLine+1)), []string{"line 1"}},
		{"comments only", text("RSA-1024", "# nothing\n"), []string{"no key"}},
		{"a compressed badkeys list", text("blocklist.dat.xz", "\xfd7zXZ\x00rest"), []string{"xz", "unpack"}},
		{"a gzip file", text("RSA-1024.gz", "\x1f\x8brest"), []string{"gzip", "unpack"}},
		{"a badkeys list cut in a block",
			text("b.dat", block([]byte("x"), 1)+"\x00\x01"), []string{"b.dat", "block 2", "short"}},
		{"a badkeys list out of order", text("b.dat", "\xff"+other[1:]+"\x00"+other[1:]), []string{"block 2", "order"}},
		{"a badkeys list without Debian keys", badkeys(block([]byte("another"), 2)), []string{"CVE-2008-0166"}},
		{"a file that cannot be read", File{"gone", broken}, []string{"gone", "disk on fire"}},
		{"a file that breaks off",
			File{"half", io.MultiReader(strings.NewReader("\x00\x01"), broken)}, []string{"half", "disk on fire"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Load(text("blacklist.RSA-2048", "b7ead9492dfd921fc4f9"), tt.file)
			if err == nil || l != nil {
				t.Fatalf("got %v, %v, want an error alone", l, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestReportSaysWhatEachFileGave(t *testing.T) {
	l := load(t,
		text("/usr/share/openssl-blacklist/blacklist.RSA-1024", "00006aa0ce2cd60e6660\n00008be7025d9f1a9088\n"),
		badkeys(block([]byte("a"), 1), block([]byte("b"), 4), block([]byte("c"), 13)))
	got := l.Report()
	if len(got) != 2 {
		t.Fatalf("got %d files, want 2", len(got))
	}
	g := got[0]
	if g.Kind != OpenSSLBlacklist || g.Entries != 2 || g.Other != 0 || !slices.Equal(g.Keys, []string{"RSA 1024"}) {
		t.Errorf("got %+v, want two RSA 1024 keys of openssl-blacklist", g)
	}
	if g := got[1]; g.Kind != Badkeys || g.Entries != 1 || g.Other != 2 || !slices.Contains(g.Keys, "P-384") {
		t.Errorf("got %+v, want one key of badkeys and two others", g)
	}
}

func TestNoListHasNoReport(t *testing.T) {
	var none *Blocklist
	if got := none.Report(); got != nil {
		t.Errorf("got %v, want no report", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("blacklist.RSA-2048", []byte(fixture.DebianBlacklist))
	f.Add("blocklist.dat", []byte(block([]byte("a"), 1)))
	f.Add("blocklist.dat", []byte("\xfd7zXZ\x00"))
	f.Add("x", []byte("é\x00"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		l, err := Load(File{name, bytes.NewReader(content)})
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(l.moduli, compareRecords) || !slices.IsSortedFunc(l.numbers, compareRecords) {
			t.Error("got an unsorted table")
		}
		if got := l.Report()[0].Entries; got < max(len(l.moduli), len(l.numbers)) {
			t.Errorf("got %d entries reported, want at least those held", got)
		}
	})
}
