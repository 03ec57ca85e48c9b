package node

import (
	"cmp"
	"math"
	"strings"
	"time"
)

// Figure is a number that is known of a member under a name, for those who choose by it in the file. The names are part of
// the file's format: one that was released keeps its meaning.
type Figure struct {
	Name string // lower case, parts joined by _
	Unit string // "s", "ms", "bytes", "requests/s", ...; "" for a plain number
	Doc  string // what it says, in a few words
	Own  bool   // this agent itself measured it: other agents see another number

	// Read returns the figure as it is known at the time now, or NaN if it is not known of this member.
	Read func(m *Member, now time.Time) float64
}

// Figures returns all figures, in the order in which a page would list them.
func Figures() []Figure {
	return append(append(hostFigures(), serviceFigures()...), ownFigures()...)
}

// PushedPrefix stands in front of the name of a statistic that programs push, where figures are named: those are any names, and
// without it one that was mistyped would be taken for one of them.
const PushedPrefix = "stat."

// FigureNamed returns the figure of that name, and whether there is one: it is among Figures, or is PushedPrefix and the name
// of a statistic, whether or not anybody pushes it. This is the only place where a name becomes a figure.
func FigureNamed(name string) (Figure, bool) {
	if pushed, ok := strings.CutPrefix(name, PushedPrefix); ok {
		return pushedFigure(pushed), ValidStatName(pushed)
	}
	for _, f := range Figures() {
		if f.Name == name {
			return f, true
		}
	}
	return Figure{}, false
}

// pushedFigure is the statistic of that name. All agents hear of it alike.
func pushedFigure(name string) Figure {
	return Figure{Name: PushedPrefix + name, Doc: "as programs push it", Read: func(m *Member, _ time.Time) float64 {
		if v, ok := m.Pushed(name); ok {
			return v
		}
		return math.NaN()
	}}
}

// hostFigures are those of the member's host, all that runs on it together. Of a physical none is known.
func hostFigures() []Figure {
	return []Figure{
		ofHost("load1", "", "load average of the last minute", func(n *Node) float64 { return n.Stats.Load1 }),
		ofHost("cpu_idle", "share", "part of the last beat interval in which the CPUs were idle, 0 to 1",
			func(n *Node) float64 { return n.Stats.CPUIdle }),
		ofHost("pressure", "share", "part of the last 10 s in which some task waited for a CPU, 0 to 1; 0 where Linux does not tell",
			func(n *Node) float64 { return n.Stats.Pressure }),
		ofHost("cpus", "", "CPUs that may be used", func(n *Node) float64 { return float64(n.Stats.CPUs) }),
		ofHost("speed", "", "speed of one CPU; only ratios mean something", func(n *Node) float64 { return known(n.Stats.Speed) }),
		ofHost("mem_total", "bytes", "memory", func(n *Node) float64 { return known(float64(n.Stats.MemTotal)) }),
		ofHost("mem_available", "bytes", "memory that programs could get without swapping", func(n *Node) float64 {
			if n.Stats.MemTotal == 0 {
				return math.NaN()
			}
			return float64(n.Stats.MemAvailable)
		}),
		ofHost("mem_used", "share", "part of the memory that is not available, 0 to 1", func(n *Node) float64 { return n.Stats.MemUsed() }),
		ofHost("dispatched", "requests/s", "requests for which the node chose a member", func(n *Node) float64 { return n.Stats.Dispatched }),
		{
			Name: "age", Unit: "s", Doc: "time since the last beat, and how old its figures were then",
			Read: func(m *Member, now time.Time) float64 {
				if m.Node == nil {
					return math.NaN()
				}
				return m.Age(now).Seconds()
			},
		},
	}
}

// serviceFigures are those of what the member serves in the farm. Rates and averages are of the last beat interval.
func serviceFigures() []Figure {
	return []Figure{
		{
			Name: "slots", Doc: "requests that run at full speed at once, as announced or in the file; 1 if nobody says",
			Read: func(m *Member, _ time.Time) float64 { return m.Slots() },
		},
		{
			Name: "weight", Doc: "by which the file multiplies a physical's capacity, and which slots has in it; 1 of all others",
			Read: func(m *Member, _ time.Time) float64 { return weight(m) },
		},
		{
			Name: "mu", Unit: "requests/s", Doc: "requests that one busy slot completes",
			Read: func(m *Member, _ time.Time) float64 { return known(m.Mu()) },
		},
		ofService("in_flight", "requests", "under way at the origin when the beat was sent", func(s *Service) float64 { return float64(s.InFlight) }),
		ofService("average", "requests", "under way at the origin, on average", func(s *Service) float64 { return s.Average }),
		ofService("arrivals", "requests/s", "that came", func(s *Service) float64 { return s.Arrivals }),
		ofService("completions", "requests/s", "that were answered well", func(s *Service) float64 { return s.Completions }),
		ofService("errors", "requests/s", "that failed", func(s *Service) float64 { return s.Errors }),
		ofService("refusals", "requests/s", "that were sent back without asking the origin", func(s *Service) float64 { return s.Refusals }),
		ofService("workers", "", "limit of the origin's processes or threads", func(s *Service) float64 { return known(float64(s.Workers)) }),
		ofService("busy", "", "of the workers, how many are busy", func(s *Service) float64 {
			if s.Workers == 0 {
				return math.NaN()
			}
			return float64(s.Busy)
		}),
		ofService("served", "requests", "that other nodes handed on, since the agent started", func(s *Service) float64 { return float64(s.Served) }),
		ofService("serve_ms", "ms", "average time that those took", func(s *Service) float64 { return millis(s.ServeTime) }),
	}
}

// ownFigures are what this agent itself knows of the member, request by request: it is private, and not a beat old.
func ownFigures() []Figure {
	return []Figure{
		ofLive("outstanding", "requests", "that this agent has under way at the member", func(l *Live) float64 { return float64(l.Outstanding()) }),
		ofLive("heard", "requests", "under way at the member, as its last answer to this agent said", func(l *Live) float64 {
			if h := l.LastHeard(); h.At != 0 {
				return h.InFlight
			}
			return math.NaN()
		}),
		ofLive("latency_ms", "ms", "how long the member took lately until the head of its answer was there", func(l *Live) float64 {
			return millis(l.Latency())
		}),
		ofLive("failed", "requests", "that the member failed, since this agent knows it", func(l *Live) float64 { return float64(l.Failed()) }),
		{
			Name: "since", Unit: "s", Doc: "how long the member may be chosen, as this agent saw it", Own: true,
			Read: func(m *Member, now time.Time) float64 {
				if s := m.Live.Since(); !s.IsZero() {
					return max(0, now.Sub(s).Seconds())
				}
				return math.NaN()
			},
		},
	}
}

func weight(m *Member) float64 {
	if m.Physical == nil {
		return 1
	}
	return cmp.Or(m.Physical.Weight, 1)
}

func ofHost(name, unit, doc string, read func(*Node) float64) Figure {
	return Figure{Name: name, Unit: unit, Doc: doc, Read: func(m *Member, _ time.Time) float64 {
		if m.Node == nil {
			return math.NaN()
		}
		return read(m.Node)
	}}
}

func ofService(name, unit, doc string, read func(*Service) float64) Figure {
	return Figure{Name: name, Unit: unit, Doc: doc, Read: func(m *Member, _ time.Time) float64 {
		if m.Service == nil {
			return math.NaN()
		}
		return read(m.Service)
	}}
}

func ofLive(name, unit, doc string, read func(*Live) float64) Figure {
	return Figure{Name: name, Unit: unit, Doc: doc, Own: true, Read: func(m *Member, _ time.Time) float64 { return read(m.Live) }}
}

// known returns NaN for the zero by which a beat says that a figure is not known.
func known(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

func millis(d time.Duration) float64 { return known(float64(d) / float64(time.Millisecond)) }
