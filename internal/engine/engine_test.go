package engine_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// small makes many blocks, batches and chunks of a short text.
func small() *engine.Engine {
	return engine.New(engine.Options{ChunkBytes: 2_000, Decoders: 3, Encoders: 2, Uploads: 3})
}

func text(rows int) string {
	var b strings.Builder
	b.WriteString("ID,NAME,AMOUNT\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,name %d,%d.5\n", i, i, i)
	}
	return b.String()
}

func rules() []flows.Rule {
	return []flows.Rule{
		{To: "ID", Type: "integer", Required: true},
		{To: "NAME", Type: "string", Length: 40},
		{To: "AMOUNT", Type: "float"},
	}
}

func TestEveryRecordBecomesARowInOrder(t *testing.T) {
	t.Parallel()
	const rows = 5_000
	sink := newTable(false)
	journal := &memoryJournal{}
	ledger, err := small().Run(t.Context(), engine.Job{
		Source: csvText(text(rows)), Sink: sink, Journal: journal, Rules: rules(), MaxErrors: flows.Threshold{Count: 10},
	})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: rows, Pushed: rows}, ledger)
	require.Len(t, sink.visible, rows)
	for i, row := range sink.visible {
		require.Equal(t, []string{fmt.Sprint(i), fmt.Sprintf("name %d", i), fmt.Sprintf("%d.5", i)}, row)
	}
	last := journal.last()
	require.True(t, last.Submitted)
	require.Equal(t, ledger, last.Ledger)
	require.Greater(t, last.Chunks, int64(10), "the test means to make many chunks")
	require.Equal(t, "job-1", last.PushJobID)
}

func TestTheJobIsOnRecordBeforeItsFirstChunk(t *testing.T) {
	t.Parallel()
	sink := newTable(false)
	journal := &memoryJournal{}
	sink.onPut = func(jobID string, _ engine.Chunk) error {
		if journal.last().PushJobID != jobID {
			return errors.New("a chunk went out before the job's id was saved")
		}
		return nil
	}
	_, err := small().Run(t.Context(), engine.Job{Source: csvText(text(500)), Sink: sink, Journal: journal, Rules: rules()})
	require.NoError(t, err)
}

func TestNothingIsCommittedBeforeTheCheckpointSaysSo(t *testing.T) {
	t.Parallel()
	sink := newTable(false)
	journal := &memoryJournal{}
	sink.onCommit = func(string) error {
		if c := journal.last(); !c.Submitted || c.Ledger.Pushed != 500 {
			return errors.New("the job was executed before its checkpoint was complete")
		}
		return nil
	}
	_, err := small().Run(t.Context(), engine.Job{Source: csvText(text(500)), Sink: sink, Journal: journal, Rules: rules()})
	require.NoError(t, err)
}

func TestBadRecordsGoToTheErrorStoreAndTheRestGoesThrough(t *testing.T) {
	t.Parallel()
	body := "ID,NAME,AMOUNT\n1,a,1\nx,b,2\n3,c,3,4\n4,d,4\n,e,5\n"
	journal := &memoryJournal{}
	sink := newTable(false)
	ledger, err := small().Run(t.Context(), engine.Job{
		Source: csvText(body), Sink: sink, Journal: journal, Rules: rules(), MaxErrors: flows.Threshold{Count: 3},
	})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 5, Pushed: 2, Errored: 3}, ledger)
	require.True(t, ledger.Balanced())
	require.Len(t, sink.visible, 2)

	found := journal.errors
	require.Len(t, found, 3)
	require.Equal(t, []fault.Code{fault.ValueType, fault.RecordCells, fault.ValueRequired}, []fault.Code{found[0].Code, found[1].Code, found[2].Code})
	require.Equal(t, []int64{2, 3, 5}, []int64{found[0].Record, found[1].Record, found[2].Record})
	require.Equal(t, []int64{3, 4, 6}, []int64{found[0].Line, found[1].Line, found[2].Line})
	require.EqualValues(t, strings.Index(body, "x,b"), found[0].Offset)
	require.Equal(t, "x,b,2", strings.TrimRight(string(found[0].Data), "\n"))
	require.Equal(t, "ID", found[0].Field)
}

func TestTooManyBadRecordsFailTheRunAndKeepTheErrors(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]flows.Threshold{"count": {Count: 2}, "percent": {Percent: 50}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journal := &memoryJournal{}
			sink := newTable(false)
			_, err := small().Run(t.Context(), engine.Job{
				Source: csvText("ID,NAME,AMOUNT\n1,a,1\nx,b,2\ny,c,3\nz,d,4\n"), Sink: sink, Journal: journal, Rules: rules(), MaxErrors: limit,
			})
			require.True(t, fault.Has(err, fault.RunTooManyErrors), "%v", err)
			require.Contains(t, err.Error(), limit.String())
			require.Empty(t, sink.visible)
			require.Len(t, journal.errors, 3)
		})
	}
}

func TestASourceWithoutRowsIsAFaultWhereRowsMustCome(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]fault.Code{
		"":                             fault.SourceEmpty,
		"ID,NAME,AMOUNT\n":             fault.SourceEmpty,
		"ID,NAME,AMOUNT\nx,a,1\n":      fault.RunTooManyErrors,
		"ID,id,AMOUNT\n1,a,1\n":        fault.SourceHeader,
		"ID,NAME,AMOUNT\n1,\"a,1\n":    fault.SourceTruncated,
		"OTHER,NAME,AMOUNT\n1,a,1\n":   fault.MappingField,
		"ID,NAME,AMOUNT\n\x00\x00\x00": fault.SourceFormat,
	} {
		sink := newTable(false)
		_, err := small().Run(t.Context(), engine.Job{
			Source: csvText(body), Sink: sink, Journal: &memoryJournal{}, Rules: rules(), MaxErrors: flows.Threshold{Count: 100},
		})
		require.True(t, fault.Has(err, code), "%q: %v", body, err)
		require.Empty(t, sink.visible)
	}
}

func TestNoMappingTakesEveryFieldWithInferredTypes(t *testing.T) {
	t.Parallel()
	sink := newTable(false)
	_, err := small().Run(t.Context(), engine.Job{Source: csvText(text(50)), Sink: sink, Journal: &memoryJournal{}})
	require.NoError(t, err)
	require.Equal(t, []string{"ID", "NAME", "AMOUNT"}, sink.schema.Names())
	require.Equal(t, columns.Integer, sink.schema[0].Type)
	require.Equal(t, columns.String, sink.schema[1].Type)
	require.Positive(t, sink.schema[1].Length)
	require.Equal(t, columns.Float, sink.schema[2].Type)
}

func TestAChunkInDoubtMakesANewJobWhereRepeatingWouldDouble(t *testing.T) {
	t.Parallel()
	sink := newTable(false)
	failed := false
	sink.onPut = func(_ string, c engine.Chunk) error {
		if c.Seq == 2 && !failed {
			failed = true
			sink.takeAnyway = true
			return fault.New(fault.CelonisChunkInDoubt, "the answer was lost")
		}
		return nil
	}
	journal := &memoryJournal{}
	ledger, err := small().Run(t.Context(), engine.Job{Source: csvText(text(2_000)), Sink: sink, Journal: journal, Rules: rules()})
	require.NoError(t, err)
	require.True(t, failed)
	require.EqualValues(t, 2_000, ledger.Pushed)
	require.Len(t, sink.visible, 2_000)
	require.Equal(t, []string{"job-1"}, sink.aborted)
	require.Equal(t, "job-2", journal.last().PushJobID)
}

func TestAPanicIsAFaultOfTheRun(t *testing.T) {
	t.Parallel()
	sink := newTable(false)
	sink.onPut = func(string, engine.Chunk) error { panic("a secret of the code") }
	_, err := small().Run(t.Context(), engine.Job{Source: csvText(text(2_000)), Sink: sink, Journal: &memoryJournal{}, Rules: rules()})
	require.True(t, fault.Has(err, fault.RunPanic), "%v", err)
	require.NotContains(t, fault.From(err).Message, "secret of the code", "a panic's text is for the log")
}

func TestACancelEndsTheAttemptWithItsCause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := fault.New(fault.RunCanceled, "the run was canceled")
	sink := newTable(false)
	sink.onPut = func(string, engine.Chunk) error { cancel(cause); return nil }
	_, err := small().Run(ctx, engine.Job{Source: csvText(text(100_000)), Sink: sink, Journal: &memoryJournal{}, Rules: rules()})
	require.ErrorIs(t, err, cause)
	require.Empty(t, sink.visible)
}

// TestAnyFaultsAnyResume is the promise: whatever breaks and whenever, the
// table has each row once and the ledger balances.
func TestAnyFaultsAnyResume(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 3_000).Draw(t, "rows")
		keyed := rapid.Bool().Draw(t, "keyed")
		body := text(rows)
		sink, journal := newTable(keyed), &memoryJournal{}
		faults := rapid.SliceOfN(rapid.IntRange(0, 60), 0, 6).Draw(t, "puts that fail")
		taken := rapid.Bool().Draw(t, "a failed put is taken all the same")
		puts := 0
		sink.onPut = func(string, engine.Chunk) error {
			puts++
			for _, f := range faults {
				if f == puts {
					sink.takeAnyway = taken
					return fault.New(fault.CelonisServer, "broken")
				}
			}
			return nil
		}
		e := engine.New(engine.Options{
			ChunkBytes: rapid.IntRange(200, 20_000).Draw(t, "chunk"),
			Decoders:   rapid.IntRange(1, 4).Draw(t, "decoders"),
			Encoders:   rapid.IntRange(1, 3).Draw(t, "encoders"),
			Uploads:    rapid.IntRange(1, 4).Draw(t, "uploads"),
		})
		var ledger flows.Ledger
		err := errors.New("not yet run")
		for attempt := 0; err != nil && attempt <= len(faults); attempt++ {
			ledger, err = e.Run(context.Background(), engine.Job{
				Source: csvText(body), Sink: sink, Journal: journal, Rules: rules(), Checkpoint: journal.last(),
			})
		}
		require.NoError(t, err)
		require.Equal(t, flows.Ledger{Read: int64(rows), Pushed: int64(rows)}, ledger)
		require.Len(t, sink.visible, rows)
		want, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		require.NoError(t, err)
		require.ElementsMatch(t, want[1:], sink.visible)
	})
}

func BenchmarkRun(b *testing.B) {
	body := text(200_000)
	e := engine.New(engine.Options{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := e.Run(b.Context(), engine.Job{Source: csvText(body), Sink: discard{}, Journal: &memoryJournal{}, Rules: rules()})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(200_000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// csvText is a source over a text, cut into small blocks.
type csvText string

func (s csvText) Open(_ context.Context, want []string) (*engine.Stream, error) {
	r, err := columns.Open(bytes.NewReader([]byte(s)), columns.ReadOptions{Format: columns.FormatCSV, BlockSize: 700, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	return &engine.Stream{Reader: r, NamesComplete: true, MustHaveRows: true, InputSize: int64(len(s))}, nil
}
