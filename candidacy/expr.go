package candidacy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"

	"backhand/gossip/node"
)

func byExpr() Spec {
	return Spec{
		Name: "byExpr", Usage: "byExpr EXPRESSION",
		Doc: "Decides by an expression of your own over each candidate, in the language of expr-lang/expr. A condition keeps those " +
			"for which it holds; a number sorts, lowest first, and leaves those with the same number in their order. It may name the " +
			"figures that byStat knows, each a number (load1, cpus, in_flight, outstanding, age in seconds, ...), and stat(\"NAME\"), the " +
			"statistic that programs push under that name; name, zone, label(\"KEY\") and, of the request, method, host, path and " +
			"client, which are texts; self and has(\"KEY\"), whether there is such a label, which are conditions; numbers and texts; " +
			"+ - * / **, comparisons, and or not in, contains, startsWith, endsWith, matches with a fixed pattern, ? :, let, abs, ceil, " +
			"floor, round, min and max. A figure that is not known of a candidate (of a physical, those that only beats tell; a " +
			"statistic that nobody pushes) is no number: a comparison with it does not hold, but for !=. " +
			"A candidate for which the number is none, or is infinite as 1/0 is, comes last. At most 512 bytes.",
		Source: "backhand; the language: expr-lang.org", Example: `byExpr load1 / cpus < 2 && zone != "b"`,
		Make: makeByExpr,
	}
}

func makeByExpr(a *Args) Step {
	text := a.Rest()
	if text == "" {
		a.Fail("EXPRESSION is missing")
		return Step{}
	}
	e, err := compileExpr(text)
	if err != nil {
		a.Fail("%w", err)
		return Step{}
	}
	if e.class == condition {
		return Step{Run: e.keep, Note: e.note, Why: "does not hold", Ahead: e.ahead()}
	}
	return Step{Run: e.sort, First: e.first, Note: e.note, Sorts: e.herds()}
}

// expression is one that was found right. It does not change.
type expression struct {
	class   class
	program *vm.Program
	names   []exprName // of the candidate, that it uses
	asked   []exprName // of the request

	machines sync.Pool // of *machine
}

// ahead says whether the condition asks for nothing but what a snapshot has.
func (e *expression) ahead() Ahead {
	moves := func(n exprName) bool { return n.own || n.moves }
	if len(e.asked) > 0 || slices.ContainsFunc(e.names, moves) {
		return Never
	}
	return Once
}

// herds reports whether the number is one that all nodes hear alike: what this node itself knows makes it private, as long
// as all else in it is what a member always is.
func (e *expression) herds() bool {
	own := slices.ContainsFunc(e.names, func(n exprName) bool { return n.own })
	heard := slices.ContainsFunc(e.names, func(n exprName) bool { return !n.own })
	changes := slices.ContainsFunc(e.names, func(n exprName) bool { return !n.own && !n.steady })
	return changes || heard && !own
}

func (e *expression) keep(req *Request, in []*node.Member) []*node.Member {
	m := e.machine(req)
	defer e.release(m)
	return slices.DeleteFunc(in, func(c *node.Member) bool { return !m.holds(req, c) })
}

func (e *expression) sort(req *Request, in []*node.Member) []*node.Member {
	m := e.machine(req)
	defer e.release(m)
	return sortBy(in, func(c *node.Member) float64 { return m.number(req, c) })
}

// first brings forward the candidate that sort would make the first.
func (e *expression) first(req *Request, in []*node.Member) []*node.Member {
	m := e.machine(req)
	defer e.release(m)
	return firstBy(in, func(c *node.Member) float64 { return m.number(req, c) })
}

// note says what the expression saw of a candidate: "0.0775: load1 0.31, cpus 4".
func (e *expression) note(req *Request, c *node.Member) string {
	m := e.machine(req)
	defer e.release(m)
	var said []string
	if e.class == number {
		said = append(said, figureText(m.number(req, c)))
	}
	for _, n := range e.names {
		said = append(said, n.name+" "+n.written(req, c))
	}
	if e.class == number && len(said) > 1 {
		return said[0] + ": " + strings.Join(said[1:], ", ")
	}
	return strings.Join(said, ", ")
}

// figureText writes a figure as people read it.
func figureText(v float64) string {
	if math.IsNaN(v) {
		return "unknown"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// machine evaluates one expression, for one decision at a time. It keeps what the library would else allocate for each
// candidate.
type machine struct {
	vm      vm.VM
	program *vm.Program
	names   []exprName // of the candidate
	values  map[string]any
	env     any       // the same
	numbers []float64 // as they stand in values, by names
	texts   []string

	candidate *node.Member // that labels and statistics are read of
}

// maxExprMemory is how many values, roughly, one evaluation may make: an expression as long as allowed needs fewer.
const maxExprMemory = 4096

func (e *expression) newMachine() any {
	names := slices.DeleteFunc(slices.Clone(e.names), func(n exprName) bool { return n.called })
	m := &machine{
		program: e.program, names: names, values: map[string]any{},
		numbers: make([]float64, len(names)), texts: make([]string, len(names)),
	}
	m.vm.MemoryBudget = maxExprMemory
	m.env = m.values
	for i, n := range names {
		switch n.class {
		case number:
			m.values[n.name] = m.numbers[i]
		case text:
			m.values[n.name] = m.texts[i]
		}
	}
	m.values[labelFunc] = func(key string) string {
		value, _ := m.candidate.Label(key)
		return value
	}
	m.values[hasFunc] = func(key string) bool {
		_, has := m.candidate.Label(key)
		return has
	}
	m.values[statFunc] = func(name string) float64 { return pushed(m.candidate, name) }
	return m
}

// machine returns one that knows the request.
func (e *expression) machine(req *Request) *machine {
	m := e.machines.Get().(*machine)
	for _, n := range e.asked {
		m.values[n.name] = n.text(req, nil)
	}
	return m
}

// release forgets the request: its texts may be parts of a buffer that is used again.
func (e *expression) release(m *machine) {
	for _, n := range e.asked {
		m.values[n.name] = ""
	}
	clear(m.vm.Stack[:cap(m.vm.Stack)])
	m.candidate = nil
	e.machines.Put(m)
}

// run evaluates the expression for a candidate. An error is none that a user could do something about: compileExpr lets
// nothing pass that could fail.
func (m *machine) run(req *Request, c *node.Member) (any, error) {
	m.candidate = c
	for i, n := range m.names {
		switch n.class {
		case number: // what is as it was need not be put into an interface once more, which allocates
			if v := n.number(req, c); math.Float64bits(v) != math.Float64bits(m.numbers[i]) {
				m.numbers[i], m.values[n.name] = v, v
			}
		case text:
			if v := n.text(req, c); v != m.texts[i] {
				m.texts[i], m.values[n.name] = v, v
			}
		default:
			m.values[n.name] = n.holds(req, c)
		}
	}
	return m.vm.Run(m.program, m.env)
}

func (m *machine) holds(req *Request, c *node.Member) bool {
	v, err := m.run(req, c)
	holds, _ := v.(bool)
	return err == nil && holds
}

// number returns NaN for what is none.
func (m *machine) number(req *Request, c *node.Member) float64 {
	v, err := m.run(req, c)
	switch v := v.(type) {
	case float64:
		if err == nil {
			return v
		}
	case int:
		if err == nil {
			return float64(v)
		}
	}
	return math.NaN()
}

// written returns what the name stands for, for people.
func (n exprName) written(req *Request, c *node.Member) string {
	switch n.class {
	case number:
		return figureText(n.number(req, c))
	case text:
		return strconv.Quote(n.text(req, c))
	}
	return fmt.Sprint(n.holds(req, c))
}
