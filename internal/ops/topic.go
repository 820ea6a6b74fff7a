package ops

import "github.com/prometheus/client_golang/prometheus"

// Delivery counts a try to deliver a message of a topic.
func (m *Metrics) Delivery(protocol, state string) {
	m.deliveries.WithLabelValues(protocol, state).Inc()
}

// MessagesRefused counts n messages of topics that nobody gets.
func (m *Metrics) MessagesRefused(n int) { m.refused.Add(float64(n)) }

// Backlog reports how much of what topics send is in which state, whenever
// metrics are read. The function returns false when that cannot be had, which
// leaves it out. It must not take long, and is given once, before the first read.
func (m *Metrics) Backlog(count func() (of map[string]int, ok bool)) {
	m.registry.MustRegister(backlog{count})
}

// backlog asks for the counts at the moment they are read.
type backlog struct {
	count func() (map[string]int, bool)
}

var backlogSize = prometheus.NewDesc("cordon_topic_backlog",
	"Messages without deliveries (PENDING) and deliveries (WAITING, DEAD), up to a bound.", []string{"state"}, nil)

// Describe implements [prometheus.Collector].
func (backlog) Describe(ch chan<- *prometheus.Desc) { ch <- backlogSize }

// Collect implements [prometheus.Collector].
func (b backlog) Collect(ch chan<- prometheus.Metric) {
	of, ok := b.count()
	if !ok {
		return
	}
	for state, n := range of {
		ch <- prometheus.MustNewConstMetric(backlogSize, prometheus.GaugeValue, float64(n), state)
	}
}
