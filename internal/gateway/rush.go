package gateway

import (
	"net"
	"sync"
	"time"
)

// rushTime is the longest that what is left of a session waits for others to be
// ended.
const rushTime = 250 * time.Millisecond

// rush is when many sessions are being ended. Devices hear of it at once, by the
// end of what they receive; what is left of sessions that were ended, which is
// several times the work, waits until all have been. It implements
// [enforce.Pacer].
type rush struct {
	mu    sync.Mutex
	users int
	over  chan struct{} // closed when nobody ends many sessions any more
	// sockets are to be closed then.
	sockets []net.Conn
}

// begin says that somebody is about to end many sessions; end must follow.
func (r *rush) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users++; r.users == 1 {
		r.over = make(chan struct{})
	}
}

func (r *rush) end() {
	r.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
		close(r.over)
		r.over = nil
	}
	r.mu.Unlock()
	if last {
		r.closeAll()
	}
}

// HangUp implements [enforce.Pacer].
func (r *rush) HangUp(socket net.Conn) {
	half, ok := socket.(interface{ CloseWrite() error })
	if !ok || !r.later(socket) {
		_ = socket.Close()
		return
	}
	_ = half.CloseWrite() // the device may have closed it
}

// later has a socket closed at the end of the rush, and reports whether there is
// one.
func (r *rush) later(socket net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over == nil {
		return false
	}
	if len(r.sockets) == 0 {
		time.AfterFunc(rushTime, r.closeAll)
	}
	r.sockets = append(r.sockets, socket)
	return true
}

func (r *rush) closeAll() {
	r.mu.Lock()
	list := r.sockets
	r.sockets = nil
	r.mu.Unlock()
	for _, socket := range list {
		_ = socket.Close()
	}
}

// Wait implements [enforce.Pacer]. It does not wait for long: those who end
// sessions may wait for a registry that does not answer.
func (r *rush) Wait() {
	r.mu.Lock()
	over := r.over
	r.mu.Unlock()
	if over == nil {
		return
	}
	select {
	case <-over:
	case <-time.After(rushTime):
	}
}
