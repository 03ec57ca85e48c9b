package athena

import (
	"time"

	"backhand/gossip/node"
)

// farmTable returns the codes of farms. Nothing of mod_athena's table is attested but that there was one, and f.
func farmTable() *table[Farm] {
	return &table[Farm]{
		what: "farm",
		name: func(f *Farm) string { return f.Name },
		codes: []code[Farm]{
			{'h', "name", selects, "its name; * stands for any characters", func(f *Farm, _ time.Time) any { return f.Name }},
			{'g', "farm", also, "the same", func(f *Farm, _ time.Time) any { return f.Name }},
			{'f', "format", formats, "how the reply is written, or json (mod_athena)", nil},
			{'o', "state", state, "on or off", func(f *Farm, _ time.Time) any { return onOff(&f.Standing) }},
			{'u', "health", health, "up or down", func(f *Farm, _ time.Time) any { return upDown(f.Standing.Down) }},
			{'r', "why", reason, "the reason for its state or health", func(f *Farm, _ time.Time) any { return f.Standing.Why }},
			{'t', "since", shows, "for how many seconds its state and health have been so", farmSince},
			{'m', "members", shows, "how many members it has", func(f *Farm, _ time.Time) any { return f.Members }},
			{'x', "fit", shows, "how many of them may be chosen", func(f *Farm, _ time.Time) any { return f.Candidates }},
			{'M', "names", shows, "their names, with commas between them", func(f *Farm, _ time.Time) any { return f.Names }},
			{'s', "chain", shows, "the steps by which queries choose, with commas between them", farmChain},
			{'n', "chosen", shows, "how often this agent chose a member of it", func(f *Farm, _ time.Time) any { return f.Chosen }},
			{'O', "forward_off", shows, "where requests go while it is off", farmForwardOff},
			{'D', "forward_down", shows, "where requests go while it is down, or nobody is fit", farmForwardDown},
		},
	}
}

func farmSince(f *Farm, now time.Time) any { return since(f.Standing.Since, now) }

func farmChain(f *Farm, _ time.Time) any { return f.Chain }

func farmForwardOff(f *Farm, _ time.Time) any { return forward(f.Forwards.Off) }

func farmForwardDown(f *Farm, _ time.Time) any { return forward(f.Forwards.Down) }

func forward(f node.Forward) string {
	if f.URL != nil {
		return f.URL.Redacted()
	}
	return f.Farm
}
