package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/proxy/h1"
)

// keyPair is a certificate for example.com and 127.0.0.1, and a client's configuration that believes it.
func keyPair(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return &tls.Config{Certificates: s.TLS.Certificates}, client
}

// overTCP starts a server on loopback.
func overTCP(t *testing.T, cfg ServerConfig) (st *stand, addr string) {
	t.Helper()
	st = newStand(t, cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st.start(ln)
	t.Cleanup(st.stop)
	return st, ln.Addr().String()
}

// sayHow has requests of net/http's answered by what is known of them.
func sayHow(f front, a *arrival, lim *h1.Limits, head []byte, err error) {
	var req h1.Request
	if err == nil {
		_, err = h1.ParseRequest(head, lim, &req)
	}
	text := fmt.Sprintf("%s %s tls=%v from %s err=%v", a.proto, req.Path, a.tls, a.peer, err)
	f.page(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
}

func protocols(set ...func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	for _, f := range set {
		f(p, true)
	}
	return p
}

var (
	onlyHTTP1 = protocols((*http.Protocols).SetHTTP1)
	onlyHTTP2 = protocols((*http.Protocols).SetHTTP2)
	onlyH2C   = protocols((*http.Protocols).SetUnencryptedHTTP2)
)

func TestProtocolsOverTCP(t *testing.T) {
	serverTLS, clientTLS := keyPair(t)
	for _, c := range []struct {
		name   string
		tls    bool
		protos *http.Protocols
		url    string
		want   string
	}{
		{"HTTP/1 in plain text", false, onlyHTTP1, "http://%s/x", "HTTP/1.1 404"},
		{"HTTP/1 over TLS", true, onlyHTTP1, "https://%s/x", "HTTP/1.1 404"},
		{"HTTP/2 by ALPN", true, onlyHTTP2, "https://%s/x", "HTTP/2.0 200 HTTP/2.0 /x tls=true from 127.0.0.1 err=<nil>"},
		{"HTTP/2 by prior knowledge", false, onlyH2C, "http://%s/x", "HTTP/2.0 200 HTTP/2.0 /x tls=false from 127.0.0.1 err=<nil>"},
		{"a page over HTTP/1", false, onlyHTTP1, "http://%s/status/", "HTTP/1.1 200  /status/ tls=false from 127.0.0.1 err=<nil>"},
		{"a page over HTTP/1 and TLS", true, onlyHTTP1, "https://%s/status/", "HTTP/1.1 200  /status/ tls=true from 127.0.0.1 err=<nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cfg ServerConfig
			if c.tls {
				cfg.TLS = serverTLS
			}
			st, addr := overTCP(t, cfg)
			st.s.exchange = sayHow
			tr := &http.Transport{Protocols: c.protos, TLSClientConfig: clientTLS.Clone()}
			defer tr.CloseIdleConnections()
			for range 2 {
				res, err := (&http.Client{Transport: tr}).Get(fmt.Sprintf(c.url, addr))
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				got := fmt.Sprintf("%s %d", res.Proto, res.StatusCode)
				if res.StatusCode == http.StatusOK {
					got += " " + string(b)
				}
				if got != c.want || err != nil {
					t.Errorf("%q, %v, want %q", got, err, c.want)
				}
			}
		})
	}
}

func TestPlainTextAtATLSPortIsTold(t *testing.T) {
	serverTLS, _ := keyPair(t)
	st, addr := overTCP(t, ServerConfig{TLS: serverTLS})
	res, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "https://") || err != nil {
		t.Errorf("answered %d, %q, %v", res.StatusCode, b, err)
	}
	if n := st.s.Stats().BadTLS; n != 1 {
		t.Errorf("%d bad handshakes are counted", n)
	}
}

func TestPROXYHeaderBeforeTLS(t *testing.T) {
	serverTLS, clientTLS := keyPair(t)
	st, addr := overTCP(t, ServerConfig{TLS: serverTLS, ProxyFrom: func(netip.Addr) bool { return true }})
	st.s.exchange = sayHow
	tr := &http.Transport{Protocols: onlyHTTP2, TLSClientConfig: clientTLS, DialContext: func(context.Context, string, string) (net.Conn, error) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_, err = nc.Write(appendProxyHeader(nil, 2, netip.MustParseAddrPort("198.51.100.1:5"), netip.MustParseAddrPort(addr)))
		}
		return nc, err
	}}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("https://" + addr + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), "from 198.51.100.1 ") {
		t.Errorf("answered %q", b)
	}
}

func TestSilentConnectionsEndInTime(t *testing.T) {
	serverTLS, _ := keyPair(t)
	for _, c := range []struct {
		name  string
		cfg   ServerConfig
		first string
		want  Stats
	}{
		{"that send no PROXY header", ServerConfig{ProxyFrom: func(netip.Addr) bool { return true }}, "", Stats{Accepted: 1, BadProxy: 1}},
		{"that begin no TLS", ServerConfig{TLS: serverTLS}, "", Stats{Accepted: 1, BadTLS: 1}},
		{"that stop within TLS", ServerConfig{TLS: serverTLS}, "\x16\x03\x01", Stats{Accepted: 1, BadTLS: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inStand(t, c.cfg, func(t *testing.T, st *stand) {
				begun := time.Now()
				conn := st.dial(clientAddr, c.first)
				_, _ = conn.Read(make([]byte, 1))
				if took := time.Since(begun); took != 10*time.Second {
					t.Errorf("closed after %v", took)
				}
				synctest.Wait()
				if diff := cmp.Diff(c.want, st.s.Stats()); diff != "" {
					t.Errorf("stats (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSetConfigKeepsTheKeysOfTickets(t *testing.T) {
	serverTLS, clientTLS := keyPair(t)
	st, addr := overTCP(t, ServerConfig{TLS: serverTLS})
	clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	resumed := func() bool {
		c, err := tls.Dial("tcp", addr, clientTLS)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, strings.ReplaceAll(anyRequest, "\n", "\r\n"))
		_, _ = http.ReadResponse(bufio.NewReader(c), nil) // a ticket comes with it
		return c.ConnectionState().DidResume
	}
	resumed()
	st.s.SetConfig(ServerConfig{TLS: serverTLS, MaxConns: 5})
	if !resumed() {
		t.Error("no session is resumed after a reload")
	}
}
