package main

import (
	"fmt"
	"slices"
	"time"

	"backhand/contrib/testbed/trace"
)

// options say what is measured.
type options struct {
	scenarios []scenario
	policies  []policy
	fronts    []int // of the scenario main
	members   int
	slow      int
	reps      int
	warm      time.Duration
	secs      time.Duration // of a measurement
	lossFor   time.Duration // of the scenario loss
	mean      time.Duration // of the works
	load      float64
	seed      uint64
	void      float64 // share of the machine's CPU time above which a row is void
	binary    string  // backhand, if it is not to be built
	jsonFile  string
	keep      bool // the folder
	simulate  bool
}

// group is a number of measurements of one trace, which differ in the policy.
type group struct {
	Scenario string
	Fronts   int
	Gossip   time.Duration
	trace    trace.Spec
}

// title names the group within its scenario.
func (g group) title() string {
	if g.Scenario == keyGossip {
		return fmt.Sprintf("beats every %v", g.Gossip)
	}
	return fmt.Sprintf("F = %d", g.Fronts)
}

// scenario is a kind of measurement.
type scenario struct {
	key    string
	about  string
	wants  func(policy) bool
	groups func(options) []group
}

const (
	keyMain   = "main"
	keyGossip = "gossip"
	keyError  = "error"
	keySlow   = "slow"
	keyLight  = "light"
	keyLoss   = "loss"
)

const (
	usualFronts = 4 // where their number is not what it is about
	usualGossip = time.Second
	usualSecs   = 100
	lightLoad   = .2
	fallFor     = 10 * time.Second
	fallEvery   = 25 * time.Second
	after       = 2 * time.Second // for which requests are due after those that count
)

func allScenarios() []scenario {
	of := func(keys ...string) func(policy) bool {
		return func(p policy) bool { return p.own || slices.Contains(keys, p.key) }
	}
	return []scenario{
		// byRandom alone cannot carry this load: the slow members get more than they can do.
		{keyMain, "by number of fronts", func(p policy) bool { return p.key != keyRandom }, mainGroups},
		{keyGossip, "by the time between beats", of(keyIdeal, keyAuto), gossipGroups},
		{keyError, "a member answers 500 in a millisecond", of(keyAuto, keyLeast, keyNginx, keyRandom), errorGroups},
		{
			keySlow, "members fall to a tenth of their speed, one every 25 s, for 10 s",
			of(keyIdeal, keyAuto, keyLeast, keyNginx), slowGroups,
		},
		{keyLight, "20 % load, all members alike: what the testbed itself adds", of(keyIdeal, keyAuto, keyLeast), lightGroups},
		{keyLoss, "hosts lose beats: false alarms, and requests that fail", of(), func(options) []group { return nil }},
	}
}

// choiceScenarios are those that are about the choice, and measured where no others are named: loss takes ten minutes more,
// and says nothing of it.
func choiceScenarios() []scenario {
	return slices.DeleteFunc(allScenarios(), func(s scenario) bool { return s.key == keyLoss })
}

func (s scenario) name() string { return s.key }

func (p policy) name() string { return p.key }

// usual is the group that the others differ from.
func (o options) usual(scenario string) group {
	return group{scenario, usualFronts, usualGossip, trace.Spec{
		Members: o.members, Slots: 4, Slow: o.slow, SlowBy: 3, Antagonist: true,
		Mean: o.mean, Variation: 2.3, Load: o.load, For: o.warm + o.secs + after,
	}}
}

func mainGroups(o options) (list []group) {
	for _, f := range o.fronts {
		g := o.usual(keyMain)
		g.Fronts = f
		list = append(list, g)
	}
	return list
}

func gossipGroups(o options) (list []group) {
	for _, t := range []time.Duration{time.Second / 2, time.Second, 5 * time.Second} {
		g := o.usual(keyGossip)
		g.Gossip = t
		list = append(list, g)
	}
	return list
}

func errorGroups(o options) []group {
	g := o.usual(keyError)
	g.trace.Failing = o.warm
	return []group{g}
}

func slowGroups(o options) []group {
	g := o.usual(keySlow)
	g.trace.Falls, g.trace.FallsFor = o.falls(), fallFor
	return []group{g}
}

// falls returns when members fall: each time with as long a time before it that is measured, too.
func (o options) falls() (list []time.Duration) {
	for at := o.warm + fallFor; at+fallFor <= o.warm+o.secs && len(list) < o.members; at += fallEvery {
		list = append(list, at)
	}
	return list
}

func lightGroups(o options) []group {
	g := o.usual(keyLight)
	g.trace.Slow, g.trace.Antagonist, g.trace.Load = 0, false, lightLoad
	return []group{g}
}

// turn is one measurement: a policy on a group's trace.
type turn struct {
	group
	policy policy
	Rep    int // from 0
}

// name is that of its folder, and of the progress.
func (t turn) name() string {
	return fmt.Sprintf("%d-%s-f%d-%v-%s", t.Rep+1, t.Scenario, t.Fronts, t.Gossip, t.policy.key)
}

// plan returns all the measurements in their order. Each repetition has traces of its own, which are the same for all
// its policies, and begins with another policy.
func plan(o options) (list []turn) {
	for rep := range o.reps {
		for _, s := range o.scenarios {
			var wanted []policy
			for _, p := range o.policies {
				if s.wants(p) {
					wanted = append(wanted, p)
				}
			}
			for _, g := range s.groups(o) {
				g.trace.Seed, g.trace.Fronts = o.seed+uint64(rep), g.Fronts
				for i := range wanted {
					list = append(list, turn{g, wanted[(i+rep)%len(wanted)], rep})
				}
			}
		}
	}
	return list
}

// mostFronts returns how many hosts there must be for them.
func mostFronts(turns []turn) (n int) {
	for _, t := range turns {
		n = max(n, t.Fronts)
	}
	return n
}

// loses reports whether the scenario loss is among those that are wanted.
func (o options) loses() bool {
	return slices.ContainsFunc(o.scenarios, func(s scenario) bool { return s.key == keyLoss })
}

// wanted returns the policies that some scenario is about.
func (o options) wanted() []policy {
	return slices.DeleteFunc(slices.Clone(o.policies), func(p policy) bool {
		return !slices.ContainsFunc(o.scenarios, func(s scenario) bool { return s.wants(p) })
	})
}

func (o options) measurements(turns []turn) int {
	if o.loses() {
		return len(turns) + 1 // all its beds at once
	}
	return len(turns)
}

// takes returns how long they take, with the time to start everything and to wait for the last answers.
func (o options) takes(turns []turn) time.Duration {
	const around = 6 * time.Second
	all := time.Duration(len(turns)) * (o.warm + o.secs + after + around)
	if o.loses() {
		all += o.warm + o.lossFor + around
	}
	return all
}

// programs returns those that must be installed.
func programs(o options) []string {
	list := []string{"ip"}
	if o.loses() {
		list = append(list, "nft")
	}
	for _, p := range o.wanted() {
		if p.program != "" {
			list = append(list, p.program)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
