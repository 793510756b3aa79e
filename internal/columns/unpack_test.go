package columns

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/fault"
)

// bgzip packs text as gzip members of size bytes that say how long they are,
// with the empty member that ends such a file.
func bgzip(tb testing.TB, text string, size int) []byte {
	tb.Helper()
	var out []byte
	for text != "" {
		n := min(size, len(text))
		out = append(out, bgzipMember(tb, text[:n])...)
		text = text[n:]
	}
	return append(out, bgzipMember(tb, "")...)
}

func bgzipMember(tb testing.TB, text string) []byte {
	var body bytes.Buffer
	w, err := flate.NewWriter(&body, flate.DefaultCompression)
	require.NoError(tb, err)
	_, err = io.WriteString(w, text)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	out := []byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, 'B', 'C', 2, 0}
	out = binary.LittleEndian.AppendUint16(out, uint16(len(out)+2+body.Len()+8-1))
	out = append(out, body.Bytes()...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(text)))
	return binary.LittleEndian.AppendUint32(out, uint32(len(text)))
}

// zstdFramesOf packs text as frames of size bytes, each second one without its
// size, with skippable frames between them.
func zstdFramesOf(tb testing.TB, text string, size int) []byte {
	tb.Helper()
	all, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(tb, err)
	var out []byte
	for k := 0; text != ""; k++ {
		n := min(size, len(text))
		if k%2 == 0 {
			out = append(all.EncodeAll([]byte(text[:n]), out), 0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z')
		} else {
			var frame bytes.Buffer
			w, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(k%4 == 1))
			require.NoError(tb, err)
			_, err = io.WriteString(w, text[:n])
			require.NoError(tb, err)
			require.NoError(tb, w.Flush())
			require.NoError(tb, w.Close())
			out = append(out, frame.Bytes()...)
		}
		text = text[n:]
	}
	return out
}

func logText(rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, "case-%07d,Approve,2024-01-02T03:04:05Z,%d.25\n", i, i*7919%100000)
	}
	return b.String()
}

func partFormatOf(tb testing.TB, data []byte) partFormat {
	tb.Helper()
	if bytes.HasPrefix(data, []byte(gzipMagic)) {
		return &gzipMembers{}
	}
	frames, err := newZstdFrames()
	require.NoError(tb, err)
	return frames
}

// inOrder unpacks by the decoder of streams alone, parallel by the reader of parts.
func inOrder(tb testing.TB, data []byte) ([]byte, error) {
	format := partFormatOf(tb, data)
	defer format.close()
	r, err := format.rest(bufio.NewReader(bytes.NewReader(data)))
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func parallel(tb testing.TB, src io.Reader, data []byte) ([]byte, error) {
	r := &partReader{format: partFormatOf(tb, data), src: bufio.NewReaderSize(src, inputBuffer)}
	defer r.close()
	return io.ReadAll(r)
}

func TestPartsUnpackAsTheStreamDoes(t *testing.T) {
	t.Parallel()
	text := logText(30_000)
	gz, zs := bgzip(t, text, 60_000), zstdFramesOf(t, text, 90_000)
	lying := bytes.Clone(gz)
	lying[16]++ // the first member says that it is longer than it is
	for name, data := range map[string][]byte{
		"gzip": gz, "gzip small": bgzip(t, text[:3000], 7), "gzip empty": bgzip(t, "", 1), "gzip lies": lying,
		"gzip then plain member": append(bytes.Clone(gz), gzipPlain(t, "tail")...),
		"gzip plain then sized":  append(gzipPlain(t, "head"), gz...),
		"gzip then garbage":      append(bytes.Clone(gz), "garbage"...),
		"gzip cut":               gz[:len(gz)/2], "gzip cut in head": gz[:len(gz)-22], "gzip cut in tail": gz[:len(gz)-31],
		"gzip damaged": damagedAt(gz, len(gz)/2), "gzip checksum": damagedAt(gz, len(gz)-28-6),
		"zstd": zs, "zstd small": zstdFramesOf(t, text[:3000], 7), "zstd one frame": zstdFramesOf(t, text, len(text)),
		"zstd cut": zs[:len(zs)/2], "zstd cut by one": zs[:len(zs)-1], "zstd damaged": damagedAt(zs, len(zs)/2),
		"zstd then garbage": append(bytes.Clone(zs), "garbage"...), "zstd then one byte": append(bytes.Clone(zs), 0x28),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, wantErr := inOrder(t, data)
			for _, src := range []io.Reader{bytes.NewReader(data), iotest.HalfReader(bytes.NewReader(data))} {
				got, err := parallel(t, src, data)
				require.Equal(t, wantErr, err)
				require.Equal(t, len(want), len(got))
				require.True(t, bytes.Equal(want, got))
			}
		})
	}
}

func gzipPlain(tb testing.TB, text string) []byte {
	member := bgzipMember(tb, text)
	member[3] = 0
	return append(member[:10:10], member[18:]...)
}

func damagedAt(data []byte, i int) []byte {
	out := bytes.Clone(data)
	out[i] ^= 0x55
	return out
}

// TestPartsAreUnpackedSideBySide makes sure that whole files go by parts.
func TestPartsAreUnpackedSideBySide(t *testing.T) {
	t.Parallel()
	text := logText(10_000)
	for _, data := range [][]byte{bgzip(t, text, 60_000), zstdFramesOf(t, text, 60_000)} {
		r := &partReader{format: partFormatOf(t, data), src: bufio.NewReader(bytes.NewReader(data))}
		got := make([]byte, len(text))
		_, err := io.ReadFull(r, got)
		require.NoError(t, err)
		require.Nil(t, r.rest)
		require.Equal(t, text, string(got))
		r.close()
	}
}

func TestDamagedPartsAreNamed(t *testing.T) {
	t.Parallel()
	text := "a,b,c,d\n" + logText(60_000)
	gz, zs := bgzip(t, text, 60_000), zstdFramesOf(t, text, 90_000)
	for name, tt := range map[string]struct {
		data []byte
		code fault.Code
	}{
		"gzip cut":     {gz[:len(gz)*2/3], fault.SourceTruncated},
		"gzip damaged": {damagedAt(gz, len(gz)/2), fault.SourceFormat},
		"zstd cut":     {zs[:len(zs)*2/3], fault.SourceTruncated},
		"zstd damaged": {damagedAt(zs, len(zs)/2), fault.SourceFormat},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rd, err := Open(bytes.NewReader(tt.data), ReadOptions{Format: FormatCSV})
			rows, raw := 0, &Raw{}
			for err == nil {
				var b Block
				if b, err = rd.Next(t.Context()); err == nil {
					require.NoError(t, rd.Decode(b, raw))
					rows += raw.Rows
				}
			}
			require.NoError(t, rd.Close())
			require.Equal(t, tt.code, fault.CodeOf(err), "%v", err)
			require.Contains(t, fault.From(err).Message, "input byte")
			require.Greater(t, rows, 20_000, "the rows before the fault are read")
		})
	}
}

func TestPartsKeepTheSourcesOwnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	text := "a,b,c,d\n" + logText(30_000)
	for _, data := range [][]byte{bgzip(t, text, 60_000), zstdFramesOf(t, text, 60_000)} {
		src := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken))
		rd, err := Open(src, ReadOptions{Format: FormatCSV})
		for err == nil {
			_, err = rd.Next(t.Context())
		}
		require.ErrorIs(t, err, broken)
		require.Equal(t, fault.SourceRead, fault.CodeOf(err))
		require.NoError(t, rd.Close())
	}
}

// TestPartsStayInBoundedMemory unpacks frames of much more than the bound.
func TestPartsStayInBoundedMemory(t *testing.T) {
	frame := zstdFramesOf(t, strings.Repeat("x", maxFramePlain), maxFramePlain)
	var sources []io.Reader
	for range 40 {
		sources = append(sources, bytes.NewReader(frame))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	frames, err := newZstdFrames()
	require.NoError(t, err)
	r := &partReader{format: frames, src: bufio.NewReader(io.MultiReader(sources...))}
	n, err := io.Copy(io.Discard, r)
	r.close()
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.EqualValues(t, 40*maxFramePlain, n)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*unpackBytes), "parts are used again")
}

// FuzzUnpack holds the unpacking of parts against the decoder of streams.
func FuzzUnpack(f *testing.F) {
	text := logText(40)
	for _, data := range [][]byte{
		bgzip(f, text, 300), bgzip(f, "", 1), append(bgzip(f, text, 500), gzipPlain(f, text)...), bgzip(f, text, 300)[:400],
		zstdFramesOf(f, text, 300), zstdFramesOf(f, text, 300)[:500], zstdFramesOf(f, strings.Repeat("a", 3000), 700),
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, wantErr := inOrder(t, data)
		got, err := parallel(t, bytes.NewReader(data), data)
		require.Equal(t, wantErr == nil, err == nil, "in order: %v, by parts: %v", wantErr, err)
		if errors.Is(wantErr, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			require.Equal(t, wantErr, err)
		}
		if err == nil {
			require.True(t, bytes.Equal(want, got))
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	text := logText(400_000)
	for name, data := range map[string][]byte{"bgzip": bgzip(b, text, 65_280), "zstd": zstdFramesOf(b, text, 1<<20)} {
		b.Run(name+"/parts", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, err := parallel(b, bytes.NewReader(data), data)
				require.NoError(b, err)
			}
		})
		b.Run(name+"/stream", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, err := inOrder(b, data)
				require.NoError(b, err)
			}
		})
	}
}
