package farm

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// The tests of this file are the store's part of what mod_athena's documentation says, see mod_athena.md, section 11.

// snapshotOf returns a snapshot with all that the layout lists.
func snapshotOf(s *Store, l Layout, now time.Time) *node.Snapshot {
	var all []node.Physical
	for _, f := range l.Farms {
		for _, m := range f.Members {
			u := &url.URL{Scheme: "http", Host: m.Name + ".example.org:8080"}
			all = append(all, node.Physical{Farm: f.Name, Name: m.Name, URL: u})
		}
	}
	s.Fill(all, now)
	return node.NewSnapshot(node.Parts{Taken: now, Physicals: all, Farms: s.Farms(now), Live: node.NewLiveSet()})
}

// candidates returns the members of a farm that may be chosen.
func candidates(s *Store, l Layout, farm string, now time.Time) string {
	var names []string
	for _, m := range snapshotOf(s, l, now).Farm(farm).Candidates {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

// Check 9: a physical that is off, or down, or out is never chosen.
func TestAthena09PhysicalThatIsOffOrDownOrOutIsNeverACandidate(t *testing.T) {
	l := twoFarms()
	for mask := range 8 {
		off, down, out := mask&1 != 0, mask&2 != 0, mask&4 != 0
		t.Run(fmt.Sprintf("off %v, down %v, out %v", off, down, out), func(t *testing.T) {
			s := newStore(t, 1, l)
			now := start.Add(15 * time.Second)
			s.must(t, start, node.Update{Name: "app01", Off: &off, Down: &down}, push("app02", "load", 1.0))
			if !out {
				s.must(t, now, push("app01", "load", 1.0))
			}
			want := "app01 app02"
			if off || down || out {
				want = "app02"
			}
			if got := candidates(s, l, "reports", now); got != want {
				t.Errorf("candidates %q, want %q", got, want)
			}
			s.must(t, now, say("physical app01 on, up"), push("app01"))
			if got := candidates(s, l, "reports", now); got != "app01 app02" {
				t.Errorf("candidates %q once it is on, up and in", got)
			}
		})
	}
}

// That a physical drains is no state of mod_athena's, and follows the same rules: it is never a candidate, others come to know,
// it is kept while it is in, and it ends when somebody says on or off.
func TestAPhysicalThatDrains(t *testing.T) {
	l := twoFarms()
	a, b := newStore(t, 1, l), newStore(t, 2, l)
	a.must(t, start, say("physical app01 drain: update"))
	now := exchange(t, start, 50*time.Millisecond, a, b)
	for i, s := range []*Store{a, b} {
		if got := s.stands("reports", "app01", now); got != "drain up in: update" {
			t.Errorf("agent %d says %q", i+1, got)
		}
		f := snapshotOf(s, l, now).Farm("reports")
		if got := candidates(s, l, "reports", now); got != "app02" || len(f.Draining) != 1 || f.Draining[0].Name != "app01" {
			t.Errorf("agent %d has candidates %q, and %d that drain", i+1, got, len(f.Draining))
		}
	}
	since := a.filled("reports", "app01", now).Standing.Since
	b.must(t, now.Add(time.Second), say("physical app01 down: fire"))
	now = exchange(t, now.Add(time.Second), 50*time.Millisecond, a, b)
	if p := a.filled("reports", "app01", now); words(p.Standing) != "drain down in: update" || !p.Standing.Since.Equal(since) {
		t.Errorf("that is down, too: %s, since %v", words(p.Standing), p.Standing.Since)
	}
	if f := snapshotOf(a, l, now).Farm("reports"); len(f.Draining) > 0 {
		t.Error("one that is down keeps its sessions")
	}
	if got := a.stands("reports", "app01", start.Add(time.Hour)); got != "drain down out: update" {
		t.Errorf("after an hour: %s", got)
	}
	for said, want := range map[string]string{"on, up": "on up in", "off, up: x": "off up in: x"} {
		s := newStore(t, 1, l)
		s.must(t, start, say("physical app01 drain: update"), say("physical app01 "+said))
		if got := s.stands("reports", "app01", start); got != want {
			t.Errorf("told %q it is %q", said, got)
		}
	}
}

// Two agents were told of one physical at the same moment, under one version: all agree on which counts.
func TestOfOneVersionOffGoesBeforeDrainAndThatBeforeOn(t *testing.T) {
	v := version{7, id(1)}
	on, drain, off := state{version: v}, state{drain: true, version: v}, state{set: true, version: v}
	for _, row := range []struct {
		newer, than *state
	}{{&drain, &on}, {&off, &drain}, {&off, &on}} {
		if !row.newer.newer(row.than) || row.than.newer(row.newer) {
			t.Errorf("%s is not newer than %s, or is so both ways", row.newer.word(onOff), row.than.word(onOff))
		}
	}
}

// Check 10: in/out changes with no operator action when updates stop; on/off and up/down never do.
func TestAthena10OutComesByItselfOffAndDownNeverDo(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.must(t, start, push("app01", "load", 1.0), say("physical app02 off, down: disk"), push("app02"))
	for _, tc := range []struct {
		after        time.Duration
		app01, app02 string
	}{
		{0, "on up in", "off down in: disk"},
		{10*time.Second - 1, "on up in", "off down in: disk"},
		{10 * time.Second, "on up out", "off down in: disk"},
		{30 * time.Second, "on up out", "off down out: disk"},
		{1000 * time.Hour, "on up out", "off down out: disk"},
	} {
		now := start.Add(tc.after)
		if a, b := s.stands("reports", "app01", now), s.stands("reports", "app02", now); a != tc.app01 || b != tc.app02 {
			t.Errorf("after %v: %s and %s, want %s and %s", tc.after, a, b, tc.app01, tc.app02)
		}
	}
	now := start.Add(1000 * time.Hour)
	s.must(t, now, push("app01"), push("app02", "load", 1.0))
	if a, b := s.stands("reports", "app01", now), s.stands("reports", "app02", now); a != "on up in" || b != "off down in: disk" {
		t.Errorf("with updates again: %s and %s", a, b)
	}
}

// Check 13: off and down can be redirected differently, of a farm and of a physical.
func TestAthena13OffAndDownLeadToDifferentForwards(t *testing.T) {
	maintenance := &url.URL{Scheme: "https", Host: "maintenance.example.org"}
	sorry := &url.URL{Scheme: "https", Host: "sorry.example.org"}
	both := node.Forwards{Off: node.Forward{URL: maintenance}, Down: node.Forward{URL: sorry}}
	l := twoFarms()
	l.Farms[0].Forwards, l.Farms[0].Members[0].Forwards = both, both
	for state, want := range map[string]*url.URL{"off": maintenance, "down": sorry} {
		s := newStore(t, 1, l)
		s.must(t, start, say("farm reports "+state), say("physical app01 "+state))
		f := snapshotOf(s, l, start).Farm("reports")
		if f.Standing.Off != (state == "off") || f.Standing.Down != (state == "down") || len(f.Candidates) > 0 {
			t.Errorf("a farm that is %s: %+v, %d candidates", state, f.Standing, len(f.Candidates))
		}
		p := f.Members[0].Physical
		for what, got := range map[string]node.Forward{
			"farm": chosen(f.Standing, f.Forwards), "physical": chosen(p.Standing, p.Forwards),
		} {
			if got.URL != want {
				t.Errorf("a %s that is %s leads to %v, want %v", what, state, got.URL, want)
			}
		}
	}
}

// chosen is how forwards are meant: off goes before down.
func chosen(s node.Standing, f node.Forwards) node.Forward {
	if s.Off {
		return f.Off
	}
	return f.Down
}

// Check 14: state is the same wherever one asks: here, at each agent whose file lists the physical.
func TestAthena14StateIsTheSameAtEveryAgent(t *testing.T) {
	l := twoFarms()
	other := Layout{Farms: []FarmEntry{ // its file is not the same: it has one farm less, and one more
		{Name: "reports", ExpectUpdate: 10 * time.Second, Members: []MemberEntry{{Name: "app01"}, {Name: "app02"}}},
		{Name: "mail", Members: []MemberEntry{{Name: "app01"}, {Name: "mx1"}}},
	}}
	a, b := newStore(t, 1, l), newStore(t, 2, other)
	a.must(t, start, say("physical app01 off: disk"), say("farm jobs off"), push("app02", "load", 0.5))
	b.must(t, start, say("farm reports down: network"), say("physical mx1 off"), push("app01", "sessions", 12.0))
	now := exchange(t, start, 50*time.Millisecond, a, b)
	for i, s := range []*Store{a, b} {
		for name, want := range map[string]string{"app01": "off up in: disk / sessions=12", "app02": "on up in / load=0.5"} {
			if got := s.stands("reports", name, now) + " / " + s.has(name, now); got != want {
				t.Errorf("agent %d says of %s: %s, want %s", i+1, name, got, want)
			}
		}
		if got := s.Farms(now)[0].Standing; !got.Down || got.Why != "network" {
			t.Errorf("agent %d says of the farm: %+v", i+1, got)
		}
	}
	if a.Farms(now)[1].Standing.Down || b.Farms(now)[1].Standing.Off || b.stands("mail", "app01", now) != "off up in: disk" {
		t.Error("what is not in a file was taken, or what is was not")
	}
	if diff := cmp.Diff(a.filled("reports", "app01", now), b.filled("reports", "app01", now)); diff != "" {
		t.Errorf("-one +other\n%s", diff)
	}
}

// Check 19, the part of those who apply: a second engine that is fed with what the first one says, ages included, stands
// as that does, and judges in/out itself.
func TestAthena19SecondEngineStandsAsTheFirst(t *testing.T) {
	l := twoFarms()
	first := newStore(t, 1, l)
	first.must(t, start, say("physical app01 off: disk"), say("farm jobs down"), push("app01", "load", 0.5))
	first.must(t, start.Add(8*time.Second), push("app02", "load", 0.25, "sessions", 3.0))
	now := start.Add(9 * time.Second)

	second := newStoreOf(t, Config{Self: id(2), Layout: l, Start: now.Add(-time.Hour)}) // where all have long been out
	var updates []node.Update
	for _, name := range []string{"app01", "app02"} {
		p := first.filled("reports", name, now)
		updates = append(updates, node.Update{
			Name: name, Off: &p.Standing.Off, Down: &p.Standing.Down, Why: p.Standing.Why, Stats: p.Stats,
		})
	}
	for _, f := range first.Farms(now) {
		updates = append(updates, node.Update{Farm: true, Name: f.Name, Off: &f.Standing.Off, Down: &f.Standing.Down})
	}
	second.must(t, now, updates...)

	for _, after := range []time.Duration{0, time.Second - 1, time.Second, 20 * time.Second, 29*time.Second - 1, 29 * time.Second} {
		at := now.Add(after)
		for _, name := range []string{"app01", "app02"} {
			if a, b := first.stands("reports", name, at), second.stands("reports", name, at); a != b {
				t.Errorf("%v later %s: %s at the first, %s at the second", after, name, a, b)
			}
			p, q := first.filled("reports", name, at), second.filled("reports", name, at)
			if diff := cmp.Diff(p.Stats, q.Stats); diff != "" || !p.Updated.Equal(q.Updated) {
				t.Errorf("%v later %s: -first +second\n%s", after, name, diff)
			}
		}
		for i, f := range first.Farms(at) {
			if g := second.Farms(at)[i]; f.Standing.Off != g.Standing.Off || f.Standing.Down != g.Standing.Down {
				t.Errorf("%v later %s: %+v at the first, %+v at the second", after, f.Name, f.Standing, g.Standing)
			}
		}
	}
}
