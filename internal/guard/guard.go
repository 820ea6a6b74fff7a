// Package guard is the one HTTP client for calls to addresses that somebody
// else chose: the distribution points of certificates, the endpoints of topics.
//
// A call must not reach what the caller could not reach himself. The target is
// therefore judged where the socket is opened, by the address that was
// resolved, so that no name, redirect or second answer of a name server leads
// around it. The package bounds what a call may cost in time, size and
// connections. It owns no data, and knows nothing of what it carries.
package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// MaxURL is the longest URL that is called, in bytes.
	MaxURL = 2048
	// maxRedirects is how many redirects are followed.
	maxRedirects = 3
	// perHost is how many calls to one host are under way at a time.
	perHost = 4
	// connectTime bounds name, connection and handshake; answerTime the wait for
	// the headers.
	connectTime, answerTime = 5 * time.Second, 10 * time.Second
	// maxHeaders is the greatest size of the headers of an answer, in bytes.
	maxHeaders = 64 << 10
	userAgent  = "Cordon"
)

// Options say where calls may go besides public addresses.
type Options struct {
	// Allow are addresses that may be called although they are not public.
	Allow []netip.Prefix
	// Proxy, if not nil, makes all calls. It then resolves names itself, so that
	// only addresses that stand in a URL are judged here; the proxy has to judge
	// the rest. Its own address is always allowed.
	Proxy *url.URL
	// TLS replaces the settings for https; nil trusts what the system trusts.
	TLS *tls.Config
}

// Client makes guarded calls. It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client
	mu      sync.Mutex
	hosts   map[string]*host
}

// host is one host while calls to it are under way or waiting.
type host struct {
	slots chan struct{}
	users int
}

// New returns a client. The proxies of the environment are never used.
func New(o Options) *Client {
	c := &Client{options: o, hosts: map[string]*host{}}
	dialer := &net.Dialer{Timeout: connectTime, Control: c.control}
	dial := dialer.DialContext
	if o.Proxy != nil {
		// The only address that is ever dialed.
		dial = (&net.Dialer{Timeout: connectTime}).DialContext
	}
	c.http = &http.Client{
		CheckRedirect: c.redirect,
		Transport: &http.Transport{
			Proxy: http.ProxyURL(o.Proxy), DialContext: dial, TLSClientConfig: o.TLS, TLSHandshakeTimeout: connectTime,
			ResponseHeaderTimeout: answerTime, MaxResponseHeaderBytes: maxHeaders, MaxConnsPerHost: perHost,
			// What an answer holds is counted as it came: nothing is unpacked.
			DisableCompression: true, IdleConnTimeout: answerTime, MaxIdleConns: 16,
		},
	}
	return c
}

// Do makes one call. It waits for its turn when the host is busy. The body of
// the answer is for the caller to bound and to close; closing it ends the turn.
//
// An error of type *Refusal says that the call is not allowed, whoever answers.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if err := c.judgeURL(r.URL); err != nil {
		return nil, err
	}
	leave, err := c.enter(r.Context(), r.URL.Host)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", userAgent)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		leave()
		return nil, plain(err)
	}
	resp.Body = &turn{ReadCloser: resp.Body, leave: sync.OnceFunc(leave)}
	return resp, nil
}

// enter waits for one of the slots of a host.
func (c *Client) enter(ctx context.Context, name string) (leave func(), err error) {
	c.mu.Lock()
	h := c.hosts[name]
	if h == nil {
		h = &host{slots: make(chan struct{}, perHost)}
		c.hosts[name] = h
	}
	h.users++
	c.mu.Unlock()
	forget := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(c.hosts, name)
		}
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}

// redirect judges where an answer sends the call.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return refuse("it was redirected more than %d times", maxRedirects)
	case r.Method != via[0].Method: // of a POST this way, nobody got the body
		return refuse("it was redirected by a status that makes %s of %s", r.Method, via[0].Method)
	case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
		return refuse("it was redirected from https to %s", r.URL.Scheme)
	}
	return c.judgeURL(r.URL)
}

// judgeURL judges what can be seen before a name is resolved.
func (c *Client) judgeURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("only http and https are called, not %.16q", u.Scheme)
	case u.Hostname() == "":
		return refuse("the URL names no host")
	case u.User != nil:
		return refuse("the URL holds a user name")
	case len(u.String()) > MaxURL:
		return refuse("the URL is longer than %d bytes", MaxURL)
	}
	if c.options.Proxy == nil {
		return nil // the socket is judged
	}
	return c.judgeLiteral(u)
}

// Literal refuses a URL that no call can be made to, as far as can be seen
// without resolving a name: the host may be an address. The error is a *Refusal.
func (c *Client) Literal(u *url.URL) error {
	if err := c.judgeURL(u); err != nil {
		return err
	}
	return c.judgeLiteral(u)
}

// judgeLiteral judges the host of a URL if it is an address.
func (c *Client) judgeLiteral(u *url.URL) error {
	if strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "localhost") {
		return c.judge(netip.IPv6Loopback())
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return c.judge(ip)
	}
	return nil
}

// control judges the address that a socket is about to be connected with.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return refuse("a connection of the kind %s is not allowed", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return refuse("the address cannot be read")
	}
	return c.judge(to.Addr())
}

// judge refuses an address that is neither public nor allowed.
func (c *Client) judge(ip netip.Addr) error {
	ip = Unwrap(ip)
	for _, p := range c.options.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	if kind := special(ip); kind != "" {
		return refuse("its address is %s: the setting outgoing-allow permits such targets", kind)
	}
	return nil
}

// Refusal is why a call is not made. Its text may be read by whoever named the
// target: it repeats no address.
type Refusal struct{ Text string }

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

func refuse(format string, args ...any) *Refusal { return &Refusal{fmt.Sprintf(format, args...)} }

// plain makes the error of a call one that can be told to whoever named the
// target: it keeps the kind of failure, and nothing of what the other side said.
func plain(err error) error {
	var refusal *Refusal
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &name) && name.IsNotFound:
		return errors.New("the name of the host does not exist")
	case errors.As(err, &name):
		return errors.New("the name of the host could not be resolved")
	case errors.As(err, &certificate):
		return errors.New("the certificate of the host is not trusted")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the host did not answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the host refused the connection")
	}
	return errors.New("the host gave no answer that is HTTP")
}
