package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"weak"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// policyKey names a version of a policy in all scopes.
type policyKey struct {
	scope fleet.Scope
	ref   fleet.PolicyRef
}

// policies has each policy of a live connection compiled once. It keeps none
// alive: what no connection uses goes with the garbage, so that it is no larger
// than what is in use.
type policies struct {
	registry Registry
	log      *slog.Logger

	mu      sync.Mutex
	known   map[policyKey]weak.Pointer[policy.Compiled]
	loading map[policyKey]*policyLoad
}

// policyLoad is a policy that is being read and compiled.
type policyLoad struct {
	done     chan struct{} // closed when compiled or err is set, or neither where the version is gone
	compiled *policy.Compiled
	err      error
}

func newPolicies(registry Registry, log *slog.Logger) *policies {
	return &policies{
		registry: registry, log: log,
		known: map[policyKey]weak.Pointer[policy.Compiled]{}, loading: map[policyKey]*policyLoad{},
	}
}

// find returns versions of policies of a scope, made ready for deciding. One
// that is gone is left out. A document that cannot be read denies everything.
func (p *policies) find(ctx context.Context, scope fleet.Scope, refs []fleet.PolicyRef) (
	map[fleet.PolicyRef]*policy.Compiled, error,
) {
	found := make(map[fleet.PolicyRef]*policy.Compiled, len(refs))
	mine, others := p.claim(scope, refs, found)
	if len(mine) > 0 {
		if err := p.load(ctx, scope, mine, found); err != nil {
			return nil, err
		}
	}
	for ref, l := range others {
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if l.err != nil {
			return nil, l.err
		}
		if l.compiled != nil {
			found[ref] = l.compiled
		}
	}
	return found, nil
}

// claim puts what is known into found, and parts the rest into what the caller
// is to load and what others are loading.
func (p *policies) claim(scope fleet.Scope, refs []fleet.PolicyRef, found map[fleet.PolicyRef]*policy.Compiled) (
	mine []fleet.PolicyRef, others map[fleet.PolicyRef]*policyLoad,
) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range refs {
		key := policyKey{scope, ref}
		if _, twice := found[ref]; twice {
			continue
		}
		if c := p.known[key].Value(); c != nil {
			found[ref] = c
			continue
		}
		if l := p.loading[key]; l != nil {
			if others == nil {
				others = map[fleet.PolicyRef]*policyLoad{}
			}
			others[ref] = l
			continue
		}
		p.loading[key] = &policyLoad{done: make(chan struct{})}
		mine = append(mine, ref)
	}
	// What was claimed here and named twice is not waited for.
	for _, ref := range mine {
		delete(others, ref)
	}
	return mine, others
}

// load reads and compiles what was claimed, and tells who waits for it.
func (p *policies) load(
	ctx context.Context, scope fleet.Scope, mine []fleet.PolicyRef, found map[fleet.PolicyRef]*policy.Compiled,
) error {
	list, err := p.registry.PolicyDocuments(ctx, scope, mine)
	if err != nil {
		err = fmt.Errorf("read policies: %w", err)
	}
	for i := range list {
		v := &list[i]
		found[fleet.PolicyRef{Name: v.Policy, Seq: v.Seq, Version: v.Version}] = p.compile(scope, v)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range mine {
		key := policyKey{scope, ref}
		l := p.loading[key]
		delete(p.loading, key)
		l.compiled, l.err = found[ref], err
		if l.compiled != nil {
			p.remember(key, l.compiled)
		}
		close(l.done)
	}
	return err
}

// remember finds a policy again for as long as somebody uses it.
func (p *policies) remember(key policyKey, c *policy.Compiled) {
	p.known[key] = weak.Make(c)
	runtime.AddCleanup(c, func(key policyKey) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.known[key].Value() == nil {
			delete(p.known, key)
		}
	}, key)
}

// compile makes a document ready for deciding. It was read when it was stored:
// one that cannot be read now denies everything, and is told of.
func (p *policies) compile(scope fleet.Scope, v *fleet.PolicyVersion) *policy.Compiled {
	doc, err := policy.Parse(v.Document)
	if err == nil {
		return policy.NewCompiled(doc)
	}
	p.log.Error("a policy cannot be read and denies everything",
		"account", scope.Account, "region", scope.Region, "policy", v.Policy, "version", v.Version, "err", err)
	doc, err = policy.Parse(denyEverything)
	if err != nil {
		panic("the policy that denies everything cannot be read: " + err.Error())
	}
	return policy.NewCompiled(doc)
}

// denyEverything is in force in the place of what cannot be read.
const denyEverything = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
