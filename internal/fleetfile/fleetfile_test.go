package fleetfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// records reads a whole file.
func records(t *testing.T, path string) (list []Record, err error) {
	t.Helper()
	format, err := FormatOf(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, format)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, rec)
	}
}

// outline is a record as a line of text.
func outline(r Record) string {
	if r.Refused != "" {
		return r.Where + " refused: " + r.Refused
	}
	return r.Where + " " + r.Device.ThingName
}

func check(t *testing.T, got []Record, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = outline(got[i])
		}
		if i < len(want) {
			w = want[i]
		}
		if !strings.HasPrefix(g, w) {
			t.Errorf("record %d: got %q, want %q", i+1, g, w)
		}
	}
}

func TestARecordSaysAllOfADevice(t *testing.T) {
	want := Device{
		ThingName: "pump", ThingTypeName: "pumps", Attributes: map[string]string{"site": "north"},
		ThingGroupNames: []string{"a", "b"}, CertificatePEM: pem, CACertificatePEM: "ca", Status: "ACTIVE",
		PolicyNames: []string{"p"},
	}
	line := `{"thingName":"pump","thingTypeName":"pumps","attributes":{"site":"north"},"thingGroupNames":["a","b"],` +
		`"certificatePem":` + fmt.Sprintf("%q", pem) + `,"caCertificatePem":"ca","status":"ACTIVE","policyNames":["p"]}`
	sheet := "\xef\xbb\xbfthingName,thingTypeName,attribute.site,thingGroupNames,certificatePem,caCertificatePem,status," +
		"policyNames\r\npump,pumps,north,a; b,\"" + pem + "\",ca,ACTIVE,p\r\n"
	for name, content := range map[string]string{"f.jsonl": line, "f.csv": sheet} {
		got, err := records(t, write(t, name, []byte(content)))
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0].Device, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestABrokenRecordDoesNotEndTheFile(t *testing.T) {
	long := `{"thingName":"` + strings.Repeat("x", MaxRecord) + `"}`
	lines := strings.Join([]string{
		`{"thingName":"a"}`, `{"thingName":`, `{"thingName":"b","colour":"red"}`, ``, `{"thingName":"c` + "\x00" + `"}`,
		`{"status":"ACTIVE"}`, long, `[1]`, `{"thingName":"d"} {"thingName":"e"}`, `{"thingName":"f"}`,
	}, "\n")
	got, err := records(t, write(t, "f.ndjson", []byte(lines)))
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, "1 a", "2 refused: not an object", `3 refused: not an object of a device: json: unknown field "colour"`,
		"5 refused: the record has a NUL byte", "6 refused: there is neither", "7 refused: the record is longer than",
		"8 refused: not an object", "9 refused: there is more behind", "10 f")
}

func TestABrokenRowDoesNotEndTheSheet(t *testing.T) {
	sheet := "thingName,attribute.a\nfirst,1\n" + "wide" + strings.Repeat(",", 2_000_000) + "\nfew\nquo\"te,1\n" +
		"\"two\nlines\",1\nnul\x00,1\n,\nlast,1"
	got, err := records(t, write(t, "f.csv", []byte(sheet)))
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, "2 first", "3 refused: the record is longer than", "4 refused: the record has 1 fields",
		"5 refused: not a record of a CSV", "6 two\nlines", "8 refused: the record has a NUL byte",
		"9 refused: there is neither", "10 last")
}

func TestAnUnclosedQuotationMarkIsRefused(t *testing.T) {
	got, err := records(t, write(t, "f.csv", []byte("thingName\na\n\"b\nc\nd\n")))
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, "2 a", "3 refused: not a record of a CSV")
}

func TestASheetNamesColumnsThatHaveAMeaning(t *testing.T) {
	for head, want := range map[string]string{
		"":                           "the file is empty",
		"thingName,colour\na,b\n":    `the column "colour" has no meaning`,
		"thingName,thingName\na,b\n": `the column "thingName" is there twice`,
		"attribute.\nx\n":            `the column "attribute." has no meaning`,
		strings.Repeat("attribute.a,", 100) + "thingName\n": "there are 101 columns",
		strings.Repeat("x,", MaxRecord) + "\n":              "longer than",
		"thing\"Name\n":                                     "the names of the columns",
	} {
		if _, err := records(t, write(t, "f.csv", []byte(head))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", head, err, want)
		}
	}
}

func packed(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		h.Mode = 0o600
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'x'}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestATarIsReadFileByFile(t *testing.T) {
	content := packed(t, &tar.Header{Name: "certs/", Typeflag: tar.TypeDir}, &tar.Header{Name: "certs/a.pem", Size: 10},
		&tar.Header{Name: "certs/b.pem", Size: MaxRecord + 1},
		&tar.Header{Name: "certs/c.pem", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		&tar.Header{Name: "certs/d.pem"}, &tar.Header{Name: "certs/e.pem", Size: 3})
	got, err := records(t, write(t, "f.tar.gz", content))
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, "certs/a.pem ", "certs/b.pem refused: the record is longer", "certs/c.pem refused: not a regular file",
		"certs/d.pem refused: there is neither", "certs/e.pem ")
	if got[0].Device.CertificatePEM != "xxxxxxxxxx" {
		t.Errorf("got %q, want what is in the file", got[0].Device.CertificatePEM)
	}
	if got, err := records(t, write(t, "f.tgz", content[:len(content)/2])); err == nil {
		t.Errorf("got %v of half an archive, want an error", got)
	}
}

func TestADirectoryIsReadByName(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"b.pem": pem, "a.pem": pem, "sub/c.pem": pem, "z.pem": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	got, err := records(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, "a.pem ", "b.pem ", "link refused: not a regular file", "sub/c.pem ", "z.pem refused: there is neither")
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("thingName,status\na,\"b\nc\"\n"))
	f.Add([]byte(`{"thingName":"a"}` + "\n\x00\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, name := range []string{"f.csv", "f.jsonl", "f.tar", "f.pem"} {
			list, err := records(t, write(t, name, content))
			if len(list) > len(content)+1 {
				t.Errorf("%s: got %d records and %v of %d bytes", name, len(list), err, len(content))
			}
			for _, r := range list {
				if r.Refused == "" && r.Device.ThingName == "" && r.Device.CertificatePEM == "" {
					t.Errorf("%s: got %+v, which says nothing", name, r)
				}
			}
		}
	})
}
