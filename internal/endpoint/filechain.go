package endpoint

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// link is one file of a chain while blocks of it are about.
type link struct {
	reader engine.Reader
	// from numbers the file's first block, base is its position, in the chain.
	from int
	base int64
	// order[c] is the place of the chain's column c in the file, -1 for none; nil where both are the same.
	order []int
	// held counts blocks that are not released; done says that no more come.
	held int
	done bool
}

// chain reads files one after another as if they were one. The same files give
// the same blocks each time. Lines of records are those of their file.
type chain struct {
	parts []filePart
	names []string
	open  func(filePart) (engine.Reader, error)

	next    int
	current *link
	seq     int
	end     int64
	input   int64
	peeked  []columns.Block

	mu    sync.Mutex
	links []*link
}

// Names implements engine.Reader.
func (c *chain) Names() []string { return slices.Clone(c.names) }

// InputBytes implements engine.Reader.
func (c *chain) InputBytes() int64 {
	if c.current != nil {
		return c.input + c.current.reader.InputBytes()
	}
	return c.input
}

// Peek implements engine.Reader.
func (c *chain) Peek(ctx context.Context, n int) ([]columns.Block, error) {
	for len(c.peeked) < n {
		b, err := c.read(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		c.peeked = append(c.peeked, b)
	}
	return slices.Clone(c.peeked[:min(n, len(c.peeked))]), nil
}

// Next implements engine.Reader.
func (c *chain) Next(ctx context.Context) (columns.Block, error) {
	if len(c.peeked) > 0 {
		b := c.peeked[0]
		c.peeked = c.peeked[1:]
		return b, nil
	}
	return c.read(ctx)
}

func (c *chain) read(ctx context.Context) (columns.Block, error) {
	for {
		if c.current == nil {
			if c.next == len(c.parts) {
				return columns.Block{}, io.EOF
			}
			if err := c.begin(); err != nil {
				return columns.Block{}, err
			}
		}
		b, err := c.current.reader.Next(ctx)
		if err == nil {
			b.Seq, b.Offset = c.seq, b.Offset+c.current.base
			c.seq, c.end = c.seq+1, b.End()
			c.mu.Lock()
			c.current.held++
			c.mu.Unlock()
			return b, nil
		}
		if !errors.Is(err, io.EOF) {
			return b, inFile(c.parts[c.next-1], err)
		}
		c.input += c.parts[c.next-1].size
		c.finish(c.current)
		c.current = nil
	}
}

// begin opens the next file.
func (c *chain) begin() error {
	r, err := c.open(c.parts[c.next])
	if err != nil {
		return err
	}
	c.next++
	c.current = &link{reader: r, from: c.seq, base: c.end, order: orderOf(c.names, r.Names())}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, c.current)
	return nil
}

// orderOf finds the names of a chain among those of a file; nil where they are the same.
func orderOf(chain, file []string) []int {
	if slices.Equal(chain, file) {
		return nil
	}
	places := make(map[string]int, len(file))
	for i, name := range file {
		places[name] = i
	}
	order := make([]int, len(chain))
	for i, name := range chain {
		order[i] = -1
		if at, ok := places[name]; ok {
			order[i] = at
		}
	}
	return order
}

// of finds the file that a block came from.
func (c *chain) of(b columns.Block) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.links) - 1; i >= 0; i-- {
		if c.links[i].from <= b.Seq {
			return c.links[i]
		}
	}
	return nil
}

// finish says that no more blocks come of a file.
func (c *chain) finish(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.done = true
	c.dropped(l)
}

// dropped forgets a file of which nothing is about. A file without blocks
// stands for no number of a block.
func (c *chain) dropped(l *link) {
	if l.done && l.held == 0 {
		c.links = slices.DeleteFunc(c.links, func(x *link) bool { return x == l })
		_ = l.reader.Close()
	}
}

// Release implements engine.Reader.
func (c *chain) Release(b columns.Block) {
	l := c.of(b)
	if l == nil {
		return
	}
	l.reader.Release(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	l.held--
	c.dropped(l)
}

// Decode implements engine.Reader.
func (c *chain) Decode(b columns.Block, raw *columns.Raw) error {
	l := c.of(b)
	if l == nil {
		return fault.New(fault.Internal, "a block of no file")
	}
	if err := l.reader.Decode(b, raw); err != nil || l.order == nil {
		return err
	}
	cells := make([][]columns.Cell, len(c.names))
	for i, at := range l.order {
		if at < 0 {
			cells[i] = make([]columns.Cell, raw.Rows) // the file has no such field: null
			continue
		}
		cells[i] = raw.Cells[at]
	}
	raw.Names, raw.Cells = c.names, cells
	return nil
}

// Close implements engine.Reader.
func (c *chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.reader.Close())
	}
	c.links, c.current = nil, nil
	return errors.Join(errs...)
}

// textChain is a chain of CSV, NDJSON or JSON files.
type textChain struct {
	chain
	// extra and note are what Adapt asked of every file.
	extra []string
	note  bool
	// template gives records as JSON objects; nil where the files differ in that.
	template *columns.Reader
}

var _ engine.Adaptive = (*textChain)(nil)

// Adapt implements engine.Adaptive.
func (c *textChain) Adapt(extra []string, note bool) error {
	c.extra, c.note = extra, note
	if err := c.template.Adapt(extra, note); err != nil {
		return err
	}
	if c.isJSON() {
		for _, name := range extra {
			if !slices.Contains(c.names, name) {
				c.names = append(c.names, name)
			}
		}
	}
	return nil
}

func (c *textChain) isJSON() bool { return c.template.Separator() == 0 }

// Object gives a record as a JSON object, as columns.Reader does.
func (c *textChain) Object(record []byte) (object []byte, same bool) {
	if !c.isJSON() && !slices.Equal(c.names, c.template.Names()) {
		return nil, false
	}
	return c.template.Object(record)
}

// Close implements engine.Reader.
func (c *textChain) Close() error { return errors.Join(c.chain.Close(), c.template.Close()) }

// chainText looks at the head of every file, so that one which does not fit is
// found before anything is pushed. Files without records are left out.
func (s *fetchedFiles) chainText(ctx context.Context, want []string) (*engine.Stream, error) {
	c := &textChain{}
	var first filePart
	for _, p := range s.parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.openText(p, want)
		if fault.Has(err, fault.SourceEmpty) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, c.closeTemplate())
		}
		if c.template == nil {
			c.template, c.names, first = r, r.Names(), p
		} else {
			err = c.join(r, first, p, want)
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			return nil, errors.Join(err, c.closeTemplate())
		}
		c.parts = append(c.parts, p)
	}
	if c.template == nil {
		return nil, s.empty()
	}
	c.open = func(p filePart) (engine.Reader, error) {
		r, err := s.openText(p, want)
		if err != nil {
			return nil, err
		}
		if c.extra == nil && !c.note {
			return r, nil
		}
		if err := r.Adapt(c.extra, c.note); err != nil {
			return nil, errors.Join(inFile(p, err), r.Close())
		}
		return r, nil
	}
	return s.textStream(c, c.template.Separator()), nil
}

func (c *textChain) closeTemplate() error {
	if c.template == nil {
		return nil
	}
	return c.template.Close()
}

// join takes the fields of one more file. JSON records say themselves what
// their fields are; CSV files must agree on what is wanted of them.
func (c *textChain) join(r *columns.Reader, first, p filePart, want []string) error {
	names := r.Names()
	if c.isJSON() {
		for _, name := range names {
			if !slices.Contains(c.names, name) {
				c.names = append(c.names, name)
			}
		}
		return nil
	}
	if r.Separator() != c.template.Separator() {
		return fault.New(fault.SourceHeader, "file %q: its columns are separated by %q, those of file %q by %q", p.name, r.Separator(), first.name, c.template.Separator())
	}
	return sameColumns(columnSet{first.name, c.names}, columnSet{p.name, names}, want)
}

// columnSet are the columns of a file.
type columnSet struct {
	file  string
	names []string
}

// sameColumns: files that are read as one have the same columns, in any order;
// with a mapping it is enough that they agree on the columns that it takes.
func sameColumns(a, b columnSet, want []string) error {
	counts := func(name string) bool { return want == nil || slices.Contains(want, name) }
	var wrong []string
	for _, name := range a.names {
		if counts(name) && !slices.Contains(b.names, name) {
			wrong = append(wrong, "lacks "+quoted(name))
		}
	}
	for _, name := range b.names {
		if counts(name) && !slices.Contains(a.names, name) {
			wrong = append(wrong, "has "+quoted(name)+" too")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	const most = 5
	told := strings.Join(wrong[:min(len(wrong), most)], ", ")
	if len(wrong) > most {
		told += " and more"
	}
	return fault.New(fault.SourceHeader, "file %q does not have the columns of file %q: it %s", b.file, a.file, told).
		WithHint("files below one prefix are read as one table: move the file elsewhere, or give a mapping that takes only what all of them have")
}

func quoted(name string) string { return `"` + name + `"` }
