package columns_test

import (
	"bytes"
	"fmt"
	"iter"
	"testing"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// rowsFrom gives n rows of which each third has nulls.
func rowsFrom(first, n int) *columns.Batch {
	b := columns.NewBatch(everyType)
	for r := first; r < first+n; r++ {
		for i := range b.Columns {
			c := &b.Columns[i]
			switch {
			case r%3 == 2:
				c.AppendNull()
			case c.Type == columns.String:
				c.AppendString(fmt.Appendf(nil, "text %d", r%5))
			case c.Type == columns.Float:
				c.AppendFloat(float64(r) / 8)
			case c.Type == columns.Boolean:
				c.AppendInt(int64(r % 2))
			default:
				c.AppendInt(int64(r))
			}
		}
	}
	b.Rows = n
	return b
}

func partOf(t *testing.T, b *columns.Batch, opt columns.ParquetOptions) columns.ParquetPart {
	t.Helper()
	e, err := columns.NewParquetEncoder(b.Schema, opt)
	require.NoError(t, err)
	if b.Rows > 0 {
		require.NoError(t, e.Append(b))
	}
	var out bytes.Buffer
	require.NoError(t, e.Finish(&out))
	return columns.ParquetPart{ReaderAt: bytes.NewReader(out.Bytes()), Size: int64(out.Len())}
}

func each(parts ...columns.ParquetPart) iter.Seq2[columns.ParquetPart, error] {
	return func(yield func(columns.ParquetPart, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func TestJoinParquet(t *testing.T) {
	t.Parallel()
	for _, compression := range []string{columns.CompressionSnappy, columns.CompressionZstd, columns.CompressionNone} {
		for _, sizes := range [][]int{{}, {0}, {0, 5}, {0, 1000, 7, 2500}, {0, 0, 3}} {
			parts, total := []columns.ParquetPart{partOf(t, rowsFrom(0, 0), columns.ParquetOptions{Compression: compression})}, 0
			for _, n := range sizes {
				parts = append(parts, partOf(t, rowsFrom(total, n), columns.ParquetOptions{Compression: compression}))
				total += n
			}
			var out bytes.Buffer
			rows, err := columns.JoinParquet(t.Context(), &out, each(parts...))
			require.NoError(t, err)
			require.EqualValues(t, total, rows)

			f, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
			require.NoError(t, err)
			require.EqualValues(t, total, f.NumRows())
			whole := partOf(t, rowsFrom(0, total), columns.ParquetOptions{Compression: compression})
			want, err := parquet.OpenFile(whole, whole.Size)
			require.NoError(t, err)
			require.Equal(t, allRows(t, want), allRows(t, f), "%s %v", compression, sizes)
			require.Equal(t, want.Schema().String(), f.Schema().String())
		}
	}
}

// allRows gives every value of a file as a foreign reader sees it.
func allRows(t *testing.T, f *parquet.File) (list []string) {
	t.Helper()
	for _, g := range f.RowGroups() {
		r := g.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := r.ReadRows(buf)
			for _, row := range buf[:n] {
				list = append(list, fmt.Sprintf("%+v", row))
			}
			if err != nil {
				break
			}
		}
		require.NoError(t, r.Close())
	}
	return list
}

func TestJoinParquetRefuses(t *testing.T) {
	t.Parallel()
	good := partOf(t, rowsFrom(0, 10), columns.ParquetOptions{})
	other := columns.NewBatch(columns.Schema{{Name: "A", Type: columns.Integer}})
	_, err := columns.JoinParquet(t.Context(), new(bytes.Buffer), each(good, partOf(t, other, columns.ParquetOptions{})))
	require.True(t, fault.Has(err, fault.Internal), "%v", err)
	_, err = columns.JoinParquet(t.Context(), new(bytes.Buffer), each(columns.ParquetPart{ReaderAt: good, Size: good.Size - 9}))
	require.True(t, fault.Has(err, fault.SourceTruncated), "%v", err)
}

// FuzzJoinParquet: whatever a part holds, joining it ends with a fault or with a file whose footer can be read.
func FuzzJoinParquet(f *testing.F) {
	e, err := columns.NewParquetEncoder(everyType, columns.ParquetOptions{})
	require.NoError(f, err)
	require.NoError(f, e.Append(rowsFrom(0, 20)))
	var seed bytes.Buffer
	require.NoError(f, e.Finish(&seed))
	f.Add(seed.Bytes())
	f.Add(seed.Bytes()[:seed.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		part := columns.ParquetPart{ReaderAt: bytes.NewReader(data), Size: int64(len(data))}
		var out bytes.Buffer
		if _, err := columns.JoinParquet(t.Context(), &out, each(part, part)); err != nil {
			return
		}
		r, err := columns.OpenParquet(bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
		if err == nil {
			require.NoError(t, r.Close())
		}
	})
}
