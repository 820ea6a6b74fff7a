package mqtt

import (
	"strings"
	"testing"
)

func TestTopicsAndFilters(t *testing.T) {
	for _, tt := range []struct {
		name          string
		topic, filter bool
	}{
		{"a", true, true},
		{"/", true, true},
		{"//", true, true},
		{"/a/", true, true},
		{"sport/tennis/player1", true, true},
		{"Ünïcode/日本", true, true},
		{" ", true, true},
		{"$SYS/x", true, true},
		{"", false, false},
		{"a\x00", false, false},
		{"\xff", false, false},
		{"\xed\xa0\x80", false, false},
		{strings.Repeat("x", 0xffff), true, true},
		{strings.Repeat("x", 0x10000), false, false},
		{"#", false, true},
		{"+", false, true},
		{"a/#", false, true},
		{"a/+/b", false, true},
		{"+/+/#", false, true},
		{"/+", false, true},
		{"a#", false, false},
		{"a/b#", false, false},
		{"a/#/b", false, false},
		{"#/", false, false},
		{"a+", false, false},
		{"+a/b", false, false},
		{"a/b+/c", false, false},
		{"++", false, false},
		{"$share/g/a", true, true},
		{"$share/g/#", false, true},
		{"$share/g//a", true, true},
		{"$share/g/", true, false},
		{"$share/g", true, false},
		{"$share//a", true, false},
		{"$share/", true, false},
		{"$share/+/a", false, false},
		{"$share/g#/a", false, false},
		{"$share", true, true},
		{"$sharing/+", false, true},
	} {
		if got := ValidTopic(tt.name); got != tt.topic {
			t.Errorf("topic %.40q: got %v, want %v", tt.name, got, tt.topic)
		}
		if got := ValidFilter(tt.name); got != tt.filter {
			t.Errorf("filter %.40q: got %v, want %v", tt.name, got, tt.filter)
		}
	}
}

func TestSharedFiltersAreTakenApart(t *testing.T) {
	for _, tt := range []struct {
		filter, group, inner string
		shared               bool
	}{
		{"a/b", "", "a/b", false},
		{"$share/g/a/b", "g", "a/b", true},
		{"$share/g//b", "g", "/b", true},
		{"$share/g", "g", "", true},
		{"$shared/g/a", "", "$shared/g/a", false},
	} {
		group, inner, shared := ParseShared(tt.filter)
		if group != tt.group || inner != tt.inner || shared != tt.shared {
			t.Errorf("%s: got %q, %q, %v", tt.filter, group, inner, shared)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true},
		{"a", "A", false},
		{"a", "a/", false},
		{"a/", "a", false},
		{"a/b", "a", false},
		{"a", "a/b", false},
		{"#", "a", true},
		{"#", "/", true},
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/tennis/player1/#", "sport/tennis/player10", false},
		{"sport/#", "sport", true},
		{"sport/#", "sports", false},
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"+/#", "a", true},
		{"+/b/#", "a/b", true},
		{"+/b/#", "a/c", false},
		{"a//b", "a//b", true},
		{"a/+/b", "a//b", true},
		{"a/#", "a/", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"$SYS/+", "$SYS/x", true},
		{"$SYS/#", "$SYS", true},
		{"a/#", "a/$x", true},
		{"#", "", false},
		{"", "a", false},
	} {
		if got := Match(tt.filter, tt.topic); got != tt.want {
			t.Errorf("%q covers %q: got %v, want %v", tt.filter, tt.topic, got, tt.want)
		}
	}
}
