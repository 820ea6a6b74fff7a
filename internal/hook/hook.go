// Package hook answers brokers that keep their own TLS and ask over HTTP what a
// device may do: EMQX (authentication and authorization) and RabbitMQ (user,
// vhost, resource, topic), each in its own form.
//
// The verdicts are those of the gateway, from the same registry and policies:
// a certificate that is registered, ACTIVE and within its validity, an account
// that is enabled, and the effective policies. What such a broker does not say
// is taken as what allows least, and what cannot be decided is denied. Every
// answer has the status 200: brokers take another one as no answer at all, and
// EMQX then goes on as if there were no rule.
package hook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

const (
	// maxBody is how long a question may be, in bytes: a certificate in PEM form,
	// its base64, and a topic.
	maxBody = 128 << 10
	// maxAtOnce is how many questions are answered at the same time. More wait.
	maxAtOnce = 64
	// answerTime is how long an answer may take, waiting included. Brokers wait for
	// five seconds and more.
	answerTime = 3 * time.Second
	// questionRate is how many questions a second a token may ask, and questionBurst
	// how many at once. More wait.
	questionRate, questionBurst = 5000, 5000
)

// Store is what is known of brokers and of names.
type Store interface {
	// HookScope returns the scope of the token with a hash, and whether there is
	// such a token.
	HookScope(ctx context.Context, hash string) (scope fleet.Scope, found bool, err error)
	// CertificateNamed returns the id of the one ACTIVE certificate whose holder
	// brokers call by a name, or "".
	CertificateNamed(ctx context.Context, scope fleet.Scope, name string) (id string, err error)
	// Certificate returns a certificate with its PEM, or a NotFound fault.
	Certificate(ctx context.Context, scope fleet.Scope, id string) (*fleet.Certificate, error)
}

// Config is what the hooks are made of. Observe may be nil.
type Config struct {
	Registry gateway.Registry
	Store    Store
	// Observe hears of each question when it was answered: of which broker's form
	// it was, what it was about, and what was said.
	Observe func(broker, question, answer string, took time.Duration)
	Now     func() time.Time
	Log     *slog.Logger
}

// hooks answers questions.
type hooks struct {
	Config
	tokens *tokens
	judge  *judge
	slots  chan struct{}
}

// New returns the handler of all hooks: those of EMQX below /hook/emqx/, with a
// bearer token, and those of RabbitMQ below /hook/rabbitmq/TOKEN/. What else is
// asked for is denied too. It never logs a path.
func New(cfg Config) http.Handler {
	if cfg.Observe == nil {
		cfg.Observe = func(string, string, string, time.Duration) {}
	}
	return &hooks{
		Config: cfg, tokens: newTokens(cfg.Store, cfg.Now), judge: newJudge(cfg), slots: make(chan struct{}, maxAtOnce),
	}
}

// errDenied is why most questions are denied. Every other error is one of ours,
// and denies too.
type errDenied string

// Error returns the reason, which tells no secret.
func (e errDenied) Error() string { return string(e) }

// form is what the hooks of a broker have in common.
type form interface {
	// write answers. Nothing but an allowed answer lets a device do anything.
	write(w http.ResponseWriter, question string, a *answer)
}

// answer is what was decided.
type answer struct {
	allowed bool
	// certificate is who the device is, of an answer to who it is.
	certificate *fleet.Certificate
}

// ServeHTTP answers a question of a broker.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var f form = rabbitForm{}
	broker, question, token := "", "", ""
	switch parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"); {
	case len(parts) >= 2 && parts[0] == "hook" && parts[1] == "emqx":
		f, broker = emqxForm{}, "emqx"
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if len(parts) == 3 {
			question = parts[2]
		}
	case len(parts) == 4 && parts[0] == "hook" && parts[1] == "rabbitmq":
		broker, token, question = "rabbitmq", parts[2], parts[3]
	}
	a, scope, err := h.answer(w, r, broker+"/"+question, token)
	if err != nil {
		a = &answer{}
		h.explain(broker, scope, err)
	}
	f.write(w, question, a)
	said := "deny"
	if a.allowed {
		said = "allow"
	}
	if !known(broker, question) {
		broker, question = "", ""
	}
	h.Observe(broker, question, said, time.Since(began))
}

// known reports whether a question is one that is ever allowed.
func known(broker, question string) bool { return questions[broker+"/"+question] != nil }

// questions are what brokers ask, and who answers.
var questions = map[string]func(*hooks, context.Context, fleet.Scope, []byte) (*answer, error){
	"emqx/authentication": (*hooks).emqxAuthentication,
	"emqx/authorization":  (*hooks).emqxAuthorization,
	"rabbitmq/user":       (*hooks).rabbitUser,
	"rabbitmq/vhost":      (*hooks).rabbitVhost,
	"rabbitmq/resource":   (*hooks).rabbitResource,
	"rabbitmq/topic":      (*hooks).rabbitTopic,
}

func (h *hooks) answer(w http.ResponseWriter, r *http.Request, question, token string) (
	a *answer, scope fleet.Scope, err error,
) {
	defer func() {
		if p := recover(); p != nil {
			h.Log.Error("a hook panicked", "question", question, "panic", p)
			a, err = nil, errDenied("a panic")
		}
	}()
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	ask := questions[question]
	if ask == nil || r.Method != http.MethodPost {
		return nil, scope, errDenied("it is no question, or was not sent by POST")
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, scope, errDenied("too many questions are waiting")
	}
	scope, limit, err := h.tokens.scope(ctx, token)
	if err != nil {
		return nil, scope, err
	}
	if err := limit.Wait(ctx); err != nil {
		return nil, scope, errDenied("the token asks too often")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, scope, errDenied("the question is too long, or did not come")
	}
	a, err = ask(h, ctx, scope, body)
	if err == nil && ctx.Err() != nil {
		err = errDenied("it took too long")
	}
	return a, scope, err
}

// explain logs why a question was denied: at debug what follows from the
// registry, for a hostile client can cause it at will.
func (h *hooks) explain(broker string, scope fleet.Scope, err error) {
	attrs := []any{"broker", broker, "account", scope.Account, "region", scope.Region, "err", err}
	if errors.As(err, new(errDenied)) {
		h.Log.Debug("a hook denied", attrs...)
		return
	}
	h.Log.Warn("a hook could not decide and denied", attrs...)
}

// newLimit is the limit of one token.
func newLimit() *rate.Limiter { return rate.NewLimiter(questionRate, questionBurst) }
