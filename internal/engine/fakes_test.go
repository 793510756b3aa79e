package engine_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// memoryJournal keeps checkpoints and, as the store does, one error a record.
type memoryJournal struct {
	mu         sync.Mutex
	checkpoint flows.Checkpoint
	errors     []flows.RecordError
}

func (j *memoryJournal) Save(_ context.Context, c flows.Checkpoint, found []flows.RecordError) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.checkpoint = c
	for _, e := range found {
		if !slices.ContainsFunc(j.errors, func(have flows.RecordError) bool { return have.Record == e.Record }) {
			j.errors = append(j.errors, e)
		}
	}
	return nil
}

func (j *memoryJournal) last() flows.Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checkpoint
}

// table is a destination that behaves as a data pool's table: chunks gather in
// a job and appear when it is executed; with keys, the first column tells rows apart.
type table struct {
	mu         sync.Mutex
	keyed      bool
	schema     columns.Schema
	jobs       map[string]map[int64][][]string // job → put → rows
	puts       int64
	made       int
	visible    [][]string
	aborted    []string
	takeAnyway bool
	onPut      func(jobID string, c engine.Chunk) error
	onCommit   func(jobID string) error
}

func newTable(keyed bool) *table {
	return &table{
		keyed: keyed, jobs: map[string]map[int64][][]string{},
		onPut:    func(string, engine.Chunk) error { return nil },
		onCommit: func(string) error { return nil },
	}
}

func (t *table) Resume(ctx context.Context, c flows.Checkpoint) (engine.Decision, error) {
	t.mu.Lock()
	_, there := t.jobs[c.PushJobID]
	t.mu.Unlock()
	switch {
	case there && c.Submitted:
		return engine.Finish, nil
	case there && t.keyed:
		return engine.GoOn, nil
	}
	return engine.StartOver, t.Abort(ctx, c.PushJobID)
}

func (t *table) Begin(_ context.Context, schema columns.Schema) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made++
	t.schema = schema
	id := fmt.Sprintf("job-%d", t.made)
	t.jobs[id] = map[int64][][]string{}
	return id, nil
}

func (t *table) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	return columns.NewCSVEncoder(schema, columns.CSVWriteOptions{}), nil
}

func (t *table) Put(_ context.Context, jobID string, c engine.Chunk) error {
	rows, err := csv.NewReader(bytes.NewReader(c.Body)).ReadAll()
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.onPut(jobID, c); err != nil {
		if t.takeAnyway {
			t.take(jobID, rows[1:])
		}
		return err
	}
	if int64(len(rows)-1) != c.Rows {
		return fmt.Errorf("the chunk says %d rows and has %d", c.Rows, len(rows)-1)
	}
	t.take(jobID, rows[1:])
	return nil
}

func (t *table) take(jobID string, rows [][]string) {
	t.puts++
	t.jobs[jobID][t.puts] = rows
}

func (t *table) Commit(_ context.Context, jobID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	job, there := t.jobs[jobID]
	if !there {
		return fault.New(fault.CelonisJobGone, "gone")
	}
	if err := t.onCommit(jobID); err != nil {
		return err
	}
	t.visible = nil
	byKey := map[string]int{}
	for _, put := range slices.Sorted(maps.Keys(job)) {
		for _, row := range job[put] {
			if at, dup := byKey[row[0]]; dup && t.keyed {
				t.visible[at] = row
				continue
			}
			byKey[row[0]] = len(t.visible)
			t.visible = append(t.visible, row)
		}
	}
	// Chunks arrive in any order; a table has none.
	slices.SortStableFunc(t.visible, func(a, b []string) int {
		if len(a[0]) != len(b[0]) {
			return len(a[0]) - len(b[0])
		}
		return bytes.Compare([]byte(a[0]), []byte(b[0]))
	})
	return nil
}

func (t *table) Abort(_ context.Context, jobID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.jobs[jobID]; there {
		t.aborted = append(t.aborted, jobID)
		delete(t.jobs, jobID)
	}
	return nil
}

// discard takes everything and keeps nothing.
type discard struct{}

func (discard) Resume(context.Context, flows.Checkpoint) (engine.Decision, error) {
	return engine.StartOver, nil
}
func (discard) Begin(context.Context, columns.Schema) (string, error) { return "job", nil }
func (discard) Encoder(s columns.Schema) (columns.ChunkEncoder, error) {
	return columns.NewParquetEncoder(s, columns.ParquetOptions{})
}
func (discard) Put(_ context.Context, _ string, c engine.Chunk) error {
	_, err := io.Discard.Write(c.Body)
	return err
}
func (discard) Commit(context.Context, string) error { return nil }
func (discard) Abort(context.Context, string) error  { return nil }
