// Package cli is the command line of Cordon: its commands, their help and
// their exit codes. What a command does is elsewhere, in the server or behind
// the API; this package turns arguments into calls and answers into text.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/cordon-iot/cordon/internal/config"
)

// The exit codes.
const (
	ok     = 0 // done
	failed = 1 // tried, and did not succeed
	misuse = 2 // the command line or a setting is wrong; nothing was tried
)

// Serve runs a server until ctx ends, and returns nil at an end that ctx
// asked for. The settings are valid.
type Serve func(ctx context.Context, c config.Config, log *slog.Logger) error

// commands is every command, in the order of the help.
type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run the server."`
	Demo      demoCommand      `cmd:"" help:"Show the main job on a fleet made up for it."`
	Account   accountCommands  `cmd:"" help:"Create, list and disable accounts on a running server."`
	Import    importCommands   `cmd:"" help:"Import devices and identities from files into a running server."`
	CRL       crlCommands      `cmd:"" name:"crl" help:"Import and list revocation lists on a running server."`
	Log       logCommands      `cmd:"" help:"Export and verify the record of calls of a running server."`
	HookToken hookTokens       `cmd:"" help:"Make, list and delete the tokens of brokers on a running server."`
	Topic     topicCommands    `cmd:"" help:"List and replay deliveries that were given up, on a running server."`
	Bench     benchCommands    `cmd:"" help:"Measure how fast Cordon is on this machine."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
	Reference referenceCommand `cmd:"" hidden:"" help:"Print a page of the reference."`

	Help helpFlag `short:"h" local:"" help:"Explain the command."`
}

// Process is the world around a command.
type Process struct {
	// Args are the arguments after the program's name.
	Args []string
	// Env looks environment variables up.
	Env config.Getenv
	// Stdout gets results, Stderr everything else.
	Stdout, Stderr io.Writer
	// Transport carries the calls to a running server; nil for the default.
	Transport http.RoundTripper
	// Serve runs the server.
	Serve Serve
}

// Main runs the command that the arguments of this process name and returns
// its exit code. The first SIGINT or SIGTERM asks the command to end; a second
// one ends the process at once.
func Main(serve Serve) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once stopped, signals have their default effect again.
	context.AfterFunc(ctx, stop)
	p := &Process{
		Args:   os.Args[1:],
		Env:    os.LookupEnv,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Serve:  serve,
	}
	return p.Run(ctx)
}

// Run runs the command that the arguments name until it is done or ctx ends,
// and returns its exit code.
func (p *Process) Run(ctx context.Context) int {
	k, err := newParser(p.Env)
	if err != nil {
		p.complain(err)
		return failed
	}
	args := p.Args
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	if len(args) == 0 {
		p.print(p.Stderr, helpOf(k.Model.Node))
		return misuse
	}
	parsed, err := k.Parse(args)
	if err != nil {
		return p.refuse(err)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	switch err := parsed.Run(p); {
	case err == nil:
		return ok
	case errors.As(err, new(*usageError)):
		p.complainOfUsage(parsed.Selected(), err)
		return misuse
	default:
		p.complain(err)
		return failed
	}
}

func newParser(env config.Getenv) (*kong.Kong, error) {
	return kong.New(&commands{},
		kong.Name("cordon"),
		kong.NoDefaultHelp(),
		kong.Resolvers(config.Resolver(env)),
		kong.Writers(io.Discard, io.Discard),
	)
}

// refuse answers arguments that do not parse, a request for help among them.
func (p *Process) refuse(err error) int {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		p.complain(err)
		return misuse
	}
	node := selected(parse.Context)
	if errors.Is(err, errHelp) {
		if group := node.Parent; group != nil && group.DefaultCmd == node && !slices.Contains(p.Args, node.Name) {
			node = group
		}
		p.print(p.Stdout, helpOf(node))
		return ok
	}
	p.complainOfUsage(node, err)
	return misuse
}

// selected returns the command that the arguments got to, or the program.
func selected(ctx *kong.Context) *kong.Node {
	node := ctx.Model.Node
	for _, element := range ctx.Path {
		if element.Command != nil {
			node = element.Command
		}
	}
	return node
}

// usageError is an error of the settings that kong cannot see.
type usageError struct{ err error }

// Error returns the text of the error inside.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *usageError) Unwrap() error { return e.err }

func (p *Process) complain(err error) {
	p.print(p.Stderr, fmt.Sprintf("cordon: %v\n", err))
}

func (p *Process) complainOfUsage(node *kong.Node, err error) {
	p.print(p.Stderr, fmt.Sprintf("cordon: %v\n\nRun \"%s --help\" for usage.\n", err, node.FullPath()))
}

// print writes text for a person. Where that fails there is nobody to tell.
func (p *Process) print(w io.Writer, text string) {
	_, _ = io.WriteString(w, text)
}
