// Package mapping turns records into rows: a mapping's rules are compiled once
// into a plan, and the plan is applied to decoded blocks, column by column. It
// also infers rules, and the lengths of text columns, from a sample. Nothing
// here reads, writes or waits but an Asker that is handed in.
package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// ChangeDateColumn is the column that Celonis adds to every pushed table
// itself, so no rule may make it.
const ChangeDateColumn = "_CELONIS_CHANGE_DATE"

// maxNameRunes is the longest name of a column.
const maxNameRunes = 128

// Options says what Compile knows of the source and the destination.
type Options struct {
	// NamesComplete says that names are all fields of the source, as those of a
	// CSV header are. A rule for any other field is then a fault; without it
	// the field is merely absent, as it is in the JSON records seen so far.
	NamesComplete bool
	// Keys are the columns that tell rows apart; they may not be null.
	Keys []string
	// Exact makes columns without a format refuse values that their type would hold with another meaning, as Infer would: digits
	// with leading zeros and plus signs, integers that a Float cannot hold exactly, numbers in a DateTime, 1 and yes in a Boolean.
	Exact bool
	// ExactColumns are columns that are Exact although the others are not.
	ExactColumns []string
	// Discard makes a value that its column does not take a null, unless the column is a key or required.
	Discard bool
	// JSON says that records are JSON objects as they stand in the source.
	JSON bool
	// Shape is what a flow does to records beside its rules.
	Shape Shape
}

// Plan is a compiled mapping. It does not change and serves any number of
// goroutines, each with an Applier of its own.
type Plan struct {
	schema  columns.Schema
	columns []column
	want    []string
	discard bool
	shape   *shaping // nil when rules alone make the rows
}

// column is a compiled rule.
type column struct {
	field  columns.Field
	source source
	// at is the column's place in plan.
	plan *Plan
	at   int
	// required and key make a record without a value an error.
	required, key bool
	hasDefault    bool
	// ints converts the types kept in Column.Ints, floats the type Float; text
	// is the default of a String.
	ints   converter[int64]
	floats converter[float64]
	text   []byte
	// computed is the expression in place of source, nil for none; lookup and protect change what is found.
	computed *computation
	lookup   *lookup
	protect  *protection
	// fixedText is what ProtectFixed puts in place of a text.
	fixedText []byte
	// hidden keeps the column's values out of messages.
	hidden bool
}

// converter turns a cell that is not null into a value of T.
type converter[T int64 | float64] struct {
	parse    func(b []byte, kind columns.Kind) (T, verdict)
	standard T // the default
}

// Schema is the columns that the plan makes, in the order of the rules. It
// belongs to the plan.
func (p *Plan) Schema() columns.Schema { return p.schema }

// Want lists the top-level fields of the source that the plan reads, each
// once, in the order of the rules, then those that only the filter reads. It
// is nil when any field may be read, since an expression computes its name.
func (p *Plan) Want() []string {
	if p.Dynamic() {
		return nil
	}
	return slices.Clone(p.want)
}

// Dynamic reports whether any field may be read.
func (p *Plan) Dynamic() bool { return p.shape != nil && p.shape.dynamic }

// Compile resolves rules against the field names of a source. With nil names
// and without NamesComplete it checks all that can be checked without a source.
//
// A String rule without a length is declared with MinLength; Lengths fills in
// better ones from a sample. A field of the plan's rules that names do not
// hold reads as null unless NamesComplete.
//
// All faults are reported at once, as Fields with pointers such as
// /mapping/2/from and /import/keys/0. The code is mapping.field_not_found,
// mapping.columns_collide, mapping.rule_invalid, mapping.key_not_found,
// mapping.expression_invalid, mapping.lookup_invalid or
// filter.expression_invalid when all faults share it, else flow.invalid.
func Compile(rules []flows.Rule, names []string, opt Options) (*Plan, error) {
	c := compiler{names: names, complete: opt.NamesComplete, opt: opt, plan: &Plan{discard: opt.Discard}}
	if len(rules) == 0 {
		c.fault("/mapping", fault.MappingRule, "the mapping has no rules")
	}
	c.shape(rules)
	for i, rule := range rules {
		c.rule(i, rule)
	}
	c.filter()
	c.hide()
	c.openSecrets(rules)
	c.collisions(rules)
	c.faults = append(c.faults, missingKeys(c.plan.schema, opt.Keys)...)
	if len(c.faults) > 0 {
		return nil, joined(c.faults, c.hint)
	}
	for i := range c.plan.columns {
		c.plan.columns[i].key = slices.Contains(opt.Keys, c.plan.schema[i].Name)
	}
	return c.plan, nil
}

// Check lists what is wrong with a flow's mapping and keys whatever its source
// holds, with pointers into the flow: every rule, every expression and the
// lookup tables. The keys of a flow without a mapping are not looked at.
func Check(spec flows.Spec) []fault.Field {
	c := compiler{opt: Options{Shape: ShapeOf(spec)}, plan: &Plan{}, checking: true}
	c.lookups(spec.Lookups)
	if spec.ExpandEmpty != "" && spec.Expand == "" {
		c.fault("/expandEmpty", fault.MappingRule, "expandEmpty needs expand")
	}
	c.shape(spec.Mapping)
	for i, rule := range spec.Mapping {
		c.rule(i, rule)
	}
	c.filter()
	c.hide()
	c.openSecrets(spec.Mapping)
	if len(spec.Mapping) > 0 {
		c.collisions(spec.Mapping)
		c.faults = append(c.faults, missingKeys(c.plan.schema, spec.Import.Keys)...)
	}
	return c.faults
}

// compiler gathers a plan and its faults.
type compiler struct {
	names    []string
	complete bool
	opt      Options
	plan     *Plan
	faults   []fault.Field
	hint     string
	// checking says that the lookup tables are looked at too.
	checking bool
}

func (c *compiler) fault(pointer string, code fault.Code, format string, args ...any) {
	c.faults = append(c.faults, fault.Field{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

func (c *compiler) hintAt(hint string) {
	if c.hint == "" {
		c.hint = hint
	}
}

// rule compiles rule i. A faulty rule still gives a column, so that keys and
// collisions are judged on all of them.
func (c *compiler) rule(i int, rule flows.Rule) {
	at := fmt.Sprintf("/mapping/%d", i)
	col := column{required: rule.Required, plan: c.plan, at: i}
	col.field = c.field(at, rule)
	if rule.Expr != "" {
		col.source = source{text: rule.To, name: noField}
		col.computed = c.computed(at, rule)
	} else {
		col.source = c.source(at, rule)
	}
	problem := c.converters(&col, rule)
	if problem != nil {
		c.fault(at+"/format", fault.MappingRule, "column %q: %s", rule.To, problem.Message)
		c.hintAt(problem.Hint)
	}
	if rule.Default != nil {
		c.standard(at, &col, string(*rule.Default))
	}
	c.lookup(at, &col, rule)
	c.protect(at, &col, rule)
	c.plan.columns = append(c.plan.columns, col)
	c.plan.schema = append(c.plan.schema, col.field)
}

// field declares the column of a rule.
func (c *compiler) field(at string, rule flows.Rule) columns.Field {
	f := columns.Field{Name: rule.To, Type: columns.String}
	switch {
	case rule.To == "":
		c.fault(at+"/to", fault.MappingRule, "a rule has no column name")
	case utf8.RuneCountInString(rule.To) > maxNameRunes:
		c.fault(at+"/to", fault.MappingRule, "column %q has a name of more than %d characters", shorten([]byte(rule.To)), maxNameRunes)
	}
	if rule.Type != "" {
		t, ok := columns.ParseType(rule.Type)
		if !ok {
			c.fault(at+"/type", fault.MappingRule, "column %q has the unknown type %q", rule.To, rule.Type)
			t = columns.String
		}
		f.Type = t
	}
	if rule.Length < 0 || rule.Length > columns.MaxStringBytes {
		c.fault(at+"/length", fault.MappingRule, "column %q has a length of %d, it must be 1 to %d", rule.To, rule.Length, columns.MaxStringBytes)
	}
	if f.Type == columns.String {
		if f.Length = rule.Length; f.Length == 0 {
			f.Length = MinLength
		}
	}
	return f
}

// source resolves where a rule reads.
func (c *compiler) source(at string, rule flows.Rule) source {
	member := at + "/from"
	if rule.From == "" {
		member = at + "/to"
	}
	s, err := sourceOf(rule)
	if err != nil {
		c.fault(member, fault.MappingRule, "column %q has the source %q: %s", rule.To, rule.From, err.Error())
		return s
	}
	c.reads(member, s.name)
	return c.inElement(s)
}

// reads takes note of a field that is read.
func (c *compiler) reads(member, name string) {
	if c.complete && !slices.Contains(c.names, name) {
		c.fault(member, fault.MappingField, "the source has no field %q", name)
		c.hintAt(similarHint(name, c.names))
	}
	if !slices.Contains(c.plan.want, name) {
		c.plan.want = append(c.plan.want, name)
	}
}

// converters chooses the conversion of a column's type and format.
func (c *compiler) converters(col *column, rule flows.Rule) *fault.Error {
	col.ints.parse, col.floats.parse = plainInts(col.field.Type), parseFloat
	if rule.Format == "" {
		if c.opt.Exact || slices.Contains(c.opt.ExactColumns, rule.To) {
			exact(col)
		}
		return nil
	}
	switch t := col.field.Type; t {
	case columns.Date, columns.DateTime, columns.Time:
		if rule.Format == formatExcel {
			col.ints.parse = excelConverter(t)
			return nil
		}
		l, err := compileLayout(rule.Format, t)
		if err != nil {
			return err
		}
		col.ints.parse = l.converter(t)
	case columns.Integer, columns.Float:
		if rule.Format != formatComma {
			return fault.New(fault.MappingRule, "the format %q is not one of numbers", rule.Format).
				WithHint("the format of numbers with a decimal comma is %q; with a decimal point they need none", formatComma)
		}
		col.ints.parse, col.floats.parse = parseIntegerComma, parseFloatComma
	default:
		return fault.New(fault.MappingRule, "%s column takes no format", article(t.String())).
			WithHint("give the rule a type: date, datetime or time")
	}
	return nil
}

// plainInts is the conversion of a type kept in Column.Ints without a format.
func plainInts(t columns.Type) func([]byte, columns.Kind) (int64, verdict) {
	switch t {
	case columns.Boolean:
		return parseBoolean
	case columns.Date:
		return parseDate
	case columns.DateTime:
		return parseDateTime
	case columns.Time:
		return parseTime
	}
	return parseInteger
}

// standard converts a rule's default. It is written as the API writes values,
// not in the rule's format, which is the source's.
func (c *compiler) standard(at string, col *column, text string) {
	col.hasDefault = true
	b, is := []byte(text), good
	switch col.field.Type {
	case columns.String:
		col.text = b
		if len(b) > col.field.Length {
			c.fault(at+"/default", fault.MappingRule, "column %q takes %d bytes and its default has %d", col.field.Name, col.field.Length, len(b))
		}
	case columns.Float:
		col.floats.standard, is = parseFloat(b, columns.Text)
	default:
		col.ints.standard, is = plainInts(col.field.Type)(b, columns.Text)
	}
	if is != good {
		c.fault(at+"/default", fault.MappingRule, "the default %q of column %q is not %s", shorten(b), col.field.Name, article(col.field.Type.String()))
	}
}

// collisions finds columns that Celonis could not tell apart.
func (c *compiler) collisions(rules []flows.Rule) {
	first := make(map[string]int, len(rules))
	for i, rule := range rules {
		at, folded := fmt.Sprintf("/mapping/%d/to", i), strings.ToLower(rule.To)
		if folded == strings.ToLower(ChangeDateColumn) {
			c.fault(at, fault.MappingColumns, "column %q is one that Celonis adds itself", rule.To)
		}
		j, taken := first[folded]
		switch {
		case !taken:
			first[folded] = i
		case rules[j].To == rule.To:
			c.fault(at, fault.MappingColumns, "column %q is made by rule %d and rule %d", rule.To, j+1, i+1)
		default:
			c.fault(at, fault.MappingColumns, "columns %q and %q differ only by case", rules[j].To, rule.To)
			c.hintAt("Celonis does not tell such columns apart; give one of them another name")
		}
	}
}
