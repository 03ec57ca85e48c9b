package load

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       head
		err        error
	}{
		{"a plain answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", head{size: 38, ok: true, length: 5}, nil},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", head{size: 35, ok: true, length: 5}, nil},
		{"names in any case", "HTTP/1.1 200 OK\r\ncontent-LENGTH:5 \r\n\r\n", head{size: 38, ok: true, length: 5}, nil},
		{
			"the connection ends", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\n",
			head{size: 57, ok: true, closes: true, length: 5},
			nil,
		},
		{"an error", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", head{size: 47}, nil},
		{"2000 is no status", "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n", head{size: 36}, nil},
		{"not the version that was asked for", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", head{size: 38}, nil},
		{"not all of it", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", head{}, errPartial},
		{"nothing yet", "", head{}, errPartial},
		{"no length", "HTTP/1.1 200 OK\r\nX: Content-Length: 5\r\n\r\n", head{size: 41, ok: true, length: -1}, errNoLength},
		{"no length and an error", "HTTP/1.1 404 No\r\n\r\n", head{size: 19, length: -1}, errNoLength},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", head{size: 39, ok: true, length: -1}, errNoLength},
		{
			"two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
			head{size: 57, ok: true, length: 5},
			errNoLength,
		},
		{
			"chunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
			head{size: 66, ok: true, length: 5},
			errNoLength,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := parseHead([]byte(row.text))
			if got != row.want || !errors.Is(err, row.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, row.want, row.err)
			}
		})
	}
}

// What is taken as a good answer must be one to the standard library too, with the same length.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\ncontent-length:\t07\r\nconnection: close\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHead(b)
		if h.size > len(b) {
			t.Fatalf("a head of %d bytes in %d", h.size, len(b))
		}
		if err != nil || !h.ok {
			return
		}
		if h.length < 0 {
			t.Fatal("a good answer without a length")
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			return // it is stricter; what is checked here is length and status
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.ContentLength != h.length {
			t.Errorf("%q: read as 200 and %d bytes; net/http reads %d and %d", b, h.length, res.StatusCode, res.ContentLength)
		}
	})
}

func BenchmarkParseHead(b *testing.B) {
	text := []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 21:33:45 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 1024\r\nVia: 1.1 backhand\r\n\r\n" + strings.Repeat("x", 1024))
	b.ReportAllocs()
	for b.Loop() {
		if h, err := parseHead(text); err != nil || !h.ok {
			b.Fatal(h, err)
		}
	}
}
