package agent

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketThatPauses(t *testing.T) {
	open := func(addr string) net.Listener {
		t.Helper()
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	s := newSocket(open("127.0.0.1:0"))
	accepted := make(chan error)
	go func() { // as a server does
		for {
			c, err := s.Accept()
			accepted <- err
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	addr := s.Addr().String()
	connect := func() {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
	}
	connect()
	for range 3 {
		if err := s.pause(); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Fatal("it takes connections while it is paused")
		}
		if s.Addr().String() != addr {
			t.Errorf("paused it is at %v", s.Addr())
		}
		if err := s.resume(open(addr)); err != nil {
			t.Fatal(err)
		}
		connect()
	}
	if err := s.pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the server ended with %v", err)
	}
	late := open(addr)
	if err := s.resume(late); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed one resumed: %v", err)
	}
	open(addr).Close() // so resume has closed what it was given
	if err := s.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestUnixSocketFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	open := func() (net.Listener, error) { return listenUnix(path, 0o620) }

	ln, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o620 {
		t.Errorf("it has mode %v, %v", st.Mode(), err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("one that answers gives %v", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // as if the process were killed
	ln.Close()
	if ln, err = open(); err != nil {
		t.Fatalf("what a dead process left gives %v", err)
	}
	ln.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file gives %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
	path = filepath.Join(dir, "lost", "s")
	if _, err := open(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there gives %v", err)
	}
}
