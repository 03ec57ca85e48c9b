package candidacytest

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// said is what a line says beyond what a beat could tell: of a physical, of a farm, and what programs push.
type said struct {
	standing node.Standing
	forwards node.Forwards
	stats    []node.Stat
	capacity float64
	weight   float64
	updated  time.Time
}

// set sets what the key stands for, and reports whether it stands for anything here. agent says that the line is a node's,
// which only programs on its host say something of.
func (s *said) set(key, value string, agent bool) (known bool, err error) {
	if name, pushed := strings.CutPrefix(key, node.PushedPrefix); pushed {
		return true, s.push(name, value)
	}
	times := map[string]*time.Time{"standing": &s.standing.Since, "updated": &s.updated}
	floats := map[string]*float64{"capacity": &s.capacity, "weight": &s.weight}
	switch {
	case agent:
		return false, nil
	case key == "off":
		s.standing.Off, s.standing.Why = true, value
	case key == "drain":
		s.standing.Drain, s.standing.Why = true, value
	case key == "down":
		s.standing.Down, s.standing.Why = true, value
	case key == "out":
		s.standing.Out = true
	case key == "forward_off":
		s.forwards.Off, err = parseForward(value)
	case key == "forward_down":
		s.forwards.Down, err = parseForward(value)
	case times[key] != nil:
		var ago time.Duration
		ago, err = time.ParseDuration(value)
		*times[key] = Now().Add(-ago)
	case floats[key] != nil:
		*floats[key], err = strconv.ParseFloat(value, 64)
	default:
		return false, nil
	}
	return true, err
}

// push adds a statistic. They stay in the order of their names.
func (s *said) push(name, value string) error {
	v, err := strconv.ParseFloat(value, 64)
	i, twice := slices.BinarySearchFunc(s.stats, name, func(a node.Stat, b string) int { return strings.Compare(a.Name, b) })
	switch {
	case err != nil:
		return err
	case !node.ValidStatName(name) || math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
		return fmt.Errorf("want a name as node.ValidStatName has them, and a number from 0")
	case twice:
		return fmt.Errorf("it is there twice")
	}
	s.stats = slices.Insert(s.stats, i, node.Stat{Name: name, Value: v, At: Now()})
	return nil
}

// parseForward reads a complete URL, or else the name of a farm.
func parseForward(value string) (node.Forward, error) {
	if !strings.Contains(value, "://") {
		return node.Forward{Farm: value}, nil
	}
	u, err := url.Parse(value)
	return node.Forward{URL: u}, err
}

// of returns the physical that the line is, in that farm.
func (s *said) of(farm string, n *node.Node, to *url.URL) node.Physical {
	p := node.Physical{
		Farm: farm, Name: n.Name, URL: to, Capacity: s.capacity, Weight: s.weight, Labels: n.Labels,
		Standing: s.standing, Forwards: s.forwards, Stats: s.stats, Updated: s.updated,
	}
	if len(s.stats) > 0 && p.Updated.IsZero() {
		p.Updated = Now()
	}
	return p
}
