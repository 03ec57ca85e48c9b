package gossip

import (
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

// aSwitch is a network with its faults, and what a host behind it hears of peers that beat once a second. Seconds.
type aSwitch struct {
	peers   int
	forgets float64    // so long after the join; 0: never
	cut     [2]float64 // from, to: nothing comes, whoever joins
	dead    float64    // from then on the peers are; 0: never
	anew    float64    // they are started again then
	deaf    bool       // our own beats do not come back
	useless bool       // joining again does not help
}

// outcome is what came of it.
type outcome struct {
	rejoins   int
	longest   float64 // silence
	silences  int     // of more than two seconds
	told      bool    // at the end
	everTold  bool
	firstTold float64
	text      string
}

func (sw aSwitch) run(to float64) (o outcome) {
	var s snooping
	joined, since := 0.0, 0.0 // last join; when the switch learned of us
	heard := 0.0
	for now := 0.0; now <= to; now += 0.25 {
		boot := uint64(1)
		if sw.anew != 0 && now >= sw.anew {
			boot = 2
		}
		known := sw.forgets == 0 || now-since < sw.forgets
		up := (now < sw.cut[0] || now >= sw.cut[1]) && (sw.dead == 0 || now < sw.dead || sw.anew != 0 && now >= sw.anew)
		if known && up && now == float64(int(now)) {
			if gap := now - heard; gap > 2 {
				o.silences++
				o.longest = max(o.longest, gap)
			}
			heard = now
		}
		var nodes []*node.Node
		for i := range sw.peers {
			nodes = append(nodes, &node.Node{
				ID: node.ID{15: byte(i + 1)}, Boot: boot, State: node.Up, Interval: time.Second, Heard: epoch().Add(seconds(heard)),
			})
		}
		m := membership{joined: epoch().Add(seconds(joined))}
		if !sw.deaf {
			m.looped = epoch().Add(seconds(now))
		}
		if s.look(nodes, m, epoch().Add(seconds(now))) {
			o.rejoins++
			joined = now
			if !sw.useless {
				since = now
			}
		}
		o.told = s.told()
		if o.told && !o.everTold {
			o.everTold, o.firstTold = true, now
		}
	}
	o.longest = max(o.longest, to-heard)
	o.text = s.finding("239.255.221.20:4445,1").Text
	return o
}

func TestSnooping(t *testing.T) {
	for _, tc := range []struct {
		name  string
		net   aSwitch
		to    float64
		holds func(o outcome) bool
	}{
		{
			"a switch that forgets after 260 s is named within three seconds",
			aSwitch{peers: 4, forgets: 260},
			264,
			func(o outcome) bool { return o.told && o.firstTold >= 261 && o.firstTold <= 263.5 },
		},
		{
			"and costs two short silences, then none in an hour",
			aSwitch{peers: 4, forgets: 260},
			3600,
			func(o outcome) bool {
				return o.told && o.silences == 2 && o.longest <= 5 && o.rejoins > 40 && o.rejoins < 60
			},
		},
		{
			"if joining again does not help it is still done once a minute",
			aSwitch{peers: 4, forgets: 260, useless: true},
			860,
			func(o outcome) bool { return o.told && o.rejoins == 10 },
		},
		{
			"without our own beats it is something else",
			aSwitch{peers: 4, forgets: 260, deaf: true},
			860,
			func(o outcome) bool { return !o.everTold && o.rejoins == 0 },
		},
		{
			"a silence after half a minute is something else",
			aSwitch{peers: 4, dead: 30},
			860,
			func(o outcome) bool { return !o.everTold && o.rejoins == 0 },
		},
		{
			"and so is one after an hour",
			aSwitch{peers: 4, dead: 3600},
			4000,
			func(o outcome) bool { return !o.everTold && o.rejoins == 0 },
		},
		{
			"one that ends by itself is over",
			aSwitch{peers: 4, cut: [2]float64{200, 220}},
			230,
			func(o outcome) bool { return o.everTold && !o.told && o.rejoins == 1 },
		},
		{
			"a short one in the wrong minute is forgotten",
			aSwitch{peers: 4, cut: [2]float64{200, 204}},
			1000,
			func(o outcome) bool { return !o.told && o.rejoins == 1 },
		},
		{
			"peers that are started anew do not prove it",
			aSwitch{peers: 4, dead: 200, anew: 204},
			210,
			func(o outcome) bool { return !o.told },
		},
		{
			"a single peer may have died",
			aSwitch{peers: 1, dead: 200},
			860,
			func(o outcome) bool { return !o.everTold },
		},
		{
			"but not twice",
			aSwitch{peers: 1, forgets: 260},
			900,
			func(o outcome) bool { return o.told && o.firstTold > 520 && o.silences == 2 },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if o := tc.net.run(tc.to); !tc.holds(o) {
				t.Errorf("%+v", o)
			}
		})
	}
}

// Of a switch that was cured nothing is said any more an hour and ten minutes later.
func TestSnoopingIsOver(t *testing.T) {
	var s snooping
	joined := 0.0
	for now := 0.0; now <= 3*3600; now += 0.25 {
		silent := now > 260 && now < 263 || now > 523 && now < 526
		heard := now
		if silent {
			heard = 260
			if now > 500 {
				heard = 523
			}
		}
		n := func(i byte) *node.Node {
			return &node.Node{ID: node.ID{15: i}, Boot: 1, State: node.Up, Interval: time.Second, Heard: epoch().Add(seconds(heard))}
		}
		m := membership{joined: epoch().Add(seconds(joined)), looped: epoch().Add(seconds(now))}
		if s.look([]*node.Node{n(1), n(2)}, m, epoch().Add(seconds(now))) {
			joined = now
		}
		if now == 530 && s.phase != proven {
			t.Fatal("it was not proven by then")
		}
		if now == 3600 && !s.told() {
			t.Error("within the hour nothing is said")
		}
	}
	if s.told() {
		t.Error("it is still said after three hours")
	}
}

func TestSnoopingNamesTheCures(t *testing.T) {
	text := aSwitch{peers: 4, forgets: 260}.run(264).text
	for _, want := range []string{"all 4 peers", "239.255.221.20:4445,1", "be IGMP querier", "snooping off", "gossip.peers"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}
