// Package kmsource reads every row of a model of Celonis once, although its API
// shows only the first rows of what a request asks for: where more match, what
// is asked for is sliced by ranges of a field until every slice is shown whole.
package kmsource

import (
	"context"
	"encoding/json"
)

const (
	// DefaultLimit is how many rows of a filtered and sorted table Celonis shows (Intelligence API, rate limits).
	DefaultLimit = 5000
	// OlderLimit is what an older text of the same limit says; a result of exactly so many rows is not trusted.
	OlderLimit = 1000
	// DefaultParallel is how many slices are read at once.
	DefaultParallel = 4
)

// Column is what a model says of a field.
type Column struct {
	ID string
	// Type is string, integer, float, number, boolean, date, time, datetime or timestamp; "" when it is not told.
	Type string
	// Aggregated is true of KPIs, which nothing can be sliced by.
	Aggregated, Filterable, Sortable bool
}

// Ask asks for a page.
type Ask struct {
	// Group is which part of the fields is asked for, from 0.
	Group int
	// Bounds are expressions that all hold for the rows; Order are the fields that they are sorted by.
	Bounds, Order []string
	// Descending turns the first field of Order around; fields with a minus are descending anyway.
	Descending bool
	// Page counts pages of Size rows from 0.
	Page, Size int
}

// Page is a page of rows.
type Page struct {
	Columns []Column
	// Rows are JSON objects by field.
	Rows []json.RawMessage
	// Size is the size of pages that the server keeps to, 0 when it does not say.
	Size int
	// Total is how many rows the server says match, 0 when it does not say; it may be wrong.
	Total int64
}

// Model answers pages. It is safe for concurrent use.
type Model interface {
	Page(ctx context.Context, a Ask) (*Page, error)
}

// Part takes rows, for one goroutine at a time.
type Part interface {
	Append(row []byte) error
}

// Plan says what to read.
type Plan struct {
	Model Model
	// SliceBy is the field to slice by; "" chooses one.
	SliceBy string
	// Keys are fields that tell rows apart; they settle the order of rows and join groups.
	Keys []string
	// Sort is the order of the rows, with a minus before descending fields; it is kept while nothing is sliced.
	Sort []string
	// Groups is how many parts the fields are asked for in, at least 1. All parts have the keys and SliceBy, by which alone
	// more than one part can be sliced.
	Groups int
	// Size is the size of pages to ask for.
	Size int
	// Limit and Parallel; 0 are the defaults.
	Limit, Parallel int
	// Most ends the reading after so many rows, 0 never does.
	Most int64
	// Part makes a place for rows.
	Part func() (Part, error)
	// TooLong reports whether an error says that an answer was too long, so that smaller pages help; nil never does.
	TooLong func(error) bool
	// Expect hears how many requests the reading is expected to take; an error of it ends the reading. It may be nil.
	Expect func(ctx context.Context, f Forecast) error
}

// Stats is what a reading took.
type Stats struct {
	Rows, Requests, Slices int64
	// Forecast is what was expected from the total that the model told.
	Forecast Forecast
}

// Forecast is how many requests a reading takes.
type Forecast struct {
	// Expect suits evenly spread values, Most bears any skew and any ties.
	Expect, Most int64
}

// Foresee predicts the requests for so many rows. Each slice costs a look at
// its border and its pages; two neighboring slices cover at least limit rows
// together, and a value that alone has so many costs a slicing of its own.
func Foresee(rows int64, size, limit, groups int) Forecast {
	if limit <= 0 {
		limit = DefaultLimit
	}
	size = max(min(size, limit), 1)
	g, pages := int64(max(groups, 1)), rows/int64(size)+1
	if rows < int64(limit) {
		return Forecast{Expect: g*pages + 1, Most: g*pages + 2}
	}
	cuts := rows/int64(limit) + 1
	return Forecast{Expect: g*(pages+cuts) + cuts + 4, Most: g*(pages+4*cuts) + 10*cuts + 8}
}
