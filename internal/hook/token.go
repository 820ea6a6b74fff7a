package hook

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cordon-iot/cordon/internal/fleet"
)

const (
	// tokenTime is how long a token is taken for good without asking again: a
	// deleted one ends within it on all nodes.
	tokenTime = time.Second
	// tokenMemory is how many tokens are remembered.
	tokenMemory = 10_000
	// guessRate is how many unknown tokens a second are looked up; more are denied
	// unseen.
	guessRate, guessBurst = 50, 100
	// maxToken is longer than any token.
	maxToken = 128
)

// errToken denies what shows no token that is known.
const errToken = errDenied("there is no such token")

// tokens knows the scopes of tokens. It keeps hashes of them only.
type tokens struct {
	store   Store
	now     func() time.Time
	guesses *rate.Limiter

	mu    sync.Mutex
	known map[string]*knownToken
}

type knownToken struct {
	scope fleet.Scope
	until time.Time
	limit *rate.Limiter
}

func newTokens(store Store, now func() time.Time) *tokens {
	return &tokens{
		store: store, now: now, guesses: rate.NewLimiter(guessRate, guessBurst), known: map[string]*knownToken{},
	}
}

// scope returns what a token stands for, and the limit on how often it may ask.
func (t *tokens) scope(ctx context.Context, text string) (fleet.Scope, *rate.Limiter, error) {
	if text == "" || len(text) > maxToken || strings.ContainsAny(text, " \t") {
		return fleet.Scope{}, nil, errToken
	}
	hash := fleet.HashHookToken(text)
	k, seen := t.find(hash)
	if seen && t.now().Before(k.until) {
		return k.scope, k.limit, nil
	}
	// Who guesses must not keep brokers waiting, nor the database busy.
	if !seen && !t.guesses.Allow() {
		return fleet.Scope{}, nil, errDenied("too many unknown tokens were shown")
	}
	asked := t.now()
	scope, found, err := t.store.HookScope(ctx, hash)
	if err != nil {
		return fleet.Scope{}, nil, err
	}
	if !found {
		t.forget(hash)
		return fleet.Scope{}, nil, errToken
	}
	return scope, t.remember(hash, scope, asked.Add(tokenTime)), nil
}

func (t *tokens) find(hash string) (k knownToken, seen bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.known[hash]; p != nil {
		return *p, true
	}
	return k, false
}

func (t *tokens) forget(hash string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, hash)
}

func (t *tokens) remember(hash string, scope fleet.Scope, until time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[hash]
	if k == nil {
		if len(t.known) >= tokenMemory {
			clear(t.known)
		}
		k = &knownToken{limit: newLimit()}
		t.known[hash] = k
	}
	k.scope, k.until = scope, until
	return k.limit
}
