package columns

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// The layout of a gzip member that says how long it is (BGZF, as bgzip and
// htslib write it): an extra field BC holds the member's bytes less one.
const (
	gzipHead     = 12 // up to the extra fields
	gzipTail     = 8
	gzipExtra    = 4 // the flag of a member with extra fields and nothing else
	maxGzipExtra = 256
	maxGzipPlain = 1 << 20
)

var errGzipLength = errors.New("a gzip member is not as long as it says")

// gzipMembers unpacks gzip members that say how long they are.
type gzipMembers struct{ readers sync.Pool }

var _ partFormat = (*gzipMembers)(nil)

func (g *gzipMembers) cut(src *bufio.Reader, p *part) bool {
	n := memberBytes(src)
	if n == 0 {
		return false
	}
	if !take(src, p, n) {
		return false
	}
	size := binary.LittleEndian.Uint32(p.packed[n-4:])
	p.most = int(min(size, maxGzipPlain))
	return size <= maxGzipPlain
}

// take appends the next n bytes of src to p.packed, or those there are.
func take(src io.Reader, p *part, n int) (whole bool) {
	from := len(p.packed)
	if cap(p.packed) < from+n {
		p.packed = append(make([]byte, 0, from+n+n/4), p.packed...)
	}
	k, err := io.ReadFull(src, p.packed[from:from+n])
	p.packed = p.packed[:from+k]
	return err == nil
}

// memberBytes gives the length of the member at the head of src, 0 when it does
// not say.
func memberBytes(src *bufio.Reader) int {
	head, err := src.Peek(gzipHead)
	if err != nil || string(head[:2]) != gzipMagic || head[2] != 8 || head[3] != gzipExtra {
		return 0
	}
	extra := int(binary.LittleEndian.Uint16(head[10:]))
	if extra > maxGzipExtra {
		return 0
	}
	if head, err = src.Peek(gzipHead + extra); err != nil {
		return 0
	}
	for fields := head[gzipHead:]; len(fields) >= 4; {
		n := int(binary.LittleEndian.Uint16(fields[2:]))
		if n > len(fields)-4 {
			return 0
		}
		if fields[0] == 'B' && fields[1] == 'C' && n == 2 {
			total := int(binary.LittleEndian.Uint16(fields[4:])) + 1
			if total < gzipHead+extra+gzipTail {
				return 0
			}
			return total
		}
		fields = fields[4+n:]
	}
	return 0
}

func (g *gzipMembers) unpack(p *part) (err error) {
	src := bytes.NewReader(p.packed)
	z, ok := g.readers.Get().(*gzip.Reader)
	if ok {
		err = z.Reset(src)
	} else {
		z, err = gzip.NewReader(src)
	}
	if err != nil {
		return err
	}
	z.Multistream(false)
	p.plain = grown(p.plain, p.most)
	if err := fill(p.plain, z); err != nil {
		return err
	}
	g.readers.Put(z)
	if src.Len() > 0 {
		return errGzipLength
	}
	return nil
}

func (g *gzipMembers) rest(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

func (g *gzipMembers) close() {}
