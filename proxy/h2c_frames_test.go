package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frameMember is a connection to a member that is made of frames.
type frameMember struct {
	*http2.Framer
	c   laterWriter
	buf bytes.Buffer
	enc *hpack.Encoder
}

// laterWriter writes in a goroutine of its own: on a net.Pipe, two who write and do not read would wait for ever.
type laterWriter chan []byte

func newLaterWriter(c net.Conn) laterWriter {
	w := make(laterWriter, 1000)
	go func() {
		for b := range w {
			if b == nil {
				_ = c.Close()
			}
			_, _ = c.Write(b)
		}
	}()
	return w
}

func (w laterWriter) Write(b []byte) (int, error) {
	w <- append([]byte{}, b...)
	return len(b), nil
}

// Close closes the connection when all was written.
func (w laterWriter) Close() error { w <- nil; return nil }

// serveFrames runs a member that hands each request to answer, with the number of its connection and of its stream, when
// all of the request is there.
func (l *lab) serveFrames(addr string, answer func(m *frameMember, conn int, stream uint32)) {
	l.rawMember(addr, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := io.CopyN(io.Discard, r, int64(len(http2.ClientPreface))); err != nil {
			return
		}
		w := newLaterWriter(c)
		defer close(w)
		m := &frameMember{Framer: http2.NewFramer(w, r), c: w}
		m.enc = hpack.NewEncoder(&m.buf)
		_ = m.WriteSettings()
		for {
			f, err := m.ReadFrame()
			if err != nil {
				return
			}
			if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
				_ = m.WriteSettingsAck()
			}
			if f.Header().Flags.Has(http2.FlagDataEndStream) && f.Header().StreamID > 0 {
				answer(m, n, f.Header().StreamID)
			}
		}
	})
}

// head sends the head of a response: names and values by turns.
func (m *frameMember) head(stream uint32, end bool, fields ...string) {
	m.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = m.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = m.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: m.buf.Bytes(), EndHeaders: true, EndStream: end})
}

func (m *frameMember) fine(stream uint32) {
	m.head(stream, false, ":status", "200", "content-length", "4")
	_ = m.WriteData(stream, true, []byte("fine"))
}

const postHi = "POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi"

// What of HTTP/2 a response must not be (RFC 9113, section 8), and what ends a request, is neither passed on nor taken for
// a whole response.
func TestH2CResponsesThatAreNone(t *testing.T) {
	reply := func(fields ...string) func(m *frameMember, _ int, stream uint32) {
		return func(m *frameMember, _ int, stream uint32) {
			m.head(stream, false, fields...)
			_ = m.WriteData(stream, true, []byte("hello"))
		}
	}
	for _, tc := range []struct {
		name   string
		answer func(m *frameMember, conn int, stream uint32)
		status int
		reason string
	}{
		{"Connection", reply(":status", "200", "connection", "x"), 502, "malformed"},
		{"Transfer-Encoding", reply(":status", "200", "transfer-encoding", "chunked"), 502, "malformed"},
		{"Keep-Alive", reply(":status", "200", "keep-alive", "timeout=5"), 502, "malformed"},
		{"Upgrade", reply(":status", "200", "upgrade", "h2c"), 502, "malformed"},
		{"two lengths", reply(":status", "200", "content-length", "5", "content-length", "6"), 502, "malformed"},
		{"the same length twice", reply(":status", "200", "content-length", "5", "content-length", "5"), 502, "malformed"},
		{"a length with a sign", reply(":status", "200", "content-length", "+5"), 502, "malformed"},
		{"a field with a line break", reply(":status", "200", "x", "a\r\nb: c"), 502, "malformed"},
		{"an upper-case name", reply(":status", "200", "X", "a"), 502, "malformed"},
		{"no status", reply("x", "a"), 502, "malformed"},
		{"status 99", reply(":status", "99"), 502, "malformed"},
		{"status 600", reply(":status", "600"), 502, "malformed"},
		{"status abc", reply(":status", "abc"), 502, "malformed"},
		{"101", reply(":status", "101"), 502, "malformed"},
		{"a head that is too long", reply(":status", "200", "x", strings.Repeat("x", 70<<10)), 502, "malformed"},
		{"too many fields", reply(append([]string{":status", "200"}, strings.Split(strings.Repeat("a,b,", 130)+"c,d", ",")...)...), 502, "malformed"},
		{"a body that is too short", reply(":status", "200", "content-length", "6"), 200, "broken"},
		{"a body that is too long", reply(":status", "200", "content-length", "4"), 200, "broken"},
		{"no body at all", func(m *frameMember, _ int, stream uint32) {
			m.head(stream, true, ":status", "200", "content-length", "4")
		}, 200, "broken"},
		{"no end of interim responses", func(m *frameMember, _ int, stream uint32) {
			for range 50 {
				m.head(stream, false, ":status", "103")
			}
		}, 502, "malformed"},
		{"a reset", func(m *frameMember, _ int, stream uint32) { _ = m.WriteRSTStream(stream, http2.ErrCodeInternal) }, 502, "closed"},
		{"a reset in the body", func(m *frameMember, _ int, stream uint32) {
			m.head(stream, false, ":status", "200")
			_ = m.WriteData(stream, false, []byte("hello"))
			_ = m.WriteRSTStream(stream, http2.ErrCodeInternal)
		}, 200, "broken"},
		{"the end of the connection", func(m *frameMember, _ int, _ uint32) { _ = m.c.Close() }, 502, "closed"},
		{"the end of the connection in the body", func(m *frameMember, _ int, stream uint32) {
			m.head(stream, false, ":status", "200")
			_ = m.WriteData(stream, false, []byte("hello"))
			_ = m.c.Close()
		}, 200, "broken"},
		{"a GOAWAY that counts the request among those that were taken", func(m *frameMember, _ int, stream uint32) {
			_ = m.WriteGoAway(stream, http2.ErrCodeNo, nil)
			_ = m.c.Close()
		}, 502, "closed"},
		{"a frame that is none", func(m *frameMember, _ int, _ uint32) { _ = m.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) }, 502, "malformed"},
		{"HTTP/1.1", func(m *frameMember, _ int, _ uint32) {
			_, _ = io.WriteString(m.c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		}, 502, "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				asked := 0
				l.serveFrames(h2cAddr, func(m *frameMember, conn int, stream uint32) {
					asked++
					tc.answer(m, conn, stream)
				})
				l.addPhysical("web", "p", "h2c://"+h2cAddr)
				l.agent("front", frontAddr, l.toWeb())
				c := l.conn(clientAddr, frontAddr)
				go func() { _, _ = io.WriteString(c, strings.ReplaceAll(postHi, "\n", "\r\n")) }()
				r := readFinal(t, c)
				o := l.outcome()
				if r.StatusCode != tc.status || o.Reason != tc.reason || asked != 1 {
					t.Errorf("%d, %s, asked %d times: %q; %v", r.StatusCode, o.Reason, asked, r.body, o.Err)
				}
				// One that is too long is cut off where it was announced to end.
				if whole := r.ContentLength == int64(len(r.body)) && r.ContentLength != 4; tc.status == 200 && (whole || r.err == nil && r.ContentLength != 4) {
					t.Errorf("it is taken for complete: %d of %d bytes", len(r.body), r.ContentLength)
				}
				if live := l.liveOf("web", "p"); live.Outstanding() != 0 {
					t.Error("it counts as outstanding")
				}
			})
		})
	}
}

// finalReply is a response that is not interim, and how its body ended.
type finalReply struct {
	*http.Response
	body string
	err  error
}

func readFinal(t *testing.T, c net.Conn) finalReply {
	t.Helper()
	for r := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode >= 200 {
			b, err := io.ReadAll(res.Body)
			return finalReply{res, string(b), err}
		}
	}
}

// What a member says that it has not touched runs again, whatever the method: there first, and then elsewhere.
func TestH2CUntouchedRequestsRunAgain(t *testing.T) {
	refuse := func(m *frameMember, stream uint32) { _ = m.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }
	leave := func(m *frameMember, stream uint32) { _ = m.WriteGoAway(max(stream, 2)-2, http2.ErrCodeNo, nil) }
	for _, tc := range []struct {
		name     string
		times    int
		how      func(m *frameMember, stream uint32)
		refusals int
	}{
		{"refused once", 1, refuse, 0},
		{"refused twice", 2, refuse, 0},
		{"refused always", 100, refuse, 1},
		{"it leaves", 1, leave, 0},
		{"it leaves twice", 2, leave, 0},
		{"it always leaves", 100, leave, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				left := 0 // how often it is still to refuse
				l.serveFrames(h2cAddr, func(m *frameMember, _ int, stream uint32) {
					if left > 0 {
						left--
						tc.how(m, stream)
						return
					}
					m.fine(stream)
				})
				l.serve("10.0.0.21:80", named("other"))
				l.addPhysical("web", "p", "h2c://"+h2cAddr)
				l.addPhysical("web", "q", "http://10.0.0.21:80")
				l.agent("front", frontAddr, l.toWeb("order p q"))
				for _, body := range []string{"Content-Length: 2\n\nhi", "Transfer-Encoding: chunked\n\n2\nhi\n0\n\n"} {
					left = 0
					l.get("/") // so that the stream is not the connection's first
					left = tc.times
					want := "fine"
					if tc.refusals > 0 {
						want = "other"
					}
					r := l.send("POST / HTTP/1.1\nHost: x\n" + body)
					o := l.outcome()
					if r.body != want || o.Attempts != 1 || o.Refusals != tc.refusals || o.Err != nil {
						t.Errorf("%q: %d %q; %d attempts, %d refusals", body, r.StatusCode, r.body, o.Attempts, o.Refusals)
					}
					if live := l.liveOf("web", "p"); live.Outstanding() != 0 || live.Unreachable(time.Now()) {
						t.Error("it counts as outstanding, or unreachable")
					}
				}
			})
		})
	}
}

// A connection that turns out to be closed when it is used again costs nothing that may run twice, and runs nothing twice
// that must not.
func TestH2CConnectionIsLostWhenUsedAgain(t *testing.T) {
	for _, tc := range []struct {
		method string
		status int
	}{{"GET", 200}, {"PUT", 200}, {"POST", 502}, {"PATCH", 502}} {
		t.Run(tc.method, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				l.serveFrames(h2cAddr, func(m *frameMember, conn int, stream uint32) {
					if conn == 1 && stream > 1 {
						_ = m.c.Close()
						return
					}
					m.fine(stream)
				})
				l.addPhysical("web", "p", "h2c://"+h2cAddr)
				l.agent("front", frontAddr, l.toWeb())
				l.get("/")
				r := l.send(strings.Replace(postHi, "POST", tc.method, 1))
				if r.StatusCode != tc.status || l.outcome().Attempts != 1 {
					t.Errorf("%d after %d attempts", r.StatusCode, l.outcome().Attempts)
				}
			})
		})
	}
}

// A body of which a part was passed on that is too long to be kept is not sent again.
func TestH2CRefusedTooLate(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.rawMember(h2cAddr, func(_ int, c net.Conn, r *bufio.Reader) {
			_, _ = io.CopyN(io.Discard, r, int64(len(http2.ClientPreface)))
			w := newLaterWriter(c)
			defer close(w)
			m := http2.NewFramer(w, r)
			_ = m.WriteSettings()
			for got := 0; ; {
				f, err := m.ReadFrame()
				if err != nil {
					return
				}
				d, ok := f.(*http2.DataFrame)
				if !ok {
					continue
				}
				got += len(d.Data())
				_, _ = m.WriteWindowUpdate(0, uint32(len(d.Data()))), m.WriteWindowUpdate(d.StreamID, uint32(len(d.Data())))
				if got > keepBody+1000 {
					_ = m.WriteRSTStream(d.StreamID, http2.ErrCodeRefusedStream)
				}
			}
		})
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		l.agent("front", frontAddr, l.toWeb())
		r := l.send(fmt.Sprintf("POST / HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", 100<<10, strings.Repeat("x", 100<<10)))
		if o := l.outcome(); r.StatusCode != 503 || o.Reason != "late" && o.Reason != "refused" || l.net.dialled(h2cAddr) != 1 {
			t.Errorf("%d, on %d connections", r.StatusCode, l.net.dialled(h2cAddr))
		}
	})
}

// Frames that the member sends after its response was given up do no harm to the others on the connection.
func TestH2CGivenUpStreamsHarmNobody(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.serveFrames(h2cAddr, func(m *frameMember, _ int, stream uint32) {
			if stream == 1 {
				m.head(stream, false, ":status", "200")
				_ = m.WriteData(stream, false, make([]byte, 10<<10))
				return
			}
			if stream == 5 {
				_ = m.WriteData(1, true, make([]byte, 10<<10))
			}
			m.fine(stream)
		})
		l.addPhysical("web", "p", "h2c://"+h2cAddr)
		l.agent("front", frontAddr, l.toWeb())
		c := l.conn(clientAddr, frontAddr)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, _ = io.ReadFull(c, make([]byte, 1000))
		_ = c.Close()
		synctest.Wait()
		for range 4 {
			if r := l.get("/"); r.body != "fine" {
				t.Errorf("%d %q", r.StatusCode, r.body)
			}
			time.Sleep(2 * time.Second)
		}
		if n := l.net.dialled(h2cAddr); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
