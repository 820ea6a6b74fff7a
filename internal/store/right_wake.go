package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listenAgain is how long a process waits before it listens again on a new
	// connection; feeds look by themselves meanwhile.
	listenAgain = time.Second
	// listenCheck is how long a connection may say nothing before it is asked
	// whether it is alive.
	listenCheck = 30 * time.Second
)

// feeds are those that are open. They are woken by what this process commits on
// SQLite, by notifications on PostgreSQL.
type feeds struct {
	mu     sync.Mutex
	open   map[*RightsFeed]bool
	listen sync.Once
}

// wake has all feeds look for changes now.
func (fs *feeds) wake() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.open {
		select {
		case f.woke <- struct{}{}:
		default:
		}
	}
}

func (fs *feeds) add(f *RightsFeed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.open == nil {
		fs.open = map[*RightsFeed]bool{}
	}
	fs.open[f] = true
}

func (fs *feeds) remove(f *RightsFeed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.open, f)
}

// Committed tells the feeds of this process that something was committed by the
// durable engine. On PostgreSQL the database does.
func (s *Store) Committed() {
	if s.pool == nil {
		s.feeds.wake()
	}
}

// listen has notifications of PostgreSQL wake the feeds, until the store is
// closed.
func (s *Store) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.loops.Go(func() {
		<-s.stop
		cancel()
	})
	for {
		err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("waiting for changes of rights by polling alone", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenAgain):
		}
	}
}

// listenOnce listens on one connection until it breaks.
func (s *Store) listenOnce(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	// Nobody waits for an orderly end.
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `LISTEN cordon_right_changes`); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		s.feeds.wake()
		wait, cancel := context.WithTimeout(ctx, listenCheck)
		_, err := conn.WaitForNotification(wait)
		cancel()
		if err != nil && wait.Err() == context.DeadlineExceeded && ctx.Err() == nil {
			answer, cancel := context.WithTimeout(ctx, feedReadTime)
			_, err = conn.Exec(answer, `SELECT 1`)
			cancel()
		}
		if err != nil {
			return fmt.Errorf("wait for notifications: %w", err)
		}
	}
}
