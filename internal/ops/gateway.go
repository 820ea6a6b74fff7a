package ops

import "github.com/prometheus/client_golang/prometheus"

// Gateway counts what the MQTT gateway does, beside the other metrics.
type Gateway struct {
	connects    *prometheus.CounterVec
	disconnects *prometheus.CounterVec
	kicks       *prometheus.CounterVec
	in, out     prometheus.Counter
	overflows   prometheus.Counter
	stored      *prometheus.CounterVec
}

// GatewayState tells, whenever metrics are read, how many devices are connected
// and for how many seconds their rights could not be read: 0 when they can be.
type GatewayState func() (connections int, stale float64)

// Gateway adds the metrics of the gateway. It may be called once.
func (m *Metrics) Gateway(state GatewayState) *Gateway {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "cordon", Subsystem: "gateway", Name: name, Help: help,
		}, labels)
	}
	packets := counter("messages_total", "Messages from devices (in) and to devices (out), refused ones among them.",
		"direction")
	overflows := counter("queue_overflows_total", "Connections ended because messages came faster than they took them.")
	g := &Gateway{
		connects: counter("connects_total", "Connections that devices tried, by how it ended.", "result"),
		disconnects: counter("disconnects_total", "Ends of connections, by AWS's reason.",
			"reason"),
		kicks:  counter("kicks_total", "Connections that the gateway ended, by why.", "why"),
		stored: counter("stored_sessions_ended_total", "Stored sessions that were ended before their time.", "reason"),
		in:     packets.WithLabelValues("in"), out: packets.WithLabelValues("out"), overflows: overflows.WithLabelValues(),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "cordon", Subsystem: "gateway", Name: name, Help: help,
		}, value)
	}
	m.registry.MustRegister(g.connects, g.disconnects, g.kicks, g.stored, packets, overflows,
		gauge("connections", "Devices that are connected.", func() float64 {
			connections, _ := state()
			return float64(connections)
		}),
		gauge("stale_seconds", "Time for which the rights of devices could not be read; 0 when they can be.",
			func() float64 {
				_, stale := state()
				return stale
			}))
	return g
}

// Connect counts an attempt to connect: "accepted", or why not.
func (g *Gateway) Connect(result string) { g.connects.WithLabelValues(result).Inc() }

// Disconnect counts the end of a connection.
func (g *Gateway) Disconnect(reason string) { g.disconnects.WithLabelValues(reason).Inc() }

// Kicked counts a connection that the gateway ended.
func (g *Gateway) Kicked(why string) { g.kicks.WithLabelValues(why).Inc() }

// Packet counts a message from a device (in) or to one.
func (g *Gateway) Packet(in bool) {
	if in {
		g.in.Inc()
	} else {
		g.out.Inc()
	}
}

// Overflow counts a connection whose queue was full.
func (g *Gateway) Overflow() { g.overflows.Inc() }

// StoredSessionEnded counts a stored session that was ended before its time.
func (g *Gateway) StoredSessionEnded(reason string) { g.stored.WithLabelValues(reason).Inc() }
