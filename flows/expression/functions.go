package expression

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/expr-lang/expr/builtin"
)

// gives is what a function's results are; null may stand in for any but boolean.
type gives uint8

const (
	anything gives = iota
	boolean
	other
)

// function is a function of ours.
type function struct {
	gives    gives
	min, max int
	// pattern is the argument that is a regular expression, 0 for none: no function has it first.
	pattern int
	call    func(m *meter, args []any) (any, error)
}

// many is the most arguments of a function that takes any number.
const many = 50

// takes words how many arguments a function takes.
func (f function) takes() string {
	switch {
	case f.min == f.max && f.min == 1:
		return "1 argument"
	case f.min == f.max:
		return fmt.Sprintf("%d arguments", f.min)
	case f.max == many:
		return fmt.Sprintf("%d arguments or more", f.min)
	}
	return fmt.Sprintf("%d to %d arguments", f.min, f.max)
}

// builtin makes the function known to the library. The first argument is the meter.
func (f function) builtin(name string) *builtin.Function {
	run := func(args ...any) (any, error) {
		m := args[0].(*meter)
		if err := m.spend(args[1:]); err != nil {
			return nil, err
		}
		out, err := f.call(m, args[1:])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(name), err)
		}
		if n := weight(out); n > 0 {
			if err := m.turn(n); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	b := &builtin.Function{Name: name, Func: run}
	if f.gives == boolean {
		b.Types = types(new(func(...any) bool))
	} else {
		b.Types = types(new(func(...any) any))
	}
	return b
}

// shown is a function's name for a message; those behind operators have the operator's.
func shown(name string) string {
	switch name {
	case "__add":
		return "+"
	case "__equal", "__unequal":
		return "=="
	case "__in", "__matches", "__contains", "__startsWith", "__endsWith":
		return name[2:]
	case "__record", "__field", "__member", "__turn":
		return "the record"
	}
	return name
}

// functions lists all functions by name.
func functions(opt Options) map[string]function {
	all := inner()
	for _, some := range []map[string]function{texts(), patterns(), numbers(), dates(), values()} {
		maps.Copy(all, some)
	}
	all["now"] = function{gives: other, call: func(*meter, []any) (any, error) { return opt.Now.UTC(), nil }}
	all["lookup"] = function{min: 2, max: 3, call: func(_ *meter, a []any) (any, error) {
		name, _ := a[0].(string)
		if a[1] != nil {
			key, err := textOf(a[1])
			if err != nil {
				return nil, err
			}
			if v, ok := opt.Tables[name][key]; ok {
				return v, nil
			}
		}
		if len(a) == 3 {
			return a[2], nil
		}
		return nil, nil
	}}
	return all
}

// meter counts the steps of one evaluation and keeps the zones that a runner has met.
type meter struct {
	steps int
	zones map[string]*time.Location
}

// turn counts steps.
func (m *meter) turn(n int) error {
	if m.steps += n; m.steps > maxSteps {
		return fmt.Errorf("the expression takes more than %d steps", maxSteps)
	}
	return nil
}

// spend counts a call with its arguments.
func (m *meter) spend(args []any) error {
	n := 1
	for _, a := range args {
		n += weight(a)
	}
	return m.turn(n)
}

// weight is how many steps it takes to go through a value.
func weight(v any) int {
	switch v := v.(type) {
	case nil, bool, int, float64:
		return 0
	case string:
		return len(v) / bytesPerStep
	case []any:
		return len(v) / elementsPerStep
	case map[string]any:
		return len(v) / elementsPerStep
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		return list.Len() / elementsPerStep
	}
	return 0
}

// bounded refuses a text that is too long.
func bounded(n int) error {
	if n > MaxText {
		return fmt.Errorf("a text of %d bytes, more than %d", n, MaxText)
	}
	return nil
}

// textOf gives a value as text, as a column of type string takes it; null is no text.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return formatFloat(v), nil
	case time.Time:
		return v.Format(stamp), nil
	case []any, map[string]any:
		return toJSON(v)
	}
	if n, ok := numberOf(v); ok {
		return textOf(n)
	}
	return "", fmt.Errorf("it takes a text and not %s", wordFor(v))
}

// stamp is how an instant is written.
const stamp = "2006-01-02T15:04:05.000Z07:00"

func formatFloat(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// onText makes a function of a text, whose null is null.
func onText(f func(s string) string) function {
	return function{gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		s, err := textOf(a[0])
		if err != nil {
			return nil, err
		}
		s = f(s)
		return s, bounded(len(s))
	}}
}

// textsOf reads arguments as texts.
func textsOf(a []any) ([]string, error) {
	out := make([]string, len(a))
	for i, v := range a {
		s, err := textOf(v)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

// intOf reads a whole number.
func intOf(v any) (int, error) {
	switch n, _ := numberOf(v); n := n.(type) {
	case int:
		return n, nil
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("it takes a whole number and not %s", wordFor(v))
}

// numberOf gives a Go number as int or float64.
func numberOf(v any) (any, bool) {
	switch n := v.(type) {
	case int, float64:
		return n, true
	case int64:
		return int(n), true
	case int32:
		return int(n), true
	case uint:
		return int(n), true
	case float32:
		return float64(n), true
	}
	return nil, false
}
