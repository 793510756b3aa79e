package columns

import (
	"io"

	"github.com/celonis-connector/connector/internal/fault"
)

// ChunkEncoder builds one chunk file after the other from batches. An encoder
// belongs to one goroutine; several encoders may run at once.
type ChunkEncoder interface {
	// Append adds a batch of the encoder's schema and copies what it needs of it.
	Append(b *Batch) error
	// Rows is the number of rows since the last Reset.
	Rows() int
	// Size estimates the bytes that Finish would write now.
	Size() int
	// Finish writes the whole file. It may be called again to write the same
	// file once more; the encoder must be Reset before it takes more rows.
	Finish(w io.Writer) error
	// Reset empties the encoder and keeps its memory.
	Reset()
}

var (
	_ ChunkEncoder = (*ParquetEncoder)(nil)
	_ ChunkEncoder = (*CSVEncoder)(nil)
)

// checkBatch makes sure that a batch is of the schema and whole.
func checkBatch(schema Schema, b *Batch) error {
	if len(b.Columns) != len(schema) {
		return fault.New(fault.Internal, "batch of %d columns for a schema of %d", len(b.Columns), len(schema))
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		if c.Type != schema[i].Type {
			return fault.New(fault.Internal, "column %q is %s in the batch and %s in the schema", schema[i].Name, c.Type, schema[i].Type)
		}
		if len(c.Valid) != b.Rows || c.values() != b.Rows {
			return fault.New(fault.Internal, "column %q has %d values in a batch of %d rows", schema[i].Name, len(c.Valid), b.Rows)
		}
	}
	return nil
}

// values is the number of rows that the value slices hold.
func (c *Column) values() int {
	switch c.Type {
	case String:
		return len(c.Offsets) - 1
	case Float:
		return len(c.Floats)
	default:
		return len(c.Ints)
	}
}
