package kmsource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// span is a range of rows that is more than is shown.
type span struct {
	bounds []string
	emit   func(slice) error
	// fields are those that it can be sliced by, the best first.
	fields []Column
	depth  int
}

// errUnusable says that a field cannot slice a span, though another may.
var errUnusable = errors.New("the field has no value, or has rows without one that no filter finds")

// choose lists the fields to slice by: the one that was asked for, else those
// that can be sorted and filtered by, in the order of how well they tell rows apart.
func (r *reader) choose(columns []Column) {
	for _, c := range columns {
		common := r.Groups == 1 || slices.Contains(r.Keys, c.ID) || c.ID == r.SliceBy
		if c.Filterable && c.Sortable && !c.Aggregated && common {
			r.candidates = append(r.candidates, c)
		}
	}
	slices.SortStableFunc(r.candidates, func(a, b Column) int { return cmp.Compare(r.rank(a), r.rank(b)) })
	r.candidates = slices.DeleteFunc(r.candidates, func(c Column) bool { return c.Type == "boolean" && c.ID != r.SliceBy })
}

func (r *reader) rank(c Column) int {
	if c.ID == r.SliceBy {
		return 0
	}
	if slices.Contains(r.Keys, c.ID) {
		return 1
	}
	kinds := []string{"datetime", "timestamp", "integer", "date", "float", "number", "string"}
	if i := slices.Index(kinds, c.Type); i >= 0 {
		return 2 + i
	}
	return 2 + len(kinds)
}

// orderBy is an order by a field first; the keys settle what it leaves open.
func (r *reader) orderBy(c Column) []string {
	order := []string{c.ID}
	for _, key := range r.tiebreak() {
		if key != c.ID {
			order = append(order, key)
		}
	}
	return order
}

func (r *reader) tiebreak() (order []string) {
	for _, key := range r.Keys {
		if slices.ContainsFunc(r.candidates, func(c Column) bool { return c.ID == key }) {
			order = append(order, key)
		}
	}
	return order
}

// cover slices a span by the first field that can.
func (r *reader) cover(ctx context.Context, s span) error {
	for i, field := range s.fields {
		rest := slices.Delete(slices.Clone(s.fields), i, i+1)
		w := &walk{reader: r, span: s, field: field, rest: rest, order: r.orderBy(field)}
		if err := w.start(ctx); !errors.Is(err, errUnusable) {
			return err
		}
	}
	return r.stuck(s)
}

// stuck is the fault of rows that cannot be had.
func (r *reader) stuck(s span) error {
	where := ""
	if len(s.bounds) > 0 {
		where = " where " + strings.Join(s.bounds, " and ")
	}
	f := fault.New(fault.SourceRowLimit, "celonis shows only the first %d rows of a request, and no field can slice those%s into fewer", r.limit.Load(), where)
	if len(r.candidates) == 0 {
		return f.WithHint("add a field to export.fields that can be sorted and filtered by, or filter the export")
	}
	return f.WithHint("add a field to export.fields that tells these rows apart, can be sorted and filtered by and is never empty")
}

// walk slices a span by one field: the value at the limit's rank of what is
// left becomes the next border. The slices are ranges of the field's values as
// the model itself compares them, so that each row is in one and no order of
// texts needs to be known; each is read whole before it counts.
type walk struct {
	*reader
	span
	field Column
	rest  []Column
	order []string
}

func (w *walk) start(ctx context.Context) error {
	lowest, err := w.end(ctx, false)
	if err != nil {
		return err
	}
	highest, err := w.end(ctx, true)
	if err != nil {
		return err
	}
	lower := ""
	switch {
	case lowest == "" && highest == "":
		return errUnusable
	case lowest == "":
		lower = w.field.ID + " le " + highest
		err = w.nulls(ctx, highest, false)
	case highest == "":
		lower = w.field.ID + " ge " + lowest
		err = w.nulls(ctx, lowest, true)
	}
	if err != nil {
		return err
	}
	return w.ranges(ctx, lower, lowest)
}

// end gives the first value of an order, "" when the row has none.
func (w *walk) end(ctx context.Context, descending bool) (literal string, err error) {
	row, err := w.probe(ctx, Ask{Bounds: w.bounds, Order: w.order, Descending: descending})
	if err != nil || row == nil {
		return "", err
	}
	literal, _ = literalOf(w.field.Type, valueOf(row, w.field.ID))
	return literal, nil
}

// ranges goes from border to border. lower excludes rows without a value, from
// is the lowest value where it is known.
func (w *walk) ranges(ctx context.Context, lower, from string) error {
	passed := ""
	for {
		left := w.with(lower)
		row, err := w.probe(ctx, Ask{Bounds: left, Order: w.order, Page: int(w.limit.Load()) - 1})
		if err != nil {
			return err
		}
		if row == nil {
			return w.emit(slice{bounds: left, order: w.order, depth: w.depth})
		}
		border, ok := literalOf(w.field.Type, valueOf(row, w.field.ID))
		switch {
		case !ok || border == passed:
			return w.stuck(span{bounds: left})
		case border == from:
			if err := w.tie(ctx, border); err != nil {
				return err
			}
			lower, passed, from = w.field.ID+" gt "+border, border, ""
			continue
		}
		if err := w.emit(slice{bounds: append(left, w.field.ID+" lt "+border), order: w.order, depth: w.depth}); err != nil {
			return err
		}
		lower, from = w.field.ID+" ge "+border, border
	}
}

// with adds a bound to the span's.
func (w *walk) with(bounds ...string) []string {
	out := slices.Clone(w.bounds)
	for _, b := range bounds {
		if b != "" {
			out = append(out, b)
		}
	}
	return slices.Clip(out)
}

// tie takes the rows of one value, by another field where they are too many.
func (w *walk) tie(ctx context.Context, value string) error {
	return w.part(ctx, w.with(w.field.ID+" eq "+value))
}

// part takes rows that are one range of this field.
func (w *walk) part(ctx context.Context, bounds []string) error {
	row, err := w.probe(ctx, Ask{Bounds: bounds, Order: w.order, Page: int(w.limit.Load()) - 1})
	if err != nil {
		return err
	}
	if row == nil {
		return w.emit(slice{bounds: bounds, order: w.order, depth: w.depth})
	}
	return w.cover(ctx, span{bounds: bounds, emit: w.emit, fields: w.rest, depth: w.depth})
}

// nulls takes the rows without a value, which are in no range. Those that an
// order begins with need no filter as long as they are shown whole; more need an
// expression for them, which not every model understands.
func (w *walk) nulls(ctx context.Context, some string, descending bool) error {
	row, err := w.probe(ctx, Ask{Bounds: w.bounds, Order: w.order, Descending: descending, Page: int(w.limit.Load()) - 1})
	if err != nil {
		return err
	}
	if row == nil || valueOf(row, w.field.ID) != nil {
		return w.emit(slice{bounds: w.with(), order: w.order, descending: descending, nulls: true, depth: w.depth})
	}
	id := w.field.ID
	for _, expression := range []string{id + " eq null", "not (" + id + " ge " + some + " or " + id + " lt " + some + ")"} {
		bounds := w.with(expression)
		row, err := w.probe(ctx, Ask{Bounds: bounds, Order: w.order, Page: int(w.limit.Load()) - 1})
		switch {
		case fault.Has(err, fault.CelonisRejected) || fault.Has(err, fault.SourceField):
			continue
		case err != nil:
			return err
		case row != nil && valueOf(row, id) == nil:
			return w.cover(ctx, span{bounds: bounds, emit: w.emit, fields: w.rest, depth: w.depth})
		}
	}
	return errUnusable
}

// join joins the parts of rows by their keys. Fault SourceChanged when a part
// lacks a row, SourceRowLimit when keys do not tell rows apart.
func join(groups [][]json.RawMessage, keys []string) ([]json.RawMessage, error) {
	rows := make([]map[string]json.RawMessage, 0, len(groups[0]))
	at := make(map[string]int, len(groups[0]))
	for g, group := range groups {
		if len(group) != len(groups[0]) {
			return nil, rowsMoved()
		}
		for _, raw := range group {
			var row map[string]json.RawMessage
			if err := json.Unmarshal(raw, &row); err != nil {
				return nil, fault.Wrap(err, fault.CelonisAnswer, "a row of the model is no JSON object")
			}
			key := keyOf(row, keys)
			i, known := at[key]
			switch {
			case g == 0 && known:
				return nil, fault.New(fault.SourceKey, "two rows of the model have the same values %s in export.keyFields, so that the parts of wide rows cannot be joined", key).
					WithHint("name fields in export.keyFields that tell rows apart")
			case g == 0:
				at[key] = len(rows)
				rows = append(rows, row)
			case !known:
				return nil, rowsMoved()
			default:
				for id, value := range row {
					rows[i][id] = value
				}
			}
		}
	}
	return encode(rows)
}

func keyOf(row map[string]json.RawMessage, keys []string) string {
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = string(row[k])
	}
	return strings.Join(values, ",")
}

func encode(rows []map[string]json.RawMessage) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		text, err := json.Marshal(row)
		if err != nil {
			return nil, fault.Wrap(err, fault.CelonisAnswer, "a row of the model cannot be written as JSON")
		}
		out[i] = text
	}
	return out, nil
}

func rowsMoved() error {
	return fault.New(fault.SourceChanged, "the model's rows changed while their parts were read").WithRetry(fault.Later)
}
