package h1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// What we accept, net/http must accept and read the same way, since it stands for those that read a message behind us:
// method, target, host, fields, body, and where the next message begins. These are all the differences that we permit.
var permitted = []struct {
	what, why string
	excuse    func(in []byte, err error) bool // of an error of net/http
}{
	{
		"net/http takes no Trailer field that names what must not be a trailer",
		"RFC 9110, section 6.6.2, lets a sender announce what it likes, and we pass none of these trailers on",
		func(_ []byte, err error) bool { return strings.Contains(err.Error(), "bad trailer key") },
	},
	{
		"net/http takes no white space between a chunk's size and a semicolon",
		"a recipient must read and remove it: RFC 9110, section 5.6.3. A relay that recodes chunks does not pass it on",
		func(in []byte, err error) bool {
			return strings.Contains(err.Error(), "invalid byte in chunk length") && blankBehindSize.Match(in)
		},
	},
	{
		"net/http refuses chunks of 2^62 bytes and more",
		"it doubles the size to weigh it against extensions, which overflows; nobody will ever see the end of such a chunk",
		func(in []byte, err error) bool {
			return strings.Contains(err.Error(), "too much non-data") && hugeChunk.Match(in)
		},
	},
}

// Permitted as well, and done by the functions below:
//   - net/http reads no empty lines before a request line, which RFC 9112, section 2.2, asks for: they are cut off.
//   - It keeps minor versions above 1, which we read as 1: not compared.
//   - It takes Host, Transfer-Encoding and, of chunked messages, Trailer out of the fields, repeated lengths too, and adds
//     Cache-Control to Pragma: the same is done to ours (asHeader).
//   - It tells the target in other words (URL): compared is what it keeps as it came, path and query.
//   - White space around a reason phrase, which we keep, is not compared.
//   - We may close a connection that net/http would keep: what came was odd.
//   - What ends HTTP on a connection (CONNECT, 101) has no body to compare.

var (
	blankBehindSize = regexp.MustCompile("(?i)(^|\n)[0-9a-f]+[ \t]+;")
	hugeChunk       = regexp.MustCompile("(?i)(^|\n)[4-7][0-9a-f]{15}[;\r \t]")
)

// excused reports whether an error of net/http is permitted.
func excused(in []byte, err error) bool {
	for _, p := range permitted {
		if p.excuse(in, err) {
			return true
		}
	}
	return false
}

// message is what both sides read, in the same form.
type message struct {
	Start  string
	Header http.Header
	Body   string
	Whole  bool // the body came to its end
	Rest   string
	// Trailer is nil if there is none.
	Trailer http.Header
}

func asHeader(fields []Field, chunked bool) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h.Add(string(f.Name), string(f.Value))
	}
	h.Del("Transfer-Encoding")
	if chunked {
		h.Del("Trailer")
	}
	if n := h["Content-Length"]; len(n) > 1 {
		h["Content-Length"] = n[:1]
	}
	if p := h["Pragma"]; len(p) > 0 && p[0] == "no-cache" && h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache"}
	}
	return h
}

// ourBody reads a body as the relay will. bad says that it was refused: then the rest does not matter.
func (m *message) ourBody(h *Head, in []byte, d Direction) (bad bool) {
	switch h.Framing {
	case FramingLength:
		n := min(int64(len(in)), h.Length)
		m.Body, m.Rest, m.Whole = string(in[:n]), string(in[n:]), n == h.Length
	case FramingClose:
		m.Body, m.Whole = string(in), true
	case FramingChunked:
		var c Chunked
		c.Reset(nil, d)
		return m.ourChunks(&c, in)
	default:
		m.Rest, m.Whole = string(in), true
	}
	return false
}

func (m *message) ourChunks(c *Chunked, in []byte) (bad bool) {
	for {
		n, part, err := c.Next(in)
		if err != nil {
			return true
		}
		if part == Data {
			m.Body += string(in[:n])
		}
		if n == 0 && part != Trailers {
			return false // more should come
		}
		if part == Trailers {
			break
		}
		in = in[n:]
	}
	n, err := c.ReadTrailers(in)
	if err != nil {
		return !errors.Is(err, ErrIncomplete)
	}
	m.Whole, m.Rest = true, string(in[n:])
	for _, f := range c.Fields {
		if m.Trailer == nil {
			m.Trailer = http.Header{}
		}
		m.Trailer.Add(string(f.Name), string(f.Value))
	}
	return false
}

// theirBody reads the same with net/http.
func (m *message) theirBody(body io.Reader, from *bufio.Reader) error {
	b, err := io.ReadAll(body)
	m.Body, m.Whole = string(b), err == nil
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !halfTrailers(err) {
		return err
	}
	rest, _ := io.ReadAll(from)
	if m.Whole {
		m.Rest = string(rest)
	}
	return nil
}

// halfTrailers reports whether net/http saw trailers that do not end, which it takes for trailers that are too long.
func halfTrailers(err error) bool {
	return err.Error() == "http: unexpected EOF reading trailer" ||
		err.Error() == "http: suspiciously long trailer after chunked body"
}

// sent returns the trailers without those that were only announced.
func sent(trailers http.Header) http.Header {
	maps.DeleteFunc(trailers, func(_ string, v []string) bool { return v == nil })
	return trailers
}

// failer is *testing.T or *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRequest reports how net/http reads a request that we accept in another way.
func checkRequest(t failer, in []byte) {
	t.Helper()
	var r Request
	n, err := ParseRequest(in, nil, &r)
	if err != nil {
		return
	}
	start := fmt.Sprintf("%s %s%s for %s", r.Method, r.Path, r.Query, r.Host)
	ours := message{Start: start, Header: asHeader(r.Fields, r.chunked)}
	ours.Header.Del("Host")
	if r.Form == AsteriskForm || string(r.Path) == "*" {
		ours.Start = fmt.Sprintf("%s * for %s", r.Method, r.Host)
	}
	if ours.ourBody(&r.Head, in[n:], InRequest) {
		return
	}
	from := bufio.NewReaderSize(bytes.NewReader(bytes.TrimLeft(in, "\r\n")), 128<<10)
	req, err := http.ReadRequest(from)
	if err != nil {
		if !excused(in, err) {
			t.Fatalf("net/http refuses what we accept: %v\n%q", err, in)
		}
		return
	}
	theirs := message{Start: fmt.Sprintf("%s %s for %s", req.Method, requestURI(req), req.Host), Header: req.Header}
	if err := theirs.theirBody(req.Body, from); err != nil {
		if !excused(in, err) {
			t.Fatalf("net/http refuses a body that we accept: %v\n%q", err, in)
		}
		return
	}
	if theirs.Whole {
		theirs.Trailer = sent(req.Trailer)
	}
	compare(t, in, ours, theirs)
	if req.Close && r.Persistent() {
		t.Fatalf("net/http closes a connection that we keep\n%q", in)
	}
}

// requestURI is what net/http has of path and query, as they came.
func requestURI(req *http.Request) string {
	u := *req.URL
	switch {
	case req.Method == http.MethodConnect:
		return ""
	case u.Scheme == "":
		return req.RequestURI
	case u.Path == "" && u.RawQuery == "" && !u.ForceQuery && req.Method == http.MethodOptions:
		return "*"
	}
	s := req.RequestURI[strings.Index(req.RequestURI, "://")+3:]
	i := strings.IndexAny(s, "/?")
	if i < 0 {
		return "/"
	}
	if s[i] == '?' {
		return "/" + s[i:]
	}
	return s[i:]
}

// checkResponse does the same for responses.
func checkResponse(t failer, in []byte, method MethodID) {
	t.Helper()
	var r Response
	n, err := ParseResponse(in, nil, method, &r)
	if err != nil || r.Framing == FramingTunnel {
		return
	}
	ours := message{
		Start:  fmt.Sprintf("%d %s", r.Status, bytes.TrimSpace(r.Reason)),
		Header: asHeader(r.Fields, r.Has(TransferEncoding)),
	}
	if ours.ourBody(&r.Head, in[n:], InResponse) {
		return
	}
	from := bufio.NewReaderSize(bytes.NewReader(in), 128<<10)
	if r.Close && r.Minor >= 1 {
		ours.Header.Del("Connection") // as net/http does to responses
	}
	names := map[MethodID]string{MethodGet: "GET", MethodHead: "HEAD", MethodConnect: "CONNECT"}
	resp, err := http.ReadResponse(from, &http.Request{Method: names[method]})
	if err != nil {
		if !excused(in, err) {
			t.Fatalf("net/http refuses what we accept: %v\n%q", err, in)
		}
		return
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	theirs := message{Start: fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(reason)), Header: resp.Header}
	if err := theirs.theirBody(resp.Body, from); err != nil {
		if !excused(in, err) {
			t.Fatalf("net/http refuses a body that we accept: %v\n%q", err, in)
		}
		return
	}
	if theirs.Whole {
		theirs.Trailer = sent(resp.Trailer)
	}
	compare(t, in, ours, theirs)
	if resp.Close && r.Persistent() {
		t.Fatalf("net/http closes a connection that we keep\n%q", in)
	}
}

func compare(t failer, in []byte, ours, theirs message) {
	t.Helper()
	if diff := cmp.Diff(ours, theirs, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("net/http reads it in another way (-ours +theirs):\n%s\n%q", diff, in)
	}
}

// The table, as net/http reads it.
func TestCasesAgainstNetHTTP(t *testing.T) {
	for _, c := range cases {
		t.Run(string(c.of)+"/"+c.name, func(t *testing.T) {
			in := []byte(strings.ReplaceAll(c.in, "↵", "\r\n"))
			switch c.of {
			case request:
				checkRequest(t, in)
			case requestBody, answerBody:
				checkRequest(t, append([]byte(chunkedHead), in...))
				checkResponse(t, append([]byte(chunkedAnswer), in...), MethodGet)
			default:
				checkResponse(t, in, methods[c.of])
			}
		})
	}
}

const (
	chunkedHead   = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunkedAnswer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// Messages made of pieces that are good at their place or bad anywhere: deeper than bytes alone come.
func TestPiecesAgainstNetHTTP(t *testing.T) {
	first := rapid.SampledFrom([]string{
		get, post, "GET http://a:80?b HTTP/1.1↵Host: a↵", "OPTIONS * HTTP/1.1↵Host: [::1]:8↵",
		"CONNECT a:1 HTTP/1.1↵Host: a↵",
		"GET /%41;b?%z HTTP/1.0↵", "GET https://[::2]/?b HTTP/1.2↵Host: c↵", "↵POST /\\|\"<> HTTP/1.1↵host:a\t↵",
	})
	line := rapid.SampledFrom([]string{
		"Content-Length: 5↵", "content-length:3↵", "Content-Length: 0↵", "Transfer-Encoding: chunked↵",
		"transfer-encoding:\tChunked ↵",
		"Connection: close↵", "Connection: keep-alive, X↵", "X: a↵", "x:↵", "Trailer: A↵", "Pragma: no-cache↵", "Upgrade: h2c↵",
		"Connection: upgrade↵", "X: \xff\t,↵", "Expect: 100-continue↵", "_:;↵", "Cache-Control: a↵",
	})
	piece := rapid.SampledFrom([]string{
		"↵", "5↵hello↵", "3;a=b↵abc↵", "1 ;a=\"b;\\\"\"↵x↵", "00a;b↵0123456789↵", "0↵", "0↵↵", "A: b↵", "hello",
		"\n", "\r", " ", ";", "0",
		"GET / HTTP/1.1↵",
	})
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{first.Draw(t, "first")}
		pieces = append(pieces, rapid.SliceOfN(line, 0, 4).Draw(t, "lines")...)
		pieces = append(append(pieces, "↵"), rapid.SliceOfN(piece, 0, 8).Draw(t, "body")...)
		in := []byte(strings.ReplaceAll(strings.Join(pieces, ""), "↵", "\r\n"))
		checkRequest(t, in)
		_, afterStart, _ := bytes.Cut(bytes.TrimLeft(in, "\r\n"), []byte("\r\n"))
		for _, status := range []string{"HTTP/1.1 200 OK\r\n", "HTTP/1.1 204\r\n", "HTTP/1.1 304 \r\n", "HTTP/1.0 404 No\r\n"} {
			answer := append([]byte(status), afterStart...)
			checkResponse(t, answer, MethodGet)
			checkResponse(t, answer, MethodHead)
		}
	})
}
