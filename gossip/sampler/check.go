package sampler

import (
	"bufio"
	"context"
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
		if resp.StatusCode < 200 || resp.StatusCode > 399 {
			return whyNot(o.check, strconv.Itoa(resp.StatusCode))
		}
		return ""
	})
}

// connect checks by a TCP connection alone.
func (o *Origin) connect(ctx context.Context) (why string) {
	conn, err := o.cfg.Dial(ctx, "tcp", node.HostPort(o.cfg.URL))
	if err != nil {
		return cut("connect: " + o.reason(err))
	}
	_ = conn.Close()
	return ""
}

// get asks for a page and has read look at the response, while ctx lasts. It returns what read returns, or why there is no
// response.
//
// It is no http.Client, since a check wants none of what that adds (proxies, redirects, reuse, compression, goroutines that
// go on dialling when ctx has ended), but each failure by its own name.
func (o *Origin) get(ctx context.Context, u *url.URL, read func(*http.Response) (why string)) (why string) {
	conn, err := o.cfg.Dial(ctx, "tcp", node.HostPort(u))
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
	// Who is overloaded may answer and close before it has read the request: an error shows in the response soon enough.
	_ = req.Write(conn)
	resp, err := readHead(conn, req)
	if err != nil {
		return whyNot(u, o.reason(err))
	}
	defer resp.Body.Close()
	return read(resp)
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
