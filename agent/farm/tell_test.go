package farm

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

func TestWhatIsNewIsToldOnce(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	told := func(now time.Time) (all []string) {
		t.Helper()
		notes, _ := s.Notes(now)
		for _, b := range notes {
			n, err := parseNote(b, now)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range n.states {
				all = append(all, fmt.Sprintf("%s %s %s", kindName(v.farm), v.name, v.pair.word(v.set)))
			}
			for _, v := range n.stats {
				all = append(all, fmt.Sprintf("physical %s has %d", v.name, len(v.stats)))
			}
		}
		slices.Sort(all)
		return all
	}
	told(start) // repeats begin with the first
	now := start.Add(time.Second)
	for _, tc := range []struct {
		name string
		say  []node.Update
		want string
	}{
		{"nothing", nil, ""},
		{"a state of a physical", []node.Update{say("physical app01 off")}, "physical app01 off"},
		{"one of a farm", []node.Update{say("farm jobs down")}, "farm jobs down"},
		{"the same again, since it is newer", []node.Update{say("farm jobs down")}, "farm jobs down"},
		{"both pairs", []node.Update{say("physical app01 on, down")}, "physical app01 down, physical app01 on"},
		{"only the last of two", []node.Update{say("farm jobs up"), say("farm jobs down")}, "farm jobs down"},
		{"statistics", []node.Update{push("app01", "a", 1.0, "b", 2.0)}, "physical app01 has 2"},
		{"only those that were pushed", []node.Update{push("app01", "b", 3.0)}, "physical app01 has 1"},
		{"that one is alive", []node.Update{push("app01")}, "physical app01 has 0"},
		{
			"all at once",
			[]node.Update{push("app01", "a", 1.0), say("physical app02 off")},
			"physical app01 has 1, physical app02 off",
		},
	} {
		now = now.Add(tellEvery)
		s.must(t, now, tc.say...)
		if got := strings.Join(told(now), ", "); got != tc.want {
			t.Errorf("%s: told %q, want %q", tc.name, got, tc.want)
		}
		now = now.Add(tellEvery)
		if got := told(now); got != nil {
			t.Errorf("%s: told again: %q", tc.name, got)
		}
	}
}

func TestWhatIsHeardIsNotToldAtOnce(t *testing.T) {
	a, b := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
	_, _ = b.Notes(start)
	a.must(t, start, say("physical app01 off"), push("app01", "load", 1.0))
	notes, _ := a.Notes(start)
	hearAll(t, a, notes[0], start, []*Store{b})
	if notes, _ := b.Notes(start.Add(tellEvery)); notes != nil || len(b.newStates)+len(b.newStats) > 0 {
		t.Error("what was heard is told on, by everybody who heard it")
	}
	if got := b.stands("reports", "app01", start) + " " + b.has("app01", start); got != "off up in load=1" {
		t.Errorf("heard: %s", got)
	}
	now := start.Add(time.Second)
	a.must(t, now, say("farm jobs off"))
	b.must(t, now.Add(time.Second), say("farm jobs down")) // that is the other pair
	b.must(t, now.Add(time.Second), say("farm jobs off: newer"))
	notes, _ = b.Notes(now.Add(time.Second))
	hearAll(t, b, notes[0], now.Add(time.Second), []*Store{a})
	if notes, _ := a.Notes(now.Add(time.Second)); notes != nil {
		t.Error("what another one has overruled is told")
	}
}

// Whoever asks after each change sends one datagram for many of them all the same, and none of them late.
func TestChangesThatFollowEachOtherGoTogether(t *testing.T) {
	l := manyPhysicals(1000)
	from, to := newStore(t, 1, l), newStore(t, 2, l)
	said := map[string]time.Time{}
	sent, now := 0, start
	for i := range 1100 {
		now = now.Add(time.Millisecond)
		if i < 1000 {
			name := l.Farms[0].Members[i].Name
			from.must(t, now, say("physical "+name+" off"))
			said[name] = now
		}
		notes, again := from.Notes(now)
		if sent += len(notes); notes == nil && again > tellEvery {
			t.Fatalf("asked again after %v", again)
		}
		for _, n := range notes {
			hearAll(t, from, n, now, []*Store{to})
		}
		for name, at := range said {
			if to.stands("reports", name, now) == "off up in" {
				delete(said, name)
			} else if now.Sub(at) > 50*time.Millisecond {
				t.Fatalf("%s is not known after %v", name, now.Sub(at))
			}
		}
	}
	if len(said) > 0 || sent > 120 {
		t.Errorf("%d datagrams for 1000 changes in a second, %d of which are not known", sent, len(said))
	}
}

func TestItsOwnNotesSayNothingNew(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	v := sampleState()
	if err := s.Hear(s.self, noteOf(appendState(nil, &v, start)), start); err != nil || s.Farms(start)[0].Standing.Down {
		t.Errorf("%v; %+v", err, s.Farms(start)[0])
	}
}

// As few datagrams as it takes, at most 200 a second however much there is, states before statistics, and nothing is lost.
func TestNotesAreBounded(t *testing.T) {
	const physicals, seconds = 1000, 60
	l := manyPhysicals(physicals)
	from, to := newStore(t, 1, l), newStore(t, 2, l)
	for _, m := range l.Farms[0].Members {
		from.must(t, start, node.Update{Name: m.Name, Stats: numbered(0, node.MaxStats)})
	}
	var sent []time.Time
	knew := time.Duration(0) // when the state that was said after one second was known
	for now, end := start, start.Add(seconds*time.Second); now.Before(end); {
		if now.Equal(start.Add(time.Second)) {
			from.must(t, now, say("physical app0500 off"))
		}
		notes, again := from.Notes(now)
		if again <= 0 || again > 50*time.Millisecond {
			t.Fatalf("asked again after %v", again)
		}
		for _, n := range notes {
			sent = append(sent, now)
			hearAll(t, from, n, now, []*Store{to})
		}
		if knew == 0 && to.stands("reports", "app0500", now) == "off up in" {
			knew = now.Sub(start) - time.Second
		}
		now = now.Add(again)
	}
	for i, j := 0, 0; j < len(sent); j++ {
		for sent[j].Sub(sent[i]) >= time.Second {
			i++
		}
		if n := j - i + 1; n > 200 {
			t.Fatalf("%d datagrams within a second, after %v", n, sent[j].Sub(start))
		}
	}
	if knew > 50*time.Millisecond {
		t.Errorf("a state waited %v behind statistics", knew)
	}
	for _, m := range l.Farms[0].Members {
		if n := len(to.filled("reports", m.Name, start).Stats); n != node.MaxStats {
			t.Fatalf("%s has %d statistics after all", m.Name, n)
		}
	}
}

func TestManyChangesTakeFewDatagrams(t *testing.T) {
	l := manyPhysicals(100)
	s := newStore(t, 1, l)
	bytes := 0
	for _, m := range l.Farms[0].Members {
		s.must(t, start, say("physical "+m.Name+" off"), push(m.Name, "load", 0.5, "sessions", 12.0))
		e := s.entities[kindOf(false)][m.Name]
		v := statsSaid{name: e.name, stats: e.show()}
		record, _ := appendStats(nil, &v, start)
		bytes += stateSize(e, onOff) + len(record)
	}
	s.statesTurn.last, s.statsTurn.last = start, start // nothing is repeated yet
	notes, _ := s.Notes(start)
	if most := bytes/MaxNote + 2; len(notes) > most {
		t.Errorf("%d datagrams for %d bytes, want at most %d", len(notes), bytes, most)
	}
}

// Whoever missed all that was told comes to know it by what is repeated.
func TestRepeats(t *testing.T) {
	reason := strings.Repeat("r", node.MaxWhy)
	for name, tc := range map[string]struct {
		physicals int
		within    time.Duration
		notes     int // at most, in that time
	}{
		"of a few, all in ten seconds, and rarely": {3, 10 * time.Second, 3},
		"of a hundred":                          {100, 10 * time.Second, 20},
		"of a thousand":                         {1000, 10 * time.Second, 160},
		"of many, at twenty datagrams a second": {3000, 20 * time.Second, 404},
	} {
		t.Run(name, func(t *testing.T) {
			l := manyPhysicals(tc.physicals)
			s := newStore(t, 1, l)
			for _, m := range l.Farms[0].Members {
				s.must(t, start, say("physical "+m.Name+" off: "+reason))
			}
			now := start
			for ; len(s.newStates) > 0; now = now.Add(tellEvery) {
				_, _ = s.Notes(now)
			}
			now = now.Add(3 * time.Second)
			begun, heard := newStore(t, 2, l), 0
			for end := now.Add(tc.within); now.Before(end); now = now.Add(tellEvery) {
				notes, _ := s.Notes(now)
				heard += len(notes)
				for _, n := range notes {
					hearAll(t, s, n, now, []*Store{begun})
				}
			}
			for _, m := range l.Farms[0].Members {
				if got := begun.stands("reports", m.Name, now); got != "off up in: "+reason {
					t.Fatalf("%s: %s after %v", m.Name, got, tc.within)
				}
			}
			if heard > tc.notes {
				t.Errorf("%d datagrams, want at most %d", heard, tc.notes)
			}
		})
	}
}

func TestStatisticsAreRepeatedWhoWasPushedTo(t *testing.T) {
	a, b, late := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms()), newStore(t, 3, twoFarms())
	a.must(t, start, push("app01", "load", 1.0))
	now := exchange(t, start, time.Second, a, b)
	now = exchange(t, now, 10*time.Second, b, late)
	if got := late.has("app01", now); got != "" {
		t.Errorf("an agent that was only told of %q repeats it", got)
	}
	now = exchange(t, now, 10*time.Second, a, late)
	p := late.filled("reports", "app01", now)
	if got := late.has("app01", now); got != "load=1" {
		t.Errorf("an agent that missed it has %q", got)
	}
	if age := now.Sub(p.Updated); age < now.Sub(start) || age > now.Sub(start)+10*time.Millisecond {
		t.Errorf("taken %v ago, it seems; want %v", age, now.Sub(start))
	}
	now = exchange(t, start.Add(staleAfter), time.Second, a)
	begun := newStore(t, 4, twoFarms())
	now = exchange(t, now, 20*time.Second, a, begun)
	if got := begun.has("app01", now); got != "" {
		t.Errorf("%q is still repeated after %v", got, staleAfter)
	}
}

func TestStatisticsThatArePushedOftenAreNotRepeated(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	sent, now := 0, start
	for range 100 {
		s.must(t, now, push("app01", "load", 1.0))
		for range 18 {
			notes, _ := s.Notes(now)
			sent += len(notes)
			now = now.Add(tellEvery)
		}
	}
	if sent != 100 {
		t.Errorf("%d datagrams for 100 updates in %v", sent, now.Sub(start))
	}
}

func TestNothingIsToldOfNothing(t *testing.T) {
	s := newStore(t, 1, Layout{})
	notes, again := s.Notes(start)
	if notes != nil || again != time.Second {
		t.Errorf("%d notes, asked again after %v", len(notes), again)
	}
	s.SetLayout(twoFarms(), start)
	for i := range 1000 {
		if notes, _ := s.Notes(start.Add(time.Duration(i) * tellEvery)); notes != nil {
			t.Fatalf("%x is told, and nothing was ever said", notes)
		}
	}
}
