package columns_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// peerRow is a row in every type that a peer writes.
type peerRow struct {
	Plain   string    `parquet:"plain,plain"`
	Dict    *string   `parquet:"dict,optional,dict"`
	Delta   string    `parquet:"delta,delta"`
	Enum    string    `parquet:"enum,enum"`
	I8      int8      `parquet:"i8,delta"`
	I32     int32     `parquet:"i32,delta"`
	I64     *int64    `parquet:"i64,optional"`
	U32     uint32    `parquet:"u32"`
	U64     uint64    `parquet:"u64"`
	F32     float32   `parquet:"f32,split"`
	F64     *float64  `parquet:"f64,optional"`
	Flag    *bool     `parquet:"flag,optional"`
	Day     int32     `parquet:"day,date"`
	Milli   time.Time `parquet:"milli,timestamp(millisecond)"`
	Micro   time.Time `parquet:"micro,timestamp(microsecond)"`
	Nano    time.Time `parquet:"nano,timestamp(nanosecond)"`
	Clock   int32     `parquet:"clock,time(millisecond)"`
	Price   int64     `parquet:"price,decimal(2:12)"`
	Count   int32     `parquet:"count,decimal(0:9)"`
	Long    int64     `parquet:"long,decimal(4:18)"`
	ID      [16]byte  `parquet:"id,uuid"`
	Impala  deprecated.Int96
	Repeats int64 `parquet:"repeats,dict"`
}

func peerRows(n int) []peerRow {
	rows := make([]peerRow, n)
	for i := range rows {
		r := &rows[i]
		at := time.Date(1969, 12, 31, 23, 59, 58, 999_999_999, time.UTC).Add(time.Duration(i) * 1_234_567_891)
		r.Plain, r.Delta, r.Enum = fmt.Sprintf("value %d", i*i), fmt.Sprintf("prefix-%06d", i), "E"+fmt.Sprint(i%3)
		r.I8, r.I32, r.U32, r.U64 = int8(i), int32(i*i-1000), math.MaxUint32-uint32(i), math.MaxUint64-uint64(i)
		r.F32, r.Day, r.Milli, r.Micro, r.Nano = float32(i)/4, int32(i-100), at, at, at
		r.Clock, r.Price, r.Count, r.Long = int32(i%86400000), int64(i)*101-50, int32(i), int64(i)*1_000_000_007-5
		r.ID, r.Repeats = [16]byte{byte(i), 15: byte(i >> 8)}, int64(i%5)
		r.Impala = deprecated.Int96{0: uint32(i) * 1_000_000, 2: 2_440_588}
		if i%3 != 0 {
			text, number, float, flag := strings.Repeat("é", i%7), int64(i)<<33-7, float64(i)*math.Pi, i%2 == 0
			r.Dict, r.I64, r.F64, r.Flag = &text, &number, &float, &flag
		}
	}
	return rows
}

func (r peerRow) want() []any {
	return []any{r.Plain, deref(r.Dict), r.Delta, r.Enum, int64(r.I8), int64(r.I32), deref(r.I64), int64(r.U32), fmt.Sprint(r.U64),
		float64(r.F32), deref(r.F64), derefBool(r.Flag), int64(r.Day), r.Milli.UnixMilli(), r.Micro.UnixMilli(), r.Nano.UnixMilli(),
		int64(r.Clock), float64(r.Price) / 100, int64(r.Count), new(big.Rat).SetFrac64(r.Long, 10_000).FloatString(4),
		fmt.Sprintf("%x-%x-%x-%x-%x", r.ID[:4], r.ID[4:6], r.ID[6:8], r.ID[8:10], r.ID[10:]),
		int64(r.Impala[0]) / 1_000_000, r.Repeats}
}

func deref[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func derefBool(v *bool) any {
	switch {
	case v == nil:
		return nil
	case *v:
		return int64(1)
	}
	return int64(0)
}

// typedRows reads every row of a file.
func typedRows(tb testing.TB, data []byte, want []string) (rows [][]any, schema columns.Schema, err error) {
	tb.Helper()
	p, err := columns.OpenParquet(bytes.NewReader(data), int64(len(data)), want)
	if err != nil {
		return nil, nil, err
	}
	defer p.Close()
	next := int64(0)
	for {
		b, err := p.Next(tb.Context())
		if err == io.EOF {
			return rows, p.Schema(), nil
		}
		if err != nil {
			return rows, p.Schema(), err
		}
		require.Equal(tb, next, b.Offset)
		batch := p.DecodeTyped(b)
		for r := range batch.Rows {
			rows = append(rows, rowOf(batch, r))
		}
		next = b.End()
		p.Release(b)
	}
}

func rowOf(b *columns.Batch, r int) []any {
	row := make([]any, len(b.Columns))
	for i := range b.Columns {
		c := &b.Columns[i]
		switch {
		case !c.Valid[r]:
		case c.Type == columns.String:
			row[i] = string(c.StringAt(r))
		case c.Type == columns.Float:
			row[i] = c.Floats[r]
		default:
			row[i] = c.Ints[r]
		}
	}
	return row
}

func TestParquetReadsWhatAPeerWrites(t *testing.T) {
	t.Parallel()
	rows := peerRows(6_000)
	want := make([][]any, len(rows))
	for i, r := range rows {
		want[i] = r.want()
	}
	codecs := map[string]compress.Codec{"plain": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip,
		"zstd": &parquet.Zstd, "brotli": &parquet.Brotli, "lz4": &parquet.Lz4Raw}
	for name, codec := range codecs {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprint(name, " v", version), func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				w := parquet.NewGenericWriter[peerRow](&out, parquet.Compression(codec), parquet.DataPageVersion(version),
					parquet.PageBufferSize(4096), parquet.MaxRowsPerRowGroup(2_501))
				_, err := w.Write(rows)
				require.NoError(t, err)
				require.NoError(t, w.Close())
				got, schema, err := typedRows(t, out.Bytes(), nil)
				require.NoError(t, err)
				require.Equal(t, columns.DateTime, schema[schema.Index("Impala")].Type)
				require.Equal(t, columns.Time, schema[schema.Index("clock")].Type)
				require.Equal(t, want, got)
			})
		}
	}
}

func TestParquetReadsOurOwnChunks(t *testing.T) {
	t.Parallel()
	eachCodec(t, everyType, func(t *testing.T, enc *columns.ParquetEncoder) {
		data := encode(t, enc, batchOf(everyType,
			[]any{"ä", 1, 1.5, 1, 19_000, 1_700_000_000_123, 86_399_999}, []any{nil, nil, nil, nil, nil, nil, nil}, []any{"", -1, -0.5, 0, -1, -1, 0}))
		got, schema, err := typedRows(t, data, nil)
		require.NoError(t, err)
		for i, f := range schema {
			require.Equal(t, everyType[i].Type, f.Type)
			require.Equal(t, everyType[i].Name, f.Name)
		}
		require.Equal(t, [][]any{
			{"ä", int64(1), 1.5, int64(1), int64(19_000), int64(1_700_000_000_123), int64(86_399_999)},
			make([]any, 7),
			{"", int64(-1), -0.5, int64(0), int64(-1), int64(-1), int64(0)},
		}, got)
	})
}

func TestParquetSeekGoesOnAtTheBlock(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[peerRow](&out, parquet.MaxRowsPerRowGroup(13_000), parquet.Compression(&parquet.Snappy))
	_, err := w.Write(peerRows(30_000))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	open := func() *columns.ParquetReader {
		p, err := columns.OpenParquet(bytes.NewReader(out.Bytes()), int64(out.Len()), []string{"plain", "i64"})
		require.NoError(t, err)
		return p
	}
	p := open()
	var blocks []columns.Block
	for {
		b, err := p.Next(t.Context())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		blocks = append(blocks, b)
	}
	require.Greater(t, len(blocks), 4)
	for i, want := range blocks {
		q := open()
		_, err := q.Peek(t.Context(), 3)
		require.NoError(t, err)
		require.NoError(t, q.Seek(t.Context(), i, want.Offset))
		got, err := q.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, []any{want.Seq, want.Offset, want.End()}, []any{got.Seq, got.Offset, got.End()})
		require.Equal(t, rowOf(p.DecodeTyped(want), 0), rowOf(q.DecodeTyped(got), 0))
	}
	require.True(t, fault.Has(open().Seek(t.Context(), 9, 1<<40), fault.SourceChanged))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open().Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestParquetRefuses(t *testing.T) {
	t.Parallel()
	good := encode(t, mustParquet(t), batchOf(everyType, []any{"a", 1, 1.5, 1, 1, 1, 1}))
	type nested struct {
		ID   int64
		Tags []string
		Sub  struct{ A, B int64 }
		Map  map[string]int64
		Raw  [5]byte
	}
	var deep bytes.Buffer
	require.NoError(t, parquet.Write(&deep, []nested{{ID: 1, Map: map[string]int64{"a": 1}}}))
	for name, c := range map[string]struct {
		data []byte
		code fault.Code
		say  string
	}{
		"empty":        {nil, fault.SourceEmpty, ""},
		"short":        {[]byte("PAR1"), fault.SourceTruncated, "4 bytes"},
		"text":         {[]byte("a,b\n1,2\n3,4\n"), fault.SourceFormat, "begins with"},
		"gzip":         {append([]byte("\x1f\x8b\x08\x00"), good...), fault.SourceFormat, "gzip"},
		"encrypted":    {append(append([]byte{}, good[:len(good)-4]...), "PARE"...), fault.SourceFormat, "encrypted"},
		"cut":          {good[:len(good)-20], fault.SourceTruncated, "ends with"},
		"huge footer":  {append(append([]byte{}, good[:len(good)-8]...), "\xff\xff\xff\x7fPAR1"...), fault.SourceFormat, "metadata would take"},
		"nested":       {deep.Bytes(), fault.SourceUnsupported, `"Tags"`},
		"zeroed pages": {zeroed(good), fault.SourceFormat, "column"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := typedRows(t, c.data, nil)
			require.True(t, fault.Has(err, c.code), "%v", err)
			require.Contains(t, err.Error(), c.say)
		})
	}
	rows, _, err := typedRows(t, deep.Bytes(), []string{"ID"})
	require.NoError(t, err, "columns that nobody takes may be of any type")
	require.Equal(t, [][]any{{int64(1)}}, rows)
}

// zeroed overwrites what stands between the magic number and the footer.
func zeroed(data []byte) []byte {
	out := bytes.Clone(data)
	n := len(out) - 8 - int(uint32(out[len(out)-8])|uint32(out[len(out)-7])<<8)
	clear(out[4:n])
	return out
}

func mustParquet(tb testing.TB) *columns.ParquetEncoder {
	tb.Helper()
	enc, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(tb, err)
	return enc
}

// FuzzParquetSource reads damaged files: a fault or rows, never a panic, and
// the memory is bounded by what is read.
func FuzzParquetSource(f *testing.F) {
	var peer bytes.Buffer
	w := parquet.NewGenericWriter[peerRow](&peer, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(2), parquet.PageBufferSize(512))
	_, err := w.Write(peerRows(40))
	require.NoError(f, err)
	require.NoError(f, w.Close())
	f.Add(peer.Bytes())
	f.Add(encode(f, mustParquet(f), batchOf(everyType, []any{"a", 1, 1.5, 1, 1, 1, 1}, []any{nil, nil, nil, nil, nil, nil, nil})))
	f.Add([]byte("PAR1\x15\x00\x04\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		if len(data) > most {
			return
		}
		p, err := columns.OpenParquet(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			var known *fault.Error
			require.True(t, errors.As(err, &known), "%v", err)
			return
		}
		defer p.Close()
		for range 20 {
			b, err := p.Next(t.Context())
			if err != nil {
				return
			}
			batch := p.DecodeTyped(b)
			for i := range batch.Columns {
				require.Len(t, batch.Columns[i].Valid, batch.Rows)
			}
			p.Release(b)
		}
	})
}

func BenchmarkParquetSource(b *testing.B) {
	var out bytes.Buffer
	w := parquet.NewGenericWriter[peerRow](&out, parquet.Compression(&parquet.Snappy))
	const rows = 100_000
	_, err := w.Write(peerRows(rows))
	require.NoError(b, err)
	require.NoError(b, w.Close())
	b.ReportAllocs()
	for b.Loop() {
		p, err := columns.OpenParquet(bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
		require.NoError(b, err)
		for {
			block, err := p.Next(b.Context())
			if err == io.EOF {
				break
			}
			require.NoError(b, err)
			p.Release(block)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
