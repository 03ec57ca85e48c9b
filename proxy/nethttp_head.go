package proxy

import (
	"net/http"
	"strings"

	"backhand/proxy/h1"
)

// makeHead writes a request of net/http's as the head of HTTP/1.1 that it would have had, so that it passes the same
// checks as those of our own engine. It refuses what cannot be written so. The bytes hold until release.
//
// In HTTP/2, net/http has joined the crumbs of Cookie, has taken Expect away and asks for the body when it is read, and
// passes only those trailers on that were announced.
func (f *httpFront) makeHead(r *http.Request) ([]byte, error) {
	if err := writable(r); err != nil {
		return nil, err
	}
	f.headBuf = getBuffer(headSize(r))
	b := h1.AppendRequestLine(f.headBuf.b[:0], r.Method, r.RequestURI, "")
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		b[len(b)-len("0\r\n")] = '0'
	}
	if r.Host != "" {
		b = h1.AppendField(b, "Host", r.Host)
	}
	for name, values := range r.Header {
		if name == "Host" || name == "Transfer-Encoding" || name == "Upgrade" && r.ProtoMajor == 1 {
			continue // Upgrade: whoever comes here for a page gets one
		}
		for _, v := range values {
			b = h1.AppendField(b, name, v)
		}
	}
	for name := range r.Trailer {
		b = h1.AppendField(b, "Trailer", name)
	}
	if r.ContentLength < 0 && r.Method != http.MethodConnect {
		b = h1.AppendField(b, "Transfer-Encoding", "chunked")
	}
	return h1.AppendEnd(b), nil
}

// headSize returns at least how many bytes makeHead writes.
func headSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	for name := range r.Trailer {
		n += len("Trailer: \r\n") + len(name)
	}
	return n
}

// writable returns why a request must not be written as a head: it would read as something else. What a head can say is
// left to the codec.
func writable(r *http.Request) error {
	switch {
	case !h1.ValidToken([]byte(r.Method)):
		return refusal("method")
	case !visible(r.RequestURI):
		return refusal("target")
	case r.ProtoMajor == 2 && !pathForm(r):
		return refusal("target_form")
	case !visible(r.Host):
		return refusal("host")
	case !sameHost(r):
		return refusal("host_repeated")
	case !sameLength(r):
		return refusal("content_length")
	}
	for name, values := range r.Header {
		if !h1.ValidToken([]byte(name)) {
			return refusal("field_name")
		}
		for _, v := range values {
			if !h1.ValidValue([]byte(v)) {
				return refusal("field_value")
			}
		}
	}
	for name := range r.Trailer {
		if !h1.ValidToken([]byte(name)) {
			return refusal("field_name")
		}
	}
	return nil
}

// visible reports whether the text has neither white space nor control characters.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// pathForm reports whether a target of HTTP/2 is a path, or what belongs to the method instead (RFC 9113, section 8.3.1):
// written as a head, another one would take the place of the authority.
func pathForm(r *http.Request) bool {
	switch r.Method {
	case http.MethodConnect:
		return true
	case http.MethodOptions:
		return strings.HasPrefix(r.RequestURI, "/") || r.RequestURI == "*"
	}
	return strings.HasPrefix(r.RequestURI, "/")
}

// sameHost reports whether the Host fields beside an authority, if there are any, say the same (RFC 9113, section
// 8.3.1).
func sameHost(r *http.Request) bool {
	hosts := r.Header["Host"]
	return len(hosts) == 0 || len(hosts) == 1 && strings.EqualFold(hosts[0], r.Host)
}

// sameLength reports whether Content-Length says what net/http has understood: it takes a stream of HTTP/2 that ends
// with its head for one without a body, whatever Content-Length says, and an invalid one for 0.
func sameLength(r *http.Request) bool {
	switch lengths := r.Header["Content-Length"]; {
	case r.ContentLength == 0 && len(lengths) == 1:
		return strings.Trim(lengths[0], "0") == "" && lengths[0] != ""
	case r.ContentLength > 0:
		return len(lengths) == 1
	default:
		return len(lengths) == 0
	}
}

// refusal returns the error that our codec has for that reason.
func refusal(reason string) error {
	for err := range h1.InRequest.Reasons {
		if err.Reason == reason {
			return err
		}
	}
	return &h1.Error{Status: http.StatusBadRequest, Reason: reason, Text: "The request is malformed."}
}
