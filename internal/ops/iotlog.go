package ops

import "github.com/prometheus/client_golang/prometheus"

// IoTLog adds the metrics of the log of what devices do, and returns what counts
// entries that were lost. It may be called once.
func (m *Metrics) IoTLog() (lost func(n int)) {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "cordon", Subsystem: "iot_log", Name: "lost_entries_total",
		Help: "Entries of the IoT log that were lost because they came faster than they could be written, or could not be.",
	})
	m.registry.MustRegister(c)
	return func(n int) { c.Add(float64(n)) }
}
