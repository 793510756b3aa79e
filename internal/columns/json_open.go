package columns

import (
	"io"

	"github.com/celonis-connector/connector/internal/fault"
)

// openNDJSON learns the names of a source with one object a line.
func (r *Reader) openNDJSON() error {
	first, err := r.firstByte()
	if err != nil {
		return err
	}
	if first == '[' && r.looksLikeArray() {
		return fault.New(fault.SourceFormat, "the source is not NDJSON: it is a JSON array").
			WithHint("use format json")
	}
	return r.openObjects(func(most int) splitter { return &ndjsonSplitter{most: most} }, false)
}

// openJSON moves behind the opening bracket and learns the names of the objects.
func (r *Reader) openJSON() error {
	first, err := r.firstByte()
	if err != nil {
		return err
	}
	if first != '[' {
		e := fault.New(fault.SourceFormat, "the source is not a JSON array: it begins with %q", first)
		if first == '{' {
			e = e.WithHint("use format ndjson when every line is one object, else put the objects into an array")
		}
		return e
	}
	r.in.consume(1)
	return r.openObjects(func(most int) splitter { return &arraySplitter{most: most} }, true)
}

// firstByte skips white space and gives the byte behind it.
func (r *Reader) firstByte() (byte, error) {
	for {
		if err := r.in.fill(1); err != nil {
			return 0, err
		}
		data := r.in.bytes()
		if len(data) == 0 {
			return 0, fault.New(fault.SourceEmpty, "the source is empty")
		}
		n := skipSpace(data, 0)
		if n < len(data) {
			c := data[n]
			r.in.consume(n)
			return c, nil
		}
		r.in.consume(n)
	}
}

// looksLikeArray tells an array of objects, or one that goes on over lines, from
// a first line that happens to be an array.
func (r *Reader) looksLikeArray() bool {
	data := r.in.bytes()
	at := 1
	for at < len(data) && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r') {
		at++
	}
	return at == len(data) || data[at] == '\n' || data[at] == '{' || data[at] == ']'
}

// openObjects settles the names and makes splitter and decoder.
func (r *Reader) openObjects(split func(most int) splitter, array bool) error {
	r.names = r.opt.Want
	if r.names == nil {
		r.split = split(sampleRecords)
		names, err := r.sampleNames(array)
		if err != nil {
			return err
		}
		r.names = names
	}
	if n := len(r.names); n > MaxColumns {
		return tooManyFields(n)
	}
	r.split = split(blockRecords(len(r.names)))
	r.dec = newJSONDecoder(r.names, r.opt.Strict, array)
	return nil
}

// sampleNames decodes the head of the source and gives the field names of its
// good records in order of first appearance. The window stays where it is.
func (r *Reader) sampleNames(array bool) ([]string, error) {
	n, records, err := r.cutNext(min(sampleBytes, r.opt.MaxRecord), false)
	if err == io.EOF {
		return []string{}, nil
	}
	if err != nil {
		return nil, err
	}
	raw := &Raw{}
	b := Block{Data: r.in.bytes()[:n], records: records}
	raw.reset(nil, b.Data)
	dec := newJSONDecoder(nil, false, array)
	dec.sampling = true
	dec.decode(b, raw)
	return raw.scratch.keys.names(), nil
}
