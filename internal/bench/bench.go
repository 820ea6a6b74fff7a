// Package bench measures how fast Cordon audits, mitigates, answers and lets
// devices in, each beside a yardstick: what does the least that any program would
// have to do, or, for devices, Mosquitto.
//
// A measurement makes a fleet of synthetic certificates in a database of its
// own, runs the real store and the real durable engine on it, with the API and
// the gateway in front only where they are measured, and checks that what came
// out is right. Subject and yardsticks take turns, so that they meet the same
// machine; a figure is the median of several rounds. The data is removed
// afterwards.
//
// The package measures and reports. It judges nothing: no rate is a test.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// The kinds of measurement.
const (
	// Audit runs every check of certificates over the whole fleet.
	Audit = "audit"
	// Mitigate deactivates the certificate of every finding.
	Mitigate = "mitigate"
	// Read and Write call DescribeThing and CreateThing.
	Read  = "read"
	Write = "write"
	// Import runs "cordon import" on a file.
	Import = "import"
	// Gateway connects devices.
	Gateway = "gateway"
)

// Spec is one measurement.
type Spec struct {
	// Kind is [Audit], [Mitigate], [Read], [Write], [Import] or [Gateway].
	Kind string `json:"kind"`
	// Certificates is the size of the fleet, and Findings how many of them do
	// not comply, each for one reason. For calls they are the things that are
	// there, and the calls of a round.
	Certificates int `json:"certificates"`
	Findings     int `json:"findings"`
	// Connections is how many clients call at once, or how many devices are
	// connected, and Messages how many they send.
	Connections int `json:"connections,omitempty"`
	Messages    int `json:"messages,omitempty"`
	// Only names the one part of [Parts] of a Gateway that is measured; "" is all of
	// them.
	Only string `json:"only,omitempty"`
	// Rounds is how often everything is measured.
	Rounds int `json:"rounds"`
	// Dir is an existing directory that SQLite databases are made in, below a
	// temporary one. Empty is the system's.
	Dir string `json:"dir,omitempty"`
	// URL is a PostgreSQL server whose user may create databases: the data goes
	// into databases of its own. Empty is SQLite.
	URL string `json:"-"`
}

// The bounds of a measurement: the smallest has something of everything, the
// largest fits a disk.
const (
	minFindings     = 10
	maxCertificates = 100_000_000
	maxRounds       = 100
	maxThings       = 10_000_000
	maxConnections  = 10_000

	// Two sockets of a device and as many of another must be within the 20,000 open
	// files that many systems allow a process.
	minDevices, maxDevices   = 20, 9_000
	minMessages, maxMessages = 100, 10_000_000
)

// Check returns what is wrong with a specification, in the words of its flags.
func (s Spec) Check() error {
	switch {
	case !slices.Contains([]string{Audit, Mitigate, Read, Write, Import, Gateway}, s.Kind):
		return fmt.Errorf("there is no measurement %q", s.Kind)
	case s.Kind == Gateway:
		return s.checkDevices()
	case s.Findings < minFindings:
		return fmt.Errorf("--findings: %d are too few, take %d or more", s.Findings, minFindings)
	case s.calls():
		return s.checkCalls()
	case s.Certificates < s.Findings:
		return fmt.Errorf("--certificates: %d certificates cannot have %d findings, one each", s.Certificates, s.Findings)
	case s.Certificates > maxCertificates:
		return fmt.Errorf("--certificates: %d are too many, take %d at most", s.Certificates, maxCertificates)
	case s.Rounds < 1 || s.Rounds > maxRounds:
		return fmt.Errorf("--rounds: take 1 to %d", maxRounds)
	}
	return nil
}

// database names the database in a word.
func (s Spec) database() string {
	if s.URL != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// subject names what is measured.
func (s Spec) subject() string {
	if s.Kind == Gateway {
		return fmt.Sprintf("the %s with %d devices", s.Kind, s.Connections)
	}
	return fmt.Sprintf("%s of %d certificates", s.Kind, s.Certificates)
}

// calls reports whether calls of the API are measured.
func (s Spec) calls() bool { return s.Kind == Read || s.Kind == Write }

func (s Spec) checkCalls() error {
	switch {
	case s.Certificates < 1 || s.Certificates > maxThings:
		return fmt.Errorf("--things: take 1 to %d", maxThings)
	case s.Findings > maxThings:
		return fmt.Errorf("--calls: take %d at most", maxThings)
	case s.Connections < 1 || s.Connections > maxConnections:
		return fmt.Errorf("--connections: take 1 to %d", maxConnections)
	case s.Rounds < 1 || s.Rounds > maxRounds:
		return fmt.Errorf("--rounds: take 1 to %d", maxRounds)
	}
	return nil
}

func (s Spec) checkDevices() error {
	switch {
	case s.Connections < minDevices || s.Connections > maxDevices:
		return fmt.Errorf("--connections: take %d to %d", minDevices, maxDevices)
	case s.Messages < minMessages || s.Messages > maxMessages:
		return fmt.Errorf("--messages: take %d to %d", minMessages, maxMessages)
	case s.Rounds < 1 || s.Rounds > maxRounds:
		return fmt.Errorf("--rounds: take 1 to %d", maxRounds)
	case s.Only != "" && !slices.Contains(Parts(), s.Only):
		return fmt.Errorf("--only: take one of %s", strings.Join(Parts(), ", "))
	}
	return nil
}

// scope is whose fleet is measured.
var scope = fleet.Scope{Account: "000000000000", Region: "us-east-1"}

// Run measures in this process. It ends early when ctx does. Whatever the
// outcome, what it made is removed.
func Run(ctx context.Context, s Spec, log io.Writer) (r *Result, err error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	h, err := openHome(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	m := newMeasurement(s, h, log)
	if m.dir, err = os.MkdirTemp(s.Dir, "cordon-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
	if r, err = m.run(ctx); err != nil {
		return nil, fmt.Errorf("measure %s: %w", s.subject(), err)
	}
	r.Spec = s
	r.PeakBytes, err = peakMemory(os.ReadFile)
	return r, err
}

// measurement is one specification being measured.
type measurement struct {
	spec Spec
	home home
	dir  string    // for files, removed afterwards
	now  time.Time // when the fleet was as it is
	log  *slog.Logger
	out  io.Writer // what log writes to
}

func newMeasurement(s Spec, h home, log io.Writer) *measurement {
	return &measurement{
		spec: s, home: h, now: time.Now().UTC().Truncate(time.Millisecond),
		log: slog.New(failures{slog.NewTextHandler(log, nil)}), out: log,
	}
}

// failures passes on errors only. The durable engine warns of polls that the
// end of a round cuts off.
type failures struct{ slog.Handler }

// Handle passes a record on, or not.
func (f failures) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError {
		return nil
	}
	return f.Handler.Handle(ctx, r)
}

// WithAttrs adds attributes to every record.
func (f failures) WithAttrs(a []slog.Attr) slog.Handler { return failures{f.Handler.WithAttrs(a)} }

// WithGroup puts the attributes of every record in a group.
func (f failures) WithGroup(n string) slog.Handler { return failures{f.Handler.WithGroup(n)} }

func (m *measurement) run(ctx context.Context) (*Result, error) {
	switch {
	case m.spec.calls():
		return m.api(ctx)
	case m.spec.Kind == Gateway:
		return m.gateway(ctx)
	case m.spec.Kind == Import:
		return m.imports(ctx)
	case m.spec.Kind == Audit:
		return m.audit(ctx)
	}
	return m.mitigate(ctx)
}

// contestant is the subject of a measurement or one of its yardsticks. Run
// does the work once and says how long it took.
type contestant struct {
	name string
	goal float64 // the least share of its rate that the subject shall reach
	run  func(ctx context.Context) (time.Duration, error)
}

// compete lets contestants, the subject first, take turns. Who begins changes
// with every round.
func (m *measurement) compete(ctx context.Context, operations int, list ...contestant) (*Result, error) {
	rates := make([][]float64, len(list))
	for round := range m.spec.Rounds {
		for turn := range list {
			i := (round + turn) % len(list)
			took, err := list[i].run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list[i].name, err)
			}
			rates[i] = append(rates[i], float64(operations)/took.Seconds())
		}
	}
	r := &Result{Subject: Rate{Name: list[0].name, PerSecond: spreadOf(rates[0])}}
	for i, c := range list[1:] {
		ratios := make([]float64, m.spec.Rounds)
		for round := range ratios {
			ratios[round] = rates[0][round] / rates[i+1][round]
		}
		r.Yardsticks = append(r.Yardsticks, Yardstick{
			Rate:  Rate{Name: c.name, PerSecond: spreadOf(rates[i+1])},
			Ratio: spreadOf(ratios), Goal: c.goal,
		})
	}
	return r, nil
}
