//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// TestSignals sends a real agent the signals that an operator or a service manager sends.
func TestSignals(t *testing.T) {
	entered, hang := make(chan struct{}), make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			close(entered)
			<-hang
		}
		fmt.Fprint(w, "hello")
	}))
	defer origin.Close()
	defer close(hang)

	dir := t.TempDir()
	file, access := filepath.Join(dir, "backhand.toml"), filepath.Join(dir, "access.log")
	url := "http://127.0.0.1:" + freePort(t)
	good := fmt.Sprintf(`cluster = "web"
[node]
state_dir = %q
[[farm]]
name   = "web"
member = [ { name = "o1", url = %q } ]
[[route]]
path = "/"
farm = "web"
[[listen]]
address = %q
[log]
access = %q
`, dir, origin.URL, strings.TrimPrefix(url, "http://"), access)
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	p := lab.Start(t, exec.Command(agenttest.BuildAgent(t), "run", "--config", file))
	says := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := p.WaitFor(ctx, what); err != nil {
			t.Fatalf("%v; it said:\n%s", err, p.Output())
		}
	}
	signal := func(s os.Signal) {
		t.Helper()
		if err := p.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	get := func(path string) string {
		res, err := http.Get(url + path)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		return res.Status
	}
	has := func(file, line string) func() error {
		return func() error {
			text, err := os.ReadFile(file)
			if err == nil && !strings.Contains(string(text), line) {
				err = fmt.Errorf("%s has no %q but %q", file, line, text)
			}
			return err
		}
	}
	says("running")

	if got := get("/before"); got != "200 OK" {
		t.Fatalf("got %s", got)
	}
	lab.Eventually(t, 5*time.Second, has(access, `"GET /before HTTP/1.1" 200 5 "-" "Go-http-client/1.1" o1 1`))
	if err := os.Rename(access, access+".1"); err != nil {
		t.Fatal(err)
	}
	signal(syscall.SIGUSR1)
	lab.Eventually(t, 5*time.Second, func() error { _, err := os.Stat(access); return err })
	get("/after")
	lab.Eventually(t, 5*time.Second, has(access, "GET /after "))

	write(good + "[[route]]\npath = \"nowhere\"\n")
	signal(syscall.SIGHUP)
	says("not reloaded; the agent goes on as it was")
	if got := get("/"); got != "200 OK" {
		t.Errorf("after a reload that failed: %s", got)
	}
	write(good)
	signal(syscall.SIGHUP)
	says("msg=reloaded")

	go get("/hang")
	<-entered
	signal(syscall.SIGTERM)
	says("leaving requests=1")
	select {
	case <-p.Done():
		t.Fatal("it ended with a request under way")
	default:
	}
	signal(syscall.SIGTERM)
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Error("a second signal does not stop it at once")
	}
}
