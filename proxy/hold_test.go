package proxy

import (
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"weak"

	"backhand/gossip/node"
)

// A response may take hours, and a snapshot of a large cluster is large: a request that was decided lets go of it.
func TestALongResponseHoldsNoSnapshot(t *testing.T) {
	for _, row := range []struct {
		name    string
		status  int
		retryOn []int
	}{
		{"of the member that was chosen", 200, nil},
		{"upon which another one was sought in vain", 503, []int{503}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				goOn := make(chan struct{})
				l.serve("127.0.0.1:8081", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(row.status)
					w.Write([]byte("first"))
					_ = http.NewResponseController(w).Flush()
					<-goOn
				}))
				l.addPhysical("web", "p", "http://127.0.0.1:8081")
				l.addPhysical("web", "q", "http://127.0.0.1:8082")
				h := l.agent("front", frontAddr, &Site{Routes: l.routes(Route{
					Path: "/", Farm: "web", Chain: l.chain("order p"), RetryOn: row.retryOn,
				})})
				farm, other := weak.Make(h.cfg.Snapshot().Farm("web")), weak.Make(member(h, "q"))
				c := l.conn(clientAddr, frontAddr)
				if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				l.see("front", nil, nil) // another one
				runtime.GC()
				runtime.GC() // what was pooled goes with the second
				if farm.Value() != nil || other.Value() != nil {
					t.Error("the farm, or a member that was not chosen, is held while the response comes")
				}
				close(goOn)
			})
		})
	}
}

func member(h *Handler, name string) *node.Physical {
	for _, m := range h.cfg.Snapshot().Farm("web").Members {
		if m.Name == name {
			return m.Physical
		}
	}
	return nil
}
