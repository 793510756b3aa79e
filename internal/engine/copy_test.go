package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
)

// pageTable is a table that takes Parquet chunks of any writer; encoded counts
// the rows that were decoded and written anew.
type pageTable struct {
	*table
	encoded *atomic.Int64
}

// countingEncoder counts the rows that it encodes.
type countingEncoder struct {
	columns.ChunkEncoder
	rows *atomic.Int64
}

func (e countingEncoder) Append(b *columns.Batch) error {
	e.rows.Add(int64(b.Rows))
	return e.ChunkEncoder.Append(b)
}

func (pageTable) Pages() (columns.ParquetOptions, bool) { return columns.ParquetOptions{}, true }

func (t pageTable) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	e, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
	return countingEncoder{e, t.encoded}, err
}

func (t pageTable) Put(ctx context.Context, jobID string, c engine.Chunk) error {
	r, err := columns.OpenParquet(bytes.NewReader(c.Body), int64(len(c.Body)), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	var out strings.Builder
	out.WriteString("id,text\n")
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		batch := r.DecodeTyped(b)
		for i := range batch.Rows {
			fmt.Fprintf(&out, "%d,%s\n", batch.Columns[0].Ints[i], batch.Columns[1].StringAt(i))
		}
	}
	c.Body = []byte(out.String())
	return t.table.Put(ctx, jobID, c)
}

type pageRow struct {
	ID   int64  `parquet:"id"`
	Text string `parquet:"text,plain"`
}

const copyGroup, copyGroups = 100, 4

// noise makes letters that do not compress.
type noise struct{ *rand.Rand }

func (n noise) Bytes(size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = 'a' + byte(n.IntN(16))
	}
	return out
}

// pageFile has row groups of texts of size bytes; the one of row long has a byte more.
func pageFile(t *testing.T, size, long int) []byte {
	t.Helper()
	noise := noise{rand.New(rand.NewPCG(1, 2))}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[pageRow](&buf, parquet.DataPageVersion(1), parquet.Compression(&parquet.Snappy))
	for i := range copyGroups * copyGroup {
		row := pageRow{int64(i), string(noise.Bytes(size))}
		if i == long {
			row.Text += "x"
		}
		_, err := w.Write([]pageRow{row})
		require.NoError(t, err)
		if (i+1)%copyGroup == 0 {
			require.NoError(t, w.Flush())
		}
	}
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func TestRowGroupsAreCopiedUntilOneHasToBeDecoded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size, long     int
		copied, errors int64
	}{
		"all, put together": {10, -1, 400, 0}, "none": {10, 150, 0, 1}, "all": {60_000, -1, 400, 0}, "some": {60_000, 250, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := []flows.Rule{{From: "id", To: "id", Type: "integer"}, {From: "text", To: "text", Type: "string", Length: tt.size}}
			to, j := pageTable{newTable(true), new(atomic.Int64)}, &memoryJournal{}
			e := engine.New(engine.Options{TempDir: t.TempDir(), Encoders: 2})
			ledger, err := e.Run(t.Context(), engine.Job{
				Source: parquetFile(pageFile(t, tt.size, tt.long)), Sink: to, Journal: j, Rules: rules, MaxErrors: flows.Threshold{Count: 10},
			})
			require.NoError(t, err)
			require.Equal(t, tt.copied, ledger.Pushed-to.encoded.Load())
			require.Equal(t, flows.Ledger{Read: 400, Pushed: 400 - tt.errors, Errored: tt.errors}, ledger)
			require.Len(t, to.visible, int(400-tt.errors))
			require.Len(t, j.errors, int(tt.errors))
			if tt.errors > 0 {
				require.EqualValues(t, tt.long+1, j.errors[0].Record)
			}
		})
	}
}
