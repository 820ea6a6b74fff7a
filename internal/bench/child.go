package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// ChildArgs are the arguments with which a program that [RunChild] starts has
// to call [Child].
var ChildArgs = []string{"bench", "child"}

// childEnd is how long a child that was told to end may take to remove what it
// made.
const childEnd = 2 * time.Minute

// order is what a child is told on its standard input.
type order struct {
	Spec Spec
	URL  string // not in Spec's JSON, which is for people
	// Serve has the child run a server instead.
	Serve *serving `json:",omitempty"`
}

// RunChild measures in a new process of the given program, so that the peak of
// memory is that of this measurement alone. The child ends, and cleans up,
// when ctx does and also when this process does, however that ends. Log gets
// what the child has to say.
func RunChild(ctx context.Context, program string, s Spec, log io.Writer) (*Result, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, ChildArgs...)
	cmd.Stderr, cmd.WaitDelay = log, childEnd
	// Open as long as the child shall go on.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel = stdin.Close
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process to measure in: %w", err)
	}
	var r Result
	err = errors.Join(json.NewEncoder(stdin).Encode(order{Spec: s, URL: s.URL}), json.NewDecoder(stdout).Decode(&r))
	if ended := cmd.Wait(); ended != nil {
		// It has said why on its standard error.
		return nil, fmt.Errorf("measure %s: %w", s.subject(), ended)
	}
	return &r, err
}

// Child measures what its standard input says and writes the result to out. It
// ends early when ctx does or the input closes.
func Child(ctx context.Context, in io.Reader, out, log io.Writer) error {
	d := json.NewDecoder(in)
	var o order
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("read what to measure: %w", err)
	}
	if o.Serve != nil {
		return serve(ctx, *o.Serve, wire{d, json.NewEncoder(out)}, log)
	}
	o.Spec.URL = o.URL
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in) // whatever ends it
		cancel()
	}()
	r, err := Run(ctx, o.Spec, log)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}
