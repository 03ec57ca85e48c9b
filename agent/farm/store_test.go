package farm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func TestStanding(t *testing.T) {
	type event struct {
		at time.Duration
		do func(*Store, time.Time)
	}
	said := func(at time.Duration, text string) event {
		return event{at, func(s *Store, now time.Time) { s.must(t, now, say(text)) }}
	}
	pushed := func(at time.Duration) event {
		return event{at, func(s *Store, now time.Time) { s.must(t, now, push("app01", "load", 0.5)) }}
	}
	checked := func(at time.Duration, err error) event {
		return event{at, func(s *Store, now time.Time) { s.Check("reports", "app01", err, now) }}
	}
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		events []event
		at     time.Duration
		want   string
	}{
		"what nothing is said of is on, up and in": {nil, 0, "on up in"},
		"it is in for all of expect_update":        {nil, 10*time.Second - 1, "on up in"},
		"it goes out when that is over":            {nil, 10 * time.Second, "on up out"},
		"statistics keep it in": {
			[]event{pushed(8 * time.Second)}, 17 * time.Second, "on up in",
		},
		"until they are as old": {
			[]event{pushed(8 * time.Second)}, 18 * time.Second, "on up out",
		},
		"the first that come have it in again": {[]event{pushed(time.Hour)}, time.Hour, "on up in"},
		"an update that names no field counts as statistics": {
			[]event{said(9*time.Second, "physical app01")}, 18 * time.Second, "on up in",
		},
		"what is said of on/off does not": {
			[]event{said(9*time.Second, "physical app01 on")}, 10 * time.Second, "on up out",
		},
		"nor what is said of up/down": {
			[]event{said(9*time.Second, "physical app01 up")}, 10 * time.Second, "on up out",
		},
		"off is off, with its reason": {
			[]event{said(1, "physical app01 off: disk")}, 2, "off up in: disk",
		},
		"down is down": {
			[]event{said(1, "physical app01 down: swapping")}, 2, "on down in: swapping",
		},
		"both are kept apart, and off gives the reason": {
			[]event{said(1, "physical app01 down: a"), said(2, "physical app01 off: b")}, 3, "off down in: b",
		},
		"on takes back off, and nothing else": {
			[]event{said(1, "physical app01 off, down: a"), said(2, "physical app01 on")}, 3, "on down in: a",
		},
		"the reason of on is not shown": {
			[]event{said(1, "physical app01 on: repaired")}, 2, "on up in",
		},
		"a failed check is down": {
			[]event{checked(1, refused)}, 2, "on down in: connection refused",
		},
		"until one is well": {[]event{checked(1, refused), checked(2, nil)}, 3, "on up in"},
		"what was said goes before what a check found": {
			[]event{checked(1, refused), said(2, "physical app01 down: a")}, 3, "on down in: a",
		},
		"up does not overrule a check": {
			[]event{checked(1, refused), said(2, "physical app01 up")}, 3, "on down in: connection refused",
		},
		"a check that is well does not overrule down": {
			[]event{said(1, "physical app01 down: a"), checked(2, nil)}, 3, "on down in: a",
		},
		"a check says its last reason": {
			[]event{checked(1, refused), checked(2, errors.New("status 503"))}, 3, "on down in: status 503",
		},
		"a reason that steers a terminal is made harmless": {
			[]event{said(1, "physical app01 off: a\x1b[31m\nb")}, 2, "off up in: a [31m b",
		},
		"one that is too long is cut between letters": {
			[]event{said(1, "physical app01 off: "+strings.Repeat("ö", 40))}, 2, "off up in: " + strings.Repeat("ö", 32),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 1, twoFarms())
			for _, e := range tc.events {
				e.do(s, start.Add(e.at))
			}
			if got := s.stands("reports", "app01", start.Add(tc.at)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestSince(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	at := func(sec int) time.Time { return start.Add(time.Duration(sec) * time.Second) }
	check := func(when string, now, want time.Time) {
		t.Helper()
		if got := s.filled("reports", "app01", now).Standing.Since; !got.Equal(want) {
			t.Errorf("%s: since %v, want %v", when, got, want)
		}
	}
	check("nothing was said", at(1), time.Time{})
	s.must(t, at(2), say("physical app01 off: a"))
	check("off", at(3), at(2))
	s.must(t, at(4), say("physical app01 off: b"))
	check("off again, for another reason", at(5), at(2))
	s.must(t, at(6), say("physical app01 on"))
	check("on again", at(7), at(6))
	check("out", at(20), at(10))
	s.Check("reports", "app01", errors.New("refused"), at(21))
	s.Check("reports", "app01", errors.New("time-out"), at(22))
	check("down by a check", at(23), at(21))
}

func TestEachFarmHasItsOwnEntry(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.Check("reports", "app01", errors.New("refused"), start)
	s.Check("reports", "nobody", errors.New("refused"), start)
	now := start.Add(15 * time.Second)
	for at, want := range map[[2]string]string{
		{"reports", "app01"}: "on down out: refused", // ten seconds, as the farm has it
		{"reports", "app02"}: "on up in",             // thirty of its own
		{"jobs", "app01"}:    "on up in",             // none, and another URL, so that the check says nothing of it
		{"jobs", "app02"}:    "on up in",             // not listed there
	} {
		if got := s.stands(at[0], at[1], now); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	s.must(t, now, say("physical app01 off"), push("app01", "load", 2.0))
	for _, farm := range []string{"reports", "jobs"} {
		p := s.filled(farm, "app01", now)
		if !p.Standing.Off || len(p.Stats) != 1 || !p.Updated.Equal(now) {
			t.Errorf("%s: %+v, want it off, with a statistic of now: a physical is known by its name", farm, p)
		}
	}
}

func TestFarms(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.must(t, start, say("farm jobs off, down: holiday"))
	want := []node.FarmInfo{
		{Name: "reports"},
		{Name: "jobs", Standing: node.Standing{Off: true, Down: true, Why: "holiday", Since: start}},
	}
	if diff := cmp.Diff(want, s.Farms(start.Add(time.Hour))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestFilledStatisticsNeverChange(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.must(t, start, push("app01", "load", 1.0))
	before := s.filled("reports", "app01", start).Stats
	again := s.filled("jobs", "app01", start).Stats
	if &before[0] != &again[0] {
		t.Error("what has not changed was copied")
	}
	s.must(t, start.Add(1), push("app01", "load", 2.0, "idle", 3.0))
	if before[0].Value != 1 || len(before) != 1 {
		t.Errorf("what was given away has changed to %v", before)
	}
	if got := s.has("app01", start.Add(1)); got != "idle=3 load=2" {
		t.Errorf("it has %q", got)
	}
}

func TestFillWithoutChangesTakesNoMemory(t *testing.T) {
	s := newStore(t, 1, manyPhysicals(100))
	p := make([]node.Physical, 100)
	for i, m := range manyPhysicals(100).Farms[0].Members {
		p[i] = node.Physical{Farm: "reports", Name: m.Name}
		s.must(t, start, push(m.Name, "load", 1.0))
	}
	s.Fill(p, start)
	if n := testing.AllocsPerRun(10, func() { s.Fill(p, start) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestChangedTellsOfWhatMatters(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	for _, tc := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"a state", func() { s.must(t, start, say("physical app01 off")) }, true},
		{"the same state", func() { s.must(t, start, say("physical app01 off")) }, false},
		{"a statistic", func() { s.must(t, start, push("app01", "load", 1.0)) }, true},
		{"a refused update", func() { _ = s.Update(start, "", []node.Update{push("app01", "a b", 1.0)}) }, false},
		{"a check", func() { s.Check("reports", "app02", errors.New("refused"), start) }, true},
		{"a check that is well, as before", func() { s.Check("reports", "app01", nil, start) }, false},
		{"another file", func() { s.SetLayout(twoFarms(), start) }, true},
	} {
		tc.do()
		if got := woken(s.Changed()); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
