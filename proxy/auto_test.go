package proxy

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backhand/candidacy"
)

// A member that fails at once looks idle. That its errors count as requests under way keeps it from drawing all others: at
// the front (byError), and for nodes in what their agents say as well.
func TestFastFailuresDrawFewRequests(t *testing.T) {
	for _, tc := range []struct {
		what        string
		nodes       bool
		chain       []string
		least, most float64 // part of all requests that fail
	}{
		{"physicals, without byError", false, []string{"byTraffic"}, 0.3, 1},
		{"physicals", false, []string{"byError 5s", "byTraffic"}, 0.001, 0.03},
		{"nodes, whose agents count the errors", true, []string{"byTraffic"}, 0.001, 0.03},
		{"nodes, with the default chain", true, candidacy.DefaultChain(), 0.001, 0.03},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			l.reg = candidacy.Builtin()
			l.addNode("front", frontAddr)
			names := []string{"good1", "good2", "good3", "bad"}
			for i, name := range names {
				if tc.nodes {
					l.addNode(name, agentAt(i), "web")
				} else {
					l.addPhysical("web", name, "http://"+originAt(i))
				}
			}
			for i, name := range names {
				l.serve(originAt(i), worksOrFails(name != "bad"))
				if tc.nodes {
					l.agent(name, agentAt(i), &Site{Origins: []*Origin{origin("web", originAt(i))}})
				}
			}
			l.agent("front", frontAddr, l.toWeb(tc.chain...))
			asked, failed := l.load(8, 5*time.Second)
			if part := failed / asked; part < tc.least || part > tc.most {
				t.Errorf("%s: %v of %v requests fail, want %v to %v of them", tc.what, failed, asked, tc.least, tc.most)
			}
		})
	}
}

// worksOrFails takes 50 ms, or fails in one.
func worksOrFails(works bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if works {
			time.Sleep(50 * time.Millisecond)
			return
		}
		time.Sleep(time.Millisecond)
		w.WriteHeader(500)
	}
}

func agentAt(i int) string  { return fmt.Sprintf("10.0.0.%d:80", 2+i) }
func originAt(i int) string { return fmt.Sprintf("127.0.0.1:%d", 8080+i) }

// load has clients send requests to the front, one after the other, with little pauses.
func (l *lab) load(clients int, during time.Duration) (asked, failed float64) {
	var all, bad atomic.Int64
	var wg sync.WaitGroup
	until := time.Now().Add(during)
	for range clients {
		wg.Go(func() {
			for time.Now().Before(until) {
				all.Add(1)
				if l.get("/").StatusCode >= 500 {
					bad.Add(1)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return float64(all.Load()), float64(bad.Load())
}
