package rival

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in proc(5): sysconf(_SC_CLK_TCK) is 100 on every
// architecture that Go knows.
const tick = 10 * time.Millisecond

// Fields of /proc/[pid]/stat behind the name of the program, whose first is the
// third of all.
const (
	fieldUser   = 14 - 3
	fieldSystem = 15 - 3
	fieldRSS    = 24 - 3
)

// Usage is what a process has used.
type Usage struct {
	// CPU is the time of all its threads, of the system on their behalf among it,
	// in steps of 10 ms.
	CPU time.Duration
	// Resident is the physical memory that it holds now, in bytes.
	Resident int64
}

// UsageOf reads what a process has used (Linux only).
func UsageOf(pid int) (Usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read what a process has used: %w", err)
	}
	return parseUsage(string(text))
}

func parseUsage(text string) (Usage, error) {
	// The name of the program may have spaces and parentheses in it.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= fieldRSS {
		return Usage{}, fmt.Errorf("read what a process has used: %d fields are too few", len(fields))
	}
	var n [3]int64
	for i, field := range []int{fieldUser, fieldSystem, fieldRSS} {
		var err error
		if n[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return Usage{}, fmt.Errorf("read what a process has used: %w", err)
		}
	}
	return Usage{CPU: time.Duration(n[0]+n[1]) * tick, Resident: n[2] * int64(os.Getpagesize())}, nil
}
