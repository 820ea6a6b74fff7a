package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"
)

// domainPattern is the form of a domain of host names (RFC 1123, section 2.1).
var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

const (
	// maxDomain leaves room in a host name for the label of an endpoint.
	maxDomain = 253 - 64
	// maxStaleLimit is the longest time that a device may keep rights nobody can
	// look at.
	maxStaleLimit = time.Hour
	// maxExpiry is the longest that AWS IoT Core stores a session.
	maxExpiry = 7 * 24 * time.Hour
	// maxQueueMessages is a third of the packet ids that MQTT has: what waits, and
	// twice that in a stored session, must each have one.
	maxQueueMessages = 20_000
	// minQueueBytes holds the longest message of AWS IoT.
	minQueueBytes = 256 << 10
	maxQueueBytes = 1 << 30
)

// GatewayOn reports whether devices can connect.
func (c *Config) GatewayOn() bool { return c.MQTTListen != "" }

// MQTTCertificate returns the certificate of MQTTCert, or nil where none is set.
func (c *Config) MQTTCertificate() (*tls.Certificate, error) {
	if c.MQTTCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.MQTTCert, c.MQTTKey)
	if err != nil {
		return nil, fmt.Errorf("mqtt-cert and mqtt-key: %w", err)
	}
	return &cert, nil
}

// validateGateway says nothing about a gateway that is off.
func (c *Config) validateGateway() error {
	if !c.GatewayOn() {
		return nil
	}
	var errs []error
	_, number, err := net.SplitHostPort(c.MQTTListen)
	if err == nil {
		_, err = port(number)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("mqtt-listen: %q is not host:port: try 127.0.0.1:8883", c.MQTTListen))
	}
	for name, taken := range map[string]string{"listen": c.Listen, "ops-listen": c.OpsListen} {
		if c.MQTTListen == taken && number != "0" {
			errs = append(errs, fmt.Errorf("mqtt-listen: %s is the address of %s: take another port", taken, name))
		}
	}
	if (c.MQTTCert == "") != (c.MQTTKey == "") {
		errs = append(errs, errors.New("mqtt-cert and mqtt-key belong together: set both or none"))
	}
	if c.Broker == "" && (c.BrokerCA != "" || c.BrokerCert != "" || c.BrokerKey != "" || c.BrokerUsername != "" ||
		!c.BrokerPassword.Empty() || c.BrokerIdentity != "" && c.BrokerIdentity != "none") {
		errs = append(errs, errors.New("broker-…: settings of an external broker, and none is set: "+
			"set broker to its URL, such as tcp://broker.example:1883"))
	}
	if len(c.EndpointDomain) > maxDomain || !domainPattern.MatchString(c.EndpointDomain) {
		errs = append(errs, fmt.Errorf("endpoint-domain: %q is not a domain in lower case: try iot.example.com",
			c.EndpointDomain))
	}
	return errors.Join(append(errs, c.validateGatewayLimits()...)...)
}

func (c *Config) validateGatewayLimits() (errs []error) {
	if c.GatewayStaleLimit < time.Second || c.GatewayStaleLimit > maxStaleLimit {
		errs = append(errs, fmt.Errorf("gateway-stale-limit: %s is not between 1s and %s: try 60s",
			c.GatewayStaleLimit, maxStaleLimit))
	}
	if c.GatewayQueueMessages < 1 || c.GatewayQueueMessages > maxQueueMessages {
		errs = append(errs, fmt.Errorf("gateway-queue-messages: %d is not between 1 and %d: try 10000",
			c.GatewayQueueMessages, maxQueueMessages))
	}
	if c.GatewayQueueBytes < minQueueBytes || c.GatewayQueueBytes > maxQueueBytes {
		errs = append(errs, fmt.Errorf("gateway-queue-bytes: %d is not between %d and %d: try 4194304",
			c.GatewayQueueBytes, minQueueBytes, maxQueueBytes))
	}
	if c.GatewaySessionExpiry < time.Second || c.GatewaySessionExpiry > maxExpiry {
		errs = append(errs, fmt.Errorf("gateway-session-expiry: %s is not between 1s and %s: try 1h",
			c.GatewaySessionExpiry, maxExpiry))
	}
	if c.GatewayAddressRate < 0 || c.GatewayClientRate < 0 {
		errs = append(errs, errors.New("gateway-address-rate and gateway-client-rate are counts; 0 is no limit"))
	}
	return errs
}
