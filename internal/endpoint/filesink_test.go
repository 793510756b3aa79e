package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/spool"
)

// shelf is the files of a workspace and the fence of the worker that has the run.
type shelf struct {
	mu    sync.Mutex
	fence int64
	files map[string]*flows.File
	// fail, when set, breaks the storing of a file: before its bytes get their place, or after.
	failBefore, failAfter error
}

// AddRunFile implements flows.RunFileStore.
func (s *shelf) AddRunFile(_ context.Context, t flows.Token, f *flows.File, publish func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Fence != s.fence {
		return fault.New(fault.RunLeaseLost, "another worker has the run")
	}
	if s.files[f.ID] != nil {
		return nil
	}
	if s.failBefore != nil {
		return s.failBefore
	}
	if err := publish(); err != nil {
		return err
	}
	if s.failAfter != nil {
		return s.failAfter
	}
	s.files[f.ID] = f
	return nil
}

// File implements flows.RunFileStore.
func (s *shelf) File(_ context.Context, _, id string) (*flows.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[id]; f != nil {
		return f, nil
	}
	return nil, fault.New(fault.FileNotFound, "there is no file")
}

// maker does attempts of one run that makes a file.
type maker struct {
	*kit
	shelf *shelf
	spool *spool.Spool
	dir   string
	flow  *flows.Flow
	path  string
	run   *flows.Run
	j     *journal
}

func newMaker(t *testing.T, i flows.Import, rows []string) *maker {
	t.Helper()
	i.Type, i.FileName = flows.ImportFile, "out"
	m := &maker{kit: newKit(t), shelf: &shelf{files: map[string]*flows.File{}}, dir: t.TempDir(), j: &journal{}}
	var err error
	m.spool, err = spool.Open(m.dir)
	require.NoError(t, err)
	m.deps.FileSpool, m.deps.RunFiles = m.spool, m.shelf
	m.path = m.csv(rows...)
	m.flow = &flows.Flow{ID: "flow", Workspace: "w", Spec: flows.Spec{Name: "flow", Mapping: rules(), Import: i,
		Export: flows.Export{Type: flows.ExportFile, Path: m.path, Format: flows.CSV}}}
	m.run = &flows.Run{ID: "run", Workspace: "w", FlowID: "flow", CreatedAt: time.Now()}
	return m
}

// sinkOf makes the sink of the worker with the fence.
func (m *maker) sinkOf(fence int64) engine.Sink {
	m.t.Helper()
	r := *m.run
	r.Fence = fence
	s, err := endpoint.NewBuilder(m.deps).RunSink(m.t.Context(), m.flow, &r)
	require.NoError(m.t, err)
	return s
}

// attempt makes one more attempt, by another worker.
func (m *maker) attempt() (flows.Ledger, error) {
	m.t.Helper()
	m.shelf.fence++
	source, err := endpoint.NewBuilder(m.deps).Source(m.flow, m.run)
	require.NoError(m.t, err)
	return engine.New(m.options).Run(m.t.Context(), engine.Job{
		Source: source, Sink: m.sinkOf(m.shelf.fence), Journal: m.j, Rules: m.flow.Mapping, MaxErrors: flows.Threshold{Count: 10}, Checkpoint: m.j.checkpoint(),
	})
}

// whole gives the one file that was made; nothing else is on disk.
func (m *maker) whole() (f *flows.File, text string) {
	m.t.Helper()
	require.Len(m.t, m.shelf.files, 1)
	for _, f = range m.shelf.files {
	}
	body, err := os.ReadFile(filepath.Join(m.dir, f.ID))
	require.NoError(m.t, err)
	require.EqualValues(m.t, f.Bytes, len(body))
	left, err := filepath.Glob(filepath.Join(m.dir, "making", "*"))
	require.NoError(m.t, err)
	require.Empty(m.t, left)
	entries, err := os.ReadDir(m.dir)
	require.NoError(m.t, err)
	for _, e := range entries {
		require.Contains(m.t, []string{f.ID, "making"}, e.Name())
	}
	return f, string(body)
}

func ndjsonOf(rows []string) string {
	var b strings.Builder
	for _, r := range rows {
		cells := strings.Split(r, ",")
		fmt.Fprintf(&b, "{\"ID\":%s,\"NAME\":%q,\"N\":%s}\n", cells[0], cells[1], cells[2])
	}
	return b.String()
}

// A run whose worker dies at any of its checkpoints makes the file all the same, with every row once and in order.
func TestAFileWhoseWorkerDies(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	for deaths := 1; ; deaths++ {
		m := newMaker(t, flows.Import{Format: flows.NDJSON}, rows)
		saves := 0
		m.j.fail = func(flows.Checkpoint) error {
			if saves++; saves == deaths {
				return errCrash
			}
			return nil
		}
		ledger, err := m.attempt()
		died := err != nil
		if died {
			require.ErrorIs(t, err, errCrash)
			require.Empty(t, m.shelf.files, "a file is there before the run was committed")
			ledger, err = m.attempt()
			require.NoError(t, err, "death at checkpoint %d", deaths)
		}
		require.EqualValues(t, len(rows), ledger.Pushed)
		f, text := m.whole()
		require.Equal(t, ndjsonOf(rows), text, "death at checkpoint %d", deaths)
		require.Equal(t, []any{int64(len(rows)), "out.ndjson"}, []any{f.Rows, f.Name})
		if !died {
			require.Greater(t, deaths, 4)
			return
		}
	}
}

// The worker may die while it commits, too: before the bytes have their place, and between that and the row.
func TestAFileWhoseWorkerDiesInTheCommit(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	for name, set := range map[string]func(*shelf, error){
		"before": func(s *shelf, err error) { s.failBefore = err }, "after": func(s *shelf, err error) { s.failAfter = err },
	} {
		m := newMaker(t, flows.Import{Format: flows.CSV}, rows)
		set(m.shelf, errCrash)
		_, err := m.attempt()
		require.ErrorIs(t, err, errCrash, name)
		require.True(t, m.j.checkpoint().Submitted)
		set(m.shelf, nil)
		_, err = m.attempt()
		require.NoError(t, err)
		_, text := m.whole()
		require.Equal(t, len(rows)+1, strings.Count(text, "\r\n"), name)

		again := m.sinkOf(m.shelf.fence) // an attempt that had stored the file and died before its run was settled
		decision, err := again.Resume(t.Context(), m.j.checkpoint())
		require.NoError(t, err)
		require.Equal(t, engine.Finish, decision)
		_, err = m.attempt()
		require.NoError(t, err)
		m.whole()
	}
}

// Pieces that are on another machine make the run begin anew.
func TestAFileWhosePiecesAreElsewhere(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	for _, submitted := range []bool{false, true} {
		m := newMaker(t, flows.Import{Format: flows.ParquetFile}, rows)
		m.j.fail = func(c flows.Checkpoint) error {
			if !submitted && c.Chunks > 2 || submitted && m.j.last.Submitted {
				return errCrash
			}
			return nil
		}
		if submitted {
			m.shelf.failBefore = errCrash
		}
		_, err := m.attempt()
		require.ErrorIs(t, err, errCrash)
		m.j.fail, m.shelf.failBefore = nil, nil
		was := m.j.checkpoint().PushJobID
		require.NoError(t, os.Remove(one(t, filepath.Join(m.dir, "making", was, "-1.*.piece"))))
		ledger, err := m.attempt()
		require.NoError(t, err)
		require.EqualValues(t, len(rows), ledger.Pushed)
		require.NotEqual(t, was, m.j.checkpoint().PushJobID)
		f, text := m.whole()
		read, err := parquet.OpenFile(strings.NewReader(text), f.Bytes)
		require.NoError(t, err)
		require.EqualValues(t, len(rows), read.NumRows())
	}
}

func one(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, names, 1)
	return names[0]
}

// A worker that was thought dead and wakes up neither changes the file nor shows one of its own.
func TestAFileOfAWorkerThatWakesUp(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	m := newMaker(t, flows.Import{Format: flows.CSV}, rows)
	m.j.fail = func(c flows.Checkpoint) error {
		if c.Chunks > 1 {
			return errCrash
		}
		return nil
	}
	_, err := m.attempt()
	require.ErrorIs(t, err, errCrash)
	m.j.fail = nil
	push := m.j.checkpoint().PushJobID
	sleeper := m.sinkOf(1)
	m.j.fail = func(c flows.Checkpoint) error {
		if c.Chunks == 3 { // the sleeper puts what it had in hand where another worker put its own
			return sleeper.Put(t.Context(), push, engine.Chunk{Seq: 2, Rows: 1, Body: []byte("nonsense\r\n")})
		}
		return nil
	}
	_, err = m.attempt()
	require.NoError(t, err)
	_, text := m.whole()
	require.NotContains(t, text, "nonsense")
	require.Equal(t, len(rows)+1, strings.Count(text, "\r\n"))

	other := newMaker(t, flows.Import{Format: flows.CSV}, rows)
	other.shelf.failBefore = errCrash
	_, err = other.attempt()
	require.ErrorIs(t, err, errCrash)
	other.shelf.fence++
	late := other.sinkOf(1)
	require.NoError(t, late.(engine.Reconciler).Reconcile(t.Context(), other.j.checkpoint().PushJobID, other.j.checkpoint().Chunks))
	err = late.Commit(t.Context(), other.j.checkpoint().PushJobID)
	require.True(t, fault.Has(err, fault.RunLeaseLost), "%v", err)
	require.Empty(t, other.shelf.files)
}

func TestAFileThatIsTooLarge(t *testing.T) {
	t.Parallel()
	m := newMaker(t, flows.Import{Format: flows.CSV}, many(bulk))
	m.deps.MaxFile = 1000
	_, err := m.attempt()
	require.True(t, fault.Has(err, fault.FileTooLarge), "%v", err)
}

// A full disk makes the run wait, and it goes on where it was.
func TestAFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	m := newMaker(t, flows.Import{Format: flows.NDJSON}, rows)
	full := &fullSpool{Spool: m.spool, left: 3}
	m.deps.FileSpool = full
	_, err := m.attempt()
	require.True(t, fault.Has(err, fault.SpoolFull), "%v", err)
	require.Equal(t, fault.Later, fault.RetryOf(err))
	push := m.j.checkpoint().PushJobID
	require.NotEmpty(t, push)
	began := m.j.checkpoint().Chunks > 0
	full.room(1000)
	_, err = m.attempt()
	require.NoError(t, err)
	if began { // pieces are put side by side: the first may be the one without room
		require.Equal(t, push, m.j.checkpoint().PushJobID)
	}
	_, text := m.whole()
	require.Equal(t, ndjsonOf(rows), text)
}

// fullSpool has room for some pieces.
type fullSpool struct {
	*spool.Spool
	mu   sync.Mutex
	left int
}

func (f *fullSpool) room(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = n
}

// PutPart implements endpoint.FileSpool.
func (f *fullSpool) PutPart(id string, p spool.Part, body []byte) error {
	f.mu.Lock()
	f.left--
	none := f.left < 0
	f.mu.Unlock()
	if none {
		return fault.Wrap(errors.New("no space"), fault.SpoolFull, "the disk is full")
	}
	return f.Spool.PutPart(id, p, body)
}

// An aborted push leaves nothing.
func TestAFileThatIsDropped(t *testing.T) {
	t.Parallel()
	m := newMaker(t, flows.Import{Format: flows.CSV}, many(bulk))
	m.shelf.failAfter = errCrash
	_, err := m.attempt()
	require.ErrorIs(t, err, errCrash)
	push := m.j.checkpoint().PushJobID
	require.FileExists(t, filepath.Join(m.dir, push))
	require.NoError(t, m.sinkOf(m.shelf.fence).Abort(t.Context(), push))
	require.NoFileExists(t, filepath.Join(m.dir, push))
	require.NoDirExists(t, filepath.Join(m.dir, "making", push))
}
