package sampler

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"backhand/gossip/node"
)

// What an answer of an origin may cost us.
const (
	maxHead   = 16 << 10 // bytes of a response's head
	maxBody   = 4 << 10  // bytes of a check's answer; the rest is left unread
	maxStatus = 64 << 10 // bytes of a status page
)

// checkOnce returns why the origin is not up, or "" if it is.
func (o *Origin) checkOnce(ctx context.Context) (why string) {
	if o.check == nil {
		return o.connect(ctx)
	}
	return o.get(ctx, o.check, func(resp *http.Response) (why string) {
		// Some servers log an answer that nobody read as an error. If it does not come, the status has come all the same.
		_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
		if !o.cfg.Good(resp.StatusCode) {
			return whyNot(o.check, strconv.Itoa(resp.StatusCode))
		}
		return ""
	})
}

// connect checks by a connection alone.
func (o *Origin) connect(ctx context.Context) (why string) {
	conn, err := o.dial(ctx, o.cfg.URL)
	if err != nil {
		return cut("connect: " + o.reason(err))
	}
	_ = conn.Close()
	return ""
}

// dial makes a connection to the server of a URL, TLS included if its scheme is https.
func (o *Origin) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	conn, err := o.cfg.Dial(ctx, "tcp", node.HostPort(u))
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	cfg := o.cfg.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.ServerName = cmp.Or(cfg.ServerName, u.Hostname())
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			err = bad.Err // which says it in the few bytes that there are
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secure, nil
}

// get asks for a page and has read look at the response, while ctx lasts. It returns what read returns, or why there is no
// response.
//
// It is no http.Client, since a check wants none of what that adds (proxies, redirects, reuse, compression, goroutines that
// go on dialling when ctx has ended), but each failure by its own name.
func (o *Origin) get(ctx context.Context, u *url.URL, read func(*http.Response) (why string)) (why string) {
	conn, err := o.dial(ctx, u)
	if err != nil {
		return cut("connect: " + o.reason(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	req := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Close: true, Header: http.Header{"User-Agent": {"backhand-check"}},
	}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	resp, err := exchange(ctx, conn, req)
	if err != nil {
		return whyNot(u, o.reason(err))
	}
	defer resp.Body.Close()
	return read(resp)
}

// exchange sends the request and returns the response when its head is there.
func exchange(ctx context.Context, conn net.Conn, req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "h2c" {
		return exchangeH2C(ctx, conn, req)
	}
	// Who is overloaded may answer and close before it has read the request: an error shows in the response soon enough.
	_ = req.Write(conn)
	return readHead(conn, req)
}

// exchangeH2C does so by HTTP/2 with prior knowledge (RFC 9113, section 3.3). What it starts ends when conn is closed.
func exchangeH2C(ctx context.Context, conn net.Conn, req *http.Request) (*http.Response, error) {
	t := &http.Transport{
		Protocols: new(http.Protocols), MaxResponseHeaderBytes: maxHead, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	u := *req.URL
	u.Scheme = "http"
	req.URL = &u
	return t.RoundTrip(req.WithContext(ctx))
}

// readHead reads the head of the final response.
func readHead(conn io.Reader, req *http.Request) (*http.Response, error) {
	limited := &io.LimitedReader{R: conn, N: maxHead}
	r := bufio.NewReader(limited)
	for {
		resp, err := http.ReadResponse(r, req)
		switch {
		case err != nil && limited.N <= 0:
			return nil, fmt.Errorf("head longer than %d bytes", maxHead)
		case err != nil:
			return nil, err
		case resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols:
			continue // interim (RFC 9110, 15.2); the limit bounds how many
		}
		limited.N = math.MaxInt64 // who reads the body has a limit of its own
		return resp, nil
	}
}

// readStatus reads the status page.
func (o *Origin) readStatus(ctx context.Context) (workers, error) {
	u := o.cfg.StatusURL
	var page []byte
	why := o.get(ctx, u, func(resp *http.Response) (why string) {
		if resp.StatusCode != http.StatusOK {
			return whyNot(u, fmt.Sprintf("%d, want 200", resp.StatusCode))
		}
		var err error
		if page, err = io.ReadAll(io.LimitReader(resp.Body, maxStatus+1)); err != nil {
			return whyNot(u, o.reason(err))
		}
		return ""
	})
	switch {
	case why != "":
		return workers{}, errors.New("status page: " + why)
	case len(page) > maxStatus:
		return workers{}, fmt.Errorf("status page: longer than %d bytes", maxStatus)
	}
	return parseStatus(page)
}

// reason says in a few words what went wrong, as people know it.
func (o *Origin) reason(err error) string {
	var (
		errno syscall.Errno
		dns   *net.DNSError
		slow  interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "no answer within " + o.cfg.Timeout.String()
	case errors.As(err, &dns):
		return dns.Err
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed before the answer was whole"
	}
	return err.Error()
}

// whyNot says what went wrong with a page. Where there is too little room, the path is cut, not the reason.
func whyNot(u *url.URL, reason string) string {
	const get, sep = "GET ", ": "
	path := u.RequestURI()
	if room := max(node.MaxWhy-len(get)-len(sep)-len(reason), 8); len(path) > room {
		path = path[:room-3] + "..."
	}
	return cut(get + path + sep + reason)
}

// cut cuts a reason to node.MaxWhy bytes, and never through a character.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > node.MaxWhy {
		s = strings.ToValidUTF8(s[:node.MaxWhy], "")
	}
	return s
}
