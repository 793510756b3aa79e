package sqlsource

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

const (
	// rangesPerWorker keeps every connection busy where values are not spread evenly.
	rangesPerWorker = 4
	// sample is about how many values of a text column the bounds of its ranges are found from.
	sample = 10_000
)

// edges are the ends of the column that shares the rows out.
type edges struct {
	Lowest  json.RawMessage `json:"lowest"`
	Highest json.RawMessage `json:"highest"`
	Count   int64           `json:"valued"`
}

// ranges shares the rows out by the column's values: below the first bound,
// between two, from the last one on, and the rows without a value. The outer
// ranges are open and every value is in exactly one, whatever has been added meanwhile.
func (r *reading) ranges(ctx context.Context, s session) ([][]condition, error) {
	column := r.writer.name(r.request.PartitionBy)
	var e edges
	err := r.ask(ctx, s, r.writer.statement(fmt.Sprintf("MIN(q.%s) AS lowest, MAX(q.%s) AS highest, COUNT(q.%s) AS valued", column, column, column), ""), func(record []byte) error {
		return json.Unmarshal(record, &e)
	})
	if err != nil {
		return nil, err
	}
	if e.Count == 0 {
		return [][]condition{nil}, nil
	}
	bounds, err := r.bounds(ctx, s, e)
	if err != nil {
		return nil, err
	}
	return split(r.request.PartitionBy, bounds), nil
}

func split(column string, bounds []arg) [][]condition {
	ranges := [][]condition{{{column: column, op: isNull}}}
	for i := range len(bounds) + 1 {
		var c []condition
		if i > 0 {
			c = append(c, condition{column, ">=", bounds[i-1]})
		}
		if i < len(bounds) {
			c = append(c, condition{column, "<", bounds[i]})
		}
		if c == nil {
			c = []condition{{column: column, op: isNotNull}}
		}
		ranges = append(ranges, c)
	}
	return ranges
}

// bounds gives rising values between the ends.
func (r *reading) bounds(ctx context.Context, s session, e edges) ([]arg, error) {
	n := r.workers() * rangesPerWorker
	low, high := text(e.Lowest), text(e.Highest)
	if e.Lowest[0] != '"' {
		return numbers(low, high, n), nil
	}
	from, okLow := parseTime(low)
	to, okHigh := parseTime(high)
	if r.target.Dialect != query.SQLite && okLow && okHigh && len(low) >= len(time.DateOnly) {
		return times(from, to, n), nil
	}
	return r.sampled(ctx, s, e.Count, n)
}

// numbers splits evenly; whole numbers stay whole.
func numbers(low, high string, n int) (bounds []arg) {
	from, okLow := new(big.Rat).SetString(low)
	to, okHigh := new(big.Rat).SetString(high)
	if !okLow || !okHigh {
		return nil
	}
	step := new(big.Rat).Quo(new(big.Rat).Sub(to, from), big.NewRat(int64(n), 1))
	whole := from.IsInt() && to.IsInt()
	for range n - 1 {
		from = new(big.Rat).Add(from, step)
		value := from.FloatString(6)
		if whole {
			value = new(big.Int).Quo(from.Num(), from.Denom()).String()
		}
		bounds = append(bounds, arg{kind: numberValue, text: value})
	}
	return slices.CompactFunc(bounds, sameText)
}

func sameText(a, b arg) bool { return a.text == b.text }

func times(from, to time.Time, n int) (bounds []arg) {
	// In seconds, as a duration holds no more than 292 years.
	seconds := to.Unix() - from.Unix()
	for i := range n - 1 {
		at := time.Unix(from.Unix()+seconds/int64(n)*int64(i+1), 0).UTC()
		bounds = append(bounds, arg{kind: timeValue, text: at.Format(time.RFC3339)})
	}
	return slices.CompactFunc(bounds, sameText)
}

// sampled takes bounds that share a sample of the values out evenly, in the order that the server compares them by.
func (r *reading) sampled(ctx context.Context, s session, count int64, n int) (bounds []arg, err error) {
	column := r.writer.name(r.request.PartitionBy)
	some := ""
	if count > 2*sample {
		some = " AND " + chance(r.target.Dialect, sample*1_000_000/count)
	}
	st := r.writer.statement("q."+column+" AS v, NTILE("+strconv.Itoa(n)+") OVER (ORDER BY q."+column+") AS tile", "")
	where := " WHERE "
	if len(r.writer.always) > 0 {
		where = " AND "
	}
	const head = "SELECT MIN(t.v) AS bound FROM ("
	st.prefix += len(head)
	st.sql = head + st.sql + where + "q." + column + " IS NOT NULL" + some + ") AS t GROUP BY t.tile ORDER BY t.tile"
	err = r.ask(ctx, s, st, func(record []byte) error {
		var row struct{ Bound json.RawMessage }
		if err := json.Unmarshal(record, &row); err != nil {
			return err
		}
		bounds = append(bounds, arg{kind: textValue, text: text(row.Bound)})
		return nil
	})
	if len(bounds) > 0 {
		bounds = bounds[1:]
	}
	return slices.CompactFunc(bounds, sameText), err
}

// chance holds for so many rows of a million, by chance.
func chance(d query.Dialect, ofMillion int64) string {
	limit := strconv.FormatInt(max(ofMillion, 1), 10)
	switch d {
	case query.PostgreSQL:
		return "random() * 1000000 < " + limit
	case query.MySQL:
		return "RAND() * 1000000 < " + limit
	case query.SQLServer:
		return "ABS(CAST(CHECKSUM(NEWID()) AS BIGINT)) % 1000000 < " + limit
	}
	return "abs(random() % 1000000) < " + limit
}

// ask reads rows that are not the flow's.
func (r *reading) ask(ctx context.Context, s session, st statement, take func(record []byte) error) error {
	err := r.stream(ctx, s, st, &rows{take: take})
	if fault.Has(err, fault.SourceQuery) {
		return fault.From(err).WithHint("the column of export.partitionBy must be one of the query whose values have an order")
	}
	return err
}
