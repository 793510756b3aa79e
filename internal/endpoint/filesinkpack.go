package endpoint

import (
	"bytes"
	"io"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// packed gives an encoder whose files are packed: a member of gzip or a frame
// of zstd each, so that files put together are one packed file, which readers
// can unpack on all cores.
func packed(e columns.ChunkEncoder, c flows.Compression) (columns.ChunkEncoder, error) {
	switch c {
	case flows.CompressGzip:
		return &gzipped{ChunkEncoder: e, pack: gzip.NewWriter(nil)}, nil
	case flows.CompressZstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(true))
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the zstd encoder cannot be made")
		}
		return &zstdPacked{ChunkEncoder: e, pack: z}, nil
	}
	return e, nil
}

// gzipped packs the files of an encoder with gzip.
type gzipped struct {
	columns.ChunkEncoder
	pack *gzip.Writer
}

// Finish implements columns.ChunkEncoder.
func (g *gzipped) Finish(w io.Writer) error {
	g.pack.Reset(w)
	if err := g.ChunkEncoder.Finish(g.pack); err != nil {
		return err
	}
	return g.pack.Close()
}

// zstdPacked packs the files of an encoder with zstd.
type zstdPacked struct {
	columns.ChunkEncoder
	pack  *zstd.Encoder
	plain bytes.Buffer
	body  []byte
}

// Finish implements columns.ChunkEncoder.
func (z *zstdPacked) Finish(w io.Writer) error {
	z.plain.Reset()
	if err := z.ChunkEncoder.Finish(&z.plain); err != nil {
		return err
	}
	z.body = z.pack.EncodeAll(z.plain.Bytes(), z.body[:0])
	_, err := w.Write(z.body)
	return err
}
