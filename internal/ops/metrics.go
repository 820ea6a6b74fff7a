package ops

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what a Cordon does. All counters are of this process since
// its start and over all accounts. Labels take names that Cordon defines, such
// as operations and checks, never what a caller chose: their number is bounded.
// All methods but QueueAge may be called from several goroutines.
type Metrics struct {
	registry     *prometheus.Registry
	calls        *prometheus.CounterVec
	durations    *prometheus.HistogramVec
	kinds        sync.Map // Call without duration → kindOfCall
	audits       *prometheus.CounterVec
	findings     *prometheus.CounterVec
	evaluated    *prometheus.CounterVec
	nonCompliant *prometheus.CounterVec
	executions   *prometheus.CounterVec
	hooks        *prometheus.CounterVec
	hookTimes    prometheus.Histogram
	unrecorded   prometheus.Counter
	deliveries   *prometheus.CounterVec
	refused      prometheus.Counter
	queues       *queueAges
}

// NewMetrics returns metrics that are zero, in a registry of their own,
// together with those of the Go runtime and the process.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cordon", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: counter("calls_total",
			"API calls answered; exception is empty for a success.", "service", "operation", "status", "exception"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "cordon",
			Name:      "call_duration_seconds",
			Help:      "Time from the request's arrival to its answer.",
			Buckets:   []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service", "operation"}),
		audits: counter("audits_total", "Audit tasks ended, by final status.", "status"),
		findings: counter("audit_findings_total",
			"Findings stored.", "check"),
		evaluated: counter("audit_resources_evaluated_total",
			"Resources that audits judged.", "check"),
		nonCompliant: counter("audit_resources_non_compliant_total",
			"Resources that audits found not compliant.", "check"),
		executions: counter("mitigation_executions_total",
			"Mitigation actions executed on findings, by type of action and outcome.", "action", "status"),
		hooks: counter("hook_answers_total",
			"Questions of brokers answered; broker is empty for what is no question.", "broker", "question", "answer"),
		hookTimes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "cordon", Name: "hook_duration_seconds",
			Help:    "Time from the arrival of a broker's question to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "cordon", Name: "connections_unrecorded_total",
			Help: "Connections of devices that were not recorded because too many waited to be stored.",
		}),
		deliveries: counter("topic_deliveries_total",
			"Tries to deliver a message of a topic, by what became of it: WAITING is to be tried again.", "protocol", "state"),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "cordon", Name: "topic_messages_refused_total",
			Help: "Messages that nobody gets: without a topic, or under a role that may not publish.",
		}),
		queues: &queueAges{},
	}
	m.registry.MustRegister(m.calls, m.durations, m.audits, m.findings, m.evaluated, m.nonCompliant, m.executions,
		m.unrecorded, m.hooks, m.hookTimes, m.deliveries, m.refused, m.queues, buildInfo(), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Hook counts a question of a broker that was answered.
func (m *Metrics) Hook(broker, question, answer string, took time.Duration) {
	m.hooks.WithLabelValues(broker, question, answer).Inc()
	m.hookTimes.Observe(took.Seconds())
}

// Call is one call of an API.
type Call struct {
	// Service is the signing name; Operation is empty where none was found.
	Service, Operation string
	// Status is the HTTP status.
	Status int
	// Exception is the name of the error, empty for a success.
	Exception string
	// Duration is the time from the request's arrival to its answer.
	Duration time.Duration
}

// Call counts a call that was answered.
func (m *Metrics) Call(c Call) {
	took := c.Duration.Seconds()
	c.Duration = 0
	found, ok := m.kinds.Load(c)
	if !ok {
		found, _ = m.kinds.LoadOrStore(c, kindOfCall{
			m.calls.WithLabelValues(c.Service, c.Operation, strconv.Itoa(c.Status), c.Exception),
			m.durations.WithLabelValues(c.Service, c.Operation),
		})
	}
	kind := found.(kindOfCall)
	kind.calls.Inc()
	kind.durations.Observe(took)
}

// kindOfCall is what counts calls that differ in nothing but their durations.
type kindOfCall struct {
	calls     prometheus.Counter
	durations prometheus.Observer
}

// Audit counts an audit task that ended with this status.
func (m *Metrics) Audit(status string) { m.audits.WithLabelValues(status).Inc() }

// Findings counts n findings that a check stored.
func (m *Metrics) Findings(check string, n int) { m.findings.WithLabelValues(check).Add(float64(n)) }

// Resources counts the resources that a check judged, and those of them that
// were not compliant.
func (m *Metrics) Resources(check string, evaluated, nonCompliant int) {
	m.evaluated.WithLabelValues(check).Add(float64(evaluated))
	m.nonCompliant.WithLabelValues(check).Add(float64(nonCompliant))
}

// Execution counts n executions of a type of action that ended with a status.
func (m *Metrics) Execution(action, status string, n int) {
	m.executions.WithLabelValues(action, status).Add(float64(n))
}

// ConnectionsUnrecorded counts n connections of which nothing will be known.
func (m *Metrics) ConnectionsUnrecorded(n int) { m.unrecorded.Add(float64(n)) }

// QueueAge reports the age of the oldest entry of a queue whenever metrics are
// read. The function returns seconds, or false when they cannot be had, which
// leaves the queue out; an empty queue is 0. It must not take long, and a name
// may be given once only, before the first read.
func (m *Metrics) QueueAge(name string, age func() (seconds float64, ok bool)) {
	m.queues.add(name, age)
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// queueAges asks for the ages at the moment they are read.
type queueAges struct {
	names []string
	ages  []func() (float64, bool)
}

var queueAge = prometheus.NewDesc("cordon_queue_age_seconds",
	"Age of the oldest entry that waits in a queue.", []string{"queue"}, nil)

func (q *queueAges) add(name string, age func() (float64, bool)) {
	q.names = append(q.names, name)
	q.ages = append(q.ages, age)
}

// Describe implements [prometheus.Collector].
func (q *queueAges) Describe(ch chan<- *prometheus.Desc) { ch <- queueAge }

// Collect implements [prometheus.Collector].
func (q *queueAges) Collect(ch chan<- prometheus.Metric) {
	for i, age := range q.ages {
		if seconds, ok := age(); ok {
			ch <- prometheus.MustNewConstMetric(queueAge, prometheus.GaugeValue, seconds, q.names[i])
		}
	}
}

// buildInfo is the constant 1 with the version as a label, as is customary.
func buildInfo() prometheus.Collector {
	version, revision := Version()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace:   "cordon",
		Name:        "build_info",
		Help:        "The build that runs.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision},
	}, func() float64 { return 1 })
}

// Version returns the version of this build and the commit it was made from,
// as the Go tool recorded them. The revision is empty where none was recorded.
func Version() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return info.Main.Version, revision
}
