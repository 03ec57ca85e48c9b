package proxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// way writes a trace as a line.
func way(t Trace) string {
	s := fmt.Sprintf("%s %d/%d", t.Member.Name, t.Start, t.Of)
	if t.Member.Note != "" {
		s += " (" + t.Member.Note + ")"
	}
	for _, p := range t.Steps {
		s += fmt.Sprintf(", %s %d/%d", strings.Fields(p.Step)[0], p.Place, p.Of)
		if p.Back {
			s += " back"
		}
		if p.Note != "" {
			s += " (" + p.Note + ")"
		}
	}
	if t.Chosen {
		s += ": chosen"
	}
	return s
}

func TestTraceOfAMember(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.reg = candidacy.Builtin()
		l.addNode("front", frontAddr, "web")
		for i, load := range []float64{0.5, 3, 2, 1} {
			l.addNode(fmt.Sprintf("www%d", i+1), fmt.Sprintf("10.0.0.%d:80", i+2), "web").Stats.Load1 = load
		}
		l.addNode("drains", "10.0.0.9:80", "web").State = node.Draining
		l.addNode("www1", "10.0.0.8:80", "reports")
		l.nodes[4].Heard = time.Now().Add(-8 * time.Second)
		l.liveOf("web", "www1").ConnectFailed(time.Now())
		s := l.toWeb("removeSelf", "byAge 6", "addSelf", "byLoad", "byHostname ^www")
		s.Origins = []*Origin{origin("web", "127.0.0.1:8080")}
		h := l.agent("front", frontAddr, s)
		for name, want := range map[string][]string{
			"www1": {"www1 5/5 (no connection a moment ago), removeSelf 4/4, byAge 3/3 (age 0s), addSelf 3/4, byLoad 2/4 (load 0.50), " +
				"byHostname 1/3: chosen"},
			"10.0.0.3:80": {"www2 2/5, removeSelf 1/4, byAge 1/3 (age 0s), addSelf 1/4, byLoad 4/4 (load 3.00), byHostname 3/3"},
			"www4":        {"www4 4/5, removeSelf 3/4, byAge 0/3 (older than 6s: age 8s)"},
			"front": {"front 1/5, removeSelf 0/4 (is this host), addSelf 4/4 back, byLoad 1/4 (load 0.00), " +
				"byHostname 0/3 (does not match)"},
			"drains":              {"drains 0/5 (draining)"},
			idOf("www3").String(): {"www3 3/5, removeSelf 2/4, byAge 2/3 (age 0s), addSelf 2/4, byLoad 3/4 (load 2.00), byHostname 2/3"},
			"nobody":              nil,
			"":                    nil,
		} {
			e := h.Explain(Question{Target: "/", Node: name, Seed: new(uint64(1))})
			var got []string
			for _, tr := range e.Traces {
				got = append(got, way(tr))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the way of %q (-want +got):\n%s", name, d)
			}
		}
	})
}

// Who poses under another's name is told of beside it; what the name does to a terminal is left away.
func TestTraceOfNamesThatAreNotUnique(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addNode("www1", "10.0.0.2:80", "web")
		l.addNode("www1\x1b", "10.0.0.3:80", "web")
		l.addPhysical("web", "www1", "http://127.0.0.1:8081")
		h := l.agent("front", frontAddr, l.toWeb("order www1"))
		e := h.Explain(Question{Target: "/", Node: "www1"})
		if len(e.Traces) != 2 || e.Traces[0].Member.Address != "10.0.0.2:80" || e.Traces[1].Member.Address != "127.0.0.1:8081" {
			t.Errorf("the ways are %+v", e.Traces)
		}
		e = h.Explain(Question{Target: "/", Node: "www1\ufffd"})
		if len(e.Traces) != 1 || e.Traces[0].Member.Name != "www1\ufffd" || e.Traces[0].Steps[0].Place != 0 {
			t.Errorf("the way of the other is %+v", e.Traces)
		}
	})
}

// A question and its answer are plain values, so that they can be kept and asked again. The answer tells of every member, also
// where the chain has dropped some ahead of the requests.
func TestExplainIsPlain(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for i := range 100 {
			l.addPhysical("web", fmt.Sprint("p", i), fmt.Sprintf("http://127.0.0.1:%d", 8000+i))
		}
		l.reg = candidacy.Builtin()
		chain := l.chain(`byExpr name != "p3"`, "byRandom")
		h := l.agent("front", frontAddr, &Site{Routes: l.routes(Route{Path: "/", Farm: "web", Chain: chain})})
		chain.Prepare(h.cfg.Snapshot().Farm("web"), time.Now())
		q := Question{Target: "/", Host: "a", Seed: new(uint64(7)), Node: "p3"}
		text, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		var again Question
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		e := h.Explain(q)
		if d := cmp.Diff(e, h.Explain(again)); d != "" {
			t.Errorf("asked again, it says (-first +second):\n%s", d)
		}
		if len(e.Candidates) != 100 || len(e.Steps[0].Kept) != 99 || way(e.Traces[0]) != `p3 4/100, byExpr 0/99 (does not hold: name "p3")` {
			t.Errorf("it starts with %d candidates, goes on with %d, and says of p3 %s", len(e.Candidates), len(e.Steps[0].Kept), way(e.Traces[0]))
		}
	})
}
