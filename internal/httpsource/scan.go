package httpsource

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxSeen bounds how many names of an object are remembered for a fault.
const maxSeen = 12

// scan walks through a JSON answer once, without building it: records are cut
// out as they stand there, and what leads to the next page is picked up.
type scan struct {
	page   *page
	paging flows.Paging
	items  string
	// lastItem is the pointer of the token within the last record, where ofLast says that it lies there.
	lastItem string
	ofLast   bool

	in    *io.SectionReader
	dec   *json.Decoder
	take  func([]byte) error
	found bool
	last  []byte
	seen  map[string]string
}

func newScan(p *page, e flows.Export) *scan {
	s := &scan{page: p, items: e.ItemsPath}
	if e.Paging != nil {
		s.paging = *e.Paging
	}
	if rest, ok := strings.CutPrefix(s.paging.TokenPath, s.items+"/-"); ok && s.paging.TokenPath != "" && (rest == "" || rest[0] == '/') {
		s.lastItem, s.ofLast = rest, true
	}
	return s
}

// syntax says where a page is not written as it says.
type syntax struct {
	format, what string
	offset       int64
}

func (e *syntax) Error() string {
	return fmt.Sprintf("no %s at byte %d: %s", e.format, e.offset, e.what)
}

// truncated says that a page ends in the middle.
type truncated struct{}

func (*truncated) Error() string { return "the page ends in the middle" }

// records implements page.walk.
func (s *scan) records(take func([]byte) error) error {
	s.in, s.take, s.found, s.last, s.seen = s.page.open(), take, false, nil, map[string]string{}
	if bytes.HasPrefix(s.page.head(3), []byte("\xef\xbb\xbf")) {
		s.in = io.NewSectionReader(s.in, 3, s.page.size-3)
	}
	s.dec = json.NewDecoder(bufio.NewReaderSize(s.in, 64<<10))
	s.dec.UseNumber()
	if err := s.value(""); err != nil {
		return s.broken(err)
	}
	if _, err := s.dec.Token(); err != io.EOF {
		if err == nil {
			err = &syntax{"JSON", "something follows the first value; if each line is a record, set export.format to ndjson", s.dec.InputOffset()}
		}
		return s.broken(err)
	}
	if !s.found {
		return s.missing()
	}
	if s.ofLast && s.last != nil {
		var err error
		if s.page.token, err = lookup(s.last, s.lastItem); err != nil {
			return err
		}
	}
	return nil
}

// broken turns an error of the decoder into one that says where.
func (s *scan) broken(err error) error {
	var bad *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &truncated{}
	case errors.As(err, &bad):
		if bad.Error() == "unexpected end of JSON input" {
			return &truncated{}
		}
		return &syntax{"JSON", bad.Error(), s.place()}
	}
	return err
}

// place finds the byte at which the answer is no JSON any more.
func (s *scan) place() int64 {
	if s.page.file == nil {
		var bad *json.SyntaxError
		var whole json.RawMessage
		if errors.As(json.Unmarshal(s.page.mem, &whole), &bad) {
			return bad.Offset - 1
		}
	}
	return s.dec.InputOffset()
}

// next gives the byte that the next value begins with, 0 at the end.
func (s *scan) next() byte {
	var b [64]byte
	for at := s.dec.InputOffset(); ; {
		n, err := s.in.ReadAt(b[:], at)
		for i := range n {
			if !strings.ContainsRune(" \t\r\n,:", rune(b[i])) {
				return b[i]
			}
		}
		if at += int64(n); err != nil {
			return 0
		}
	}
}

// value reads the value at a pointer.
func (s *scan) value(at string) error {
	if at == s.items && !s.found {
		s.found = true
		return s.takeItems(at)
	}
	if into := s.wanted(at); into != nil {
		return s.dec.Decode(into)
	}
	if s.leads(at) {
		return s.descend(at)
	}
	return s.skip()
}

// wanted gives where the value at a pointer is kept, nil when nobody wants it.
func (s *scan) wanted(at string) any {
	switch {
	case at == "":
	case at == s.paging.TokenPath && !s.ofLast:
		return &s.page.token
	case at == s.paging.NextURLPath:
		return &s.page.next
	case at == s.paging.HasMorePath:
		return &s.page.more
	case at == s.paging.TotalPath:
		return &s.page.count
	}
	return nil
}

// leads reports whether something that is looked for lies below a pointer.
func (s *scan) leads(at string) bool {
	for _, p := range []string{s.items, s.paging.TokenPath, s.paging.NextURLPath, s.paging.HasMorePath, s.paging.TotalPath} {
		if strings.HasPrefix(p, at+"/") {
			return true
		}
	}
	return false
}

// descend reads the members of the value at a pointer.
func (s *scan) descend(at string) error {
	token, err := s.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		err = s.members(at)
	case json.Delim('['):
		n := 0
		for ; s.dec.More() && err == nil; n++ {
			err = s.value(at + "/" + strconv.Itoa(n))
		}
		s.seen[at] = fmt.Sprintf("is an array of %d", n)
	default:
		s.seen[at] = "is " + kindOf(token)
		return nil
	}
	if err == nil {
		_, err = s.dec.Token()
	}
	return err
}

func (s *scan) members(at string) error {
	var names []string
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		switch {
		case len(names) < maxSeen:
			names = append(names, strconv.Quote(short(name, 60)))
		case len(names) == maxSeen:
			names = append(names, "...")
		}
		if err := s.value(at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)); err != nil {
			return err
		}
	}
	s.seen[at] = "is an object with the members " + strings.Join(names, ", ")
	if len(names) == 0 {
		s.seen[at] = "is an empty object"
	}
	return nil
}

// takeItems hands over the records at the items path: the elements of an array, or one value.
func (s *scan) takeItems(at string) error {
	switch s.next() {
	case '[':
	case 'n':
		return s.skip()
	case '{':
		return s.record()
	case 0:
		return io.EOF
	default:
		token, err := s.dec.Token()
		if err != nil {
			return err
		}
		return fault.New(fault.SourceItemsPath, "the records of the source must be an array or an object, and %s is %s", pointerName(at), kindOf(token)).
			WithHint("look at export.itemsPath")
	}
	if _, err := s.dec.Token(); err != nil {
		return err
	}
	for s.dec.More() {
		if err := s.record(); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

func (s *scan) record() error {
	var raw json.RawMessage
	if err := s.dec.Decode(&raw); err != nil {
		return err
	}
	if s.ofLast {
		s.last = raw
	}
	return s.take(asObject(raw))
}

// asObject wraps what is no object: {"value": ...}.
func asObject(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '{' {
		return raw
	}
	return append(append([]byte(`{"value":`), raw...), '}')
}

// skip reads over a value.
func (s *scan) skip() error {
	for depth := 0; ; {
		token, err := s.dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// missing says what is there in the place of the records.
func (s *scan) missing() error {
	at := s.items
	for at != "" {
		at = at[:strings.LastIndexByte(at, '/')]
		if what, ok := s.seen[at]; ok {
			return fault.New(fault.SourceItemsPath, "the source's answer has nothing at %q: %s %s", s.items, pointerName(at), what).
				WithHint("set export.itemsPath to the JSON Pointer of the array of records")
		}
	}
	return fault.New(fault.SourceItemsPath, "the source's answer has nothing at %q", s.items).
		WithHint("set export.itemsPath to the JSON Pointer of the array of records")
}

func pointerName(at string) string {
	if at == "" {
		return "the answer"
	}
	return strconv.Quote(at)
}

func kindOf(token json.Token) string {
	switch token.(type) {
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case nil:
		return "null"
	}
	return "something else"
}
