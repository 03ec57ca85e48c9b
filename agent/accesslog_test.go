package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"backhand/agent/config"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/proxy"
)

func outcome() *proxy.Outcome {
	return &proxy.Outcome{
		Start: time.Date(2026, 11, 21, 21, 33, 45, 0, time.UTC), Client: netip.MustParseAddr("192.0.2.7"),
		Method: "GET", Target: "/a?b=1", Proto: "HTTP/1.1", Host: "www.example.org", Status: 200, Bytes: 512,
		UserAgent: "curl/7.88.1", Route: "/a", Farm: "web", Member: &node.Member{Name: "www2"}, Attempts: 1,
		Wait: 11200 * time.Microsecond, Took: 12345678 * time.Nanosecond,
	}
}

// openLog opens an access log that is closed at the end of the test; run must be called by the test.
func openLog(t testing.TB, cfg config.Log, log *slog.Logger) *accessLog {
	t.Helper()
	l, err := openAccessLog(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// aFile is an access log in a file of the test's own.
func aFile(t testing.TB) config.Log {
	return config.Log{Access: filepath.Join(t.TempDir(), "access.log")}
}

func TestAccessLogGoesOnInAFreshFile(t *testing.T) {
	cfg := aFile(t)
	path, l := cfg.Access, openLog(t, cfg, quiet)
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

func TestAccessLogIsWrittenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := openLog(t, aFile(t), quiet), new(slowWriter)
		l.out = out
		go l.run(t.Context())
		l.Log(outcome())
		synctest.Wait()
		if n := len(out.writes()); n != 0 {
			t.Errorf("%d writes at once, want none: lines are gathered", n)
		}
		time.Sleep(accessLogFlush)
		synctest.Wait()
		if n := len(out.writes()); n != 1 {
			t.Errorf("%d writes after a second, want 1", n)
		}
		line := len(new(combinedLine).render(outcome()))
		for range lineQueueChunk/line + 1 { // one more than a chunk holds
			l.Log(outcome())
		}
		synctest.Wait()
		if n := len(out.writes()); n != 2 {
			t.Errorf("%d writes once a chunk was full, want 2", n)
		}
		l.stop()
	})
}

func TestAccessLogNeverWaits(t *testing.T) {
	l, out := openLog(t, aFile(t), quiet), &slowWriter{gate: make(chan struct{})}
	l.out = out
	var wg sync.WaitGroup
	wg.Go(func() { l.run(context.Background()) }) // hangs in its first write
	line := len(new(combinedLine).render(outcome()))
	fit := lineQueueBytes / line
	for range fit + 3 {
		l.Log(outcome())
	}
	if l.Lost() != 3 {
		t.Errorf("%d lines counted as lost, want 3", l.Lost())
	}
	close(out.gate)
	l.stop()
	wg.Wait()
	n := 0
	for _, w := range out.writes() {
		n += w
	}
	if n != fit*line {
		t.Errorf("%d bytes were written of %d lines, want %d", n, fit, fit*line)
	}
	l.Log(outcome())
	if l.Lost() != 4 {
		t.Errorf("%d lines counted as lost, want one more after the end", l.Lost())
	}
}

// slowWriter counts the bytes of each write, and waits in them until gate is closed.
type slowWriter struct {
	gate chan struct{} // nil: it is not slow
	mu   sync.Mutex
	got  []int
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.gate != nil {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, len(p))
	return len(p), nil
}

func (w *slowWriter) writes() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func (w *slowWriter) Close() error { return nil }

func TestAccessLogThatCannotBeWrittenIsSaidOnceAndCounted(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	var said strings.Builder
	l := openLog(t, config.Log{Access: "/dev/full"}, slog.New(slog.NewTextHandler(&said, nil)))
	for range 2000 { // more than a chunk holds
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

// fullDisk takes room bytes of what is written, and then no more until it gets new room.
type fullDisk struct {
	bytes.Buffer
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n, err := len(p), error(nil)
	if n > d.room {
		n, err = d.room, syscall.ENOSPC
	}
	d.room -= n
	_, _ = d.Buffer.Write(p[:n])
	return n, err
}

func (d *fullDisk) Close() error { return nil }

func TestALineThatTheDiskTookHalfOfSpoilsNoOther(t *testing.T) {
	l, line := openLog(t, aFile(t), quiet), string(new(combinedLine).render(outcome()))
	disk := &fullDisk{room: len(line) + 20}
	l.out = disk
	three := func() {
		for range 3 {
			l.Log(outcome())
		}
		l.write(l.queue.waiting())
	}
	three() // one gets out, one in parts
	three() // no room even for the end of that line
	disk.room = 1 << 20
	three()
	if want := line + line[:20] + "\n" + line + line + line; disk.String() != want {
		t.Errorf("got\n%s\nwant\n%s", disk, want)
	}
	if l.Lost() != 5 {
		t.Errorf("%d lines counted as lost, want 5", l.Lost())
	}
}

func TestAccessLogBoundsWhatClientsCanMakeItHold(t *testing.T) {
	o := outcome()
	o.Target, o.UserAgent, o.Referer = strings.Repeat("\xff", 60_000), strings.Repeat("a", 60_000), strings.Repeat("\n", 60_000)
	o.Host, o.Err = strings.Repeat("\x00", 60_000), errors.New(strings.Repeat("é", 60_000))
	for _, format := range []string{config.LogCombined, config.LogJSON} {
		t.Run(format, func(t *testing.T) {
			cfg := aFile(t)
			cfg.Format = format
			l := openLog(t, cfg, quiet)
			l.Log(o)
			if n := len(l.queue.chunks[0]); n > 25*accessLogField {
				t.Errorf("a line of %d bytes", n)
			}
			for range 1000 { // nobody writes
				l.Log(o)
			}
			held := 0
			for _, c := range l.queue.chunks {
				held += cap(c)
			}
			// What a chunk has no room for any more is less than a line.
			if held > 2*lineQueueBytes || l.Lost() == 0 {
				t.Errorf("%d bytes wait, %d lines were lost", held, l.Lost())
			}
		})
	}
}

func TestEveryRequestHasItsLine(t *testing.T) {
	for _, format := range []string{config.LogCombined, config.LogJSON} {
		t.Run(format, func(t *testing.T) {
			const workers, each = 8, 500
			cfg := aFile(t)
			cfg.Format = format
			l := openLog(t, cfg, quiet)
			var clients, writer sync.WaitGroup
			writer.Go(func() { l.run(context.Background()) })
			for w := range workers {
				clients.Go(func() {
					for i := range each {
						o := outcome()
						o.Target = fmt.Sprintf("/%d/%d;", w, i)
						l.Log(o)
						if i%100 == 0 {
							l.Reopen() // the file is where it was, so that nothing changes
						}
					}
				})
			}
			clients.Wait()
			l.stop()
			writer.Wait()
			text, err := os.ReadFile(cfg.Access)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]int{}
			for line := range strings.Lines(string(text)) {
				_, target, _ := strings.Cut(line, "/")
				if format == config.LogCombined {
					_, target, _ = strings.Cut(line, "\"GET /")
				}
				target, _, _ = strings.Cut(target, ";")
				seen[target]++
			}
			if len(seen) != workers*each || strings.Count(string(text), "\n") != workers*each {
				t.Errorf("%d lines of %d requests, want %d", strings.Count(string(text), "\n"), len(seen), workers*each)
			}
			if l.Lost() != 0 {
				t.Errorf("%d lines were lost", l.Lost())
			}
		})
	}
}

func TestNoAccessLog(t *testing.T) {
	l, err := openAccessLog(config.Log{}, quiet)
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

func TestRequestsThatAreCutOffHaveTheirLine(t *testing.T) {
	entered, hang := make(chan struct{}), make(chan struct{})
	o := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-hang
	}))
	defer o.Close()
	defer close(hang)
	path := filepath.Join(t.TempDir(), "access.log")
	f := start(t, fmt.Sprintf("{head}\n[[farm]]\nname = \"web\"\nmember = [ { name = \"o1\", url = %q } ]\n"+
		"[[route]]\npath = \"/\"\nfarm = \"web\"\n[proxy]\ndrain = \"0s\"\n[log]\naccess = %q\n", o.URL, path), Options{})
	go func() { _, _, _ = get(f.url + "/hang") }()
	<-entered
	f.stop()
	if err := f.ended(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), `"GET /hang HTTP/1.1" `) != 1 {
		t.Errorf("the log is %q, %v; want a line for the request that was cut off", text, err)
	}
}

func TestReloadChangesTheFormatOfTheAccessLog(t *testing.T) {
	o := origin(t, "o1")
	path := filepath.Join(t.TempDir(), "access.log")
	file := fmt.Sprintf("{head}\n[[serve]]\nfarm = \"web\"\norigin = %q\n[log]\naccess = %q\n", o.URL, path)
	f := start(t, file, Options{})
	f.get("/before")
	if err := f.handler.Drain(t.Context()); err != nil { // its line is written when the client has its answer already
		t.Fatal(err)
	}
	f.write(file + "format = \"json\"\n")
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	f.get("/after")
	f.stop()
	if err := f.ended(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"GET /before HTTP/1.1" 200 `) ||
		!strings.Contains(got, `"method":"GET","target":"/after",`) {
		t.Errorf("the log is\n%s\nwant a line of each format", got)
	}
}
