package celonissim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// csvSegmentRows is the number of records of a CSV chunk in one segment.
const csvSegmentRows = 64 << 10

type csvFile struct {
	format *csvFormat
	header []sourceColumn
	from   io.ReaderAt
	size   int64
}

// csvField is a cell: a quoted one may be empty, an unquoted empty one is null.
type csvField struct {
	value  []byte
	quoted bool
}

// headerBytes is the part of a file in which its header row must end.
const headerBytes = 1 << 20

func openCSV(r io.ReaderAt, size int64, format *csvFormat) (chunkFile, error) {
	raw := make([]byte, min(size, headerBytes))
	if _, err := r.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if int64(len(raw)) < size {
		raw = raw[:bytes.LastIndexByte(raw, '\n')+1]
	}
	data, err := format.decode(raw)
	if err != nil {
		return nil, fmt.Errorf("not a readable CSV file: %w", err)
	}
	s := csvScanner{format: format, rest: data, line: 1}
	names, err := s.record()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("CSV file has no header row")
	}
	if err != nil {
		return nil, err
	}
	f := &csvFile{format: format, from: r, size: size}
	for _, n := range names {
		f.header = append(f.header, sourceColumn{name: string(n.value), text: true})
	}
	return f, nil
}

// scan gives a scanner over the records after the header.
func (f *csvFile) scan() (*csvScanner, error) {
	raw, err := readAll(f.from, f.size)
	if err != nil {
		return nil, err
	}
	data, err := f.format.decode(raw)
	if err != nil {
		return nil, err
	}
	s := &csvScanner{format: f.format, rest: data, line: 1}
	_, err = s.record()
	return s, err
}

func (f *csvFile) columns() []sourceColumn { return f.header }

func (f *csvFile) parts(p *plan, targets []int) []partReader {
	return []partReader{func(emit func(*segment) error) error { return f.read(p, targets, emit) }}
}

func (f *csvFile) read(p *plan, targets []int, emit func(*segment) error) error {
	s, err := f.scan()
	if err != nil {
		return err
	}
	if p.countOnly {
		return s.countRecords(p, emit)
	}
	values := make([]csvValues, len(targets))
	for i, h := range f.header {
		values[i] = f.format.valuesOf(h.name)
	}
	for {
		cols := p.blank(targets, 0)
		rows, err := f.fill(s, cols, targets, values)
		if err != nil || rows == 0 {
			return err
		}
		if err := emit(p.newSegment(cols, rows)); err != nil {
			return err
		}
	}
}

// fill reads records until a segment is full or the file ends.
func (f *csvFile) fill(s *csvScanner, cols []*column, targets []int, values []csvValues) (rows int, err error) {
	for rows < csvSegmentRows {
		line := s.line
		fields, err := s.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if len(fields) != len(targets) {
			return 0, fmt.Errorf("line %d has %d fields, the header has %d", line, len(fields), len(targets))
		}
		for i, field := range fields {
			if err := addField(cols[targets[i]], values[i], field); err != nil {
				return 0, fmt.Errorf("line %d, column %q: %w", line, f.header[i].name, err)
			}
		}
		rows++
	}
	return rows, nil
}

func addField(to *column, values csvValues, field csvField) error {
	if len(field.value) == 0 && (!field.quoted || to.kind != String) {
		to.addNull()
		return nil
	}
	return values.add(to, field.value)
}

// csvScanner cuts records out of text. In a quoted field the quote is written
// twice or after the escape sequence, and the escape sequence after itself;
// before anything else the escape sequence stands for itself.
type csvScanner struct {
	format *csvFormat
	rest   []byte
	line   int
	fields []csvField
	// scratch holds the unescaped values of a record.
	scratch []byte
}

func (s *csvScanner) countRecords(p *plan, emit func(*segment) error) error {
	rows := 0
	for {
		_, err := s.record()
		if errors.Is(err, io.EOF) {
			return emit(p.newSegment(nil, rows))
		}
		if err != nil {
			return err
		}
		rows++
	}
}

// record gives the next record's fields, which are good until the next call.
// Empty lines are passed over.
func (s *csvScanner) record() ([]csvField, error) {
	for n := s.lineEnd(); n > 0; n = s.lineEnd() {
		s.rest = s.rest[n:]
		s.line++
	}
	if len(s.rest) == 0 {
		return nil, io.EOF
	}
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	for {
		field, err := s.field()
		if err != nil {
			return nil, err
		}
		s.fields = append(s.fields, field)
		if bytes.HasPrefix(s.rest, s.format.separator) {
			s.rest = s.rest[len(s.format.separator):]
			continue
		}
		if n := s.lineEnd(); n > 0 {
			s.rest = s.rest[n:]
			s.line++
		}
		return s.fields, nil
	}
}

// lineEnd is the length of the line ending at the front: the one that the
// job names, or any of CR LF, LF.
func (s *csvScanner) lineEnd() int {
	switch {
	case len(s.format.line) > 0 && bytes.HasPrefix(s.rest, s.format.line):
		return len(s.format.line)
	case bytes.HasPrefix(s.rest, []byte("\r\n")):
		return 2
	case len(s.rest) > 0 && s.rest[0] == '\n':
		return 1
	default:
		return 0
	}
}

func (s *csvScanner) field() (csvField, error) {
	if bytes.HasPrefix(s.rest, s.format.quote) {
		return s.quotedField()
	}
	all := s.rest
	for i, c := range all {
		if !s.format.stops[c] {
			continue
		}
		s.rest = all[i:]
		if bytes.HasPrefix(s.rest, s.format.separator) || s.lineEnd() > 0 {
			return csvField{value: all[:i]}, nil
		}
	}
	s.rest = nil
	return csvField{value: all}, nil
}

func (s *csvScanner) quotedField() (csvField, error) {
	quote, escape := s.format.quote, s.format.escape
	opened := s.line
	rest := s.rest[len(quote):]
	start := len(s.scratch)
	for {
		switch {
		case len(rest) == 0:
			return csvField{}, fmt.Errorf("quoted field that begins in line %d is not closed", opened)
		case bytes.HasPrefix(rest, escape) && bytes.HasPrefix(rest[len(escape):], quote) && !bytes.Equal(escape, quote):
			s.scratch = append(s.scratch, quote...)
			rest = rest[len(escape)+len(quote):]
		case bytes.HasPrefix(rest, escape) && bytes.HasPrefix(rest[len(escape):], escape) && !bytes.Equal(escape, quote):
			s.scratch = append(s.scratch, escape...)
			rest = rest[2*len(escape):]
		case bytes.HasPrefix(rest, quote) && bytes.HasPrefix(rest[len(quote):], quote):
			s.scratch = append(s.scratch, quote...)
			rest = rest[2*len(quote):]
		case bytes.HasPrefix(rest, quote):
			s.rest = rest[len(quote):]
			if !s.atFieldEnd() {
				return csvField{}, fmt.Errorf("line %d: text after a closing quote", s.line)
			}
			return csvField{value: s.scratch[start:], quoted: true}, nil
		default:
			if rest[0] == '\n' {
				s.line++
			}
			s.scratch = append(s.scratch, rest[0])
			rest = rest[1:]
		}
	}
}

func (s *csvScanner) atFieldEnd() bool {
	return len(s.rest) == 0 || bytes.HasPrefix(s.rest, s.format.separator) || s.lineEnd() > 0
}
