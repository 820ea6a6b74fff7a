package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}[a-z0-9]$`)
	// keyIDPattern is that of AccessKeyId in the IAM API.
	keyIDPattern = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)
)

// minSecret is the shortest secret access key, in characters. AWS makes them
// of 40; one that can be guessed opens every account.
const minSecret = 16

// Check returns every rule that the settings break, each as a line that
// names the setting and what to try. It is not called Validate because kong
// would then call it before the files of secrets are read.
func (c *Config) Check() error {
	return errors.Join(
		c.validateListeners(),
		c.validatePKI(),
		c.validateScope(),
		c.validateDatabase(),
		c.validateRootKey(),
		c.validateAuditTime(),
		c.validateOutgoing(),
		c.validateIoTLog(),
		c.validateGateway(),
		c.validateTopics(),
	)
}

func (c *Config) validateAuditTime() error {
	if _, set := c.AuditTime(); c.AuditTimeOfDay != "" && (!set || len(c.AuditTimeOfDay) != len(timeOfDay)) {
		return fmt.Errorf("audit-time-of-day: %q is not a time of day in UTC: try 03:30", c.AuditTimeOfDay)
	}
	return nil
}

// minIoTLogBytes holds some thousand entries.
const minIoTLogBytes = 1 << 20

func (c *Config) validateIoTLog() error {
	if c.IoTLog != "" && c.IoTLogMaxBytes < minIoTLogBytes {
		return fmt.Errorf("iot-log-max-bytes: %d is less than %d: try 104857600", c.IoTLogMaxBytes, minIoTLogBytes)
	}
	return nil
}

func (c *Config) validateListeners() error {
	errs := []error{
		c.validateListener("listen", c.Listen),
		c.validateListener("ops-listen", c.OpsListen),
	}
	if c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0") {
		errs = append(errs, fmt.Errorf("ops-listen: %s is the address of listen: take another port", c.OpsListen))
	}
	if c.HookListen != "" {
		errs = append(errs, c.validateListener("hook-listen", c.HookListen))
		for name, other := range map[string]string{"listen": c.Listen, "ops-listen": c.OpsListen} {
			if c.HookListen == other && !strings.HasSuffix(other, ":0") {
				errs = append(errs, fmt.Errorf("hook-listen: %s is the address of %s: take another port", other, name))
			}
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("tls-cert and tls-key belong together: set both or none"))
	}
	return errors.Join(errs...)
}

func (c *Config) validateListener(name, address string) error {
	_, number, err := net.SplitHostPort(address)
	if err == nil {
		_, err = port(number)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not host:port: try 127.0.0.1:8080", name, address)
	}
	if !Loopback(address) && c.TLSCert == "" && !c.InsecureHTTP {
		return fmt.Errorf("%s: others can reach %s, and without TLS they can read what is sent: "+
			"set tls-cert and tls-key, listen on 127.0.0.1, or set insecure-http if TLS ends in front of Cordon",
			name, address)
	}
	return nil
}

func (c *Config) validateScope() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("data-dir: is empty: name a directory, such as ./cordon-data"))
	}
	if !accountPattern.MatchString(c.AccountID) {
		errs = append(errs, fmt.Errorf("account-id: %q is not twelve digits: try 123456789012", c.AccountID))
	}
	if !regionPattern.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("region: %q is not 2 to 64 lower-case letters, digits and hyphens: "+
			"try us-east-1", c.Region))
	}
	if c.CallLogRetention != 0 && c.CallLogRetention < time.Hour {
		errs = append(errs, fmt.Errorf("call-log-retention: %s is less than an hour: try 2160h, or 0 for ever",
			c.CallLogRetention))
	}
	return errors.Join(errs...)
}

// validateDatabase shows nothing of a URL that it cannot parse: any part of it
// may be the password.
func (c *Config) validateDatabase() error {
	if !c.PostgreSQL() {
		return nil
	}
	u, err := url.Parse(c.DatabaseURL.Reveal())
	if err != nil {
		return errors.New("database-url: cannot be read as a URL: write special characters " +
			"of user and password as %XX, as in postgres://cordon:p%40ss@db.example/cordon")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("database-url: the scheme %q is not known: "+
			"use postgres://user@host:5432/name, or leave it empty for SQLite", u.Scheme)
	}
	if c.SecretsKeyFile == "" {
		return errors.New("secrets-key-file: is needed with PostgreSQL, so that all nodes share it: " +
			"make one with (umask 077; openssl rand -base64 32 >master-key)")
	}
	return nil
}

func (c *Config) validateRootKey() error {
	if (c.RootAccessKeyID == "") != c.RootSecretAccessKey.Empty() {
		return errors.New("root-access-key-id and root-secret-access-key belong together: " +
			"set both, or none to have a key made at the first start")
	}
	if c.RootAccessKeyID == "" {
		return nil
	}
	var errs []error
	if !keyIDPattern.MatchString(c.RootAccessKeyID) {
		errs = append(errs, errors.New("root-access-key-id: must be 16 to 128 letters, digits and underscores: "+
			"try one like AKIAIOSFODNN7EXAMPLE"))
	}
	if secret := c.RootSecretAccessKey.Reveal(); len(secret) < minSecret || strings.ContainsAny(secret, " \t\r\n") {
		errs = append(errs, fmt.Errorf("root-secret-access-key: must have at least %d characters and no spaces: "+
			"try openssl rand -base64 30", minSecret))
	}
	return errors.Join(errs...)
}
