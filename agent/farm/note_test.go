package farm

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// noteOf returns a note with these records.
func noteOf(records ...[]byte) []byte {
	return slices.Concat(append([][]byte{{noteVersion}}, records...)...)
}

func sampleState() stateSaid {
	return stateSaid{farm: true, name: "reports", pair: upDown, state: state{
		set: true, why: "on fire", by: "10.58.4.9", since: start.Add(-90 * time.Second),
		version: version{1_790_000_000_000, id(7)},
	}}
}

func sampleStats() statsSaid {
	return statsSaid{name: "app01", fresh: start.Add(-time.Second), stats: []node.Stat{
		{Name: "load", Value: 0.5, At: start.Add(-time.Second)}, {Name: "sessions", Value: 12, At: start.Add(-time.Minute)},
	}}
}

// The bytes are a contract with agents of other versions: who changes them needs another kind of record.
func TestBytesOfANote(t *testing.T) {
	state, stats := sampleState(), sampleStats()
	pushed, n := appendStats(nil, &stats, start)
	if n != 2 {
		t.Fatalf("%d statistics fit, want 2", n)
	}
	want := strings.Join(strings.Fields(`01
		01 003b 07 000001a0c4506c00 00000000000000070000000000000000 0000000000015f90
		07 7265706f727473 07 6f6e2066697265 09 31302e35382e342e39
		02 0031 000003e8 05 6170703031 02
		04 6c6f6164 3fe0000000000000 000003e8
		08 73657373696f6e73 4028000000000000 0000ea60`), "")
	if got := hex.EncodeToString(noteOf(appendState(nil, &state, start), pushed)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	state.farm, state.pair, state.set, state.drain = false, onOff, false, true
	if got := appendState(nil, &state, start)[recordHead]; got != 8 {
		t.Errorf("the flags of a physical that drains are %d, want 8", got)
	}
}

var inNotes = cmp.AllowUnexported(note{}, stateSaid{}, statsSaid{}, state{}, version{})

func TestNotesAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want note
		b := noteOf()
		text := rapid.StringMatching(`[a-zäß "<>,]*`)
		age := rapid.Map(rapid.Int64Range(0, 1e9), func(ms int64) time.Time {
			return start.Add(-time.Duration(ms) * time.Millisecond)
		})
		for range rapid.IntRange(0, 4).Draw(rt, "states") {
			v := stateSaid{
				farm: rapid.Bool().Draw(rt, "farm"), name: rapid.StringMatching(`[a-z0-9._-]{1,32}`).Draw(rt, "name"),
				pair: pair(rapid.IntRange(0, 1).Draw(rt, "pair")),
				state: state{
					set: rapid.Bool().Draw(rt, "set"), drain: rapid.Bool().Draw(rt, "drain"), why: clean(text.Draw(rt, "why"), node.MaxWhy),
					by: clean(text.Draw(rt, "by"), MaxBy), since: age.Draw(rt, "since"),
					version: version{
						rapid.Uint64Range(1, millis(start)+maxAhead).Draw(rt, "counter"), id(rapid.Uint64Min(1).Draw(rt, "node")),
					},
				},
			}
			v.drain = v.drain && !v.farm && !v.set && v.pair == onOff
			record := appendState(nil, &v, start)
			e := entity{name: v.name}
			e.states[v.pair] = v.state
			if size := stateSize(&e, v.pair); size != len(record) {
				rt.Fatalf("%d bytes, taken for %d", len(record), size)
			}
			b, want.states = append(b, record...), append(want.states, v)
		}
		v := statsSaid{name: "app01", fresh: age.Draw(rt, "fresh")}
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9._-]{0,10}`), 0, 10, rapid.ID)
		for _, name := range names.Draw(rt, "stats") {
			v.stats = append(v.stats, node.Stat{
				Name: name, Value: rapid.Float64Range(0, math.MaxFloat64).Draw(rt, "value") + 0, At: age.Draw(rt, "at"),
			})
		}
		b, _ = appendStats(b, &v, start)
		want.stats = append(want.stats, v)
		got, err := parseNote(b, start)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got, inNotes); diff != "" {
			rt.Fatalf("-want +got\n%s", diff)
		}
	})
}

func TestMalformedNotes(t *testing.T) {
	state := func(edit func(*stateSaid)) []byte {
		v := sampleState()
		edit(&v)
		return noteOf(appendState(nil, &v, start))
	}
	stats := func(edit func(*statsSaid)) []byte {
		v := sampleStats()
		edit(&v)
		b, _ := appendStats(nil, &v, start)
		return noteOf(b)
	}
	at := func(b []byte, place int, v byte) []byte {
		b[place] = v
		return b
	}
	good := state(func(*stateSaid) {})
	const flags, counter, name = 4, 5, 37 // places in a note with one state
	long := slices.Concat(good[:name], []byte{33}, []byte(strings.Repeat("a", 33)), []byte{0, 0})
	long[3] = byte(len(long) - 4)
	for what, tc := range map[string]struct {
		note []byte
		want string
	}{
		"nothing at all":                            {nil, "size"},
		"more than fits":                            {make([]byte, MaxNote+1), "size"},
		"another version":                           {[]byte{2}, "version"},
		"a kind without a length":                   {noteOf([]byte{stateKind}), "cut short"},
		"a length that is not there":                {noteOf([]byte{99, 0, 5, 1, 2}), "cut short"},
		"an unknown kind with a length that is not": {noteOf([]byte{99, 255, 255}), "cut short"},
		"a state that is cut short":                 {noteOf([]byte{stateKind, 0, 2, 0, 0}), "cut short"},
		"flags that nobody knows":                   {at(slices.Clone(good), flags, 16), "flags"},
		"a farm that drains":                        {at(slices.Clone(good), flags, farmFlag|drainFlag), "flags"},
		"one that is off and drains":                {at(slices.Clone(good), flags, setFlag|drainFlag), "flags"},
		"one that is up and drains":                 {at(slices.Clone(good), flags, downFlag|drainFlag), "flags"},
		"a counter of the far future":               {at(slices.Clone(good), counter, 1), "counter"},
		"no counter":                                {state(func(v *stateSaid) { v.version.counter = 0 }), "counter"},
		"no node":                                   {state(func(v *stateSaid) { v.version.node = node.ID{} }), "node id"},
		"a farm without a name":                     {state(func(v *stateSaid) { v.name = "" }), "name"},
		"a name that is too long":                   {long, "text too long"},
		"a reason with a newline":                   {state(func(v *stateSaid) { v.why = "a\nb" }), "text"},
		"a reason that is no UTF-8":                 {state(func(v *stateSaid) { v.why = "\xff" }), "text"},
		"somebody with an escape sequence":          {state(func(v *stateSaid) { v.by = "\x1b[2J" }), "text"},
		"a physical without a name":                 {stats(func(v *statsSaid) { v.name = "" }), "name"},
		"a statistic without a name":                {stats(func(v *statsSaid) { v.stats[0].Name = "" }), "statistic"},
		"a statistic with a bad name":               {stats(func(v *statsSaid) { v.stats[0].Name = "9" }), "statistic"},
		"a statistic that is no number":             {stats(func(v *statsSaid) { v.stats[0].Value = math.NaN() }), "statistic"},
		"a negative one":                            {stats(func(v *statsSaid) { v.stats[0].Value = -1 }), "statistic"},
		"minus zero":                                {stats(func(v *statsSaid) { v.stats[0].Value = math.Copysign(0, -1) }), "statistic"},
		"one without end":                           {stats(func(v *statsSaid) { v.stats[0].Value = math.Inf(1) }), "statistic"},
		"one twice":                                 {stats(func(v *statsSaid) { v.stats[1].Name = "load" }), "statistic twice"},
		"fewer statistics than it says":             {at(stats(func(*statsSaid) {}), 14, 3), "cut short"},
		"more statistics than there may be":         {at(stats(func(*statsSaid) {}), 14, 65), "number of statistics"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t, 1, twoFarms())
			notes := [][]byte{tc.note}
			if len(tc.note) > 1 && tc.want != "size" { // and behind a record that is good
				notes = append(notes, slices.Concat(good, tc.note[1:]))
			}
			for _, b := range notes {
				err := s.Hear(id(2), b, start)
				if _, is := err.(malformed); !is || err.Error() != "note: "+tc.want {
					t.Errorf("%x: %v, want %s", b, err, tc.want)
				}
			}
			if s.Farms(start)[0].Standing.Down {
				t.Error("a state was taken out of a note that is malformed")
			}
		})
	}
	if err := newStore(t, 1, twoFarms()).Hear(id(2), good, start); err != nil {
		t.Errorf("the one that all were made of: %v", err)
	}
}

func TestNotesOfLaterVersionsAreRead(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	v := sampleState()
	longer := append(appendState(nil, &v, start), 1, 2, 3)
	longer[2] += 3
	if err := s.Hear(id(2), noteOf([]byte{99, 0, 2, 1, 2}, longer, []byte{77, 0, 0}), start); err != nil {
		t.Fatal(err)
	}
	if got := s.Farms(start)[0].Standing; !got.Down || got.Why != "on fire" || !got.Since.Equal(v.since) {
		t.Errorf("%+v, want what is known of the format", got)
	}
}

func TestTheYoungerIsHeardWhateverIsRepeated(t *testing.T) {
	a, b := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
	a.must(t, start, push("app01", "load", 1.0))
	_, _ = a.Notes(start) // which nobody hears
	now := start.Add(time.Second)
	b.must(t, now, push("app01", "load", 2.0))
	_, _ = b.Notes(now)
	now = exchange(t, now.Add(repeatAll), repeatAll, a, b)
	if got := a.has("app01", now) + " " + b.has("app01", now); got != "load=2 load=2" {
		t.Errorf("after both were repeated: %s", got)
	}
}

func TestHeardStatisticsAreBounded(t *testing.T) {
	a, b, to := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms()), newStore(t, 3, twoFarms())
	a.must(t, start, node.Update{Name: "app01", Stats: numbered(0, 64)})
	now := exchange(t, start, time.Second, a, to)
	b.must(t, now, push("app01", "load", 1.0, "n001", 100.0))
	now = exchange(t, now, time.Second, b, to)
	if got := to.has("app01", now); !strings.HasPrefix(got, "n000=0 n001=100 n002=2 ") || strings.Count(got, "=") != 64 {
		t.Errorf("it has %s, want 64, of which one has changed", got)
	}
	b.must(t, start.Add(staleAfter), push("app01", "load", 2.0))
	now = exchange(t, start.Add(staleAfter), time.Second, b, to)
	if got := to.has("app01", now); got != "load=2 n001=100" {
		t.Errorf("it has %s, want none that are an hour old", got)
	}
}

// FuzzHear: whatever comes, nothing of it but what may be known is taken, and what is told on can be heard.
func FuzzHear(f *testing.F) {
	state, stats := sampleState(), sampleStats()
	pushed, _ := appendStats(nil, &stats, start)
	f.Add(noteOf(appendState(nil, &state, start), pushed))
	f.Add(noteOf())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, other := newStore(t, 1, twoFarms()), newStore(t, 2, twoFarms())
		err := s.Hear(id(2), b, start)
		if _, is := err.(malformed); err != nil && !is {
			t.Fatalf("%v is not one of ours", err)
		}
		if err != nil && (woken(s.Changed()) || s.unkept) {
			t.Fatal("something was taken of a note that is malformed")
		}
		if again := s.Hear(id(3), b, start); (err == nil) != (again == nil) {
			t.Fatalf("it is read in two ways: %v, then %v", err, again)
		}
		for _, name := range []string{"app01", "app02"} {
			p := s.filled("reports", name, start)
			why := p.Standing.Why
			if len(p.Stats) > node.MaxStats || p.Updated.After(start) || p.Standing.Since.After(start) ||
				len(why) > node.MaxWhy || !isClean(why) {
				t.Fatalf("%+v", p)
			}
			for _, st := range p.Stats {
				if validStat(&st) != nil || st.At.After(start) {
					t.Fatalf("%+v", st)
				}
			}
		}
		exchange(t, start, time.Second, s, other)
		for _, farm := range []string{"reports", "jobs"} {
			if a, b := s.stands(farm, "app01", start), other.stands(farm, "app01", start); a != b {
				t.Fatalf("it says %s, and the other heard %s", a, b)
			}
		}
	})
}
