package mapping

import (
	"bytes"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

const (
	// MinLength is the shortest length that is declared for a text column whose
	// rule does not say, in bytes.
	MinLength = 255
	// lengthRoom is how many times the longest value seen is declared.
	lengthRoom = 4
)

// InferOptions says how a source writes its values.
type InferOptions struct {
	// Typed says that a cell's kind tells its type, as in JSON, where "12" is
	// text. Without it text is looked at, as in CSV.
	Typed bool
	// DecimalComma says that text may write numbers with a decimal comma, as CSV that is not separated by commas does.
	DecimalComma bool
}

// Infer makes a rule for every name, with the type that all values of the
// sample share, and String when they share none or there are none. Digits with
// leading zeros, a plus sign or more than 64 bits stay text, and only true and
// false are booleans. A column that mixes dates and datetimes is a DateTime;
// one that mixes integers and floats is a Float, unless an integer is too long
// to be exact in one. Dates as SAP, Oracle and spreadsheets write them, and
// numbers with a decimal comma, are recognized when all values agree on one
// reading: 01/02/2024 alone may be a day of January or of February and stays
// text. Lengths are as Lengths says.
//
// Names that Celonis cannot tell apart are a mapping.columns_collide fault.
func Infer(names []string, sample []*columns.Raw, opt InferOptions) ([]flows.Rule, error) {
	rules := make([]flows.Rule, len(names))
	known := forms()
	for i, name := range names {
		p := newProfile(opt, known)
		each(sample, source{name: name}, p.add)
		rules[i] = p.rule(name)
	}
	return rules, inferable(rules)
}

// inferable finds names that Celonis cannot tell apart.
func inferable(rules []flows.Rule) error {
	c := compiler{}
	c.collisions(rules)
	if len(c.faults) > 0 {
		for i := range c.faults {
			c.faults[i].Pointer = "/mapping"
		}
		return joined(c.faults, "give the flow a mapping that names its columns apart")
	}
	return nil
}

// Lengths gives a copy of rules in which every String rule has a length. One
// that had none gets lengthRoom times the longest value that the sample or the
// rule's default has, at least MinLength and at most columns.MaxStringBytes, so
// that Celonis's own 80 bytes, at which it cuts without a word, never apply.
func Lengths(rules []flows.Rule, sample []*columns.Raw) []flows.Rule {
	out := append([]flows.Rule(nil), rules...)
	for i := range out {
		rule := &out[i]
		if rule.Length != 0 || rule.Type != "" && rule.Type != columns.String.String() {
			continue
		}
		longest := 0
		if rule.Default != nil {
			longest = len(*rule.Default)
		}
		if s, err := sourceOf(*rule); err == nil {
			each(sample, s, func(value []byte, _ columns.Kind) { longest = max(longest, len(value)) })
		}
		rule.Length = lengthFor(longest)
	}
	return out
}

func lengthFor(longest int) int {
	return min(max(MinLength, lengthRoom*longest), columns.MaxStringBytes)
}

// each calls visit for all values of a source that are not null.
func each(sample []*columns.Raw, s source, visit func(value []byte, kind columns.Kind)) {
	var buf []byte
	for _, raw := range sample {
		for _, cell := range cellsOf(raw, s.name) {
			value, kind, is := raw.Value(cell), cell.Kind, good
			if kind != columns.Null && len(s.path) > 0 {
				buf, kind, is = dig(buf[:0], value, s.path)
				value = buf
			}
			if kind != columns.Null && is == good {
				visit(value, kind)
			}
		}
	}
}

func cellsOf(raw *columns.Raw, name string) []columns.Cell {
	for i, n := range raw.Names {
		if n == name && i < len(raw.Cells) && raw.Cells[i] != nil {
			return raw.Cells[i][:raw.Rows]
		}
	}
	return nil
}

// typeSet is a set of column types, by bit.
type typeSet uint8

const anyType typeSet = 0xff

func setOf(types ...columns.Type) (s typeSet) {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s typeSet) has(t columns.Type) bool { return s&(1<<t) != 0 }

// profile is what the values of a column have in common.
type profile struct {
	typed   bool
	values  int
	fits    typeSet
	dates   dates
	comma   commaNumbers
	longest int
}

func newProfile(opt InferOptions, known []form) profile {
	return profile{typed: opt.Typed, fits: anyType, dates: newDates(known), comma: commaNumbers{possible: opt.DecimalComma && !opt.Typed}}
}

func (p *profile) add(value []byte, kind columns.Kind) {
	p.longest = max(p.longest, len(value))
	// Blank text is null in every type but String.
	b := trim(value)
	if len(b) == 0 {
		return
	}
	p.values++
	if p.fits != 0 {
		p.fits &= p.typesOf(b, kind)
	}
	p.dates.add(b, kind)
	p.comma.add(b, kind)
}

// shape picks the narrowest type that fits all values, and the format that they
// are written in.
func (p *profile) shape() (columns.Type, string) {
	if p.values == 0 {
		return columns.String, ""
	}
	if t, format, ok := p.dates.shape(true); ok {
		return t, format
	}
	for t := columns.Integer; t <= columns.Time; t++ {
		if p.fits.has(t) {
			return t, ""
		}
	}
	if t, format, ok := p.dates.shape(false); ok {
		return t, format
	}
	if p.comma.agreed() {
		return columns.Float, formatComma
	}
	return columns.String, ""
}

// rule makes the rule of a field that has the profile.
func (p *profile) rule(name string) flows.Rule {
	t, format := p.shape()
	rule := flows.Rule{To: name, From: name, Type: t.String(), Format: format}
	if name == "" || name[0] == '/' {
		rule.From = pointerTo(name)
	}
	if t == columns.String {
		rule.Length = lengthFor(p.longest)
	}
	return rule
}

// commaNumbers is what the values of a column say of decimal commas.
type commaNumbers struct {
	possible bool
	// certain: a value holds a comma that is no mark of thousands.
	certain bool
}

func (n *commaNumbers) add(b []byte, kind columns.Kind) {
	if !n.possible {
		return
	}
	var buf [48]byte
	number, ok := []byte(nil), kind == columns.Text && len(b) <= len(buf)
	if ok {
		number, ok = pointForComma(buf[:0], b)
	}
	if !ok || !isPlainNumber(number) {
		n.possible = false
		return
	}
	if at := bytes.IndexByte(b, ','); at >= 0 && (len(b)-at != len(",000") || bytes.IndexByte(b[:at], '.') >= 0) {
		n.certain = true
	}
}

// agreed reports whether all values are numbers with a decimal comma or without
// a fraction, and "1,234" alone does not leave open which.
func (n *commaNumbers) agreed() bool { return n.possible && n.certain }

// typesOf lists the types that hold a value without loss of meaning.
func (p *profile) typesOf(b []byte, kind columns.Kind) typeSet {
	switch {
	case kind == columns.Bool:
		return setOf(columns.Boolean)
	case kind == columns.Number:
		return numberTypes(b)
	case kind == columns.JSON:
		return 0
	}
	if t := timeTypes(b); t != 0 || p.typed {
		return t
	}
	if equalFold(b, "true") || equalFold(b, "false") {
		return setOf(columns.Boolean)
	}
	if isPlainNumber(b) {
		return numberTypes(b)
	}
	return 0
}

// numberTypes tells an integer by how it is written; one that is not exact in
// a float64 is no Float.
func numberTypes(b []byte) typeSet {
	if bytes.ContainsAny(b, ".eE") {
		if _, is := float(b); is == good {
			return setOf(columns.Float)
		}
		return 0
	}
	v, is := integer(b)
	switch {
	case is != good:
		return 0
	case v > exactMantissa || v < -exactMantissa:
		return setOf(columns.Integer)
	}
	return setOf(columns.Integer, columns.Float)
}

// isPlainNumber reports whether text is surely a number and not an identifier:
// no plus sign, no leading zeros, and an exponent only with a sign or behind a
// fraction, as programs write it (1E5 may be a part's number).
func isPlainNumber(b []byte) bool {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if len(digits) == 0 || digits[0] == '+' || digits[0] == '0' && len(digits) > 1 && isDigit(digits[1]) {
		return false
	}
	if _, ok := scanDecimal(digits); !ok {
		return false
	}
	e := bytes.IndexAny(digits, "eE")
	return e < 0 || bytes.IndexByte(digits, '.') >= 0 || digits[e+1] == '-' || digits[e+1] == '+'
}

// timeTypes lists the types of dates and times that text fits.
func timeTypes(b []byte) typeSet {
	if _, is := parseTime(b, columns.Text); is == good {
		return setOf(columns.Time)
	}
	if _, is := parseDateTime(b, columns.Text); is != good {
		return 0
	}
	if len(b) == len("2006-01-02") {
		return setOf(columns.Date, columns.DateTime)
	}
	return setOf(columns.DateTime)
}
