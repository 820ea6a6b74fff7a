package config

import (
	_ "embed" // for page
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

// page is docs/config.md but for the rows of its table.
//
//go:embed reference.md
var page string

// Reference returns the content of docs/config.md.
func Reference() string {
	var rows []string
	for _, s := range Settings() {
		name := "`" + s.Name + "`"
		if s.Placeholder != "" {
			name += " " + s.Placeholder
		}
		rows = append(rows, fmt.Sprintf("| %s | `%s` | %s | %s |", name, s.Variable(), code(s.Default), s.Help))
	}
	return strings.Replace(page, "{{settings}}", strings.Join(rows, "\n"), 1)
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
