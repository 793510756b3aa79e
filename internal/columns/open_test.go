package columns_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func gzipped(tb testing.TB, parts ...string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&buf)
		_, err := io.WriteString(w, part)
		require.NoError(tb, err)
		require.NoError(tb, w.Close())
	}
	return buf.Bytes()
}

func zstandard(tb testing.TB, text string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf)
	require.NoError(tb, err)
	_, err = io.WriteString(w, text)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return buf.Bytes()
}

const smallCSV = "id,name\n1,a\n2,b\n3,c\n"

var smallRows = [][]string{{"1", "a"}, {"2", "b"}, {"3", "c"}}

func TestOpenUndoesCompression(t *testing.T) {
	t.Parallel()
	twice := append(zstandard(t, smallCSV[:10]), zstandard(t, smallCSV[10:])...)
	for name, data := range map[string][]byte{
		"plain":            []byte(smallCSV),
		"gzip":             gzipped(t, smallCSV),
		"gzip members":     gzipped(t, smallCSV[:9], "", smallCSV[9:]),
		"zstd":             zstandard(t, smallCSV),
		"zstd frames":      twice,
		"zstd skip":        append([]byte{0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'y'}, twice...),
		"gzip with a mark": gzipped(t, "\xef\xbb\xbf"+smallCSV),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := readEach(t, data, csvOpt())
			require.NoError(t, res.err)
			require.Equal(t, smallRows, res.rows)
			res = readFrom(t, iotest.OneByteReader(bytes.NewReader(data)), csvOpt())
			require.NoError(t, res.err)
			require.Equal(t, smallRows, res.rows)
		})
	}
}

func TestOpenReportsBrokenCompression(t *testing.T) {
	t.Parallel()
	long := "a,b\n" + strings.Repeat("some,text that goes on\n", 100_000)
	damaged := gzipped(t, long)
	damaged[len(damaged)-6] ^= 0xff
	gz, zs := gzipped(t, long), zstandard(t, long)
	for name, tt := range map[string]struct {
		data []byte
		code fault.Code
	}{
		"gzip cut":          {gz[:len(gz)/2], fault.SourceTruncated},
		"gzip cut in head":  {gz[:6], fault.SourceTruncated},
		"gzip checksum":     {damaged, fault.SourceFormat},
		"gzip then garbage": {append(bytes.Clone(gz), "garbage and more"...), fault.SourceFormat},
		"zstd cut":          {zs[:len(zs)/2], fault.SourceTruncated},
		"zstd cut in head":  {zs[:5], fault.SourceTruncated},
		"zstd damaged":      {append(bytes.Clone(zs[:20]), bytes.Repeat([]byte{0xaa}, 60)...), fault.SourceFormat},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := read(t, tt.data, csvOpt())
			require.Equal(t, tt.code, fault.CodeOf(res.err), "%v", res.err)
			require.Contains(t, fault.From(res.err).Message, "input byte")
		})
	}
}

func TestOpenKeepsTheSourcesOwnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	gz := gzipped(t, "a,b\n"+strings.Repeat("1,2\n", 1000))
	for name, data := range map[string][]byte{"plain": []byte("a,b\n1,2\n"), "gzip": gz[:len(gz)-9], "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := readFrom(t, io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), csvOpt())
			require.Equal(t, fault.SourceRead, fault.CodeOf(res.err))
			require.ErrorIs(t, res.err, broken)
			require.Equal(t, fault.Later, fault.RetryOf(res.err))
		})
	}
	known := fault.New(fault.EgressTimeout, "slow")
	res := readFrom(t, iotest.ErrReader(known), csvOpt())
	require.Equal(t, fault.EgressTimeout, fault.CodeOf(res.err))
}

func encodeUTF16(s string, big bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func TestOpenDecodesCharsets(t *testing.T) {
	t.Parallel()
	text := "größe,naïve\nüber,€\n"
	want := [][]string{{"über", "€"}}
	cp1252, err := charmap.Windows1252.NewEncoder().String(text)
	require.NoError(t, err)
	latin9, err := charmap.ISO8859_15.NewEncoder().String(text)
	require.NoError(t, err)
	wide := "größe,naïve\nüber,😀\n"
	for name, tt := range map[string]struct {
		data     []byte
		encoding string
		want     [][]string
	}{
		"utf-8":                  {[]byte(text), "UTF-8", want},
		"windows-1252":           {[]byte(cp1252), "windows-1252", want},
		"cp1252":                 {[]byte(cp1252), " CP1252 ", want},
		"iso-8859-15":            {[]byte(latin9), "latin9", want},
		"latin1":                 {[]byte("a,b\n\xfc,\xe4\n"), "latin1", [][]string{{"ü", "ä"}}},
		"utf-16le":               {encodeUTF16(wide, false), "utf-16le", [][]string{{"über", "😀"}}},
		"utf-16be":               {encodeUTF16(wide, true), "utf-16be", [][]string{{"über", "😀"}}},
		"utf-16le by mark":       {encodeUTF16("\ufeff"+wide, false), "", [][]string{{"über", "😀"}}},
		"utf-16be by mark":       {encodeUTF16("\ufeff"+wide, true), "", [][]string{{"über", "😀"}}},
		"mark beats declaration": {[]byte("\xef\xbb\xbf" + text), "windows-1252", want},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := csvOpt()
			opt.CSV.Encoding = tt.encoding
			res := readEach(t, tt.data, opt)
			require.NoError(t, res.err)
			require.Equal(t, tt.want, res.rows)
			res = readFrom(t, iotest.OneByteReader(bytes.NewReader(tt.data)), opt)
			require.Equal(t, tt.want, res.rows)
		})
	}
}

func TestOpenCharsetFaults(t *testing.T) {
	t.Parallel()
	opt := csvOpt()
	opt.CSV.Encoding = "ebcdic"
	res := read(t, []byte("a\n"), opt)
	require.Equal(t, fault.SourceEncoding, fault.CodeOf(res.err))
	require.Contains(t, fault.From(res.err).Hint, "windows-1252")

	opt.CSV.Encoding = "utf-16le"
	res = read(t, append(encodeUTF16("a\n1\n", false), 'x'), opt)
	require.Equal(t, fault.SourceTruncated, fault.CodeOf(res.err))

	// A surrogate without its partner is one bad record, and no other character.
	lone := append(encodeUTF16("a,b\n1,2\n3,x", false), 0x3d, 0xd8)
	res = read(t, append(lone, encodeUTF16("y\n5,6\n", false)...), opt)
	require.NoError(t, res.err)
	require.Equal(t, [][]string{{"1", "2"}, {"5", "6"}}, res.rows)
	require.Equal(t, fault.ValueEncoding, res.bad[0].code)
	require.Equal(t, "b", res.bad[0].field)
}

func TestOpenTellsWhatABinaryLooksLike(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ data, says string }{
		"parquet":      {"PAR1\x15\x04\x15", "Parquet"},
		"xlsx":         {"PK\x03\x04\x14\x00", "Excel"},
		"pdf":          {"%PDF-1.7\n", "PDF"},
		"old excel":    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"},
		"bzip2":        {"BZh91AY&SY\x00", "bzip2"},
		"html":         {"\n <!DOCTYPE html><html>", "web page"},
		"binary":       {"abc,\x00\x01\x02\n1,2\n", "NUL"},
		"utf-16 plain": {string(encodeUTF16("id,name\n1,x\n", false)), "UTF-16"},
		"utf-16 big":   {string(encodeUTF16("id,name\n1,x\n", true)), "UTF-16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, opt := range []columns.ReadOptions{csvOpt(), ndjsonOpt(), jsonOpt()} {
				res := read(t, []byte(tt.data), opt)
				require.Equal(t, fault.SourceFormat, fault.CodeOf(res.err))
				require.Contains(t, fault.From(res.err).Message, tt.says)
				require.NotEmpty(t, fault.From(res.err).Hint)
			}
		})
	}
	res := read(t, []byte("BZhamlet,b\n1,2\n"), csvOpt())
	require.NoError(t, res.err)
}

func TestReaderPeekThenNext(t *testing.T) {
	t.Parallel()
	data := "a,b\n" + strings.Repeat("1,2\n", 100)
	rd, err := columns.Open(strings.NewReader(data), columns.ReadOptions{Format: columns.FormatCSV, BlockSize: 40})
	require.NoError(t, err)
	peeked, err := rd.Peek(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, peeked, 3)
	again, err := rd.Peek(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, peeked[:2], again)
	raw, rows, seq := &columns.Raw{}, 0, 0
	for {
		b, err := rd.Next(t.Context())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Equal(t, seq, b.Seq)
		seq++
		require.NoError(t, rd.Decode(b, raw))
		rows += raw.Rows
		rd.Release(b)
	}
	require.Equal(t, 100, rows)
	peeked, err = rd.Peek(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, peeked)
	require.EqualValues(t, len(data), rd.InputBytes())
	require.EqualValues(t, len(data)-len("a,b\n"), rd.DecodedBytes())
}

func TestReaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	rd, err := columns.Open(strings.NewReader(smallCSV), csvOpt())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = rd.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = rd.Next(t.Context())
	require.NoError(t, err)
}

// TestReaderDecodesInParallel shares blocks between decoders, with strings to
// unescape, while blocks are released and used again.
func TestReaderDecodesInParallel(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString("id,text\n")
	const rows = 20_000
	for range rows {
		in.WriteString("7,\"say \"\"hi\"\"\"\n")
	}
	rd, err := columns.Open(strings.NewReader(in.String()), columns.ReadOptions{Format: columns.FormatCSV, BlockSize: 4096})
	require.NoError(t, err)
	blocks := make(chan columns.Block)
	counts := make(chan int, 4)
	var wg sync.WaitGroup
	for range cap(counts) {
		wg.Go(func() {
			raw, twin, n := &columns.Raw{}, &columns.Raw{}, 0
			for b := range blocks {
				if rd.Decode(b, raw) != nil || rd.Decode(b, twin) != nil {
					break
				}
				for r := range raw.Rows {
					if string(raw.Value(raw.Cells[1][r])) == `say "hi"` && string(twin.Value(twin.Cells[1][r])) == `say "hi"` {
						n++
					}
				}
				rd.Release(b)
			}
			counts <- n
		})
	}
	for {
		b, err := rd.Next(t.Context())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		blocks <- b
	}
	close(blocks)
	wg.Wait()
	close(counts)
	total := 0
	for n := range counts {
		total += n
	}
	require.Equal(t, rows, total)
}

// TestDecodeDoesNotAllocateInSteadyState decodes blocks again and again.
func TestDecodeDoesNotAllocateInSteadyState(t *testing.T) {
	data := map[columns.Format]string{
		columns.FormatCSV:    "a,b,c\n" + strings.Repeat("1,\"x\"\"y\",\n", 500),
		columns.FormatNDJSON: strings.Repeat(`{"a":1,"b":"x\ny","c":{"d":[1]}}`+"\n", 500),
		columns.FormatJSON:   "[" + strings.Repeat(`{"a":1,"b":"x\ny","c":null},`, 500) + "{}]",
	}
	for format, text := range data {
		rd, err := columns.Open(strings.NewReader(text), columns.ReadOptions{Format: format})
		require.NoError(t, err)
		b, err := rd.Next(t.Context())
		require.NoError(t, err)
		raw := &columns.Raw{}
		allocs := testing.AllocsPerRun(20, func() { _ = rd.Decode(b, raw) })
		require.GreaterOrEqual(t, raw.Rows, 500)
		require.LessOrEqual(t, allocs, 2.0, "%s: a block of %d rows", format, raw.Rows)
	}
}

// longLine gives a line that never ends, without holding it.
type longLine struct{ left int }

func (l *longLine) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), l.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	l.left -= n
	return n, nil
}
