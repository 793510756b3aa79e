package endpoint

import (
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
)

// only gives the columns of a schema with these names, in the schema's order.
func only(schema columns.Schema, names []string) columns.Schema {
	var out columns.Schema
	for _, f := range schema {
		if slices.Contains(names, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// narrow encodes some columns of batches of a wider schema: rows to delete
// are told by their keys alone.
type narrow struct {
	columns.ChunkEncoder
	from []int
	view columns.Batch
}

var _ columns.ChunkEncoder = (*narrow)(nil)

func newNarrow(wide, part columns.Schema, inner columns.ChunkEncoder) *narrow {
	n := &narrow{ChunkEncoder: inner, view: columns.Batch{Schema: part, Columns: make([]columns.Column, len(part))}}
	for _, f := range part {
		n.from = append(n.from, wide.Index(f.Name))
	}
	return n
}

// Append implements columns.ChunkEncoder.
func (n *narrow) Append(b *columns.Batch) error {
	for to, from := range n.from {
		n.view.Columns[to] = b.Columns[from]
	}
	n.view.Rows = b.Rows
	return n.ChunkEncoder.Append(&n.view)
}
