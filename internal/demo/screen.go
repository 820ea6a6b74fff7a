package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// screen prints text for a person: with colours and bars that move if it is
// live, else lines of plain text. It keeps the first error of writing.
type screen struct {
	w    io.Writer
	live bool
	err  error
}

// Colours, as parameters of the terminal's sequence SGR (ECMA-48).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *screen) print(text string) {
	if _, err := io.WriteString(s.w, text); err != nil && s.err == nil {
		s.err = err
	}
}

func (s *screen) paint(colour, text string) string {
	if !s.live || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) title(text string) { s.print(s.paint(bold, text) + "\n") }

func (s *screen) heading(text string) { s.print("\n" + s.paint(bold+";"+cyan, text) + "\n") }

func (s *screen) line(format string, args ...any) {
	s.print("  " + fmt.Sprintf(format, args...) + "\n")
}

// note prints what may be skipped.
func (s *screen) note(format string, args ...any) {
	s.print("  " + s.paint(dim, fmt.Sprintf(format, args...)) + "\n")
}

// bar says how far something is.
type bar struct {
	total int64
	unit  string
	count *atomic.Int64
	note  func() string // nil for none
}

const (
	barWidth = 30
	redraw   = 80 * time.Millisecond
)

// progress shows a bar while work runs.
func (s *screen) progress(b bar, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			switch {
			case err == nil:
				s.draw(b)
				s.print("\n")
			case s.live:
				s.print("\n")
			}
			return err
		case <-tick.C:
			if s.live {
				s.draw(b)
			}
		}
	}
}

// draw prints the bar, on a live screen over the one before.
func (s *screen) draw(b bar) {
	n := min(b.count.Load(), b.total)
	text := fmt.Sprintf("%s of %s %s", count(int(n)), count(int(b.total)), b.unit)
	if b.note != nil {
		text += ", " + b.note()
	}
	if !s.live {
		s.print("  " + text)
		return
	}
	full := int(n * barWidth / max(b.total, 1))
	s.print("\r\x1b[K  " + s.paint(green, strings.Repeat("█", full)) +
		s.paint(dim, strings.Repeat("░", barWidth-full)) + "  " + text)
}

// reasons are the reason codes of AWS IoT in a few words.
var reasons = map[string]string{
	pastExpiration:                                           "expired",
	"CERTIFICATE_APPROACHING_EXPIRATION":                     "expires soon",
	"CERTIFICATE_KEY_VULNERABILITY_CVE-2017-15361":           "weak key (ROCA)",
	"ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS":          "too broad",
	"POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT":       "wildcard in Deny",
	"TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS": "Deny leaks",
	"LOGGING_DISABLED":                                       "logging is off",
}

var colours = map[string]string{"CRITICAL": red, "HIGH": red, "MEDIUM": yellow}

// findings prints a table of findings by check, reason and severity, with the
// checks that found nothing if all are asked for, and what was not tested.
func (s *screen) findings(checks []checkReport, all bool) {
	s.note("%-8s  %-43s  %5s  %s", "SEVERITY", "CHECK", "FOUND", "REASON")
	messages := map[string]bool{}
	for _, c := range checks {
		for _, code := range slices.Sorted(maps.Keys(c.Reasons)) {
			reason := reasons[code]
			if reason == "" {
				reason = code
			}
			s.line("%s  %-43s  %5s  %s", s.paint(colours[c.Severity], fmt.Sprintf("%-8s", c.Severity)),
				c.Check, count(c.Reasons[code]), reason)
		}
		if len(c.Reasons) == 0 && all {
			s.line("%-8s  %-43s  %5s  %s", "", c.Check, "0", s.paint(green, "compliant"))
		}
		if c.Message != "" {
			messages[c.Message] = true
		}
	}
	if !all {
		s.note("All other checks find nothing.")
	}
	for _, m := range slices.Sorted(maps.Keys(messages)) {
		s.note("%s", m)
	}
}

// mitigation prints what was done, a line a check.
func (s *screen) mitigation(r *mitigationReport) {
	s.note("%-43s  %-19s  %5s  %5s", "CHECK", "ACTIONS", "DONE", "LEFT")
	for _, c := range r.Checks {
		s.line("%-43s  %-19s  %5s  %5s", c.Check, strings.Join(c.Actions, ", "), count(int(c.Succeeded)),
			count(int(c.Skipped)))
		if n := c.Failed + c.Canceled; n > 0 {
			s.line("%s", s.paint(red, count(int(n))+" of these findings were not mitigated."))
		}
	}
}

func (s *screen) proof(p proof) {
	s.line("%s  %s", s.mark(p.Holds), p.Claim)
	if p.Detail != "" {
		s.line("%*s  %s", 6, "", s.paint(red, p.Detail))
	}
}

func (s *screen) mark(holds bool) string {
	switch {
	case s.live && holds:
		return s.paint(green, "✓")
	case s.live:
		return s.paint(red, "✗")
	case holds:
		return "ok    "
	}
	return "FAILED"
}

func (s *screen) verdict(holds bool, when string) {
	if holds {
		s.print("\n" + s.paint(bold+";"+green, "Everything holds") + ", " + when + ".\n")
		return
	}
	s.print("\n" + s.paint(bold+";"+red, "The proof does not hold") + ", " + when + ".\n")
}
