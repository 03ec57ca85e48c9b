package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"backhand/proxy/h1"
)

// h2cStream is one request to a member that speaks HTTP/2, and the response to it, in the shape of a connection. What is
// read from it is the head of the response as HTTP/1.1 would have it, so that it passes the same checks, with interim
// ones before it; then the content of the body, without framing, to io.EOF if it is complete. What is written to it is
// the body of the request.
type h2cStream struct {
	conn    *h2cConn
	earlier int // streams on the same connection before

	cancel context.CancelFunc // ends the request; nil: none was sent
	upload *h2cUpload         // nil: the request has no body
	isHead bool
	body   pausableBody // of the response. Its deadline holds for all that is read

	mu     sync.Mutex
	heads  [][]byte       // that were not read yet
	res    *http.Response // once its head is there
	err    error          // why there is none, as a problem
	closed bool
	news   chan struct{} // capacity 1; there is something new among these
}

// start sends a request. Its body was not written yet, unless it is all in upload.
func (s *h2cStream) start(req *http.Request, upload *h2cUpload) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.upload, s.isHead = cancel, upload, req.Method == http.MethodHead
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: s.inform}))
	if upload != nil {
		upload.req, req.Body = req, upload
	}
	go func() {
		res, err := s.conn.RoundTrip(req)
		s.arrived(res, err)
	}()
}

// inform notes an interim response. It is called by who reads the whole connection, and must not wait.
func (s *h2cStream) inform(status int, h textproto.MIMEHeader) error {
	if status == http.StatusSwitchingProtocols {
		return errH2CSwitch // RFC 9113, section 8.6
	}
	head, err := h2cHeadOf(&http.Response{StatusCode: status, Header: http.Header(h), ContentLength: -1}, true)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heads) > interimMost {
		return errInterim
	}
	s.heads = append(s.heads, head)
	s.tell()
	return nil
}

// arrived notes the response, or why there is none.
func (s *h2cStream) arrived(res *http.Response, err error) {
	var head []byte
	if err != nil {
		err = h2cProblem(err)
	} else if head, err = h2cHeadOf(res, s.isHead); err != nil {
		err = because(notHTTP, err)
	}
	s.mu.Lock()
	unwanted := res != nil && (err != nil || s.closed)
	switch {
	case err != nil:
		s.err = err
	case !unwanted:
		s.heads, s.res, s.body.body = append(s.heads, head), res, res.Body
	}
	s.tell()
	s.mu.Unlock()
	if unwanted {
		_ = res.Body.Close()
	}
}

func (s *h2cStream) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Read returns a part of the response. Errors before its head are problems.
func (s *h2cStream) Read(p []byte) (int, error) {
	for {
		passed := s.body.deadline.wait()
		select {
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		s.mu.Lock()
		res, err := s.res, s.err
		if len(s.heads) > 0 {
			defer s.mu.Unlock()
			return s.readHead(p), nil
		}
		s.mu.Unlock()
		switch {
		case err != nil:
			return 0, err
		case res != nil:
			return s.readBody(p)
		}
		select {
		case <-s.news:
		case <-passed:
		}
	}
}

func (s *h2cStream) readHead(p []byte) int {
	n := copy(p, s.heads[0])
	if s.heads[0] = s.heads[0][n:]; len(s.heads[0]) == 0 {
		s.heads = s.heads[1:]
	}
	return n
}

// readBody has net/http check that the body is as long as was announced.
func (s *h2cStream) readBody(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err != nil && err != io.EOF && err != os.ErrDeadlineExceeded {
		err = fmt.Errorf("HTTP/2: %v", err) // whatever is in it, it is no deadline of ours
	}
	return n, err
}

// trailers returns those of the response, once its body has ended.
func (s *h2cStream) trailers() []h1.Field {
	if s.res == nil || !s.body.done() {
		return nil
	}
	return fieldsOf(s.res.Trailer)
}

// Close ends the request, wherever it is. What belongs to the exchange is not touched any more when it returns.
func (s *h2cStream) Close() error {
	if s.cancel == nil {
		s.conn.Release()
		s.conn.ended()
		return nil
	}
	if s.upload != nil {
		_ = s.upload.Close()
	}
	s.mu.Lock()
	res := s.res
	s.closed, s.heads = true, nil
	s.mu.Unlock()
	s.cancel()       // a request that is complete does not notice
	go s.finish(res) // the connection may be stuck
	return nil
}

// finish ends what the stream has started.
func (s *h2cStream) finish(res *http.Response) {
	defer s.conn.ended()
	s.body.stop(func() { _ = res.Body.Close() })
	if res != nil {
		_ = res.Body.Close()
	}
}

// LocalAddr is there for net.Conn; nobody asks.
func (s *h2cStream) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is there for net.Conn; nobody asks.
func (s *h2cStream) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetReadDeadline makes a Read that waits, and later ones, end at that time.
func (s *h2cStream) SetReadDeadline(t time.Time) error { s.body.deadline.set(t); return nil }

// SetDeadline sets both.
func (s *h2cStream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

var (
	errH2CSwitch = errors.New("the member switches protocols, which there is not in HTTP/2")
	errH2CField  = errors.New("the member sends a field that there is not in HTTP/2 (RFC 9113, section 8.2.2)")
	errH2CLength = errors.New("the member sends no valid Content-Length, or several")
	errH2CStatus = errors.New("the member sends no valid status")
)

// h2cHeadOf writes a head as HTTP/1.1 would have it, so that it passes the codec. bodiless says that it has no body,
// whatever it says of one.
func h2cHeadOf(res *http.Response, bodiless bool) ([]byte, error) {
	if res.StatusCode < 100 || res.StatusCode > 599 {
		return nil, errH2CStatus
	}
	b := h1.AppendStatusLine(nil, res.StatusCode, nil)
	for name, values := range res.Header {
		switch h1.IDOf(name) {
		case h1.Connection, h1.KeepAlive, h1.ProxyConnection, h1.TransferEncoding, h1.Upgrade:
			return nil, errH2CField
		case h1.ContentLength:
			if len(values) != 1 || res.ContentLength < 0 && !bodiless {
				return nil, errH2CLength // else nobody would compare it with the body
			}
		}
		for _, v := range values {
			if !h1.ValidToken([]byte(name)) || !h1.ValidValue([]byte(v)) {
				return nil, errH2CField
			}
			b = h1.AppendField(b, name, v)
		}
	}
	for name := range res.Trailer {
		if h1.ValidToken([]byte(name)) {
			b = h1.AppendField(b, "Trailer", name)
		}
	}
	empty := res.ContentLength == 0 && !bodiless && res.StatusCode != 204 && res.StatusCode != 304
	if empty && res.Header["Content-Length"] == nil {
		b = h1.AppendContentLength(b, 0)
	}
	return h1.AppendEnd(b), nil
}

// h2cRequest turns a head that appendHead has made into a request of net/http's.
func h2cRequest(head []byte, m *h1.Request) *http.Request {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	method, target, _ := strings.Cut(strings.TrimSuffix(line, " HTTP/1.1"), " ")
	req := &http.Request{
		Method: method, Header: http.Header{"User-Agent": nil}, // nil: net/http adds none
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}
	for line, rest, _ = strings.Cut(rest, "\r\n"); line != ""; line, rest, _ = strings.Cut(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch h1.IDOf(name) {
		case h1.Host:
			req.Host = value
		case h1.Connection, h1.TransferEncoding, h1.ContentLength:
		default:
			name = http.CanonicalHeaderKey(name)
			req.Header[name] = append(req.Header[name], value)
		}
	}
	req.URL = &url.URL{Scheme: "http", Host: req.Host, Opaque: target}
	if strings.HasPrefix(target, "//") {
		req.URL.Opaque = "//" + req.Host + target // net/http takes off what it would put before it
	}
	switch m.Framing {
	case h1.FramingLength:
		req.ContentLength = m.Length
	case h1.FramingChunked:
		req.ContentLength, req.Trailer = -1, http.Header{} // which net/http looks at again behind the body
	}
	return req
}

// h2cReset is an error of a stream as net/http has it, which lets itself be read as a struct of that form.
type h2cReset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e h2cReset) Error() string { return fmt.Sprintf("stream reset with code %d", e.Code) }

// refusedStream says that nothing was done of the request (RFC 9113, section 8.7).
const refusedStream = 7

// h2cUntouched are the errors of net/http's with which it says that nothing was done, since the member would take no
// stream any more when it came. They have no names there; if they are called something else one day, a request is not
// repeated that could be.
var h2cUntouched = [...]string{
	"http2: Transport received Server's graceful shutdown GOAWAY",
	"http2: client conn not usable",
	"http2: client conn could not be established",
}

// h2cProblem finds out what it means that there was no response.
func h2cProblem(err error) error {
	if reset, ok := errors.AsType[h2cReset](err); ok {
		switch {
		case reset.Cause == nil || reset.Cause.Error() != "received from peer":
			return because(notHTTP, err)
		case reset.Code == refusedStream:
			return because(membersRefused, err)
		}
		return because(closedEarly, err)
	}
	text := err.Error()
	for _, untouched := range h2cUntouched {
		if text == untouched {
			return because(membersRefused, err)
		}
	}
	lost := strings.HasPrefix(text, "http2: client conn") || strings.HasPrefix(text, "http2: server sent GOAWAY")
	if lost || connectionLost(err) {
		return because(closedEarly, fmt.Errorf("%w: %s", io.ErrUnexpectedEOF, text))
	}
	return because(notHTTP, errors.New(text)) // whatever is in it, it is no deadline of ours
}
