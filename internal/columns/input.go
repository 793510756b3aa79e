package columns

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/celonis-connector/connector/internal/fault"
)

// countingReader counts the bytes taken from a source and keeps the source's
// own error, so that a broken connection is not taken for damaged data by the
// stages above it.
type countingReader struct {
	src io.Reader
	n   atomic.Int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// fault words the source's own error.
func (c *countingReader) fault() error {
	var known *fault.Error
	if errors.As(c.err, &known) {
		return c.err
	}
	return fault.Wrap(c.err, fault.SourceRead, "the source broke off after %d bytes", c.n.Load())
}

// window is the part of a text stream that is not yet cut into blocks.
type window struct {
	src        io.Reader
	buf        []byte
	start, end int
	offset     int64 // position of buf[start] in the stream
	line       int   // line number of buf[start]
	eof        bool
}

// newWindow starts at a byte position behind a byte order mark.
func newWindow(src io.Reader, offset int64) *window {
	return &window{src: src, offset: offset, line: 1}
}

// bytes gives what is there; it is valid until the next fill.
func (w *window) bytes() []byte { return w.buf[w.start:w.end] }

// fill reads until n bytes are there or the stream ends.
func (w *window) fill(n int) error {
	if w.end-w.start >= n || w.eof {
		return nil
	}
	w.makeRoom(n)
	for stalls := 0; w.end-w.start < n; {
		k, err := w.src.Read(w.buf[w.end:])
		w.end += k
		if err == io.EOF {
			w.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if stalls++; k > 0 {
			stalls = 0
		} else if stalls > 100 {
			return fault.Wrap(io.ErrNoProgress, fault.SourceRead, "the source gives no data")
		}
	}
	return nil
}

// makeRoom moves the bytes to the front of a buffer that holds n.
func (w *window) makeRoom(n int) {
	buf := w.buf
	if len(buf) < n {
		buf = make([]byte, n)
	}
	w.end = copy(buf, w.bytes())
	w.start, w.buf = 0, buf
}

// consume drops the first n bytes and gives the number of line ends in them.
func (w *window) consume(n int) (lines int) {
	lines = countLineEnds(w.buf[w.start : w.start+n])
	w.line += lines
	w.start += n
	w.offset += int64(n)
	return lines
}

// mostlyCut reports whether the first n bytes are so much of the window's memory
// that take is better than a copy.
func (w *window) mostlyCut(n int) bool { return w.start == 0 && n > len(w.buf)/2 }

// take is consume for a window that is mostly cut: it gives its memory away and
// goes on in next, which has as much room.
func (w *window) take(n int, next []byte) (data []byte, lines int) {
	data = w.buf[:n]
	next = next[:len(w.buf)]
	lines = w.consume(n)
	w.end = copy(next, w.bytes())
	w.start, w.buf = 0, next
	return data, lines
}

// countLineEnds counts \n, \r\n and \r, each as one.
func countLineEnds(data []byte) int {
	n := bytes.Count(data, []byte{'\n'})
	for i := bytes.IndexByte(data, '\r'); i >= 0; {
		if i+1 == len(data) || data[i+1] != '\n' {
			n++
		}
		k := bytes.IndexByte(data[i+1:], '\r')
		if k < 0 {
			break
		}
		i += 1 + k
	}
	return n
}

// freeList keeps the memory of released blocks.
type freeList struct {
	mu   sync.Mutex
	bufs [][]byte
}

// maxFree bounds the blocks that wait for reuse.
const maxFree = 32

// get gives an empty slice with room for n bytes; size is the usual room.
func (f *freeList) get(n, size int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := len(f.bufs); k > 0 {
		buf := f.bufs[k-1]
		f.bufs = f.bufs[:k-1]
		if cap(buf) >= n {
			return buf[:0]
		}
	}
	if n > size/2 {
		n = max(n, size)
	}
	return make([]byte, 0, n)
}

func (f *freeList) put(buf []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bufs) < maxFree && cap(buf) > 0 {
		f.bufs = append(f.bufs, buf)
	}
}
