package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// MaxHookTokens is how many hook tokens a scope has at most.
const MaxHookTokens = 50

// hookTokenPrefix begins every token, so that one that was leaked is found.
const hookTokenPrefix = "cordon-hook-"

// HookToken lets a broker ask for the rights of the devices of one scope.
type HookToken struct {
	ID      string
	Name    string // for people, may be ""
	Hash    string // see HashHookToken
	Created time.Time
}

// NewHookToken makes a token of 128 bits and more that nobody can guess. The text
// is for the broker alone and is kept nowhere.
func NewHookToken(name string, now time.Time) (t HookToken, text string) {
	text = hookTokenPrefix + rand.Text()
	return HookToken{ID: rand.Text()[:16], Name: name, Hash: HashHookToken(text), Created: now}, text
}

// HashHookToken returns what is stored of a token and looked up: its SHA-256 in
// hex. Whoever measures how long a comparison of hashes takes learns nothing of
// the token.
func HashHookToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
