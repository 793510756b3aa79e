// Package expression compiles and runs the expressions of flows: filters and
// computed columns in the language of expr-lang, bounded in size, memory and
// steps. Nothing here reads, writes or waits, and the same record gives the
// same result every time.
package expression

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

const (
	// MaxSource bounds an expression's text, in bytes.
	MaxSource = 4_000
	// MaxNodes bounds the parts of an expression.
	MaxNodes = 500
	// MaxPattern bounds the text of a regular expression, in bytes.
	MaxPattern = 1_000
	// MaxText bounds every text that an expression reads or makes, in bytes.
	MaxText = 1 << 18
	// MaxElements bounds every list that an expression reads or makes.
	MaxElements = 10_000

	// maxSteps bounds what one evaluation may do: calls, turns of loops and the text they go through.
	maxSteps = 20_000
	// memoryBudget bounds the elements that one evaluation may hold.
	memoryBudget = 10_000
	// bytesPerStep is how much text a function goes through in a step, elementsPerStep how much of a list.
	bytesPerStep, elementsPerStep = 256, 16
)

// Options says what an expression is for.
type Options struct {
	// Boolean makes an expression that cannot be true or false a fault.
	Boolean bool
	// Now is what now() gives: the same for all of a run.
	Now time.Time
	// Tables are the lookup tables by name. A name without a table is known and empty.
	Tables map[string]map[string]string
}

// Row gives fields that an expression names by a computation.
type Row interface {
	// Field gives a field by its name as a natural Go value, nil when it is missing.
	Field(name string) (any, error)
	// Fields gives all fields.
	Fields() (map[string]any, error)
}

// Program is a compiled expression. It does not change and serves any number
// of goroutines, each with a Runner of its own.
type Program struct {
	source  string
	code    *vm.Program
	fields  []string
	slots   []string
	dynamic bool
	opt     Options
}

// Fields lists the fields that the expression names literally, each once: a
// name, or a JSON Pointer where it starts with "/". Runner.Run takes their values in this order.
func (p *Program) Fields() []string { return p.fields }

// Dynamic reports whether the expression computes the name of a field, or
// takes the record as a whole, so that any field may be read.
func (p *Program) Dynamic() bool { return p.dynamic }

// Source is the expression's text.
func (p *Program) Source() string { return p.source }

// Compile checks and compiles an expression. All errors are an *Error with the
// place in the text.
func Compile(source string, opt Options) (p *Program, err error) {
	if len(source) > MaxSource {
		return nil, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("the expression has %d bytes, more than %d", len(source), MaxSource)}
	}
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, &Error{Line: 1, Column: 1, Message: "the expression cannot be compiled", cause: fmt.Errorf("%v\n%s", r, debug.Stack())}
		}
	}()
	known := functions(opt)
	config := newConfig(known)
	tree, parseErr := parser.ParseWithConfig(source, config)
	if parseErr != nil {
		return nil, errorOf(parseErr)
	}
	r := rewriter{source: source, opt: opt, known: known, numbers: map[string]int{}}
	r.node(&tree.Node)
	if r.err != nil {
		return nil, r.err
	}
	if opt.Boolean && !r.mayBeBoolean(tree.Node) {
		return nil, r.at(tree.Node, "a filter must be true or false, and this never is")
	}
	result, checkErr := new(checker.Checker).PatchAndCheck(tree, config)
	if checkErr != nil {
		return nil, errorOf(checkErr)
	}
	if opt.Boolean && result != nil && result.Kind() != reflect.Bool && result.Kind() != reflect.Interface {
		return nil, r.at(tree.Node, "a filter must be true or false, and this is %s", kindName(result))
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, errorOf(err)
	}
	code, compileErr := compiler.Compile(tree, config)
	if compileErr != nil {
		return nil, errorOf(compileErr)
	}
	return &Program{source: source, code: code, fields: r.fields, slots: slotsOf(r.fields), dynamic: r.dynamic, opt: opt}, nil
}

func newConfig(known map[string]function) *conf.Config {
	config := conf.CreateNew()
	config.WithEnv(map[string]any{})
	config.Strict, config.MaxNodes = false, MaxNodes
	kept := map[string]bool{}
	for _, name := range keptBuiltins() {
		kept[name] = true
	}
	for name := range config.Builtins {
		if !kept[name] {
			config.Disabled[name] = true
			delete(config.Builtins, name)
		}
	}
	for name, f := range known {
		config.Functions[name] = f.builtin(name)
	}
	return config
}

// kindName words a type that the checker found.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "an object"
	}
	return "another value"
}

// Runner evaluates a program; it serves one goroutine.
type Runner struct {
	program *Program
	machine vm.VM
	meter   meter
	scope   map[string]any
}

// NewRunner makes a Runner.
func (p *Program) NewRunner() *Runner {
	r := &Runner{program: p, machine: vm.VM{MemoryBudget: memoryBudget}, scope: make(map[string]any, len(p.slots)+2)}
	r.scope[meterSlot] = &r.meter
	return r
}

// Run evaluates the program for a record. values are those of Program.Fields;
// row may be nil where the program is not Dynamic. The result is nil, a bool,
// int, float64, string, time.Time, []any or map[string]any. Errors are an
// *Error that quotes nothing of the record.
func (r *Runner) Run(values []any, row Row) (any, error) {
	for i, slot := range r.program.slots {
		r.scope[slot] = values[i]
	}
	r.scope[rowSlot] = row
	r.meter.steps = 0
	out, err := r.machine.Run(r.program.code, r.scope)
	if err != nil {
		return nil, errorOf(err)
	}
	return natural(out)
}

// True evaluates a filter: null counts as false.
func (r *Runner) True(values []any, row Row) (bool, error) {
	out, err := r.Run(values, row)
	if err != nil {
		return false, err
	}
	switch v := out.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return false, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("the filter gave %s and must give true or false", wordFor(out))}
}
