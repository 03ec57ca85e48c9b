package sampler

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newOrigin(t testing.TB, cfg OriginConfig) *Origin {
	t.Helper()
	if cfg.URL == nil {
		cfg.URL = mustURL(t, "http://origin.test:8080")
	}
	o, err := NewOrigin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A fake is an origin in memory: whoever dials talks to answer, or gets err.
type fake struct {
	mu     sync.Mutex
	err    error
	answer func(net.Conn) // closes the connection when it returns
	dials  int
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func (f *fake) set(err error, answer func(net.Conn)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.answer = err, answer
}

func (f *fake) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if f.err != nil {
		return nil, f.err
	}
	client, origin := net.Pipe()
	go func(answer func(net.Conn)) {
		defer origin.Close()
		answer(origin)
	}(f.answer)
	return client, nil
}

// dialled returns how many connections were asked for since the last call.
func (f *fake) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.dials = 0 }()
	return f.dials
}

// says answers any request with that text.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, text)
	}
}

// closing is a connection that tells when it is closed.
type closing struct {
	net.Conn
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return c.Conn.Close()
}

// deaf is a connection whose other end has answered and closed, so that nothing can be written any more.
type deaf struct {
	net.Conn
	response io.Reader
}

const overloaded = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"

func (d deaf) Read(b []byte) (int, error) { return d.response.Read(b) }
func (deaf) Write([]byte) (int, error)    { return 0, syscall.EPIPE }
func (deaf) Close() error                 { return nil }

// silent reads and never answers.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func response(status int) func(net.Conn) {
	return says(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok", status))
}

func TestNewOriginRefuses(t *testing.T) {
	ok := mustURL(t, "http://127.0.0.1:8080")
	for _, c := range []struct {
		name string
		cfg  OriginConfig
		want string
	}{
		{"no URL", OriginConfig{}, "origin is missing"},
		{"another scheme", OriginConfig{URL: mustURL(t, "fcgi://127.0.0.1:9000")}, "want http or https or h2c://host:port"},
		{"no host", OriginConfig{URL: mustURL(t, "http://:80")}, "want http or https or h2c://host:port"},
		{"a status page by TLS", OriginConfig{URL: ok, StatusURL: mustURL(t, "https://h/status")}, "want http://host:port"},
		{"a password is not shown", OriginConfig{URL: mustURL(t, "ftp://u:secret@h")}, "u:xxxxx@h"},
		{"a check that is no path", OriginConfig{URL: ok, Check: "health"}, `check "health"`},
		{"a check elsewhere", OriginConfig{URL: ok, Check: "http://example.org/"}, "want a path"},
		{"a check with a line end", OriginConfig{URL: ok, Check: "/a\r\nb"}, "want a path"},
		{"a status page elsewhere", OriginConfig{URL: ok, StatusURL: mustURL(t, "/status")}, "status_url"},
		{"less than no time", OriginConfig{URL: ok, Timeout: -1}, "none below 0"},
	} {
		if _, err := NewOrigin(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// paths answers each path with its text, and what it does not know with 404.
func paths(byPath map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		body, ok := byPath[r.URL.RequestURI()]
		status := map[bool]int{true: 200, false: 404}[ok]
		fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &fake{}
		o := newOrigin(t, OriginConfig{StatusURL: mustURL(t, "http://origin.test:8080/server-status?auto"), Dial: web.Dial})
		for _, c := range []struct {
			name        string
			answer      func(net.Conn)
			refuse      error
			busy, total int
			err         string // "": busy is known
		}{
			{
				name: "mod_status", busy: 3, total: 7,
				answer: paths(map[string]string{"/server-status?auto": "BusyWorkers: 3\nIdleWorkers: 4\n"}),
			},
			{name: "gone", answer: paths(nil), err: "status page: GET /server-status?auto: 404, want 200"},
			{name: "back", answer: paths(map[string]string{"/server-status?auto": "Scoreboard: W_"}), busy: 1, total: 2},
			{name: "something else", answer: paths(map[string]string{"/server-status?auto": "<html>"}), err: "it is HTML"},
			{name: "silence", answer: silent, err: "status page: GET /server-status?auto: no answer within 1s"},
			{
				name: "too long", err: "longer than 65536 bytes",
				answer: paths(map[string]string{"/server-status?auto": "Scoreboard: " + strings.Repeat("W", maxStatus)}),
			},
			{
				name: "cut off", err: "closed before the answer was whole",
				answer: says("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nScoreboard: W"),
			},
			{name: "the origin itself is down, so that nobody asks", refuse: errRefused, err: "-"},
		} {
			web.set(c.refuse, c.answer)
			o.Probe(t.Context())
			busy, total, ok := o.Busy()
			if ok != (c.err == "") || busy != c.busy || total != c.total {
				t.Errorf("%s: Busy() = %d, %d, %v, want %d, %d, %v", c.name, busy, total, ok, c.busy, c.total, c.err == "")
			}
			err := o.StatusError()
			switch {
			case c.err == "" || c.err == "-":
				if err != nil {
					t.Errorf("%s: StatusError() = %v", c.name, err)
				}
			case err == nil || !strings.Contains(err.Error(), c.err):
				t.Errorf("%s: StatusError() = %v, want one with %q", c.name, err, c.err)
			}
		}
	})
}

// TestRealSockets checks against a web server on loopback what a pipe cannot show.
func TestRealSockets(t *testing.T) {
	var asked atomic.Pointer[http.Request]
	var requests atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch r.URL.Path {
		case "/health":
			asked.Store(r)
		case "/elsewhere":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/large":
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer web.Close()
	probe := func(path string) (bool, string) {
		requests.Store(0)
		o := newOrigin(t, OriginConfig{URL: mustURL(t, web.URL), Check: path, Timeout: 10 * time.Second})
		o.Probe(t.Context())
		return o.Ready()
	}
	for _, path := range []string{"", "/health?x=1", "/elsewhere", "/large"} {
		if ready, why := probe(path); !ready {
			t.Errorf("check %q: down, %q", path, why)
		}
		if n := requests.Load(); path != "" && n != 1 {
			t.Errorf("check %q: %d requests, want 1: no redirect is followed", path, n)
		}
	}
	if ready, why := probe("//other.test/x"); ready || why != "GET //other.test/x: 418" {
		t.Errorf("a path of two slashes: %v, %q, want it asked of the origin itself", ready, why)
	}
	r := asked.Load()
	if r.Host != strings.TrimPrefix(web.URL, "http://") || r.UserAgent() != "backhand-check" || !r.Close ||
		r.Header.Get("Accept-Encoding") != "" || r.URL.RawQuery != "x=1" || r.Method != http.MethodGet {
		t.Errorf("the request: %s %s, host %s, %v", r.Method, r.URL, r.Host, r.Header)
	}
	withUser := mustURL(t, web.URL)
	withUser.User = url.UserPassword("check", "secret")
	newOrigin(t, OriginConfig{URL: withUser, Check: "/health"}).Probe(t.Context())
	if user, password, _ := asked.Load().BasicAuth(); user != "check" || password != "secret" {
		t.Errorf("asked as %q with %q, want what the URL names", user, password)
	}
	web.Close()
	for _, path := range []string{"", "/health"} {
		if ready, why := probe(path); ready || why != "connect: connection refused" {
			t.Errorf("check %q of a port where nobody listens: %v, %q", path, ready, why)
		}
	}
}

// web answers to /health, by TLS or by HTTP/2 without it.
func web(t *testing.T, version int, secure bool) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != version || r.URL.Path != "/health" || r.UserAgent() != "backhand-check" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		s.StartTLS()
	} else {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func TestOtherSchemes(t *testing.T) {
	secure, h2c := web(t, 1, true), web(t, 2, false)
	roots := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	asH2C := strings.Replace(h2c.URL, "http://", "h2c://", 1)
	for _, c := range []struct {
		name, url, check string
		tls              *tls.Config
		why              string
	}{
		{"TLS that is believed, connected to", secure.URL, "", &tls.Config{RootCAs: roots}, ""},
		{"TLS that is believed, asked", secure.URL, "/health", &tls.Config{RootCAs: roots}, ""},
		{"TLS that is believed, with another answer", secure.URL, "/other", &tls.Config{RootCAs: roots}, "GET /other: 418"},
		{"TLS by an unknown authority", secure.URL, "", nil, "connect: TLS: x509: certificate signed by unknown authority"},
		{"TLS with another name", secure.URL, "", &tls.Config{RootCAs: roots, ServerName: "www9"}, "connect: TLS: x509: certificate is valid for "},
		{"plain text where TLS is expected", strings.Replace(h2c.URL, "http:", "https:", 1), "", nil, "connect: "},
		{"h2c, connected to", asH2C, "", nil, ""},
		{"h2c, asked", asH2C, "/health", nil, ""},
		{"h2c, with another answer", asH2C, "/other", nil, "GET /other: 418"},
		{"h2c where TLS is spoken", strings.Replace(secure.URL, "https:", "h2c:", 1), "/health", nil, "GET /health: "},
	} {
		o := newOrigin(t, OriginConfig{URL: mustURL(t, c.url), Check: c.check, TLS: c.tls, Timeout: 10 * time.Second})
		o.Probe(t.Context())
		if ready, why := o.Ready(); ready != (c.why == "") || !strings.HasPrefix(why, c.why) {
			t.Errorf("%s: %v, %q, want %q", c.name, ready, why, c.why)
		}
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.test:3128")
	t.Setenv("http_proxy", "http://proxy.test:3128")
	var dialled string
	o := newOrigin(t, OriginConfig{Check: "/", Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = addr
		return nil, errors.New("seen")
	}})
	o.Probe(t.Context())
	if dialled != "origin.test:8080" {
		t.Errorf("dialled %q, want the origin itself", dialled)
	}
}
