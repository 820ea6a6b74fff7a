package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// latencies are how long calls took.
type latencies []time.Duration

// Latency is how long calls took, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

func (l latencies) quantiles() *Latency {
	slices.Sort(l)
	at := func(share float64) float64 {
		return float64(l[int(share*float64(len(l)-1))]) / float64(time.Millisecond)
	}
	return &Latency{P50: at(0.5), P99: at(0.99)}
}

// flood sends requests over some connections, on each the next as soon as the
// last was answered, and returns how long all took and how long each. An answer
// with another status than 200 is an error.
func flood(ctx context.Context, address string, requests [][]byte, connections int) (
	time.Duration, latencies, error,
) {
	g, ctx := errgroup.WithContext(ctx)
	seen := make(latencies, len(requests))
	var next atomic.Int64
	lines := make([]*line, connections)
	for i := range lines {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return 0, nil, err
		}
		defer conn.Close()
		lines[i] = &line{conn, bufio.NewReader(conn)}
	}
	start := time.Now()
	for _, l := range lines {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return nil
				}
				began := time.Now()
				if err := l.call(requests[i]); err != nil {
					return err
				}
				seen[i] = time.Since(began)
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	return time.Since(start), seen, err
}

// line is one connection. It reads no more of an answer than it must.
type line struct {
	net.Conn
	r *bufio.Reader
}

var contentLength = []byte("Content-Length: ")

func (l *line) call(request []byte) error {
	if _, err := l.Write(request); err != nil {
		return err
	}
	status, err := l.r.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		header, err := l.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(header) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(header, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if status != "HTTP/1.1 200 OK\r\n" {
		body := make([]byte, min(length, 500))
		_, _ = l.r.Read(body) // what there is of it
		return fmt.Errorf("the server answered %q: %s", status, body)
	}
	_, err = l.r.Discard(length)
	return err
}
