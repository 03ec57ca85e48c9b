package candidacytest

import (
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// live is what a line of a cluster's text says of a member's [node.Live].
type live struct {
	outstanding, predicted, errors int

	heard       string // n/c/mu@own; "": nothing
	latency     time.Duration
	unreachable bool
}

// set sets what the key stands for, and reports whether it stands for anything here.
func (l *live) set(key, value string) (known bool, err error) {
	ints := map[string]*int{"outstanding": &l.outstanding, "predicted": &l.predicted, "errors": &l.errors}
	switch {
	case ints[key] != nil:
		*ints[key], err = strconv.Atoi(value)
	case key == "heard":
		l.heard = value
		_, _, err = parseHeard(value, node.Load{})
	case key == "latency":
		l.latency, err = time.ParseDuration(value)
	case key == "unreachable":
		l.unreachable, err = strconv.ParseBool(value)
	default:
		return false, nil
	}
	return true, err
}

// parseHeard reads n/c/mu@own. Where c or mu is left away, it is def's.
func parseHeard(text string, def node.Load) (load node.Load, own int, err error) {
	said, under, found := strings.Cut(text, "@")
	if found {
		if own, err = strconv.Atoi(under); err != nil {
			return load, 0, err
		}
	}
	figures := []*float64{&def.InFlight, &def.Slots, &def.Mu}
	for i, w := range strings.SplitN(said, "/", len(figures)) {
		if *figures[i], err = strconv.ParseFloat(w, 64); err != nil {
			return load, 0, err
		}
	}
	return def, own, nil
}

// apply brings what this agent knows of the member to what the line says.
func (l *live) apply(m *node.Member) {
	for range l.predicted {
		if m.Node != nil {
			m.Live.Predict(m.Node.Sequence)
		}
	}
	for range l.errors {
		m.Live.Fail(Now())
	}
	if l.latency > 0 {
		m.Live.Answered(l.latency)
	}
	if l.unreachable {
		m.Live.ConnectFailed(Now())
	}
	l.applyHeard(m)
	for m.Live.Outstanding() < int64(l.outstanding) {
		m.Live.Start()
	}
	for m.Live.Outstanding() > int64(l.outstanding) {
		m.Live.End()
	}
}

func (l *live) applyHeard(m *node.Member) {
	if l.heard == "" {
		return
	}
	load, own, err := parseHeard(l.heard, node.Load{Slots: m.Slots(), Mu: m.Mu()})
	if err != nil {
		panic("candidacytest: heard: " + err.Error()) // set has read it
	}
	for range own {
		m.Live.Start()
	}
	m.Live.Heard(load, Now())
}
