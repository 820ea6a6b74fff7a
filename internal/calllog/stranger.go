package calllog

import (
	"maps"
	"slices"
	"time"
)

const (
	// strangerBurst and strangerRate are how many calls without a valid signature
	// have records of their own: so many at once, and so many a second.
	strangerBurst = 100
	strangerRate  = 10
	// sumEvery is how often the others are told of.
	sumEvery = 10 * time.Second
	// maxCodes bounds the codes that they are counted by.
	maxCodes = 16
)

// stranger bounds the records of calls that nobody signed, whom anybody can send:
// those beyond a rate are counted.
type stranger struct {
	allowance float64
	last      time.Time

	begun    time.Time // of the first one that was counted
	counts   map[string]int64
	sourceIP string // of the last one
}

// admit reports whether a call has a record of its own.
func (s *stranger) admit(e *Event) bool {
	if s.last.IsZero() {
		s.allowance = strangerBurst
	} else if since := e.Time.Sub(s.last); since > 0 {
		s.allowance = min(strangerBurst, s.allowance+since.Seconds()*strangerRate)
	}
	if e.Time.After(s.last) {
		s.last = e.Time
	}
	if s.allowance >= 1 {
		s.allowance--
		return true
	}
	if s.counts == nil {
		s.counts, s.begun = map[string]int64{}, e.Time
	}
	code := e.ErrorCode
	if _, known := s.counts[code]; code == "" || !known && len(s.counts) >= maxCodes {
		code = "Other"
	}
	s.counts[code]++
	s.sourceIP = e.SourceIP
	return false
}

// sum is the record of those that have none, or nil when there are none or it is
// too early.
func (s *stranger) sum(now time.Time, ending bool) *Event {
	if s.counts == nil || !ending && now.Sub(s.begun) < sumEvery {
		return nil
	}
	e := &Event{
		Time: now, Source: Source, Name: "UnauthenticatedCalls", SourceIP: s.sourceIP, Internal: true,
		Details: []Detail{{Name: "since", Text: s.begun.UTC().Format(timeForm)}},
	}
	total := int64(0)
	for _, code := range slices.Sorted(maps.Keys(s.counts)) {
		e.Details = append(e.Details, Detail{Name: code, Number: s.counts[code]})
		total += s.counts[code]
	}
	e.Details = append(e.Details, Detail{Name: "calls", Number: total})
	s.counts = nil
	return e
}
