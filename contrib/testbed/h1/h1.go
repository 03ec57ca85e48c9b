// Package h1 is the little of HTTP/1.1 that the load generator and the ideal front speak: requests and responses
// with bodies of a known length, over connections that are kept.
package h1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	maxHead = 16 << 10
	maxBody = 1 << 20
	dialFor = 3 * time.Second
)

// ReadHead appends a head, with the empty line at its end.
func ReadHead(r *bufio.Reader, to []byte) ([]byte, error) {
	for begin := len(to); ; {
		line, err := r.ReadSlice('\n')
		to = append(to, line...)
		switch {
		case err != nil:
			return to, err
		case len(line) <= 2 && len(to)-begin > len(line):
			return to, nil
		case len(to)-begin > maxHead:
			return to, errors.New("a head of more than 16 KiB")
		}
	}
}

// Field returns a field of a head, or "".
func Field(head []byte, name string) string {
	for line := range bytes.Lines(head) {
		key, value, some := bytes.Cut(line, []byte{':'})
		if some && bytes.EqualFold(key, []byte(name)) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// Response is a response as it came.
type Response struct {
	Head []byte
	Body []byte
}

// Status returns the status, or 0.
func (r Response) Status() int {
	if len(r.Head) < 12 {
		return 0
	}
	n, _ := strconv.Atoi(string(r.Head[9:12]))
	return n
}

func readResponse(r *bufio.Reader) (a Response, err error) {
	if a.Head, err = ReadHead(r, nil); err != nil {
		return a, err
	}
	length := Field(a.Head, "Content-Length")
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxBody {
		return a, fmt.Errorf("Content-Length is %q, after %.40q", length, a.Head)
	}
	a.Body = make([]byte, n)
	_, err = io.ReadFull(r, a.Body)
	return a, err
}

// Pool keeps connections to an address. Nothing limits how many there are.
type Pool struct {
	Addr string

	mu   sync.Mutex
	idle []*conn // the one that was used last is the last
}

type conn struct {
	net.Conn
	r *bufio.Reader
}

// Do sends a request, which must have no body, and reads the response, within the time. On a connection that was closed
// while it was idle it is sent once more, as clients do.
func (p *Pool) Do(request []byte, within time.Duration) (Response, error) {
	end := time.Now().Add(within)
	if c := p.take(); c != nil {
		a, err := p.over(c, request, end)
		var late net.Error
		if err == nil || len(a.Head) > 0 || errors.As(err, &late) && late.Timeout() {
			return a, err
		}
	}
	c, err := net.DialTimeout("tcp", p.Addr, dialFor)
	if err != nil {
		return Response{}, err
	}
	return p.over(&conn{c, bufio.NewReaderSize(c, 2048)}, request, end)
}

func (p *Pool) over(c *conn, request []byte, end time.Time) (a Response, err error) {
	if err = c.SetDeadline(end); err == nil {
		_, err = c.Write(request)
	}
	if err == nil {
		a, err = readResponse(c.r)
	}
	if err != nil || Field(a.Head, "Connection") == "close" {
		c.Close()
		return a, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
	return a, nil
}

func (p *Pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

// Close closes the connections that are idle.
func (p *Pool) Close() {
	for c := p.take(); c != nil; c = p.take() {
		c.Close()
	}
}
