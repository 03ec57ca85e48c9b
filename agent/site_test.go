package agent

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"backhand/proxy"
	"backhand/proxy/h1"
)

func TestFileReachesTheProxy(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	a.write(t, dir, "www", 1, "www.test")
	text := fmt.Sprintf(`{head}
peers = false
proxy_protocol = ["10.0.0.0/8"]
connections = 100
connections_per_address = 5
[[serve]]
farm = "web"
origin = "h2c://127.0.0.1:1"
connections = 7
queue = "2s"
idle = "3s"
send_proxy = "v2"
[[farm]]
name = "x"
ca = %q
server_name = "x.test"
member = [ { name = "m", url = "https://127.0.0.1:1" } ]
[[farm]]
name = "y"
ca = %[1]q
server_name = "x.test"
member = [ { name = "m", url = "https://127.0.0.1:1" } ]
[[route]]
path = "/"
farm = "x"
chain = ["byAge 6"]
retry_on = [502]
[proxy]
client_ip = true
tries = 2
upgrade = ["mqtt"]
connect = "1s"
response_head = "2s"
response_idle = "3s"
total = "4s"
tunnel_idle = "5s"
client_head = "6s"
client_idle = "7s"
idle = "8s"
max_body = "9MiB"
max_head = "10KiB"
max_fields = 11
max_line = "1200B"
`, filepath.Join(dir, "ca.pem"))
	f := prepare(t, text)
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	cfg := f.config.Load()
	site, err := f.site(cfg, *f.serves.Load())
	if err != nil {
		t.Fatal(err)
	}
	want := &proxy.Site{
		StatusPath: "/backhand/", ClientIP: true, Tries: 2, Protocols: []string{"mqtt"}, Connect: 1 * time.Second, ResponseHead: 2 * time.Second,
		ResponseIdle: 3 * time.Second, Total: 4 * time.Second, TunnelIdle: 5 * time.Second, ClientHead: 6 * time.Second,
		ClientIdle: 7 * time.Second, KeepAlive: 8 * time.Second, MaxBody: 9 << 20,
		Limits: &h1.Limits{Head: 10 << 10, Fields: 11, Line: 1200},
	}
	apart := cmpopts.IgnoreFields(proxy.Site{}, "Routes", "Origins", "Status", "Physicals", "Agents")
	if d := cmp.Diff(want, site, apart); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	r := site.Origins[0].Reach
	if r != (proxy.Reach{ProxyProtocol: 2, Conns: 7, Queue: 2 * time.Second, Idle: 3 * time.Second}) {
		t.Errorf("the origin is reached by %+v", r)
	}
	x, y := site.Physicals["x"].TLS, site.Physicals["y"].TLS
	if x == nil || x.ServerName != "x.test" || x.RootCAs == nil || x != y {
		t.Errorf("the farms are reached by %+v and %+v, want one identity", x, y)
	}
	again, err := f.site(cfg, *f.serves.Load())
	if err != nil || again.Physicals["x"].TLS != x {
		t.Errorf("the same file gives another identity, %v", err)
	}
	if got := proxyRoute(cfg.Route[0]).RetryOn; len(got) != 1 || got[0] != 502 {
		t.Errorf("retry_on is %v", got)
	}
	for _, s := range f.servers {
		c := s.configure(cfg.Listen[0])
		if !c.NoHops || c.MaxConns != 100 || c.MaxConnsPerAddr != 5 || c.TLS != nil || c.ProxyFrom == nil {
			t.Errorf("the listener has %+v", c)
		}
	}
	next := *cfg
	next.Farm = nil
	if _, err := f.site(&next, nil); err != nil || len(f.clients) != 0 {
		t.Errorf("%d identities are kept that nobody has, %v", len(f.clients), err)
	}
	f.run() // and ends
}

// What a client says of itself in that field is not believed, whatever the file has.
func TestClientIPIsToldWhereTheFileWantsIt(t *testing.T) {
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header["Client-Ip"])
	}))
	t.Cleanup(o.Close)
	f := start(t, serving(o, ""), Options{})
	for _, row := range []struct{ name, file, want string }{
		{"nothing of it in the file", "", "[]"},
		{"wanted", "[proxy]\nclient_ip = true", `["127.0.0.1"]`},
		{"not wanted", "[proxy]\nclient_ip = false", "[]"},
	} {
		if err := f.reload(serving(o, row.file)); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := talk(t, conn, "GET / HTTP/1.1\r\nHost: x\r\nClient-IP: 192.0.2.1\r\nConnection: close\r\n\r\n")
		if err != nil || body != row.want {
			t.Errorf("%s: the origin is told %s, %v; want %s", row.name, body, err, row.want)
		}
		_ = conn.Close()
	}
}
