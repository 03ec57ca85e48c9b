package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a listener whose socket can be closed for a while and opened anew, which the server that accepts from it does
// not notice.
type socket struct {
	addr  net.Addr
	state atomic.Pointer[socketState]
	mu    sync.Mutex // one change at a time
}

// socketState does not change; another one takes its place.
type socketState struct {
	ln     net.Listener  // nil: paused or closed
	over   chan struct{} // closed when another state is there
	closed bool          // for ever
}

func newSocket(ln net.Listener) *socket {
	s := &socket{addr: ln.Addr()}
	s.state.Store(&socketState{ln: ln, over: make(chan struct{})})
	return s
}

// Addr returns the address, while it is paused as well.
func (s *socket) Addr() net.Addr { return s.addr }

// Accept waits for a connection, and through pauses.
func (s *socket) Accept() (net.Conn, error) {
	for {
		st := s.state.Load()
		switch {
		case st.closed:
			return nil, net.ErrClosed
		case st.ln == nil:
			<-st.over
			continue
		}
		conn, err := st.ln.Accept()
		if err != nil && s.state.Load() != st {
			continue
		}
		return conn, err
	}
}

// change replaces the state, unless the socket is closed, and closes the listener that was there.
func (s *socket) change(next *socketState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.state.Load()
	if old.closed {
		return net.ErrClosed
	}
	next.over = make(chan struct{})
	s.state.Store(next)
	close(old.over)
	if old.ln == nil {
		return nil
	}
	return old.ln.Close()
}

// pause closes the listener. When it returns, the address is free.
func (s *socket) pause() error { return s.change(&socketState{}) }

// resume goes on with another listener.
func (s *socket) resume(ln net.Listener) error {
	err := s.change(&socketState{ln: ln})
	if err != nil {
		_ = ln.Close()
	}
	return err
}

// Close closes it for ever.
func (s *socket) Close() error { return s.change(&socketState{closed: true}) }

// listenUnix opens a Unix socket. A socket that a dead process left there is replaced.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := removeDead(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeDead removes a Unix socket on which nobody listens.
func removeDead(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is no socket: remove it, or write another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return errors.New("another process answers there: stop it, or write another path")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("whether another process uses it cannot be told: %w", err)
}
