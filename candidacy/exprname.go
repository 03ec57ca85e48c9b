package candidacy

import (
	"fmt"
	"math"
	"slices"

	"github.com/expr-lang/expr/types"

	"backhand/gossip/node"
)

// class is what a part of an expression stands for.
type class uint8

const (
	unknown class = iota
	condition
	number
	text
	function
)

// String returns the word for people.
func (c class) String() string {
	return [...]string{"something else", "a condition", "a number", "a text", "a function"}[c]
}

// exprName is a name that an expression may use, and what it stands for: the function of its class.
type exprName struct {
	name  string
	class class

	number func(req *Request, c *node.Member) float64
	text   func(req *Request, c *node.Member) string
	holds  func(req *Request, c *node.Member) bool

	request bool // it is of the request; c may be nil
	own     bool // this agent alone knows it
	moves   bool // it changes between two snapshots
	steady  bool // it seldom changes at all
	called  bool // it is what a function returns for a fixed argument: the expression calls for it itself
}

// The functions that read labels, and statistics that are pushed.
const (
	labelFunc = "label"
	hasFunc   = "has"
	statFunc  = "stat"
)

// exprNames returns all names.
func exprNames() []exprName {
	names := []exprName{
		{name: "name", class: text, steady: true, text: func(_ *Request, c *node.Member) string { return c.Name }},
		{name: "zone", class: text, steady: true, text: zoneOf},
		{name: "self", class: condition, steady: true, holds: func(_ *Request, c *node.Member) bool { return c.Self }},
		{name: labelFunc, class: function},
		{name: hasFunc, class: function},
		{name: statFunc, class: function},
		{name: "method", class: text, request: true, text: func(r *Request, _ *node.Member) string { return r.Method }},
		{name: "host", class: text, request: true, text: func(r *Request, _ *node.Member) string { return r.Host }},
		{name: "path", class: text, request: true, text: func(r *Request, _ *node.Member) string { return r.Path }},
		{name: "client", class: text, request: true, text: func(r *Request, _ *node.Member) string {
			return r.Client.Unmap().String()
		}},
	}
	steady := []string{"cpus", "speed", "mem_total", "slots", "weight", "mu", "workers"}
	for _, f := range node.Figures() {
		names = append(names, exprName{
			name: f.Name, class: number, own: f.Own, moves: f.Name == "age", steady: slices.Contains(steady, f.Name),
			number: func(r *Request, c *node.Member) float64 { return f.Read(c, r.Now) },
		})
	}
	return names
}

// labelName is what a call of one of the two functions for labels stands for.
func labelName(fn, key string) exprName {
	n := exprName{name: fmt.Sprintf("%s(%q)", fn, key), class: text, steady: true, called: true}
	n.text = func(_ *Request, c *node.Member) string {
		value, _ := c.Label(key)
		return value
	}
	if fn == hasFunc {
		n.class = condition
		n.holds = func(_ *Request, c *node.Member) bool {
			_, has := c.Label(key)
			return has
		}
	}
	return n
}

// statName is what a call of stat stands for. It changes as often as programs push it, but not within a snapshot.
func statName(name string) exprName {
	return exprName{
		name: fmt.Sprintf("%s(%q)", statFunc, name), class: number, called: true,
		number: func(_ *Request, c *node.Member) float64 { return pushed(c, name) },
	}
}

// pushed returns the statistic of that name that programs push, or NaN if none is known.
func pushed(m *node.Member, name string) float64 {
	if v, ok := m.Pushed(name); ok {
		return v
	}
	return math.NaN()
}

func zoneOf(_ *Request, c *node.Member) string {
	if c.Node == nil {
		return ""
	}
	return c.Node.Zone
}

// exprTypes returns what the library is to know of the names.
func exprTypes(names []exprName) types.Map {
	all := types.Map{}
	for _, n := range names {
		switch n.class {
		case condition:
			all[n.name] = types.Bool
		case number:
			all[n.name] = types.Float64
		case text:
			all[n.name] = types.String
		}
	}
	all[labelFunc] = types.TypeOf(func(string) string { return "" })
	all[hasFunc] = types.TypeOf(func(string) bool { return false })
	all[statFunc] = types.TypeOf(func(string) float64 { return 0 })
	return all
}
