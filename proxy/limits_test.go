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

	"backhand/proxy/h1"
)

// drip sends a text byte by byte, one a second, until the other end has had enough.
func drip(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// Who sends a head byte by byte has ClientHead for it, from its first byte, and not a second more.
func TestSlowHeads(t *testing.T) {
	long := "GET /" + strings.Repeat("x", 1000) + " HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tc := range []struct {
		what, first, slow string
		answer            string
		took              time.Duration // until the connection ends, or says so
	}{
		{"nothing at all", "", "", "closed", 10 * time.Second},
		{"a head", "", long, "408 close", 10 * time.Second},
		{"a head behind a request", anyRequest, long, "408 close", 10 * time.Second},
		{"a head of which most comes at once", "GET / HTTP/1.1\nHost: x\n", "X: " + long, "408 close", 10 * time.Second},
		{"an empty line", "", "\r\n", "closed", 10 * time.Second},
		{"empty lines", "", strings.Repeat("\r\n", 1000), "400 close", 9 * time.Second},
		{"the preface of HTTP/2", "", "PRI * HTTP/2.0\r\n\r\n", "closed", 10 * time.Second},
		{"nothing behind a request", anyRequest, "", "closed", time.Minute},
	} {
		inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
			c := st.dial(clientAddr, "")
			if strings.HasPrefix(tc.first, anyRequest) {
				if got := c.ask(anyRequest); got != "404" {
					t.Fatal(got)
				}
			} else if tc.first != "" {
				c.send(tc.first)
			}
			begun := time.Now()
			_ = c.SetWriteDeadline(time.Time{})
			go drip(c, tc.slow)
			if got := c.answer(); got != tc.answer || time.Since(begun) != tc.took {
				t.Errorf("%s: %q after %v, want %q after %v", tc.what, got, time.Since(begun), tc.answer, tc.took)
			}
			_, _ = io.Copy(io.Discard, c.r)
			if late := time.Since(begun) - tc.took; late > linger {
				t.Errorf("%s: closed %v after the answer, though it goes on", tc.what, late)
			}
			time.Sleep(2 * time.Second) // until drip sees it
			if n := st.s.Stats().Open; n != 0 {
				t.Errorf("%s: %d connections are open", tc.what, n)
			}
		})
	}
}

// What is too long is refused as soon as that is known, also if the rest never comes.
func TestLimitsOfHeads(t *testing.T) {
	for _, tc := range []struct {
		what, request string
		status        string
		reason        string
	}{
		{"a request line of 16 KiB", "GET /" + strings.Repeat("x", 16<<10), "414", "line_size"},
		{"a field of 64 KiB", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10), "431", "head_size"},
		{"many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 129), "431", "fields"},
		{"fields without end", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100), "431", "head_size"},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.agent("front", frontAddr, l.toWeb())
			c := l.conn(clientAddr, frontAddr)
			go func() { _, _ = io.WriteString(c, tc.request) }()
			got := l.read(c, "GET")
			if o := l.outcome(); fmt.Sprint(got.StatusCode) != tc.status || !got.Close || o.Took != 0 || o.Status != got.StatusCode {
				t.Errorf("%s: %d, %q after %v", tc.what, got.StatusCode, o.Reason, o.Took)
			}
		})
	}
}

// MaxBody holds by what is announced and by what comes; a member that is asked sees no complete request.
func TestMaxBody(t *testing.T) {
	const most = 100 << 10
	chunks := func(n int) string {
		return "Transfer-Encoding: chunked\n\n" + strings.Repeat("400\n"+strings.Repeat("x", 1024)+"\n", n>>10)
	}
	for _, tc := range []struct {
		what, rest string
		status     int
	}{
		{"as long as may be", fmt.Sprintf("Content-Length: %d\n\n%s", most, strings.Repeat("x", most)), 200},
		{"chunks, as long as may be", chunks(most) + "0\n\n", 200},
		{"a byte more", fmt.Sprintf("Content-Length: %d\n\n%s", most+1, strings.Repeat("x", most+1)), 413},
		{"a byte more in chunks", chunks(most) + "1\nx\n0\n\n", 413},
		{"chunks without end", chunks(2 * most), 413},
		{"a huge chunk", "Transfer-Encoding: chunked\n\n7fffffffffffffff\n" + strings.Repeat("x", 2*most), 413},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			whole := false
			l.addPhysical("web", "p", "http://127.0.0.1:8080")
			l.rawMember("127.0.0.1:8080", func(_ int, c net.Conn, r *bufio.Reader) {
				if req, err := http.ReadRequest(r); err == nil {
					n, err := io.Copy(io.Discard, req.Body)
					whole = err == nil
					_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-N: %d\r\n\r\n", n)
				}
			})
			s := l.toWeb()
			s.MaxBody = most
			l.agent("front", frontAddr, s)
			got := l.send("POST / HTTP/1.1\nHost: x\n" + tc.rest)
			synctest.Wait()
			live := l.liveOf("web", "p")
			if got.StatusCode != tc.status || whole != (tc.status == 200) || live.Failed() != 0 || live.Outstanding() != 0 {
				t.Errorf("%s: %d; the member saw all: %v, failed %d, %d outstanding", tc.what, got.StatusCode, whole, live.Failed(), live.Outstanding())
			}
		})
	}
}

// Trailers that trickle in have as long as any other part of a body.
func TestTricklingTrailers(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.twoPhysicals(swallows, says(200, "q"), nil)
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
		go drip(c, "X: "+strings.Repeat("x", 1000))
		got := l.read(c, "POST")
		if o := l.outcome(); got.StatusCode != 408 || o.Took != time.Minute || l.liveOf("web", "p").Failed() != 0 {
			t.Errorf("%d, %q after %v", got.StatusCode, o.Reason, o.Took)
		}
	})
	inLab(t, func(t *testing.T, l *lab) {
		l.twoPhysicals(func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := http.ReadRequest(r); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
				drip(c, strings.Repeat("X: y\r\n", 1000))
			}
		}, says(200, "q"), nil)
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(res.Body)
		if o := l.outcome(); err == nil || o.Reason != "broken" || l.liveOf("web", "p").Failed() != 1 {
			t.Errorf("more trailers than a head may have fields: the client sees %v; %q after %v", err, o.Reason, o.Took)
		}
	})
}

// Members' heads are bounded like those of clients, and interim ones are counted.
func TestMemberThatSendsHeadsWithoutEnd(t *testing.T) {
	for what, flood := range map[string]string{
		"interim responses":          "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
		"interim responses, to HTTP": "HTTP/1.1 100 Continue\r\n\r\n",
		"fields":                     "X: y\r\n",
		"one line":                   "xxxxxxxxxxxxx",
	} {
		inLab(t, func(t *testing.T, l *lab) {
			var sent int
			l.twoPhysicals(func(_ int, c net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				if !strings.HasPrefix(flood, "HTTP") {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				}
				for {
					n, err := io.WriteString(c, flood)
					if sent += n; err != nil {
						return
					}
				}
			}, says(200, "q"), nil)
			c := l.conn(clientAddr, frontAddr)
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			r := bufio.NewReader(c)
			res, err := http.ReadResponse(r, nil)
			for err == nil && res.StatusCode < 200 {
				res, err = http.ReadResponse(r, nil)
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			o, p := l.outcome(), l.liveOf("web", "p")
			if res.StatusCode != 502 || o.Reason != "malformed" || p.Failed() != 1 || p.Outstanding() != 0 || sent > h1.DefaultHead+8<<10 {
				t.Errorf("%s: %d, %q after %v; failed %d; %d bytes are taken", what, res.StatusCode, o.Reason, o.Took, p.Failed(), sent)
			}
		})
	}
}

// reads counts how often it is read from until the end, and how much.
func reads(r io.Reader) (n, times int, all []byte) {
	var b bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		b.Write(buf[:k])
		if n += k; err != nil {
			return n, times, b.Bytes()
		}
		times++
	}
}

// A body in chunks of a byte each does not leave in pieces of a byte each, in neither direction: such pieces would cost
// us a system call and a packet each, and the attacker nothing.
func TestTinyChunksArePutTogether(t *testing.T) {
	const count = 200 << 10
	tiny := strings.Repeat("1\r\nx\r\n", count) + "0\r\n\r\n"
	inLab(t, func(t *testing.T, l *lab) {
		type seen struct{ n, times int }
		member := make(chan seen, 1)
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.rawMember("127.0.0.1:8080", func(_ int, c net.Conn, r *bufio.Reader) {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.Method == "GET" {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+tiny)
				return
			}
			rest, _ := r.Peek(r.Buffered())
			times, buf := 0, make([]byte, 64<<10)
			for !bytes.HasSuffix(rest, []byte("\r\n0\r\n\r\n")) {
				n, err := c.Read(buf)
				if err != nil {
					break
				}
				rest = append(rest, buf[:n]...)
				times++
			}
			member <- seen{bytes.Count(rest, []byte("x")), times}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		l.agent("front", frontAddr, l.toWeb())
		if got := l.send("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n" + strings.ReplaceAll(tiny, "\r\n", "\n")); got.StatusCode != 200 {
			t.Errorf("answered %d", got.StatusCode)
		}
		if got := <-member; got.n != count || got.times > count/100 {
			t.Errorf("the member gets %d bytes of %d in %d pieces", got.n, count, got.times)
		}
		c := l.conn(clientAddr, frontAddr)
		write(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		_, times, all := reads(c)
		if n := bytes.Count(all, []byte("\r\nx")); n != count || times > count/100 {
			t.Errorf("the client gets %d bytes of %d in %d pieces", n, count, times)
		}
	})
}

// HTTP/2: frames that ask for an answer each, of a client that reads none, are not queued without end.
func TestHTTP2ControlFrameFloods(t *testing.T) {
	for what, f := range map[string]string{
		"PING":          frame(6, 0, 0, "12345678"),
		"SETTINGS":      frame(4, 0, 0, ""),
		"empty DATA":    frame(0, 0, 1, ""),
		"PRIORITY":      frame(2, 0, 1, "\x00\x00\x00\x00\x10"),
		"WINDOW_UPDATE": frame(8, 0, 0, "\x00\x00\x00\x01"),
	} {
		inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
			st.asExchange(func(f front, _ *h1.Request) { say(f, "hello") })
			c := st.dial(clientAddr, "") // which reads nothing
			if !c.frames(http2Hello) {
				t.Fatal("not taken")
			}
			burst := strings.Repeat(f, 1000)
			sent := 0
			for sent < 100_000 && c.frames(burst) {
				sent += 1000
			}
			time.Sleep(5 * time.Minute)
			if open := st.s.Stats().Open; open != 0 {
				t.Errorf("%s: %d frames are taken, and the connection is open after 5 minutes", what, sent)
			}
		})
	}
}
