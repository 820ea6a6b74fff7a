package bench

import "slices"

// Result is what was measured. Rates are certificates, or findings, a second.
type Result struct {
	Spec Spec `json:"spec"`
	// Database names the database with the settings that matter here.
	Database string `json:"database"`
	// LoadPerSecond is how fast the fleet was registered.
	LoadPerSecond float64     `json:"loadPerSecond"`
	Subject       Rate        `json:"subject"`
	Yardsticks    []Yardstick `json:"yardsticks"`
	// Goal is the rate that the subject shall reach, 0 where only ratios count,
	// and Latency how long its calls took.
	Goal    float64  `json:"goal,omitempty"`
	Latency *Latency `json:"latency,omitempty"`
	// Devices is what was measured at the gateway, nil elsewhere.
	Devices *Devices `json:"devices,omitempty"`
	// PeakBytes is the most memory that the process held at any time, load
	// included; 0 where the system does not say.
	PeakBytes int64 `json:"peakBytes"`
}

// Rate is how fast something is.
type Rate struct {
	Name      string `json:"name"`
	PerSecond Spread `json:"perSecond"`
}

// Yardstick is what a subject is compared with.
type Yardstick struct {
	Rate
	// Ratio is the subject's rate divided by this one, round by round.
	Ratio Spread  `json:"ratio"`
	Goal  float64 `json:"goal"`
}

// Spread is the outcome of several rounds.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// spreadOf needs one value at least.
func spreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Least: sorted[0], Most: sorted[n-1]}
}
