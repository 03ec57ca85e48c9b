//go:build linux

package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// TestTenThousandIdleConnections measures what a connection costs that has made a request and waits for the next: by
// all the memory of a real agent, a process of its own, as the kernel counts it.
func TestTenThousandIdleConnections(t *testing.T) {
	lab.Need(t)
	const most, conns = 8 << 10, 10_000
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer origin.Close()
	addr, dir := freePort(t), t.TempDir()
	file := filepath.Join(dir, "backhand.toml")
	text := fmt.Sprintf(`cluster = "web"
[node]
state_dir = %q
[proxy]
idle = "10m"
[[farm]]
name   = "web"
member = [ { name = "o1", url = %q } ]
[[route]]
path = "/"
farm = "web"
[[listen]]
address = %q
`, dir, origin.URL, addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := lab.Start(t, exec.Command(agenttest.BuildAgent(t), "run", "--config", file))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatal(err)
	}

	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	ask := func(n int) {
		t.Helper()
		for range n {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			getHello(t, c)
		}
	}
	ask(500) // what the program needs at all is there now
	before := memoryOf(t, p.Pid())
	ask(conns)
	grown := memoryOf(t, p.Pid()) - before
	t.Logf("%d idle connections take %d KiB more, %d bytes each", conns, grown>>10, grown/conns)
	if grown/conns > most {
		t.Errorf("an idle connection takes %d bytes, want at most %d", grown/conns, most)
	}
	for _, c := range open[:100] {
		getHello(t, c) // they are served still
	}
}

func getHello(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var buf [1024]byte
	n, err := c.Read(buf[:])
	if text := string(buf[:n]); err != nil || !strings.HasPrefix(text, "HTTP/1.1 200 ") || !strings.HasSuffix(text, "hello") {
		t.Fatalf("answered %q, %v", text, err)
	}
}

// memoryOf returns the bytes of memory that are the process's alone.
func memoryOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(text)) {
		var kib int
		if name, rest, _ := strings.Cut(line, ":"); strings.HasPrefix(name, "Private_") {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			total += kib << 10
		}
	}
	return total
}
