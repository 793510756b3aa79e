package columns

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The compressions that only the reader knows.
const (
	codecGzip   = 2
	codecBrotli = 4
	codecLZ4Raw = 7
)

const (
	pageIndex  = 1
	pageDataV2 = 3

	// maxPageBytes is the largest page that is read, packed or not.
	maxPageBytes = 64 << 20
	// pageHeadBytes is read for a page's header at first, maxPageHeadBytes at most.
	pageHeadBytes, maxPageHeadBytes = 512, 1 << 20
)

var (
	errPageTooLarge = fmt.Errorf("a page is larger than %d bytes", maxPageBytes)
	errPageRange    = errors.New("a page reaches beyond its column")
	errPageSize     = errors.New("a page unpacks to another size than it says")
	errPageShort    = errors.New("a page ends too early")
	errPageSum      = errors.New("a page's checksum does not fit")
	errPageKind     = errors.New("a page of an unknown kind or encoding")
)

// pageHead is what is used of a PageHeader.
type pageHead struct {
	kind, plain, packed int
	crc                 uint32
	hasCRC              bool
	values, encoding    int
	// Of a data page of version 1: how levels are written. Of version 2: how many bytes they take, and whether what follows
	// is compressed.
	levels               int
	defBytes, repBytes   int
	isCompressed, isData bool
}

func (h *pageHead) parse(data []byte) (size int, err error) {
	t := &thriftReader{data: data}
	h.levels, h.isCompressed, h.plain, h.packed, h.values = encodingRLE, true, -1, -1, -1
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			h.kind = t.i32()
		case id == 2 && kind == thriftI32:
			h.plain = t.i32()
		case id == 3 && kind == thriftI32:
			h.packed = t.i32()
		case id == 4 && kind == thriftI32:
			h.crc, h.hasCRC = uint32(t.i32()), true
		case (id == 5 || id == 7) && kind == thriftStruct:
			t.fields(func(id int, kind byte) bool { return h.member(t, id, kind) })
		case id == 8 && kind == thriftStruct:
			t.fields(func(id int, kind byte) bool { return h.memberV2(t, id, kind) })
		default:
			return false
		}
		return true
	})
	h.isData = h.kind == pageData || h.kind == pageDataV2
	return t.pos, t.err
}

func (h *pageHead) member(t *thriftReader, id int, kind byte) bool {
	if kind != thriftI32 || id > 3 {
		return false
	}
	v := t.i32()
	switch id {
	case 1:
		h.values = v
	case 2:
		h.encoding = v
	case 3:
		h.levels = v
	}
	return true
}

func (h *pageHead) memberV2(t *thriftReader, id int, kind byte) bool {
	switch {
	case id == 1 && kind == thriftI32:
		h.values = t.i32()
	case id == 4 && kind == thriftI32:
		h.encoding = t.i32()
	case id == 5 && kind == thriftI32:
		h.defBytes = t.i32()
	case id == 6 && kind == thriftI32:
		h.repBytes = t.i32()
	case id == 7:
		h.isCompressed = kind == thriftTrue
	default:
		return false
	}
	return true
}

// pageSource reads the pages of one column of a row group.
type pageSource struct {
	r        io.ReaderAt
	pos, end int64
	codec    int
	unpack   *unpacker
	head     []byte
	packed   []byte
	body     []byte
}

// next gives the next page's header and body; the body is valid until the next
// call. io.EOF comes after the last page.
func (s *pageSource) next() (h pageHead, body []byte, err error) {
	if s.pos == s.end {
		return h, nil, io.EOF
	}
	if h, err = s.readHead(); err != nil {
		return h, nil, err
	}
	switch {
	case h.plain < 0 || h.packed < 0:
		return h, nil, errThriftBad
	case h.plain > maxPageBytes || h.packed > maxPageBytes:
		return h, nil, errPageTooLarge
	case int64(h.packed) > s.end-s.pos:
		return h, nil, errPageRange
	}
	s.packed = grown(s.packed, h.packed)
	if err := readFull(s.r, s.packed, s.pos); err != nil {
		return h, nil, err
	}
	s.pos += int64(h.packed)
	if h.hasCRC && crc32.ChecksumIEEE(s.packed) != h.crc {
		return h, nil, errPageSum
	}
	body, err = s.unpackBody(h)
	return h, body, err
}

func (s *pageSource) unpackBody(h pageHead) ([]byte, error) {
	levels := 0
	if h.kind == pageDataV2 { // the levels stand unpacked in front
		if h.defBytes < 0 || h.repBytes < 0 || h.defBytes > h.packed || h.repBytes > h.packed-h.defBytes {
			return nil, errPageRange
		}
		levels = h.defBytes + h.repBytes
	}
	if levels > h.plain {
		return nil, errPageSize
	}
	if s.codec == codecNone || !h.isCompressed {
		if h.packed != h.plain {
			return nil, errPageSize
		}
		s.packed, s.body = s.body, s.packed
		return s.body, nil
	}
	s.body = grown(s.body, h.plain)
	copy(s.body, s.packed[:levels])
	if h.plain == levels {
		return s.body, nil
	}
	return s.body, s.unpack.into(s.body[levels:], s.packed[levels:], s.codec)
}

// readHead reads a page's header, of which nobody knows the size.
func (s *pageSource) readHead() (h pageHead, err error) {
	for size := pageHeadBytes; ; size *= 8 {
		n := int(min(int64(size), s.end-s.pos))
		s.head = grown(s.head, n)
		if err := readFull(s.r, s.head, s.pos); err != nil {
			return h, err
		}
		h = pageHead{}
		used, err := h.parse(s.head)
		if err == nil {
			s.pos += int64(used)
			return h, nil
		}
		if !errors.Is(err, errThriftShort) || size >= maxPageHeadBytes || int64(n) == s.end-s.pos {
			return h, err
		}
	}
}

// grown gives a slice of n bytes in the memory of b where that has room.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n, n+n/4)
	}
	return b[:n]
}

// unpacker undoes the compression of pages; it serves one goroutine.
type unpacker struct {
	zstd *zstd.Decoder
	gzip *gzip.Reader
}

func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// into unpacks src, which must fill dst.
func (u *unpacker) into(dst, src []byte, codec int) error {
	switch codec {
	case codecSnappy:
		if n, err := s2.DecodedLen(src); err != nil || n != len(dst) {
			return errPageSize
		}
		_, err := s2.Decode(dst, src)
		return err
	case codecZstd:
		return u.fromZstd(dst, src)
	case codecGzip:
		return u.fromGzip(dst, src)
	case codecBrotli:
		return fill(dst, brotli.NewReader(bytes.NewReader(src)))
	case codecLZ4Raw:
		n, err := lz4.UncompressBlock(src, dst)
		if err == nil && n != len(dst) {
			err = errPageSize
		}
		return err
	}
	return errPageKind
}

func (u *unpacker) fromZstd(dst, src []byte) error {
	if u.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPageBytes))
		if err != nil {
			return err
		}
		u.zstd = z
	}
	out, err := u.zstd.DecodeAll(src, dst[:0:len(dst)])
	if err == nil && len(out) != len(dst) {
		err = errPageSize
	}
	return err
}

func (u *unpacker) fromGzip(dst, src []byte) (err error) {
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(bytes.NewReader(src))
	} else {
		err = u.gzip.Reset(bytes.NewReader(src))
	}
	if err != nil {
		u.gzip = nil
		return err
	}
	return fill(dst, u.gzip)
}

// fill reads dst from a stream that must end with it.
func fill(dst []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return errPageSize
	}
	var one [1]byte
	if n, err := r.Read(one[:]); n > 0 || err != nil && err != io.EOF {
		return errPageSize
	}
	return nil
}
