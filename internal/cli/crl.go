package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

type crlCommands struct {
	Import crlImport `cmd:"" help:"Import revocation lists and the certificates of their issuers."`
	List   crlList   `cmd:"" help:"List the revocation lists that are known."`
}

// Help returns what is written by hand.
func (*crlCommands) Help() string {
	return `Import and list what the issuers of certificates have revoked.

Usage: cordon crl <command> [flags]
` + accountCallHelp
}

// accountCallHelp belongs to the help of commands that any account may call.
const accountCallHelp = `
The call is signed with a key of the account that it is for: from
CORDON_ROOT_ACCESS_KEY_ID and CORDON_ROOT_SECRET_ACCESS_KEY, else from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else from the file root-access-key
in the data directory of a server on this machine. --region says which registry
of the account is meant.
`

type crlImport struct {
	Call  connection `embed:""`
	Files []string   `arg:"" name:"file" help:"Files of lists and certificates, PEM or DER."`
}

// Help returns what is written by hand.
func (*crlImport) Help() string {
	return `Import revocation lists, so that audits know what issuers have revoked without
fetching anything, and certificates of issuers that are not registered: roots
and intermediate CAs.

Usage: cordon crl import FILE... [flags]

A file is one list or one certificate in DER form, or any number of both in PEM
form. Certificates are taken first, whatever the order. A list counts as a whole
or not at all: it must be signed by an issuer that is known, be complete, not
have expired, and be newer than what is known of that issuer.

Examples:
  cordon crl import root.pem intermediate.pem factory.crl
  curl -s http://crl.example/factory.crl | cordon crl import /dev/stdin
` + accountCallHelp
}

// imported is what a file holds.
type imported struct {
	file         string
	certificates []string // PEM
	lists        []*os.File
}

// Run imports the files.
func (c *crlImport) Run(ctx context.Context, p *Process) error {
	var all []*imported
	defer func() {
		for _, f := range all {
			for _, list := range f.lists {
				_ = list.Close() // was read
			}
		}
	}()
	for _, name := range c.Files {
		f, err := readImport(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, f)
	}
	out := crlOutput{p: p, json: c.Call.JSON}
	for _, f := range all {
		for _, text := range f.certificates {
			if err := c.issuer(ctx, p, text, &out); err != nil {
				return fmt.Errorf("%s: %w", f.file, err)
			}
		}
	}
	for _, f := range all {
		for _, list := range f.lists {
			if err := c.list(ctx, p, list, &out); err != nil {
				return fmt.Errorf("%s: %w", f.file, err)
			}
		}
	}
	return out.end()
}

// maxCertificate is the longest certificate in DER form, in bytes.
const maxCertificate = 65536

// readImport reads a file once, and no further than a list may go. Lists are
// put into files without a name: they may be too large for memory.
func readImport(name string) (*imported, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out := &imported{file: name}
	// Base64 and line ends make a list longer by somewhat more than a third.
	limited := &io.LimitedReader{R: in, N: crl.MaxSize / 2 * 3}
	r := bufio.NewReaderSize(limited, 64<<10)
	head, err := r.Peek(1)
	if err != nil {
		return nil, errors.New("the file is empty or cannot be read")
	}
	if head[0] != 0x30 {
		err = out.readPEM(r)
	} else {
		err = out.readDER(r)
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("the file is larger than any revocation list: at most %d bytes are read", crl.MaxSize/2*3)
	}
	return out, err
}

// readDER takes a list, or a certificate: those are short, and begin another way.
func (f *imported) readDER(r *bufio.Reader) error {
	file, err := spool(r)
	if err != nil {
		return err
	}
	if _, err := crl.Read(file); err != nil {
		if _, seekErr := file.Seek(0, io.SeekStart); seekErr != nil {
			return errors.Join(err, seekErr, file.Close())
		}
		der, readErr := io.ReadAll(io.LimitReader(file, maxCertificate+1))
		if readErr == nil && len(der) <= maxCertificate && isCertificate(der) {
			f.certificates = append(f.certificates, encodeCertificate(der))
			return file.Close()
		}
	}
	// Also what is no list: the server says what is wrong with it.
	f.lists = append(f.lists, file)
	return nil
}

// readPEM takes all blocks of a file.
func (f *imported) readPEM(r *bufio.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		found = true
		switch block.Type {
		case "CERTIFICATE":
			f.certificates = append(f.certificates, encodeCertificate(block.Bytes))
		case "X509 CRL":
			file, err := spool(bytes.NewReader(block.Bytes))
			if err != nil {
				return err
			}
			f.lists = append(f.lists, file)
		default:
			return fmt.Errorf("a block %q is neither a revocation list nor a certificate", block.Type)
		}
	}
	switch {
	case !found:
		return errors.New("the file holds no revocation list and no certificate: neither DER nor a complete PEM block")
	case bytes.Contains(text, []byte("-----BEGIN")):
		return errors.New("a PEM block is incomplete or its base64 is malformed")
	}
	return nil
}

func isCertificate(der []byte) bool {
	_, err := pki.ParseDER(der)
	return err == nil
}

func encodeCertificate(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// spool copies what is read to a file that vanishes when it is closed.
func spool(r io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "cordon-crl-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, r)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// issuerCertificate is the certificate of an issuer, as the API returns it.
type issuerCertificate struct {
	CertificateID string `json:"certificateId"`
	Subject       string `json:"subject"`
	Issuer        string `json:"issuer,omitempty"`
	SerialNumber  string `json:"serialNumber"`
}

func (c *crlImport) issuer(ctx context.Context, p *Process, text string, out *crlOutput) error {
	var taken issuerCertificate
	err := c.Call.do(ctx, p, request{
		doing: "import certificate of an issuer", method: http.MethodPost, path: "/issuer-certificates",
		in: map[string]string{"certificatePem": text}, out: &taken,
	})
	if err != nil {
		return err
	}
	out.Issuers = append(out.Issuers, taken)
	return out.say("Took the certificate of %q, serial number %s.\n", taken.Subject, taken.SerialNumber)
}

const (
	// partSize is how many bytes of a list are sent in one call: a body may have
	// a mebibyte, and base64 makes a third more of them.
	partSize = 700 << 10
	// importTime bounds the call after which a list counts: all its entries are
	// stored in it.
	importTime = 10 * time.Minute
)

// revocationList is a list, as the API returns it.
type revocationList struct {
	Issuer     string  `json:"issuer"`
	Number     string  `json:"number,omitempty"`
	ThisUpdate float64 `json:"thisUpdate"` // seconds since 1970
	NextUpdate float64 `json:"nextUpdate"`
	Entries    int64   `json:"entries"`
	URL        string  `json:"url,omitempty"`
}

func (c *crlImport) list(ctx context.Context, p *Process, file *os.File, out *crlOutput) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	target := "/revocation-list-imports/" + url.PathEscape(rand.Text())
	part := make([]byte, partSize)
	for n := 0; ; n++ {
		size, err := io.ReadFull(file, part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		var none struct{}
		err = c.Call.do(ctx, p, request{
			doing: "send revocation list", method: http.MethodPut, path: fmt.Sprintf("%s/parts/%d", target, n),
			in: map[string][]byte{"data": part[:size]}, out: &none,
		})
		if err != nil {
			return err
		}
	}
	var answer struct {
		List revocationList `json:"revocationList"`
	}
	err := c.Call.do(ctx, p, request{
		doing: "import revocation list", method: http.MethodPost, path: target, out: &answer, wait: importTime,
	})
	if err != nil {
		return err
	}
	l := answer.List
	out.Lists = append(out.Lists, l)
	return out.say("Took the revocation list of %q, number %s: %d entries, next update %s.\n", l.Issuer,
		orNone(l.Number), l.Entries, moment(l.NextUpdate))
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

func moment(seconds float64) string {
	return time.UnixMilli(int64(seconds * 1000)).UTC().Format(time.RFC3339)
}

// crlOutput says what was taken, as it is taken or at the end as JSON.
type crlOutput struct {
	p    *Process
	json bool

	Issuers []issuerCertificate `json:"issuerCertificates,omitempty"`
	Lists   []revocationList    `json:"revocationLists,omitempty"`
}

func (o *crlOutput) say(format string, args ...any) error {
	if o.json {
		return nil
	}
	_, err := fmt.Fprintf(o.p.Stdout, format, args...)
	return err
}

func (o *crlOutput) end() error {
	if !o.json {
		return nil
	}
	return printJSON(o.p.Stdout, o)
}

type crlList struct {
	Call connection `embed:""`
}

// Help returns what is written by hand.
func (*crlList) Help() string {
	return `List the revocation lists that were imported, or that audits have fetched.

Usage: cordon crl list [flags]

Examples:
  cordon crl list
` + accountCallHelp
}

// Run lists the lists.
func (c *crlList) Run(ctx context.Context, p *Process) error {
	out := crlOutput{p: p, json: c.Call.JSON}
	type page struct {
		Lists     []revocationList `json:"revocationLists"`
		NextToken string           `json:"nextToken"`
	}
	r := request{doing: "list revocation lists", method: http.MethodGet, path: "/revocation-lists"}
	err := pages(ctx, &c.Call, p, r, func(page *page) string {
		out.Lists = append(out.Lists, page.Lists...)
		return page.NextToken
	})
	if err != nil {
		return err
	}
	if out.json {
		return out.end()
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tENTRIES\tNEXT UPDATE\tFROM\tISSUER")
	for _, l := range out.Lists {
		from := l.URL
		if from == "" {
			from = "import"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%q\t%q\n", orNone(l.Number), l.Entries, moment(l.NextUpdate), from, l.Issuer)
	}
	return t.Flush()
}
