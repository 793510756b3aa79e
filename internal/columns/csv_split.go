package columns

import (
	"bytes"

	"github.com/celonis-connector/connector/internal/fault"
)

// csvDialect is how a CSV source is written.
type csvDialect struct {
	sep, quote byte
	quoting    bool
}

// startsCell tells whether the byte before a quote makes it an opening one. A
// quote anywhere else in an unquoted cell is an ordinary character.
func (d csvDialect) startsCell(before byte) bool {
	return before == d.sep || before == '\n' || before == '\r'
}

// csvSplitter finds record ends outside of quotes. It jumps from quote to
// quote and looks for line ends only between them, so that each byte is
// looked at once, by vector instructions where quotes are rare.
type csvSplitter struct {
	csvDialect
	pos    int  // bytes of data that are looked at
	quoted bool // pos is inside of quotes
	opened int  // where they opened
	last   int  // the last record end found
}

var _ splitter = (*csvSplitter)(nil)

func (s *csvSplitter) cut(data []byte, st cutState) (n, records int, err error) {
	for s.pos < len(data) && (!st.first || s.last == 0) {
		before := s.pos
		switch {
		case s.quoted:
			s.closeQuote(data, st.final)
		case s.quoting:
			s.openQuote(data, st)
		default:
			s.lineEnd(data, len(data), st)
		}
		if s.pos == before {
			break
		}
	}
	n = s.last
	if n == 0 && st.final {
		if s.quoted {
			return 0, 0, s.unclosed(data, st)
		}
		n = len(data)
	}
	s.pos, s.opened, s.last = max(s.pos-n, 0), s.opened-n, 0
	return n, 0, nil
}

// closeQuote moves behind the quote that closes the cell. A quote at the very
// end of data may be half of a doubled one.
func (s *csvSplitter) closeQuote(data []byte, final bool) {
	for {
		q := indexNear(data, s.pos, s.quote)
		if q < 0 {
			s.pos = len(data)
			return
		}
		if q+1 == len(data) && !final {
			s.pos = q
			return
		}
		if q+1 == len(data) || data[q+1] != s.quote {
			s.pos, s.quoted = q+1, false
			return
		}
		s.pos = q + 2
	}
}

// openQuote moves behind the next opening quote, or to the end of data.
func (s *csvSplitter) openQuote(data []byte, st cutState) {
	from := s.pos
	if q := from + 1; q < len(data) && data[q] == s.quote && data[from] == s.sep {
		s.pos, s.quoted, s.opened = q+1, true, q
		return
	}
	for {
		k := bytes.IndexByte(data[s.pos:], s.quote)
		q := s.pos + k
		if k < 0 {
			q = len(data)
		} else if q > 0 && !s.startsCell(data[q-1]) {
			s.pos = q + 1
			continue
		}
		s.pos = from
		if s.lineEnd(data, q, st) && st.first {
			return
		}
		if k >= 0 {
			s.pos, s.quoted, s.opened = q+1, true, q
		}
		return
	}
}

// lineEnd looks for a line end in data[pos:to], the first or the last as the
// state asks, and moves behind it or to to. It holds back a \r at the end of
// data, which may be half of \r\n.
func (s *csvSplitter) lineEnd(data []byte, to int, st cutState) (found bool) {
	at := -1
	if st.first {
		at = firstLineEnd(data[s.pos:to])
	} else {
		at = lastLineEnd(data[s.pos:to])
	}
	if at < 0 {
		s.pos = to
		return false
	}
	at += s.pos
	if data[at] == '\r' {
		switch {
		case at+1 < len(data) && data[at+1] == '\n':
			at++
		case at+1 == len(data) && !st.final:
			return s.heldReturn(data, at, st)
		}
	}
	s.last = at + 1
	s.pos = to
	if st.first {
		s.pos = at + 1
	}
	return true
}

// heldReturn looks before a \r at the end of data and leaves it to be seen again.
func (s *csvSplitter) heldReturn(data []byte, at int, st cutState) bool {
	defer func() { s.pos = at }()
	return !st.first && at > s.pos && s.lineEnd(data, at, st)
}

func (s *csvSplitter) unclosed(data []byte, st cutState) error {
	line := st.line + countLineEnds(data[:s.opened])
	return fault.New(fault.SourceTruncated, "the quote opened at %s is never closed", place(line, st.offset+int64(s.opened))).
		WithHint(`double a quote inside of a quoted cell, or set quote to "none" when quotes are ordinary characters`)
}

func firstLineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if cr := bytes.IndexByte(b[:lf], '\r'); cr >= 0 {
		return cr
	}
	return lf
}

func lastLineEnd(b []byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' || b[i] == '\r' {
			return i
		}
	}
	return -1
}
