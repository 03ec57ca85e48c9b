package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// A node that has just started knows nobody yet; one that goes on disbelieving us is worth a warning.
func TestWarningOfDisbelief(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("front", frontAddr)
		l.addNode("young", "10.0.0.2:80", "web") // beats every second
		l.addNode("ok", "10.0.0.3:80", "web")
		believes := false
		l.serve("10.0.0.2:80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !believes {
				w.Header().Set("Backhand-Refused", "hop")
				w.WriteHeader(421)
			}
		}))
		l.serve("10.0.0.3:80", named("ok"))
		h := l.agent("front", frontAddr, l.toWeb("order young ok"))
		var log bytes.Buffer
		h.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		for _, step := range []struct {
			what     string
			after    time.Duration
			believes bool
			warnings int // so far
		}{
			{"the first time", 0, false, 0},
			{"again at once", 0, false, 0},
			{"within two of its intervals", 2*time.Second - time.Millisecond, false, 0},
			{"then it believes us", time.Second, true, 0},
			{"it was started again", time.Hour, false, 0},
			{"and a little later", time.Second, false, 0},
			{"after more than two of its intervals", 2 * time.Second, false, 1},
			{"not once more within a minute", 59 * time.Second, false, 1},
			{"but after that", time.Second, false, 2},
		} {
			time.Sleep(step.after)
			believes = step.believes
			l.get("/")
			if n := strings.Count(log.String(), "does not believe"); n != step.warnings {
				t.Errorf("%s: %d warnings, want %d", step.what, n, step.warnings)
			}
		}
		if !strings.Contains(log.String(), "node=young address=10.0.0.2:80") {
			t.Errorf("the log names nobody:\n%s", log.String())
		}
	})
}

func TestDoubtsAreFew(t *testing.T) {
	var d doubts
	now := time.Now()
	add := func(i int, at time.Time) bool {
		return d.add(&node.Node{ID: idOf(fmt.Sprint("node", i)), Interval: time.Second}, at)
	}
	for i := range 10 * maxDoubts {
		add(i, now)
	}
	if len(d.since) != maxDoubts {
		t.Errorf("%d nodes are remembered, want %d", len(d.since), maxDoubts)
	}
	d.clear(idOf(fmt.Sprint("node", 10*maxDoubts-1)))
	if n := int(d.n.Load()); n != maxDoubts-1 || add(10*maxDoubts-1, now.Add(time.Hour)) {
		t.Errorf("%d nodes are remembered after one believed us, want %d", n, maxDoubts-1)
	}
}
