package columns_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

var everyType = columns.Schema{
	{Name: "z:text", Type: columns.String, Length: 80},
	{Name: "a.int", Type: columns.Integer},
	{Name: "Größe", Type: columns.Float},
	{Name: "flag", Type: columns.Boolean},
	{Name: "day", Type: columns.Date},
	{Name: "case:start.time", Type: columns.DateTime},
	{Name: "日本", Type: columns.Time},
}

// appendAny adds a row: nil is null, other values go by the column's type.
func appendAny(b *columns.Batch, values ...any) {
	for i, v := range values {
		c := &b.Columns[i]
		switch v := v.(type) {
		case nil:
			c.AppendNull()
		case string:
			c.AppendString([]byte(v))
		case float64:
			c.AppendFloat(v)
		case int:
			c.AppendInt(int64(v))
		}
	}
	b.Rows++
}

func batchOf(schema columns.Schema, rows ...[]any) *columns.Batch {
	b := columns.NewBatch(schema)
	for _, row := range rows {
		appendAny(b, row...)
	}
	return b
}

// encode writes batches as one file.
func encode(tb testing.TB, enc columns.ChunkEncoder, batches ...*columns.Batch) []byte {
	tb.Helper()
	for _, b := range batches {
		require.NoError(tb, enc.Append(b))
	}
	var buf bytes.Buffer
	require.NoError(tb, enc.Finish(&buf))
	return buf.Bytes()
}

// readParquet reads a file by parquet-go, values as the test wrote them.
func readParquet(tb testing.TB, data []byte, schema columns.Schema) [][]any {
	tb.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(tb, err)
	fields := f.Schema().Fields()
	require.Len(tb, fields, len(schema))
	for i, field := range fields {
		require.Equal(tb, schema[i].Name, field.Name())
		require.True(tb, field.Optional())
	}
	rows := [][]any{}
	for _, group := range f.RowGroups() {
		reader := group.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := reader.ReadRows(buf)
			for _, row := range buf[:n] {
				rows = append(rows, rowValues(row))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(tb, err)
		}
		require.NoError(tb, reader.Close())
	}
	require.EqualValues(tb, len(rows), f.NumRows())
	return rows
}

func rowValues(row parquet.Row) []any {
	out := make([]any, 0, len(row))
	for _, v := range row {
		switch {
		case v.IsNull():
			out = append(out, nil)
		case v.Kind() == parquet.ByteArray:
			out = append(out, string(v.ByteArray()))
		case v.Kind() == parquet.Double:
			out = append(out, v.Double())
		case v.Kind() == parquet.Boolean:
			out = append(out, map[bool]int{false: 0, true: 1}[v.Boolean()])
		case v.Kind() == parquet.Int32:
			out = append(out, int(v.Int32()))
		default:
			out = append(out, int(v.Int64()))
		}
	}
	return out
}

func eachCodec(t *testing.T, schema columns.Schema, test func(t *testing.T, enc *columns.ParquetEncoder)) {
	for _, codec := range []string{"", columns.CompressionSnappy, columns.CompressionZstd, columns.CompressionNone} {
		t.Run("codec "+codec, func(t *testing.T) {
			t.Parallel()
			enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{Compression: codec})
			require.NoError(t, err)
			test(t, enc)
		})
	}
}

func TestParquetEveryType(t *testing.T) {
	t.Parallel()
	rows := [][]any{
		{"text", 42, 1.5, 1, 19_000, 1_700_000_000_123, 86_399_999},
		{nil, nil, nil, nil, nil, nil, nil},
		{"", 0, 0.0, 0, 0, 0, 0},
		{"ünïcödé 😀\x00", math.MinInt64, -math.MaxFloat64, 1, -208_188, -17_987_443_200_000, 1},
		{strings.Repeat("long ", 13_000), math.MaxInt64, math.SmallestNonzeroFloat64, 0, 2_932_896, 253_402_300_799_999, 0},
		{nil, 1, nil, 1, nil, 1, nil},
	}
	eachCodec(t, everyType, func(t *testing.T, enc *columns.ParquetEncoder) {
		require.Equal(t, rows, readParquet(t, encode(t, enc, batchOf(everyType, rows...)), everyType))
		require.Equal(t, len(rows), enc.Rows())
	})
}

func TestParquetDeclaresMeaning(t *testing.T) {
	t.Parallel()
	enc, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(t, err)
	data := encode(t, enc, batchOf(everyType, []any{"x", 1, 1.0, 1, 1, 1, 1}))
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	var types []string
	for _, field := range f.Schema().Fields() {
		types = append(types, field.Type().String())
	}
	require.Equal(t, []string{"STRING", "INT(64,true)", "DOUBLE", "BOOLEAN", "DATE",
		"TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)", "TIME(isAdjustedToUTC=true,unit=MILLIS)"}, types)
}

func TestParquetShapes(t *testing.T) {
	t.Parallel()
	null := []any{nil, nil, nil, nil, nil, nil, nil}
	one := []any{"x", 1, 1.5, 1, 2, 3, 4}
	repeat := func(n int, rows ...[]any) [][]any {
		out := [][]any{}
		for range n {
			out = append(out, rows...)
		}
		return out
	}
	tests := map[string][][]any{
		"no rows":           {},
		"one row":           {one},
		"one null row":      {null},
		"all null":          repeat(3000, null),
		"constant":          repeat(3000, one),
		"null then values":  append(repeat(1000, null), repeat(1001, one)...),
		"values then nulls": append(repeat(1003, one), repeat(70_000, null)...),
		"in turns":          repeat(1500, one, null, null),
	}
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachCodec(t, everyType, func(t *testing.T, enc *columns.ParquetEncoder) {
				got := readParquet(t, encode(t, enc, batchOf(everyType, rows...)), everyType)
				require.Equal(t, len(rows), len(got))
				for i := range rows {
					require.Equal(t, rows[i], got[i], "row %d", i)
				}
			})
		})
	}
}

// TestParquetDictionaries walks a column through every way a dictionary goes.
func TestParquetDictionaries(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "s", Type: columns.String, Length: 100}}
	tests := map[string]struct {
		rows  int
		value func(i int) string
	}{
		"few":                   {140_000, func(i int) string { return fmt.Sprintf("v%d", i%7) }},
		"never repeats":         {100_000, func(i int) string { return fmt.Sprintf("unique value %d", i) }},
		"overflows late":        {150_000, func(i int) string { return fmt.Sprintf("v%d", i%(i/10+1)) }},
		"large entries":         {200, func(i int) string { return strings.Repeat(string(rune('a'+i%20)), 60_000*(1+i%2)/2) }},
		"runs":                  {100_000, func(i int) string { return fmt.Sprintf("case %d", i/6) }},
		"repeats after unique":  {90_000, func(i int) string { return fmt.Sprintf("v%d", min(i, 2000)) }},
		"width at a power of 2": {70_000, func(i int) string { return fmt.Sprintf("v%d", i%256) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
			require.NoError(t, err)
			for range 2 {
				enc.Reset()
				b := columns.NewBatch(schema)
				for i := range tt.rows {
					if i%11 == 10 {
						appendAny(b, nil)
					} else {
						appendAny(b, tt.value(i))
					}
				}
				got := readParquet(t, encode(t, enc, b), schema)
				require.Len(t, got, tt.rows)
				for i, row := range got {
					if i%11 == 10 {
						require.Nil(t, row[0])
					} else if want := tt.value(i); row[0] != want {
						require.Equal(t, want, row[0], "row %d", i)
					}
				}
			}
		})
	}
}

// TestParquetNullsBeginInALaterBatch makes the bits that tell values from nulls
// begin within a byte, and writes the file twice.
func TestParquetNullsBeginInALaterBatch(t *testing.T) {
	t.Parallel()
	one, null := []any{"x", 1, 1.5, 1, 2, 3, 4}, []any{nil, nil, nil, nil, nil, nil, nil}
	enc, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(t, err)
	batches := []*columns.Batch{batchOf(everyType, one, one, one), batchOf(everyType, null, one), batchOf(everyType, null)}
	data := encode(t, enc, batches...)
	require.Equal(t, [][]any{one, one, one, null, one, null}, readParquet(t, data, everyType))
	require.Equal(t, data, encode(t, enc))
}

func TestParquetRandomBatches(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			enc, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
			require.NoError(t, err)
			for range 3 {
				enc.Reset()
				want, batches := randomBatches(rng)
				require.Equal(t, want, readParquet(t, encode(t, enc, batches...), everyType))
			}
		})
	}
}

func randomBatches(rng *rand.Rand) (want [][]any, batches []*columns.Batch) {
	nullShare, words := rng.Float64(), rng.IntN(3000)+1
	want = [][]any{}
	for range rng.IntN(5) {
		b := columns.NewBatch(everyType)
		for range rng.IntN(4000) {
			row := []any{fmt.Sprint(rng.IntN(words)), int(rng.Int64()), rng.NormFloat64(), rng.IntN(2),
				rng.IntN(1 << 20), int(rng.Int64N(1 << 40)), rng.IntN(86_400_000)}
			for i := range row {
				if rng.Float64() < nullShare {
					row[i] = nil
				}
			}
			appendAny(b, row...)
			want = append(want, row)
		}
		batches = append(batches, b)
	}
	return want, batches
}

func TestParquetEncodersRunSideBySide(t *testing.T) {
	t.Parallel()
	rows := [][]any{{"x", 1, 1.5, 1, 2, 3, 4}, {nil, nil, nil, nil, nil, nil, nil}}
	shared := batchOf(everyType, rows...)
	files := make([][]byte, 4)
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() {
			enc, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{Compression: columns.CompressionZstd})
			if err != nil || enc.Append(shared) != nil {
				return
			}
			var buf bytes.Buffer
			if enc.Finish(&buf) == nil {
				files[i] = buf.Bytes()
			}
		})
	}
	wg.Wait()
	for _, file := range files {
		require.Equal(t, rows, readParquet(t, file, everyType))
	}
}

func TestParquetManyColumns(t *testing.T) {
	t.Parallel()
	schema := make(columns.Schema, 300)
	row := make([]any, len(schema))
	for i := range schema {
		schema[i] = columns.Field{Name: fmt.Sprintf("c%d", len(schema)-i), Type: columns.Integer}
		row[i] = i
	}
	enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
	require.NoError(t, err)
	require.Equal(t, [][]any{row}, readParquet(t, encode(t, enc, batchOf(schema, row)), schema))
}

func TestParquetSizeIsNearTheFile(t *testing.T) {
	t.Parallel()
	schema, batches := benchBatches()
	enc, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
	require.NoError(t, err)
	for _, b := range batches {
		require.NoError(t, enc.Append(b))
	}
	size := enc.Size()
	var buf bytes.Buffer
	require.NoError(t, enc.Finish(&buf))
	require.InEpsilon(t, buf.Len(), size, 0.3)
	enc.Reset()
	require.Zero(t, enc.Size())
	require.Zero(t, enc.Rows())
}

func TestEncodersRefuseAnotherSchema(t *testing.T) {
	t.Parallel()
	pq, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(t, err)
	other := everyType[:3]
	turned := append(columns.Schema{everyType[1], everyType[0]}, everyType[2:]...)
	short := columns.NewBatch(everyType)
	short.Rows = 1
	for _, enc := range []columns.ChunkEncoder{pq, columns.NewCSVEncoder(everyType, columns.CSVWriteOptions{})} {
		for _, b := range []*columns.Batch{columns.NewBatch(other), columns.NewBatch(turned), short} {
			require.Equal(t, fault.Internal, fault.CodeOf(enc.Append(b)))
		}
	}
	_, err = columns.NewParquetEncoder(everyType, columns.ParquetOptions{Compression: "lz4"})
	require.Equal(t, fault.Internal, fault.CodeOf(err))
}

// brokenWriter fails after some bytes.
type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestEncodersReportWriteErrors(t *testing.T) {
	t.Parallel()
	pq, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(t, err)
	for _, enc := range []columns.ChunkEncoder{pq, columns.NewCSVEncoder(everyType, columns.CSVWriteOptions{})} {
		require.NoError(t, enc.Append(batchOf(everyType, []any{"x", 1, 1.5, 1, 2, 3, 4})))
		require.ErrorIs(t, enc.Finish(&brokenWriter{left: 20}), io.ErrShortWrite)
	}
}
