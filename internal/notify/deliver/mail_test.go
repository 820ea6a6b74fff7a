package deliver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/pki"
)

// relay is an SMTP server that answers commands as told and keeps what it got.
type relay struct {
	t        *testing.T
	listener net.Listener
	tls      *tls.Config       // STARTTLS is offered if set
	answers  map[string]string // by the first word of a command
	got      chan []string
}

func newRelay(t *testing.T, cfg *tls.Config, answers map[string]string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t, l, cfg, answers, make(chan []string, 1)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.serve(c)
		}
	}()
	return r
}

// serve speaks with one client: all of its lines are kept.
func (r *relay) serve(c net.Conn) {
	defer func() { c.Close() }()
	var lines []string
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 relay\r\n")
	for data := false; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			r.got <- lines
			return
		}
		line = strings.TrimRight(line, "\r\n")
		lines = append(lines, line)
		word, _, _ := strings.Cut(line, " ")
		answer := r.answers[word]
		switch {
		case data && line != ".":
			continue
		case data:
			data = false
			answer = r.answers["."]
		case word == "EHLO":
			answer = "250-relay\r\n250 AUTH PLAIN"
			if _, secure := c.(*tls.Conn); r.tls != nil && !secure {
				answer = "250-relay\r\n250 STARTTLS"
			}
		case word == "STARTTLS":
			fmt.Fprint(c, "220 go\r\n")
			c = tls.Server(c, r.tls)
			in = bufio.NewReader(c)
			continue
		case word == "AUTH" && answer == "":
			answer = "235 welcome"
		case word == "DATA" && answer == "":
			answer, data = "354 go", true
		}
		if answer == "" {
			answer = "250 fine"
		}
		fmt.Fprint(c, answer+"\r\n")
	}
}

func (r *relay) mailer(change func(*Relay)) *mailer {
	to := &Relay{Address: r.listener.Addr().String(), From: "cordon@example.com", Plain: true}
	if change != nil {
		change(to)
	}
	return &mailer{
		relay: to, now: time.Now, confirmer: confirmer{&tokens{}, func() string { return "https://api.example" }, time.Now},
	}
}

func mailTo(address string) *notify.Delivery {
	d := delivery(address)
	d.Receiver.Protocol = notify.Email
	return d
}

// send sends a mail and returns the lines that the relay got.
func (r *relay) send(m *mailer, d *notify.Delivery) ([]string, error) {
	r.t.Helper()
	err := m.send(r.t.Context(), d)
	return <-r.got, err
}

// parse reads the mail in the lines of a session.
func parse(t *testing.T, lines []string) (header mail.Header, body string) {
	t.Helper()
	_, text, found := strings.Cut(strings.Join(lines, "\r\n"), "\r\nDATA\r\n")
	m, err := mail.ReadMessage(strings.NewReader(strings.TrimSuffix(text, "\r\n.\r\nQUIT") + "\r\n"))
	if !found || err != nil {
		t.Fatalf("got no mail (%v) in %q", err, lines)
	}
	content, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(content), "\r\n", "\n")
}

func TestAMessageIsMailed(t *testing.T) {
	r := newRelay(t, nil, nil)
	d := mailTo("user@example.org")
	d.Message.Subject, d.Message.Body = "Feuer übers Dach", "one\n.two\nthree: "+strings.Repeat("ü", 2000)
	lines, err := r.send(r.mailer(nil), d)
	if err != nil {
		t.Fatal(err)
	}
	header, body := parse(t, lines)
	subject, _ := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	for name, got := range map[string][2]string{
		"subject":   {subject, d.Message.Subject},
		"from":      {header.Get("From"), "<cordon@example.com>"},
		"to":        {header.Get("To"), "<user@example.org>"},
		"key":       {header.Get("X-Cordon-Message-Id"), "execution/42"},
		"sender":    {lines[1], "MAIL FROM:<cordon@example.com>"},
		"recipient": {lines[2], "RCPT TO:<user@example.org>"},
	} {
		if !strings.HasPrefix(got[0], got[1]) {
			t.Errorf("%s: got %q, want %q", name, got[0], got[1])
		}
	}
	if !strings.HasPrefix(body, strings.Replace(d.Message.Body, "\n.two", "\n..two", 1)+"\n") ||
		!strings.Contains(body, "https://api.example/?Action=Unsubscribe&SubscriptionArn=") {
		t.Errorf("got %q", body)
	}
}

func TestAnAddressIsSentALinkThatConfirms(t *testing.T) {
	for kind, subject := range map[notify.DeliveryKind]string{
		notify.DeliverConfirmation: "Cordon - Subscription Confirmation",
		notify.DeliverEnding:       "Cordon - Unsubscribe Confirmation",
	} {
		r := newRelay(t, nil, nil)
		d := mailTo("user@example.org")
		d.Kind, d.Message = kind, nil
		lines, err := r.send(r.mailer(nil), d)
		if err != nil {
			t.Fatal(err)
		}
		header, body := parse(t, lines)
		if header.Get("Subject") != subject ||
			!strings.Contains(body, "https://api.example/?Action=ConfirmSubscription&TopicArn=") {
			t.Errorf("%s: got %v, %q, want %q with a link", kind, header, body, subject)
		}
	}
}

// No text that somebody chose may become a header or a command of its own.
func TestNothingIsInjectedIntoMail(t *testing.T) {
	r := newRelay(t, nil, nil)
	d := mailTo("user@example.org")
	d.Message.Subject = "x\r\nBcc: victim@example.net\r\n\r\nbody"
	d.Message.ID = "y\nX-Evil: 1"
	d.Message.Body = "text\r\n.\r\nMAIL FROM:<evil@example.net>\r\n"
	lines, err := r.send(r.mailer(nil), d)
	if err != nil {
		t.Fatal(err)
	}
	header, _ := parse(t, lines)
	if header.Get("Bcc") != "" || header.Get("X-Evil") != "" {
		t.Errorf("got headers that were not meant: %v", header)
	}
	if slices.Index(lines, ".") != len(lines)-2 || lines[len(lines)-1] != "QUIT" {
		t.Errorf("got %q, want one mail", lines)
	}
	for _, address := range []string{
		"a@example.org>\r\nRCPT TO:<b@example.org", "a@example.org, b@example.org", "none", "",
	} {
		if err := r.mailer(nil).send(t.Context(), mailTo(address)); !errors.As(err, &finalError{}) {
			t.Errorf("%q: got %v, want it refused for good", address, err)
		}
	}
}

func TestWhatARelayAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers map[string]string
		change  func(*Relay)
		want    string
		final   bool
	}{
		{"a recipient that it does not know", map[string]string{"RCPT": "550 no secret@host"}, nil,
			"recipient with code 550", true},
		{"a recipient for later", map[string]string{"RCPT": "451 greylisted"}, nil, "recipient with code 451", false},
		{"a mail that it does not take", map[string]string{".": "554 spam"}, nil, "the mail with code 554", true},
		{"a full disk", map[string]string{".": "452 full"}, nil, "the mail with code 452", false},
		{"a sender that it does not know", map[string]string{"MAIL": "550 who"}, nil, "sender with code 550", false},
		{"a wrong password", map[string]string{"AUTH": "535 no"}, func(r *Relay) { r.User, r.Password = "u", "p" },
			"password with code 535", false},
		{"no STARTTLS", nil, func(r *Relay) { r.Plain = false }, "no STARTTLS", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, nil, tt.answers)
			_, err := r.send(r.mailer(tt.change), mailTo("user@example.org"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if final := errors.As(err, &finalError{}); final != tt.final {
				t.Errorf("got final %t, want %t: %v", final, tt.final, err)
			}
		})
	}
}

func TestARelayIsSpokenToByTLS(t *testing.T) {
	ca, err := pki.NewAuthority(pkix.Name{CommonName: "CA"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host := pki.Host{Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	c, err := ca.IssueHost(host, &private.PublicKey, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate().X509())
	shown := tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: private}
	r := newRelay(t, &tls.Config{Certificates: []tls.Certificate{shown}}, nil)
	lines, err := r.send(r.mailer(func(r *Relay) {
		r.Plain, r.User, r.Password, r.TLS = false, "u", "p", &tls.Config{RootCAs: roots}
	}), mailTo("user@example.org"))
	auth := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00p"))
	if text := strings.Join(lines, "\n"); err != nil || !strings.Contains(text, "STARTTLS\nEHLO localhost\n"+auth) {
		t.Errorf("got %v and %q, want the password behind STARTTLS", err, lines)
	}
	lines, err = r.send(r.mailer(func(r *Relay) { r.Plain = true }), mailTo("user@example.org"))
	if err == nil || strings.Contains(strings.Join(lines, "\n"), "MAIL") {
		t.Errorf("got %v and %q, want a certificate that is not trusted refused", err, lines)
	}
}

func TestMailWithoutARelayIsGivenUp(t *testing.T) {
	err := (&mailer{}).send(t.Context(), mailTo("user@example.org"))
	if !errors.As(err, &finalError{}) || !strings.Contains(err.Error(), "smtp-relay") {
		t.Errorf("got %v, want it said what is missing", err)
	}
}
