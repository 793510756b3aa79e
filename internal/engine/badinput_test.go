package engine_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// sourceFunc opens a source that a test makes.
type sourceFunc func(ctx context.Context, want []string) (*engine.Stream, error)

func (f sourceFunc) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	return f(ctx, want)
}

// stream is a source of text with the usual sizes.
func stream(format columns.Format, open func() io.Reader) engine.Source {
	return sourceFunc(func(_ context.Context, want []string) (*engine.Stream, error) {
		r, err := columns.Open(open(), columns.ReadOptions{Format: format, Want: want, Strict: want == nil})
		if err != nil {
			return nil, err
		}
		return &engine.Stream{Reader: r, NamesComplete: format == columns.FormatCSV, Typed: format != columns.FormatCSV, MustHaveRows: true}, nil
	})
}

func parquetFile(data []byte) engine.Source {
	return sourceFunc(func(_ context.Context, want []string) (*engine.Stream, error) {
		r, err := columns.OpenParquet(bytes.NewReader(data), int64(len(data)), want)
		if err != nil {
			return nil, err
		}
		return &engine.Stream{Reader: r, NamesComplete: true, Typed: true, MustHaveRows: true}, nil
	})
}

// endless is n bytes of one letter.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

func zipped(text string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = io.WriteString(z, text) // memory cannot fail
	_ = z.Close()
	return out.Bytes()
}

func TestBadInputEndsClearlyAndInBoundedMemory(t *testing.T) {
	packed := zipped(text(200_000))
	type nested struct {
		ID   int64
		Tags []string
	}
	var deep bytes.Buffer
	require.NoError(t, parquet.Write(&deep, []nested{{1, []string{"a"}}}))
	wide := strings.Repeat("c", 3)
	for i := range 4_999 {
		wide += fmt.Sprintf(",c%d", i)
	}
	late := strings.Repeat("1,a,2\n", 40_000)
	csv := func(text string) engine.Source {
		return stream(columns.FormatCSV, func() io.Reader { return strings.NewReader(text) })
	}
	for name, c := range map[string]struct {
		source engine.Source
		code   fault.Code // of the run
		say    string
		pushed int64
		bad    fault.Code // of a record error
		badSay string
	}{
		"truncated gzip": {source: stream(columns.FormatCSV, func() io.Reader { return bytes.NewReader(packed[:len(packed)/2]) }),
			code: fault.SourceTruncated, say: "input byte"},
		"damaged gzip": {source: stream(columns.FormatCSV, func() io.Reader {
			broken := bytes.Clone(packed)
			copy(broken[len(broken)/2:], strings.Repeat("\xa5", 64))
			return bytes.NewReader(broken)
		}), code: fault.SourceFormat, say: "input byte"},
		"nested Parquet":    {source: parquetFile(deep.Bytes()), code: fault.SourceUnsupported, say: `"Tags" (a repeated column)`},
		"truncated Parquet": {source: parquetFile(deep.Bytes()[:deep.Len()/2]), code: fault.SourceTruncated, say: "PAR1"},
		"200 MB line, CSV": {source: stream(columns.FormatCSV, func() io.Reader {
			return io.MultiReader(strings.NewReader("ID\n1\n"), &endless{200 << 20})
		}), code: fault.SourceLineTooLong, say: "line 3, byte 5"},
		"200 MB line, NDJSON": {source: stream(columns.FormatNDJSON, func() io.Reader {
			return io.MultiReader(strings.NewReader("{\"ID\":1}\n{\"ID\":\""), &endless{200 << 20})
		}), code: fault.SourceLineTooLong, say: "line 2, byte 9"},
		"200 MB element, JSON": {source: stream(columns.FormatJSON, func() io.Reader {
			return io.MultiReader(strings.NewReader("[{\"ID\":1},\n{\"ID\":\""), &endless{200 << 20})
		}), code: fault.SourceLineTooLong, say: "byte"},
		"5,000 columns":        {source: csv(wide + "\n"), code: fault.SourceTooManyCols, say: "4000"},
		"NUL at the start":     {source: csv("ID,NAME\n1,\x00a\n"), code: fault.SourceFormat, say: "byte 10 is NUL"},
		"NUL later":            {source: csv("ID,NAME,N\n" + late + "7,b\x00,1\n8,c,2\n"), pushed: 40_001, bad: fault.RecordMalformed, badSay: "byte 240013"},
		"invalid UTF-8":        {source: csv("ID,NAME\n1,a\n2,\xff\xfe\n3,c\n"), pushed: 2, bad: fault.ValueEncoding, badSay: "byte 14"},
		"mixed line ends":      {source: csv("ID,NAME\r\n1,a\n2,b\r3,c\r\n4,d"), pushed: 4},
		"a mark in the middle": {source: csv("\xef\xbb\xbfID,NAME\n1,a\n\xef\xbb\xbfID,NAME\n2,b\n"), pushed: 2, bad: fault.RecordMalformed, badSay: "byte order mark (byte 15"},
		"half a surrogate":     {source: stream(columns.FormatNDJSON, func() io.Reader { return strings.NewReader("{\"ID\":\"\\ud800\"}\n{\"ID\":\"a\"}\n") }), pushed: 1, bad: fault.RecordMalformed, badSay: "escape"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			sink, journal := newTable(false), &memoryJournal{}
			ledger, err := engine.New(engine.Options{}).Run(t.Context(), engine.Job{
				Source: c.source, Sink: sink, Journal: journal, Policy: flows.Evolve, MaxErrors: flows.Threshold{Count: 10},
			})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
			if c.code != "" {
				require.True(t, fault.Has(err, c.code), "%v", err)
				require.Contains(t, err.Error(), c.say)
				require.Empty(t, sink.visible)
				return
			}
			require.NoError(t, err)
			require.True(t, ledger.Balanced())
			require.Equal(t, c.pushed, ledger.Pushed)
			if c.bad == "" {
				require.Empty(t, journal.errors)
				return
			}
			require.Len(t, journal.errors, 1)
			require.Equal(t, c.bad, journal.errors[0].Code)
			require.Contains(t, journal.errors[0].Message, c.badSay)
		})
	}
}

func TestParquetThroughTheEngine(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   int64    `parquet:"ID"`
		Name *string  `parquet:"NAME,optional"`
		Cost *float64 `parquet:"AMOUNT,optional"`
		Day  int32    `parquet:"DAY,date"`
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[row](&out, parquet.MaxRowsPerRowGroup(9_000))
	const rows = 20_000
	for i := range rows {
		name, cost := fmt.Sprintf("name %d", i), float64(i)+0.5
		_, err := w.Write([]row{{int64(i), &name, &cost, int32(i % 20_000)}})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())

	// Types pass through, and a broken upload goes on at its row.
	sink, journal := newTable(true), &memoryJournal{}
	broken := false
	sink.onPut = func(_ string, c engine.Chunk) error {
		if c.Seq == 2 && !broken {
			broken = true
			return fault.New(fault.CelonisServer, "broken")
		}
		return nil
	}
	job := engine.Job{Source: parquetFile(out.Bytes()), Sink: sink, Journal: journal, Policy: flows.Evolve}
	e := engine.New(engine.Options{ChunkBytes: 200_000})
	_, err := e.Run(t.Context(), job)
	require.True(t, fault.Has(err, fault.CelonisServer), "%v", err)
	job.Checkpoint = journal.last()
	ledger, err := e.Run(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: rows, Pushed: rows}, ledger)
	require.Equal(t, 1, sink.made)
	require.Equal(t, []columns.Type{columns.Integer, columns.String, columns.Float, columns.Date},
		[]columns.Type{sink.schema[0].Type, sink.schema[1].Type, sink.schema[2].Type, sink.schema[3].Type})
	require.Equal(t, []string{"19999", "name 19999", "19999.5", "2024-10-03"}, sink.visible[rows-1])

	// A mapping converts, and refuses what does not fit.
	r := runPolicy(parquetFile(out.Bytes()), flows.DiscardRow,
		flows.Rule{To: "ID", Type: "string", Length: 4}, flows.Rule{To: "AT", From: "DAY", Type: "datetime"}, flows.Rule{To: "N", From: "NAME", Length: 100},
		flows.Rule{To: "NONE", From: "AMOUNT", Type: "string", Length: 20})
	require.NoError(t, r.err)
	require.Equal(t, flows.Ledger{Read: rows, Pushed: 10_000, Errored: 10_000}, r.ledger)
	require.Equal(t, []string{"9999", "1997-05-18T00:00:00.000Z", "name 9999", "9999.5"}, r.table.visible[9_999])
	i := slices.IndexFunc(r.journal.errors, func(e flows.RecordError) bool { return e.Record == 10_001 })
	require.Equal(t, fault.ValueTooLong, r.journal.errors[i].Code)
	require.JSONEq(t, `{"ID":10000,"NAME":"name 10000","AMOUNT":10000.5,"DAY":"1997-05-19"}`, string(r.journal.errors[i].Data))

	// Text longer than its column in the sample widens it.
	r = runPolicy(parquetFile(out.Bytes()), flows.Evolve, flows.Rule{To: "ID", Type: "string", Length: 4})
	require.NoError(t, r.err)
	require.EqualValues(t, rows, r.ledger.Pushed)
}
