package farm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// world is three agents with clocks of their own, and notes on their way between them.
type world struct {
	stores []*Store
	clocks []time.Duration // by which they are wrong
	now    time.Time
	way    []letter
	newest map[key]state // of all that was ever said
}

type letter struct {
	from, to int
	note     []byte
}

type key struct {
	farm bool
	name string
	pair pair
}

func newWorld(rt *rapid.T, t *testing.T) *world {
	w := &world{now: start, newest: map[key]state{}}
	for i := range 3 {
		w.clocks = append(w.clocks, time.Duration(rapid.IntRange(-5000, 5000).Draw(rt, "clock"))*time.Millisecond)
		w.stores = append(w.stores, newStoreOf(t, Config{Self: id(uint64(i + 1)), Layout: twoFarms(), Start: w.clock(i)}))
	}
	return w
}

func (w *world) clock(i int) time.Time { return w.now.Add(w.clocks[i]) }

// pass lets time go on.
func (w *world) pass(rt *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
}

// say has somebody say something to one of them.
func (w *world) say(rt *rapid.T, t *testing.T) {
	i := rapid.IntRange(0, 2).Draw(rt, "agent")
	u := node.Update{Name: "app01", Why: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "why")}
	if u.Farm = rapid.Bool().Draw(rt, "farm"); u.Farm {
		u.Name = "jobs"
	}
	p, set := pair(rapid.IntRange(0, 1).Draw(rt, "pair")), rapid.Bool().Draw(rt, "set")
	switch {
	case p == onOff && !u.Farm && rapid.Bool().Draw(rt, "drain"):
		u.Drain = new(true)
	case p == onOff:
		u.Off = new(set)
	default:
		u.Down = new(set)
	}
	w.stores[i].must(t, w.clock(i), u)
	k := key{u.Farm, u.Name, p}
	v := w.stores[i].entities[kindOf(u.Farm)][u.Name].states[p]
	if before := w.newest[k]; v.newer(&before) {
		w.newest[k] = v
	}
}

// tell puts what one of them has to say on its way, to each of the others or, if it is lost, to some.
func (w *world) tell(rt *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(rt, "agent")
	notes, _ := w.stores[i].Notes(w.clock(i))
	for _, n := range notes {
		for to := range w.stores {
			if to != i && !rapid.Bool().Draw(rt, "lost") {
				w.way = append(w.way, letter{i, to, n})
			}
		}
	}
}

// arrive has one that is on its way arrive, in any order, and perhaps once more later.
func (w *world) arrive(rt *rapid.T, t *testing.T) {
	if len(w.way) == 0 {
		return
	}
	k := rapid.IntRange(0, len(w.way)-1).Draw(rt, "letter")
	l := w.way[k]
	if !rapid.Bool().Draw(rt, "again") {
		w.way = slices.Delete(w.way, k, k+1)
	}
	if err := w.stores[l.to].Hear(id(uint64(l.from+1)), l.note, w.clock(l.to)); err != nil {
		t.Fatal(err)
	}
}

// restart starts one of them anew, with what it has kept.
func (w *world) restart(rt *rapid.T, t *testing.T) {
	i := rapid.IntRange(0, 2).Draw(rt, "agent")
	f := w.stores[i].kept()
	text, err := encodeFile(&f)
	if err != nil {
		t.Fatal(err)
	}
	w.stores[i] = newStoreOf(t, Config{Self: id(uint64(i + 1)), Layout: twoFarms(), Start: w.clock(i)})
	if err := w.stores[i].restore(text, w.clock(i)); err != nil {
		t.Fatal(err)
	}
}

// Whatever is lost, doubled or late, whatever clocks say, and whoever is started anew: once they hear each other, all know
// the newest of all that was ever said.
func TestAgentsComeToKnowTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, t)
		rt.Repeat(map[string]func(*rapid.T){
			"time":    w.pass,
			"say":     func(rt *rapid.T) { w.say(rt, t) },
			"tell":    w.tell,
			"arrive":  func(rt *rapid.T) { w.arrive(rt, t) },
			"restart": func(rt *rapid.T) { w.restart(rt, t) },
			"":        func(rt *rapid.T) { w.neverAhead(rt) },
		})
		w.settle(t)
		for i, s := range w.stores {
			if got, want := w.knows(s), w.truth(); got != want {
				rt.Fatalf("agent %d knows %s, want %s", i+1, got, want)
			}
		}
	})
}

// neverAhead: nobody knows anything newer than what was said.
func (w *world) neverAhead(rt *rapid.T) {
	for i, s := range w.stores {
		for k, newest := range w.newest {
			if v := s.entities[kindOf(k.farm)][k.name].states[k.pair]; v.newer(&newest) {
				rt.Fatalf("agent %d knows %+v of %+v, and the newest is %+v", i+1, v, k, newest)
			}
		}
	}
}

// settle lets them hear each other for as long as a turn of repeats takes.
func (w *world) settle(t *testing.T) {
	for end := w.now.Add(10 * time.Second); w.now.Before(end); w.now = w.now.Add(tellEvery) {
		for i, from := range w.stores {
			notes, _ := from.Notes(w.clock(i))
			for _, n := range notes {
				for to, s := range w.stores {
					if to == i {
						continue
					}
					if err := s.Hear(id(uint64(i+1)), n, w.clock(to)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func (w *world) truth() string {
	return w.text(func(k key) state { return w.newest[k] })
}

func (w *world) knows(s *Store) string {
	return w.text(func(k key) state { return s.entities[kindOf(k.farm)][k.name].states[k.pair] })
}

func (w *world) text(of func(key) state) (text string) {
	for _, name := range []string{"app01", "jobs"} {
		for p := range pair(pairs) {
			v := of(key{name == "jobs", name, p})
			text += fmt.Sprintf("%s %s (%q, %d by %s), ", name, v.word(p), v.why, v.version.counter, v.version.node.Short())
		}
	}
	return text
}

// Two sayings may carry one version, if somebody makes them up: even then all agree.
func TestStatesOfOneVersionAreOrdered(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(label string) state {
			return state{
				set: rapid.Bool().Draw(rt, label), why: rapid.StringN(0, 1, 1).Draw(rt, label),
				by:      rapid.StringN(0, 1, 1).Draw(rt, label),
				version: version{rapid.Uint64Range(1, 2).Draw(rt, label), id(rapid.Uint64Range(1, 2).Draw(rt, label))},
			}
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if a != b && a.newer(&b) == b.newer(&a) {
			rt.Fatalf("neither or both are the newer: %+v, %+v", a, b)
		}
		if a.newer(&b) && b.newer(&c) && !a.newer(&c) {
			rt.Fatalf("%+v, %+v, %+v have no order", a, b, c)
		}
	})
}
