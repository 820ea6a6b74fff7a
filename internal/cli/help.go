package cli

import (
	_ "embed" // for page
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// helpFlag ends parsing, wherever on the command line it stands.
type helpFlag bool

var errHelp = errors.New("help was asked for")

// BeforeReset is called by kong when the flag is set.
func (helpFlag) BeforeReset() error { return errHelp }

// helpOf returns the help of a command, or of the program: what was written by
// hand, then what follows from the commands and flags themselves.
func helpOf(node *kong.Node) string {
	var b strings.Builder
	b.WriteString(node.Detail)
	if node.Type == kong.ApplicationNode {
		b.WriteString(programHelp)
	}
	if leaves := node.Leaves(true); len(leaves) > 0 && !node.Leaf() {
		b.WriteString("\nCommands:\n")
		table(&b, len(leaves), func(i int) (string, string) {
			return strings.TrimPrefix(leaves[i].FullPath(), "cordon "), leaves[i].Help
		})
	}
	if flags := visibleFlags(node); len(flags) > 0 && node.Leaf() {
		b.WriteString("\nFlags:\n")
		table(&b, len(flags), func(i int) (string, string) { return flagName(flags[i]), flagHelp(flags[i]) })
	}
	if !node.Leaf() {
		fmt.Fprintf(&b, "\nRun \"%s <command> --help\" for more on a command.\n", node.FullPath())
	}
	return b.String()
}

const programHelp = `Cordon audits a fleet of devices that authenticate with X.509 certificates, and
mitigates what the audit finds. It speaks the protocol of AWS IoT.

Usage: cordon <command> [flags]
`

// table writes two columns, the first indented.
func table(b *strings.Builder, n int, row func(i int) (string, string)) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i := range n {
		left, right := row(i)
		fmt.Fprintf(w, "  %s\t%s\n", left, right)
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// visibleFlags returns the flags of a command that are its own; --help is
// everybody's.
func visibleFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, flag := range node.Flags {
		if !flag.Hidden && flag.Tag.Get("secret") != "whole" {
			flags = append(flags, flag)
		}
	}
	return flags
}

func flagName(flag *kong.Flag) string {
	if flag.IsBool() {
		return "--" + flag.Name
	}
	return "--" + flag.Name + " " + flag.PlaceHolder
}

func flagHelp(flag *kong.Flag) string {
	switch {
	case flag.Required:
		return flag.Help + " Required."
	case flag.HasDefault:
		return fmt.Sprintf("%s Default: %s.", flag.Help, flag.Default)
	default:
		return flag.Help
	}
}

// page is docs/cli.md up to the first command.
//
//go:embed reference.md
var page string

// cliReference returns the content of docs/cli.md.
func cliReference() (string, error) {
	k, err := newParser(nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(page)
	for _, node := range append([]*kong.Node{k.Model.Node}, k.Model.Leaves(true)...) {
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", node.FullPath(), helpOf(node))
	}
	return b.String(), nil
}
