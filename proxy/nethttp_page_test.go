package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/proxy/h1"
)

func TestPageOverHTTP1(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		var status int
		var size int64
		var ok bool
		st.asExchange(func(f front, _ *h1.Request) { status, size, ok = f.page(named("status")) })
		c := st.dial(clientAddr, "")
		if got := c.ask("GET /status/ HTTP/1.1\nHost: example.com\n\nGET /status/ HTTP/1.1\nHost: example.com\n\n"); got != "200 status close" {
			t.Errorf("answered %q", got)
		}
		if !c.isClosed() || status != 200 || size != 6 || !ok {
			t.Errorf("status %d, %d bytes, ok %v; closed: %v", status, size, ok, c.isClosed())
		}
	})
}

func TestRequestOverHTTP1ThatIsForNoPage(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, req *h1.Request) {
			if req.Upgrade != nil {
				t.Error("it may be upgraded")
			}
			b, err := io.ReadAll(bodyOf(f.readBody))
			say(f, fmt.Sprintf("status: %q, %v, minor %d", b, err, req.Minor))
		})
		for request, want := range map[string]string{
			"GET /status/ HTTP/1.1\nHost: x\nConnection: upgrade\nUpgrade: websocket\n\n": `200 status: "", <nil>, minor 1 close`,
			"GET /status/ HTTP/1.0\n\n":                                                                       `200 status: "", <nil>, minor 0 close`,
			"GET /status/ HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello":                                      `200 status: "hello", <nil>, minor 1 close`,
			"GET /status/ HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n":                   `200 status: "hello", <nil>, minor 1 close`,
			"GET /status/ HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\nhello\n0\n\n":                  `200 status: "", chunk_size: A chunk's size is not a hexadecimal number., minor 1 close`,
			"GET /status/ HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Type: text/x\n\n0\nA: b\n\n": `200 status: "", <nil>, minor 1 close`,
		} {
			c := st.dial(clientAddr, "")
			if got := c.ask(request); got != want {
				t.Errorf("%q is answered %q, want %q", request, got, want)
			}
			time.Sleep(time.Second) // for which net/http waits where it has not read all
			if !c.isClosed() {
				t.Errorf("after %q the connection is open", request)
			}
		}
	})
}

func TestPageThatPanics(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		late := false
		st.asExchange(func(f front, _ *h1.Request) {
			f.page(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if late {
					_, _ = io.WriteString(w, "half")
					_ = http.NewResponseController(w).Flush()
				}
				panic("oops")
			}))
		})
		tr := st.h2()
		if res, body := st.do(tr, newRequest(t, "GET", "/", nil)); res.StatusCode != 500 || strings.Contains(body, "oops") {
			t.Errorf("answered %d, %q", res.StatusCode, body)
		}
		late = true
		res, err := tr.RoundTrip(newRequest(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("a page that broke off reads as complete: %q", b)
		}
		synctest.Wait()
		if n := st.s.Stats().Panics; n != 2 || !strings.Contains(st.log.String(), "oops") {
			t.Errorf("%d panics are counted; the log has:\n%s", n, st.log.String())
		}
	})
}

func TestShutdownDoesNotWaitForPages(t *testing.T) {
	for _, proto := range []*http.Protocols{onlyHTTP1, onlyH2C} {
		t.Run(proto.String(), func(t *testing.T) {
			inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
				st.asExchange(func(f front, _ *h1.Request) {
					f.page(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_ = http.NewResponseController(w).Flush()
						<-r.Context().Done() // as the live page does
					}))
				})
				tr := st.h2()
				tr.Protocols = proto
				res, err := tr.RoundTrip(newRequest(t, "GET", "/status/live", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				begun := time.Now()
				if err := st.s.Shutdown(t.Context()); err != nil || time.Since(begun) > 2*time.Second {
					t.Errorf("Shutdown: %v after %v", err, time.Since(begun))
				}
				if err := st.s.Close(); err != nil {
					t.Error(err)
				}
				if _, err := res.Body.Read(make([]byte, 1)); err == nil {
					t.Error("Close does not cut the page off")
				}
			})
		})
	}
}
