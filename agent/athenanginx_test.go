//go:build linux

package agent

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// seenPHP says who the client is, to PHP and in all fields.
const seenPHP = `<?php
header("Content-Type: text/plain");
echo $_SERVER["REMOTE_ADDR"], "\n";
foreach (getallheaders() as $name => $value) {
	echo strtolower($name), ": ", $value, "\n";
}
`

// lie is what a client says of itself, in every field that somebody may read.
const lie = "203.0.113.66"

func lies(forwarded string) []string {
	return []string{
		"X-Forwarded-For", lie, "X-Real-Ip", lie, "X-Forwarded-Host", lie, "X-Forwarded-Proto", "https",
		"Client-Ip", lie, "Forwarded", "for=" + forwarded + ";host=" + lie + ";proto=https",
	}
}

// behind is model 2: the balancer behind another proxy.
type behind struct {
	*model
	balancer, outer, visitor *lab.Host
}

func TestAthenaModelTwoOriginSeesTheTrueClientAndNoLies(t *testing.T) {
	m := &behind{model: newModel(t, 5, "apache2", "php", "nginx", "haproxy")}
	m.balancer, m.outer, m.visitor = m.Host(1), m.Host(2), m.Host(5)
	m.run(m.balancer, "model2.toml")
	for i, name := range []string{"app01", "app02"} {
		h := m.Host(3 + i)
		agenttest.StartApache(t, h, agenttest.Site{
			Addr: netip.AddrPortFrom(h.Addr, 8080), Label: name, Config: example(t, "model2-apache.conf"),
			Pages: map[string]string{"index.php": seenPHP, "client.php": example(t, "model2-client.php")},
		})
	}
	t.Run("nginx says it in X-Forwarded-For", func(t *testing.T) {
		p := m.startNginx(t)
		m.honest(t, "http://10.58.4.2/")
		m.page(m.visitor, "model2.md")
		p.Stop(t)
	})
	t.Run("HAProxy says it by the PROXY protocol", func(t *testing.T) {
		m.startHAProxy(t)
		m.honest(t, "http://10.58.4.2/")
		m.page(m.visitor, "model2.md")
	})
	t.Run("who goes round the proxy is not believed", func(t *testing.T) {
		m.honest(t, "http://10.58.4.1/")
		m.honest(t, "http://10.58.4.1:81/")
		m.refused(t, fmt.Sprintf("PROXY TCP4 %s 10.58.4.1 1234 81\r\n", lie))
	})
}

func (m *behind) startNginx(t *testing.T) *lab.Process {
	t.Helper()
	site := m.write("model2-nginx.conf", example(t, "model2-nginx.conf"))
	p := m.outer.Start(t, "nginx", "-e", "stderr", "-p", m.dir, "-c", m.write("nginx.conf", fmt.Sprintf(`
daemon off;
user www-data;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[2]s;
}
`, m.dir, site)))
	m.answers(t)
	return p
}

func (m *behind) startHAProxy(t *testing.T) {
	t.Helper()
	global := m.write("global.cfg", "global\n\tmaxconn 64\n")
	m.outer.Start(t, "haproxy", "-db", "-f", global, "-f", m.write("model2-haproxy.cfg", example(t, "model2-haproxy.cfg")))
	m.answers(t)
}

// answers waits until the proxy in front does.
func (m *behind) answers(t *testing.T) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() error {
		res, err := m.clients[m.visitor].Get("http://10.58.4.2/whoami.php")
		if err == nil {
			_, err = agenttest.ReadAnswer(res)
		}
		return err
	})
}

// honest asks, with and without lies, and looks at all that the page sees.
func (m *behind) honest(t *testing.T, url string) {
	t.Helper()
	client := m.visitor.Addr.String()
	for _, fields := range [][]string{nil, lies(lie), lies(client)} { // who mixes them with the truth is believed more easily
		r := m.fetch(m.visitor, http.MethodGet, url, append([]string{"Host", "www.example.com"}, fields...)...)
		seen, rest, _ := strings.Cut(r.body, "\n")
		if r.status != http.StatusOK || seen != client {
			t.Errorf("%s is answered by %d; the page sees the client %q, want %s", url, r.status, seen, client)
		}
		clientIP := 0
		for line := range strings.Lines(rest) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch {
			case name == "client-ip" && value == client:
				clientIP++
			case strings.Contains(value, lie), name == "x-forwarded-for": // Apache has taken it away, all of it
				t.Errorf("%s: the page sees %s: %s", url, name, value)
			case name == "x-forwarded-proto" && value != "http", name == "host" && value != "www.example.com":
				t.Errorf("%s: the page sees %s: %s", url, name, value)
			}
		}
		if clientIP != 1 {
			t.Errorf("%s: the page does not see Client-IP: %s:\n%s", url, client, rest)
		}
	}
}

// refused sends a request behind something, to the listener of the PROXY protocol, and wants no page for it.
func (m *behind) refused(t *testing.T, before string) {
	t.Helper()
	conn, err := m.visitor.Dial(t.Context(), "tcp", "10.58.4.1:81")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, before+"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return // it has closed the connection
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		body, _ := io.ReadAll(res.Body)
		t.Errorf("%q of a stranger is answered by %s:\n%s", before, res.Status, body)
	}
}
