package endpoint

import (
	"errors"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// parquetChain is a chain of Parquet files with the same columns, in any order.
type parquetChain struct {
	chain
	schema columns.Schema
}

var _ engine.TypedReader = (*parquetChain)(nil)

// Schema implements engine.TypedReader.
func (c *parquetChain) Schema() columns.Schema { return slices.Clone(c.schema) }

// DecodeTyped implements engine.TypedReader.
func (c *parquetChain) DecodeTyped(b columns.Block) *columns.Batch {
	l := c.of(b)
	batch := l.reader.(*columns.ParquetReader).DecodeTyped(b)
	if l.order == nil {
		return batch
	}
	ordered := &columns.Batch{Schema: c.schema, Columns: make([]columns.Column, len(l.order)), Rows: batch.Rows}
	for i, at := range l.order {
		ordered.Columns[i] = batch.Columns[at]
	}
	return ordered
}

// chainParquet looks at the footer of every file, so that one which does not
// fit is found before anything is pushed.
func (s *fetchedFiles) chainParquet(want []string) (*engine.Stream, error) {
	c := &parquetChain{chain: chain{parts: s.parts}}
	open := func(p filePart) (*columns.ParquetReader, error) {
		r, err := columns.OpenParquet(s.section(p), p.size, want)
		return r, inFile(p, err)
	}
	for i, p := range s.parts {
		r, err := open(p)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			c.names, c.schema = r.Names(), r.Schema()
		}
		err = c.fits(s.parts[0], p, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
	}
	c.open = func(p filePart) (engine.Reader, error) { return open(p) }
	return &engine.Stream{Reader: c, NamesComplete: true, Typed: true}, nil
}

// fits: every file has the columns of the first, of the same types.
func (c *parquetChain) fits(first, p filePart, r *columns.ParquetReader) error {
	if err := sameColumns(columnSet{first.name, c.names}, columnSet{p.name, r.Names()}, nil); err != nil {
		return err
	}
	schema := r.Schema()
	for i, at := range orderOf(c.names, r.Names()) {
		if schema[at].Type != c.schema[i].Type {
			return differs(first, p, c.schema[i], schema[at])
		}
	}
	if slices.Equal(c.names, r.Names()) {
		for i := range schema {
			if schema[i].Type != c.schema[i].Type {
				return differs(first, p, c.schema[i], schema[i])
			}
		}
	}
	return nil
}

func differs(first, p filePart, was, is columns.Field) error {
	return fault.New(fault.SourceHeader, "file %q: its column %q is of type %s, that of file %q of type %s", p.name, is.Name, is.Type, first.name, was.Type)
}
