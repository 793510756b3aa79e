package columns

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdBlock is the most that one block of a frame unpacks to, in bytes.
	zstdBlock = 128 << 10
	// maxFramePlain is the most that a frame unpacked on its own may hold, in
	// bytes; pzstd writes frames of that size by default.
	maxFramePlain = 8 << 20
	// maxFrameSkip is the longest skippable frame that is held, in bytes.
	maxFrameSkip = 64 << 10

	zstdBlockHead   = 3
	zstdChecksum    = 4
	zstdBlockRLE    = 1
	zstdBlockRefuse = 3
)

// zstdFrames unpacks zstd frames. A frame does not say how long it is, but its
// blocks do, and none of them unpacks to more than zstdBlock.
type zstdFrames struct{ z *zstd.Decoder }

var _ partFormat = (*zstdFrames)(nil)

func newZstdFrames() (*zstdFrames, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(maxFramePlain))
	if err != nil {
		return nil, err
	}
	return &zstdFrames{z}, nil
}

func (f *zstdFrames) cut(src *bufio.Reader, p *part) bool {
	head, err := src.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return false
	}
	var h zstd.Header
	if h.Decode(head) != nil {
		return false
	}
	if h.Skippable {
		return h.SkippableSize <= maxFrameSkip && take(src, p, h.HeaderSize+int(h.SkippableSize))
	}
	if h.HasFCS && h.FrameContentSize > maxFramePlain || h.DictionaryID != 0 {
		return false
	}
	if !take(src, p, h.HeaderSize) || !cutBlocks(src, p) {
		return false
	}
	if h.HasFCS {
		p.most = int(h.FrameContentSize)
	}
	return !h.HasCheckSum || take(src, p, zstdChecksum)
}

// cutBlocks moves the blocks of a frame, up to the last one.
func cutBlocks(src *bufio.Reader, p *part) bool {
	for last := false; !last; {
		at := len(p.packed)
		if !take(src, p, zstdBlockHead) {
			return false
		}
		b := p.packed[at:]
		head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		kind, size := head>>1&3, int(head>>3)
		last = head&1 == 1
		p.most += zstdBlock
		if kind == zstdBlockRefuse || size > zstdBlock || p.most > maxFramePlain+zstdBlock {
			return false
		}
		if kind == zstdBlockRLE {
			size = 1
		}
		if !take(src, p, size) {
			return false
		}
	}
	return true
}

// skips tells a frame without content.
func skips(p *part) bool {
	return len(p.packed) >= len(zstdMagic) && binary.LittleEndian.Uint32(p.packed)&0xfffffff0 == 0x184d2a50
}

func (f *zstdFrames) unpack(p *part) (err error) {
	if skips(p) {
		return nil
	}
	p.plain, err = f.z.DecodeAll(p.packed, grown(p.plain, p.most)[:0])
	return err
}

func (f *zstdFrames) rest(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func (f *zstdFrames) close() { f.z.Close() }
