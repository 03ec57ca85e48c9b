package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The test binary stands in for the program, which starts itself as launcher and as generator, and for nginx.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case launcher, generator:
			os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
		case "origin":
			fmt.Fprintln(os.Stderr, origin(os.Args[2], os.Args[3:]))
			os.Exit(1)
		}
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would make each of them wait a second at its end
	os.Exit(m.Run())
}

// origin serves what the origin has until it is killed; the body of /1k is given.
func origin(body string, addrs []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /1k", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "ok")
	})
	mux.HandleFunc("GET /{size}", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not here", http.StatusNotFound) })
	failed := make(chan error)
	for _, addr := range addrs {
		ln, err := net.Listen("tcp4", addr)
		if err != nil {
			return err
		}
		go func() { failed <- http.Serve(ln, mux) }()
	}
	return <-failed
}

// newTestBench is a bench with an origin of ours, which has only the short bodies, and everything short.
func newTestBench(t *testing.T, args ...string) *bench {
	t.Helper()
	opt, _, err := parseFlags(append([]string{"-tests", "k64", "-reps", "1", "-secs", "0.4"}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(opt, &logger{t: t})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	b.warm = 50 * time.Millisecond
	b.opt.tests[0].spec.Conns = 8
	delete(b.bodies, "/100k")
	delete(b.bodies, "/10m")
	b.originCommand = func(b *bench) (command, error) {
		return command{argv: slices.Concat([]string{b.self, "origin", string(b.bodies["/1k"])}, b.four, b.hundred)}, nil
	}
	return b
}

// logger hands lines to the test.
type logger struct{ t *testing.T }

func (l *logger) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// Every row, with the program built from this clone: that it takes the files that we write, too.
func TestEveryRow(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds backhand, left out by -short")
	}
	b := newTestBench(t, "-against=")
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.complaints) > 0 {
		t.Errorf("bad answers: %q", b.complaints)
	}
	for _, r := range allRows() {
		of := series{r.key, "k64", ours}
		for _, key := range []string{"rate", "p50", "p99"} {
			if got := figures(b.samples, of, key); got.N != 1 {
				t.Errorf("row %s: %s is missing", r.key, key)
			}
		}
		if lines := figures(b.samples, of, "logged"); r.log != (lines.Median > .99) {
			t.Errorf("row %s: %v log lines a request", r.key, lines)
		}
	}
	var out strings.Builder
	b.report(&out, nil)
	if !strings.Contains(out.String(), "two hops / backhand, one hop") {
		t.Errorf("no two hops in:\n%s", &out)
	}
	saved := t.TempDir() + "/saved.json"
	if err := b.save(saved); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(saved); err != nil || !strings.Contains(string(text), `"proxy": "backhand"`) {
		t.Errorf("%v in:\n%s", err, text)
	}
}

// The other proxies take the files that we write for them, with four members and with a hundred, and log every request.
func TestPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("a test with real parts, left out by -short")
	}
	for _, p := range allPeers() {
		t.Run(p.key, func(t *testing.T) {
			if err := p.find(); err != nil {
				if os.Getenv("BACKHAND_TEST") == "all" && p.key != "caddy" { // which is large, and rarely asked for
					t.Fatal(err)
				}
				t.Skip(err)
			}
			b := newTestBench(t)
			if err := b.startOrigin(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, r := range allRows() {
				if r.key != oneHop && r.key != "hundred-log" {
					continue
				}
				sub, err := b.peerSubject(r, p)
				if err != nil {
					t.Fatal(err)
				}
				s, err := b.measure(t.Context(), r, b.opt.tests[0], sub)
				if err != nil || s.Bad > 0 || s.Values["rate"] <= 0 {
					t.Errorf("row %s: %v, %+v", r.key, err, s)
				}
				if lines, some := s.Values["logged"]; some != r.log || some && lines < .1 {
					t.Errorf("row %s: %v log lines a request", r.key, lines)
				}
			}
		})
	}
}

// A proxy that gives bad answers, or none, is found out, and its figures do not count.
func TestBadProxies(t *testing.T) {
	b := newTestBench(t)
	if err := b.startOrigin(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, k64 := allRows()[0], b.opt.tests[0]
	_, addr, err := b.fill(r, "x")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("y", 1024)
	for _, row := range []struct {
		name string
		argv []string
		want string
	}{
		{"another body of the same length", []string{b.self, "origin", other, addr.String()}, "not those of the origin"},
		{"a short body", []string{b.self, "origin", "x", addr.String()}, "wrong lengths"},
		{"ends at once", []string{"false"}, "ended: exit status 1"},
		{"does not exist", []string{"/nowhere"}, "/nowhere: no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			sub := subject{name: "x", addr: addr, commands: []command{{argv: row.argv}}}
			s, err := b.measure(t.Context(), r, k64, sub)
			if err != nil {
				t.Fatal(err)
			}
			s.Rep = 0
			if s.Bad == 0 || !strings.Contains(s.Why, row.want) {
				t.Errorf("%d bad: %q, want %q", s.Bad, s.Why, row.want)
			}
			if got := figures([]sample{s}, series{r.key, "k64", "x"}, "cpu"); got.N > 0 {
				t.Errorf("its figures count: %+v", got)
			}
		})
	}
}

// What a server uses is found in both places, and grows when it works.
func TestCPUTimeIsAccounted(t *testing.T) {
	for _, where := range []string{"proc", "auto"} {
		t.Run(where, func(t *testing.T) {
			b := newTestBench(t, "-cpu", where)
			if err := b.startOrigin(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Log(b.source())
			before, err := b.origin.account.usage()
			if err != nil {
				t.Fatal(err)
			}
			for {
				var s sample
				if _, err := b.load(t.Context(), b.origin, b.opt.tests[0].spec, b.opt.secs, &s); err != nil || s.Bad > 0 {
					t.Fatal(err, s.Why)
				}
				now, err := b.origin.account.usage()
				if err != nil {
					t.Fatal(err)
				}
				if total, user := now.since(before); total > 0 && user <= total {
					return // the machine may be so busy that one load does not make a tick
				}
			}
		})
	}
}

func TestServersAreStopped(t *testing.T) {
	b := newTestBench(t)
	if err := b.startOrigin(t.Context()); err != nil {
		t.Fatal(err)
	}
	leader := b.origin.leaders[0]
	if pids, err := b.origin.account.pids(); err != nil || !slices.Contains(pids, leader) {
		t.Errorf("processes %v, %v; want %d among them", pids, err, leader)
	}
	if !b.origin.stop() {
		t.Error("it had to be killed")
	}
	if _, err := readStat(leader); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is still there (%v)", leader, err)
	}
	b.origin = nil
}

func TestAnInterruptEndsTheRun(t *testing.T) {
	b := newTestBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	if err := b.startOrigin(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	began := time.Now()
	_, err := b.measure(ctx, allRows()[0], b.opt.tests[0], subject{name: direct})
	if !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
