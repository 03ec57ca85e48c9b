package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/gossiptest/lab"
)

// fixture is an agent that runs in the test, on loopback, from a real file.
type fixture struct {
	*Agent
	t    *testing.T
	file string
	dir  string
	url  string // of its first listener, without slash at the end
	log  *lockedBuffer
	stop context.CancelFunc
	done chan error
}

// start runs an agent with that file until the test ends. {head} in the text stands for what every file has.
func start(t *testing.T, text string, opt Options) *fixture {
	t.Helper()
	f := prepare(t, text)
	if err := f.open(opt); err != nil {
		t.Fatal(err)
	}
	f.run()
	return f
}

// prepare writes the file of an agent that is not running.
func prepare(t *testing.T, text string) *fixture {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "www1"), log: &lockedBuffer{}, done: make(chan error, 1)}
	f.file = filepath.Join(filepath.Dir(f.dir), "backhand.toml")
	addr := freePort(t)
	f.url = "http://" + addr
	f.write(text)
	return f
}

// write replaces the file. {listen} stands for the agent's own address, {head} for what every file has.
func (f *fixture) write(text string) {
	f.t.Helper()
	addr := strings.TrimPrefix(f.url, "http://")
	text = strings.NewReplacer(
		"{head}", fmt.Sprintf("cluster = \"test\"\n[node]\nname = \"www1\"\naddress = %q\nstate_dir = %q\n[[listen]]\naddress = %q\n", addr, f.dir, addr),
		"{listen}", addr,
	).Replace(text)
	if err := os.WriteFile(f.file, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) open(opt Options) (err error) {
	opt.Log = slog.New(slog.NewTextHandler(f.log, nil))
	opt.Load = func() (*config.Config, error) { return config.Load(f.file, candidacy.Builtin(), config.ForRun()) }
	cfg, err := opt.Load()
	if err != nil {
		return err
	}
	f.Agent, err = New(cfg, opt)
	return err
}

func (f *fixture) run() {
	ctx, cancel := context.WithCancel(f.t.Context())
	f.stop = cancel
	go func() { f.done <- f.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := f.ended(); err != nil {
			f.t.Errorf("the agent ended with %v", err)
		}
	})
	f.eventually(func() error {
		_, err := f.client().View(f.t.Context())
		return err
	})
}

// ended waits for the end of the agent; more than once if need be.
func (f *fixture) ended() error {
	select {
	case err := <-f.done:
		f.done <- err
		return err
	case <-time.After(20 * time.Second):
		return fmt.Errorf("it does not end; it has logged:\n%s", f.logged())
	}
}

func (f *fixture) client() *Client { return NewClient(f.dir) }

func (f *fixture) eventually(holds func() error) {
	f.t.Helper()
	lab.Eventually(f.t, 10*time.Second, holds)
}

// get asks the agent and returns status and body.
func (f *fixture) get(path string) (int, string) {
	f.t.Helper()
	status, body, err := get(f.url + path)
	if err != nil {
		f.t.Fatal(err)
	}
	return status, body
}

func get(url string) (int, string, error) {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// lockedBuffer collects what the agent logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// logged returns what the agent has logged until now.
func (f *fixture) logged() string {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return f.log.b.String()
}

// freePort returns an address on loopback that nobody uses just now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// origin is a web server that says its name.
func origin(t *testing.T, name string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(s.Close)
	return s
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func stateDir(t *testing.T, file string) string {
	t.Helper()
	dir, err := config.StateDir(file)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
