package pkiweb

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// Feed tells of changes to certificates.
type Feed interface {
	// Next waits a moment for changes. Lost says that some were missed. After an
	// error it may be called again and goes on where it was.
	Next(ctx context.Context) (changes []fleet.RightChange, lost bool, err error)
}

// feedRest is how long a feed that cannot be read is left alone.
const feedRest = time.Second

// Follow makes changes show in revocation lists, until ctx ends. While the feed
// cannot be read, lists are made anew whenever they are asked for and it is time.
func (s *Server) Follow(ctx context.Context, feed Feed) error {
	for ctx.Err() == nil {
		changes, lost, err := feed.Next(ctx)
		if err != nil || lost {
			s.lists.allChanged()
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(feedRest):
			}
			continue
		}
		for i := range changes {
			s.follow(ctx, &changes[i])
		}
	}
	return nil
}

func (s *Server) follow(ctx context.Context, c *fleet.RightChange) {
	if c.Kind != fleet.RightCertificate || s.lists.none() {
		return
	}
	cas, err := s.Store.AuthoritiesOf(ctx, c.Scope, c.Names)
	if err != nil {
		s.lists.allChanged()
		return
	}
	for _, ca := range cas {
		s.lists.changed(ca)
	}
}
