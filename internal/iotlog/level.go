package iotlog

import (
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

// level is how much is logged: entries up to it. Source: AWS IoT, configure
// logging: WARN includes ERROR, INFO includes WARN.
type level int

const (
	none level = iota
	failures
	warnings
	information
	debugging
)

var levels = map[string]level{"ERROR": failures, "WARN": warnings, "INFO": information, "DEBUG": debugging}

// settings are the levels of a scope as they were read.
type settings struct {
	read time.Time
	// fresh is how long they are taken for true.
	fresh time.Duration
	// all says that the newer options let anything be logged.
	all     bool
	base    level
	older   level
	events  map[gateway.EventType]level
	targets map[fleet.LogTarget]level
	highest level // of all of the above
}

// newSettings reads what an owner set. Nothing is logged by options that were
// never made, have no role or are disabled as a whole.
func newSettings(o *fleet.LoggingOptions, targets []fleet.LogLevel) (*settings, error) {
	s := &settings{all: o.Configured && o.Role != "" && !o.DisableAll}
	if o.V1Role != "" {
		s.older = levels[o.V1Level]
	}
	s.highest = s.older
	if !s.all {
		return s, nil
	}
	s.base = levels[o.Level]
	s.highest = max(s.highest, s.base)
	events, err := o.EventList()
	if err != nil {
		return nil, err
	}
	s.events = make(map[gateway.EventType]level, len(events))
	for _, e := range events {
		if e.Level != "" {
			s.events[gateway.EventType(e.Type)] = levels[e.Level]
			s.highest = max(s.highest, levels[e.Level])
		}
	}
	s.targets = make(map[fleet.LogTarget]level, len(targets))
	for _, t := range targets {
		if t.Type != fleet.LogDefault {
			s.targets[t.LogTarget] = levels[t.Level]
			s.highest = max(s.highest, levels[t.Level])
		}
	}
	return s, nil
}

// of is the level for an event: the most detailed of those of its targets, else
// that of its type, else that of everything; beside it that of the older
// options, which know no targets.
func (s *settings) of(e *gateway.Event) level {
	if !s.all {
		return s.older
	}
	found, any := none, false
	look := func(t fleet.LogTargetType, name string) {
		if l, ok := s.targets[fleet.LogTarget{Type: t, Name: name}]; ok {
			found, any = max(found, l), true
		}
	}
	if len(s.targets) > 0 {
		look(fleet.LogClientID, e.ClientID)
		look(fleet.LogPrincipal, e.Certificate)
		look(fleet.LogSourceIP, e.Address.Addr().Unmap().WithZone("").String())
		for _, group := range e.Groups {
			look(fleet.LogGroup, group)
		}
	}
	if !any {
		if found, any = s.events[e.Type]; !any {
			found = s.base
		}
	}
	return max(found, s.older)
}
