package httpsource

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// ndjsonRecords reads values one after another, each usually on a line of its own.
func ndjsonRecords(in *io.SectionReader, take func([]byte) error) error {
	dec := json.NewDecoder(bufio.NewReaderSize(in, 64<<10))
	for {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		var bad *json.SyntaxError
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return &truncated{}
		case errors.As(err, &bad):
			return &syntax{"NDJSON", bad.Error(), dec.InputOffset()}
		case err != nil:
			return err
		}
		if err := take(asObject(raw)); err != nil {
			return err
		}
	}
}

// csvRecords reads a table; every cell becomes a text.
func csvRecords(in io.Reader, e flows.Export, take func([]byte) error) error {
	opt := columns.ReadOptions{Format: columns.FormatCSV}
	if c := e.CSV; c != nil {
		opt.CSV = columns.CSVOptions{Separator: c.Separator, Quote: c.Quote, Encoding: c.Encoding, NoHeader: c.Header != nil && !*c.Header}
	}
	r, err := columns.Open(in, opt)
	if fault.Has(err, fault.SourceEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	keys := make([][]byte, len(r.Names()))
	for i, name := range r.Names() {
		keys[i], _ = json.Marshal(name) // a string cannot fail
	}
	var raw columns.Raw
	var record []byte
	for {
		block, err := r.Next(context.Background())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.Decode(block, &raw); err != nil {
			return err
		}
		if len(raw.Bad) > 0 {
			bad := raw.Bad[0]
			return &syntax{"CSV", bad.Message, block.Offset + int64(bad.Place.Off)}
		}
		for row := range raw.Rows {
			if record, err = csvObject(record[:0], &raw, keys, row); err != nil {
				return err
			}
			if err := take(record); err != nil {
				return err
			}
		}
		r.Release(block)
	}
}

func csvObject(b []byte, raw *columns.Raw, keys [][]byte, row int) ([]byte, error) {
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, key...), ':')
		cell := raw.Cells[i][row]
		if cell.Kind == columns.Null {
			b = append(b, "null"...)
			continue
		}
		text, err := json.Marshal(string(raw.Value(cell)))
		if err != nil {
			return nil, err
		}
		b = append(b, text...)
	}
	return append(b, '}'), nil
}
