package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// serving is a file of an agent that serves its origin, with more behind it.
func serving(o *httptest.Server, more string) string {
	return "{head}\n" + more + "\n[[serve]]\nfarm = \"web\"\norigin = \"" + o.URL + "\"\n"
}

// reload writes the file and has it taken over.
func (f *fixture) reload(text string) error {
	f.write(text)
	return f.Reload()
}

// talk sends a text over a connection and returns the response, of which the body is read.
func talk(t *testing.T, conn net.Conn, text string) (*http.Response, string, error) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// asking returns the head of a request.
func asking(fields ...string) string {
	return "GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// secured returns a listener with certificates, by the names of their files.
func secured(addr, dir string, names ...string) string {
	text := fmt.Sprintf("[[listen]]\naddress = %q\ncertificates = [\n", addr)
	for _, n := range names {
		text += fmt.Sprintf("{ cert = %q, key = %q },\n", filepath.Join(dir, n+".pem"), filepath.Join(dir, n+".key"))
	}
	return text + "]\n"
}

func TestTLSListener(t *testing.T) {
	a, dir, addr := newAuthority(t), t.TempDir(), freePort(t)
	a.write(t, dir, "www", 1, "www.test", "127.0.0.1")
	a.write(t, dir, "shop", 2, "*.shop.test")
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Header.Get("X-Forwarded-Proto"), r.Host)
	}))
	t.Cleanup(o.Close)
	text := serving(o, secured(addr, dir, "www", "shop"))
	f := start(t, text, Options{})
	// ask makes a new connection and returns the certificate's number, the protocol, and what the origin saw.
	ask := func(name string, http2 bool) (serial int64, proto, body string, err error) {
		p := new(http.Protocols)
		p.SetHTTP1(!http2)
		p.SetHTTP2(http2)
		client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true, Protocols: p, TLSClientConfig: &tls.Config{RootCAs: a.pool()},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			},
		}}
		res, err := client.Get("https://" + name + "/")
		if err != nil {
			return 0, "", "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return res.TLS.PeerCertificates[0].SerialNumber.Int64(), res.Proto, string(text), err
	}
	asks := func(name string, http2 bool, want string) {
		t.Helper()
		serial, proto, body, err := ask(name, http2)
		if got := fmt.Sprint(serial, " ", proto, " ", body); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	asks("www.test", false, "1 HTTP/1.1 https www.test")
	asks("a.shop.test", false, "2 HTTP/1.1 https a.shop.test")
	asks("127.0.0.1", false, "1 HTTP/1.1 https 127.0.0.1")
	asks("www.test", true, "1 HTTP/2.0 https www.test")
	if _, body := f.get("/"); !strings.HasPrefix(body, "http ") {
		t.Errorf("the plain listener beside it: %q", body)
	}

	open := tls.Client(dial(t, "tcp", addr), &tls.Config{RootCAs: a.pool(), ServerName: "www.test"})
	if _, body, err := talk(t, open, asking()); err != nil || body != "https a.test" {
		t.Fatalf("got %q, %v", body, err)
	}
	a.write(t, dir, "www", 3, "www.test")
	if err := f.Reload(); err != nil { // the file is the same, what it names is not
		t.Fatal(err)
	}
	asks("www.test", false, "3 HTTP/1.1 https www.test")
	if _, body, err := talk(t, open, asking()); err != nil || body != "https a.test" {
		t.Errorf("a connection from before the reload: %q, %v", body, err)
	}

	if err := os.WriteFile(filepath.Join(dir, "www.key"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("a key that is broken gives %v", err)
	}
	asks("www.test", false, "3 HTTP/1.1 https www.test")

	if err := f.reload(serving(o, "[[listen]]\naddress = \""+addr+"\"\n")); err != nil {
		t.Fatal(err)
	}
	if _, body, err := talk(t, dial(t, "tcp", addr), asking()); err != nil || body != "http a.test" {
		t.Errorf("without certificates: %q, %v", body, err)
	}
}

func TestUnixListener(t *testing.T) {
	o := origin(t, "o1")
	path := filepath.Join(t.TempDir(), "http.sock")
	listen := "[[listen]]\naddress = \"unix:" + path + "\"\n"
	f := start(t, serving(o, listen), Options{})
	conn := dial(t, "unix", path)
	for range 2 {
		if res, body, err := talk(t, conn, asking()); err != nil || res.StatusCode != 200 || !strings.HasPrefix(body, "o1") {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	mode := func(want fs.FileMode) {
		t.Helper()
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("the socket has %v, %v; want %v", st.Mode(), err, want)
		}
	}
	mode(0o660)
	if err := f.reload(serving(o, listen+"mode = \"0600\"\n")); err != nil {
		t.Fatal(err)
	}
	mode(0o600)
	if _, body, err := talk(t, conn, asking()); err != nil || !strings.HasPrefix(body, "o1") {
		t.Errorf("after the reload the connection gave %q, %v", body, err)
	}
	second := prepare(t, serving(o, listen))
	if err := second.open(Options{}); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("a second agent there: %v", err)
	}
	f.stop()
	if err := f.ended(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket after the end: %v", err)
	}
}

func TestProxyProtocolIn(t *testing.T) {
	o := origin(t, "o1")
	addr := freePort(t)
	f := start(t, serving(o, "[[listen]]\naddress = \""+addr+"\"\nproxy_protocol = [\"127.0.0.1\"]\n"), Options{})
	const header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"
	if _, body, err := talk(t, dial(t, "tcp", addr), header+asking()); err != nil || body != "o1 192.0.2.7" {
		t.Errorf("with a header the origin saw %q, %v", body, err)
	}
	if res, body, err := talk(t, dial(t, "tcp", addr), asking()); err == nil && res.StatusCode == 200 {
		t.Errorf("without a header the origin saw %q", body)
	}
	plain := strings.TrimPrefix(f.url, "http://")
	if res, body, err := talk(t, dial(t, "tcp", plain), header+asking()); err == nil && res.StatusCode == 200 {
		t.Errorf("with a header where none is expected the origin saw %q", body)
	}
	if err := f.reload(serving(o, "[[listen]]\naddress = \""+addr+"\"\n")); err != nil {
		t.Fatal(err)
	}
	if _, body, err := talk(t, dial(t, "tcp", addr), asking()); err != nil || body != "o1 127.0.0.1" {
		t.Errorf("once none is expected any more the origin saw %q, %v", body, err)
	}
}

// A hop that is believed at one listener is not at another one of the same agent, where strangers come in.
func TestNoHopsWhereThereAreNoPeers(t *testing.T) {
	cluster := "test-" + node.NewID().Short()
	gossip := func(name, addr, rest string) string {
		return fmt.Sprintf("cluster = %q\n[node]\nname = %q\naddress = %q\nstate_dir = %q\n[gossip]\n"+
			"send = [\"239.255.221.20:4445,0\"]\naccept = [\"127.0.0.0/8\"]\ninterval = \"100ms\"\n[[listen]]\naddress = %[3]q\n%[5]s",
			cluster, name, addr, filepath.Join(t.TempDir(), name), rest)
	}
	o := origin(t, "o1")
	inside, outside := "127.0.0.2:"+port(freePort(t)), "127.0.0.2:"+port(freePort(t))
	member := prepare(t, gossip("www2", inside, "[[listen]]\naddress = \""+outside+"\"\npeers = false\n"+
		"[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\n"))
	member.dir = stateDir(t, member.file)
	if err := member.open(Options{}); err != nil {
		t.Fatal(err)
	}
	member.run()
	peer := prepare(t, "")
	peer.write(gossip("www1", strings.TrimPrefix(peer.url, "http://"), ""))
	peer.dir = stateDir(t, peer.file)
	if err := peer.open(Options{}); err != nil {
		t.Fatal(err)
	}
	peer.run()
	hop := fmt.Sprintf("Backhand-Hop: v1 %s web 192.0.2.7 http\r\nX-Forwarded-For: 192.0.2.7", peer.state.id)
	ask := func(addr string, fields ...string) string {
		res, body, err := talk(t, dial(t, "tcp", addr), asking(fields...))
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(res.StatusCode, " ", body)
	}
	member.eventually(func() error { // the peer must have been heard; the hop comes from 127.0.0.1, its address
		if got := ask(inside, hop); got != "200 o1 192.0.2.7" {
			return fmt.Errorf("inside: %s", got)
		}
		return nil
	})
	if got := ask(outside, hop); !strings.HasPrefix(got, "421 ") {
		t.Errorf("outside a hop got %s, want 421", got)
	}
	if got := ask(outside); got != "200 o1 127.0.0.1" {
		t.Errorf("outside a client got %s", got)
	}
}

func TestListenersThatCoverOneAnother(t *testing.T) {
	o := origin(t, "o1")
	p := port(freePort(t))
	listen := func(addr string) string { return serving(o, "[[listen]]\naddress = \""+addr+":"+p+"\"\n") }
	f := start(t, listen("127.0.0.2"), Options{})
	answers := func(addr string, want bool) {
		t.Helper()
		_, body, err := get("http://" + addr + ":" + p + "/")
		if got := err == nil && strings.HasPrefix(body, "o1"); got != want {
			t.Errorf("%s answers %v, want %v: %q, %v", addr, got, want, body, err)
		}
	}
	answers("127.0.0.2", true)
	answers("127.0.0.3", false)
	kept := dial(t, "tcp", "127.0.0.2:"+p)
	if _, _, err := talk(t, kept, asking()); err != nil {
		t.Fatal(err)
	}

	other, err := net.Listen("tcp", "127.0.0.4:"+p)
	if err != nil {
		t.Fatal(err)
	}
	// The wide one cannot be opened beside the other process's. The narrow one, closed for a try, must come back.
	if err := f.reload(listen("0.0.0.0")); err == nil || !strings.Contains(err.Error(), "the port is in use") {
		t.Errorf("got %v", err)
	}
	answers("127.0.0.2", true)
	answers("127.0.0.3", false)
	if _, body, err := talk(t, kept, asking()); err != nil || !strings.HasPrefix(body, "o1") {
		t.Errorf("a connection of before: %q, %v", body, err)
	}
	other.Close()

	for _, step := range []struct {
		addr string
		wide bool
	}{{"0.0.0.0", true}, {"", true}, {"127.0.0.2", false}, {"[::]", true}, {"", true}} {
		if err := f.reload(listen(step.addr)); err != nil {
			t.Fatalf("%q: %v", step.addr, err)
		}
		answers("127.0.0.2", true)
		answers("127.0.0.3", step.wide)
	}
	if len(f.servers) != 2 {
		t.Errorf("listeners: %v", f.servers)
	}
}

func TestReloadKeepsConnectionsOfAListenerThatStays(t *testing.T) {
	o := origin(t, "o1")
	f := start(t, serving(o, ""), Options{})
	conn := dial(t, "tcp", strings.TrimPrefix(f.url, "http://"))
	for _, more := range []string{"", "[proxy]\nidle = \"2m\"\n", "connections = 100\nconnections_per_address = 50\n"} {
		if err := f.reload(serving(o, more)); err != nil {
			t.Fatal(err)
		}
		if _, body, err := talk(t, conn, asking()); err != nil || !strings.HasPrefix(body, "o1") {
			t.Fatalf("after a reload with %q: %q, %v", more, body, err)
		}
	}
}
