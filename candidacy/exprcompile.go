package candidacy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"backhand/gossip/node"
)

const (
	maxExpr      = 512 // bytes of an expression
	maxExprNodes = 256 // parts of one
)

// exprFuncs are the functions of the library that cost next to nothing, whatever they are given.
func exprFuncs() []string { return []string{"abs", "ceil", "floor", "max", "min", "round"} }

// compileExpr reads an expression and checks that it is one of numbers and conditions that ends soon and cannot fail. An
// error says where it is wrong.
func compileExpr(source string) (*expression, error) {
	switch {
	case len(source) > maxExpr:
		return nil, fmt.Errorf("EXPRESSION is %d bytes long, want at most %d", len(source), maxExpr)
	case !utf8.ValidString(source):
		return nil, errors.New("EXPRESSION is no valid UTF-8")
	}
	names := exprNames()
	options := []expr.Option{expr.Env(exprTypes(names)), expr.MaxNodes(maxExprNodes), expr.DisableAllBuiltins()}
	for _, f := range exprFuncs() {
		options = append(options, expr.EnableBuiltin(f))
	}
	// As it was written: what the optimizer makes of it is another expression.
	asWritten, err := expr.Compile(source, append(slices.Clone(options), expr.Optimize(false))...)
	if err != nil {
		return nil, exprError(source, err)
	}
	c := exprCheck{names: names, lets: map[string]class{}}
	e := &expression{class: c.check(asWritten.Node())}
	if c.err == nil && e.class != condition && e.class != number {
		c.refuse(asWritten.Node(), "the expression is %v, want a condition or a number", e.class)
	}
	if c.err != nil {
		return nil, exprError(source, c.err)
	}
	if e.program, err = expr.Compile(source, options...); err != nil {
		return nil, exprError(source, err)
	}
	for _, n := range c.used {
		if n.request {
			e.asked = append(e.asked, n)
		} else {
			e.names = append(e.names, n)
		}
	}
	e.machines.New = e.newMachine
	return e, nil
}

// exprError says where an expression is wrong, counted in characters from its start.
func exprError(source string, err error) error {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return fmt.Errorf("EXPRESSION: %w", err)
	}
	fe.Bind(file.NewSource(source))
	at := fmt.Sprintf("column %d", fe.Column+1)
	if strings.Contains(source, "\n") {
		at = fmt.Sprintf("line %d, %s", fe.Line, at)
	}
	message := fe.Message
	switch name, isName := strings.CutPrefix(message, "unknown name "); {
	case isName:
		message = exprHint(name)
	case strings.Contains(message, "exceeds maximum allowed nodes"):
		message = fmt.Sprintf("it has too many parts, want at most %d", maxExprNodes)
	case strings.HasPrefix(message, fieldOfStat):
		message = fmt.Sprintf("a statistic that programs push is %s(%q) here", statFunc, strings.TrimPrefix(message, fieldOfStat))
	case strings.Contains(message, mismatch):
		before, after, _ := strings.Cut(message, mismatch)
		message = before + mismatch + strings.NewReplacer("float64", "number", "int", "number", "bool", "condition").Replace(after)
	}
	return fmt.Errorf("%s of the expression: %s", at, message)
}

// How the library begins to say that two types do not go together, and that stat.NAME is nothing.
const (
	mismatch    = "(mismatched types "
	fieldOfStat = "type func(string) float64 has no field "
)

// exprHint returns what to say of a name that stands for nothing.
func exprHint(name string) string {
	for _, n := range exprNames() {
		if strings.EqualFold(n.name, name) || n.name == strings.ReplaceAll(strings.ToLower(name), "-", "_") {
			return fmt.Sprintf("no figure is named %q; it is spelt %s", name, n.name)
		}
	}
	return fmt.Sprintf("no figure is named %q; 'backhand functions byStat' lists them", name)
}

// exprCheck goes through an expression of which the library has found the types right.
type exprCheck struct {
	names []exprName
	lets  map[string]class // what let has named
	used  []exprName
	err   *file.Error // the first that is wrong
}

func (c *exprCheck) refuse(n ast.Node, format string, args ...any) class {
	if c.err == nil {
		c.err = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
	return unknown
}

// check returns what the part of an expression stands for, and refuses what could cost much, or fail.
func (c *exprCheck) check(n ast.Node) class {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return number
	case *ast.BoolNode:
		return condition
	case *ast.StringNode:
		return text
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.BuiltinNode:
		return c.builtin(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.VariableDeclaratorNode:
		c.lets[n.Name] = c.check(n.Value)
		return c.check(n.Expr)
	}
	return c.refuse(n, "%s is not for use here", cmp.Or(strings.TrimSpace(n.String()), "this"))
}

// builtin lets functions of numbers pass. The library has more than we switched on: those that go through lists.
func (c *exprCheck) builtin(n *ast.BuiltinNode) class {
	if !slices.Contains(exprFuncs(), n.Name) {
		return c.refuse(n, "%s is not for use here", n.Name)
	}
	for _, a := range n.Arguments {
		c.want(a, number)
	}
	return number
}

// want refuses a part that is something else.
func (c *exprCheck) want(n ast.Node, want class) {
	if got := c.check(n); got != want {
		c.refuse(n, "this is %v, want %v", got, want)
	}
}

func (c *exprCheck) identifier(n *ast.IdentifierNode) class {
	if is, ok := c.lets[n.Value]; ok {
		return is
	}
	i := slices.IndexFunc(c.names, func(e exprName) bool { return e.name == n.Value })
	if i < 0 {
		return c.refuse(n, "%s is not for use here", n.Value)
	}
	if c.names[i].class == function {
		word, _, example := argumentOf(n.Value)
		return c.refuse(n, `%s is a function, want a %s behind it: %s(%q)`, n.Value, word, n.Value, example)
	}
	c.use(c.names[i])
	return c.names[i].class
}

func (c *exprCheck) use(n exprName) {
	if !slices.ContainsFunc(c.used, func(u exprName) bool { return u.name == n.name }) {
		c.used = append(c.used, n)
	}
}

func (c *exprCheck) unary(n *ast.UnaryNode) class {
	switch n.Operator {
	case "!", "not":
		c.want(n.Node, condition)
		return condition
	case "-", "+":
		c.want(n.Node, number)
		return number
	}
	return c.refuse(n, "%s is not for use here", n.Operator)
}

func (c *exprCheck) binary(n *ast.BinaryNode) class {
	both := func(want, result class) class {
		c.want(n.Left, want)
		c.want(n.Right, want)
		return result
	}
	switch n.Operator {
	case "+", "-", "*", "/", "**", "^":
		return both(number, number)
	case "<", "<=", ">", ">=":
		return both(number, condition)
	case "&&", "and", "||", "or":
		return both(condition, condition)
	case "contains", "startsWith", "endsWith":
		return both(text, condition)
	case "matches":
		c.want(n.Left, text)
		if _, isFixed := n.Right.(*ast.StringNode); !isFixed {
			return c.refuse(n.Right, "the pattern is %s, want a text in quotes", n.Right)
		}
		return condition
	case "==", "!=":
		left := c.check(n.Left)
		c.want(n.Right, left)
		return condition
	case "in":
		return c.in(n)
	}
	return c.refuse(n, "%s is not for use here", n.Operator)
}

// in is for lists that are written out, so that nobody makes a long one.
func (c *exprCheck) in(n *ast.BinaryNode) class {
	left := c.check(n.Left)
	list, isList := n.Right.(*ast.ArrayNode)
	if !isList {
		return c.refuse(n.Right, `this is no list, want one such as ["a", "b"]`)
	}
	if left != number && left != text {
		return c.refuse(n.Left, "this is %v, want a number or a text", left)
	}
	for _, v := range list.Nodes {
		c.want(v, left)
	}
	return condition
}

// argumentOf returns what one of our functions is to be given, and an example.
func argumentOf(fn string) (word, of, example string) {
	if fn == statFunc {
		return "name", "the statistic", "queue"
	}
	return "key", "the label", "gpu"
}

func (c *exprCheck) call(n *ast.CallNode) class {
	callee, isName := n.Callee.(*ast.IdentifierNode)
	if !isName || callee.Value != labelFunc && callee.Value != hasFunc && callee.Value != statFunc {
		return c.refuse(n, "%s is not for use here", n.Callee)
	}
	word, of, _ := argumentOf(callee.Value)
	if len(n.Arguments) != 1 { // the library has said so before
		return c.refuse(n, "%s wants the %s of %s", callee.Value, word, of)
	}
	fixed, isFixed := n.Arguments[0].(*ast.StringNode)
	if !isFixed {
		return c.refuse(n.Arguments[0], "the %s of %s is %s, want a text in quotes", word, of, n.Arguments[0])
	}
	used := labelName(callee.Value, fixed.Value)
	if callee.Value == statFunc {
		if !node.ValidStatName(fixed.Value) {
			return c.refuse(fixed, "%v", badStatName(fixed.Value))
		}
		used = statName(fixed.Value)
	}
	c.use(used)
	return used.class
}

func (c *exprCheck) conditional(n *ast.ConditionalNode) class {
	c.want(n.Cond, condition)
	is := c.check(n.Exp1)
	c.want(n.Exp2, is)
	return is
}
