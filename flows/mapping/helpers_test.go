package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// cell is a value of a hand-made block.
type cell struct {
	kind  columns.Kind
	value string
}

func text(s string) cell   { return cell{columns.Text, s} }
func number(s string) cell { return cell{columns.Number, s} }
func truth(s string) cell  { return cell{columns.Bool, s} }
func nested(s string) cell { return cell{columns.JSON, s} }

var null = cell{}

// block builds a Raw of records, one line each.
func block(names []string, records ...[]cell) *columns.Raw {
	raw := &columns.Raw{Names: names, Cells: make([][]columns.Cell, len(names)), Rows: len(records), Lines: len(records)}
	for _, record := range records {
		start := len(raw.Data)
		for i, c := range record {
			raw.Cells[i] = append(raw.Cells[i], columns.Cell{Off: uint32(len(raw.Data)), Len: uint32(len(c.value)), Kind: c.kind})
			raw.Data = append(raw.Data, c.value...)
			raw.Data = append(raw.Data, ',')
		}
		raw.Records = append(raw.Records, columns.Span{Off: uint32(start), Len: uint32(len(raw.Data) - start)})
		raw.Data = append(raw.Data, '\n')
	}
	return raw
}

// csv builds a Raw as a CSV decoder leaves it: empty cells are null.
func csv(names []string, records ...[]string) *columns.Raw {
	rows := make([][]cell, len(records))
	for r, record := range records {
		for _, s := range record {
			c := text(s)
			if s == "" {
				c = null
			}
			rows[r] = append(rows[r], c)
		}
	}
	return block(names, rows...)
}

func compile(t testing.TB, opt mapping.Options, rules ...flows.Rule) *mapping.Plan {
	t.Helper()
	plan, err := mapping.Compile(rules, nil, opt)
	require.NoError(t, err)
	return plan
}

func apply(plan *mapping.Plan, raw *columns.Raw) (*columns.Batch, []columns.RecordError) {
	out := columns.NewBatch(plan.Schema())
	errs := plan.NewApplier().Apply(raw, out, nil)
	return out, errs
}

// values gives a column as Go values, nil for null.
func values(c *columns.Column) []any {
	out := make([]any, len(c.Valid))
	for i, valid := range c.Valid {
		switch {
		case !valid:
		case c.Type == columns.String:
			out[i] = string(c.StringAt(i))
		case c.Type == columns.Float:
			out[i] = c.Floats[i]
		default:
			out[i] = c.Ints[i]
		}
	}
	return out
}

// one applies a rule of the field "f" to one cell: its value (nil for null),
// or the code of the error.
type one struct {
	applier *mapping.Applier
	out     *columns.Batch
}

func newOne(t testing.TB, rule flows.Rule) *one {
	t.Helper()
	rule.To, rule.From = "F", "f"
	plan := compile(t, mapping.Options{}, rule)
	return &one{applier: plan.NewApplier(), out: columns.NewBatch(plan.Schema())}
}

func (o *one) convert(c cell) (value any, code fault.Code) {
	o.out.Reset()
	errs := o.applier.Apply(block([]string{"f"}, []cell{c}), o.out, nil)
	if len(errs) > 0 {
		return nil, errs[0].Code
	}
	return values(&o.out.Columns[0])[0], ""
}

// conversion is a row of a table of conversions.
type conversion struct {
	in   cell
	want any
	code fault.Code
}

func check(t *testing.T, rule flows.Rule, rows []conversion) {
	t.Helper()
	o := newOne(t, rule)
	for _, row := range rows {
		got, code := o.convert(row.in)
		require.Equalf(t, row.code, code, "kind %d, value %q", row.in.kind, row.in.value)
		require.Equalf(t, row.want, got, "kind %d, value %q", row.in.kind, row.in.value)
	}
}
