//go:build linux

package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// TestAthenaRateOverSockets asks a real agent for members, over 32 connections, and nginx alone for a page of the same size: each
// has one CPU. The figures hold for this machine at this moment, so they are only logged:
//
//	BACKHAND_TEST=all go test -run TestAthenaRateOverSockets -v ./agent
//
// That every query is answered, and well, is tested.
func TestAthenaRateOverSockets(t *testing.T) {
	if os.Getenv("BACKHAND_TEST") != "all" {
		t.Skip("a measurement: set BACKHAND_TEST=all")
	}
	lab.Need(t, "nginx", "h2load")
	program := agenttest.BuildAgent(t)
	lab.Lock(t)
	ours, nginx := startRateAgent(t, program), startRateNginx(t)
	var rates [2][]float64
	for range 3 { // in turn, since what else the machine does changes
		rates[0] = append(rates[0], h2load(t, ours))
		rates[1] = append(rates[1], h2load(t, nginx))
	}
	for i, name := range []string{"balance", "nginx"} {
		t.Logf("%-8s %.0f answers/s", name, rates[i])
	}
	for i := range rates[0] {
		t.Logf("ratio    %.2f", rates[0][i]/rates[1][i])
	}
}

func startRateAgent(t *testing.T, program string) (url string) {
	t.Helper()
	engine, dir := freePort(t), t.TempDir()
	file := filepath.Join(dir, "backhand.toml")
	text := fmt.Sprintf("cluster = \"test\"\n[node]\nstate_dir = %q\n[athena]\nlisten = %q\n", dir, engine) +
		physes("jobs", "", "app01", "app02", "app03", "app04")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "--config", file)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	p := lab.Start(t, cmd)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		t.Fatal(err)
	}
	return "http://" + engine + "/athena/balance?jobs"
}

func startRateNginx(t *testing.T) (url string) {
	t.Helper()
	addr, dir := freePort(t), openDir(t)
	file := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("%DIR%", dir, "%ADDR%", addr).Replace(`
daemon off;
worker_processes 1;
pid %DIR%/nginx.pid;
error_log stderr warn;
events { worker_connections 128; }
http {
	access_log off;
	keepalive_requests 1000000;
	client_body_temp_path %DIR%/body;
	proxy_temp_path %DIR%/proxy;
	fastcgi_temp_path %DIR%/fastcgi;
	uwsgi_temp_path %DIR%/uwsgi;
	scgi_temp_path %DIR%/scgi;
	server {
		listen %ADDR%;
		default_type text/plain;
		return 200 "app01\n";
	}
}
`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Start(t, exec.Command("nginx", "-e", "stderr", "-p", dir, "-c", file))
	url = "http://" + addr + "/"
	lab.Eventually(t, 10*time.Second, func() error {
		_, body, err := get(url)
		if err == nil && body != "app01\n" {
			err = fmt.Errorf("nginx answers %q", body)
		}
		return err
	})
	return url
}

// finished is the line in which h2load says how many answers came in a second.
var finished = regexp.MustCompile(`finished in .*, ([0-9.]+) req/s`)

// h2load asks twenty thousand times, and returns how many answers came in a second.
func h2load(t *testing.T, url string) float64 {
	t.Helper()
	const n = 20_000
	out, err := exec.Command("h2load", "--h1", "-t", "1", "-c", "32", "-n", strconv.Itoa(n), url).CombinedOutput()
	rate := finished.FindSubmatch(out)
	if err != nil || rate == nil || !strings.Contains(string(out), fmt.Sprintf("status codes: %d 2xx", n)) {
		t.Fatalf("h2load %s: %v:\n%s", url, err, out)
	}
	perSecond, err := strconv.ParseFloat(string(rate[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return perSecond
}
