package server_test

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// sharers is how many devices share a certificate in the benchmark.
const sharers = 5000

// BenchmarkDrop connects devices with one certificate, deactivates it, and
// prints how fast they came and how long it took, from the answer to the call,
// until the last one lost its connection.
func BenchmarkDrop(b *testing.B) {
	for _, database := range cordontest.Databases {
		b.Run(database, func(b *testing.B) {
			c := cordontest.Start(b, cordontest.Settings(b, database), server.Options{})
			client := c.IoT()
			cordontest.Policy(b, client, "all", cordontest.AllowAll)
			for b.Loop() {
				drop(b, c, cordontest.NewDevice(b, client, "all"))
			}
		})
	}
}

func drop(b *testing.B, c *cordontest.Cordon, shared *cordontest.Device) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	devices := make([]*mqtttest.Client, sharers)
	cfg := c.DeviceTLS(b, shared, cordontest.Home)
	var work sync.WaitGroup
	for part := range slices.Chunk(slices.Collect(numbers(sharers)), sharers/64) {
		work.Go(func() {
			for _, i := range part {
				d, err := c.ConnectTo(b, cfg, cordontest.Hello(mqtt.V311, "d"+strconv.Itoa(i)))
				if err != nil || d.Connack.Code != mqtt.Success {
					b.Errorf("got %v, want to be let in", err)
					return
				}
				devices[i] = d
			}
		})
	}
	work.Wait()
	if b.Failed() {
		return
	}
	b.ReportMetric(sharers/time.Since(began).Seconds(), "connects/s")
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
	b.ReportMetric(float64(used)/1024/sharers, "KiB/both-sides")
	var ended sync.WaitGroup
	for _, d := range devices {
		ended.Go(func() { _, _ = d.Ended() })
	}
	began = time.Now()
	shared.SetStatus(b, c.IoT(), types.CertificateStatusInactive)
	answered := time.Now()
	ended.Wait()
	b.ReportMetric(float64(time.Since(answered).Milliseconds()), "ms-after-answer")
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-after-call")
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
