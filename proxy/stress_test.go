package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many clients and members that do what they should, or anything else, all at once: nobody gets what was meant for
// somebody else, nothing that was cut off looks complete, and in the end nothing is counted as under way. With -race, it
// is there to find who touches what another one holds.

// stressBody is what belongs to the request with that number, of n bytes.
func stressBody(id uint64, n int) []byte {
	b := make([]byte, 0, n+8)
	for at := uint64(0); len(b) < n; at++ {
		b = binary.BigEndian.AppendUint64(b, id<<20|at)
	}
	return b[:n]
}

// stressSize is mostly small, and at times larger than any buffer.
func stressSize(r *rand.Rand) int {
	return r.IntN([]int{1, 200, 5000, 5000, 5000, 70_000, 70_000, 300_000}[r.IntN(8)])
}

// stressMember serves a connection: it answers each request by a body of its number, or fails in some way.
func stressMember(c net.Conn, r *rand.Rand) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		id, _ := strconv.ParseUint(req.Header.Get("X-Id"), 10, 64)
		how := r.IntN(20)
		if how == 0 { // at once, with the request's body unread
			_, _ = fmt.Fprintf(c, "HTTP/1.1 413 Content Too Large\r\nX-Id: %d\r\nContent-Length: 0\r\n\r\n", id)
			return
		}
		switch how {
		case 1:
			return
		case 2: // unasked, and with the body unread
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.CopyN(io.Discard, in, 100_000)
			return
		}
		got, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		status := 200
		if !bytes.Equal(got, stressBody(id, len(got))) {
			status = 599
		}
		if !stressAnswer(c, r, how, status, id) {
			return
		}
	}
}

// stall stands still for a while, as others do at times; mostly for a short one.
func stall(r *rand.Rand) { time.Sleep(time.Duration(r.IntN(150)/(1+r.IntN(20))) * time.Millisecond) }

// stressAnswer answers in that way, and returns whether the connection lives on.
func stressAnswer(c net.Conn, r *rand.Rand, how, status int, id uint64) bool {
	body := stressBody(id, stressSize(r))
	head := fmt.Sprintf("HTTP/1.1 %d Reason\r\nX-Id: %d\r\n", status, id)
	switch how {
	case 3:
		_, _ = io.WriteString(c, head[:r.IntN(len(head))])
		return false
	case 4:
		_, _ = fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, len(body)+1, body)
		return false
	case 5:
		_, _ = fmt.Fprintf(c, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, len(body)+1, body)
		return false
	case 6:
		_, _ = fmt.Fprintf(c, "%s\r\n%s", head, body) // it ends with the connection
		return false
	case 7:
		_, _ = fmt.Fprintf(c, "%sContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: 0\r\nContent-Length: 0\r\n\r\n", head)
		return true
	case 8, 9:
		_, _ = fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nX-Id: %d\r\n\r\n", id)
		stall(r)
	}
	if how%2 == 0 {
		_, _ = fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		return true
	}
	_, _ = fmt.Fprintf(c, "%sTransfer-Encoding: chunked\r\n\r\n", head)
	for len(body) > 0 {
		n := 1 + r.IntN(len(body))
		_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	_, _ = fmt.Fprintf(c, "0\r\nX-Trailer: %d\r\n\r\n", id)
	return true
}

// stressClient sends requests over connections of HTTP/1 until the context ends.
type stressClient struct {
	*testing.T
	addr  string
	r     *rand.Rand
	ids   *atomic.Uint64
	whole *atomic.Int64 // responses that were read to their end
}

func (k *stressClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", k.addr)
		if err != nil {
			k.Error(err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		in := bufio.NewReader(c)
		for ctx.Err() == nil && k.request(c, in) {
		}
		if k.r.IntN(2) == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	}
}

// request makes one request, and returns whether another one may follow.
func (k *stressClient) request(c net.Conn, in *bufio.Reader) bool {
	id := k.ids.Add(1)
	method := []string{"GET", "POST", "PUT", "HEAD"}[k.r.IntN(4)]
	text := fmt.Appendf(nil, "%s /%d HTTP/1.1\r\nHost: x\r\nX-Id: %d\r\n", method, id, id)
	body := stressBody(id, stressSize(k.r))
	switch {
	case method == "GET" || method == "HEAD":
		text = append(text, "\r\n"...)
	case k.r.IntN(2) == 0:
		text = fmt.Appendf(text, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		text = append(text, "Transfer-Encoding: chunked\r\n\r\n"...)
		for len(body) > 0 {
			n := 1 + k.r.IntN(len(body))
			text = fmt.Appendf(text, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		text = append(text, "0\r\nX-Sum: 1\r\n\r\n"...)
	}
	if k.r.IntN(10) == 0 {
		text = text[:k.r.IntN(len(text))]
		_, _ = c.Write(text)
		stall(k.r)
		return false
	}
	sent := make(chan error, 1)
	go func() { // in pieces, while the response may come
		var err error
		for len(text) > 0 && err == nil {
			n := min(len(text), 20_000)
			_, err = c.Write(text[:n])
			text = text[n:]
		}
		sent <- err
	}()
	if k.r.IntN(20) == 0 {
		stall(k.r)
		_ = c.Close()
		<-sent
		return false
	}
	return k.response(in, method, id) && <-sent == nil
}

// response reads one, and checks that it is the request's own.
func (k *stressClient) response(in *bufio.Reader, method string, id uint64) bool {
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return false
		}
		if res.StatusCode == 103 {
			continue
		}
		return k.check(res, method, id)
	}
}

func (k *stressClient) check(res *http.Response, method string, id uint64) bool {
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	switch ours := strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"); {
	case ours:
		return err == nil && !res.Close
	case res.StatusCode == 599:
		k.Errorf("%s %d reached its member with another body", method, id)
	case res.Header.Get("X-Id") != strconv.FormatUint(id, 10):
		k.Errorf("%s %d got %s, that of %q", method, id, res.Status, res.Header.Get("X-Id"))
	case !bytes.Equal(body, stressBody(id, len(body))):
		k.Errorf("%s %d got a body that is not its own", method, id)
	case err == nil && res.Trailer.Get("X-Trailer") != "" && res.Trailer.Get("X-Trailer") != res.Header.Get("X-Id"):
		k.Errorf("%s %d got the trailers of %s", method, id, res.Trailer.Get("X-Trailer"))
	}
	if err == nil {
		k.whole.Add(1)
	}
	return err == nil && !res.Close
}

// runHTTP2 does the same over connections of HTTP/2.
func (k *stressClient) runHTTP2(ctx context.Context, tr *http.Transport) {
	for ctx.Err() == nil {
		id := k.ids.Add(1)
		method, body := "GET", io.Reader(nil)
		if k.r.IntN(2) == 0 {
			method, body = "POST", io.MultiReader(bytes.NewReader(stressBody(id, stressSize(k.r)))) // of unknown length
		}
		timed, cancel := context.WithTimeout(ctx, time.Duration(k.r.IntN(400)/(1+k.r.IntN(20)))*time.Millisecond)
		req, err := http.NewRequestWithContext(timed, method, "http://x/", body)
		if err != nil {
			k.Error(err)
		}
		req.Header.Set("X-Id", strconv.FormatUint(id, 10))
		if res, err := tr.RoundTrip(req); err == nil {
			k.check(res, method, id)
		}
		cancel()
	}
}

func TestStress(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var conns, ids atomic.Uint64
	var members []net.Addr
	for range 3 {
		members = append(members, listenLoopback(t, func(c net.Conn) {
			stressMember(c, rand.New(rand.NewPCG(seed, conns.Add(1))))
		}).Addr())
	}
	h, addr := loopbackFront(t, ServerConfig{}, &Site{Physicals: map[string]Reach{"web": {Conns: 8}}, MaxBody: 250_000}, members...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	tr := &http.Transport{Protocols: onlyH2C, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}
	defer tr.CloseIdleConnections()
	var whole atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		k := &stressClient{T: t, addr: addr, r: rand.New(rand.NewPCG(seed, 1<<32+uint64(i))), ids: &ids, whole: &whole}
		if i%4 == 0 {
			wg.Go(func() { k.runHTTP2(ctx, tr) })
		} else {
			wg.Go(func() { k.run(ctx) })
		}
	}
	wg.Wait()
	t.Logf("%d requests, %d whole responses", ids.Load(), whole.Load())
	if whole.Load() < int64(ids.Load())/8 {
		t.Errorf("only %d of %d requests were answered", whole.Load(), ids.Load())
	}
	drained, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	if err := h.Drain(drained); err != nil {
		t.Error(err)
	}
	stressLeft(t, h)
}

// stressLeft checks that nothing is left of all that.
func stressLeft(t *testing.T, h *Handler) {
	if n := h.again.Load(); n != 0 {
		t.Errorf("%d requests are counted as sent again", n)
	}
	for _, m := range h.cfg.Snapshot().Farm("web").Members {
		if n := m.Live.Outstanding(); n != 0 {
			t.Errorf("%d requests are counted as under way at %s", n, m.Name)
		}
	}
	for _, st := range h.members.stats() {
		if st.open != 0 || st.waiting != 0 {
			t.Errorf("%d connections to %s are counted as open, %d requests wait", st.open, st.addr, st.waiting)
		}
	}
}
