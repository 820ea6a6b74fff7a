// Package config owns the settings of a Cordon: one struct, from which the
// flags, the environment variables, the keys of the configuration file and
// the reference in docs/config.md derive.
//
// A flag beats the environment, which beats the configuration file, which
// beats the default. The package opens the configuration file, the files that
// "…-file" settings name, those of TLS, and that of the root access key.
package config

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// Config is every setting of "cordon serve". A field "DataDir" is the flag
// --data-dir, the variable CORDON_DATA_DIR and the key "data-dir" of the
// configuration file. Values obtained from [Parse] or [Config.Finish] are
// valid; inside Cordon nothing checks them again.
type Config struct {
	// DataDir holds the database on SQLite, and the keys that Cordon makes.
	DataDir string `placeholder:"DIR" default:"./cordon-data" help:"Directory of what Cordon stores itself."`
	// Listen is host:port; port 0 takes any free one.
	Listen string `placeholder:"ADDR" default:"127.0.0.1:8080" help:"Address of the API and the console."`
	// OpsListen is host:port; port 0 takes any free one.
	OpsListen string `placeholder:"ADDR" default:"127.0.0.1:8081" help:"Address of health, metrics and profiles."`
	// HookListen is host:port, or empty for no hooks; port 0 takes any free one.
	HookListen string `placeholder:"ADDR" help:"Address where brokers ask what devices may do; empty: none."`
	// MQTTListen is host:port of the gateway; port 0 takes any free one, and empty
	// is no gateway.
	MQTTListen string `placeholder:"ADDR" default:"127.0.0.1:8883" help:"Address of the MQTT gateway; empty: none."`
	// MQTTCert and MQTTKey are PEM files, both set or none: then the gateway shows
	// certificates of its own CA.
	MQTTCert string `placeholder:"FILE" help:"Certificate chain that the gateway shows, PEM; empty: of its own CA."`
	MQTTKey  string `placeholder:"FILE" help:"Private key of that certificate, PEM."`
	// EndpointDomain is what stands behind the name of an account's endpoint.
	EndpointDomain string `placeholder:"NAME" default:"iot.localhost" help:"Domain of the hosts at which devices connect."`
	// GatewayStaleLimit is how long connections live on while their rights cannot
	// be read.
	GatewayStaleLimit time.Duration `placeholder:"TIME" default:"60s" help:"Life of connections without readable rights."`
	// GatewayQueueMessages and GatewayQueueBytes bound what waits for a device.
	GatewayQueueMessages int `placeholder:"N" default:"10000" help:"Messages that may wait for a connected device."`
	GatewayQueueBytes    int `placeholder:"N" default:"4194304" help:"Bytes of messages that may wait for it."`
	// GatewaySessionExpiry is the longest that a session is stored.
	GatewaySessionExpiry time.Duration `placeholder:"TIME" default:"1h" help:"Longest storage of a session."`
	// GatewayAddressRate and GatewayClientRate are connections a second; 0 is no
	// limit.
	GatewayAddressRate int `placeholder:"N" default:"200" help:"Connections a second from an address; 0: no limit."`
	GatewayClientRate  int `placeholder:"N" default:"5" help:"Connections a second of a client id; 0: no limit."`
	// Broker is the URL of an external broker, tcp:// or tls:// without user and
	// password, or empty for the one inside the process.
	Broker string `placeholder:"URL" help:"External MQTT broker, tcp:// or tls://; empty: inside the process."`
	// BrokerCA, BrokerCert and BrokerKey are PEM files for tls://, each or none set.
	BrokerCA   string `placeholder:"FILE" help:"CA of the broker's certificate, PEM; empty: those of the system."`
	BrokerCert string `placeholder:"FILE" help:"Client certificate for the broker, PEM."`
	BrokerKey  string `placeholder:"FILE" help:"Private key of that certificate, PEM."`
	// BrokerUsername and BrokerPassword are Cordon's own at the broker.
	BrokerUsername string `placeholder:"NAME" help:"User name at the broker."`
	BrokerPassword Secret `placeholder:"TEXT" secret:"whole" help:"Its password; never a flag."`
	// BrokerPasswordFile was read into BrokerPassword.
	BrokerPasswordFile string `placeholder:"FILE" help:"Private file that holds the password."`
	// BrokerIdentity is what the broker is given as the user name of a device.
	BrokerIdentity string `placeholder:"WHAT" default:"none" enum:"none,certificate,client" help:"Devices' user name."`
	// PKIListen is host:port of a listener that speaks plain HTTP wherever it is:
	// what it serves is signed. Port 0 takes any free one; "" is none.
	PKIListen string `placeholder:"ADDR" default:"127.0.0.1:8082" help:"Address of CRLs, OCSP and roots; empty: off."`
	// PKIURL is scheme and host, without a slash at the end.
	PKIURL string `name:"pki-url" placeholder:"URL" help:"Where others reach it: stands in new certificates."`
	// AccountID is the first account: twelve digits. Its root key is the operator's.
	AccountID string `placeholder:"ID" default:"000000000000" help:"First account, twelve digits."`
	// Region is used where nothing else names one.
	Region string `placeholder:"NAME" default:"us-east-1" help:"Default region."`
	// DatabaseURL is a PostgreSQL URL, or empty for SQLite in DataDir.
	DatabaseURL Secret `placeholder:"URL" secret:"url" help:"postgres://… to use PostgreSQL; empty: SQLite."`
	// DatabaseURLFile was read into DatabaseURL.
	DatabaseURLFile string `placeholder:"FILE" help:"Private file that holds the database URL."`
	// ConfigFile was merged into the other fields.
	ConfigFile string `name:"config" placeholder:"FILE" help:"Private YAML file of settings, by the names of the flags."`
	// TLSCert and TLSKey are PEM files, both set or none.
	TLSCert string `placeholder:"FILE" help:"Certificate chain, PEM. With it the API speaks HTTPS."`
	TLSKey  string `placeholder:"FILE" help:"Private key of the certificate, PEM."`
	// InsecureHTTP permits listeners that others can reach without TLS.
	InsecureHTTP bool `help:"Allow listening beyond loopback without TLS."`
	// SecretsKeyFile is the master key (see package seal); empty: one in DataDir.
	SecretsKeyFile string `placeholder:"FILE" help:"Private file of the master key. PostgreSQL needs it."`
	// WeakKeyBlocklist are files of Debian weak keys (CVE-2008-0166).
	WeakKeyBlocklist []string `placeholder:"FILE" help:"List of Debian weak keys (CVE-2008-0166); repeatable."`
	// RootAccessKeyID and RootSecretAccessKey are both set or none. Without
	// them a key is made at the first start.
	RootAccessKeyID     string `placeholder:"ID" help:"Access key id of the first account's root key."`
	RootSecretAccessKey Secret `placeholder:"KEY" secret:"whole" help:"Its secret; never a flag."`
	// RootSecretAccessKeyFile was read into RootSecretAccessKey.
	RootSecretAccessKeyFile string `placeholder:"FILE" help:"Private file that holds the secret."`
	// AuditTimeOfDay is HH:MM in UTC, or empty; see [Config.AuditTime].
	AuditTimeOfDay string `placeholder:"HH:MM" help:"When scheduled audits run, UTC; empty: spread by account."`
	// Quotas is the name of a quota profile.
	Quotas string `placeholder:"NAME" default:"default" enum:"default,aws" help:"Limits: aws has the numbers of AWS."`
	// Roles says whether audits, mitigation actions and notifications may do only
	// what their roles allow.
	Roles string `placeholder:"HOW" default:"enforce" enum:"enforce,trust" help:"Whether roles bind audits and actions."`
	// OutgoingAllow are networks that calls to addresses which others chose may
	// reach although they are not public, as CIDR prefixes or addresses.
	OutgoingAllow []string `placeholder:"CIDR" help:"Network that revocation lists may come from; repeatable."`
	// OutgoingProxy is an http or https URL, or empty to call directly.
	OutgoingProxy Secret `placeholder:"URL" secret:"url" help:"Proxy for those calls; HTTP_PROXY is not used."`
	// APIURL is scheme and host, without a slash at the end.
	APIURL string `name:"api-url" placeholder:"URL" help:"Where endpoints of topics reach the API; empty: listen."`
	// TopicRate is messages a second of each topic; 0 is no limit.
	TopicRate int `placeholder:"N" default:"100" help:"Messages a second that a topic sends; 0: no limit."`
	// SMTPRelay is host:port of the server that takes mail, or empty for none.
	SMTPRelay string `name:"smtp-relay" placeholder:"ADDR" help:"SMTP relay for e-mail of topics; empty: no e-mail."`
	// SMTPFrom is the address that mail comes from.
	SMTPFrom string `name:"smtp-from" placeholder:"MAIL" help:"Address that e-mail comes from."`
	// SMTPUsername and SMTPPassword are Cordon's own at the relay.
	SMTPUsername string `name:"smtp-username" placeholder:"NAME" help:"User name at the relay."`
	SMTPPassword Secret `name:"smtp-password" placeholder:"TEXT" secret:"whole" help:"Its password; never a flag."`
	// SMTPPasswordFile was read into SMTPPassword.
	SMTPPasswordFile string `name:"smtp-password-file" placeholder:"FILE" help:"Private file that holds the password."`
	// SMTPPlaintext permits a relay without STARTTLS.
	SMTPPlaintext bool `name:"smtp-plaintext" help:"Allow a relay that offers no STARTTLS."`
	// SNSEndpoint is the URL of another SNS that gets all messages, or empty.
	SNSEndpoint string `name:"sns-endpoint" placeholder:"URL" help:"SNS that gets all messages; empty: topics here."`
	// CallLogRetention is how long the records of calls are kept; 0 is for ever.
	CallLogRetention time.Duration `placeholder:"TIME" default:"2160h" help:"Life of records of calls; 0: for ever."`
	// LogLevel is the lowest level that is logged.
	LogLevel slog.Level `placeholder:"LEVEL" default:"info" help:"debug, info, warn or error."`
	// LogFormat is text or json.
	LogFormat string `placeholder:"FORMAT" default:"text" enum:"text,json" help:"text or json."`
	// IoTLog is a file, "-" for standard output, or empty for no log. IoTLogMaxBytes
	// bounds the file; as much again is in the one before it.
	IoTLog string `name:"iot-log" placeholder:"FILE" help:"AWS IoT log entries; -: standard output, empty: none."`

	IoTLogMaxBytes int64 `name:"iot-log-max-bytes" placeholder:"N" default:"104857600" help:"Its size; one more is kept."`
}

// PostgreSQL reports whether the store is PostgreSQL, not SQLite.
func (c *Config) PostgreSQL() bool { return !c.DatabaseURL.Empty() }

// SQLiteFile returns the path of the database on SQLite.
func (c *Config) SQLiteFile() string { return filepath.Join(c.DataDir, "cordon.db") }

// RootKeyFile returns where a root access key that Cordon made is written, in
// the form of [WriteAccessKey].
func (c *Config) RootKeyFile() string { return RootKeyFile(c.DataDir) }

// RootKeyFile returns where a Cordon with this data directory writes a root
// access key that it made.
func RootKeyFile(dataDir string) string { return filepath.Join(dataDir, "root-access-key") }

// AuditTime returns when in the day scheduled audits run, since midnight UTC;
// set is false where accounts are to be spread over the day. All nodes that
// share a database should be given the same.
func (c *Config) AuditTime() (since time.Duration, set bool) {
	t, err := time.Parse(timeOfDay, c.AuditTimeOfDay)
	if err != nil {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// timeOfDay is the form of a time of day.
const timeOfDay = "15:04"

// MasterKeyFile returns the path of the master key, and whether a missing one
// is to be made: only on SQLite, and only at the place Cordon chose itself.
// Nodes that share a database must be given the key that they share.
func (c *Config) MasterKeyFile() (path string, create bool) {
	if c.SecretsKeyFile != "" {
		return c.SecretsKeyFile, false
	}
	return filepath.Join(c.DataDir, "master-key"), !c.PostgreSQL()
}

// TLS returns the server side of TLS with the certificate of TLSCert, or nil
// where none is set.
func (c *Config) TLS() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("tls-cert and tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// OpsTLS is [Config.TLS] for the ops listener, which speaks plain HTTP on
// loopback even where a certificate is set, so that a local probe needs none.
func (c *Config) OpsTLS() (*tls.Config, error) {
	if Loopback(c.OpsListen) {
		return nil, nil
	}
	return c.TLS()
}

// Loopback reports whether only this machine can reach a listener on a
// host:port address. An empty host means every interface; of names only
// "localhost" counts.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// LogValue gives a log the settings that are not empty, in the order of the
// reference and with secrets left out.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range settingsOf(&c) {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.Name, s.value))
		}
	}
	return slog.GroupValue(attrs...)
}

// port returns the number of a port, or an error.
func port(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}

// TrustRoles reports whether audits and mitigation actions may do everything,
// whatever their roles allow.
func (c *Config) TrustRoles() bool { return c.Roles == "trust" }
