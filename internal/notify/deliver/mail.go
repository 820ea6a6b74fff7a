package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/notify"
)

// Relay is the SMTP server that takes mail. It is the operator's own choice, so
// its address is not judged.
type Relay struct {
	// Address is host:port.
	Address string
	// From is the address that mail comes from.
	From string
	// User and Password are for AUTH PLAIN; "" is none.
	User, Password string
	// Plain permits a connection that is not encrypted, which never carries a
	// password but to this machine.
	Plain bool
	// TLS replaces what certificates are trusted, for tests.
	TLS *tls.Config
}

// mailer sends mail.
type mailer struct {
	relay     *Relay
	confirmer confirmer
	now       func() time.Time
}

// errNoRelay is why mail is not sent. The delivery can be replayed.
var errNoRelay = errors.New("mail cannot be sent: no relay is set (setting smtp-relay)")

func (m *mailer) send(ctx context.Context, d *notify.Delivery) error {
	if m.relay == nil {
		return Final(errNoRelay)
	}
	to, err := mail.ParseAddress(d.Receiver.Endpoint)
	if err != nil || strings.ContainsAny(to.Address, "\r\n") {
		return Final(errors.New("the endpoint is no address for mail"))
	}
	text, err := m.text(ctx, d, to.Address)
	if err != nil {
		return err
	}
	return m.relay.send(ctx, to.Address, text)
}

// letter is what a mail says.
type letter struct {
	id, topic, key, subject, body string
	unsubscribe                   string
}

// text is the mail of a delivery (RFC 5322).
func (m *mailer) text(ctx context.Context, d *notify.Delivery, to string) ([]byte, error) {
	if d.Kind.Asks() {
		e, err := m.confirmer.confirmation(ctx, d)
		if err != nil {
			return nil, err
		}
		if d.Kind == notify.DeliverEnding {
			return m.write(to, &letter{
				id: e.MessageID, topic: e.TopicARN, subject: "Cordon - Unsubscribe Confirmation",
				body: "Somebody who had the link ended your subscription to the topic:\n" + e.TopicARN + "\n\n" +
					"To restore it, open this address within three days:\n" + e.SubscribeURL + "\n",
			})
		}
		return m.write(to, &letter{
			id: e.MessageID, topic: e.TopicARN, subject: "Cordon - Subscription Confirmation",
			body: "You have chosen to subscribe to the topic:\n" + e.TopicARN + "\n\n" +
				"To confirm this subscription, open this address:\n" + e.SubscribeURL + "\n\n" +
				"If it was not you, do nothing: nobody is subscribed who does not confirm.\n",
		})
	}
	l := &letter{
		id: d.Message.MessageID(), topic: d.TopicARN(), key: d.Message.ID, subject: d.Message.Subject,
		body:        d.Message.Text(notify.Email),
		unsubscribe: unsubscribeURL(m.confirmer.apiURL(), d.Receiver),
	}
	if l.subject == "" {
		l.subject = "Cordon Notification Message"
	}
	l.body += "\n\n--\nTo stop receiving notifications from this topic, open this address:\n" + l.unsubscribe + "\n"
	return m.write(to, l)
}

// write puts a mail together. Every header is encoded or made of one line, so
// that no text of a message becomes a header of its own.
func (m *mailer) write(to string, l *letter) ([]byte, error) {
	var b bytes.Buffer
	header := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, mime.QEncoding.Encode("utf-8", clean(value, maxHeader)))
		}
	}
	_, domain, _ := strings.Cut(m.relay.From, "@")
	header("From", (&mail.Address{Address: m.relay.From}).String())
	header("To", (&mail.Address{Address: to}).String())
	header("Subject", l.subject)
	header("Date", m.now().UTC().Format(time.RFC1123Z))
	header("Message-ID", "<"+l.id+"@"+domain+">")
	header("Auto-Submitted", "auto-generated")
	header("X-Cordon-Topic", l.topic)
	header("X-Cordon-Message-ID", l.key)
	if l.unsubscribe != "" {
		header("List-Unsubscribe", "<"+l.unsubscribe+">")
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	body := quotedprintable.NewWriter(&b)
	if _, err := body.Write([]byte(l.body)); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	if err := body.Close(); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	return b.Bytes(), nil
}

// maxHeader bounds the value of a header, in bytes: a line has at most 998
// (RFC 5322, section 2.1.1).
const maxHeader = 900

// send hands a mail to the relay. What the relay refuses for good, of the
// recipient or the mail, is final (RFC 5321, section 4.2.1); that it does not let
// Cordon in is not.
func (r *Relay) send(ctx context.Context, to string, text []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Address)
	if err != nil {
		return errors.New("the relay of mail cannot be reached") // the cause would name it
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	host, _, _ := net.SplitHostPort(r.Address)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return relayError("greet", err)
	}
	defer c.Close()
	if err := r.enter(c, host); err != nil {
		return err
	}
	if err := c.Mail(r.From); err != nil {
		return relayError("the sender", err)
	}
	if err := c.Rcpt(to); err != nil {
		return refused("the recipient", err)
	}
	out, err := c.Data()
	if err == nil {
		_, err = out.Write(text)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return refused("the mail", err)
	}
	_ = c.Quit() // it has the mail
	return nil
}

// enter makes the connection safe and says who Cordon is.
func (r *Relay) enter(c *smtp.Client, host string) error {
	if ok, _ := c.Extension("STARTTLS"); ok {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if r.TLS != nil {
			cfg = r.TLS.Clone()
		}
		cfg.ServerName = host
		if err := c.StartTLS(cfg); err != nil {
			return errors.New("the relay of mail could not be spoken to by TLS")
		}
	} else if !r.Plain {
		return errors.New("the relay of mail offers no STARTTLS (setting smtp-plaintext permits that)")
	}
	if r.User == "" {
		return nil
	}
	// PlainAuth sends nothing where others could read it.
	if err := c.Auth(smtp.PlainAuth("", r.User, r.Password, host)); err != nil {
		return relayError("user and password", err)
	}
	return nil
}

// relayError is one that is no fault of the mail. Only the relay's code is told:
// what it says may repeat what it was sent.
func relayError(what string, err error) error {
	var said *textproto.Error
	if errors.As(err, &said) {
		return fmt.Errorf("the relay of mail refused %s with code %d", what, said.Code)
	}
	return fmt.Errorf("the relay of mail broke off at %s", what)
}

func refused(what string, err error) error {
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 500 && said.Code <= 599 {
		return Final(relayError(what, err))
	}
	return relayError(what, err)
}
