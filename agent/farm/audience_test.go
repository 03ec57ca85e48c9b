package farm

import (
	"testing"
	"time"

	"backhand/gossip/node"
)

func TestNotesAreFewWhereEachCostsMuch(t *testing.T) {
	const seconds = 60
	for name, tc := range map[string]struct {
		audience Audience
		most     int // notes in a minute
		least    int
	}{
		"of one agent alone, as many as there is to say":           {Audience{}, 160 * seconds, 40 * seconds},
		"of a group of ten, the same":                              {Audience{Agents: 10, Copies: 1}, 160 * seconds, 40 * seconds},
		"of a thousand in a group, hardly any but news":            {Audience{Agents: 1000, Copies: 1}, 130 * seconds, 20 * seconds},
		"of ten that get a copy each, 51 a second":                 {Audience{Agents: 10, Copies: 10}, 52 * seconds, 48 * seconds},
		"of a thousand that get a copy each, one in two seconds":   {Audience{Agents: 1000, Copies: 1000}, seconds/2 + 2, seconds/2 - 2},
		"of more than it could ever reach, still one now and then": {Audience{Agents: 1e4, Copies: 1e4}, 4, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := manyPhysicals(1000)
			s := newStore(t, 1, l)
			s.SetAudience(tc.audience)
			now, sent := start, 0
			for i := 0; now.Before(start.Add(seconds * time.Second)); i++ {
				m := l.Farms[0].Members[i%1000]
				s.must(t, now, say("physical "+m.Name+" off"), node.Update{Name: m.Name, Stats: numbered(0, node.MaxStats)})
				notes, again := s.Notes(now)
				sent += len(notes)
				now = now.Add(again)
			}
			if sent < tc.least || sent > tc.most {
				t.Errorf("%d notes in %d s, want %d to %d", sent, seconds, tc.least, tc.most)
			}
		})
	}
}

func TestRepeatsAreSharedByAllAgents(t *testing.T) {
	l := manyPhysicals(3000)
	count := func(a Audience) (notes int) {
		s := newStore(t, 1, l)
		s.SetAudience(a)
		for _, m := range l.Farms[0].Members {
			s.must(t, start, say("physical "+m.Name+" off"))
		}
		now := start
		for ; len(s.newStates) > 0; now = now.Add(tellEvery) {
			_, _ = s.Notes(now)
		}
		for end := now.Add(100 * time.Second); now.Before(end); now = now.Add(tellEvery) {
			all, _ := s.Notes(now)
			notes += len(all)
		}
		return notes
	}
	alone, hundred := count(Audience{Agents: 1, Copies: 1}), count(Audience{Agents: 100, Copies: 1})
	if alone < 1000 || hundred < 195 || hundred > 205 {
		t.Errorf("in 100 s one agent alone repeats %d notes, one of a hundred %d, want many and 200", alone, hundred)
	}
}

// However little may leave, of all that is repeated each has its turn.
func TestRepeatsAreOfStatesAndStatistics(t *testing.T) {
	for _, copies := range []int{1, 400, 1000} {
		for _, ahead := range []time.Duration{-time.Second, 0, 500 * time.Millisecond} {
			l := manyPhysicals(30)
			s := newStore(t, 1, l)
			s.SetAudience(Audience{Agents: 2, Copies: copies})
			for _, m := range l.Farms[0].Members {
				s.must(t, start, say("physical "+m.Name+" off"))
				s.must(t, start.Add(ahead), node.Update{Name: m.Name, Stats: numbered(0, 12)})
			}
			states, stats := 0, 0
			for now, end := start, start.Add(10*time.Minute); now.Before(end); now = now.Add(tellEvery) {
				notes, _ := s.Notes(now)
				for _, b := range notes {
					n, err := parseNote(b, now)
					if err != nil {
						t.Fatal(err)
					}
					if now.Sub(start) > 5*time.Minute {
						states, stats = states+len(n.states), stats+len(n.stats)
					}
				}
			}
			if states < 30 || stats < 30 {
				t.Errorf("%d copies, statistics %v later: in five minutes %d states and %d statistics are repeated, want each of 30", copies, ahead,
					states, stats)
			}
		}
	}
}
