package h1

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// browserRequest is like what the measurements in issue 2 send: a browser's request of 270 bytes, 8 fields.
const browserRequest = "GET /products/list?page=2 HTTP/1.1\r\n" +
	"Host: www.example.org\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n" +
	"Accept: text/html,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en\r\n" +
	"Accept-Encoding: gzip, br\r\n" +
	"Cookie: session=0af31b22\r\n" +
	"Connection: keep-alive\r\n" +
	"DNT: 1\r\n\r\n"

const plainResponse = "HTTP/1.1 200 OK\r\n" +
	"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n" +
	"Server: nginx/1.22.1\r\n" +
	"Content-Type: text/html; charset=utf-8\r\n" +
	"Content-Length: 1024\r\n" +
	"Last-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n" +
	"ETag: \"651bdb74-400\"\r\n" +
	"Connection: keep-alive\r\n\r\n"

func TestNothingIsAllocated(t *testing.T) {
	var (
		r    Request
		resp Response
		c    Chunked
		out  = make([]byte, 0, 1024)
	)
	req, answer, bad := []byte(browserRequest), []byte(plainResponse), []byte("GET / HTTP/1.1\r\nHost : a\r\n\r\n")
	chunks := []byte("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n")
	for name, f := range map[string]func(){
		"a request": func() { must(ParseRequest(req, nil, &r)) },
		"a request that comes in two parts": func() {
			_, _ = ParseRequest(req[:100], nil, &r)
			must(ParseRequest(req, nil, &r))
		},
		"a bad request": func() { _, _ = ParseRequest(bad, nil, &r) },
		"a response":    func() { must(ParseResponse(answer, nil, MethodGet, &resp)) },
		"a chunked body": func() {
			c.Reset(nil, InRequest)
			n, _, err := c.Pass(chunks)
			must(n, err)
			must(c.ReadTrailers(chunks[n:]))
		},
		"a head written": func() {
			must(ParseRequest(req, nil, &r))
			out = AppendRequestLine(out[:0], r.Method, r.Path, r.Query)
			out = AppendField(out, "Host", r.Host)
			for i := range r.Fields {
				out = r.Fields[i].Append(out)
			}
			out = AppendStatusLine(r.AppendFraming(out), 200, nil)
		},
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func must(n int, err error) {
	if err != nil {
		panic(err)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(browserRequest)))
	buf := []byte(browserRequest)
	var r Request
	for b.Loop() {
		must(ParseRequest(buf, nil, &r))
	}
}

func BenchmarkParseResponse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(plainResponse)))
	buf := []byte(plainResponse)
	var r Response
	for b.Loop() {
		must(ParseResponse(buf, nil, MethodGet, &r))
	}
}

// What a proxy does with a head: all fields by ID, those that stay written anew.
func BenchmarkRewriteRequest(b *testing.B) {
	b.ReportAllocs()
	buf, out := []byte(browserRequest), make([]byte, 0, 1024)
	var r Request
	for b.Loop() {
		must(ParseRequest(buf, nil, &r))
		out = AppendRequestLine(out[:0], r.Method, r.Path, r.Query)
		out = AppendField(out, "Host", r.Host)
		for i := range r.Fields {
			f := &r.Fields[i]
			if f.ID != Host && !f.Named && !f.ID.HopByHop() && !f.ID.Ours() {
				out = f.Append(out)
			}
		}
		out = AppendEnd(AppendField(out, "X-Forwarded-For", "192.0.2.1"))
	}
}

// 64 KiB in chunks of 4 KiB, as most origins send them.
func BenchmarkPassChunks(b *testing.B) {
	b.ReportAllocs()
	var body []byte
	for range 16 {
		body = AppendEnd(append(AppendChunkHeader(body, 4096), make([]byte, 4096)...))
	}
	body = AppendEnd(AppendLastChunk(body))
	b.SetBytes(int64(len(body)))
	var c Chunked
	for b.Loop() {
		c.Reset(nil, InResponse)
		n, _, err := c.Pass(body)
		must(n, err)
	}
}

// For comparison.
func BenchmarkNetHTTPReadRequest(b *testing.B) {
	b.ReportAllocs()
	from := bytes.NewReader([]byte(browserRequest))
	buffered := bufio.NewReader(from)
	for b.Loop() {
		from.Reset([]byte(browserRequest))
		buffered.Reset(from)
		if _, err := http.ReadRequest(buffered); err != nil {
			b.Fatal(err)
		}
	}
}
