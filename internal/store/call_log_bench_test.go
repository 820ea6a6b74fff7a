package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// BenchmarkWrites makes things from 32 callers, without and with records of the
// calls.
func BenchmarkWrites(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprintf("recorded=%v", recorded), func(b *testing.B) {
			s, err := Open(context.Background(), Options{
				Dir: b.TempDir(), Node: "a", Now: time.Now, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			l := calllog.New(calllog.Options{
				Store: s, Node: "a", Key: callKey, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			})
			ctx, end := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- l.Run(ctx) }()
			var n atomic.Int64
			e := anEvent(here.Account, 1)
			e.UserAgent = "aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/iot#1.72.0 m/E,e"
			e.Resources = []string{"arn:aws:iot:eu-central-1:111111111111:thing/pump-1"}
			e.User = calllog.Identity{Type: "Root", PrincipalID: "111111111111", ARN: "arn:aws:iam::111111111111:root",
				Account: "111111111111", AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					name := fmt.Sprint("t", n.Add(1))
					e := *e
					e.Time = time.Now()
					ctx := context.Background()
					if recorded {
						ctx = calllog.WithCall(ctx, l.Begin(e))
					}
					_, err := s.CreateThing(ctx, here, &fleet.Thing{Name: name, ID: name, Created: time.Now()})
					if err != nil {
						b.Error(err)
					}
					if recorded {
						l.Done(ctx, "", "")
					}
				}
			})
			end()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}
