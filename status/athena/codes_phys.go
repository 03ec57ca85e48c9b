package athena

import (
	"cmp"
	"time"

	"backhand/gossip/node"
)

// physTable returns the codes of physicals. Of mod_athena's own table only h, f and %c are attested, and not what c means:
// its other letters take their places here once they are known.
func physTable() *table[Phys] {
	return &table[Phys]{
		what:  "physical",
		name:  func(p *Phys) string { return p.Name },
		farm:  func(p *Phys) string { return p.Farm },
		stats: func(p *Phys) []node.Stat { return p.Stats },
		wild:  func(p *Phys) bool { return !p.Node },
		codes: []code[Phys]{
			{'h', "name", selects, "its name; * stands for any characters (mod_athena)", func(p *Phys, _ time.Time) any { return p.Name }},
			{'f', "format", formats, "how the reply is written, or json (mod_athena)", nil},
			{'g', "farm", within, "the farm that it is in", func(p *Phys, _ time.Time) any { return p.Farm }},
			{'a', "url", shows, "its address", func(p *Phys, _ time.Time) any { return p.URL }},
			{'k', "kind", shows, "physical, or node if it runs an agent", func(p *Phys, _ time.Time) any { return kind(p.Node) }},
			{'o', "state", state, "on, off or drain", func(p *Phys, _ time.Time) any { return onOff(&p.Standing) }},
			{'u', "health", health, "up or down", func(p *Phys, _ time.Time) any { return upDown(p.Standing.Down) }},
			{'i', "updates", shows, "in or out: statistics come as expected, or do not", physUpdates},
			{'x', "fit", shows, "whether it may be chosen: yes or no", func(p *Phys, _ time.Time) any { return p.Fit }},
			{'r', "why", reason, "the reason for its state or health, or why it is not fit", physWhy},
			{'t', "since", shows, "for how many seconds its state and health have been so", physSince},
			{'C', "capacity", shows, "requests that it runs at full speed at once", physCapacity},
			{'W', "weight", shows, "by which its capacity is multiplied", func(p *Phys, _ time.Time) any { return cmp.Or(p.Weight, 1) }},
			{'L', "labels", shows, "its labels, with commas between them", physLabels},
			{'n', "chosen", shows, "how often this agent chose it", func(p *Phys, _ time.Time) any { return p.Chosen }},
			{'q', "under_way", shows, "requests that this agent has under way there", physUnder},
			{'A', "age", shows, "seconds since statistics came last", func(p *Phys, now time.Time) any { return since(p.Updated, now) }},
			{'e', "expect", shows, "seconds within which statistics are expected; 0: at any time", physExpect},
			{'S', allStats, shows, "all its statistics, with commas between them", func(p *Phys, _ time.Time) any { return p.Stats }},
			physStat('c', "cpu", "statistic: use of the CPUs (mod_athena has the letter, the meaning is ours)"),
			physStat('l', "load1", "statistic: load average of the last minute"),
			physStat('m', "mem_used", "statistic: part of the memory that is used"),
			physStat('d', "db", "statistic: open database connections"),
			physStat('j', "threads", "statistic: threads, of a JVM for instance"),
		},
	}
}

// physStat is a letter for a statistic that is often pushed. Every other one has its long name only.
func physStat(letter byte, name, means string) code[Phys] {
	return code[Phys]{letter, name, statistic, means, func(p *Phys, _ time.Time) any { return pushed(p.Stats, name) }}
}

func kind(isNode bool) string {
	if isNode {
		return "node"
	}
	return "physical"
}

func inOut(out bool) string {
	if out {
		return "out"
	}
	return "in"
}

func physUpdates(p *Phys, _ time.Time) any { return inOut(p.Standing.Out) }

func physCapacity(p *Phys, _ time.Time) any { return known(p.Capacity) }

func physUnder(p *Phys, _ time.Time) any { return int(p.Under) }

func physExpect(p *Phys, _ time.Time) any { return seconds(p.Expect) }

func physWhy(p *Phys, _ time.Time) any { return cmp.Or(p.Standing.Why, p.Why) }

func physSince(p *Phys, now time.Time) any { return since(p.Standing.Since, now) }

func physLabels(p *Phys, _ time.Time) any {
	all := make([]string, 0, len(p.Labels))
	for _, l := range p.Labels {
		if l.Value != "" {
			all = append(all, l.Key+"="+l.Value)
		} else {
			all = append(all, l.Key)
		}
	}
	return all
}
