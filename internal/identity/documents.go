package identity

import (
	"fmt"
	"sync"

	"github.com/cordon-iot/cordon/internal/policy"
)

// documentCache keeps policies of resources and trust policies ready for deciding,
// by their text: one that was changed is another one. It begins anew when it is
// full.
type documentCache struct {
	mu   sync.RWMutex
	kept map[documentKey]*policy.Permissions
	size int // bytes of the texts
}

// maxDocuments bounds the texts whose documents are kept, in bytes. What is made
// of a text takes some ten times as much.
const maxDocuments = 4 << 20

type documentKey struct {
	trust bool // who assumes a role
	text  string
}

// get returns a document of a resource, whose ARN an error names.
func (c *documentCache) get(key documentKey, arn string) (*policy.Permissions, error) {
	c.mu.RLock()
	made := c.kept[key]
	c.mu.RUnlock()
	if made != nil {
		return made, nil
	}
	kind, parse := "policy", policy.ParseResource
	if key.trust {
		kind, parse = "trust policy", policy.ParseTrust
	}
	doc, err := parse(key.text)
	if err != nil {
		return nil, fmt.Errorf("read stored %s of %s: %s", kind, arn, err)
	}
	made = policy.NewPermissions(doc)
	c.add(key, made)
	return made, nil
}

func (c *documentCache) add(key documentKey, made *policy.Permissions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[key] != nil {
		return
	}
	if c.kept == nil || c.size+len(key.text) > maxDocuments {
		c.kept, c.size = map[documentKey]*policy.Permissions{}, 0
	}
	c.kept[key] = made
	c.size += len(key.text)
}
