package mqtt

import (
	"strings"
	"unicode/utf8"
)

// sharePrefix begins the filter of a shared subscription (4.8.2).
const sharePrefix = "$share/"

// ValidTopic says whether a string may be the topic name of a message (4.7): one
// byte at least and 65,535 at most, well-formed, without wildcards.
func ValidTopic(topic string) bool {
	if topic == "" || len(topic) > 0xffff {
		return false
	}
	for i := range len(topic) { // A topic is there with every message: most are passed over here.
		if !plain[topic[i]] {
			return validName(topic[i:]) && !strings.ContainsAny(topic[i:], "+#")
		}
	}
	return true
}

// plain says of a byte that it may be anywhere in a topic.
var plain = func() (plain [256]bool) {
	for c := range utf8.RuneSelf {
		plain[c] = c != 0 && c != '+' && c != '#'
	}
	return plain
}()

// ValidFilter says whether a string may be a topic filter (4.7.1): wildcards are
// levels of their own, # is the last one. One that begins with $share/ has a
// group and a filter behind it.
func ValidFilter(filter string) bool {
	if !validName(filter) {
		return false
	}
	group, inner, shared := ParseShared(filter)
	if shared && (group == "" || strings.ContainsAny(group, "+#")) { // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
		return false
	}
	if inner == "" {
		return false
	}
	for more := true; more; {
		var level string
		level, inner, more = strings.Cut(inner, "/")
		if len(level) > 1 && strings.ContainsAny(level, "+#") || level == "#" && more {
			return false
		}
	}
	return true
}

// ParseShared takes $share/group/filter apart. Any other filter is not shared
// and given back whole. The parts of a filter that [ValidFilter] refuses may be
// empty.
func ParseShared(filter string) (group, inner string, shared bool) {
	rest, shared := strings.CutPrefix(filter, sharePrefix)
	if !shared {
		return "", filter, false
	}
	group, inner, _ = strings.Cut(rest, "/")
	return group, inner, true
}

// Match says whether a filter that is valid and not shared covers a topic (4.7).
// A filter that begins with a wildcard covers no topic that begins with $.
func Match(filter, topic string) bool {
	if topic == "" || topic[0] == '$' && filter != "" && (filter[0] == '+' || filter[0] == '#') { // [MQTT-4.7.2-1]
		return false
	}
	for {
		want, restOfFilter, moreFilter := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		level, restOfTopic, moreTopic := strings.Cut(topic, "/")
		switch {
		case want != "+" && want != level:
			return false
		case !moreTopic: // a/# covers a too (4.7.1.2).
			return !moreFilter || restOfFilter == "#"
		case !moreFilter:
			return false
		}
		filter, topic = restOfFilter, restOfTopic
	}
}

func validName(s string) bool {
	return s != "" && len(s) <= 0xffff && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
