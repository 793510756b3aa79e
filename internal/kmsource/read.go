package kmsource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/celonis-connector/connector/internal/fault"
)

// reader is one reading.
type reader struct {
	Plan
	limit  atomic.Int64
	size   atomic.Int64
	taken  atomic.Int64
	asked  atomic.Int64
	total  atomic.Int64
	sliced atomic.Int64

	candidates []Column
	mu         sync.Mutex
	free       []Part
}

// slice is a part of the rows that should be shown whole.
type slice struct {
	bounds, order []string
	descending    bool
	// nulls takes only the leading rows without a value of order[0].
	nulls bool
	depth int
}

// errEnough ends a reading that has all the rows it should.
var errEnough = errors.New("enough rows")

// Read reads every row once. Faults: SourceRowLimit when not all rows can be
// had, SourceChanged when they changed meanwhile, those of the model, of the
// parts and of Expect.
func Read(ctx context.Context, p Plan) (Stats, error) {
	r := &reader{Plan: p}
	if r.Groups < 1 {
		r.Groups = 1
	}
	if r.Parallel < 1 {
		r.Parallel = DefaultParallel
	}
	if r.Limit < 1 {
		r.Limit = DefaultLimit
	}
	r.limit.Store(int64(r.Limit))
	r.size.Store(int64(min(max(r.Size, 1), r.Limit)))
	stats, err := r.read(ctx)
	if errors.Is(err, errEnough) {
		err = nil
	}
	stats.Rows, stats.Requests, stats.Slices = r.taken.Load(), r.asked.Load(), r.sliced.Load()
	return stats, err
}

func (r *reader) read(ctx context.Context) (stats Stats, err error) {
	first, err := r.page(ctx, Ask{Order: r.Sort, Size: int(r.size.Load())})
	if err != nil {
		return stats, err
	}
	if first.Size > 0 && int64(first.Size) < r.size.Load() {
		r.size.Store(int64(first.Size))
	}
	if err := r.capped(ctx, first); err != nil {
		return stats, err
	}
	r.choose(first.Columns)
	size, n := int(r.size.Load()), len(first.Rows)
	if r.SliceBy != "" && n > 0 && !slices.ContainsFunc(r.candidates, func(c Column) bool { return c.ID == r.SliceBy }) {
		return stats, fault.New(fault.SourceRowLimit, "the field %q of export.sliceBy cannot be sorted and filtered by, as the model says", r.SliceBy).
			WithHint("name another field, or leave sliceBy out")
	}
	r.total.Store(max(first.Total, int64(n)))
	stats.Forecast = Foresee(r.total.Load(), size, r.Limit, r.Groups)
	if r.Expect != nil {
		if err := r.Expect(ctx, stats.Forecast); err != nil {
			return stats, err
		}
	}
	if r.Most > 0 {
		return stats, r.some(ctx, first)
	}
	if n < size && n != OlderLimit && n < r.Limit && r.Groups == 1 {
		r.sliced.Add(1)
		return stats, r.put(first.Rows)
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(r.Parallel)
	emit := func(s slice) error {
		g.Go(func() error { return r.take(inner, s) })
		return context.Cause(inner)
	}
	err = r.begin(inner, emit)
	if waited := g.Wait(); waited != nil {
		err = waited
	}
	return stats, err
}

// capped finds out whether a first page is short because the server keeps to
// smaller pages without saying so.
func (r *reader) capped(ctx context.Context, first *Page) error {
	n := len(first.Rows)
	if n == 0 || int64(n) >= r.size.Load() || r.Most > 0 || first.Size > 0 && n != 50 && n != 100 && n != 500 {
		return nil
	}
	next, err := r.page(ctx, Ask{Order: r.Sort, Page: 1, Size: n})
	if err == nil && len(next.Rows) > 0 {
		r.size.Store(int64(n))
	}
	return err
}

// some takes no more than the first page.
func (r *reader) some(ctx context.Context, first *Page) error {
	groups := [][]json.RawMessage{first.Rows}
	for g := 1; g < r.Groups; g++ {
		p, err := r.page(ctx, Ask{Group: g, Order: r.Sort, Size: int(r.size.Load())})
		if err != nil {
			return err
		}
		groups = append(groups, p.Rows)
	}
	rows, err := first.Rows, error(nil)
	if r.Groups > 1 {
		rows, err = join(groups, r.Keys)
	}
	if err != nil {
		return err
	}
	return r.put(rows)
}

// begin reads everything as one slice where it is shown whole, else slices it.
func (r *reader) begin(ctx context.Context, emit func(slice) error) error {
	order := r.tiebreak()
	if len(r.candidates) > 0 {
		order = r.orderBy(r.candidates[0])
	}
	if len(r.Sort) > 0 {
		order = r.Sort
	}
	row, err := r.probe(ctx, Ask{Order: order, Page: r.Limit - 1})
	if err != nil {
		return err
	}
	if row == nil {
		return emit(slice{order: order})
	}
	return r.cover(ctx, span{emit: emit, fields: r.candidates})
}

// take reads a slice and hands its rows over once they are whole. A slice that
// turns out to be cut is sliced again.
func (r *reader) take(ctx context.Context, s slice) error {
	const again = 3
	for try := 1; ; try++ {
		rows, cut, err := r.rows(ctx, s)
		switch {
		case err != nil && r.TooLong != nil && r.TooLong(err) && r.size.Load() > 1:
			r.size.Store(max(r.size.Load()/2, 1))
			continue
		case fault.Has(err, fault.SourceChanged) && try < again:
			continue
		case err != nil:
			return err
		case cut:
			return r.again(ctx, s)
		}
		r.sliced.Add(1)
		return r.put(rows)
	}
}

// again slices a slice that held more rows than its border told.
func (r *reader) again(ctx context.Context, s slice) error {
	const deepest = 4
	if s.depth == deepest || s.nulls {
		return fault.New(fault.SourceRowLimit, "the rows between %q stay more than the %d that celonis shows, however they are sliced", s.bounds, r.limit.Load()).
			WithHint("name another field in export.sliceBy, or filter the export")
	}
	inline := func(t slice) error { return r.take(ctx, t) }
	return r.cover(ctx, span{bounds: s.bounds, emit: inline, fields: r.candidates, depth: s.depth + 1})
}

// rows reads a slice whole; cut says that it is not.
func (r *reader) rows(ctx context.Context, s slice) (rows []json.RawMessage, cut bool, err error) {
	groups := make([][]json.RawMessage, r.Groups)
	size := int(r.size.Load())
	for g := range groups {
		groups[g], cut, err = r.group(ctx, s, g, size)
		if err != nil || cut {
			return nil, cut, err
		}
	}
	if r.Groups == 1 {
		return groups[0], false, nil
	}
	rows, err = join(groups, r.Keys)
	return rows, false, err
}

func (r *reader) group(ctx context.Context, s slice, group, size int) (rows []json.RawMessage, cut bool, err error) {
	for n := 0; ; n++ {
		p, err := r.page(ctx, Ask{Group: group, Bounds: s.bounds, Order: s.order, Descending: s.descending, Page: n, Size: size})
		if err != nil {
			return nil, false, err
		}
		for _, row := range p.Rows {
			if s.nulls && valueOf(row, s.order[0]) != nil {
				return rows, false, nil
			}
			rows = append(rows, row)
		}
		limit := int(r.limit.Load())
		switch {
		case len(rows) >= limit:
			return nil, true, nil
		case len(p.Rows) >= size:
			continue
		case len(rows) == OlderLimit && limit > OlderLimit && !s.nulls:
			cut, err := r.older(ctx, p)
			return rows, cut, err
		}
		return rows, false, nil
	}
}

// older decides on a result of exactly as many rows as an older limit shows:
// it counts as cut, unless nothing can slice it and the model says it is whole.
// What was expected of the reading does not hold any more then, and is told anew.
func (r *reader) older(ctx context.Context, p *Page) (cut bool, err error) {
	if len(r.candidates) == 0 && p.Total == OlderLimit {
		return false, nil
	}
	if r.limit.Swap(OlderLimit) == OlderLimit || r.Expect == nil {
		return true, nil
	}
	f, asked := Foresee(r.total.Load(), int(r.size.Load()), OlderLimit, r.Groups), r.asked.Load()
	f.Expect, f.Most = f.Expect+asked, f.Most+asked
	return true, r.Expect(ctx, f)
}

func (r *reader) page(ctx context.Context, a Ask) (*Page, error) {
	r.asked.Add(1)
	return r.Model.Page(ctx, a)
}

// probe gives one row of an order, nil when there are not so many.
func (r *reader) probe(ctx context.Context, a Ask) (json.RawMessage, error) {
	a.Size = 1
	p, err := r.page(ctx, a)
	if err != nil || len(p.Rows) == 0 {
		return nil, err
	}
	return p.Rows[0], nil
}

func (r *reader) put(rows []json.RawMessage) error {
	part, err := r.borrow()
	if err != nil {
		return err
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.free = append(r.free, part)
	}()
	for _, row := range rows {
		if err := part.Append(row); err != nil {
			return err
		}
		if n := r.taken.Add(1); r.Most > 0 && n >= r.Most {
			return errEnough
		}
	}
	return nil
}

// borrow gives a part that nobody writes to.
func (r *reader) borrow() (Part, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		part := r.free[n-1]
		r.free = r.free[:n-1]
		return part, nil
	}
	return r.Part()
}
