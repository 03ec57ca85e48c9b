package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/proxy/h1"
)

// h2 is a client that speaks HTTP/2 in plain text with the stand.
func (st *stand) h2() *http.Transport {
	tr := &http.Transport{
		Protocols: onlyH2C,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return st.net.dial(ctx, netip.MustParseAddr(clientAddr), frontAddr)
		},
		DisableCompression: true,
	}
	st.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// asExchange has requests of net/http's answered by f, which stands in for the exchange. req is nil if the request is
// refused.
func (st *stand) asExchange(f func(f front, req *h1.Request)) {
	st.s.exchange = func(fr front, _ *arrival, lim *h1.Limits, head []byte, err error) {
		var req h1.Request
		if err == nil {
			_, err = h1.ParseRequest(head, lim, &req)
		}
		if err != nil {
			say(fr, err.Error())
			return
		}
		f(fr, &req)
	}
}

// response is a response as a member sends it, with these lines.
func response(lines ...string) *h1.Response {
	var res h1.Response
	text := strings.Join(lines, "\r\n") + "\r\n\r\n"
	if _, err := h1.ParseResponse([]byte(text), nil, h1.MethodGet, &res); err != nil {
		panic(err)
	}
	return &res
}

// say answers with a text.
func say(f front, text string) {
	_ = f.respond(response("HTTP/1.1 200 OK", fmt.Sprintf("Content-Length: %d", len(text))), nil)
	_ = f.write([]byte(text))
	_ = f.finish(nil)
}

// do sends a request and reads the response.
func (st *stand) do(tr *http.Transport, req *http.Request) (*http.Response, string) {
	st.t.Helper()
	res, err := tr.RoundTrip(req)
	if err != nil {
		st.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		st.t.Fatal(err)
	}
	return res, string(b)
}

func newRequest(t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://example.com"+target, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestHTTP2Response(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) {
			_ = f.inform(response("HTTP/1.1 100 Continue"))
			_ = f.inform(response("HTTP/1.1 103 Early Hints", "Link: </a>", "Connection: X-Hop", "X-Hop: 1"))
			_ = f.respond(response("HTTP/1.1 203 Odd", "Date: Mon, 01 Jan 2001 00:00:00 GMT", "X-A: 1", "x-a: 2", "Via: 1.1 member",
				"Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Backhand-Load: 1", "Transfer-Encoding: chunked", "Trailer: X-Sum"), []byte("1.1 us"))
			_ = f.write([]byte("<html>"))
			_ = f.flush()
			_ = f.write([]byte("more"))
			if err := f.finish([]h1.Field{{Name: []byte("X-Sum"), Value: []byte("1")}, {Name: []byte("x-unannounced"), Value: []byte("2")}}); err != nil {
				t.Error(err)
			}
		})
		var hints []string
		req := newRequest(t, "GET", "/", nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, h))
				return nil
			},
		}))
		res, body := st.do(st.h2(), req)
		want := http.Header{
			"Date": {"Mon, 01 Jan 2001 00:00:00 GMT"}, "X-A": {"1", "2"}, "Via": {"1.1 member", "1.1 us"},
		}
		if diff := cmp.Diff(want, res.Header); diff != "" || res.StatusCode != 203 || body != "<html>more" {
			t.Errorf("answered %d, %q, fields (-want +got):\n%s", res.StatusCode, body, diff)
		}
		if diff := cmp.Diff(http.Header{"X-Sum": {"1"}, "X-Unannounced": {"2"}}, res.Trailer); diff != "" {
			t.Errorf("trailers (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"103 map[Link:[</a>]]"}, hints); diff != "" {
			t.Errorf("interim responses (-want +got):\n%s", diff)
		}
	})
}

func TestHTTP2ResponseLengths(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, req *h1.Request) {
			res := response("HTTP/1.1 200 OK", "Content-Length: 5")
			if req.MethodID == h1.MethodHead {
				res.Framing = h1.FramingNone
			}
			if string(req.Path) == "/304" {
				res = response("HTTP/1.1 304 Not Modified", "Content-Length: 5")
			}
			_ = f.respond(res, nil)
			if req.MethodID == h1.MethodGet && string(req.Path) != "/304" {
				_ = f.write([]byte("hello"))
			}
			_ = f.finish(nil)
		})
		tr := st.h2()
		for _, c := range []struct{ method, path, body string }{{"GET", "/", "hello"}, {"HEAD", "/", ""}, {"GET", "/304", ""}} {
			res, err := tr.RoundTrip(newRequest(t, c.method, c.path, nil))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body) // net/http's client takes the length of a 304 for that of a body
			_ = res.Body.Close()
			if res.Header.Get("Content-Length") != "5" || string(body) != c.body {
				t.Errorf("%s %s: length %q, body %q", c.method, c.path, res.Header.Get("Content-Length"), body)
			}
		}
	})
}

func TestAbortIsSeenByTheClient(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) {
			_ = f.respond(response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), nil)
			_ = f.write([]byte("half"))
			_ = f.flush()
			f.abort()
		})
		res, err := st.h2().RoundTrip(newRequest(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); string(b) != "half" || err == nil {
			t.Errorf("read %q, %v", b, err)
		}
		if st.s.Stats().Panics != 0 {
			t.Error("an abort counts as a mistake of ours")
		}
	})
}

func TestWatchTellsThatTheClientWent(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		gone, over := make(chan struct{}), make(chan struct{})
		st.asExchange(func(f front, _ *h1.Request) {
			defer close(over)
			stop := f.watch(func() { t.Error("gone is called after stop") })
			stop()
			stop()
			stop = f.watch(func() { close(gone) })
			<-gone
			stop()
		})
		ctx, cancel := context.WithCancel(t.Context())
		tr := st.h2()
		go func() {
			res, err := tr.RoundTrip(newRequest(t, "GET", "/", nil).WithContext(ctx))
			if err == nil {
				_ = res.Body.Close()
			}
		}()
		synctest.Wait()
		cancel()
		<-over
	})
}

func TestSlowReaderIsCutOff(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(c net.Conn)
	}{
		{"that gives no window", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"that reads nothing from its connection", func(net.Conn) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
				got := make(chan error, 1)
				st.asExchange(func(f front, _ *h1.Request) {
					err := f.respond(response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), nil)
					begun := time.Now()
					for err == nil {
						err = f.write(make([]byte, 64<<10))
					}
					if took := time.Since(begun); took < time.Minute || took > 76*time.Second {
						t.Errorf("cut off after %v", took)
					}
					got <- err
				})
				conn := st.dial(clientAddr, "")
				go c.read(conn)
				conn.frames(http2Hello, frame(headersFrame, endStream|endHeaders, 1, getHeaders))
				if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("writing ended with %v", err)
				}
			})
		})
	}
}

func TestExchangeThatPanicsIsLogged(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(front, *h1.Request) { panic("oops") })
		if res, err := st.h2().RoundTrip(newRequest(t, "GET", "/", nil)); err == nil {
			_ = res.Body.Close()
			t.Error("it was answered")
		}
		synctest.Wait()
		if n := st.s.Stats().Panics; n != 1 || !strings.Contains(st.log.String(), "oops") {
			t.Errorf("%d panics are counted; the log has:\n%s", n, st.log.String())
		}
	})
}

func TestShutdownOfHTTP2(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		begun, finish := make(chan struct{}), make(chan struct{})
		st.asExchange(func(f front, _ *h1.Request) {
			close(begun)
			<-finish
			say(f, "done")
		})
		idle := st.dial(clientAddr, "")
		go func() { _, _ = io.Copy(io.Discard, idle) }()
		idle.frames(http2Hello)
		answer := make(chan string, 1)
		tr := st.h2()
		go func() {
			res, err := tr.RoundTrip(newRequest(t, "GET", "/", nil))
			if err != nil {
				answer <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			answer <- string(b)
		}()
		<-begun
		ended := make(chan error, 1)
		go func() { ended <- st.s.Shutdown(t.Context()) }()
		time.Sleep(5 * time.Second)
		if st.s.Stats().Open != 1 {
			t.Errorf("%d connections are open", st.s.Stats().Open)
		}
		close(finish)
		if got := <-answer; got != "done" {
			t.Errorf("answered %q", got)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if st.s.Stats().Open != 0 {
			t.Error("Shutdown did not wait for the connection")
		}
	})
}

func TestLeavingSendsGoAway(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) { say(f, "hello") })
		tr := st.h2()
		get := func() {
			t.Helper()
			if _, body := st.do(tr, newRequest(t, "GET", "/", nil)); body != "hello" {
				t.Errorf("answered %q", body)
			}
		}
		conns := func() uint64 { return st.s.Stats().Accepted }
		get()
		get()
		if conns() != 1 {
			t.Fatalf("%d connections for two requests", conns())
		}
		st.s.SetLeaving(true)
		synctest.Wait()
		get()
		synctest.Wait()
		get()
		if conns() != 3 {
			t.Errorf("while leaving, %d connections for two more requests", conns()-1)
		}
		time.Sleep(5 * time.Second)
		if n := st.s.Stats().Open; n != 0 {
			t.Errorf("%d connections are left", n)
		}
		st.s.SetLeaving(false)
		get()
		get()
		if conns() != 4 {
			t.Errorf("after all, %d connections for two more requests", conns()-3)
		}
	})
}

func TestIdleHTTP2EndsAfterKeepAlive(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) { say(f, "hello") })
		st.do(st.h2(), newRequest(t, "GET", "/", nil))
		time.Sleep(59 * time.Second)
		if st.s.Stats().Open != 1 {
			t.Error("the connection ended too early")
		}
		time.Sleep(5 * time.Second)
		if st.s.Stats().Open != 0 {
			t.Error("the connection is open")
		}
	})
}

func TestMistakesInHTTP2AreCounted(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		c := st.dial(clientAddr, "")
		go func() { _, _ = io.Copy(io.Discard, c) }()
		c.frames(http2Hello, frame(rstFrame, 0, 1, cancelCode)) // of a stream that was not opened
		time.Sleep(2 * time.Second)
		if got := st.s.Stats(); got.BadHTTP2 == 0 || got.Open != 0 {
			t.Errorf("stats: %+v", got)
		}
	})
}

func TestRapidReset(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		release := make(chan struct{})
		var running, most atomic.Int64
		st.asExchange(func(front, *h1.Request) {
			most.Store(max(most.Load(), running.Add(1)))
			<-release // whatever becomes of the stream
			running.Add(-1)
		})
		c := st.dial(clientAddr, "")
		var last byte
		go func() { last = lastGoAway(c) }()
		c.frames(http2Hello)
		for id := uint32(1); id < 20_000; id += 2 {
			if !c.frames(frame(headersFrame, endStream|endHeaders, id, getHeaders), frame(rstFrame, 0, id, cancelCode)) {
				break
			}
		}
		close(release)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if most.Load() > mostStreams || last != 0xb { // ENHANCE_YOUR_CALM
			t.Errorf("%d handlers ran at once; closed with code %#x", most.Load(), last)
		}
		if st.s.Stats().Open != 0 {
			t.Error("the connection is open")
		}
	})
}

func TestContinuationsWithoutEnd(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(front, *h1.Request) { t.Error("it counts as a request") })
		c := st.dial(clientAddr, "")
		go func() { _, _ = io.Copy(io.Discard, c) }()
		c.frames(http2Hello, frame(headersFrame, 0, 1, getHeaders))
		sent, field := 0, "\x00\x01x\x7f\x80\x07"+strings.Repeat("y", 1023) // a literal of 127+896 octets
		for sent < 100<<20 && c.frames(frame(continuationFrame, 0, 1, strings.Repeat(field, 8))) {
			sent += 8 * len(field)
		}
		time.Sleep(5 * time.Second)
		if sent > 1<<20 || st.s.Stats().Open != 0 {
			t.Errorf("%d bytes are taken; %d connections are open", sent, st.s.Stats().Open)
		}
	})
}

// Of RFC 9113: types, flags, a code, and the fields of a GET of / for example.com without the dynamic table.
const (
	headersFrame, rstFrame, goAwayFrame, continuationFrame = 1, 3, 7, 9

	endStream, endHeaders = 1, 4

	cancelCode = "\x00\x00\x00\x08"
	getHeaders = "\x82\x86\x84\x01\x0bexample.com"
	http2Hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
)

// frame is a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = binary.BigEndian.AppendUint32(append(b, flags), stream)
	return string(b) + payload
}

// frames sends these. It returns false if the server takes them no more.
func (c *client) frames(frames ...string) bool {
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := io.WriteString(c.Conn, strings.Join(frames, ""))
	return err == nil
}

// lastGoAway reads frames to the end, and returns the code of the last GOAWAY, or 0.
func lastGoAway(r io.Reader) (code byte) {
	var head [9]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return code
		}
		payload := make([]byte, binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))
		if _, err := io.ReadFull(r, payload); err != nil {
			return code
		}
		if head[3] == goAwayFrame {
			code = payload[7]
		}
	}
}
