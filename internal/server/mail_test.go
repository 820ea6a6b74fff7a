package server_test

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/notify"
)

// mailbox is a relay that takes every mail, and gives each to the channel.
func mailbox(t *testing.T) (address string, mails chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	mails = make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeMail(c, mails)
		}
	}()
	return l.Addr().String(), mails
}

func takeMail(c net.Conn, mails chan<- string) {
	defer c.Close()
	fmt.Fprint(c, "220 mailbox\r\n")
	var mail strings.Builder
	lines, data := bufio.NewScanner(c), false
	for lines.Scan() {
		switch line := lines.Text(); {
		case data && line == ".":
			data = false
			mails <- mail.String()
			fmt.Fprint(c, "250 taken\r\n")
		case data:
			mail.WriteString(line + "\r\n")
		case line == "DATA":
			data = true
			fmt.Fprint(c, "354 go on\r\n")
		default:
			fmt.Fprint(c, "250 fine\r\n")
		}
	}
}

// nextMail waits for a mail and returns its text.
func nextMail(t *testing.T, mails <-chan string) string {
	t.Helper()
	select {
	case mail := <-mails:
		_, body, _ := strings.Cut(mail, "\r\n\r\n")
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	case <-time.After(cordontest.Deadline):
		t.Fatal("got no mail")
	}
	return ""
}

// subscribeMail subscribes an address.
func subscribeMail(t *testing.T, c *cordontest.Cordon, topic string) {
	t.Helper()
	if _, err := c.Store().Subscribe(t.Context(), notify.Subscription{
		ARN:      notify.SubscriptionARN{Topic: topicOf(topic), ID: uuid.NewString()},
		Protocol: notify.Email, Endpoint: "user@example.org", State: notify.Unconfirmed, Created: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
}

func TestMailGoesToTheRelayOnceItIsConfirmed(t *testing.T) {
	t.Parallel()
	address, mails := mailbox(t)
	c := hastyServer(t, func(cfg *config.Config) {
		cfg.SMTPRelay, cfg.SMTPFrom, cfg.SMTPPlaintext = address, "cordon@example.com", true
	})
	newTopic(t, c, "alarms")
	subscribeMail(t, c, "alarms")
	link := regexp.MustCompile(`http://\S+`).FindString(nextMail(t, mails))
	publish(t, c, "alarms", 1) // nobody hears of it
	cordontest.Await(t, "it is settled", func() bool { return backlog(t, c.OpsURL(), "PENDING") == "0" })
	visit(t, link, http.StatusOK)
	publish(t, c, "alarms", 2)
	for range 2 {
		if text := nextMail(t, mails); !strings.HasPrefix(text, "{}") || !strings.Contains(text, "Action=Unsubscribe") {
			t.Errorf("got %q, want the message", text)
		}
	}
	select {
	case mail := <-mails:
		t.Errorf("got one mail more: %s", mail)
	default:
	}
}

func TestMailWithoutARelayIsADeadLetterThatSaysSo(t *testing.T) {
	t.Parallel()
	c := hastyServer(t, nil)
	newTopic(t, c, "alarms")
	subscribeMail(t, c, "alarms")
	cordontest.Await(t, "it is given up", func() bool { return backlog(t, c.OpsURL(), "DEAD") == "1" })
	dead, _, err := c.Store().DeadLetters(t.Context(), scope, 0, 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Error, "smtp-relay") {
		t.Errorf("got %+v, %v, want it said what is missing", dead, err)
	}
}
