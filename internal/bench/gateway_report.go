package bench

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// connectGoal is how many times less CPU time a connect shall take than one of the
// peer.
const connectGoal = 2.0

// Devices is what was measured at the gateway.
type Devices struct {
	// Peer is the version of what is measured beside it, "" for nothing.
	Peer     string   `json:"peer"`
	Connects []Beside `json:"connects"`
	Messages []Beside `json:"messages"`
	Memory   struct {
		Cordon Held  `json:"cordon"`
		Peer   *Held `json:"peer,omitempty"`
	} `json:"memory"`
	Kicks   []Kick  `json:"kicks"`
	Singles Singles `json:"singles"`
}

// Beside is one thing measured at Cordon and at its peer, nil without one.
type Beside struct {
	Name   string   `json:"name"`
	Cordon *Outcome `json:"cordon"`
	Peer   *Outcome `json:"peer,omitempty"`
}

// Outcome is what a contender reached.
type Outcome struct {
	// PerSecond is connects, or messages sent with QoS 0 and acknowledged with QoS 1,
	// and Delivered messages that arrived.
	PerSecond Spread `json:"perSecond"`
	Delivered Spread `json:"delivered"`
	// Share is the part of the connects that resumed a TLS session, or of the
	// messages that arrived.
	Share Spread `json:"share"`
	// CPUMicros is CPU time of the server's process for each.
	CPUMicros Spread   `json:"cpuMicros"`
	Latency   *Latency `json:"latency"`
}

// Held is the memory that a connection takes, in bytes: the growth of what the
// server's process holds, after it gave back what it did not use.
type Held struct {
	Idle       int64 `json:"idle"`
	Subscribed int64 `json:"subscribed"`
}

// Kick is how long a change took until the last of many connections had ended, in
// milliseconds. It was committed after the call and before the answer: from the
// commit it is less than SinceCall, and more than SinceAnswer.
type Kick struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
	SinceCall   Spread `json:"sinceCall"`
	SinceAnswer Spread `json:"sinceAnswer"`
	// SinceSlice counts from the beginning of the slice of the mitigation task that
	// made the change, shortly before its commit; 0 where there was no task.
	SinceSlice Spread `json:"sinceSlice"`
	// CPU is the time that the server's process spent until then.
	CPU Spread `json:"cpu"`
	// Told is the part of the devices of MQTT 5, which are every other one, that got
	// a DISCONNECT before the end.
	Told Spread `json:"told"`
}

// Singles is the same for certificates that are deactivated one by one.
type Singles struct {
	Deactivations     int     `json:"deactivations"`
	Connections       int     `json:"connections"`
	MessagesPerSecond float64 `json:"messagesPerSecond"`
	SinceCall         Latency `json:"sinceCall"`
	SinceAnswer       Latency `json:"sinceAnswer"`
}

// print writes the report of a gateway for people.
func (d *Devices) print(out io.Writer, r *Result) error {
	peer := d.Peer
	if peer == "" {
		peer = "nothing beside it: mosquitto is not installed (Debian: apt-get install mosquitto)"
	}
	fmt.Fprintf(out, "beside %s, with require_certificate and no rules of access\n", peer)
	fmt.Fprintf(out, "\n%s devices registered, %s/s\n", group(float64(r.Spec.Connections)), group(r.LoadPerSecond))
	var errs []error
	for _, t := range []struct {
		part  string
		lines func(io.Writer)
	}{
		{partConnects, d.connectTable}, {partMessages, d.messageTable},
		{partMemory, func(w io.Writer) { d.memoryTable(w, r) }}, {partKicks, d.kickTable},
	} {
		if r.Spec.Only == "" || r.Spec.Only == t.part {
			errs = append(errs, table(out, t.lines))
		}
	}
	return errors.Join(errs...)
}

// table writes lines whose cells are aligned.
func table(out io.Writer, lines func(w io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	lines(w)
	return w.Flush()
}

func (d *Devices) connectTable(w io.Writer) {
	fmt.Fprintf(w, "\nmTLS connects, TLS 1.3, P-256, %d at a time\n", parallel)
	fmt.Fprint(w, "  \t\trate\tserver CPU\tp50\tp99\tresumed\n")
	for i, b := range d.Connects {
		b.rows(w, (*Outcome).connects)
		if b.Peer == nil {
			continue
		}
		goal := 0.0
		if i == 0 { // the others are for comparison
			goal = connectGoal
		}
		ratio := b.Peer.CPUMicros.Median / max(b.Cordon.CPUMicros.Median, 1)
		fmt.Fprintf(w, "  \tper core\tratio %.2f%s\n", ratio, verdict(ratio, goal))
	}
}

func (d *Devices) messageTable(w io.Writer) {
	fmt.Fprintf(w, "\nmessages of %d bytes, %d publishers, one subscriber\n", size, publishers)
	fmt.Fprint(w, "  \t\tsent or acked\tdelivered\tarrived\tserver CPU\tp50\tp99\n")
	for _, b := range d.Messages {
		b.rows(w, (*Outcome).messages)
	}
}

func (d *Devices) memoryTable(w io.Writer, r *Result) {
	fmt.Fprintf(w, "\nmemory of a connection, of %s\n", group(float64(r.Spec.Connections)))
	fmt.Fprint(w, "  \tidle\tone subscription\n")
	d.Memory.Cordon.row(w, "Cordon")
	if d.Memory.Peer != nil {
		d.Memory.Peer.row(w, "Mosquitto")
	}
}

func (d *Devices) kickTable(w io.Writer) {
	fmt.Fprint(w, "\nfrom a change until the last connection has ended\n")
	fmt.Fprint(w, "  \tended\tothers\tsince the call\tsince its answer\tserver CPU\ttold, of MQTT 5\n")
	for _, k := range d.Kicks {
		fmt.Fprintf(w, "  %s\t%s\t0\t%s\t%s\t%s\t%.1f %%%s\n", k.Name, group(float64(k.Connections)), millis(k.SinceCall),
			millis(k.SinceAnswer), millis(k.CPU), 100*k.Told.Least, within(k.SinceCall.Median, kickGoal))
		if k.SinceSlice.Median > 0 {
			fmt.Fprintf(w, "  … since its slice began, before the commit\t\t\t%s\t\t\t\t%s\n", millis(k.SinceSlice),
				within(k.SinceSlice.Median, kickGoal))
		}
	}
	s := d.Singles
	fmt.Fprintf(w, "  one by one under %s messages/s\t%d\t0\tp50 %.1f, p99 %.1f ms\tp50 %.1f, p99 %.1f ms\t\t%s\n",
		group(s.MessagesPerSecond), s.Deactivations, s.SinceCall.P50, s.SinceCall.P99, s.SinceAnswer.P50, s.SinceAnswer.P99,
		within(s.SinceCall.P99, singleGoal))
}

// millis is a spread of times, in milliseconds.
func millis(s Spread) string { return fmt.Sprintf("%.0f (%.0f–%.0f) ms", s.Median, s.Least, s.Most) }

// within is the column that says whether something took no longer than a goal, in
// milliseconds.
func within(took, goal float64) string {
	if took <= goal {
		return fmt.Sprintf("\tgoal %.0f ms since the call reached", goal)
	}
	return fmt.Sprintf("\tgoal %.0f ms since the call missed", goal)
}

// rows are those of both contenders.
func (b *Beside) rows(w io.Writer, cells func(*Outcome) string) {
	fmt.Fprintf(w, "  %s\tCordon\t%s\n", b.Name, cells(b.Cordon))
	if b.Peer != nil {
		fmt.Fprintf(w, "  \tMosquitto\t%s\n", cells(b.Peer))
	}
}

func (o *Outcome) connects() string {
	return fmt.Sprintf("%s\t%.0f µs\t%.1f ms\t%.1f ms\t%.0f %%", rate(o.PerSecond), o.CPUMicros.Median, o.Latency.P50,
		o.Latency.P99, 100*o.Share.Median)
}

func (o *Outcome) messages() string {
	return fmt.Sprintf("%s/s\t%s/s\t%.2f %%\t%.1f µs\t%.1f ms\t%.1f ms", group(o.PerSecond.Median),
		group(o.Delivered.Median), 100*o.Share.Median, o.CPUMicros.Median, o.Latency.P50, o.Latency.P99)
}

func (h *Held) row(w io.Writer, name string) {
	fmt.Fprintf(w, "  %s\t%.1f KiB\t%.1f KiB\n", name, float64(h.Idle)/1024, float64(h.Subscribed)/1024)
}
