package columns

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"
)

const (
	// unpackBytes bounds what waits between a compressed source and its reader,
	// packed and unpacked together, in bytes.
	unpackBytes = 32 << 20
	// unpackParts is how many parts are under way for each core, at most.
	unpackParts = 4
)

// partFormat is a compression whose streams can be made of parts that unpack
// each by itself: gzip members that say how long they are, zstd frames.
type partFormat interface {
	// cut moves the next part from src to p and sets p.most. When it is not
	// sure that it has a whole part that is small enough, it gives false and
	// leaves in p.packed what it took.
	cut(src *bufio.Reader, p *part) bool
	// unpack fills p.plain. It is used by many goroutines at once, and fails
	// unless p.packed is exactly one part.
	unpack(p *part) error
	// rest unpacks a stream from the beginning of any part on, in order. It may
	// give io.EOF for an empty one.
	rest(r io.Reader) (io.ReadCloser, error)
	close()
}

// part is a piece of a compressed stream that unpacks by itself.
type part struct {
	packed []byte
	most   int // bytes that it unpacks to, at most
	plain  []byte
	err    error
	done   chan struct{}
}

// size is what the part counts against unpackBytes.
func (p *part) size() int { return len(p.packed) + p.most }

// partReader unpacks the parts of a stream on all cores and gives them in
// order. From the first one that is not sure, or fails, everything goes through
// the one decoder that reads streams, so that bytes and errors are always that
// decoder's.
type partReader struct {
	format  partFormat
	src     *bufio.Reader
	waiting []*part // in the order of the source
	inside  int     // their size
	free    []*part
	cur     *part
	off     int
	odd     *part // what the cut that failed took
	rest    io.ReadCloser
}

var _ io.Reader = (*partReader)(nil)

// Read implements io.Reader.
func (r *partReader) Read(p []byte) (int, error) {
	for r.rest == nil && (r.cur == nil || r.off == len(r.cur.plain)) {
		r.recycle()
		r.fill()
		if len(r.waiting) == 0 || !r.take() {
			if err := r.goOn(); err != nil {
				return 0, err
			}
		}
	}
	if r.rest != nil {
		return r.rest.Read(p)
	}
	n := copy(p, r.cur.plain[r.off:])
	r.off += n
	return n, nil
}

// recycle keeps the memory of the part that is read.
func (r *partReader) recycle() {
	if r.cur != nil {
		r.free = append(r.free, r.cur)
		r.cur = nil
	}
}

// fill cuts parts and has them unpacked, until enough are under way.
func (r *partReader) fill() {
	for r.odd == nil && len(r.waiting) < unpackParts*runtime.GOMAXPROCS(0) && (len(r.waiting) == 0 || r.inside < unpackBytes) {
		p := &part{}
		if k := len(r.free); k > 0 {
			p, r.free = r.free[k-1], r.free[:k-1]
		}
		p.packed, p.plain, p.most, p.err = p.packed[:0], p.plain[:0], 0, nil
		if !r.format.cut(r.src, p) {
			r.odd = p
			return
		}
		p.done = make(chan struct{})
		r.waiting = append(r.waiting, p)
		r.inside += p.size()
		go r.unpack(p)
	}
}

// unpack fills a part; a panic on damaged data is left to the decoder of streams.
func (r *partReader) unpack(p *part) {
	defer close(p.done)
	defer func() {
		if cause := recover(); cause != nil {
			p.err = fmt.Errorf("%v", cause)
		}
	}()
	p.err = r.format.unpack(p)
}

// take makes the first part that waits the current one, unless it failed.
func (r *partReader) take() bool {
	p := r.waiting[0]
	<-p.done
	if p.err != nil {
		return false
	}
	r.inside -= p.size()
	r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	r.cur, r.off = p, 0
	return true
}

// goOn hands what is not read yet to the decoder of streams.
func (r *partReader) goOn() error {
	var readers []io.Reader
	if r.odd != nil {
		r.waiting = append(r.waiting, r.odd)
	}
	for _, p := range r.waiting {
		readers = append(readers, bytes.NewReader(p.packed))
	}
	rest, err := r.format.rest(io.MultiReader(append(readers, r.src)...))
	if err != nil {
		return err
	}
	r.rest, r.free = rest, nil
	return nil
}

// close waits for what is under way and frees the decoders.
func (r *partReader) close() {
	for _, p := range r.waiting {
		if p.done != nil {
			<-p.done
		}
	}
	if r.rest != nil {
		_ = r.rest.Close() // it only frees memory
	}
	r.format.close()
}
