package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// maxPKIURL bounds what stands three times in every certificate.
const maxPKIURL = 256

func (c *Config) validatePKI() error {
	var errs []error
	if c.PKIListen != "" {
		_, number, err := net.SplitHostPort(c.PKIListen)
		if err == nil {
			_, err = port(number)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("pki-listen: %q is not host:port: try 127.0.0.1:8082", c.PKIListen))
		}
		if !strings.HasSuffix(c.PKIListen, ":0") && (c.PKIListen == c.Listen || c.PKIListen == c.OpsListen) {
			errs = append(errs, fmt.Errorf("pki-listen: %s is the address of another listener: take another port", c.PKIListen))
		}
	}
	if c.PKIURL == "" {
		return errors.Join(errs...)
	}
	u, err := url.Parse(c.PKIURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(c.PKIURL) > maxPKIURL ||
		c.PKIURL != u.Scheme+"://"+u.Host {
		errs = append(errs, fmt.Errorf("pki-url: %.300q is not scheme and host alone, with nothing behind them, "+
			"in at most %d characters: try http://pki.example.com", c.PKIURL, maxPKIURL))
	}
	return errors.Join(errs...)
}
