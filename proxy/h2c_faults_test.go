package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What goes wrong with members that speak HTTP/2, and with their clients.

// A member that cannot be connected to is passed over, whatever the method, and its record says so.
func TestH2CNotConnected(t *testing.T) {
	for _, dark := range []bool{false, true} {
		inLab(t, func(t *testing.T, l *lab) {
			l.serveH2C(h2cAddr, named("fine"))
			l.addPhysical("web", "dead", "h2c://"+deadAddr)
			l.addPhysical("web", "p", "h2c://"+h2cAddr)
			l.net.dark[deadAddr] = dark
			l.agent("front", frontAddr, l.toWeb("order dead p"))
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if r := l.send("POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi"); r.StatusCode != 200 || r.body != "fine" {
						t.Errorf("dark %v: %d %q", dark, r.StatusCode, r.body)
					}
				})
			}
			all.Wait()
			dead := l.liveOf("web", "dead")
			if o := l.outcome(); o.Attempts != 2 || !dead.Unreachable(time.Now()) || dead.Outstanding() != 0 {
				t.Errorf("dark %v: %d attempts, unreachable %v, outstanding %d", dark, o.Attempts, dead.Unreachable(time.Now()), dead.Outstanding())
			}
			if n := l.net.dialled(deadAddr); dark && n != 1 {
				t.Errorf("dark %v: %d dials for requests that came at once", dark, n)
			}
		})
	}
}

// One that speaks no HTTP/2 gets no request; so another member may, whatever the method.
func TestH2CIsNotSpoken(t *testing.T) {
	for name, member := range map[string]func(c net.Conn, r *bufio.Reader){
		"HTTP/1.1": func(c net.Conn, r *bufio.Reader) {
			go r.WriteTo(io.Discard)
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		},
		"it hangs up":              func(net.Conn, *bufio.Reader) {},
		"it says nothing for long": func(net.Conn, *bufio.Reader) { time.Sleep(3 * time.Second / 2) },
		"half of a frame": func(c net.Conn, r *bufio.Reader) {
			go r.WriteTo(io.Discard)
			_, _ = io.WriteString(c, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00")
		},
		"another first frame": func(c net.Conn, r *bufio.Reader) {
			go r.WriteTo(io.Discard)
			_, _ = io.WriteString(c, frame(goAwayFrame, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				l.rawMember(h2cAddr, func(_ int, c net.Conn, r *bufio.Reader) {
					member(c, r)
				})
				l.serve("10.0.0.21:80", named("other"))
				l.addPhysical("web", "p", "h2c://"+h2cAddr)
				l.addPhysical("web", "q", "http://10.0.0.21:80")
				l.agent("front", frontAddr, l.toWeb("order p q"))
				begun := time.Now()
				r := l.send("POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi")
				o := l.outcome()
				if r.StatusCode != 200 || r.body != "other" || o.Attempts != 2 || time.Since(begun) > defaultConnect+time.Second {
					t.Errorf("%d %q after %d attempts and %v", r.StatusCode, r.body, o.Attempts, time.Since(begun))
				}
				if !l.liveOf("web", "p").Unreachable(time.Now()) {
					t.Error("it counts as reachable")
				}
			})
		})
	}
}

func TestH2CTimeOuts(t *testing.T) {
	stuck := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	half := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for _, tc := range []struct {
		name   string
		member http.HandlerFunc
		total  time.Duration
		status int
		reason string
		took   time.Duration
	}{
		{"of the head", stuck, 0, 504, "timeout", 30 * time.Second},
		{"of the body", half, 0, 200, "broken", 20 * time.Second},
		{"of all, before the head", stuck, 5 * time.Second, 504, "total", 5 * time.Second},
		{"of all, in the body", half, 5 * time.Second, 200, "total", 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var ended atomic.Int64
			member := func(w http.ResponseWriter, r *http.Request) { tc.member(w, r); ended.Add(1) }
			inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
				s := *l.handler["front"].site.Load()
				s.Total = tc.total
				l.handler["front"].SetSite(&s.Site)
				r := l.send("POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi")
				o := l.outcome()
				if r.StatusCode != tc.status || o.Reason != tc.reason || o.Took != tc.took || ended.Load() != 1 {
					t.Errorf("%d, %q, %s after %v; the member's handler ended: %d", r.StatusCode, r.body, o.Reason, o.Took, ended.Load())
				}
				if live := l.liveOf("web", "p"); live.Outstanding() != 0 {
					t.Error("it counts as outstanding")
				}
			})
		})
	}
}

// A connection on which a response did not come in time is used no more.
func TestH2CDeadConnectionIsLeft(t *testing.T) {
	var stuck atomic.Bool
	member := func(w http.ResponseWriter, r *http.Request) {
		if stuck.Load() {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "fine")
	}
	inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
		l.get("/")
		stuck.Store(true)
		l.get("/")
		stuck.Store(false)
		if r := l.get("/"); r.body != "fine" || l.net.dialled(h2cAddr) != 2 {
			t.Errorf("%q, %d connections", r.body, l.net.dialled(h2cAddr))
		}
	})
}

func TestH2CClientThatGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		body func(ctx context.Context) io.Reader
		head bool // of the response is there
	}{
		{"while it waits", func(context.Context) io.Reader { return nil }, false},
		{"in its body", func(ctx context.Context) io.Reader {
			r, w := io.Pipe()
			go func() { _, _ = io.WriteString(w, "hello") }()
			context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
			return r
		}, false},
		{"in the response", func(context.Context) io.Reader { return nil }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cut := make(chan bool, 1)
			member := func(w http.ResponseWriter, r *http.Request) {
				if c.head {
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
				cut <- true
			}
			inH2C(t, member, func(t *testing.T, l *lab, h2 *http.Transport) {
				h1 := &http.Transport{DialContext: l.dialFront}
				defer h1.CloseIdleConnections()
				for _, tr := range []*http.Transport{h1, h2} {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					if _, got := fetch(tr, newRequest(t, "POST", "/", c.body(ctx)).WithContext(ctx)); !strings.Contains(got, "canceled") {
						t.Errorf("answered %q", got)
					}
					time.Sleep(2 * time.Second)
					if o := l.outcome(); o.Reason != "client" || c.head != (o.Status == 200) {
						t.Errorf("outcome: %d, %s, %v", o.Status, o.Reason, o.Err)
					}
					select {
					case <-cut:
					default:
						t.Error("the member still works for it")
					}
					if live := l.liveOf("web", "p"); live.Outstanding() != 0 || live.Unreachable(time.Now()) {
						t.Error("the member is blamed")
					}
				}
			})
		})
	}
}

func TestH2CClientThatReadsSlowlyHoldsNobodyUp(t *testing.T) {
	member := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			b := make([]byte, 64<<10)
			for {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}
		_, _ = io.WriteString(w, "small")
	}
	inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
		for range 20 {
			c := l.conn(clientAddr, frontAddr)
			go func() { _, _ = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n") }()
		}
		synctest.Wait()
		begun := time.Now()
		if r := l.get("/"); r.body != "small" || time.Since(begun) > time.Second {
			t.Errorf("%q after %v", r.body, time.Since(begun))
		}
		time.Sleep(time.Minute)
		if o := l.outcome(); o.Reason != "slow" || l.outcomes() != 21 {
			t.Errorf("%d outcomes, the last: %s", l.outcomes(), o.Reason)
		}
	})
}

// An early response ends the request: the client gets it, and its body is not waited for.
func TestH2CEarlyResponse(t *testing.T) {
	member := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	}
	inH2C(t, member, func(t *testing.T, l *lab, tr *http.Transport) {
		r, w := io.Pipe()
		go func() {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		res, got := fetch(tr, newRequest(t, "POST", "/", r))
		if res.StatusCode != 413 || got != "too much\n" {
			t.Errorf("%d %q", res.StatusCode, got)
		}
		_ = r.Close()
		if o := l.outcome(); o.Status != 413 || o.Attempts != 1 {
			t.Errorf("outcome: %+v", o)
		}
	})
}

// A client whose body is malformed, or breaks off, leaves the member with a reset, never with a body that seems whole.
func TestH2CBodyThatBreaksOff(t *testing.T) {
	for _, body := range []string{"5\r\nhello\r\n", "5\r\nhello\r\nxx\r\n"} {
		ended := make(chan error, 1)
		member := func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			ended <- err
		}
		inH2C(t, member, func(t *testing.T, l *lab, _ *http.Transport) {
			c := l.conn(clientAddr, frontAddr)
			go func() {
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
				time.Sleep(time.Second)
				_, _ = io.WriteString(c, body)
				time.Sleep(time.Second)
				if !strings.Contains(body, "xx") {
					_ = c.Close()
				}
			}()
			_, _ = io.Copy(io.Discard, c)
			time.Sleep(time.Second)
			if err := <-ended; err == nil {
				t.Errorf("%q: the member takes the body for complete", body)
			}
			if live := l.liveOf("web", "p"); live.Outstanding() != 0 {
				t.Error("it counts as outstanding")
			}
		})
	}
}
