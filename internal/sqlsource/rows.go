package sqlsource

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
)

// Order says how the values of the watched column are compared.
type Order uint8

const (
	// ByTime compares points in time.
	ByTime Order = iota
	// ByNumber compares integers.
	ByNumber
	// ByText compares bytes.
	ByText
)

// rows builds a JSON object of each row and hands it on.
type rows struct {
	// take gets each object; the bytes are its own until it returns.
	take func(record []byte) error
	// watch names the column whose highest value is kept; "" for none.
	watch string
	order Order

	names    []string
	prefixes [][]byte
	watched  int
	highest  []byte
	buf      []byte
}

// begin takes the columns. Faults: SourceHeader for a name that comes twice or is empty, SourceWatermark for a watched
// column that is not there.
func (r *rows) begin(names []string) error {
	r.names, r.watched = names, -1
	r.prefixes = make([][]byte, len(names))
	seen := map[string]bool{}
	for i, name := range names {
		switch {
		case name == "":
			return fault.New(fault.SourceHeader, "column %d of the query has no name", i+1).WithHint("name it with AS")
		case seen[name]:
			return fault.New(fault.SourceHeader, "the query has two columns of the name %q", name).WithHint("name one of them otherwise with AS")
		}
		seen[name] = true
		opening := byte(',')
		if i == 0 {
			opening = '{'
		}
		r.prefixes[i] = append(appendString([]byte{opening}, name), ':')
		if name == r.watch {
			r.watched = i
		}
	}
	if r.watch != "" && r.watched < 0 {
		return fault.New(fault.SourceWatermark, "the query has no column %q, so that the watermark cannot move", r.watch).
			WithHint("name a column of the query in export.delta.field")
	}
	return nil
}

// end closes a row's object and hands it on.
func (r *rows) end() error {
	if len(r.names) == 0 {
		r.buf = append(r.buf, '{')
	}
	return r.take(append(r.buf, '}'))
}

// see keeps the watched column's highest value, as JSON.
func (r *rows) see(cell []byte) {
	if cell[0] == 'n' {
		return
	}
	if r.highest == nil || r.order.compare(cell, r.highest) > 0 {
		r.highest = append(r.highest[:0], cell...)
	}
}

// mark is the watched column's highest value as text, "" for none.
func (r *rows) mark() string { return text(r.highest) }

// text gives the text of a JSON string or number.
func text(cell []byte) string {
	if len(cell) == 0 || cell[0] != '"' {
		return string(cell)
	}
	if bytes.IndexByte(cell, '\\') < 0 {
		return string(cell[1 : len(cell)-1])
	}
	var s string
	if json.Unmarshal(cell, &s) != nil {
		return ""
	}
	return s
}

func (o Order) compare(a, b []byte) int {
	switch o {
	case ByNumber:
		x, errX := strconv.ParseInt(string(a), 10, 64)
		y, errY := strconv.ParseInt(string(b), 10, 64)
		if errX == nil && errY == nil {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
		p, okP := new(big.Rat).SetString(text(a))
		q, okQ := new(big.Rat).SetString(text(b))
		if okP && okQ {
			return p.Cmp(q)
		}
	case ByTime:
		// Without the zone, which is always UTC, a time of fewer digits stands before one of more.
		return bytes.Compare(bytes.TrimSuffix(a, []byte(`Z"`)), bytes.TrimSuffix(b, []byte(`Z"`)))
	}
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return bytes.Compare(bytes.TrimSuffix(a, []byte(`"`)), bytes.TrimSuffix(b, []byte(`"`)))
	}
	return bytes.Compare([]byte(text(a)), []byte(text(b)))
}
