package mapping

import (
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// layout is a Rule.Format of a date, datetime or time, compiled.
//
// The letters are those of Java's DateTimeFormatter: y or u year, M or L month,
// d day, D day of year, E name of the day (read over), H hour 0-23, h hour 1-12
// with a (AM or PM), k hour 1-24, K hour 0-11 with a, m minute, s second, S
// fraction, X, x or Z offset; and RR, as Oracle writes it, a year 1950 to 2049. A letter written once takes one digit up to as
// many as the field has; written n times it takes exactly n. yy is 1969 to
// 2068. MMM and MMMM take English names, short or full, in any case. An offset
// is read in any of its forms (Z, +01, +0100, +01:00); none means UTC. Text
// stands in single quotes, other signs for themselves, and [ ] enclose a part
// that may be missing. A date takes the day and a time the time of day as
// written; only a datetime is moved to UTC by the offset.
type layout struct {
	ops []op
}

// op is one step of a layout.
type op struct {
	kind     byte // a letter, or one of the op kinds below
	min, max int  // digits
	literal  string
	end      int // of an optional part: the index of its last step + 1
}

// Kinds of steps beside the letters of numbers.
const (
	opLiteral  = 0
	opOptional = '['
	opMonth    = 'L' // a month's name
	opDay      = 'E' // a day's name
	opHalf     = 'a'
	opOffset   = 'X'
	// opShortYear is a year of two digits in 1950 to 2049.
	opShortYear = 'R'
)

// supportedLetters is what a hint lists.
const supportedLetters = "y u RR M L d D E H h k K m s S a X x Z"

// digitsOf is the most digits of each letter that stands for a number.
func digitsOf(letter byte) int {
	switch letter {
	case 'y':
		return 4
	case 'D':
		return 3
	case 'S':
		return 9
	case 'M', 'd', 'H', 'h', 'k', 'K', 'm', 's':
		return 2
	}
	return 0
}

// layoutCompiler turns a format into steps.
type layoutCompiler struct {
	format string
	ops    []op
	open   []int // steps that open a part that may be missing
	// firm are the letters read outside of such parts, all those read at all.
	firm, all map[byte]bool
}

// compileLayout reads a format for a column of type t. The error is a
// mapping.rule_invalid fault that names the position.
func compileLayout(format string, t columns.Type) (*layout, *fault.Error) {
	c := &layoutCompiler{format: format, firm: map[byte]bool{}, all: map[byte]bool{}}
	for i := 0; i < len(format); {
		n, err := c.step(i)
		if err != nil {
			return nil, err
		}
		i += n
	}
	if len(c.open) > 0 {
		return nil, c.fault(len(format)-1, "a \"[\" is not closed")
	}
	if err := c.checkFields(t); err != nil {
		return nil, err
	}
	return &layout{ops: c.ops}, nil
}

func (c *layoutCompiler) fault(at int, problem string, args ...any) *fault.Error {
	return fault.New(fault.MappingRule, "format %q, position %d: %s", c.format, at+1, fmt.Sprintf(problem, args...))
}

// step compiles what stands at i and tells how many bytes that was.
func (c *layoutCompiler) step(i int) (int, *fault.Error) {
	switch b := c.format[i]; {
	case b == '\'':
		return c.quoted(i)
	case b == '[':
		c.open = append(c.open, len(c.ops))
		c.ops = append(c.ops, op{kind: opOptional})
		return 1, nil
	case b == ']':
		if len(c.open) == 0 {
			return 0, c.fault(i, "a \"]\" closes nothing")
		}
		last := len(c.open) - 1
		c.ops[c.open[last]].end = len(c.ops)
		c.open = c.open[:last]
		return 1, nil
	case b == '{' || b == '}' || b == '#':
		return 0, c.fault(i, "%q is reserved and must stand in single quotes", b)
	case 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z':
		n := 1
		for i+n < len(c.format) && c.format[i+n] == b {
			n++
		}
		return n, c.letter(i, n)
	default:
		c.literal(c.format[i : i+1])
		return 1, nil
	}
}

func (c *layoutCompiler) literal(s string) {
	if n := len(c.ops) - 1; n >= 0 && c.ops[n].kind == opLiteral && !c.closedAt(len(c.ops)) {
		c.ops[n].literal += s
		return
	}
	c.ops = append(c.ops, op{literal: s})
}

// closedAt reports whether an optional part ends right before step n.
func (c *layoutCompiler) closedAt(n int) bool {
	for _, o := range c.ops {
		if o.kind == opOptional && o.end == n {
			return true
		}
	}
	return false
}

// quoted compiles text in single quotes; two of them are one quote, inside and outside.
func (c *layoutCompiler) quoted(i int) (int, *fault.Error) {
	if strings.HasPrefix(c.format[i:], "''") {
		c.literal("'")
		return 2, nil
	}
	for j := i + 1; j < len(c.format); j++ {
		if c.format[j] != '\'' {
			continue
		}
		if j+1 < len(c.format) && c.format[j+1] == '\'' {
			j++
			continue
		}
		c.literal(strings.ReplaceAll(c.format[i+1:j], "''", "'"))
		return j + 1 - i, nil
	}
	return 0, c.fault(i, "a single quote is not closed")
}

// letter compiles n times the letter at i.
func (c *layoutCompiler) letter(i, n int) *fault.Error {
	o, ok := letterOp(c.format[i], n)
	if !ok {
		return c.unsupported(i, n)
	}
	if o.max > 0 && c.afterVariable() {
		return c.fault(i, "a number of variable length stands right before %q; write it with a fixed length, such as MM", c.format[i:i+n])
	}
	name := o.kind
	switch name {
	case opMonth:
		name = 'M'
	case opShortYear:
		name = 'y'
	}
	if c.all[name] && len(c.open) == 0 {
		return c.fault(i, "%q is read twice", c.format[i])
	}
	c.all[name] = true
	if len(c.open) == 0 {
		c.firm[name] = true
	}
	c.ops = append(c.ops, o)
	return nil
}

// letterOp gives the step for n times a letter.
func letterOp(letter byte, n int) (o op, ok bool) {
	switch letter {
	case 'u':
		letter = 'y'
	case 'L':
		letter = 'M'
	}
	switch letter {
	case 'a':
		return op{kind: opHalf}, n == 1
	case 'E':
		return op{kind: opDay}, n <= 4
	case opShortYear:
		return op{kind: opShortYear, min: 2, max: 2}, n == 2
	case 'X', 'x':
		return op{kind: opOffset}, n <= 3
	case 'Z':
		return op{kind: opOffset}, n <= 3 || n == 5
	case 'M':
		if n == 3 || n == 4 {
			return op{kind: opMonth}, true
		}
	}
	most := digitsOf(letter)
	if n == 1 {
		return op{kind: letter, min: 1, max: most}, most > 0
	}
	o = op{kind: letter, min: n, max: n}
	switch letter {
	case 'y':
		return o, n == 2 || n == 4
	case 'D':
		return o, n == 3
	}
	return o, n <= most
}

// afterVariable reports whether the step before reads a number of variable length.
func (c *layoutCompiler) afterVariable() bool {
	for i := len(c.ops) - 1; i >= 0; i-- {
		if o := c.ops[i]; o.kind != opOptional {
			return o.max > o.min
		}
	}
	return false
}

func (c *layoutCompiler) unsupported(i, n int) *fault.Error {
	letters := c.format[i : i+n]
	err := c.fault(i, "%q is not supported", letters)
	switch c.format[i] {
	case 'Y':
		return err.WithHint("Y is the year of a week; the calendar year is y")
	case 'T':
		return err.WithHint("put text in single quotes: 'T'")
	case 'z', 'V', 'O':
		return err.WithHint("names of zones are ambiguous; an offset is X, and fixed text stands in single quotes: 'UTC'")
	}
	if letterKnown(c.format[i]) {
		return err.WithHint("%q cannot be written %d times", c.format[i], n)
	}
	return err.WithHint("supported letters are %s; put text in single quotes", supportedLetters)
}

func letterKnown(b byte) bool { return strings.IndexByte(supportedLetters, b) >= 0 }

// checkFields finds what a format lacks for its column's type.
func (c *layoutCompiler) checkFields(t columns.Type) *fault.Error {
	hours := 0
	for _, h := range []byte("HhkK") {
		if c.all[h] {
			hours++
		}
	}
	whole := c.firm['y'] && (c.firm['M'] && c.firm['d'] || c.firm['D'])
	clock := c.firm['H'] || c.firm['k'] || (c.firm['h'] || c.firm['K']) && c.firm[opHalf]
	var problem string
	switch {
	case t != columns.Time && !whole:
		problem = "needs year, month and day (y, M, d)"
	case t == columns.Time && !clock:
		problem = "needs an hour (H, or h with a)"
	case hours > 1:
		problem = "reads the hour twice"
	case (c.all['h'] || c.all['K']) && !c.all[opHalf]:
		problem = "has an hour of half a day without a (AM or PM); the hour of the whole day is H"
	case c.all['D'] && (c.all['M'] || c.all['d']):
		problem = "has the day of the year (D) beside month or day"
	default:
		return nil
	}
	return fault.New(fault.MappingRule, "format %q of %s column %s", c.format, article(t.String()), problem)
}
