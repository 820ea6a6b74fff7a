package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-iot/cordon/internal/seal"
)

// Getenv looks an environment variable up, as [os.LookupEnv] does.
type Getenv func(name string) (value string, set bool)

// Parse returns the valid settings for the flags of "cordon serve" and an
// environment. Every error names the setting and says what to try.
func Parse(args []string, env Getenv) (Config, error) {
	var c Config
	k, err := newParser(&c, Resolver(env))
	if err != nil {
		return Config{}, err
	}
	ctx, err := k.Parse(args)
	if err != nil {
		return Config{}, err
	}
	return c, c.Finish(ctx)
}

func newParser(c *Config, resolver kong.Resolver) (*kong.Kong, error) {
	return kong.New(c, kong.Resolvers(resolver), kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
}

// Variable returns the name of the environment variable of a flag:
// "data-dir" is CORDON_DATA_DIR.
func Variable(flag string) string {
	return "CORDON_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Resolver gives kong what flags do not say: the environment, then the
// configuration file. kong's own "env" tag is not used because there the file
// beats the environment. Flags of other commands are resolved from the
// environment alone, those with the tag local:"" not at all. An empty variable
// counts as set.
func Resolver(env Getenv) kong.Resolver {
	r := &resolver{env: env}
	return kong.ResolverFunc(r.resolve)
}

type resolver struct {
	env  Getenv
	file map[string]any // nil until read
}

func (r *resolver) resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Tag.Has("local") {
		return nil, nil
	}
	if value, set := r.env(Variable(flag.Name)); set {
		return value, nil
	}
	if flag.Name == configFlag || !hasConfigFlag(ctx) {
		return nil, nil
	}
	if r.file == nil {
		values, err := readFile(r.path(ctx))
		if err != nil {
			return nil, err
		}
		r.file = values
	}
	return r.file[flag.Name], nil
}

// configFlag is the one setting that cannot come from the file.
const configFlag = "config"

func hasConfigFlag(ctx *kong.Context) bool {
	for _, flag := range ctx.Flags() {
		if flag.Name == configFlag {
			return true
		}
	}
	return false
}

// path returns the configuration file that a flag or the environment names.
func (r *resolver) path(ctx *kong.Context) string {
	for _, element := range ctx.Path {
		if element.Flag != nil && element.Flag.Name == configFlag {
			return ctx.FlagValue(element.Flag).(string)
		}
	}
	path, _ := r.env(Variable(configFlag))
	return path
}

// readFile returns the settings of a configuration file as texts and lists of
// texts. Without a path there are none. Texts are taken as they stand in the
// file: an account id of zeros is not the number zero.
func readFile(path string) (map[string]any, error) {
	values := map[string]any{}
	if path == "" {
		return values, nil
	}
	content, err := seal.ReadPrivateFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(content, &nodes); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	known := map[string]bool{}
	for _, s := range Settings() {
		known[s.Name] = s.Name != configFlag
	}
	for name, node := range nodes {
		if !known[name] {
			return nil, fmt.Errorf("configuration file %s: %q is not a setting; see docs/config.md for their names",
				path, name)
		}
		value, err := fileValue(&node)
		if err != nil {
			return nil, fmt.Errorf("configuration file %s, line %d: %s %w", path, node.Line, name, err)
		}
		values[name] = value
	}
	return values, nil
}

func fileValue(node *yaml.Node) (any, error) {
	if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return node.Value, nil
	}
	if node.Kind != yaml.SequenceNode {
		return nil, errors.New("wants a text, a number, true, false, or a list of texts")
	}
	list := []any{}
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, errors.New("wants a list of texts")
		}
		list = append(list, item.Value)
	}
	return list, nil
}

// Finish makes valid settings of what kong parsed into c: it refuses secrets
// on the command line, reads the "…-file" settings, and checks. Its errors
// are errors of usage.
func (c *Config) Finish(ctx *kong.Context) error {
	for _, element := range ctx.Path {
		if element.Flag == nil || element.Resolved {
			continue
		}
		if err := c.refuseSecret(element.Flag); err != nil {
			return err
		}
	}
	err := errors.Join(
		readSecret(&c.DatabaseURL, "database-url", c.DatabaseURLFile),
		readSecret(&c.RootSecretAccessKey, "root-secret-access-key", c.RootSecretAccessKeyFile),
		readSecret(&c.BrokerPassword, "broker-password", c.BrokerPasswordFile),
		readSecret(&c.SMTPPassword, "smtp-password", c.SMTPPasswordFile),
	)
	if err != nil {
		return err
	}
	return c.Check()
}

// refuseSecret is an error if a flag of the command line holds a secret.
func (c *Config) refuseSecret(flag *kong.Flag) error {
	advice := fmt.Sprintf("every user of this machine can read command lines. "+
		"Set %s, or name a private file with --%s-file", Variable(flag.Name), flag.Name)
	switch flag.Tag.Get("secret") {
	case "whole":
		return fmt.Errorf("--%s is not taken from the command line: %s", flag.Name, advice)
	case "url":
		if _, password := redactURL(flag.Target.Interface().(Secret).Reveal()); password {
			return fmt.Errorf("--%s holds a password: %s", flag.Name, advice)
		}
	}
	return nil
}

// readSecret sets a secret from the first line of a private file, if one is
// named.
func readSecret(secret *Secret, name, path string) error {
	if path == "" {
		return nil
	}
	if !secret.Empty() {
		return fmt.Errorf("%s and %s-file are both set: remove one", name, name)
	}
	content, err := seal.ReadPrivateFile(path)
	if err != nil {
		return fmt.Errorf("%s-file: %w", name, err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return fmt.Errorf("%s-file: %s must hold one line", name, path)
	}
	*secret = NewSecret(text)
	return nil
}
