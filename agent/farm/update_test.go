package farm

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// numbered returns a statistic for each of these numbers.
func numbered(from, to int) (all []node.Stat) {
	for i := from; i < to; i++ {
		all = append(all, node.Stat{Name: fmt.Sprintf("n%03d", i), Value: float64(i)})
	}
	return all
}

func TestUpdateIsRefused(t *testing.T) {
	value := func(v float64) []node.Update { return []node.Update{push("app01", "load", v)} }
	const rule = "write 1 to 32 letters, digits, dots, dashes and underscores, the first a letter"
	called := func(name string) []node.Update { return []node.Update{push("app01", name, 1.0)} }
	for name, tc := range map[string]struct {
		updates []node.Update
		want    string
	}{
		"of a physical that is not listed": {
			[]node.Update{push("app09", "load", 1.0)}, `physical "app09" is not in the file: it lists app01, app02`,
		},
		"of a farm that is not listed": {
			[]node.Update{say("farm app01 off")}, `farm "app01" is not in the file: it lists jobs, reports`,
		},
		"of a physical that is called as a farm": {
			[]node.Update{say("physical jobs off")}, `physical "jobs" is not in the file: it lists app01, app02`,
		},
		"with a name that is made to be long": {
			[]node.Update{push(strings.Repeat("<", 9999))},
			`physical "` + strings.Repeat("<", 64) + `" is not in the file: it lists app01, app02`,
		},
		"with a number that is none": {
			value(math.NaN()), `update 1, of physical "app01": statistic "load" is no finite number: write one`,
		},
		"with one without end": {
			value(math.Inf(1)), `update 1, of physical "app01": statistic "load" is no finite number: write one`,
		},
		"with a negative one": {
			value(-0.5), `update 1, of physical "app01": statistic "load" is -0.5: write 0 or more`,
		},
		"with a name that holds newlines": {
			called("a\nb"), `update 1, of physical "app01": statistic "a\nb": ` + rule,
		},
		"with no name": {
			called(""), `update 1, of physical "app01": statistic "": ` + rule,
		},
		"with statistics of a farm": {
			[]node.Update{{Farm: true, Name: "jobs", Stats: stats("load", 1.0)}},
			`update 1, of farm "jobs": a farm has no statistics: push them for its members`,
		},
		"that says nothing of a farm": {
			[]node.Update{{Farm: true, Name: "jobs"}}, `update 1, of farm "jobs": it says nothing: say on, off, up or down`,
		},
		"that has a farm drain": {
			[]node.Update{say("farm jobs drain")}, `update 1, of farm "jobs": a farm cannot drain: drain its members, or say off`,
		},
		"with a 65th statistic": {
			[]node.Update{{Name: "app01", Stats: numbered(0, 65)}},
			`physical "app01" would have more than 64 statistics: push fewer names; those that nobody pushed for 1h0m0s make room`,
		},
		"with a 65th in several updates": {
			[]node.Update{{Name: "app01", Stats: numbered(0, 40)}, {Name: "app01", Stats: numbered(30, 65)}},
			`physical "app01" would have more than 64 statistics: push fewer names; those that nobody pushed for 1h0m0s make room`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 1, twoFarms())
			good := []node.Update{say("physical app02 off"), push("app02", "load", 1.0), say("farm reports down")}
			err := s.Update(start, "10.58.4.9", append(tc.updates, good...))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			again := strings.Replace(tc.want, "update 1", "update 4", 1)
			if err := s.Update(start, "10.58.4.9", append(good, tc.updates...)); err == nil || err.Error() != again {
				t.Errorf("behind three good ones: got  %v\nwant %s", err, again)
			}
			if got := s.stands("reports", "app02", start) + s.has("app02", start) + s.has("app01", start); got != "on up in" {
				t.Errorf("something was taken of what was refused: %s", got)
			}
			if notes, _ := s.Notes(start); notes != nil {
				t.Errorf("the others are told of what was refused")
			}
		})
	}
}

func TestErrorsOfUpdatesCanBeToldApart(t *testing.T) {
	s := newStore(t, 1, manyPhysicals(40))
	var unknown *UnknownError
	err := s.Update(start, "", []node.Update{push("app09", "load", 1.0)})
	if !errors.As(err, &unknown) || unknown.What != "physical" || unknown.Name != "app09" || len(unknown.Known) != 40 {
		t.Errorf("got %#v, want an UnknownError", err)
	}
	if !strings.HasSuffix(err.Error(), "app0030, app0031 and 8 more") {
		t.Errorf("not all forty are to be read: %v", err)
	}
	var limit *LimitError
	err = s.Update(start, "", []node.Update{{Name: "app0001", Stats: numbered(0, 65)}})
	if !errors.As(err, &limit) || limit.Name != "app0001" || limit.Most != 64 {
		t.Errorf("got %#v, want a LimitError", err)
	}
	empty := newStore(t, 1, Layout{})
	if err := empty.Update(start, "", []node.Update{push("app01")}); err == nil ||
		err.Error() != `physical "app01" is not in the file: it lists none` {
		t.Errorf("of an empty file: %v", err)
	}
}

func TestStatistics(t *testing.T) {
	aged := func(name string, value float64, age time.Duration) []node.Update {
		return []node.Update{{Name: "app01", Stats: []node.Stat{{Name: name, Value: value, At: start.Add(-age)}}}}
	}
	for name, tc := range map[string]struct {
		batches [][]node.Update
		want    string
	}{
		"are told by name": {
			[][]node.Update{{push("app01", "load", 0.5, "a.b-c_D", 7.0)}}, "a.b-c_D=7 load=0.5",
		},
		"stay until they are pushed again": {
			[][]node.Update{{push("app01", "load", 0.5)}, {push("app01", "idle", 1.0)}}, "idle=1 load=0.5",
		},
		"are replaced by the younger": {
			[][]node.Update{aged("load", 1, time.Second), aged("load", 2, 0)}, "load=2",
		},
		"not by the older": {
			[][]node.Update{aged("load", 2, 0), aged("load", 1, time.Second)}, "load=2",
		},
		"of one update, the last of a name counts": {[][]node.Update{{push("app01", "load", 1.0, "load", 2.0)}}, "load=2"},
		"of one batch, the last update counts": {
			[][]node.Update{{push("app01", "load", 1.0), push("app01", "load", 3.0)}}, "load=3",
		},
		"of a later time than now are of now": {
			[][]node.Update{aged("load", 1, -time.Hour), aged("load", 2, 0)}, "load=2",
		},
		"of minus zero are zero": {
			[][]node.Update{{push("app01", "load", math.Copysign(0, -1))}}, "load=0",
		},
		"come with a state in one update": {
			[][]node.Update{{{Name: "app01", Off: new(true), Stats: stats("load", 1.0)}}}, "load=1",
		},
		"there is room for 64": {
			[][]node.Update{{{Name: "app01", Stats: numbered(0, 64)}}, {push("app01", "n000", 5.0)}}, "n000=5",
		},
		"those that are an hour old make room": {
			[][]node.Update{old(numbered(0, 64)), {push("app01", "load", 5.0)}}, "load=5",
		},
		"even if they are pushed once more just then": {
			[][]node.Update{old(numbered(0, 64)), {push("app01", "load", 5.0, "n000", 0.0)}}, "load=5 n000=0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 1, twoFarms())
			for _, b := range tc.batches {
				s.must(t, start, b...)
			}
			if got := s.has("app01", start); got != tc.want && !strings.HasPrefix(got, tc.want+" n001=1 ") {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// old returns an update with statistics that are an hour old.
func old(all []node.Stat) []node.Update {
	for i := range all {
		all[i].At = start.Add(-time.Hour)
	}
	return []node.Update{{Name: "app01", Stats: all}}
}

func TestUpdatedIsWhenTheYoungestWasTaken(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	if got := s.filled("reports", "app02", start).Updated; !got.IsZero() {
		t.Errorf("before all statistics: %v", got)
	}
	s.must(t, start.Add(time.Minute), node.Update{Name: "app01", Stats: []node.Stat{
		{Name: "a", At: start.Add(50 * time.Second)}, {Name: "b", At: start.Add(40 * time.Second)},
	}})
	if got := s.filled("reports", "app01", start.Add(time.Minute)).Updated; !got.Equal(start.Add(50 * time.Second)) {
		t.Errorf("updated %v, want ten seconds ago", got)
	}
	s.must(t, start.Add(time.Minute), node.Update{Name: "app01", Stats: []node.Stat{{Name: "c", At: start.Add(time.Second)}}})
	other := newStore(t, 2, twoFarms())
	exchange(t, start.Add(time.Minute), time.Second, s, other)
	p, q := s.filled("reports", "app01", start), other.filled("reports", "app01", start)
	if len(p.Stats) != 3 || !p.Updated.Equal(q.Updated) || !p.Updated.Equal(start.Add(50*time.Second)) {
		t.Errorf("%d statistics, updated %v here and %v at another agent", len(p.Stats), p.Updated, q.Updated)
	}
	if got := s.stands("reports", "app01", start.Add(time.Minute)); got != "on up out" {
		t.Errorf("%s: statistics that are as old as expect_update do not have it in", got)
	}
}
