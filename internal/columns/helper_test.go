package columns_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// result is a source read to its end, in the order of the source.
type result struct {
	names []string
	rows  [][]string // null is "<null>", other kinds than text have a prefix
	index []int      // of each row among all records
	bad   []badRecord
	err   error
}

// badRecord is a RecordError with its place made absolute.
type badRecord struct {
	index  int
	line   int
	offset int64
	code   fault.Code
	field  string
	text   string
	msg    string
}

var kindPrefix = map[columns.Kind]string{columns.Number: "n:", columns.Bool: "b:", columns.JSON: "j:"}

// read reads a source whole.
func read(tb testing.TB, data []byte, opt columns.ReadOptions) result {
	tb.Helper()
	return readFrom(tb, bytes.NewReader(data), opt)
}

func readFrom(tb testing.TB, src io.Reader, opt columns.ReadOptions) (res result) {
	tb.Helper()
	rd, err := columns.Open(src, opt)
	if err != nil {
		return result{err: err}
	}
	defer func() { require.NoError(tb, rd.Close()) }()
	res.names = rd.Names()
	raw, seen := &columns.Raw{}, 0
	offset, line := int64(-1), -1
	for {
		b, err := rd.Next(context.Background())
		if err == io.EOF {
			return res
		}
		if err != nil {
			res.err = err
			return res
		}
		require.NoError(tb, rd.Decode(b, raw))
		if offset >= 0 {
			require.Equal(tb, offset, b.Offset, "blocks follow each other")
			require.Equal(tb, line, b.Line, "lines follow each other")
		}
		offset, line = b.Offset+int64(len(b.Data)), b.Line+raw.Lines
		res.add(tb, b, raw, seen)
		seen += raw.Seen()
		rd.Release(b)
	}
}

func (res *result) add(tb testing.TB, b columns.Block, raw *columns.Raw, seen int) {
	require.Len(tb, raw.Records, raw.Rows)
	if len(raw.Bad) == 0 {
		require.Nil(tb, raw.Index)
	} else {
		require.Len(tb, raw.Index, raw.Rows)
	}
	for r := range raw.Rows {
		row := make([]string, 0, len(raw.Names))
		for c := range raw.Names {
			if raw.Cells[c] == nil {
				row = append(row, "<unwanted>")
				continue
			}
			require.Len(tb, raw.Cells[c], raw.Rows)
			row = append(row, cellText(raw, raw.Cells[c][r]))
		}
		res.rows = append(res.rows, row)
		at := r
		if raw.Index != nil {
			at = raw.Index[r]
		}
		res.index = append(res.index, seen+at)
	}
	for _, e := range raw.Bad {
		res.bad = append(res.bad, badRecord{index: seen + e.Row, line: b.Line + e.Line, offset: b.Offset + int64(e.Place.Off),
			code: e.Code, field: e.Field, msg: e.Message, text: string(b.Data[e.Place.Off : e.Place.Off+e.Place.Len])})
	}
}

func cellText(raw *columns.Raw, c columns.Cell) string {
	if c.Kind == columns.Null {
		return "<null>"
	}
	return kindPrefix[c.Kind] + string(raw.Value(c))
}

// blockSizes cut a source at every sort of place.
var blockSizes = []int{1, 2, 3, 5, 8, 13, 64, 1000, 0}

// readEach reads a source with blocks of many sizes and makes sure that the
// outcome is the same.
func readEach(t *testing.T, data []byte, opt columns.ReadOptions) result {
	t.Helper()
	want := read(t, data, opt)
	for _, size := range blockSizes {
		opt.BlockSize = size
		got := read(t, data, opt)
		require.Equal(t, want.rows, got.rows, "block size %d", size)
		require.Equal(t, want.index, got.index, "block size %d", size)
		require.Equal(t, want.bad, got.bad, "block size %d", size)
		require.Equal(t, fault.CodeOf(want.err), fault.CodeOf(got.err), "block size %d", size)
		if want.err != nil {
			require.Equal(t, want.err.Error(), got.err.Error(), "block size %d", size)
		}
	}
	return want
}
