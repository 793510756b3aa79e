package columns_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// copied copies every row group of a file into one chunk.
func copied(tb testing.TB, data []byte, schema columns.Schema, opt columns.ParquetOptions) ([]byte, error) {
	tb.Helper()
	c, err := columns.NewParquetCopier(bytes.NewReader(data), int64(len(data)), schema, opt)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(tb, c.Close()) }()
	out := bytes.NewBufferString("before")
	err = c.Copy(tb.Context(), 0, c.Groups(), out)
	if err != nil {
		require.Equal(tb, "before", out.String(), "nothing is left of a copy that failed")
		return nil, err
	}
	return bytes.Clone(out.Bytes()[len("before"):]), nil
}

func requireRefused(t *testing.T, err error, column, reason string) {
	t.Helper()
	var refused *columns.CopyRefusal
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, column, refused.Column)
	require.Contains(t, err.Error(), reason)
}

func TestCopyOfOurChunksIsTheSameRows(t *testing.T) {
	t.Parallel()
	eachCodec(t, everyType, func(t *testing.T, enc *columns.ParquetEncoder) {
		want, batches := randomBatches(rand.New(rand.NewPCG(1, 2)))
		data := encode(t, enc, batches...)
		for _, target := range []string{columns.CompressionSnappy, columns.CompressionZstd, columns.CompressionNone} {
			schema := batches[0].Schema
			got, err := copied(t, data, schema, columns.ParquetOptions{Compression: target})
			require.NoError(t, err)
			require.Equal(t, want, readParquet(t, got, schema))
			fewer := columns.Schema{schema[2], schema[0]}
			got, err = copied(t, data, fewer, columns.ParquetOptions{Compression: target})
			require.NoError(t, err)
			for i, row := range readParquet(t, got, fewer) {
				require.Equal(t, []any{want[i][2], want[i][0]}, row)
			}
		}
	})
}

type copyRow struct {
	Text  string    `parquet:"text,dict"`
	Plain *string   `parquet:"plain,optional,plain"`
	Int   int64     `parquet:"int,plain"`
	Again *int64    `parquet:"again,optional,dict"`
	Real  float64   `parquet:"real,plain"`
	Flag  *bool     `parquet:"flag,optional,plain"`
	Day   int32     `parquet:"day,date,plain"`
	At    time.Time `parquet:"at,timestamp(millisecond),plain"`
	Clock int32     `parquet:"clock,time(millisecond),plain"`
}

func copySchema() columns.Schema {
	return columns.Schema{
		{Name: "text", Type: columns.String, Length: 80}, {Name: "plain", Type: columns.String, Length: 20},
		{Name: "int", Type: columns.Integer}, {Name: "again", Type: columns.Integer}, {Name: "real", Type: columns.Float},
		{Name: "flag", Type: columns.Boolean}, {Name: "day", Type: columns.Date}, {Name: "at", Type: columns.DateTime},
		{Name: "clock", Type: columns.Time},
	}
}

func copyRows(n int) []copyRow {
	rows := make([]copyRow, n)
	for i := range rows {
		r := &rows[i]
		r.Text, r.Int, r.Real, r.Day, r.Clock = fmt.Sprint("text ", i%7), int64(i)-5, float64(i)/8, int32(i%20000), int32(i)
		r.At = time.UnixMilli(1_700_000_000_000 + int64(i)*1001).UTC()
		if i%3 > 0 {
			text, again, flag := fmt.Sprint("value ", i), int64(i%11), i%2 == 0
			r.Plain, r.Again, r.Flag = &text, &again, &flag
		}
	}
	return rows
}

// peerFile writes rows by a peer, groups rows to a row group.
func peerFile(tb testing.TB, rows []copyRow, groups int, opt ...parquet.WriterOption) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[copyRow](&out, append(opt, parquet.DataPageVersion(1), parquet.PageBufferSize(8<<10))...)
	for from := 0; from < len(rows); from += groups {
		_, err := w.Write(rows[from:min(from+groups, len(rows))])
		require.NoError(tb, err)
		require.NoError(tb, w.Flush())
	}
	require.NoError(tb, w.Close())
	return out.Bytes()
}

func TestCopyOfAPeersFileIsTheSameRows(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]compress.Codec{
		"none": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "brotli": &parquet.Brotli, "lz4": &parquet.Lz4Raw,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := peerFile(t, copyRows(5000), 1800, parquet.Compression(codec))
			want, _, err := typedRows(t, data, copySchema().Names())
			require.NoError(t, err)
			got, err := copied(t, data, copySchema(), columns.ParquetOptions{})
			require.NoError(t, err)
			again, _, err := typedRows(t, got, nil)
			require.NoError(t, err)
			require.Equal(t, want, again)
			peer, err := parquet.OpenFile(bytes.NewReader(got), int64(len(got)))
			require.NoError(t, err)
			require.Len(t, peer.RowGroups(), 3)
			rows, err := parquet.Read[copyRow](bytes.NewReader(got), int64(len(got)))
			require.NoError(t, err)
			require.Equal(t, copyRows(5000), rows)
		})
	}
}

func TestCopyTakesSomeRowGroups(t *testing.T) {
	t.Parallel()
	data := peerFile(t, copyRows(1000), 300, parquet.Compression(&parquet.Snappy))
	c, err := columns.NewParquetCopier(bytes.NewReader(data), int64(len(data)), copySchema(), columns.ParquetOptions{})
	require.NoError(t, err)
	require.Equal(t, 4, c.Groups())
	rows, size := c.Size(3)
	require.EqualValues(t, 100, rows)
	require.Greater(t, size, int64(100))
	p, err := columns.OpenParquet(bytes.NewReader(data), int64(len(data)), nil)
	require.NoError(t, err)
	defer p.Close()
	of, err := p.Copier(copySchema()[:1], columns.ParquetOptions{})
	require.NoError(t, err)
	require.Equal(t, 4, of.Groups())
	twin, err := c.Twin()
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, twin.Copy(t.Context(), 1, 3, &out))
	got, err := parquet.Read[copyRow](bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	require.Equal(t, copyRows(1000)[300:900], got)
}

func TestCopyRefusesWhatMustBeDecoded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, column, reason string
		schema               func(columns.Schema)
		row                  func(*copyRow)
	}{
		{"no such column", "other", "does not have it", func(s columns.Schema) { s[0].Name = "other" }, nil},
		{"another type", "int", "stored in another way", func(s columns.Schema) { s[2].Type = columns.Float }, nil},
		{"long text", "text", "longer", nil, func(r *copyRow) { r.Text = strings.Repeat("x", 81) }},
		{"long plain text", "plain", "longer", nil, func(r *copyRow) { long := strings.Repeat("ü", 11); r.Plain = &long }},
		{"not UTF-8", "text", "not UTF-8", nil, func(r *copyRow) { r.Text = "\xff" }},
		{"not a number", "real", "no number", nil, func(r *copyRow) { r.Real = math.NaN() }},
		{"infinite", "real", "no number", nil, func(r *copyRow) { r.Real = math.Inf(-1) }},
		{"early", "at", "not keep", nil, func(r *copyRow) { r.At = time.Date(1399, 12, 31, 0, 0, 0, 0, time.UTC) }},
		{"late", "day", "not keep", nil, func(r *copyRow) { r.Day = 2_932_897 }},
		{"no time of day", "clock", "not keep", nil, func(r *copyRow) { r.Clock = 86_400_000 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rows, schema := copyRows(100), copySchema()
			if tt.row != nil {
				tt.row(&rows[50])
			}
			if tt.schema != nil {
				tt.schema(schema)
			}
			_, err := copied(t, peerFile(t, rows, 40), schema, columns.ParquetOptions{})
			requireRefused(t, err, tt.column, tt.reason)
		})
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[peerRow](&out, parquet.DataPageVersion(1))
	_, err := w.Write(peerRows(10))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for column, typ := range map[string]columns.Type{"delta": columns.String, "i32": columns.Integer, "u64": columns.String, "f32": columns.Float,
		"micro": columns.DateTime, "price": columns.Float, "count": columns.Integer, "id": columns.String, "Impala": columns.DateTime} {
		_, err := copied(t, out.Bytes(), columns.Schema{{Name: column, Type: typ, Length: 80}}, columns.ParquetOptions{})
		requireRefused(t, err, column, "")
	}
}

func TestCopyReportsDamage(t *testing.T) {
	t.Parallel()
	data := peerFile(t, copyRows(1000), 1000, parquet.Compression(&parquet.Snappy))
	damaged := bytes.Clone(data)
	for i := 200; i < 400; i++ {
		damaged[i] ^= 0x55
	}
	_, err := copied(t, damaged, copySchema(), columns.ParquetOptions{})
	require.Equal(t, fault.SourceFormat, fault.CodeOf(err), "%v", err)
	require.Contains(t, err.Error(), "row group 0")
	_, err = copied(t, data[:len(data)/2], copySchema(), columns.ParquetOptions{})
	require.Equal(t, fault.SourceTruncated, fault.CodeOf(err), "%v", err)
}

// FuzzParquetCopy damages files: a copy fails, or holds the rows that reading
// the source gives.
func FuzzParquetCopy(f *testing.F) {
	schema := copySchema()
	f.Add(peerFile(f, copyRows(30), 12))
	f.Add(peerFile(f, copyRows(30), 30, parquet.Compression(&parquet.Snappy)))
	f.Add(peerFile(f, copyRows(9), 9, parquet.Compression(&parquet.Zstd)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := columns.NewParquetCopier(bytes.NewReader(data), int64(len(data)), schema, columns.ParquetOptions{}); err == nil {
			for i := range c.Groups() {
				if rows, _ := c.Size(i); rows > 10_000 {
					return // a page of nulls takes a few bytes for any number of rows
				}
			}
		}
		got, err := copied(t, data, schema, columns.ParquetOptions{})
		if err != nil {
			var refused *columns.CopyRefusal
			var known *fault.Error
			require.True(t, errors.As(err, &refused) || errors.As(err, &known), "%v", err)
			return
		}
		want, _, err := typedRows(t, data, schema.Names())
		require.NoError(t, err, "what cannot be read was copied")
		again, _, err := typedRows(t, got, nil)
		require.NoError(t, err)
		require.Equal(t, len(want), len(again))
		for i := range want {
			require.Equal(t, fmt.Sprint(want[i]...), fmt.Sprint(again[i]...))
		}
	})
}

func BenchmarkParquetToParquet(b *testing.B) {
	schema, batches := benchBatches()
	for i := range schema {
		schema[i].Length = columns.MaxStringBytes
	}
	for _, codec := range []string{columns.CompressionSnappy, columns.CompressionZstd} {
		enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{Compression: codec})
		require.NoError(b, err)
		data := encode(b, enc, batches...)
		b.Run(codec+"/copy", func(b *testing.B) {
			var out bytes.Buffer
			c, err := columns.NewParquetCopier(bytes.NewReader(data), int64(len(data)), schema, columns.ParquetOptions{})
			require.NoError(b, err)
			defer c.Close()
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				if err := c.Copy(b.Context(), 0, c.Groups(), &out); err != nil {
					b.Fatal(err)
				}
			}
			reportRows(b, benchRows)
		})
		b.Run(codec+"/decode-encode", func(b *testing.B) {
			var out bytes.Buffer
			enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				enc.Reset()
				p, err := columns.OpenParquet(bytes.NewReader(data), int64(len(data)), nil)
				require.NoError(b, err)
				for {
					block, err := p.Next(b.Context())
					if err == io.EOF {
						break
					}
					require.NoError(b, err)
					batch := *p.DecodeTyped(block)
					batch.Schema = schema
					require.NoError(b, enc.Append(&batch))
					p.Release(block)
				}
				require.NoError(b, enc.Finish(&out))
				require.NoError(b, p.Close())
			}
			reportRows(b, benchRows)
		})
	}
}
