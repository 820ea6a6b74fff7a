package guard

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	for _, tt := range []struct {
		ip   string
		want string // a part of the refusal, "" for none
	}{
		{"8.8.8.8", ""},
		{"2606:4700::1111", ""},
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "this network"},
		{"10.1.2.3", "private"},
		{"172.16.0.1", "private"},
		{"172.32.0.1", ""},
		{"192.168.255.1", "private"},
		{"169.254.169.254", "link-local"},
		{"100.64.0.1", "shared"},
		{"100.127.255.255", "shared"},
		{"100.128.0.1", ""},
		{"224.0.0.1", "link-local"},
		{"239.1.1.1", "multicast"},
		{"255.255.255.255", "reserved"},
		{"192.0.2.1", "documentation"},
		{"198.19.0.1", "measurements"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"fe80::1%eth0", "link-local"},
		{"fec0::1", "private"},
		{"fd00:ec2::254", "private"},
		{"ff02::1", "link-local"},
		{"2001:db8::1", "documentation"},
		{"2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"}, // Teredo
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:8.8.8.8", ""},
		{"::ffff:0:10.0.0.1", "private"},
		{"::127.0.0.1", "loopback"},
		{"64:ff9b::169.254.169.254", "link-local"},
		{"64:ff9b::8.8.8.8", ""},
		{"64:ff9b:1::10.0.0.1", "private"},
		{"2002:7f00:1::", "loopback"},
		{"2002:a00:1::1", "private"},
	} {
		err := New(Options{}).judge(netip.MustParseAddr(tt.ip))
		if refused := err != nil; refused != (tt.want != "") || refused && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.ip, err, tt.want)
		}
	}
}

func TestAddressesThatAreAllowedInAnyForm(t *testing.T) {
	c := New(Options{Allow: loopback})
	for ip, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "64:ff9b::127.0.0.1": true, "10.0.0.1": false, "::1": false,
	} {
		if err := c.judge(netip.MustParseAddr(ip)); (err == nil) != want {
			t.Errorf("%s: got %v, want allowed %t", ip, err, want)
		}
	}
}

func TestURLsThatAreRefusedUnseen(t *testing.T) {
	for target, part := range map[string]string{
		"ldap://host/dn":            "only http and https",
		"file:///etc/passwd":        "only http and https",
		"gopher://host/":            "only http and https",
		"http:///path":              "names no host",
		"http://user:word@host/":    "user name",
		"http://h/" + long:          "longer than",
		"http://127.0.0.1:1/":       "loopback",
		"http://[::1]:1/":           "loopback",
		"http://2130706433/":        "", // no address to Go: a name that does not exist
		"http://[::ffff:a00:1]:80/": "private",
	} {
		_, err := get(t, New(Options{}), target)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%.40s: got %v, want a refusal that says %q", target, err, part)
		}
	}
}

var long = strings.Repeat("x", MaxURL)

func get(t *testing.T, c *Client, target string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// serve runs a handler on loopback until the test ends.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestANameIsJudgedByItsAddress(t *testing.T) {
	target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was called") })
	u, _ := url.Parse(target)
	_, err := get(t, New(Options{}), "http://localhost:"+u.Port()+"/")
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v, want the address behind the name to be refused", err)
	}
}

func TestRedirects(t *testing.T) {
	inner := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inside") })
	hops := func(n int) string {
		var base string
		base = serve(t, func(w http.ResponseWriter, r *http.Request) {
			left := 0
			fmt.Sscanf(r.URL.Path, "/%d", &left)
			if left == 0 {
				fmt.Fprint(w, "end")
				return
			}
			http.Redirect(w, r, fmt.Sprintf("%s/%d", base, left-1), http.StatusFound)
		})
		return fmt.Sprintf("%s/%d", base, n)
	}
	to := func(target string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
	}
	inwards := strings.Replace(inner, "127.0.0.1", "127.0.0.2", 1)
	only := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for _, tt := range []struct {
		name, target, want string
	}{
		{"three are followed", hops(3), ""},
		{"four are not", hops(4), "more than 3 times"},
		{"inwards is refused", to(inwards), "loopback"},
		{"to a file is refused", to("file:///etc/passwd"), "only http and https"},
		{"to metadata is refused", to("http://169.254.169.254/latest"), "link-local"},
		{"with a user is refused", to("http://a:b@127.0.0.1/"), "user name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := get(t, New(Options{Allow: only}), tt.target)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the plain server was called") })
	secure := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusFound))
	t.Cleanup(secure.Close)
	c := New(Options{Allow: loopback, TLS: secure.Client().Transport.(*http.Transport).TLSClientConfig})
	if _, err := get(t, c, secure.URL); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v, want a refusal", err)
	}
	if _, err := get(t, New(Options{Allow: loopback}), secure.URL); err == nil ||
		!strings.Contains(err.Error(), "not trusted") {
		t.Errorf("got %v, want the certificate not to be trusted", err)
	}
}

func TestTheEnvironmentNamesNoProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "by proxy "+r.URL.String()) })
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("http_proxy", proxy)
	direct := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "direct") })
	if got, err := get(t, New(Options{Allow: loopback}), direct); got != "direct" || err != nil {
		t.Errorf("got %q, %v, want direct", got, err)
	}
}

func TestAProxyThatIsSetMakesTheCalls(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "by proxy "+r.URL.String()) })
	u, _ := url.Parse(proxy)
	c := New(Options{Proxy: u})
	if got, err := get(t, c, "http://crl.example/a.crl"); got != "by proxy http://crl.example/a.crl" || err != nil {
		t.Errorf("got %q, %v, want it by proxy", got, err)
	}
	for _, target := range []string{"http://127.0.0.1/", "http://localhost./", "http://[fd00::1]/"} {
		if _, err := get(t, c, target); err == nil || !strings.Contains(err.Error(), "outgoing-allow") {
			t.Errorf("%s: got %v, want a refusal", target, err)
		}
	}
}

func TestFourCallsToAHostAtATime(t *testing.T) {
	var now, most atomic.Int32
	arrived, release := make(chan struct{}, 20), make(chan struct{})
	target := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		now.Add(-1)
	})
	c := New(Options{Allow: loopback})
	done := make(chan error, 20)
	for range 20 {
		go func() {
			_, err := get(t, c, target)
			done <- err
		}()
	}
	for range perHost {
		<-arrived
	}
	close(release)
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != perHost || len(c.hosts) != 0 {
		t.Errorf("got %d calls at a time and %d hosts kept, want %d and 0", most.Load(), len(c.hosts), perHost)
	}
}

func TestAWaitForABusyHostEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		for range perHost {
			if _, err := c.enter(t.Context(), "h"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.enter(ctx, "h"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

func TestDownloads(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 1000); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"what fits is taken", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) }, ""},
		{"an endless answer is cut off", endless, "larger than 1000 bytes"},
		{"a length that is too great is believed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1001")
		}, "larger than 1000 bytes"},
		{"an answer that stops is given up", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "stopped in the middle"},
		{"a short answer is not taken", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
		}, "ended before its end"},
		{"a bomb is not unpacked", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				t.Error("compression was asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 1<<20))
			z.Close()
		}, "compressed"},
		{"another status is no answer", http.NotFound, "status 404"},
		{"no HTTP is no answer", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Write([]byte("SSH-2.0-secret banner\r\n"))
			conn.Close()
		}, "no answer that is HTTP"},
		{"endless headers are no answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", maxHeaders))
		}, "no answer that is HTTP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &Downloads{Client: New(Options{Allow: loopback}), Max: 1000, Dir: t.TempDir(), Idle: 100 * time.Millisecond}
			f, err := d.Get(t.Context(), serve(t, tt.h))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || f.Size != 1000 {
				t.Fatalf("got %+v, %v", f, err)
			}
			if b, err := io.ReadAll(f.Reader()); len(b) != 1000 || err != nil {
				t.Errorf("got %d bytes, %v", len(b), err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAHostThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = get(t, New(Options{Allow: loopback}), "http://"+l.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "refused the connection") {
		t.Errorf("got %v, want a connection refused", err)
	}
}

func TestOneDownloadForAllWhoAsk(t *testing.T) {
	var calls atomic.Int32
	release := make(chan struct{})
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		<-release
		fmt.Fprint(w, "list")
	})
	d := &Downloads{Client: New(Options{Allow: loopback}), Max: 1000, Dir: t.TempDir()}
	leaving, leave := context.WithCancel(t.Context())
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 20)
	for i := range 20 {
		ctx := t.Context()
		if i == 0 {
			ctx = leaving
		}
		go func() {
			f, err := d.Get(ctx, target)
			if err != nil {
				done <- result{err: err}
				return
			}
			b, err := io.ReadAll(f.Reader())
			done <- result{string(b), errors.Join(err, f.Close())}
		}()
	}
	for waiting := 0; waiting < 20; time.Sleep(time.Millisecond) { // until all have asked
		d.mu.Lock()
		if r := d.running[target]; r != nil {
			waiting = r.waiting
		}
		d.mu.Unlock()
	}
	leave()
	if r := <-done; !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %v, want the one who left to hear of it", r.err)
	}
	close(release)
	for range 19 {
		if r := <-done; r.err != nil || r.text != "list" {
			t.Errorf("got %q, %v, want the list", r.text, r.err)
		}
	}
	if calls.Load() != 1 || len(d.running) != 0 {
		t.Errorf("got %d calls and %d kept, want 1 and 0", calls.Load(), len(d.running))
	}
}
