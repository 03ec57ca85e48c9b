package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is for how long a row waits for what should be there at once.
const patience = 2 * time.Second

// ledger is what all streams of a row have written down, under one lock, so that a row can wait for any of them.
type ledger struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	conns   []*stream     // accepted by the origin, in that order
	origin  net.Listener
}

func newLedger() *ledger { return &ledger{changed: make(chan struct{})} }

func (l *ledger) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// await returns when cond, which is called with the lock held, holds. It returns false if it does not in time.
func (l *ledger) await(cond func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// stream is one end of a connection that is the test's. What comes is kept until it is taken.
type stream struct {
	*net.TCPConn
	l    *ledger
	in   []byte
	err  error // with which reading ended
	name string

	busy chan struct{} // closed when what is written in the background is written; nil: nothing is
}

func (l *ledger) stream(c net.Conn, name string) *stream {
	return &stream{TCPConn: c.(*net.TCPConn), l: l, name: name}
}

// record reads all that comes.
func (s *stream) record() {
	buf := make([]byte, 32<<10)
	for {
		n, err := s.Read(buf)
		s.l.note(func() {
			s.in = append(s.in, buf[:n]...)
			s.err = err
		})
		if err != nil {
			return
		}
	}
}

// put writes a text, or nothing of it if the other end is gone: what it reads will tell.
func (s *stream) put(text string) {
	_ = s.SetWriteDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(s, text)
}

// putLater is put in the background, for what may not be taken at once, or at all. What is put then comes behind it.
func (s *stream) putLater(text string, then func()) {
	before, done := s.busy, make(chan struct{})
	s.busy = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		s.put(text)
		then()
	}()
}

// written waits until nothing is written any more.
func (s *stream) written() {
	if s.busy != nil {
		<-s.busy
	}
}

// reset ends the connection such that the other end sees an error.
func (s *stream) reset() {
	_ = s.SetLinger(0)
	_ = s.Close()
}

// listen accepts connections as an origin until the test ends.
func (l *ledger) listen(t *testing.T) net.Addr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.origin = ln
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s := l.stream(c, "origin")
			l.note(func() { l.conns = append(l.conns, s) })
			all.Go(s.record)
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		l.mu.Lock()
		for _, s := range l.conns {
			_ = s.Close()
		}
		l.mu.Unlock()
		all.Wait()
		for _, s := range l.conns {
			s.written()
		}
	})
	return ln.Addr()
}

// message is a request or a response as it stood on the wire.
type message struct {
	start    string
	fields   []field
	trailers []field

	kind   framing
	length int

	body   []byte // as far as it was read
	chunks []byte // of it, what came in whole chunks
	at     int    // where the next chunk begins
}

type field struct{ name, value string }

// framing is how the end of a message is found.
type framing int

const (
	noBody framing = iota
	sized
	chunked
	untilClose
)

// values returns the values of all lines of that name.
func values(list []field, name string) (out []string) {
	for _, f := range list {
		if strings.EqualFold(f.name, name) {
			out = append(out, f.value)
		}
	}
	return out
}

func (m *message) values(name string) []string { return values(m.fields, name) }

// options returns the elements of a field that is a list of tokens, in lower case.
func (m *message) options(name string) (out []string) {
	for e := range strings.SplitSeq(strings.Join(m.values(name), ","), ",") {
		if e = strings.ToLower(strings.TrimSpace(e)); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// status of a response; 0 of a request.
func (m *message) status() int {
	version, rest, _ := strings.Cut(m.start, " ")
	code, _, ok := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 || !ok || err != nil {
		return 0
	}
	return n
}

const headEnd = "\r\n\r\n"

// parseHead reads the head at the front of b, more strictly than anybody needs to: all of it was written by the front.
// n is 0 if it is not there yet.
func parseHead(b []byte) (m *message, n int, err error) {
	before, _, ok := bytes.Cut(b, []byte(headEnd))
	if !ok {
		return nil, 0, nil
	}
	head := string(before)
	lines := strings.Split(head, "\r\n")
	m = &message{start: lines[0]}
	for _, l := range lines {
		if i := strings.IndexAny(l, "\r\n\x00"); i >= 0 {
			return nil, 0, fmt.Errorf("a line holds %q: %q", l[i], l)
		}
	}
	m.fields, err = parseFields(lines[1:])
	return m, len(head) + len(headEnd), err
}

func parseFields(lines []string) (out []field, err error) {
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") {
			return nil, fmt.Errorf("no field line: %q", l)
		}
		out = append(out, field{name, strings.Trim(value, " \t")})
	}
	return out, nil
}

// frame finds out where the body ends (RFC 9112, section 6.3).
func (m *message) frame(otherwise framing) error {
	coding, length := m.values("Transfer-Encoding"), m.values("Content-Length")
	switch {
	case len(coding)+len(length) > 1:
		return fmt.Errorf("framed more than once: Transfer-Encoding %q, Content-Length %q", coding, length)
	case len(coding) == 1 && coding[0] == "chunked":
		m.kind = chunked
	case len(coding) == 1:
		return fmt.Errorf("Transfer-Encoding is %q", coding[0])
	case len(length) == 1:
		n, err := strconv.Atoi(length[0])
		if err != nil || length[0] != strconv.Itoa(n) || n < 0 {
			return fmt.Errorf("Content-Length is %q", length[0])
		}
		m.kind, m.length = sized, n
	default:
		m.kind = otherwise
	}
	return nil
}

// read decodes as much of the body as is there; it may be called again with what was added. used is how many bytes of b
// it took if it is there in whole (done).
func (m *message) read(b []byte, ended error) (used int, done bool, err error) {
	switch m.kind {
	case sized:
		m.body = b[:min(len(b), m.length)]
		return m.length, len(b) >= m.length, nil
	case chunked:
		return m.readChunks(b)
	case untilClose:
		m.body = b
		return len(b), ended == io.EOF, nil
	}
	return 0, true, nil
}

// readChunks goes on behind the last chunk that was there in whole.
func (m *message) readChunks(b []byte) (used int, done bool, err error) {
	for {
		line, more, ok := bytes.Cut(b[m.at:], crlf)
		if !ok {
			return 0, false, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return 0, false, fmt.Errorf("a chunk of size %q", line)
		}
		if size == 0 {
			return m.readTrailers(b, more)
		}
		n := int(size)
		m.body = append(m.chunks, more[:min(n, len(more))]...)
		if len(more) < n+2 {
			return 0, false, nil
		}
		if !bytes.Equal(more[n:n+2], crlf) {
			return 0, false, errors.New("no CR LF behind a chunk")
		}
		m.chunks = m.body
		m.at += len(line) + 2 + n + 2
	}
}

var crlf = []byte("\r\n")

// readTrailers reads what stands behind the last chunk.
func (m *message) readTrailers(b, rest []byte) (used int, done bool, err error) {
	if bytes.HasPrefix(rest, crlf) {
		return len(b) - len(rest) + 2, true, nil
	}
	section, more, ok := bytes.Cut(rest, []byte(headEnd))
	if !ok {
		return 0, false, nil
	}
	m.trailers, err = parseFields(strings.Split(string(section), "\r\n"))
	return len(b) - len(more), true, err
}
