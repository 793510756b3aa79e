package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// The scope of an evaluation holds the fields in slots, and these; the blanks
// keep them apart from all that an expression can name.
const (
	meterSlot = " meter"
	rowSlot   = " row"
	recordVar = "record"
)

func slotsOf(fields []string) []string {
	slots := make([]string, len(fields))
	for i := range fields {
		slots[i] = slotOf(i)
	}
	return slots
}

func slotOf(i int) string { return " field " + strconv.Itoa(i) }

// keptBuiltins are the library's functions that are bounded as they are; all
// others are off.
func keptBuiltins() []string {
	return []string{"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum", "reduce",
		"first", "last", "take", "reverse"}
}

// rewriter turns a parsed expression into one over slots: fields become
// variables, functions take the meter, loops count their turns, and members of
// null are null.
type rewriter struct {
	source  string
	opt     Options
	known   map[string]function
	fields  []string
	numbers map[string]int
	lets    []string
	dynamic bool
	err     *Error
}

// at makes an error at a node.
func (r *rewriter) at(n ast.Node, format string, args ...any) *Error {
	e := (&file.Error{Location: n.Location()}).Bind(file.NewSource(r.source))
	return &Error{Line: max(e.Line, 1), Column: e.Column + 1, Message: fmt.Sprintf(format, args...)}
}

func (r *rewriter) fail(n ast.Node, format string, args ...any) {
	if r.err == nil {
		r.err = r.at(n, format, args...)
	}
}

func variable(name string) ast.Node { return &ast.IdentifierNode{Value: name} }

// call puts a function of ours in the place of a node.
func call(n *ast.Node, name string, args ...ast.Node) {
	where := (*n).Location()
	meter := variable(meterSlot)
	meter.SetLocation(where)
	callee := variable(name)
	callee.SetLocation(where)
	ast.Patch(n, &ast.CallNode{Callee: callee, Arguments: append([]ast.Node{meter}, args...)})
}

// field puts a field's slot in the place of a node.
func (r *rewriter) field(n *ast.Node, name string) {
	if strings.HasPrefix(name, "/") {
		if err := checkPointer(name); err != nil {
			r.fail(*n, "%s", err)
			return
		}
	}
	i, known := r.numbers[name]
	if !known {
		i = len(r.fields)
		r.numbers[name] = i
		r.fields = append(r.fields, name)
	}
	ast.Patch(n, variable(slotOf(i)))
}

// checkPointer refuses what RFC 6901 does.
func checkPointer(p string) error {
	for i := strings.IndexByte(p, '~'); i >= 0 && i < len(p); i++ {
		if p[i] == '~' && (i+1 == len(p) || p[i+1] != '0' && p[i+1] != '1') {
			return fmt.Errorf(`the JSON Pointer %q has a "~" that is neither ~0 nor ~1`, p)
		}
	}
	return nil
}

func (r *rewriter) nodes(list []ast.Node) {
	for i := range list {
		r.node(&list[i])
	}
}

func (r *rewriter) node(n *ast.Node) {
	if *n == nil || r.err != nil {
		return
	}
	switch x := (*n).(type) {
	case *ast.IdentifierNode:
		r.identifier(n, x)
	case *ast.UnaryNode:
		r.node(&x.Node)
	case *ast.BinaryNode:
		r.binary(n, x)
	case *ast.ChainNode:
		r.node(&x.Node)
		*n = x.Node
	case *ast.MemberNode:
		r.member(n, x)
	case *ast.SliceNode:
		r.node(&x.Node)
		r.node(&x.From)
		r.node(&x.To)
	case *ast.CallNode:
		r.function(n, x)
	case *ast.BuiltinNode:
		if !slices.Contains(keptBuiltins(), x.Name) {
			r.fail(x, "there is no function %q", x.Name)
			return
		}
		r.nodes(x.Arguments)
		if len(x.Arguments) > 0 && r.err == nil {
			list := x.Arguments[0]
			call(&x.Arguments[0], "__turn", list)
		}
	case *ast.PredicateNode:
		r.node(&x.Node)
		body := x.Node
		call(&x.Node, "__turn", body)
	case *ast.ConditionalNode:
		r.node(&x.Cond)
		r.node(&x.Exp1)
		r.node(&x.Exp2)
	case *ast.VariableDeclaratorNode:
		r.node(&x.Value)
		r.lets = append(r.lets, x.Name)
		r.node(&x.Expr)
		r.lets = r.lets[:len(r.lets)-1]
	case *ast.SequenceNode:
		r.nodes(x.Nodes)
	case *ast.ArrayNode:
		r.nodes(x.Nodes)
	case *ast.MapNode:
		r.nodes(x.Pairs)
	case *ast.PairNode:
		if _, ok := x.Key.(*ast.StringNode); !ok {
			r.fail(x, "the names of an object's members are literals")
		}
		r.node(&x.Value)
	}
}

func (r *rewriter) identifier(n *ast.Node, x *ast.IdentifierNode) {
	switch {
	case slices.Contains(r.lets, x.Value):
	case strings.HasPrefix(x.Value, "$"):
		r.fail(x, "there is no variable %q", x.Value)
	case x.Value == recordVar:
		r.dynamic = true
		call(n, "__record", variable(rowSlot))
	default:
		r.field(n, x.Value)
	}
}

// isRecord reports whether a node is the record itself.
func (r *rewriter) isRecord(n ast.Node) bool {
	id, ok := n.(*ast.IdentifierNode)
	return ok && id.Value == recordVar && !slices.Contains(r.lets, recordVar)
}

func (r *rewriter) member(n *ast.Node, x *ast.MemberNode) {
	if r.isRecord(x.Node) {
		r.ofRecord(n, x.Property)
		return
	}
	r.node(&x.Node)
	r.node(&x.Property)
	call(n, "__member", x.Node, x.Property)
}

// ofRecord reads a field of the record.
func (r *rewriter) ofRecord(n *ast.Node, name ast.Node) {
	if literal, ok := name.(*ast.StringNode); ok {
		r.field(n, literal.Value)
		return
	}
	r.dynamic = true
	r.node(&name)
	call(n, "__field", variable(rowSlot), name)
}

func (r *rewriter) binary(n *ast.Node, x *ast.BinaryNode) {
	switch x.Operator {
	case "matches":
		r.node(&x.Left)
		if re := r.pattern(x.Right); re != nil {
			call(n, "__matches", x.Left, re)
		}
		return
	case "in":
		if !isLiteralList(x.Right) {
			r.node(&x.Left)
			r.node(&x.Right)
			call(n, "__in", x.Left, x.Right)
			return
		}
	}
	r.node(&x.Left)
	r.node(&x.Right)
	switch x.Operator {
	case "+":
		if !isNumber(x.Left) || !isNumber(x.Right) {
			call(n, "__add", x.Left, x.Right)
		}
	case "==":
		if !isLiteral(x.Left) && !isLiteral(x.Right) {
			call(n, "__equal", x.Left, x.Right)
		}
	case "!=":
		if !isLiteral(x.Left) && !isLiteral(x.Right) {
			call(n, "__unequal", x.Left, x.Right)
		}
	case "contains", "startsWith", "endsWith":
		call(n, "__"+x.Operator, x.Left, x.Right)
	}
}

func isNumber(n ast.Node) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return true
	}
	return false
}

func isLiteral(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	return isNumber(n)
}

func isLiteralList(n ast.Node) bool {
	list, ok := n.(*ast.ArrayNode)
	return ok && !slices.ContainsFunc(list.Nodes, func(e ast.Node) bool {
		_, text := e.(*ast.StringNode)
		return !text && !isNumber(e)
	})
}

// pattern compiles a regular expression once; nil when it is faulty.
func (r *rewriter) pattern(n ast.Node) ast.Node {
	literal, ok := n.(*ast.StringNode)
	if !ok {
		r.fail(n, "a regular expression must be a literal text")
		return nil
	}
	if len(literal.Value) > MaxPattern {
		r.fail(n, "the regular expression has %d bytes, more than %d", len(literal.Value), MaxPattern)
		return nil
	}
	re, err := regexp.Compile(literal.Value)
	if err != nil {
		r.fail(n, "the regular expression is not valid: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	c := &ast.ConstantNode{Value: re}
	c.SetLocation(n.Location())
	return c
}

// function checks a call and hands the function the meter.
func (r *rewriter) function(n *ast.Node, x *ast.CallNode) {
	callee, ok := x.Callee.(*ast.IdentifierNode)
	if !ok {
		r.fail(x, "only functions can be called")
		return
	}
	f, known := r.known[callee.Value]
	if !known || strings.HasPrefix(callee.Value, "__") {
		r.fail(x, "there is no function %q", callee.Value)
		return
	}
	if len(x.Arguments) < f.min || len(x.Arguments) > f.max {
		r.fail(x, "%s takes %s, not %d", callee.Value, f.takes(), len(x.Arguments))
		return
	}
	if callee.Value == "get" && r.isRecord(x.Arguments[0]) {
		r.ofRecord(n, x.Arguments[1])
		return
	}
	if callee.Value == "lookup" && !r.knowsTable(x.Arguments[0]) {
		return
	}
	for i := range x.Arguments {
		if i == f.pattern && f.pattern > 0 {
			if x.Arguments[i] = r.pattern(x.Arguments[i]); r.err != nil {
				return
			}
			continue
		}
		r.node(&x.Arguments[i])
	}
	call(n, callee.Value, x.Arguments...)
}

func (r *rewriter) knowsTable(n ast.Node) bool {
	name, ok := n.(*ast.StringNode)
	if !ok {
		r.fail(n, "the name of a lookup table must be a literal text")
		return false
	}
	if _, known := r.opt.Tables[name.Value]; !known {
		r.fail(n, "there is no lookup table %q", name.Value)
		return false
	}
	return true
}

// mayBeBoolean reports whether an expression's outermost part can give true or false.
func (r *rewriter) mayBeBoolean(n ast.Node) bool {
	switch x := n.(type) {
	case *ast.CallNode:
		callee, ok := x.Callee.(*ast.IdentifierNode)
		if !ok {
			return true
		}
		f := r.known[callee.Value]
		return f.gives == anything || f.gives == boolean
	case *ast.VariableDeclaratorNode:
		return r.mayBeBoolean(x.Expr)
	case *ast.ConditionalNode:
		return r.mayBeBoolean(x.Exp1) || r.mayBeBoolean(x.Exp2)
	}
	return true
}
