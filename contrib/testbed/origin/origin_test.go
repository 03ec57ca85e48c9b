package origin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backhand/contrib/testbed/h1"
)

func TestAnswers(t *testing.T) {
	o := &server{station: NewStation(1), member: 7}
	ctx, cancel := context.WithCancel(t.Context())
	if err := o.open(ctx, Spec{}, Member{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- o.serve(ctx) }()
	p := &h1.Pool{Addr: o.ln.Addr().String()}
	defer p.Close()
	for _, row := range []struct {
		name   string
		first  string // line of the request, and fields
		status int
		least  time.Duration
	}{
		{"ready", "GET /ready HTTP/1.1", 200, 0},
		{"a work", "GET /work HTTP/1.1\r\nX-Work: 20000", 200, 20 * time.Millisecond},
		{"a work through a proxy that writes small", "GET /work HTTP/1.1\r\nx-work: 20000", 200, 20 * time.Millisecond},
		{"no work", "GET /work HTTP/1.1", 400, 0},
		{"a negative work", "GET /work HTTP/1.1\r\nX-Work: -1", 400, 0},
		{"elsewhere", "GET /favicon.ico HTTP/1.1", 404, 0},
		{"slower than can be", "PUT /control?slowness=0 HTTP/1.1", 400, 0},
		{"slower", "PUT /control?slowness=3 HTTP/1.1", 200, 0},
		{"a work that takes longer", "GET /work HTTP/1.1\r\nX-Work: 20000", 200, 60 * time.Millisecond},
		{"out of order", "PUT /control?slowness=1&fails=true HTTP/1.1", 200, 0},
		{"a work that fails", "GET /work HTTP/1.1\r\nX-Work: 20000", 500, time.Millisecond},
		{"ready all the same", "GET /ready HTTP/1.1", 200, 0},
		{"in order again", "PUT /control?slowness=1&fails=false HTTP/1.1", 200, 0},
		{"a work that does not", "GET /work HTTP/1.1\r\nX-Work: 1000", 200, time.Millisecond},
	} {
		began := time.Now()
		a, err := p.Do([]byte(row.first+"\r\nHost: x\r\n\r\n"), 10*time.Second)
		took := time.Since(began)
		if err != nil || a.Status() != row.status || took < row.least || h1.Field(a.Head, "X-Member") != "7" {
			t.Errorf("%s: %q after %v (%v), want %d after at least %v", row.name, a.Head, took, err, row.status, row.least)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// All of them begin, and one that cannot ends them all.
func TestRun(t *testing.T) {
	free := Member{Listen: "127.0.0.1:0"}
	for _, row := range []struct {
		name, want string
		member     Member
	}{
		{"an address that is not here", "192.0.2.1:80", Member{Listen: "192.0.2.1:80"}},
		{"a namespace that there is not", "/run/netns/nowhere: no such file", Member{Namespace: "nowhere", Listen: "127.0.0.1:0"}},
		{"a load average without a file", "nowhere: no such file", Member{Load: t.TempDir() + "/nowhere", Listen: "127.0.0.1:0"}},
	} {
		if err := Run(t.Context(), Spec{Members: []Member{free, row.member}, Slots: 1}); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Run(ctx, Spec{Members: []Member{free, free}, Slots: 1}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// The average is the kernel's.
func TestLoadAverage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loadavg")
	if err := os.WriteFile(path, LoadAverage(0), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		st := NewStation(4)
		l, err := newLoadAverage(path, st)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go l.run(ctx)
		for range 12 {
			go st.Do(62 * time.Second / 3)
		}
		time.Sleep(61 * time.Second)
		text, err := os.ReadFile(path)
		// It looked at 12 four times, at 8 four times, and at 4 four times, and forgets a twelfth each time.
		if want := "0000004.51"; err != nil || !strings.HasPrefix(string(text), want) || len(text) != len(LoadAverage(0)) {
			t.Errorf("%q, %v; want %s and so on", text, err, want)
		}
		time.Sleep(time.Minute)
	})
}
