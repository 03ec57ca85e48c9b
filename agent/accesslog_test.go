package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/proxy"
)

func outcome() *proxy.Outcome {
	return &proxy.Outcome{
		Start: time.Date(2026, 11, 21, 21, 33, 45, 0, time.UTC), Client: netip.MustParseAddr("192.0.2.7"),
		Method: "GET", Target: "/a?b=1", Proto: "HTTP/1.1", Status: 200, Bytes: 512, UserAgent: "curl/7.88.1",
		Member: &node.Member{Name: "www2"}, Attempts: 1,
	}
}

func TestAccessLogLine(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*proxy.Outcome)
		want   string
	}{
		"a plain request": {
			func(*proxy.Outcome) {},
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" www2 1`,
		},
		"one answered here": {
			func(o *proxy.Outcome) { o.Member, o.Attempts, o.Status = nil, 0, 404 },
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 404 512 "-" "curl/7.88.1" - 0`,
		},
		"one served by our own origin": {
			func(o *proxy.Outcome) { o.Member, o.Self = nil, true },
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" self 1`,
		},
		"a client that would write lines of its own": {
			func(o *proxy.Outcome) { o.UserAgent, o.Referer = "x\"\n1.2.3.4 - -", "\x1b[31m\\é" },
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "\x1b[31m\\\xc3\xa9" "x\"\x0a1.2.3.4 - -" www2 1`,
		},
		"a node that would write words of its own": {
			func(o *proxy.Outcome) { o.Member = &node.Member{Name: "www2 1\n\"\xff"} },
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" www2_1___ 1`,
		},
		"a client without an address": {
			func(o *proxy.Outcome) { o.Client = netip.Addr{} },
			`- - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" www2 1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome()
			c.change(o)
			if got := string(appendLine(nil, o)); got != c.want+"\n" {
				t.Errorf("got  %swant %s", got, c.want)
			}
		})
	}
}

func TestAccessLogGoesOnInAFreshFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := openAccessLog(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.run(context.Background()) })
	l.Log(outcome())
	// Reopening writes what is queued before, so that a line is in the file that was the log when it was logged.
	waitForLines(t, l, path, 1)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	lab.Eventually(t, 10*time.Second, func() error {
		_, err := os.Stat(path)
		return err
	})
	l.Log(outcome())
	l.Log(outcome())
	l.stop()
	wg.Wait()
	if n := lines(t, path+".1"); n != 1 {
		t.Errorf("%d lines in the old file, want 1", n)
	}
	if n := lines(t, path); n != 2 {
		t.Errorf("%d lines in the new file, want 2", n)
	}
	if l.Lost() != 0 {
		t.Errorf("%d lines were lost", l.Lost())
	}
}

func TestAccessLogNeverWaits(t *testing.T) {
	l, err := openAccessLog(filepath.Join(t.TempDir(), "access.log"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	for range accessLogQueue + 3 { // nobody writes
		l.Log(outcome())
	}
	if l.Lost() != 3 {
		t.Errorf("%d lines counted as lost, want 3", l.Lost())
	}
}

func TestAccessLogThatCannotBeWrittenIsSaidOnceAndCounted(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	var said strings.Builder
	l, err := openAccessLog("/dev/full", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 { // more than the buffer holds
		l.Log(outcome())
	}
	l.stop()
	l.run(context.Background())
	if l.Lost() != 2000 {
		t.Errorf("%d lines counted as lost, want 2000", l.Lost())
	}
	if n := strings.Count(said.String(), "the access log cannot be written"); n != 1 {
		t.Errorf("said %d times: %s", n, &said)
	}
}

func TestAccessLogBoundsWhatClientsCanMakeItHold(t *testing.T) {
	o := outcome()
	o.Target, o.UserAgent, o.Referer = strings.Repeat("\xff", 60_000), strings.Repeat("a", 60_000), strings.Repeat("\n", 60_000)
	if n := len(appendLine(nil, o)); n > 10*accessLogField {
		t.Errorf("a line of %d bytes", n)
	}
	l, err := openAccessLog(filepath.Join(t.TempDir(), "access.log"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	for range accessLogQueue { // nobody writes
		l.Log(o)
	}
	held := 0
	for range len(l.lines) {
		held += len(<-l.lines)
	}
	if held > accessLogBytes || l.Lost() == 0 {
		t.Errorf("%d bytes wait, %d lines were lost", held, l.Lost())
	}
}

func TestNoAccessLog(t *testing.T) {
	l, err := openAccessLog("", quiet)
	if l != nil || err != nil {
		t.Fatalf("got %v, %v", l, err)
	}
	l.Log(outcome())
	l.Reopen()
	l.run(context.Background())
	l.stop()
	l.close()
}

// waitForLines makes the writer flush until the file has that many lines.
func waitForLines(t *testing.T, l *accessLog, path string, n int) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() error {
		l.Reopen()
		if got := lines(t, path); got < n {
			return fmt.Errorf("%d lines of %d", got, n)
		}
		return nil
	})
}

func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
