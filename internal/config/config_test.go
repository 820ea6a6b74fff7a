package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func environment(pairs ...string) Getenv {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, set := values[name]
		return value, set
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got, err := Parse(nil, environment())
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DataDir:   "./cordon-data",
		Listen:    "127.0.0.1:8080",
		OpsListen: "127.0.0.1:8081",
		PKIListen: "127.0.0.1:8082",
		AccountID: "000000000000",
		Region:    "us-east-1",
		Quotas:    "default",
		LogFormat: "text", IoTLogMaxBytes: 100 << 20,
		TopicRate: 100, Roles: "enforce",

		MQTTListen: "127.0.0.1:8883", EndpointDomain: "iot.localhost", GatewayStaleLimit: time.Minute,
		GatewayQueueMessages: 10000, GatewayQueueBytes: 4 << 20, GatewayAddressRate: 200, GatewayClientRate: 5,
		GatewaySessionExpiry: time.Hour, BrokerIdentity: "none", CallLogRetention: 90 * 24 * time.Hour,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAFlagBeatsTheEnvironmentBeatsTheFileBeatsTheDefault(t *testing.T) {
	path := file(t, "region: from-file\naccount-id: 000000000042\nlog-format: json\ninsecure-http: true\n"+
		"weak-key-blocklist: [a, b]\nlog-level: warn\n")
	env := environment("CORDON_REGION", "from-env", "CORDON_ACCOUNT_ID", "000000000043", "CORDON_CONFIG", path)
	got, err := Parse([]string{"--region", "from-flag"}, env)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse(nil, environment())
	if err != nil {
		t.Fatal(err)
	}
	want.ConfigFile, want.Region, want.AccountID = path, "from-flag", "000000000043"
	want.LogFormat, want.LogLevel = "json", slog.LevelWarn
	want.InsecureHTTP, want.WeakKeyBlocklist = true, []string{"a", "b"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, err = Parse([]string{"--config", path}, environment())
	if err != nil || got.Region != "from-file" || got.AccountID != "000000000042" {
		t.Errorf("got %+v, %v; want the region and the account of the file", got, err)
	}
}

func TestRefusals(t *testing.T) {
	const pg, keyFile = "postgres://db.example/cordon", "--secrets-key-file=key"
	relay := []string{"--smtp-relay=mail.example.com:587"}
	open := file(t, "region: eu-west-1\n")
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		want []string // parts of the error, none for a valid configuration
	}{
		{"loopback needs no TLS", []string{"--listen=[::1]:1", "--ops-listen=localhost:2"}, nil, nil},
		{"every interface needs TLS", []string{"--listen=:8080"}, nil, []string{"listen: ", "tls-cert", "insecure-http"}},
		{"a name needs TLS", []string{"--listen=api.example:80"}, nil, []string{"listen: ", "insecure-http"}},
		{"the ops listener needs it too", []string{"--ops-listen=0.0.0.0:1"}, nil, []string{"ops-listen: ", "TLS"}},
		{"TLS is enough", []string{"--listen=:443", "--tls-cert=c", "--tls-key=k"}, nil, nil},
		{"insecure-http is enough", []string{"--listen=:80", "--insecure-http"}, nil, nil},
		{"a certificate needs its key", []string{"--tls-cert=c"}, nil, []string{"tls-key", "belong together"}},
		{"what is signed needs no TLS", []string{"--pki-listen=:80"}, nil, nil},
		{"no PKI listener", []string{"--pki-listen="}, nil, nil},
		{"the PKI listener needs a port", []string{"--pki-listen=localhost"}, nil, []string{"pki-listen", "host:port"}},
		{"the PKI listener has its own port", []string{"--pki-listen=127.0.0.1:8080"}, nil, []string{"pki-listen", "port"}},
		{"a place of publication", []string{"--pki-url=http://pki.example.com:8082"}, nil, nil},
		{"a slash would stand twice in URLs", []string{"--pki-url=http://pki.example.com/"}, nil, []string{"pki-url"}},
		{"a place of publication has a scheme", []string{"--pki-url=pki.example.com"}, nil, []string{"pki-url"}},
		{"it is one of HTTP", []string{"--pki-url=ldap://pki.example.com"}, nil, []string{"pki-url"}},
		{"it has a host", []string{"--pki-url=http://:80"}, nil, []string{"pki-url"}},
		{"it has no password", []string{"--pki-url=http://u:hunter33@pki.example.com"}, nil, []string{"pki-url"}},
		{"it is not long", []string{"--pki-url=http://" + strings.Repeat("x", 250)}, nil, []string{"pki-url"}},
		{"a relay of mail", append(relay, "--smtp-from=cordon@example.com"), nil, nil},
		{"mail comes from somebody", relay, nil, []string{"smtp-from", "cordon@example.com"}},
		{"it comes from an address alone", append(relay, "--smtp-from=C <c@example.com>"), nil, []string{"smtp-from"}},
		{"no line of mail can be made up", append(relay, "--smtp-from=c@example.com\r\nBcc: x"), nil, []string{"smtp-from"}},
		{"a relay needs a port", []string{"--smtp-relay=mail", "--smtp-from=c@example.com"}, nil,
			[]string{"smtp-relay", "host:port"}},
		{"a user of the relay needs a password", append(relay, "--smtp-from=c@example.com", "--smtp-username=u"), nil,
			[]string{"smtp-username", "smtp-password"}},
		{"a sender needs a relay", []string{"--smtp-from=c@example.com"}, nil, []string{"smtp-relay"}},
		{"where the API is", []string{"--api-url=https://cordon.example.com"}, nil, nil},
		{"where the API is has no path", []string{"--api-url=https://cordon.example.com/x"}, nil, []string{"api-url"}},
		{"another SNS", []string{"--sns-endpoint=https://sns.us-east-1.amazonaws.com"}, nil, nil},
		{"another SNS has no password", []string{"--sns-endpoint=https://u:hunter33@sns.example"}, nil,
			[]string{"sns-endpoint"}},
		{"a rate is not negative", []string{"--topic-rate=-1"}, nil, []string{"topic-rate"}},
		{"an address needs a port", []string{"--listen=127.0.0.1"}, nil, []string{"listen: ", "host:port"}},
		{"a port is a number", []string{"--listen=127.0.0.1:http"}, nil, []string{"host:port"}},
		{"a port has 16 bits", []string{"--listen=127.0.0.1:65536"}, nil, []string{"host:port"}},
		{"both listeners on one port", []string{"--ops-listen=127.0.0.1:8080"}, nil, []string{"take another port"}},
		{"hooks and API on one port", []string{"--hook-listen=127.0.0.1:8080"}, nil, []string{"hook-listen: ", "another"}},
		{"hooks that others reach need TLS", []string{"--hook-listen=0.0.0.0:1"}, nil, []string{"hook-listen: ", "TLS"}},
		{"hooks on loopback need none", []string{"--hook-listen=127.0.0.1:8083"}, nil, nil},
		{"any free port may be asked for twice", []string{"--listen=localhost:0", "--ops-listen=localhost:0"}, nil, nil},
		{"an account has twelve digits", []string{"--account-id=12345"}, nil, []string{"account-id", "twelve digits"}},
		{"a region is lower case", []string{"--region=US"}, nil, []string{"region", "us-east-1"}},
		{"all that is wrong is said", []string{"--region=US", "--account-id=1"}, nil, []string{"region", "account-id"}},
		{"a log format is known", []string{"--log-format=xml"}, nil, []string{"log-format", "json"}},
		{"a log level is known", nil, []string{"CORDON_LOG_LEVEL", "loud"}, []string{"log-level"}},
		{"audits by the clock", []string{"--audit-time-of-day=23:59"}, nil, nil},
		{"a small IoT log", []string{"--iot-log=x", "--iot-log-max-bytes=1048576"}, nil, nil},
		{"an IoT log has a least size", []string{"--iot-log=x", "--iot-log-max-bytes=1048575"}, nil,
			[]string{"iot-log-max-bytes", "1048576"}},
		{"a day has 24 hours", []string{"--audit-time-of-day=24:00"}, nil, []string{"audit-time-of-day", "03:30"}},
		{"an hour has 60 minutes", []string{"--audit-time-of-day=12:60"}, nil, []string{"audit-time-of-day"}},
		{"hours have two digits", []string{"--audit-time-of-day=3:30"}, nil, []string{"audit-time-of-day"}},
		{"seconds do not count", []string{"--audit-time-of-day=03:30:00"}, nil, []string{"audit-time-of-day"}},
		{"a time of day has no zone", []string{"--audit-time-of-day=03:30Z"}, nil, []string{"audit-time-of-day"}},
		{"PostgreSQL with a key", []string{"--database-url=" + pg, keyFile}, nil, nil},
		{"PostgreSQL needs a key", []string{"--database-url=" + pg}, nil, []string{"secrets-key-file"}},
		{"another database is refused", []string{"--database-url=mysql://db", keyFile}, nil, []string{"mysql", "SQLite"}},
		{"a password in a flag is refused", []string{"--database-url=postgres://u:hunter22@db/c", keyFile}, nil,
			[]string{"CORDON_DATABASE_URL", "--database-url-file"}},
		{"so is one in the query", []string{"--database-url=postgres://db/c?password=hunter22", keyFile}, nil,
			[]string{"CORDON_DATABASE_URL"}},
		{"so is a URL that cannot be read", []string{"--database-url=postgres://u:hunter22%@db/c", keyFile}, nil,
			[]string{"CORDON_DATABASE_URL"}},
		{"a password in the environment is not", []string{keyFile},
			[]string{"CORDON_DATABASE_URL", "postgres://u:hunter22@db/c"}, nil},
		{"an unreadable URL is not shown", []string{keyFile},
			[]string{"CORDON_DATABASE_URL", "postgres://u:hunter22#@db/c"}, []string{"database-url", "%XX"}},
		{"the root secret is never a flag", []string{"--root-secret-access-key=hunter22"}, nil,
			[]string{"CORDON_ROOT_SECRET_ACCESS_KEY", "--root-secret-access-key-file"}},
		{"the root key has two parts", []string{"--root-access-key-id=AKIAIOSFODNN7EXAMPLE"}, nil,
			[]string{"belong together"}},
		{"both parts are enough", []string{"--root-access-key-id=AKIAIOSFODNN7EXAMPLE"},
			[]string{"CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22hunter22"}, nil},
		{"a short root secret is refused", []string{"--root-access-key-id=AKIAIOSFODNN7EXAMPLE"},
			[]string{"CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22"}, []string{"at least 16"}},
		{"a short root key id is refused", []string{"--root-access-key-id=root"},
			[]string{"CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22hunter22"}, []string{"16 to 128"}},
		{"a configuration file that others can read is refused", []string{"--config", open}, nil,
			[]string{"chmod 600"}},
		{"a missing configuration file is an error", []string{"--config=/nowhere/f"}, nil, []string{"/nowhere/f"}},
		{"an unknown key is an error", []string{"--config", file(t, "regoin: x\n")}, nil, []string{"regoin"}},
		{"the file cannot name itself", []string{"--config", file(t, "config: x\n")}, nil, []string{"config"}},
		{"a key twice is an error", []string{"--config", file(t, "region: aa\nregion: bb\n")}, nil, []string{"region"}},
		{"a map is no value", []string{"--config", file(t, "region:\n  a: b\n")}, nil, []string{"region", "line 2"}},
		{"an empty value is an error", []string{"--config", file(t, "region:\n")}, nil, []string{"region", "line 1"}},
		{"a list holds texts", []string{"--config", file(t, "weak-key-blocklist: [[a]]\n")}, nil,
			[]string{"list of texts"}},
		{"a file is no YAML", []string{"--config", file(t, "{")}, nil, []string{"configuration file"}},
		{"a secret from a file and the environment", []string{"--root-secret-access-key-file", file(t, "x\n")},
			[]string{"CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22"}, []string{"both set"}},
		{"a secret's file holds one line", []string{"--database-url-file", file(t, "a\nb\n")}, nil, []string{"one line"}},
		{"an unknown flag is an error", []string{"--regoin=x"}, nil, []string{"--regoin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.args, environment(tt.env...))
			if len(tt.want) == 0 && err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestAuditTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:00": 0, "03:30": 3*time.Hour + 30*time.Minute, "23:59": 24*time.Hour - time.Minute,
	} {
		c := Config{AuditTimeOfDay: text}
		if got, set := c.AuditTime(); got != want || !set {
			t.Errorf("%s: got %s, %t, want %s", text, got, set, want)
		}
	}
	if _, set := new(Config).AuditTime(); set {
		t.Error("got a time of day where none is set")
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	secret, url := file(t, "hunter22hunter22\n"), file(t, "postgres://u:hunter22@db/c\n")
	got, err := Parse([]string{"--root-access-key-id=AKIAIOSFODNN7EXAMPLE", "--root-secret-access-key-file", secret,
		"--database-url-file", url, "--secrets-key-file=key"}, environment())
	if err != nil {
		t.Fatal(err)
	}
	if got.RootSecretAccessKey.Reveal() != "hunter22hunter22" || got.DatabaseURL.Reveal() != "postgres://u:hunter22@db/c" {
		t.Errorf("got %q and %q", got.RootSecretAccessKey.Reveal(), got.DatabaseURL.Reveal())
	}
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Parse([]string{"--root-secret-access-key-file", secret}, environment())
	if err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v for a file that others can read, want a refusal", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c, err := Parse([]string{"--root-access-key-id=AKIAIOSFODNN7EXAMPLE", "--secrets-key-file=key"}, environment(
		"CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22hunter22",
		"CORDON_DATABASE_URL", "postgres://cordon:hunter22@db.example/c?sslpassword=hunter22"))
	if err != nil {
		t.Fatal(err)
	}
	nested := struct{ c Config }{c}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&printed, verb+verb+verb+verb, c, &c, nested, c.RootSecretAccessKey)
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "config", c, "pointer", &c, "s", c.RootSecretAccessKey)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "config", c, "pointer", &c, "s", c.RootSecretAccessKey)
	if err := json.NewEncoder(&printed).Encode(c); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter22", fmt.Sprintf("%x", "hunter22")} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q is in\n%s", secret, printed.String())
		}
	}
	for _, want := range []string{"postgres://cordon:xxxxx@db.example/c", "config.region=us-east-1"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not in\n%s", want, printed.String())
		}
	}
}

func TestMasterKeyFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		c      Config
		path   string
		create bool
	}{
		{"SQLite makes its own", Config{DataDir: "d"}, "d/master-key", true},
		{"a key that is named must be there", Config{DataDir: "d", SecretsKeyFile: "k"}, "k", false},
		{"PostgreSQL makes none", Config{DataDir: "d", DatabaseURL: NewSecret("postgres://db")}, "d/master-key", false},
	} {
		if path, create := tt.c.MasterKeyFile(); path != tt.path || create != tt.create {
			t.Errorf("%s: got %s, %t; want %s, %t", tt.name, path, create, tt.path, tt.create)
		}
	}
}

func TestAccessKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := WriteAccessKey(path, AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", Secret: NewSecret("a/b+c=")}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAccessKey(path)
	if err != nil || got.ID != "AKIAIOSFODNN7EXAMPLE" || got.Secret.Reveal() != "a/b+c=" {
		t.Errorf("got %+v, %v; want the key that was written", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("got %v, %v; want mode 0600", info, err)
	}
	for name, content := range map[string]string{
		"no profile":      "aws_access_key_id = A\naws_secret_access_key = B\n",
		"another profile": "[other]\naws_access_key_id = A\naws_secret_access_key = B\n",
		"no secret":       "[default]\naws_access_key_id = A\n",
		"nothing":         "",
	} {
		if _, err := ReadAccessKey(file(t, content)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	settings := Settings()
	if got, want := len(settings), reflect.TypeFor[Config]().NumField(); got != want {
		t.Errorf("got %d settings for %d fields", got, want)
	}
	for _, s := range settings {
		if s.Help == "" {
			t.Errorf("%s has no help", s.Name)
		}
	}
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	got, err := os.ReadFile("../../docs/config.md")
	if err != nil || string(got) != Reference() {
		t.Errorf("docs/config.md is not what internal/config says (%v): run make generate", err)
	}
}
