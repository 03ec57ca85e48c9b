package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/proxy/h1"
)

func TestHTTP2RequestAsHead(t *testing.T) {
	for _, c := range []struct {
		name string
		req  func(t *testing.T) *http.Request
		want []string // in any order
	}{
		{"GET", func(t *testing.T) *http.Request {
			r := newRequest(t, "GET", "/a%20b;c/?x=1&y", nil)
			r.Header = http.Header{"X-A": {"1", "2"}, "User-Agent": {"ua"}}
			return r
		}, []string{"GET /a%20b;c/?x=1&y HTTP/1.1", "Host: example.com", "X-A: 1", "X-A: 2", "User-Agent: ua"}},
		{"crumbs of a cookie are joined", func(t *testing.T) *http.Request {
			r := newRequest(t, "GET", "/", nil)
			r.Header = http.Header{"Cookie": {"a=1; b=2", "c=3"}, "User-Agent": {"ua"}}
			return r
		}, []string{"GET / HTTP/1.1", "Host: example.com", "Cookie: a=1; b=2; c=3", "User-Agent: ua"}},
		{"a body of known length", func(t *testing.T) *http.Request {
			r := newRequest(t, "POST", "/", strings.NewReader("hello"))
			r.Header.Set("User-Agent", "ua")
			return r
		}, []string{"POST / HTTP/1.1", "Host: example.com", "Content-Length: 5", "User-Agent: ua"}},
		{"a body of unknown length with trailers, and TE", func(t *testing.T) *http.Request {
			r := newRequest(t, "POST", "/", io.NopCloser(strings.NewReader("hello")))
			r.Header = http.Header{"User-Agent": {"ua"}, "Te": {"trailers"}}
			r.Trailer = http.Header{"X-Sum": {"1"}}
			return r
		}, []string{"POST / HTTP/1.1", "Host: example.com", "Transfer-Encoding: chunked", "Te: trailers", "Trailer: X-Sum", "User-Agent: ua"}},
		{"OPTIONS of the whole server", func(t *testing.T) *http.Request {
			r := newRequest(t, "OPTIONS", "", nil)
			r.URL.Opaque, r.Header = "*", http.Header{"User-Agent": {"ua"}}
			return r
		}, []string{"OPTIONS * HTTP/1.1", "Host: example.com", "User-Agent: ua"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
				var got []string
				st.s.exchange = func(f front, _ *arrival, _ *h1.Limits, head []byte, err error) {
					got = strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
					if err != nil {
						t.Error(err)
					}
					say(f, "")
				}
				st.do(st.h2(), c.req(t))
				slices.Sort(got)
				slices.Sort(c.want)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("the head (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// asHTTP2 is a request as net/http hands it to a handler.
func asHTTP2(change func(r *http.Request)) *http.Request {
	r := &http.Request{
		Method: "GET", RequestURI: "/x", Host: "example.com", Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{},
		URL: &url.URL{Path: "/x"}, Body: http.NoBody,
	}
	change(r)
	return r
}

func TestHeadsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		reason string // "" if it is not refused
	}{
		{"an ordinary one", func(*http.Request) {}, ""},
		{"Host says the same as the authority", func(r *http.Request) { r.Header["Host"] = []string{"EXAMPLE.com"} }, ""},
		{"Content-Length of 0 without a body", func(r *http.Request) { r.Header["Content-Length"] = []string{"0"} }, ""},
		{"HTTP/1.0 without Host", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor, r.Host = 1, 0, "" }, ""},

		{"a space in the method", func(r *http.Request) { r.Method = "GET /y HTTP/1.1\r\nX:" }, "method"},
		{"a space in the target", func(r *http.Request) { r.RequestURI = "/x HTTP/1.1" }, "target"},
		{"a line in the target", func(r *http.Request) { r.RequestURI = "/x\r\nX: y" }, "target"},
		{"an octet that must be encoded in the target", func(r *http.Request) { r.RequestURI = "/\x80" }, "target"},
		{"a URL in :path", func(r *http.Request) { r.RequestURI = "http://other/x" }, "target_form"},
		{"an asterisk with GET", func(r *http.Request) { r.RequestURI = "*" }, "target_form"},
		{"a line in the authority", func(r *http.Request) { r.Host = "a\r\nX: y" }, "host"},
		{"an authority that is no host", func(r *http.Request) { r.Host = "a/b" }, "host"},
		{"no authority", func(r *http.Request) { r.Host = "" }, "host_missing"},
		{"Host says otherwise than the authority", func(r *http.Request) { r.Header["Host"] = []string{"other"} }, "host_repeated"},
		{"Host twice", func(r *http.Request) { r.Header["Host"] = []string{"example.com", "example.com"} }, "host_repeated"},
		{"Content-Length without a body", func(r *http.Request) { r.Header["Content-Length"] = []string{"5"} }, "content_length"},
		{"an invalid Content-Length, of which net/http makes 0", func(r *http.Request) { r.Header["Content-Length"] = []string{"x"} }, "content_length"},
		{"an empty Content-Length", func(r *http.Request) { r.Header["Content-Length"] = []string{""} }, "content_length"},
		{"Content-Length twice", func(r *http.Request) {
			r.ContentLength, r.Header["Content-Length"] = 5, []string{"5", "6"}
		}, "content_length"},
		{"a line in a value", func(r *http.Request) { r.Header["X"] = []string{"y\r\nZ: 1"} }, "field_value"},
		{"a NUL in a value", func(r *http.Request) { r.Header["X"] = []string{"y\x00"} }, "field_value"},
		{"a pseudo-header field among the others", func(r *http.Request) { r.Header[":protocol"] = []string{"websocket"} }, "field_name"},
		{"an empty name", func(r *http.Request) { r.Header[""] = []string{"x"} }, "field_name"},
		{"a line in the name of a trailer", func(r *http.Request) { r.Trailer = http.Header{"X\r\nY: z": nil} }, "field_name"},
		{"a body of TRACE", func(r *http.Request) { r.Method, r.ContentLength = "TRACE", -1 }, "trace_body"},
		{"too many fields", func(r *http.Request) { r.Header["X"] = make([]string, 200) }, "field_count"},
		{"too long a head", func(r *http.Request) { r.Header["X"] = []string{strings.Repeat("x", 70<<10)} }, "head_size"},
		{"too long a target", func(r *http.Request) { r.RequestURI = "/" + strings.Repeat("x", 20<<10) }, "line_size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &httpFront{r: asHTTP2(c.change)}
			head, err := f.makeHead(f.r)
			if err == nil {
				var req h1.Request
				_, err = h1.ParseRequest(head, nil, &req)
			}
			got := ""
			if e, ok := errors.AsType[*h1.Error](err); ok {
				got = e.Reason
			}
			if got != c.reason {
				t.Errorf("refused for %q (%v), want %q", got, err, c.reason)
			}
		})
	}
}

func TestRefusalsAreThoseOfTheCodec(t *testing.T) {
	known := map[string]bool{}
	for e := range h1.InRequest.Reasons {
		known[e.Reason] = true
	}
	for _, reason := range []string{
		"start_line", "method", "target", "target_form", "host", "host_repeated", "content_length", "field_name", "field_value",
		"chunk_size",
	} {
		if !known[reason] {
			t.Errorf("the codec has no reason %q", reason)
		}
	}
}

func FuzzHeadOfHTTP2(f *testing.F) {
	f.Add("GET", "/x", "example.com", "X-A", "b", int64(0))
	f.Add("POST", "/x?y", "a\r\nb", "X\r\n", "b\r\n\r\nGET / HTTP/1.1", int64(-1))
	f.Add("CONNECT", "a:1", "a:1", "Connection", "close, x", int64(5))
	f.Add("OPTIONS", "*", "[::1]:8", "Transfer-Encoding", "chunked", int64(-1))
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, length int64) {
		fr := &httpFront{r: asHTTP2(func(r *http.Request) {
			r.Method, r.RequestURI, r.Host, r.ContentLength = method, target, host, max(length, -1)
			r.Header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
			if length > 0 {
				r.Header["Content-Length"] = []string{fmt.Sprint(length)}
			}
		})}
		head, err := fr.makeHead(fr.r)
		if err != nil {
			return
		}
		if len(head) > len(fr.headBuf.b) || &head[0] != &fr.headBuf.b[0] {
			t.Fatalf("the head of %d bytes does not fit into the buffer of %d", len(head), len(fr.headBuf.b))
		}
		var req h1.Request
		n, err := h1.ParseRequest(head, nil, &req)
		if err == h1.ErrIncomplete {
			t.Fatalf("incomplete: %q", head)
		}
		if err != nil {
			return
		}
		if method == http.MethodConnect {
			host = target // as net/http has it
		}
		if n != len(head) || string(req.Method) != method || string(req.Target) != target || string(req.Host) != host {
			t.Fatalf("%q reads as %d bytes, %q %q for %q", head, n, req.Method, req.Target, req.Host)
		}
	})
}
