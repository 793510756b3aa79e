package columns_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// TestLongLineIsRefusedInBoundedMemory gives each format a record of 200 MB.
func TestLongLineIsRefusedInBoundedMemory(t *testing.T) {
	const size, most = 200 << 20, 100 << 20
	for name, tt := range map[string]struct {
		format columns.Format
		head   string
	}{
		"csv":         {columns.FormatCSV, "a,b\n1,2\n3,\""},
		"ndjson":      {columns.FormatNDJSON, "{\"a\":1}\n{\"a\":\""},
		"json":        {columns.FormatJSON, "[{\"a\":1},\n{\"a\":\""},
		"json nested": {columns.FormatJSON, "[{\"a\":1},\n{\"a\":[{\"b\":\"\\\"}\"}],\"c\":\""},
		"json number": {columns.FormatJSON, "[{\"a\":1},\n{\"a\":[1,2,3"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			src := &longLine{left: size}
			opt := columns.ReadOptions{Format: tt.format, BlockSize: 4096}
			res := readFrom(t, io.MultiReader(strings.NewReader(tt.head), src), opt)
			runtime.ReadMemStats(&after)
			require.Equal(t, fault.SourceLineTooLong, fault.CodeOf(res.err), "%v", res.err)
			require.Contains(t, res.err.Error(), "the record at line ")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most), "allocated in all")
			require.Greater(t, src.left, size/2, "the rest is not read")
		})
	}
}

// TestCompressionBombIsRefusedInBoundedMemory unpacks 200 MB of one line from a
// small gzip file.
func TestCompressionBombIsRefusedInBoundedMemory(t *testing.T) {
	bomb := append(gzipped(t, "a\n"), bytes.Repeat(gzipped(t, strings.Repeat("x", 10<<20)), 20)...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	res := read(t, bomb, csvOpt())
	runtime.ReadMemStats(&after)
	require.Equal(t, fault.SourceLineTooLong, fault.CodeOf(res.err))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
}
