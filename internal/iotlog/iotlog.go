// Package iotlog writes what happens at the gateway as the log entries of AWS
// IoT: JSON, an entry a line, at the levels that the owner of each account set.
// Nothing is written for an account that has not set up logging.
//
// One log is for all accounts and regions. It is bounded in every way: the file
// by its size, waiting entries by their number, and the settings that are held.
// Who makes an event never waits: entries that do not fit are lost, and counted.
//
// Sources: AWS IoT, configure logging; CloudWatch log entries.
package iotlog

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

// Settings is where owners' settings are.
type Settings interface {
	// LoggingOptions are the options of a scope; with none made they are empty.
	LoggingOptions(ctx context.Context, scope fleet.Scope) (*fleet.LoggingOptions, error)
	// LogLevels are a page of the levels of targets. It is only called where the
	// options were made.
	LogLevels(ctx context.Context, scope fleet.Scope, p fleet.LogLevelPage) ([]fleet.LogLevel, error)
}

const (
	// freshness is how long settings are taken for true after they were read, or
	// longer where reading them takes long, so that it takes no more than a part of
	// the time: freshness counts slowness times that.
	freshness = time.Second
	slowness  = 20
	// readTime is how long reading settings may take.
	readTime = 5 * time.Second
	// maxWaiting is how many entries wait to be written at most.
	maxWaiting = 8192
	// maxScopes and maxTargets bound the settings that are held.
	maxScopes  = 4096
	maxTargets = 500_000
	// pageSize is how many levels are read at once.
	pageSize = 1000
	// chunk is how many bytes are gathered at most before they are written.
	chunk = 64 << 10
	// complainEvery is how often lost entries are told of.
	complainEvery = time.Minute
	// endTime is how long what waits may take to be written at the end.
	endTime = 2 * time.Second
)

// Options are what a Log is made of.
type Options struct {
	// Path is that of a file, or "-" for standard output.
	Path string
	// MaxBytes bounds the file. As much again is in the old one, which has ".1"
	// behind its name.
	MaxBytes int64
	Settings Settings
	Now      func() time.Time
	Log      *slog.Logger
	// Lost hears how many entries were lost. It may be called from several
	// goroutines.
	Lost func(n int)
}

// Log is a [gateway.Observer] that writes entries. Run must run for that.
type Log struct {
	o       Options
	file    *file
	queue   chan *gateway.Event
	known   sync.Map // from fleet.Scope to *settings
	lost    atomic.Int64
	scopes  int // of known; the writer alone counts
	targets int
	told    time.Time // when lost entries were told of
	lines   bytes.Buffer
	entries int // in lines
}

// Open opens the log. The file is made if it is not there.
func Open(o Options) (*Log, error) {
	f, err := openFile(o.Path, o.MaxBytes)
	if err != nil {
		return nil, err
	}
	return &Log{o: o, file: f, queue: make(chan *gateway.Event, maxWaiting)}, nil
}

// settings are those of a scope, or nil when they are not known or too old.
func (l *Log) settings(scope fleet.Scope) *settings {
	found, ok := l.known.Load(scope)
	if !ok {
		return nil
	}
	s := found.(*settings)
	if l.o.Now().Sub(s.read) > s.fresh {
		return nil
	}
	return s
}

// Wants says whether anything of a scope may be logged. Where that is not known
// the event is wanted: the writer reads the settings when it has it.
func (l *Log) Wants(scope fleet.Scope, _ gateway.EventType) bool {
	s := l.settings(scope)
	return s == nil || s.highest > none
}

// Observe logs an event if its level is one that is logged.
func (l *Log) Observe(e *gateway.Event) {
	if s := l.settings(e.Scope); s != nil && s.of(e) < levelOf(e) {
		return
	}
	mine := *e
	mine.Time = moment(e, l.o.Now)
	select {
	case l.queue <- &mine:
	default:
		l.lose(1)
	}
}

func (l *Log) lose(n int) {
	l.lost.Add(int64(n))
	if l.o.Lost != nil {
		l.o.Lost(n)
	}
}

// Run writes entries until ctx ends, then those that wait, for two seconds at
// most, and closes the log.
func (l *Log) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		l.write(ctx)
		done <- l.file.close()
	}()
	<-ctx.Done()
	select {
	case err := <-done:
		return err
	case <-time.After(endTime + readTime): // Whoever reads standard output does not.
		l.o.Log.Warn("the IoT log could not be written to its end", "waiting", len(l.queue))
		return nil
	}
}

// write takes events from the queue and writes them when there are no more, or
// enough.
func (l *Log) write(ctx context.Context) {
	for {
		select {
		case e := <-l.queue:
			l.take(e)
		case <-ctx.Done():
			l.finish()
			return
		}
	}
}

// finish writes what waits.
func (l *Log) finish() {
	for end := time.Now().Add(endTime); time.Now().Before(end); {
		select {
		case e := <-l.queue:
			l.take(e)
		default:
			l.flush()
			return
		}
	}
	l.flush()
}

func (l *Log) take(e *gateway.Event) {
	if l.level(e) >= levelOf(e) {
		if err := appendEntry(&l.lines, e); err != nil {
			l.failed(1, err)
		} else {
			l.entries++
		}
	}
	if len(l.queue) == 0 || l.lines.Len() >= chunk {
		l.flush()
	}
	if l.lost.Load() > 0 {
		l.complain(nil)
	}
}

// flush writes the lines that were gathered.
func (l *Log) flush() {
	if l.lines.Len() == 0 {
		return
	}
	if err := l.file.write(l.lines.Bytes()); err != nil {
		l.failed(l.entries, err)
	}
	l.lines.Reset()
	l.entries = 0
}

func (l *Log) failed(n int, err error) {
	l.lose(n)
	l.complain(err)
}

// complain tells of entries that were lost, once a minute.
func (l *Log) complain(err error) {
	now := l.o.Now()
	if now.Sub(l.told) < complainEvery {
		return
	}
	l.told = now
	args := []any{"entries", l.lost.Swap(0)}
	if err != nil {
		args = append(args, "err", err)
	}
	l.o.Log.Warn("the IoT log is not complete", args...)
}

// level is the level for an event by settings that are true. What cannot be read
// is as it was, or logs nothing.
func (l *Log) level(e *gateway.Event) level {
	s := l.settings(e.Scope)
	if s == nil {
		s = l.refresh(e.Scope)
	}
	return s.of(e)
}

// refresh reads the settings of a scope.
func (l *Log) refresh(scope fleet.Scope) *settings {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	began := time.Now()
	s, err := l.read(ctx, scope)
	old, had := l.known.Load(scope)
	if err != nil {
		l.complain(err)
		s = &settings{}
		if had {
			again := *old.(*settings)
			s = &again
		}
	}
	s.read, s.fresh = l.o.Now(), max(freshness, slowness*time.Since(began))
	l.hold(scope, s, old, had)
	return s
}

func (l *Log) read(ctx context.Context, scope fleet.Scope) (*settings, error) {
	options, err := l.o.Settings.LoggingOptions(ctx, scope)
	if err != nil {
		return nil, err
	}
	var targets []fleet.LogLevel
	if options.Configured && !options.DisableAll {
		if targets, err = l.readTargets(ctx, scope); err != nil {
			return nil, err
		}
	}
	return newSettings(options, targets)
}

func (l *Log) readTargets(ctx context.Context, scope fleet.Scope) (all []fleet.LogLevel, err error) {
	p := fleet.LogLevelPage{Limit: pageSize}
	for len(all) < maxTargets {
		page, err := l.o.Settings.LogLevels(ctx, scope, p)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageSize {
			break
		}
		p.After = page[len(page)-1].LogTarget
	}
	return all, nil
}

// hold keeps settings. When there are too many, all are forgotten: those that
// are needed are read again.
func (l *Log) hold(scope fleet.Scope, s *settings, old any, had bool) {
	if had {
		l.scopes--
		l.targets -= len(old.(*settings).targets)
	}
	if l.scopes >= maxScopes || l.targets+len(s.targets) > maxTargets && l.scopes > 0 {
		l.known.Clear()
		l.scopes, l.targets = 0, 0
	}
	l.known.Store(scope, s)
	l.scopes++
	l.targets += len(s.targets)
}
