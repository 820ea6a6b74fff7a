package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
)

const (
	// liveShare is the part of the fleet that connects: one device in five, in
	// runs of twenty, which have every policy.
	liveShare = 5
	liveRun   = 20
	// maxLive is about how many devices connect at most.
	maxLive = 1000
	// keepAlive of the devices is longer than a demo takes, in seconds.
	keepAlive = 1200
	// patience is how long an end that must come is waited for.
	patience = 30 * time.Second
)

// isLive reports whether the device of a number connects.
func (f *fleet) isLive(i int) bool {
	share := max(liveShare, len(f.devices)/maxLive)
	return f.devices[i].condition == weak || i/liveRun%share == 0
}

// live is a device that connects.
type live struct {
	*device
	client  *mqtttest.Client // nil where it was not let in
	refusal string           // why not
	acked   chan struct{}    // a value for each message that was acknowledged
	ended   chan struct{}    // closed when the connection has ended
	endedAt time.Time
}

// gone reports whether the connection has ended.
func (l *live) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// topic is where a device publishes, or "" where its policy lets it nowhere.
func (l *live) topic() string {
	switch l.policy {
	case "sensor":
		return "telemetry/" + l.thing
	case "gateway":
		return "gateways/" + l.thing + "/state"
	}
	return ""
}

// keeps reports whether the device must still be connected after mitigation.
func (v *device) keeps() bool {
	return (v.condition == sound || v.condition == expiring) && !slices.Contains(offending(""), v.policy)
}

// swarm is the devices that connect.
type swarm struct {
	address string
	tls     *tls.Config // without a certificate
	devices []*live

	tried, up atomic.Int64
}

// connect has devices connect, each with its own certificate.
func (d *demo) connect(ctx context.Context) error {
	d.screen.heading("Connect devices by MQTT over mTLS")
	endpoint, err := d.client.DescribeEndpoint(ctx, &iot.DescribeEndpointInput{EndpointType: aws.String("iot:Data-ATS")})
	if err != nil {
		return err
	}
	roots, err := d.host.gatewayRoots(ctx)
	if err != nil {
		return fmt.Errorf("fetch the root of the gateway: %w", err)
	}
	s := &d.swarm
	s.address, s.tls = d.host.mqtt, &tls.Config{RootCAs: roots, ServerName: aws.ToString(endpoint.EndpointAddress)}
	for i := range d.fleet.devices {
		if d.fleet.devices[i].identity != nil {
			s.devices = append(s.devices, &live{device: &d.fleet.devices[i]})
		}
	}
	began := time.Now()
	b := bar{total: int64(len(s.devices)), unit: "devices", count: &s.tried}
	err = d.screen.progress(b, func() error { return s.connect(ctx) })
	if err != nil {
		return err
	}
	d.report.Live = liveReport{Devices: len(s.devices), Connected: int(s.up.Load()), Seconds: since(began)}
	refused := len(s.devices) - d.report.Live.Connected
	d.screen.line("%s devices are connected and have published; %s were refused: their certificates have expired.",
		count(d.report.Live.Connected), count(refused))
	return nil
}

// connect connects all devices, several at a time, and has each publish.
func (s *swarm) connect(ctx context.Context) error {
	return s.each(ctx, s.devices, func(l *live) {
		defer s.tried.Add(1)
		client, refusal := s.dial(l)
		if client == nil {
			l.refusal = refusal
			return
		}
		l.client, l.acked, l.ended = client, make(chan struct{}, 1), make(chan struct{})
		s.up.Add(1)
		go l.watch(&s.up)
		l.publish()
	})
}

// each does something with devices, several at a time.
func (s *swarm) each(ctx context.Context, list []*live, do func(*live)) error {
	var g errgroup.Group
	g.SetLimit(callers)
	for _, l := range list {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			do(l)
			return nil
		})
	}
	_ = g.Wait() // nothing fails
	return ctx.Err()
}

// dial connects a device, or says why it was not let in.
func (s *swarm) dial(l *live) (*mqtttest.Client, string) {
	cfg := s.tls.Clone()
	cfg.Certificates = []tls.Certificate{*l.identity}
	conn, err := mqtttest.Dial(s.address, cfg)
	if err != nil {
		return nil, err.Error()
	}
	client, err := mqtttest.Connect(conn, &mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, KeepAlive: keepAlive, ClientID: l.thing,
	})
	refusal := ""
	switch {
	case err != nil:
		refusal = err.Error()
	case client.Connack.Code != mqtt.Success:
		refusal = client.Connack.Code.String()
	default:
		return client, ""
	}
	_ = conn.Close() // it is of no use
	return nil, refusal
}

// watch reads until the connection ends.
func (l *live) watch(up *atomic.Int64) {
	for {
		p, err := l.client.Next()
		if errors.Is(err, io.EOF) {
			l.endedAt = time.Now()
			up.Add(-1)
			close(l.ended)
			return
		}
		if err == nil && p.Type() == mqtt.TypePuback {
			l.acked <- struct{}{}
		}
	}
}

// publish sends a message where the device may, and reports whether it was
// acknowledged.
func (l *live) publish() bool {
	if l.topic() == "" {
		return false
	}
	err := l.client.Send(&mqtt.Publish{QoS: 1, ID: 1, Topic: l.topic(), Payload: []byte(`{"celsius":21.5}`)})
	if err != nil {
		return false
	}
	select {
	case <-l.acked:
		return true
	case <-l.ended:
		return false
	case <-time.After(patience):
		return false
	}
}

// close ends all connections.
func (s *swarm) close() {
	for _, l := range s.devices {
		if l.client != nil {
			_ = l.client.Conn.Close() // nobody needs it any more
		}
	}
}

// connected are the devices that were let in.
func (s *swarm) connected() (list []*live) {
	for _, l := range s.devices {
		if l.client != nil {
			list = append(list, l)
		}
	}
	return list
}

// settled waits until those have lost their connections who must, and says when
// the last one did, from a time on.
func (d *demo) settled(ctx context.Context, began time.Time) error {
	deadline := time.After(patience)
	last, r := began, &d.report.Live
	for _, l := range d.swarm.connected() {
		if l.keeps() {
			continue
		}
		select {
		case <-l.ended:
			r.Dropped++
			if l.endedAt.After(last) {
				last = l.endedAt
			}
		case <-deadline: // the proof tells
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.LastDroppedAfter = seconds(last.Sub(began).Seconds())
	d.showLive()
	return nil
}

// showLive prints the table of connected devices before and after mitigation.
func (d *demo) showLive() {
	d.screen.note("%-43s  %6s  %6s", "CONNECTED DEVICES", "BEFORE", "AFTER")
	for _, row := range []struct {
		name string
		in   func(*live) bool
	}{
		{"sound, or to be renewed", func(l *live) bool { return l.keeps() }},
		{"with a weak key: certificate deactivated", func(l *live) bool { return l.condition == weak }},
		{"under a bad policy: now blank", func(l *live) bool { return l.condition != weak && !l.keeps() }},
	} {
		before, after := 0, 0
		for _, l := range d.swarm.connected() {
			if row.in(l) {
				before++
				if !l.gone() {
					after++
				}
			}
		}
		d.screen.line("%-43s  %6s  %6s", row.name, count(before), count(after))
	}
	d.screen.note("The last of %s connections ended %s after the call.", count(d.report.Live.Dropped),
		d.report.Live.LastDroppedAfter)
}

// readDevices finds out who is still connected and heard, and who is refused
// when it comes again.
func (o *observed) readDevices(ctx context.Context, s *swarm) error {
	var lost, up []*live
	for _, l := range s.devices {
		switch {
		case l.client == nil:
			o.refusedAtFirst = append(o.refusedAtFirst, l.thing)
		case l.gone():
			o.lost = append(o.lost, l.thing)
			lost = append(lost, l)
		default:
			up = append(up, l)
		}
	}
	heard, refused := make(chan string, len(up)), make(chan string, len(lost))
	err := errors.Join(
		s.each(ctx, up, func(l *live) {
			if l.publish() {
				heard <- l.thing
			}
		}),
		s.each(ctx, lost, func(l *live) {
			client, _ := s.dial(l)
			if client == nil {
				refused <- l.thing
				return
			}
			_ = client.Conn.Close() // the proof tells
		}))
	close(heard)
	close(refused)
	o.heard, o.refusedAgain = slices.Collect(drain(heard)), slices.Collect(drain(refused))
	return err
}

// drain yields what is in a closed channel.
func drain(c <-chan string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// gatewayRoots fetches the root that the gateway's certificates are signed by.
func (h *host) gatewayRoots(ctx context.Context) (*x509.CertPool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.pki+"/pki/gateway.pem", nil)
	if err != nil {
		return nil, err
	}
	out, err := h.http().Do(r)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if out.StatusCode != http.StatusOK || !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("got status %d and no certificate", out.StatusCode)
	}
	return roots, nil
}
