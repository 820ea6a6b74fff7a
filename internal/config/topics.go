package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
)

// maxAPIURL bounds what stands in every message.
const maxAPIURL = 256

// baseURL reports whether a text is scheme and host of http, with nothing behind
// them.
func baseURL(text string, most int) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && len(text) <= most &&
		text == u.Scheme+"://"+u.Host
}

func (c *Config) validateTopics() error {
	var errs []error
	if c.APIURL != "" && !baseURL(c.APIURL, maxAPIURL) {
		errs = append(errs, fmt.Errorf("api-url: %.300q is not scheme and host alone, with nothing behind them, "+
			"in at most %d characters: try https://cordon.example.com", c.APIURL, maxAPIURL))
	}
	if c.SNSEndpoint != "" && !baseURL(c.SNSEndpoint, maxAPIURL) {
		errs = append(errs, fmt.Errorf("sns-endpoint: %.300q is not scheme and host alone, with nothing behind them: "+
			"try https://sns.us-east-1.amazonaws.com", c.SNSEndpoint))
	}
	if c.TopicRate < 0 {
		errs = append(errs, fmt.Errorf("topic-rate: %d is less than 0: try 100, or 0 for no limit", c.TopicRate))
	}
	return errors.Join(append(errs, c.validateMail())...)
}

func (c *Config) validateMail() error {
	if c.SMTPRelay == "" {
		if c.SMTPFrom != "" || c.SMTPUsername != "" || !c.SMTPPassword.Empty() {
			return errors.New("smtp-from, smtp-username and smtp-password say how to use a relay: set smtp-relay too")
		}
		return nil
	}
	var errs []error
	if host, number, err := net.SplitHostPort(c.SMTPRelay); err != nil || host == "" || !isPort(number) {
		errs = append(errs, fmt.Errorf("smtp-relay: %q is not host:port: try mail.example.com:587", c.SMTPRelay))
	}
	if from, err := mail.ParseAddress(c.SMTPFrom); err != nil || from.Address != c.SMTPFrom {
		errs = append(errs, fmt.Errorf("smtp-from: %q is not an address of mail: try cordon@example.com", c.SMTPFrom))
	}
	if (c.SMTPUsername == "") != c.SMTPPassword.Empty() {
		errs = append(errs, errors.New("smtp-username and smtp-password belong together: set both or none"))
	}
	return errors.Join(errs...)
}

func isPort(text string) bool {
	n, err := port(text)
	return err == nil && n > 0
}
