package columns

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Object gives a record of the source, as it stands there, as a JSON object on
// one line; nil when it is none. A cell of CSV is a text, an empty one without
// quotes null. same says that the record itself is the object.
func (r *Reader) Object(record []byte) (object []byte, same bool) {
	if r.opt.Format == FormatCSV {
		dec, ok := r.dec.(*csvDecoder)
		if !ok {
			return nil, false
		}
		return dec.object(record), false
	}
	record = bytes.TrimSpace(record)
	if len(record) == 0 || record[0] != '{' || !json.Valid(record) || !utf8.Valid(record) {
		return nil, false
	}
	if bytes.IndexByte(record, '\n') < 0 && bytes.IndexByte(record, '\r') < 0 {
		return record, true
	}
	var line bytes.Buffer
	if json.Compact(&line, record) != nil {
		return nil, false
	}
	return line.Bytes(), false
}

// object writes one record with its cells by the names of the header.
func (d *csvDecoder) object(record []byte) []byte {
	if !utf8.Valid(record) || bytes.IndexByte(record, 0) >= 0 {
		return nil
	}
	all := newCSVDecoder(d.csvDialect, d.names, nil)
	raw := &Raw{}
	raw.reset(all.names, record)
	all.decode(Block{Data: record}, raw)
	if raw.Rows != 1 || len(raw.Bad) > 0 {
		return nil
	}
	out := []byte{'{'}
	for c, name := range all.names {
		if c > 0 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, name), ':')
		if cell := raw.Cells[c][0]; cell.Kind == Null {
			out = append(out, "null"...)
		} else {
			out = appendJSON(out, string(raw.Value(cell)))
		}
	}
	return append(out, '}')
}
