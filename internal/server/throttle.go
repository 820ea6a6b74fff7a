package server

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/quota"
)

// throttle refuses what exceeds the rates of the quota profile.
func (s *Server) throttle() func(context.Context, awswire.Target) error {
	limiter := quota.NewLimiter(s.quotas.Rates, s.now)
	return func(ctx context.Context, target awswire.Target) error {
		c := awswire.CallerFrom(ctx)
		account := c.Account
		if account == "" {
			account = crowd(c.SourceIP)
		}
		return limiter.Allow(quota.Call{
			Account: account, Region: c.Region, Service: target.Service, Operation: target.Operation,
		})
	}
}

// crowds is how many counters there are for calls that are not signed. One
// address cannot use up those of all others, and no number of addresses takes
// the counters of accounts.
const crowds = 1024

// crowd names the counter that an address shares with some others.
func crowd(address string) string {
	h := fnv.New32a()
	h.Write([]byte(address)) // never fails
	return fmt.Sprintf("visitors %d", h.Sum32()%crowds)
}
