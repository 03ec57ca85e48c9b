package h1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestReadHead(t *testing.T) {
	for _, row := range []struct{ name, in, want, err string }{
		{"a head", "GET / HTTP/1.1\r\nHost: x\r\n\r\nrest", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		{"line feeds alone", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\nHost: x\n\n", ""},
		{"nothing", "", "", "EOF"},
		{"a half", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nHost:", "EOF"},
		{"too long a line", strings.Repeat("x", 5000) + "\r\n\r\n", "", "buffer full"},
		{"too many lines", strings.Repeat("a: b\r\n", 5000) + "\r\n", "", "more than 16 KiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ReadHead(bufio.NewReader(strings.NewReader(row.in)), nil)
			if row.err == "" && err != nil || row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)) {
				t.Errorf("error %v, want %q", err, row.err)
			}
			if row.want != "" && string(got) != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// server answers each connection's requests with the next of these texts, and closes it after the last.
func server(t *testing.T, answers ...string) *Pool {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for _, a := range answers {
					if _, err := ReadHead(r, nil); err != nil {
						return
					}
					_, _ = io.WriteString(c, a)
				}
			}()
		}
	}()
	p := &Pool{Addr: ln.Addr().String()}
	t.Cleanup(p.Close)
	return p
}

var request = []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")

func TestPool(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
	for _, row := range []struct {
		name    string
		answers []string
		want    string // errors, or statuses and bodies, of three requests
	}{
		{"a connection is kept", []string{good, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", good}, "200 abc, 404 , 200 abc"},
		{"one that was closed while it was idle is replaced", []string{good}, "200 abc, 200 abc, 200 abc"},
		{"one that will be closed is not kept", []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ""}, "200 , 200 , 200 "},
		{"no length", []string{"HTTP/1.1 200 OK\r\n\r\n"}, "error, error, error"},
		{"a body too long to be one of ours", []string{"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"}, "error, error, error"},
		{"half a body", []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}, "error, error, error"},
		{"no answer", []string{""}, "error, error, error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := server(t, row.answers...)
			var got []string
			for range 3 {
				a, err := p.Do(request, 5*time.Second)
				if err != nil {
					got = append(got, "error")
					continue
				}
				got = append(got, strings.TrimSpace(string(a.Head[9:12]))+" "+string(a.Body))
			}
			if s := strings.Join(got, ", "); s != row.want {
				t.Errorf("%s, want %s", s, row.want)
			}
		})
	}
}

func TestPatienceEnds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := &Pool{Addr: ln.Addr().String()}
	if a, err := p.Do(request, 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v; want that the time is over", a.Head, err)
	}
}
