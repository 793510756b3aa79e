package celonissim

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Rows are rows that are made when they are looked at.
type Rows struct {
	// Count is how many there are.
	Count int
	// Cell gives a field of a row, counted from 0: nil, a string, an int, a float64 or a bool. Dates and times are strings
	// in ISO 8601 of one length. It must give the same each time and may be called from several goroutines.
	Cell func(row int, field string) any
}

// rowIndex finds and orders the rows of a record without making them.
type rowIndex struct {
	rows      *Rows
	nullsLast bool

	mu      sync.Mutex
	columns map[string]*rowColumn
	perms   map[string][]int32
	results map[string][]int32
}

// rowColumn has the rank of each row's value among the values of a field, -1 without one.
type rowColumn struct {
	ranks []int32
	// values are those of the ranks.
	values []any
}

func newRowIndex(rows *Rows, nullsLast bool) *rowIndex {
	return &rowIndex{rows: rows, nullsLast: nullsLast, columns: map[string]*rowColumn{}, perms: map[string][]int32{}, results: map[string][]int32{}}
}

func (x *rowIndex) column(field string) *rowColumn {
	if c, ok := x.columns[field]; ok {
		return c
	}
	cells := make([]any, x.rows.Count)
	order := make([]int32, 0, x.rows.Count)
	c := &rowColumn{ranks: make([]int32, x.rows.Count)}
	for i := range cells {
		cells[i] = plainCell(x.rows.Cell(i, field))
		c.ranks[i] = -1
		if cells[i] != nil {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return compareValues(cells[a], cells[b]) })
	for i, row := range order {
		if i == 0 || compareValues(cells[order[i-1]], cells[row]) != 0 {
			c.values = append(c.values, cells[row])
		}
		c.ranks[row] = int32(len(c.values) - 1)
	}
	x.columns[field] = c
	return c
}

// plainCell makes all numbers of one type.
func plainCell(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	return v
}

// compareValues orders values of one type; those of different types by the type.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
	case bool:
		if b, ok := b.(bool); ok {
			return cmp.Compare(bit(a), bit(b))
		}
	}
	return cmp.Compare(typeRank(a), typeRank(b))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func typeRank(v any) int {
	switch v.(type) {
	case bool:
		return 1
	case float64:
		return 2
	case string:
		return 3
	}
	return 0
}

// order is a sort: fields with a minus before descending ones.
type order []string

func (x *rowIndex) compare(o order) func(a, b int32) int {
	type key struct {
		ranks []int32
		sign  int
	}
	keys := make([]key, len(o))
	for i, field := range o {
		name, descending := strings.CutPrefix(field, "-")
		keys[i] = key{x.column(name).ranks, 1}
		if descending {
			keys[i].sign = -1
		}
	}
	return func(a, b int32) int {
		for _, k := range keys {
			p, q := k.ranks[a], k.ranks[b]
			if p == q {
				continue
			}
			if x.nullsLast && (p < 0 || q < 0) {
				return k.sign * cmp.Compare(q, p)
			}
			return k.sign * cmp.Compare(p, q)
		}
		return cmp.Compare(a, b)
	}
}

// sorted gives every row in an order.
func (x *rowIndex) sorted(o order) []int32 {
	key := strings.Join(o, ",")
	if p, ok := x.perms[key]; ok {
		return p
	}
	p := make([]int32, x.rows.Count)
	for i := range p {
		p[i] = int32(i)
	}
	if len(o) > 0 {
		slices.SortFunc(p, x.compare(o))
	}
	x.perms[key] = p
	return p
}

// maxResults bounds the answers that an index remembers.
const maxResults = 32

// find gives the rows for which a condition holds, in an order.
func (x *rowIndex) find(c condition, o order) []int32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(c.all) == 0 {
		return x.sorted(o)
	}
	key := c.text + "\x00" + strings.Join(o, ",")
	if found, ok := x.results[key]; ok {
		return found
	}
	if len(x.results) >= maxResults {
		clear(x.results)
	}
	found := x.search(c, o)
	x.results[key] = found
	return found
}

// search looks at the shortest range of rows that a field of the condition leaves.
func (x *rowIndex) search(c condition, o order) []int32 {
	tests := make([]test, len(c.all))
	spans := map[string]span{}
	for i, n := range c.all {
		tests[i] = n.test(x)
		if field, s, ok := n.span(x); ok {
			had, known := spans[field]
			if known {
				s = span{max(s.from, had.from), min(s.to, had.to)}
			}
			spans[field] = s
		}
	}
	rows, inOrder := x.sorted(o), true
	if len(o) > 0 {
		if s, ok := spans[strings.TrimPrefix(o[0], "-")]; ok {
			rows = x.partOf(o, s)
		}
	}
	for field, s := range spans {
		if part := x.partOf(order{field}, s); len(part) < len(rows)/8 {
			rows, inOrder = part, false
		}
	}
	out := make([]int32, 0, 64)
	for _, row := range rows {
		if holds(tests, row) {
			out = append(out, row)
		}
	}
	if !inOrder {
		slices.SortFunc(out, x.compare(o))
	}
	return out
}

func holds(tests []test, row int32) bool {
	for _, t := range tests {
		if t(row) != yes {
			return false
		}
	}
	return true
}

// span is a range of ranks, to excluded.
type span struct{ from, to int32 }

// partOf gives the rows of an order whose first field is in the range.
func (x *rowIndex) partOf(o order, s span) []int32 {
	field, descending := strings.CutPrefix(o[0], "-")
	ranks, all := x.column(field).ranks, x.sorted(o)
	rank := func(row int32) int32 {
		if r := ranks[row]; r >= 0 || !x.nullsLast {
			return r
		}
		return int32(len(ranks))
	}
	if s.to <= s.from {
		return nil
	}
	edge := func(limit int32) int {
		i, _ := slices.BinarySearchFunc(all, limit, func(row, limit int32) int {
			below := rank(row) < limit
			if below != descending {
				return -1
			}
			return 1
		})
		return i
	}
	if descending {
		return all[edge(s.to):edge(s.from)]
	}
	return all[edge(s.from):edge(s.to)]
}
