//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// activated is a file and a program: an agent that gets its listening socket from whoever starts it.
type activated struct {
	t             *testing.T
	program, file string
	addr          string
}

func newActivated(t *testing.T, addr string) *activated {
	t.Helper()
	o, dir := origin(t, "o1"), t.TempDir()
	a := &activated{t: t, program: agenttest.BuildAgent(t), file: filepath.Join(dir, "backhand.toml"), addr: addr}
	text := fmt.Sprintf("cluster = \"test\"\n[node]\naddress = %q\nstate_dir = %q\n[[listen]]\naddress = %[1]q\n"+
		"[[serve]]\nfarm = \"web\"\norigin = %[3]q\n", addr, filepath.Join(dir, "state"), o.URL)
	if err := os.WriteFile(a.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// end asks an agent to end, as a service manager does, and waits until it has.
func (a *activated) end(p *lab.Process) {
	a.t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Wait(ctx); err != nil {
		a.t.Fatalf("the agent ended with %v:\n%s", err, p.Output())
	}
}

// load is clients that ask without a pause.
type load struct {
	served atomic.Int64
	failed chan error
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// newLoad starts clients that keep their connections, and as many that make a new one for each request.
func newLoad(t *testing.T, addr string) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{failed: make(chan error, 100), stop: stop}
	for i := range 8 {
		l.wg.Go(func() {
			tr := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer tr.CloseIdleConnections()
			client := http.Client{Transport: tr, Timeout: 20 * time.Second}
			for ctx.Err() == nil {
				if err := l.ask(ctx, &client, "http://"+addr+"/"); err != nil && ctx.Err() == nil {
					select {
					case l.failed <- fmt.Errorf("client %d: %w", i, err):
					default:
					}
				}
			}
		})
	}
	return l
}

func (l *load) ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != "o1 127.0.0.1") {
		err = fmt.Errorf("%s %q", res.Status, body)
	}
	if err == nil {
		l.served.Add(1)
	}
	return err
}

// more waits until that many more requests have been served.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.served.Load() + n
	lab.Eventually(t, 15*time.Second, func() error {
		select {
		case err := <-l.failed:
			t.Errorf("a request was lost: %v", err)
		default:
		}
		if got := l.served.Load(); got < want {
			return fmt.Errorf("%d requests were served, want %d", got, want)
		}
		return nil
	})
}

// end stops the clients and reports what was lost.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	close(l.failed)
	for err := range l.failed {
		t.Errorf("a request was lost: %v", err)
	}
}

// The test holds the socket, as systemd does. While no agent runs, clients wait.
func TestRestartUnderActivationLosesNothing(t *testing.T) {
	ln := listenOn(t, "tcp", "127.0.0.1:0").(*net.TCPListener)
	a := newActivated(t, ln.Addr().String())
	socket, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	launch := func() *lab.Process {
		// LISTEN_PID is the agent's own, which only the shell that becomes it can know.
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, a.program, "run", "--config", a.file)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=http")
		cmd.ExtraFiles = []*os.File{socket}
		return lab.Start(t, cmd)
	}
	l := newLoad(t, a.addr) // before the agent: the first requests wait for it
	p := launch()
	l.more(t, 200)
	for range 3 {
		a.end(p)
		if text := p.Output(); !strings.Contains(text, `socket="passed by systemd"`) {
			t.Fatalf("it did not take the socket:\n%s", text)
		}
		p = launch()
		l.more(t, 200)
	}
	l.end(t)
	t.Logf("%d requests over three restarts", l.served.Load())
}

// systemd-socket-activate listens, and becomes the agent when the first client comes. Its socket ends with it: so here the
// clients of each start are those that wait for it.
func TestStartBySystemdSocketActivate(t *testing.T) {
	lab.Need(t, "systemd-socket-activate")
	a := newActivated(t, freePort(t))
	for range 3 {
		p := lab.Start(t, exec.Command("systemd-socket-activate", "-l", a.addr, a.program, "run", "--config", a.file))
		lab.Eventually(t, 10*time.Second, func() error { return listensOn(a.addr) })
		l := newLoad(t, a.addr)
		l.more(t, 200)
		l.end(t)
		a.end(p)
		if text := p.Output(); !strings.Contains(text, `socket="passed by systemd"`) {
			t.Fatalf("it did not take the socket:\n%s", text)
		}
	}
}

// listensOn says why nobody listens there. It looks and does not connect, as that would be the first client.
func listensOn(addr string) error {
	_, port, _ := net.SplitHostPort(addr)
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/net/tcp")
	if err == nil && !strings.Contains(string(text), fmt.Sprintf(":%04X 00000000:0000 0A", n)) {
		err = errors.New("nobody listens on " + addr)
	}
	return err
}

func TestUnitsOfSystemd(t *testing.T) {
	lab.Need(t, "systemd-analyze")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"backhand.service", "backhand.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "contrib", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "/usr/local/bin/backhand", agenttest.BuildAgent(t))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze says %v:\n%s", err, out)
	}
}
