package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/google/uuid"
)

const (
	// pqlFirstPoll and pqlLastPoll bound the waits between two questions for an export's state, which grow by half.
	pqlFirstPoll, pqlLastPoll = 300 * time.Millisecond, 10 * time.Second
	// pqlStarts is how often an export is started whose result expired or went away before it was fetched.
	pqlStarts = 3
	// pqlFetches is how often a chunk is fetched that broke.
	pqlFetches = 4
)

// pqlSource reads what a PQL query gives. Its chunks are fetched whole before
// the first row is mapped, so that every reading of an attempt has the same
// rows; another attempt asks Celonis anew.
type pqlSource struct {
	*Builder
	workspace string
	export    flows.Export

	// files holds the chunks, as one Parquet source.
	files *fetchedFiles
}

var (
	_ engine.Source = (*pqlSource)(nil)
	_ io.Closer     = (*pqlSource)(nil)
)

// query makes the source of an export of type pql.
func (b *Builder) query(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	chunks := *f
	chunks.Export.Format = flows.ParquetFile
	return &pqlSource{Builder: b, workspace: f.Workspace, export: f.Export, files: b.fetchedFiles(&chunks, r)}, nil
}

// Open implements engine.Source. Only the first call of an attempt asks Celonis.
func (s *pqlSource) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	if s.files.identity == "" {
		if err := s.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.files.parts) == 0 {
		return nil, &engine.Empty{Warning: &flows.Warning{
			Code: fault.SourceEmpty, Message: "the query gave no rows: nothing was pushed and the table is as it was",
		}}
	}
	return s.files.Open(ctx, want)
}

// Close implements io.Closer.
func (s *pqlSource) Close() error { return s.files.Close() }

func (s *pqlSource) fetch(ctx context.Context) error {
	limit := time.Duration(cmp.Or(s.export.QueryTimeout, flows.DefaultQueryTimeout)) * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errPQLTimeout)
	defer cancel()
	client, err := s.celonisClient(ctx, s.workspace, s.export.ConnectionID)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.TempDir, "query-*.part")
	if err != nil {
		return spoolFault(err)
	}
	_ = os.Remove(f.Name())
	s.files.file = f
	if err := s.bring(ctx, client); err != nil {
		s.files.parts = nil
		if errors.Is(context.Cause(ctx), errPQLTimeout) {
			err = fault.New(fault.SourceTimeout, "celonis did not run the query within %s", limit).
				WithHint("raise export.queryTimeout, or let the query give less")
		}
		return errors.Join(err, s.files.Close())
	}
	s.files.identity = uuid.NewString()
	return nil
}

// errPQLTimeout says that a query took longer than it may.
var errPQLTimeout = errors.New("the query took too long")

// bring runs the query and fetches its chunks, from the start when the result went away.
func (s *pqlSource) bring(ctx context.Context, client *celonis.Client) error {
	for n := 1; ; n++ {
		e, err := client.StartPQL(ctx, celonis.APIVersion(s.export.Version), s.export.DataModelID, s.export.Query)
		if err != nil {
			return err
		}
		e, err = s.await(ctx, client, e)
		if err == nil && e.State == celonis.PQLDone {
			err = s.fetchChunks(ctx, client, e)
		}
		gone := fault.Has(err, fault.CelonisNotFound) || err == nil && e.State == celonis.PQLExpired
		switch {
		case gone && n < pqlStarts:
			s.Log.InfoContext(ctx, "the result of a PQL query went away and is asked for anew", "export", e.ID)
		case gone:
			return fault.New(fault.SourceUnavailable, "the result of the query expired %d times before it was fetched%s", n, said(e)).
				WithHint("let the query give less, or run the flow when less is going on")
		default:
			return err
		}
	}
}

// said gives Celonis's own words to the state of an export.
func said(e celonis.PQLExport) string {
	if e.Message == "" {
		return ""
	}
	return fmt.Sprintf(": celonis says %q", e.Message)
}

// await asks for the state until the export has ended. Fault SourceQuery when it failed.
func (s *pqlSource) await(ctx context.Context, client *celonis.Client, e celonis.PQLExport) (celonis.PQLExport, error) {
	for wait := pqlFirstPoll; ; wait = min(wait*3/2, pqlLastPoll) {
		switch e.State {
		case celonis.PQLDone, celonis.PQLExpired:
			return e, nil
		case celonis.PQLFailed:
			return e, fault.New(fault.SourceQuery, "celonis could not run the query%s", said(e)).
				WithHint("try the query in Celonis: the data model must be loaded, and every table and column must be in it")
		case celonis.PQLRunning:
		default:
			s.Log.WarnContext(ctx, "a PQL export is in a state that is not known and is waited for", "state", string(e.State))
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return e, err
		}
		var err error
		if e, err = client.PQLStatus(ctx, e); err != nil {
			return e, err
		}
	}
}

// fetchChunks puts the chunks into the file, one behind the other; those without rows are left out.
func (s *pqlSource) fetchChunks(ctx context.Context, client *celonis.Client, e celonis.PQLExport) error {
	at := int64(0)
	s.files.parts = nil
	for i, chunk := range e.Chunks {
		part := filePart{name: fmt.Sprintf("chunk %d of the query", i+1), at: at}
		var err error
		if part.size, err = s.fetchChunk(ctx, client, e, chunk, at); err != nil {
			return err
		}
		empty, err := s.hasNoRows(ctx, part)
		if err != nil {
			return err
		}
		if !empty {
			at += part.size
			s.files.parts = append(s.files.parts, part)
		}
	}
	return nil
}

func (s *pqlSource) fetchChunk(ctx context.Context, client *celonis.Client, e celonis.PQLExport, chunk celonis.PQLChunk, at int64) (n int64, err error) {
	most := cmp.Or(s.MaxSource, DefaultMaxSource)
	for try := 1; ; try++ {
		if err := s.files.file.Truncate(at); err != nil {
			return 0, spoolFault(err)
		}
		out := &sectionWriter{to: s.files.file, at: at, left: most - at}
		if n, err = client.PQLChunk(ctx, e, chunk, out); err == nil || out.err != nil {
			return n, out.fault(err, most)
		}
		if fault.RetryOf(err) != fault.Later || try >= pqlFetches || ctx.Err() != nil {
			return n, err
		}
		if err := pace.Rest(ctx, pqlFirstPoll<<try); err != nil {
			return n, err
		}
	}
}

// hasNoRows looks at the beginning of a chunk.
func (s *pqlSource) hasNoRows(ctx context.Context, p filePart) (bool, error) {
	r, err := columns.OpenParquet(s.files.section(p), p.size, nil)
	if err != nil {
		return false, inFile(p, err)
	}
	_, err = r.Next(ctx)
	none := errors.Is(err, io.EOF)
	if none {
		err = nil
	}
	return none, inFile(p, errors.Join(err, r.Close()))
}

// sectionWriter writes into a part of a file, up to a bound.
type sectionWriter struct {
	to       io.WriterAt
	at, left int64
	err      error
}

// errTooLarge says that a source is larger than it may be.
var errTooLarge = errors.New("the source is too large")

// Write implements io.Writer.
func (w *sectionWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		w.err = errTooLarge
		return 0, w.err
	}
	n, err := w.to.WriteAt(p, w.at)
	w.at, w.left, w.err = w.at+int64(n), w.left-int64(n), err
	return n, err
}

// fault gives the error of writing in place of the one that it led to.
func (w *sectionWriter) fault(err error, most int64) error {
	switch {
	case errors.Is(w.err, errTooLarge):
		return fault.New(fault.SourceTooLarge, "the rows of the query have more than %d bytes", most).WithHint("let the query give less, by a filter")
	case w.err != nil:
		return spoolFault(w.err)
	}
	return err
}
