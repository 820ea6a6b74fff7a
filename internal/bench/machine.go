package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// readFile is [os.ReadFile], or a test's.
type readFile func(name string) ([]byte, error)

// peakMemory is the most physical memory that this process ever held, in
// bytes, from the process itself on (VmHWM of proc(5)): a parent's is not in
// it. It is 0 where the system does not say.
func peakMemory(read readFile) (int64, error) {
	text, err := field(read, "/proc/self/status", "VmHWM")
	if err != nil || text == "" {
		return 0, err
	}
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the peak of memory: %w", err)
	}
	return kilobytes << 10, nil
}

// field returns what stands behind the first "name:" of a file. Without the
// file or the name it is empty.
func field(read readFile, file, name string) (string, error) {
	content, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

// Machine describes where a measurement is made.
type Machine struct {
	Cores     int    `json:"cores"`
	Processor string `json:"processor,omitempty"`
	Memory    string `json:"memory,omitempty"`
	Go        string `json:"go"`
	// Load is the load average of the last minute before the measurement: well
	// above 0, other programs disturb it.
	Load string `json:"load,omitempty"`
}

// ThisMachine describes this machine as it is now. What the system does not
// say is empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	m.Processor, _ = field(os.ReadFile, "/proc/cpuinfo", "model name")
	m.Memory, _ = field(os.ReadFile, "/proc/meminfo", "MemTotal")
	if content, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(content), " ")
	}
	return m
}

// String is the description as a line.
func (m Machine) String() string {
	parts := []string{fmt.Sprintf("%d cores", m.Cores)}
	for _, p := range []struct{ before, text string }{
		{"", m.Processor}, {"memory ", m.Memory}, {"", m.Go}, {"load average ", m.Load},
	} {
		if p.text != "" {
			parts = append(parts, p.before+p.text)
		}
	}
	return strings.Join(parts, ", ")
}
