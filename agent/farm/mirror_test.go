package farm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// arrived is what was said as it comes to an engine whose clock goes that much ahead, or which hears that much later: times
// travel as ages.
func arrived(said []node.Said, later time.Duration) []node.Said {
	all := slices.Clone(said)
	for i := range all {
		v := &all[i]
		for _, st := range []**node.SaidState{&v.OnOff, &v.UpDown} {
			if *st != nil {
				moved := **st
				moved.Since = moved.Since.Add(later)
				*st = &moved
			}
		}
		if !v.Updated.IsZero() {
			v.Updated = v.Updated.Add(later)
		}
		v.Stats = slices.Clone(v.Stats)
		for k := range v.Stats {
			v.Stats[k].At = v.Stats[k].At.Add(later)
		}
	}
	return all
}

const mirroredBy = "10.58.4.2"

// mirrorTo has one engine tell another everything, and returns in what they differ.
func (s *Store) mirrorTo(t testing.TB, to *Store, now time.Time) []string {
	t.Helper()
	said, _ := s.Said(0)
	_, differences, err := to.Mirror(mirroredBy, said, now)
	if err != nil {
		t.Fatal(err)
	}
	return differences
}

// names returns of which farms and physicals something is told.
func names(said []node.Said) string {
	var all []string
	for _, v := range said {
		all = append(all, v.Name)
	}
	return strings.Join(all, " ")
}

func TestMirrorIsToldEverythingAndThenWhatIsNew(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.must(t, start, say("physical app01 off: disks"), push("app01", "load", 0.5))
	all, mark := s.Said(0)
	want := []node.Said{
		{Farm: true, Name: "reports", Members: []string{"app01", "app02"}},
		{
			Name: "app01", Stats: []node.Stat{{Name: "load", Value: 0.5, At: start}}, Updated: start,
			OnOff: &node.SaidState{State: "off", Why: "disks", By: "10.58.4.9", Since: start, Counter: millis(start), Node: id(1)},
		},
		{Name: "app02"},
		{Farm: true, Name: "jobs", Members: []string{"app01"}},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("everything (-want +got):\n%s", diff)
	}
	if none, same := s.Said(mark); len(none) != 0 || same != mark {
		t.Errorf("when nobody has said anything, %q is told", names(none))
	}
	s.must(t, start.Add(time.Second), push("app02", "load", 1.0), say("farm jobs down"))
	if some, _ := s.Said(mark); names(some) != "app02 jobs" || some[1].Members != nil || some[1].UpDown.State != "down" {
		t.Errorf("what is new is %+v", some)
	}
	if again, _ := s.Said(mark); names(again) != "app02 jobs" {
		t.Errorf("who was not told since then is told %q", names(again))
	}
}

func TestMirrorFollows(t *testing.T) {
	a, b := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
	a.must(t, start, say("physical app01 off, down: disks"), push("app02", "load", 2.0), say("farm jobs down: fire"))
	if d := a.mirrorTo(t, b, start.Add(time.Second)); len(d) != 0 {
		t.Errorf("with one layout they differ in %q", d)
	}
	now := start.Add(2 * time.Second)
	if got := b.stands("reports", "app01", now) + ", " + b.stands("jobs", "app01", now); got != "off down in: disks, off down in: disks" {
		t.Errorf("app01 is %s", got)
	}
	if got := b.has("app02", now); got != "load=2" {
		t.Errorf("app02 has %s", got)
	}
	if f := b.Farms(now)[1].Standing; !f.Down || f.Why != "fire" {
		t.Errorf("jobs is %+v", f)
	}
	a.must(t, now, say("physical app01 on, up"), push("app02", "load", 3.0))
	a.mirrorTo(t, b, now)
	if got := b.stands("reports", "app01", now) + ", " + b.has("app02", now); got != "on up in, load=3" {
		t.Errorf("then it is %s", got)
	}
}

// In and out are worked out by the target, from the ages that it is told.
func TestMirroredStatisticsCountWithTheirAge(t *testing.T) {
	a := newStore(t, 1, twoFarms())
	b := newStoreOf(t, Config{Self: id(2), Layout: twoFarms(), Start: start.Add(-time.Hour)})
	b.must(t, start.Add(-time.Hour), push("app01", "load", 9.0))
	a.must(t, start, push("app01", "load", 1.0), push("app02"))
	at := func(after time.Duration) string {
		now := start.Add(after)
		return strings.Fields(b.stands("reports", "app01", now))[2] + " " + strings.Fields(b.stands("reports", "app02", now))[2]
	}
	if got := at(0); got != "out out" {
		t.Errorf("before it is told they are %s", got)
	}
	a.mirrorTo(t, b, start.Add(5*time.Second))
	for after, want := range map[time.Duration]string{
		5 * time.Second: "in in", 9 * time.Second: "in in", 10 * time.Second: "out in", 29 * time.Second: "out in",
		30 * time.Second: "out out",
	} {
		if got := at(after); got != want {
			t.Errorf("%v after they were pushed they are %s, want %s", after, got, want)
		}
	}
}

func TestMirrorNamesDifferencesAndTakesTheRest(t *testing.T) {
	a := newStore(t, 1, Layout{Farms: []FarmEntry{
		{Name: "reports", Members: []MemberEntry{{Name: "app01"}, {Name: "app09"}}}, {Name: "shop"},
	}})
	b := newStore(t, 2, twoFarms())
	a.must(t, start, say("physical app01 off"), say("physical app09 off"), say("farm shop off"))
	said, _ := a.Said(0)
	listed, differences, err := b.Mirror(mirroredBy, said, start)
	want := []string{
		`farm "reports": its member "app09" is not listed here`, `farm "reports": its member "app02" is listed here only`,
		`physical "app09" is not listed here`, `farm "shop" is not listed here`,
	}
	if diff := cmp.Diff(want, differences); diff != "" || listed != 2 || err != nil {
		t.Errorf("%d are listed, %v; differences (-want +got):\n%s", listed, err, diff)
	}
	if got := b.stands("reports", "app01", start); got != "off up in" {
		t.Errorf("app01 is %s", got)
	}
	full := newStore(t, 3, twoFarms())
	full.must(t, start, node.Update{Name: "app01", Stats: numbered(0, node.MaxStats)})
	one := []node.Said{{Name: "app01", Stats: stats("other", 1.0)}}
	if _, d, err := full.Mirror(mirroredBy, one, start); len(d) != 1 || !strings.Contains(d[0], `64 statistics here already: "other" was not taken`) {
		t.Errorf("with no room for another statistic: %q, %v", d, err)
	}
	var many []node.Said
	for i := range maxDifferences + 7 {
		many = append(many, node.Said{Name: fmt.Sprintf("x%d", i)})
	}
	if _, d, _ := b.Mirror(mirroredBy, many, start); len(d) != maxDifferences+1 || d[maxDifferences] != "7 differences more" {
		t.Errorf("of very many it names %d, the last of which is %q", len(d), d[len(d)-1])
	}
}

func TestNothingIsTakenOfAMirrorThatCannotBe(t *testing.T) {
	state := func(edit func(*node.SaidState)) node.Said {
		v := node.SaidState{State: "off", Since: start, Counter: 5, Node: id(9)}
		edit(&v)
		return node.Said{Name: "app02", OnOff: &v}
	}
	for what, tc := range map[string]struct {
		said node.Said
		want string
	}{
		"a state that there is not":       {state(func(v *node.SaidState) { v.State = "offf" }), "offf"},
		"a state of the other pair":       {state(func(v *node.SaidState) { v.State = "down" }), "down"},
		"a counter of the far future":     {state(func(v *node.SaidState) { v.Counter = math.MaxUint64 }), "version"},
		"no counter":                      {state(func(v *node.SaidState) { v.Counter = 0 }), "version"},
		"no node":                         {state(func(v *node.SaidState) { v.Node = node.ID{} }), "version"},
		"a farm that drains":              {node.Said{Farm: true, Name: "jobs", OnOff: &node.SaidState{State: "drain", Counter: 5, Node: id(9)}}, "drain"},
		"a farm with statistics":          {node.Said{Farm: true, Name: "jobs", Stats: stats("load", 1.0)}, "no statistics"},
		"a negative statistic":            {node.Said{Name: "app02", Stats: stats("load", -1.0)}, "write 0 or more"},
		"a statistic that is no number":   {node.Said{Name: "app02", Stats: stats("load", math.NaN())}, "finite"},
		"a statistic with a bad name":     {node.Said{Name: "app02", Stats: stats("lo\nad", 1.0)}, "letters"},
		"more statistics than may be":     {node.Said{Name: "app02", Stats: numbered(0, node.MaxStats+1)}, "at most 64"},
		"a mistake in what is not listed": {node.Said{Name: "app99", Stats: stats("load", -1.0)}, "app99"},
	} {
		s := newStore(t, 1, twoFarms())
		good := node.Said{Name: "app01", Stats: stats("load", 1.0), OnOff: &node.SaidState{State: "off", Counter: 5, Node: id(9)}}
		_, _, err := s.Mirror(mirroredBy, []node.Said{good, tc.said}, start)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", what, err)
		}
		if got := s.stands("reports", "app01", start) + s.has("app01", start); got != "on up in" || woken(s.Changed()) {
			t.Errorf("%s: half of it was taken: %s", what, got)
		}
	}
}

// What a mirror says, the agents of the target's cluster hear, and nothing of it goes back but states, which are no news there.
func TestMirroredIsToldOnInTheClusterOfTheTarget(t *testing.T) {
	a, b1, b2 := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms()), newStore(t, 3, twoFarms())
	a.must(t, start, say("physical app01 off: disks"), push("app02", "load", 2.0))
	a.mirrorTo(t, b1, start)
	now := exchange(t, start, time.Second, b1, b2)
	if got := b2.stands("reports", "app01", now) + ", " + b2.has("app02", now); got != "off up in: disks, load=2" {
		t.Errorf("another agent of the cluster knows %s", got)
	}
	_ = woken(a.Changed())
	for _, s := range []*Store{b1, b2} {
		said, _ := s.Said(0)
		for _, v := range said {
			if len(v.Stats) > 0 || !v.Updated.IsZero() {
				t.Errorf("agent %v would tell %+v back", s.self, v)
			}
		}
		if d := s.mirrorTo(t, a, now); len(d) != 0 || woken(a.Changed()) {
			t.Errorf("what comes back has changed something: %q", d)
		}
	}
}

func TestNewerStatesWinOverMirroredOnes(t *testing.T) {
	a, b := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
	a.must(t, start, say("physical app01 off: disks"))
	old, _ := a.Said(0)
	b.must(t, start.Add(time.Second), say("physical app01 on, down: net"))
	if _, _, err := b.Mirror(mirroredBy, old, start.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := b.stands("reports", "app01", start.Add(2*time.Second)); got != "on down in: net" {
		t.Errorf("an older state has won: %s", got)
	}
}

func TestRepeatedStatisticsAreNoNews(t *testing.T) {
	a, b := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
	a.must(t, start, push("app01", "load", 2.0))
	a.mirrorTo(t, b, start)
	_, _ = b.Notes(start)
	said, _ := a.Said(0)
	for i := range said {
		said[i].Updated = time.Time{} // of which each repeat may be some ms younger
	}
	_ = woken(b.Changed())
	if _, _, err := b.Mirror(mirroredBy, arrived(said, 30*time.Millisecond), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if woken(b.Changed()) || len(b.newStats) != 0 {
		t.Error("a statistic that was told twice is told on again")
	}
}

// What an engine of a thousand physicals is told every few seconds, while the store is locked.
func BenchmarkMirror(b *testing.B) {
	from, to := newStore(b, 1, manyPhysicals(1000)), newStore(b, 2, manyPhysicals(1000))
	now := start
	for b.Loop() {
		b.StopTimer()
		now = now.Add(2 * time.Second)
		for i := range 1000 {
			from.must(b, now, push(fmt.Sprintf("app%04d", i), "load", float64(now.Unix()), "db", 3.0, "threads", 7.0))
		}
		b.StartTimer()
		from.mirrorTo(b, to, now)
	}
}

// Two engines that mirror to each other, with clocks that differ and ways that take long: neither states nor statistics go round
// and round, and in the end both know the same.
func TestEnginesThatMirrorToEachOtherComeToRest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.IntRange(-3600, 3600).Draw(rt, "clock of b, s")) * time.Second
		a := newStore(t, 1, twoFarms())
		b := newStoreOf(t, Config{Self: id(2), Layout: twoFarms(), Start: start.Add(ahead)})
		now := start
		clock := func(s *Store) time.Time {
			if s == b {
				return now.Add(ahead)
			}
			return now
		}
		marks := map[*Store]Mark{}
		tell := func(from, to *Store) (told int) {
			said, next := from.Said(marks[from])
			left := clock(from)
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "way, ms")) * time.Millisecond)
			// Ages are those of when it left.
			if _, _, err := to.Mirror(mirroredBy, arrived(said, clock(to).Sub(left)), clock(to)); err != nil {
				t.Fatal(err)
			}
			marks[from] = next
			return len(said)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"say": func(rt *rapid.T) {
				s := rapid.SampledFrom([]*Store{a, b}).Draw(rt, "at")
				s.must(t, clock(s), say(rapid.SampledFrom([]string{
					"physical app01 off: x", "physical app01 drain: z", "physical app01 on", "physical app02 down: y", "farm jobs off", "farm jobs on, up",
				}).Draw(rt, "what")))
				now = now.Add(time.Millisecond)
			},
			"push": func(rt *rapid.T) {
				s := rapid.SampledFrom([]*Store{a, b}).Draw(rt, "at")
				s.must(t, clock(s), push("app01", "load", rapid.Float64Range(0, 9).Draw(rt, "load")))
				now = now.Add(10 * time.Second) // no two within the time that a way takes
			},
			"tell a": func(*rapid.T) { tell(b, a) },
			"tell b": func(*rapid.T) { tell(a, b) },
		})
		rounds := 0
		for ; rounds < 4; rounds++ {
			if tell(a, b)+tell(b, a) == 0 {
				break
			}
		}
		if rounds == 4 {
			rt.Fatal("they never come to rest")
		}
		for _, at := range [][2]string{{"reports", "app01"}, {"jobs", "app01"}, {"reports", "app02"}} {
			x, y := a.filled(at[0], at[1], clock(a)).Standing, b.filled(at[0], at[1], clock(b)).Standing
			if x.Off != y.Off || x.Drain != y.Drain || x.Down != y.Down || x.Why != y.Why {
				rt.Fatalf("%v is %+v at one, and %+v at the other", at, x, y)
			}
		}
	})
}
