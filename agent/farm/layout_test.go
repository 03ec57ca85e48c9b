package farm

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func TestSetLayout(t *testing.T) {
	only := func(m ...MemberEntry) Layout {
		return Layout{Farms: []FarmEntry{{Name: "reports", ExpectUpdate: 10 * time.Second, Members: m}}}
	}
	app01 := MemberEntry{Name: "app01"}
	never := Layout{Farms: []FarmEntry{{Name: "reports", Members: []MemberEntry{app01}}}}
	patient := Layout{Farms: []FarmEntry{{Name: "reports", ExpectUpdate: time.Minute, Members: []MemberEntry{{Name: "app01"}}}}}
	for name, tc := range map[string]struct {
		then []Layout // the last is that of the question
		at   time.Duration
		want string
	}{
		"what remains keeps states and statistics": {
			[]Layout{only(app01)}, 6 * time.Second, "off down in: a load=1",
		},
		"it does not begin to wait anew": {
			[]Layout{only(app01)}, 15 * time.Second, "off down out: a load=1",
		},
		"another expect_update holds at once": {[]Layout{patient}, 15 * time.Second, "off down in: a load=1"},
		"what has gone is forgotten": {
			[]Layout{only(), only(app01)}, 14 * time.Second, "on up in",
		},
		"where none are expected any more, it is in": {
			[]Layout{never}, time.Hour, "off down in: a load=1",
		},
		"where statistics are expected only now, it waits": {
			[]Layout{never, only(app01)}, 15*time.Second - 1, "off down in: a load=1",
		},
		"as long as for one that is new, and no longer": {
			[]Layout{never, only(app01)}, 15 * time.Second, "off down out: a load=1",
		},
		"what moves to another farm stays as it is, and begins to wait there": {
			[]Layout{{Farms: []FarmEntry{
				{Name: "mail", Members: []MemberEntry{app01}},
				{Name: "reports", ExpectUpdate: 10 * time.Second, Members: []MemberEntry{app01}},
			}}}, 9 * time.Second, "off down in: a load=1",
		},
		"a member may take back what its farm expects of it": {
			[]Layout{only(MemberEntry{Name: "app01", ExpectUpdate: time.Hour})}, time.Minute, "off down in: a load=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 1, twoFarms())
			s.must(t, start, say("physical app01 off, down: a"), push("app01", "load", 1.0))
			for _, l := range tc.then {
				s.SetLayout(l, start.Add(5*time.Second))
			}
			got := s.stands("reports", "app01", start.Add(tc.at))
			if has := s.has("app01", start); has != "" {
				got += " " + has
			}
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestSetLayoutKeepsChecks(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.Check("reports", "app01", errors.New("refused"), start)
	s.SetLayout(twoFarms(), start.Add(time.Second))
	if got := s.stands("reports", "app01", start.Add(time.Second)); got != "on down in: refused" {
		t.Errorf("%s: what a check found is forgotten", got)
	}
}

func TestSetLayoutGoesOnWithForwards(t *testing.T) {
	elsewhere := node.Forward{URL: &url.URL{Scheme: "https", Host: "sorry.example.org", Path: "/"}}
	l := twoFarms()
	s := newStore(t, 1, l)
	l.Farms[0].Forwards = node.Forwards{Off: node.Forward{Farm: "jobs"}}
	l.Farms[0].Members[1].Forwards = node.Forwards{Down: elsewhere}
	s.SetLayout(l, start)
	if diff := cmp.Diff(l.Farms[0].Forwards, s.Farms(start)[0].Forwards); diff != "" {
		t.Errorf("farm: -want +got\n%s", diff)
	}
	if got := s.filled("reports", "app02", start).Forwards; got.Down != elsewhere || !got.Off.IsZero() {
		t.Errorf("member: %+v", got)
	}
	if got := s.filled("reports", "app01", start).Forwards; !got.Down.IsZero() {
		t.Errorf("another member: %+v", got)
	}
}

func TestNotesDoNotTellOfWhatHasGone(t *testing.T) {
	s := newStore(t, 1, twoFarms())
	s.must(t, start, say("physical app02 off"), push("app02", "load", 1.0), say("farm jobs off"))
	s.SetLayout(Layout{Farms: []FarmEntry{{Name: "reports"}}}, start)
	if notes, _ := s.Notes(start); notes != nil {
		t.Errorf("%q is told", notes)
	}
}

// A reload may come at any time: what is said meanwhile of what remains is taken, of what goes or comes taken or refused as
// unknown, and nothing else happens.
func TestUpdatesDuringReloads(t *testing.T) {
	with, without := manyPhysicals(20), manyPhysicals(10)
	s := newStore(t, 1, with)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.SetLayout([]Layout{with, without}[i%2], start)
			}
		}
	})
	wg.Go(func() {
		p := []node.Physical{{Farm: "reports", Name: "app0000"}, {Farm: "reports", Name: "app0019"}}
		for {
			select {
			case <-stop:
				return
			default:
				s.Fill(p, start)
				s.Farms(start)
				_, _ = s.Notes(start)
			}
		}
	})
	var updates sync.WaitGroup
	for i := range 20 {
		updates.Go(func() {
			name := fmt.Sprintf("app%04d", i)
			for n := range 200 {
				u := push(name, "n", float64(n))
				u.Off = new(n%2 == 0)
				var unknown *UnknownError
				err := s.Update(start.Add(time.Duration(n)), "test", []node.Update{u})
				if err != nil && (i < 10 || !errors.As(err, &unknown)) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	updates.Wait()
	close(stop)
	wg.Wait()
	for i := range 10 {
		name := fmt.Sprintf("app%04d", i)
		if got := s.stands("reports", name, start) + " " + s.has(name, start); got != "on up in n=199" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
