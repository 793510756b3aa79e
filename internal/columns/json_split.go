package columns

import (
	"bytes"

	"github.com/celonis-connector/connector/internal/fault"
)

// ndjsonSplitter cuts at line feeds: a JSON string cannot hold one.
type ndjsonSplitter struct {
	pos  int // bytes of data that hold no line feed
	most int // records in a block
}

var _ splitter = (*ndjsonSplitter)(nil)

func (s *ndjsonSplitter) cut(data []byte, st cutState) (n, records int, err error) {
	if st.first {
		n = s.pos + bytes.IndexByte(data[s.pos:], '\n') + 1
		if n == s.pos {
			n = 0
		}
	} else {
		n = bytes.LastIndexByte(data, '\n') + 1
		if n > s.most && bytes.Count(data[:n], []byte{'\n'}) > s.most {
			n = headLines(data, s.most)
		}
	}
	if n == 0 && st.final {
		n = len(data)
	}
	s.pos = 0
	if n == 0 {
		s.pos = len(data)
	}
	return n, 0, nil
}

// headLines gives the length of the first n lines of data, which holds more.
func headLines(data []byte, n int) int {
	at := 0
	for range n {
		at += bytes.IndexByte(data[at:], '\n') + 1
	}
	return at
}

// arraySplitter cuts between the elements of a JSON array whose opening bracket
// is behind it. It checks the commas; the decoder checks the elements.
type arraySplitter struct {
	pos    int // bytes of data that are looked at
	last   int // end of the last whole element
	count  int // elements before last
	most   int // elements in a block
	expect arrayState
}

// arrayState is what may come next in an array.
type arrayState uint8

const (
	firstOrEnd arrayState = iota // an element or the closing bracket
	commaOrEnd
	element
	nothing // the array is closed
)

var _ splitter = (*arraySplitter)(nil)

func (s *arraySplitter) cut(data []byte, st cutState) (n, records int, err error) {
	for s.count < s.most && (!st.first || s.count == 0) {
		s.pos = skipSpace(data, s.pos)
		if s.pos == len(data) {
			break
		}
		whole, err := s.step(data, st)
		if err != nil {
			return 0, 0, err
		}
		if !whole {
			break
		}
	}
	n, records = s.last, s.count
	if st.final && n == 0 {
		if s.expect != nothing {
			return 0, 0, s.truncated(data, st)
		}
		n = len(data)
	}
	s.pos, s.last, s.count = s.pos-n, 0, 0
	return n, records, nil
}

// step moves over one element, comma or bracket; whole is false when the
// element goes on behind data.
func (s *arraySplitter) step(data []byte, st cutState) (whole bool, err error) {
	c := data[s.pos]
	switch {
	case s.expect == nothing:
		return false, s.unexpected(data, st, "the end")
	case c == ']' && s.expect != element:
		s.pos, s.expect = s.pos+1, nothing
	case s.expect == commaOrEnd:
		if c != ',' {
			return false, s.unexpected(data, st, "a comma or a closing bracket")
		}
		s.pos, s.expect = s.pos+1, element
	case c == ',' || c == ']' || c == '}' || c == ':':
		return false, s.unexpected(data, st, "an object")
	default:
		end, ok := skipElement(data, s.pos)
		if !ok {
			return false, nil
		}
		s.pos, s.last, s.expect = end, end, commaOrEnd
		s.count++
	}
	return true, nil
}

func (s *arraySplitter) unexpected(data []byte, st cutState, want string) error {
	return fault.New(fault.SourceFormat, "%q at %s of the source, where %s is expected",
		data[s.pos], st.place(data, s.pos), want).WithHint("a JSON source is one array of objects and nothing else")
}

func (s *arraySplitter) truncated(data []byte, st cutState) error {
	if s.pos < len(data) {
		return fault.New(fault.SourceTruncated, "the record that begins at %s is never closed", st.place(data, s.pos)).
			WithHint("the source was cut, or a quote or bracket in that record is missing")
	}
	return fault.New(fault.SourceTruncated, "the source ends at %s, before its array is closed", st.place(data, len(data))).
		WithHint("the source was cut; fetch it again")
}

// place words the position of data[i].
func (st cutState) place(data []byte, i int) string {
	return place(st.line+countLineEnds(data[:i]), st.offset+int64(i))
}

// skipElement gives the end of the JSON value that begins at data[i], going by
// quotes and brackets alone; ok is false when it goes on behind data. A number
// or word is whole only when something follows it.
func skipElement(data []byte, i int) (end int, ok bool) {
	switch data[i] {
	case '"':
		return skipString(data, i+1)
	case '{':
		if end, ok := skipFlat(data, i); ok {
			return end, true
		}
		return skipNested(data, i)
	case '[':
		return skipNested(data, i)
	default:
		k := bytes.IndexAny(data[i:], ",]} \t\r\n")
		if k < 0 {
			return len(data), false
		}
		return i + k, true
	}
}

// skipString gives the position behind the string whose opening quote stands
// before data[i]; ok is false when data ends within it.
func skipString(data []byte, i int) (end int, ok bool) {
	for i < len(data) {
		switch i = plainEnd(data, i); {
		case i == len(data):
			return i, false
		case data[i] == '"':
			return i + 1, true
		case data[i] == '\\':
			i += 2
		default:
			i++ // a control character is the decoder's business
		}
	}
	return len(data), false
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}
