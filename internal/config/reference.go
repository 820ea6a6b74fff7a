package config

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Setting describes one setting, as it is found in the tags of [Config].
type Setting struct {
	// Name is that of the flag and of the key in the configuration file.
	Name string
	// Placeholder stands for the value in help, empty for a switch.
	Placeholder string
	Default     string
	Help        string
	// NoFlag says that the value is a secret and no flag exists.
	NoFlag bool

	value string // for a log: of a particular Config, redacted
}

// Variable returns the name of the setting's environment variable.
func (s Setting) Variable() string { return Variable(s.Name) }

// Settings returns all settings in the order of [Config].
func Settings() []Setting { return settingsOf(&Config{}) }

func settingsOf(c *Config) []Setting {
	// kong resets what it is given only when it parses.
	k, err := newParser(c, Resolver(nil))
	if err != nil {
		panic("config: the tags of Config are not valid: " + err.Error())
	}
	var settings []Setting
	for _, flag := range k.Model.Flags {
		settings = append(settings, Setting{
			Name:        flag.Name,
			Placeholder: placeholder(flag),
			Default:     flag.Default,
			Help:        flag.Help,
			NoFlag:      flag.Tag.Get("secret") == "whole",
			value:       loggable(flag),
		})
	}
	return settings
}

func placeholder(flag *kong.Flag) string {
	if flag.IsBool() {
		return ""
	}
	return flag.PlaceHolder
}

func loggable(flag *kong.Flag) string {
	switch value := flag.Target.Interface().(type) {
	case Secret:
		if flag.Tag.Get("secret") == "url" {
			redacted, _ := redactURL(value.Reveal())
			return redacted
		}
		return value.String()
	case []string:
		return strings.Join(value, ",")
	default:
		return fmt.Sprint(value)
	}
}

const referenceIntro = `# Settings

<!-- Generated from internal/config. Change it there, then run: make generate -->

Every setting of ` + "`cordon serve`" + ` has one name in three places: the flag ` + "`--data-dir`" + `, the environment
variable ` + "`CORDON_DATA_DIR`" + ` and the key ` + "`data-dir`" + ` of the YAML file that ` + "`--config`" + ` names.
A flag beats the environment, which beats the file, which beats the default. A key that is no setting is an error.

| setting | variable | default | meaning |
| --- | --- | --- | --- |
`

const referenceRules = `
## Secrets

What can hold a secret is taken from the environment, from the configuration file, or from a file of its own that a
` + "`…-file`" + ` setting names; not from the command line, which every user of the machine can read. A ` + "`--database-url`" + ` with a
password in it is refused for that reason. These files, the configuration file and the master key must belong to their
owner alone (` + "`chmod 600`" + `); others are refused. Settings are logged at the start, with secrets left out.

The master key, under which Cordon seals the secrets in its database, is 32 bytes, raw or in base64. On SQLite it is made
in the data directory at the first start. With PostgreSQL it must be given, the same to every node:

` + "```sh" + `
(umask 077; openssl rand -base64 32 >master-key)
CORDON_DATABASE_URL=postgres://cordon:password@db.example/cordon cordon serve --secrets-key-file master-key
` + "```" + `

Keep a copy of it: without the master key the secrets in a backup cannot be read.

## Listening

A listener that others than this machine can reach needs ` + "`tls-cert`" + ` and ` + "`tls-key`" + `, or ` + "`insecure-http`" + ` where TLS ends in
front of Cordon. With a certificate the API speaks HTTPS on any address; the ops listener speaks HTTPS beyond loopback
and plain HTTP on it. Profiles (pprof) are served on loopback only.

## The root access key

The root key of the first account is the operator's: it alone may reach several accounts. Without ` + "`root-access-key-id`" + `
and ` + "`root-secret-access-key`" + ` one is made at the first start and written to ` + "`root-access-key`" + ` in the data directory, in
the form of an AWS credentials file:

` + "```sh" + `
AWS_SHARED_CREDENTIALS_FILE=cordon-data/root-access-key aws --endpoint-url http://127.0.0.1:8080 iot list-things
` + "```" + `

## A configuration file

` + "```yaml" + `
listen: 0.0.0.0:8443
tls-cert: /etc/cordon/tls.pem
tls-key: /etc/cordon/tls-key.pem
database-url: postgres://cordon:password@db.example/cordon
secrets-key-file: /etc/cordon/master-key
weak-key-blocklist:
  - /usr/share/openssl-blacklist/blacklist.RSA-2048
log-format: json
` + "```" + `
`

// Reference returns the content of docs/config.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	for _, s := range Settings() {
		name := "`" + s.Name + "`"
		if s.Placeholder != "" {
			name += " " + s.Placeholder
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, s.Variable(), code(s.Default), s.Help)
	}
	b.WriteString(referenceRules)
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
