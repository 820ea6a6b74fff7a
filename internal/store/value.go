package store

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// toJSON is the stored form of a list or map.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // values of our own types, which always marshal
	}
	return string(b)
}

// fromJSON reads pairs of a stored text and where it goes.
func fromJSON(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := json.Unmarshal([]byte(pairs[i].(string)), pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// infoJSON is the stored form of additionalInfo, which most resources have
// none of.
func infoJSON(info map[string]string) string {
	if len(info) == 0 {
		return ""
	}
	return toJSON(info)
}

func fromInfoJSON(text string, info *map[string]string) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), info)
}

func nullMillis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

func fromNullMillis(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return fromMillis(*ms)
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

// orZero and fromZero are for times that may be missing, in columns that may
// not.
func orZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return fromMillis(ms)
}
