package columns

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	inputBuffer = 64 << 10
	// zstdWindow bounds the memory that a zstd source can claim; it is what
	// the highest level of the zstd command uses.
	zstdWindow = 128 << 20

	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
	// zstdSkip is the tail of the magic number of a skippable zstd frame, whose
	// first byte is 0x50 to 0x5f.
	zstdSkip = "\x2a\x4d\x18"
)

// openText undoes compression and character encoding. It gives the UTF-8 text,
// the position of its first byte behind a byte order mark, and what frees the
// decompressor (nil when there is none).
func openText(input *countingReader, opt ReadOptions) (text io.Reader, head int64, closer func(), err error) {
	plain, closer, err := decompress(input)
	if err != nil {
		return nil, 0, closer, err
	}
	text, head, err = decodeText(plain, opt)
	return text, head, closer, err
}

// decompress recognizes gzip (of any number of members) and zstd by their
// first bytes, unpacks them in goroutines of its own, and hands anything else
// through.
func decompress(input *countingReader) (plain io.Reader, closer func(), err error) {
	buffered := bufio.NewReaderSize(input, inputBuffer)
	head, err := buffered.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, nil, input.fault()
	}
	in := &inflater{input: input}
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		in.name = "gzip"
		return in.inParts(&gzipMembers{}, buffered)
	case string(head) == zstdMagic, len(head) == len(zstdMagic) && head[0]&0xf0 == 0x50 && string(head[1:]) == zstdSkip:
		in.name = "zstd"
		frames, err := newZstdFrames()
		if err != nil {
			return nil, nil, in.fault(err)
		}
		return in.inParts(frames, buffered)
	default:
		in.src = buffered
	}
	return in, closer, nil
}

// inflater words the errors of decompression.
type inflater struct {
	input *countingReader
	src   io.Reader
	name  string // "" when the source is not compressed
}

// inParts unpacks in goroutines of its own.
func (in *inflater) inParts(format partFormat, src *bufio.Reader) (plain io.Reader, closer func(), err error) {
	parts := &partReader{format: format, src: src}
	in.src = parts
	a := readAhead(in)
	return a, func() { a.close(); parts.close() }, nil
}

func (in *inflater) Read(p []byte) (int, error) {
	n, err := in.src.Read(p)
	if err != nil && err != io.EOF {
		err = in.fault(err)
	}
	return n, err
}

func (in *inflater) fault(err error) error {
	at := in.input.n.Load()
	switch {
	case in.input.err != nil:
		return in.input.fault()
	case in.name == "":
		return fault.Wrap(err, fault.SourceRead, "the source broke off after %d bytes", at)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.Wrap(err, fault.SourceTruncated, "the %s data ends too early, at input byte %d", in.name, at).
			WithHint("the file was cut in transfer; fetch it again")
	default:
		return fault.Wrap(err, fault.SourceFormat, "the %s data is damaged before input byte %d", in.name, at).
			WithHint("the file was damaged in transfer; fetch it again")
	}
}
