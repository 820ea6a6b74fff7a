package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// downloadTime bounds a download as a whole, idleTime a wait for its next
	// bytes.
	downloadTime = 5 * time.Minute
	idleTime     = 10 * time.Second
)

// Downloads fetches files. Those who ask for one URL at the same time get the
// same download.
type Downloads struct {
	Client *Client
	// Max is the greatest size of a file in bytes.
	Max int64
	// Dir is where files lie while they are in use, "" for the system's place
	// for such files. They have no name there and end with the process.
	Dir string
	// Idle replaces how long a download may bring nothing, for tests.
	Idle time.Duration

	mu      sync.Mutex
	running map[string]*running
}

// running is a download with those who wait for it.
type running struct {
	cancel  context.CancelFunc
	done    chan struct{}
	waiting int
	file    *File
	err     error
}

// File is what was downloaded. It is closed once by each that got it.
type File struct {
	Size int64

	file  *os.File
	users atomic.Int32
}

// Reader reads the file from its beginning. Several may be used at once.
func (f *File) Reader() io.Reader { return io.NewSectionReader(f.file, 0, f.Size) }

// Close gives the file back.
func (f *File) Close() error {
	if f.users.Add(-1) > 0 {
		return nil
	}
	return f.file.Close()
}

// Get downloads what a URL names. The caller closes the file. The text of an
// error may be read by whoever named the URL.
func (d *Downloads) Get(ctx context.Context, url string) (*File, error) {
	r := d.join(url)
	defer d.leave(url, r)
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.err != nil {
		return nil, r.err
	}
	r.file.users.Add(1)
	return r.file, nil
}

// join finds the download of a URL under way, or begins it. It does not end
// with one of those who wait, but with the last.
func (d *Downloads) join(url string) *running {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.running[url]
	if r == nil {
		ctx, cancel := context.WithTimeout(context.Background(), downloadTime)
		r = &running{cancel: cancel, done: make(chan struct{})}
		if d.running == nil {
			d.running = map[string]*running{}
		}
		d.running[url] = r
		go func() {
			r.file, r.err = d.fetch(ctx, url)
			close(r.done)
		}()
	}
	r.waiting++
	return r
}

// leave forgets a download that nobody waits for any more.
func (d *Downloads) leave(url string, r *running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.waiting--; r.waiting > 0 {
		return
	}
	r.cancel()
	if d.running[url] == r {
		delete(d.running, url)
	}
	go func() {
		<-r.done
		if r.file != nil {
			r.file.Close()
		}
	}()
}

func (d *Downloads) fetch(ctx context.Context, url string) (file *File, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, refuse("the URL cannot be read")
	}
	resp, err := d.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the host answered with status %d", resp.StatusCode)
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return nil, errors.New("the answer is compressed, which was not asked for")
	case resp.ContentLength > d.Max:
		return nil, d.tooLarge()
	}
	return d.save(resp.Body, cancel)
}

func (d *Downloads) tooLarge() error { return fmt.Errorf("the answer is larger than %d bytes", d.Max) }

// save writes an answer to a file without name.
func (d *Downloads) save(body io.Reader, cancel context.CancelFunc) (*File, error) {
	out, err := unnamed(d.Dir)
	if err != nil {
		return nil, err
	}
	idle := d.Idle
	if idle == 0 {
		idle = idleTime
	}
	timer := time.AfterFunc(idle, cancel)
	defer timer.Stop()
	n, err := io.Copy(out, io.LimitReader(&lively{body, timer, idle}, d.Max+1))
	switch {
	case err != nil && !timer.Stop():
		err = errors.New("the host stopped in the middle of its answer")
	case err != nil:
		err = errors.New("the answer ended before its end")
	case n > d.Max:
		err = d.tooLarge()
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	f := &File{Size: n, file: out}
	f.users.Store(1)
	return f, nil
}

// unnamed makes a file that vanishes when it is closed, or the process ends.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "cordon-download-")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		return nil, errors.New("there is no place to keep the answer") // the cause would name a path
	}
	return f, nil
}

// lively puts off the end of a download with everything that comes.
type lively struct {
	io.Reader
	timer *time.Timer
	idle  time.Duration
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 && err == nil {
		l.timer.Reset(l.idle)
	}
	return n, err
}

// turn ends the turn of a call with its body.
type turn struct {
	io.ReadCloser
	leave func()
}

func (t *turn) Close() error {
	defer t.leave()
	return t.ReadCloser.Close()
}
